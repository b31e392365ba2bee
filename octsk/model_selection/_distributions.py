"""Distributions from which a study draws parameters."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
)

from octsk.utils.json import describe

# Types of choices that Optuna's storages keep unchanged.
_KEPT = (bool, int, float, str, type(None))


class Space:
    """Parameters that a search varies.

    Parameters
    ----------
    distributions : dict of str to optuna distribution or sequence
        Distribution of each parameter; a sequence contains the values to choose from.
    """

    def __init__(self, distributions):
        self.distributions: dict[str, Any] = {}
        self._choices: dict[str, dict] = {}
        for name, given in distributions.items():
            if values := _listed(given):
                self._choices[name] = _labelled(values)
                given = CategoricalDistribution(tuple(self._choices[name]))
            if not isinstance(given, BaseDistribution):
                raise ValueError(
                    f"param_distributions[{name!r}] must be an Optuna distribution or a "
                    f"list of values, got {given!r}."
                )
            self.distributions[name] = given

    def suggest(self, trial):
        """Suggest a value for each parameter of a trial."""
        drawn = {name: _suggest(trial, name, d) for name, d in self.distributions.items()}
        return self.values(drawn)

    def values(self, params):
        """Convert parameters from Optuna's storage to values for the estimator."""
        return {
            name: self._choices.get(name, {}).get(value, value)
            for name, value in params.items()
        }

    def example(self):
        """Return one value for each parameter."""
        return {
            name: next(iter(self._choices[name].values()))
            if name in self._choices
            else drawn_from.low
            for name, drawn_from in self.distributions.items()
        }

    def highest(self, name, default):
        """Return the highest value of a parameter, or `default` if it is not varied.

        The result is "auto" if a choice is not a number.
        """
        if name in self._choices:
            values = self._choices[name].values()
            return max(values) if all(isinstance(v, Real) for v in values) else "auto"
        return getattr(self.distributions.get(name), "high", default)


def _suggest(trial, name, drawn_from):
    if isinstance(drawn_from, CategoricalDistribution):
        return trial.suggest_categorical(name, drawn_from.choices)
    suggest = (
        trial.suggest_float
        if isinstance(drawn_from, FloatDistribution)
        else trial.suggest_int
    )
    return suggest(
        name, drawn_from.low, drawn_from.high, step=drawn_from.step, log=drawn_from.log
    )


def _listed(given):
    """Return the values of any kind of sequence as a list, or None for other objects."""
    given = getattr(given, "choices", given)
    for method in ("to_list", "to_pylist"):  # pandas and polars, pyarrow
        given = getattr(given, method, lambda given=given: given)()
    is_sequence = isinstance(given, (Sequence, np.ndarray))
    return list(given) if is_sequence and not isinstance(given, (str, bytes)) else None


def _labelled(values):
    """Return a dict from labels, which Optuna's storages can keep, to the values."""
    values = [v.item() if isinstance(v, np.generic) else v for v in values]
    kept = [value for value in values if isinstance(value, _KEPT)]
    # Optuna does not distinguish True from 1.
    alike = len(set(kept)) < len({(type(value), value) for value in kept})
    choices: dict[Any, Any] = {}
    for value in values:
        is_kept = isinstance(value, _KEPT)
        label = words = value if is_kept and not alike else describe(value)
        n = 1
        while label in choices and not is_kept:
            n += 1
            label = f"{words} ({n})"
        choices[label] = value
    return choices
