"""Figure of a benchmark run, composed of displays."""

from octsk.evaluation.wording import format_split
from octsk.plots import BenchmarkDisplay, ConfusionDisplay, HistoryDisplay
from octsk.plots.drawing import COLOURS, COLUMN, WRONG, drawable, styled


@styled
def benchmark_figure(run):
    """Draw the accuracies, a confusion matrix and the training histories of a run.

    The confusion matrix is that of the first classifier and seed.

    Parameters
    ----------
    run : BenchmarkRun
        Run with at least one report.

    Returns
    -------
    matplotlib.figure.Figure
        The figure. It is not registered with pyplot. Save it with ``savefig``, or display
        it in a notebook.
    """
    from matplotlib.figure import Figure

    accuracies = BenchmarkDisplay._of_run(run, "acc")
    trained = [reports[0] for reports in run.reports.values() if reports[0].history]
    heights = [max(COLUMN, accuracies._height())] + ([2.4] if trained else [])
    figure = Figure(figsize=(2 * COLUMN, sum(heights) + 0.4), layout="constrained")
    synthetic = run.first.data["synthetic"]
    figure.suptitle(_title(run, synthetic), color=WRONG if synthetic else "black")
    top, *bottom = figure.subfigures(
        len(heights), squeeze=False, height_ratios=heights
    ).ravel()
    left, right = top.subplots(1, 2)
    accuracies.plot(left)
    ConfusionDisplay.from_report(run.first, ax=right)
    seed = "" if run.first.seed is None else f", seed {run.first.seed}"
    right.set_title(f"{drawable(run.first.name)}{seed}\n{right.get_title()}")
    for subfigure in bottom:
        # Show at most as many nets as there are colours.
        shown = trained[: len(COLOURS)]
        nets = "each net" if shown == trained else f"the first {len(shown)} nets"
        subfigure.suptitle(f"Training, first seed of {nets}")
        HistoryDisplay.from_reports(shown, ax=subfigure.subplots())
    return figure


def _title(run, synthetic) -> str:
    title = f"{format_split(run.first.data)}: {run.first.n_samples} images"
    if synthetic:
        title += "\nSYNTHETIC DATA: these results say nothing about real images"
    return title
