"""Plot of the scores of a search against their costs."""

import numpy as np

from octsk.plots.drawing import COLOURS


def plot_pareto_front(search, *, ax=None):
    """Plot the scores of a search against their costs, and the Pareto front.

    Parameters
    ----------
    search : OCTSearchCV
        Fitted search with a `cost`.
    ax : matplotlib.axes.Axes, default=None
        Axes to plot on. None creates a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        The axes with the plot.

    Raises
    ------
    ValueError
        If the search is not fitted or has no `cost`.
    """
    if not hasattr(search, "pareto_front_"):
        raise ValueError(
            "search must be a fitted OCTSearchCV with a cost, such as cost='n_parameters'; "
            f"got {search!r}."
        )
    from matplotlib import pyplot

    ax = pyplot.subplots()[1] if ax is None else ax
    results, front, metric = search.cv_results_, search.pareto_front_, search._metric()
    cost, score = results["cost"], results[f"mean_test_{metric}"]
    spread = results[f"std_test_{metric}"]
    ax.errorbar(
        *(cost, score, spread),
        fmt="o",
        color=COLOURS[0],
        elinewidth=0.8,
        label="trial, ± SD of its folds",
    )
    ax.step(
        *(cost[front], score[front], "D-"),
        where="post",
        color=COLOURS[1],
        zorder=3,
        label="Pareto front",
    )
    if np.nanmax(cost) > 30 * np.nanmin(cost) > 0:
        ax.set_xscale("log")
    scoring = search.scoring if isinstance(search.scoring, str) else metric
    ax.set(
        xlabel=_COST_WORDS.get(search.cost, "cost"),
        ylabel=f"mean test {scoring.replace('_', ' ')}",
    )
    ax.legend(loc="lower right")
    return ax


_COST_WORDS = {"n_parameters": "parameters", "fit_time": "time of a fit (s)"}
