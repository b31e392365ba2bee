"""The figure of a benchmark run. Needs matplotlib (``octsk[plot]``)."""

import math
import textwrap

import numpy as np

from octsk._published import published_results
from octsk._report import data_words

# Okabe and Ito's colours, which the colour-blind tell apart; markers and line styles
# say the same again for grey print.
MEASURED, PUBLISHED_V1, PUBLISHED_V2 = "#0072B2", "#E69F00", "#D55E00"
SYNTHETIC = PUBLISHED_V2
NET_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


def benchmark_figure(run):
    """Draw a run: accuracies, the first report's confusions, training histories.

    Measured accuracies stand beside MedMNIST's benchmark only where they are
    comparable; else the figure says why not.

    Parameters
    ----------
    run : BenchmarkRun
        Run with at least one report.

    Returns
    -------
    matplotlib.figure.Figure
        Not registered with pyplot: save it with ``savefig``, or let a notebook show
        it.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            'matplotlib is needed for figures; install it with: pip install "octsk[plot]"'
        ) from error

    published = _published_rows(run)
    has_history = any(report.history for report in _first_reports(run))
    # Inches: room for every seed of every net, and for the published rows.
    rows = len(run.reports) * (0.3 + 0.06 * len(run.seeds)) + 0.3 * len(published)
    heights = [max(4.2, 1.9 + rows)] + ([3.0] if has_history else [])
    figure = Figure(figsize=(11, sum(heights)), layout="constrained")
    colour = SYNTHETIC if run.first.data["synthetic"] else "black"
    figure.suptitle(_title(run), fontsize=12, color=colour)
    top, *bottom = figure.subfigures(
        len(heights), squeeze=False, height_ratios=heights
    ).ravel()
    left, right = top.subplots(1, 2, width_ratios=[1.35, 1])
    _draw_accuracies(left, run, published)
    _draw_confusion(right, run.first)
    for subfigure in bottom:
        _draw_histories(subfigure.subplots(1, 2), _first_reports(run))
    return figure


def _title(run) -> str:
    data = run.first.data
    title = f"{data_words(data)}: {run.first.n_samples} images"
    if data["synthetic"]:
        title += "\nSYNTHETIC DATA: these figures say nothing about real images"
    return title


def _first_reports(run):
    return [reports[0] for reports in run.reports.values()]


def _published_rows(run):
    """Methods of MedMNIST's benchmark with their rows of both editions."""
    if run.first.not_comparable:
        return []
    name = run.first.data["name"]
    v1, v2 = (published_results(name, kind="benchmark", version=v) for v in ("v1", "v2"))
    return list(zip(v1, v2, strict=True))


def _draw_accuracies(axes, run, published):
    """One line a net, each seed a dot with its interval; below, the published rows."""
    for row, reports in enumerate(run.reports.values()):
        # Seeds stand one above the other within their net's line.
        offsets = np.linspace(-0.25, 0.25, len(reports)) if len(reports) > 1 else [0]
        for offset, report in zip(offsets, reports, strict=True):
            axes.plot(
                report.intervals["acc"],
                [row + offset] * 2,
                color=MEASURED,
                lw=1.5,
                alpha=0.5,
            )
            axes.plot(report.metrics["acc"], row + offset, "o", color=MEASURED, ms=5)
        if len(reports) > 1:
            mean = np.mean([report.metrics["acc"] for report in reports])
            axes.plot([mean, mean], [row - 0.36, row + 0.36], color="black", lw=1.5)
    labels = list(run.reports)
    for row, (v1, v2) in enumerate(published, start=len(labels)):
        axes.plot(v1.acc, row, "D", color=PUBLISHED_V1, ms=6, mfc="none", mew=1.6)
        axes.plot(v2.acc, row, "s", color=PUBLISHED_V2, ms=6)
    labels += [v1.method for v1, _ in published]
    axes.set_yticks(range(len(labels)), labels)
    # A lone net should not fill the whole height.
    margin = max(0.5, (4 - len(labels)) / 2)
    axes.set_ylim(len(labels) - 1 + margin, -margin)
    if published:
        axes.axhline(len(run.reports) - 0.5, color="grey", lw=0.8, ls="--")
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.set_xlabel(_accuracy_label(run))
    _accuracy_legend(axes, run, published)


def _accuracy_label(run) -> str:
    if run.first.not_comparable is None:
        return "accuracy (published 224: 28-pixel images enlarged)"
    reason = f"Not comparable with published results: {run.first.not_comparable}."
    return "accuracy\n" + textwrap.fill(reason, 70)


def _accuracy_legend(axes, run, published):
    from matplotlib.lines import Line2D

    level = f"{run.first.confidence_level:.0%}"
    handles = [
        Line2D(
            [],
            [],
            color=MEASURED,
            marker="o",
            label=f"measured: each seed, {level} interval",
        )
    ]
    if len(run.seeds) > 1:
        handles.append(
            Line2D(
                [], [], color="black", marker="|", ms=10, lw=0, label="mean of the seeds"
            )
        )
    if published:
        handles += [
            Line2D(
                [],
                [],
                lw=0,
                marker="D",
                mfc="none",
                color=PUBLISHED_V1,
                label="MedMNIST v1",
            ),
            Line2D([], [], lw=0, marker="s", color=PUBLISHED_V2, label="MedMNIST v2"),
        ]
    axes.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=2,
        fontsize=9,
        frameon=False,
    )


def _draw_confusion(axes, report):
    """Rates and counts of each true class, in shades of one colour."""
    matrix = report.confusion_matrix
    with np.errstate(invalid="ignore"):
        rates = matrix / matrix.sum(axis=1, keepdims=True)
    axes.imshow(rates, cmap="Blues", vmin=0, vmax=1)
    few = len(matrix) <= 6
    for (row, column), rate in np.ndenumerate(rates):
        text = "-" if math.isnan(rate) else f"{rate:.0%}"
        axes.text(
            column,
            row,
            f"{text}\n({matrix[row, column]})" if few else text,
            ha="center",
            va="center",
            fontsize=9 if few else 7,
            color="white" if rate > 0.6 else "black",
        )
    names = [
        textwrap.fill(name, 10 if few else 30, break_long_words=False)
        for name in report.class_names
    ]
    axes.set_xticks(
        range(len(names)),
        names,
        fontsize=8,
        rotation=30 if few else 90,
        ha="right",
        va="top" if few else "center",
        rotation_mode="anchor",
    )
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    seed = "" if report.seed is None else f", seed {report.seed}"
    shown = "share (and number)" if few else "share"
    axes.set_title(f"{report.name}{seed}\n{shown} of each true class", fontsize=10)


def _draw_histories(both_axes, reports):
    """Loss and accuracy by epoch: a colour a net, training solid, validation dashed."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import MaxNLocator

    with_history = [report for report in reports if report.history]
    reports = with_history[: len(NET_COLOURS)]
    nets = "each net" if reports == with_history else f"the first {len(reports)} nets"
    handles = [
        Line2D([], [], color="0.4", ls="-", marker="o", ms=4, label="training"),
        Line2D([], [], color="0.4", ls="--", marker="s", ms=4, label="validation"),
    ]
    for colour, report in zip(NET_COLOURS, reports, strict=False):
        handles.append(Line2D([], [], color=colour, lw=3, label=report.name))
        for axes, metric in zip(both_axes, ("loss", "accuracy"), strict=True):
            for key, style in [(metric, "-o"), (f"val_{metric}", "--s")]:
                values = report.history.get(key, [])
                epochs = range(1, len(values) + 1)
                axes.plot(epochs, values, style, color=colour, ms=4, lw=1.5)
            axes.set_xlabel("epoch")
            axes.set_ylabel(metric)
            # The one tick of a single epoch would be split into fractions.
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            axes.grid(color="0.9")
            axes.set_axisbelow(True)
    both_axes[0].set_title(f"Training, first seed of {nets}", fontsize=10)
    both_axes[1].legend(
        handles=handles,
        fontsize=8,
        frameon=False,
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
    )
