"""Figures of a tuning run.

They are not drawn by ``optuna.visualization.matplotlib``. In Optuna 5 it is experimental,
changes the style of all later figures of the process, registers its figures with pyplot,
and shows neither the spread of the folds nor short names for parameters that are objects.
"""

import math

import numpy as np

from octsk.evaluation.wording import format_split
from octsk.model_selection import plot_pareto_front
from octsk.plots.drawing import COLOURS
from octsk.utils.formatting import format_score, format_value, shorten

_TRIAL, _BEST, _PRUNED = COLOURS[0], COLOURS[1], "0.6"

# Maximum number of values of a parameter that are written next to its axis.
_N_TICKS = 6


def tuning_figures(run):
    """Draw a tuning run.

    Parameters
    ----------
    run : octsk.tuning.TuningRun
        The run.

    Returns
    -------
    dict of matplotlib.figure.Figure
        The figures by the names of their files. They are not registered with pyplot.
    """
    figures = {"history": _history(run)}
    if run._varied():
        figures["parallel"] = _parallel(run)
    if run.importances():
        figures["importances"] = _importances(run)
    if run.search.cost is not None:
        figures["pareto"] = _figure(run, (7, 4.5))
        plot_pareto_front(run.search, ax=figures["pareto"].subplots())
    return figures


def _figure(run, size):
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    title = f"{type(run.search.estimator).__name__}, {format_split(run._split())}"
    # The colour marks synthetic images, as does the text of format_split.
    colour = _BEST if run.data["synthetic"] else "black"
    figure.suptitle(title, fontsize=11, color=colour)
    return figure


def _score_label(run):
    return f"mean {run.metric_words().replace('_', ' ')} of the folds"


def _history(run):
    """Draw the score of each trial, and the best so far."""
    from matplotlib.ticker import MaxNLocator

    figure = _figure(run, (8, 4.5))
    axes = figure.subplots()
    numbers, scores, spreads = (
        np.array([trial[key] for trial in run._completed()], float)
        for key in ("trial", "score", "std")
    )
    axes.errorbar(
        *(numbers, scores, spreads),
        fmt="o",
        ms=5,
        color=_TRIAL,
        elinewidth=0.7,
        label="trial, ± SD of its folds",
    )
    best = np.maximum.accumulate(scores)
    last = run.trials()[-1]["trial"]
    axes.step(
        *(np.append(numbers, last), np.append(best, best[-1:])),
        where="post",
        color=_BEST,
        zorder=3,
        label=f"best so far: {format_score(best[-1])}",
    )
    pruned = _last_reports(run)
    if pruned:
        axes.plot(
            *zip(*pruned, strict=True),
            "x",
            color=_PRUNED,
            label="pruned, last score in its first fold",
        )
    axes.set(xlabel="trial", ylabel=_score_label(run))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(axis="y", color="0.9")
    axes.set_axisbelow(True)
    figure.legend(loc="outside lower center", ncols=3, fontsize=9, frameon=False)
    return figure


def _last_reports(run):
    return [
        (trial.number, trial.intermediate_values[trial.last_step])
        for trial in run.search.study_.get_trials(deepcopy=False)
        if trial.state.name == "PRUNED" and trial.last_step is not None
    ]


def _importances(run):
    """Draw a bar for each parameter, the most important at the top."""
    shares = run.importances()
    figure = _figure(run, (7, 1.4 + 0.28 * len(shares)))
    axes = figure.subplots()
    bars = axes.barh(list(shares), list(shares.values()), color=_TRIAL, height=0.7)
    axes.bar_label(bars, fmt="{:.2f}", padding=3, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * max(shares.values()))
    axes.spines[["top", "right"]].set_visible(False)
    n = len(run._completed())
    axes.set_xlabel(f"importance (PED-ANOVA), estimated from {n} trials")
    return figure


def _parallel(run):
    """Draw each completed trial as a line over all parameters, coloured by its score."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    drawn_from = run.search.study_.best_trials[0].distributions
    names = list(run.importances() or run._varied())
    scales = [_Scale(drawn_from[name]) for name in names]
    trials = sorted(run._completed(), key=lambda trial: (trial["score"], -trial["trial"]))
    figure = _figure(run, (max(6, 2 + 0.8 * len(names)), 5.2))
    axes = figure.subplots()
    scores = [trial["score"] for trial in trials]
    colours = ScalarMappable(Normalize(scores[0], scores[-1]), cmap="viridis_r")
    # The parameters as Optuna stores them, with names for choices that are objects.
    tried = [trial.params for trial in run.search.study_.get_trials(deepcopy=False)]
    for trial in trials:
        params = tried[trial["trial"]]
        pairs = zip(names, scales, strict=True)
        heights = [scale.height(params[name]) for name, scale in pairs]
        best = trial is trials[-1]
        axes.plot(
            heights,
            color=_BEST if best else colours.to_rgba(trial["score"]),
            lw=2.5 if best else 1.2,
            label=f"best, trial {trial['trial']}" if best else None,
        )
    for x, scale in enumerate(scales):
        axes.axvline(x, color="0.3", lw=0.8)
        for height, word in scale.ticks:
            axes.annotate(
                shorten(word, 24),
                (x, height),
                (3, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
                bbox={"facecolor": "white", "alpha": 0.75, "lw": 0, "pad": 0.6},
            )
    axes.set_xticks(
        range(len(names)),
        [name.replace("__", "\n").replace("_", " ") for name in names],
        rotation=35,
        ha="right",
        rotation_mode="anchor",
        fontsize=9,
    )
    axes.set_xlim(-0.2, len(names) - 0.3)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=9, frameon=False)
    figure.colorbar(colours, ax=axes, label=_score_label(run), pad=0.02)
    return figure


class _Scale:
    """Axis of a parameter, on which its values have heights from 0 to 1.

    Parameters
    ----------
    drawn_from : optuna distribution
        Distribution of the parameter, which sets the ends of the axis.
    """

    def __init__(self, drawn_from):
        self._choices: dict[str, float] = {}
        values = _few_values(drawn_from)
        if values is not None:
            top = len(values) - 1
            self._choices = {format_value(value): i / top for i, value in enumerate(values)}
            self.ticks = [(height, word) for word, height in self._choices.items()]
            return
        self._ends = drawn_from.low, drawn_from.high
        self._log = drawn_from.log
        low, high = self._ends
        middle = math.sqrt(low * high) if self._log else (low + high) / 2
        middle = type(low)(middle)
        self.ticks = [(self.height(v), format_value(v)) for v in (low, middle, high)]

    def height(self, value):
        """Return the height of a value."""
        if self._choices:
            # A value may be missing if the search space has been changed since the trial.
            return self._choices.get(format_value(value), math.nan)
        low, value, high = (
            math.log(v) if self._log else v for v in (self._ends[0], value, self._ends[1])
        )
        return (value - low) / (high - low)


def _few_values(drawn_from):
    """Return the values of a parameter if there are few of them, else None."""
    if hasattr(drawn_from, "choices"):
        return drawn_from.choices
    if drawn_from.step is None or drawn_from.log:
        return None
    n = round((drawn_from.high - drawn_from.low) / drawn_from.step) + 1
    return (
        np.linspace(drawn_from.low, drawn_from.high, n).tolist() if n <= _N_TICKS else None
    )
