"""The values that octsk uses for parameters of nets that are None or "auto"."""

from typing import Any

from octsk.utils.json import jsonable
from octsk.utils.tables import Table


def resolved_params(estimator) -> dict[str, Any]:
    """Return the values that are used for net parameters that are None or "auto".

    Parameters
    ----------
    estimator : estimator
        A net of octsk, or an estimator with nets among its parameters.

    Returns
    -------
    dict
        The values, by the name of the parameter in ``estimator.get_params()``.
    """
    parts = {"": estimator}
    parts |= {f"{name}__": part for name, part in estimator.get_params().items()}
    return {
        prefix + name: jsonable(value)
        for prefix, part in parts.items()
        # The network in init_from is not trained.
        if hasattr(part, "_resolved_params") and not prefix.endswith("init_from__")
        for name, value in part._resolved_params().items()
    }


def resolve(params, resolved) -> dict[str, Any]:
    """Return parameters for display, with None and "auto" replaced by resolved values."""
    return {
        name: value
        if name not in resolved
        else f"auto ({resolved[name]})"
        if value == "auto"
        else resolved[name]
        for name, value in params.items()
    }


def parameter_rows(params) -> list[tuple[str, ...]]:
    """Return a table row for each parameter, with its values in several classifiers.

    Parameters
    ----------
    params : list of dict
        The parameters of each classifier, converted by `octsk.utils.json.jsonable`.

    Returns
    -------
    list of tuple of str
        The name and the values of each parameter except ``random_state``.
    """
    names = dict.fromkeys(name for given in params for name in given)
    return [
        (name, *(_value(given, name) for given in params))
        for name in names
        if name != "random_state"
    ]


def _value(params, name) -> str:
    if name not in params:
        return "-"
    value = str(params[name])
    # If the parameters of an object have their own rows, its class name is enough.
    nested = any(other.startswith(f"{name}__") for other in params)
    return value.partition("(")[0] if nested else value


def settings_table(reports) -> Table:
    """Return a table of the settings of classifiers, with None and "auto" resolved.

    Parameters
    ----------
    reports : list of BenchmarkReport
        One report of each classifier.

    Returns
    -------
    Table
        A row for each parameter, a column for each classifier.
    """
    rows = [
        ("estimator", *(report.estimator for report in reports)),
        *parameter_rows([report.shown_params for report in reports]),
    ]
    return Table("Settings", ("parameter", *(report.name for report in reports)), rows)
