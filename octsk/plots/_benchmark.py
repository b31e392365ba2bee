"""Display of measured and published results."""

import numpy as np

from octsk.metrics import TITLES
from octsk.plots.display import Display
from octsk.plots.drawing import (
    COLOURS,
    drawable,
    new_axes,
    style_axes,
    wrap,
)
from octsk.published import published_results

_MEASURED, _V2, _V1 = COLOURS[0], COLOURS[1], COLOURS[4]


class BenchmarkDisplay(Display):
    """Measured accuracies with confidence intervals above published accuracies.

    Each classifier has one line, on which each seed is a dot with its interval. The rows of
    MedMNIST's benchmark follow below if the results are comparable. Otherwise, a note
    states why they are not.

    Parameters
    ----------
    measured : dict of list of (value, low, high)
        The value of each seed with the lower and the upper bound of its interval, by the
        name of the classifier.
    published : sequence of (method, v1, v2), default=()
        Rows of MedMNIST's benchmark with the values of its two editions.
    metric : {"acc", "auc"}, default="acc"
        Metric of the values: accuracy or area under the ROC curve.
    confidence_level : float, default=0.95
        Confidence level of the intervals.
    note : str, default=""
        Text below the axes.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes that the display is drawn in.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    octsk.benchmark.BenchmarkRun.save : Saves this figure with the tables of a run.
    ConfusionDisplay : Confusion matrix of a single report.
    HistoryDisplay : Learning curves of several reports.

    Examples
    --------
    >>> import octsk
    >>> display = octsk.BenchmarkDisplay(
    ...     {"Small": [(0.70, 0.67, 0.73), (0.72, 0.69, 0.75)]},
    ...     [("ResNet-18 (28)", 0.758, 0.743)],
    ... )
    >>> [label.get_text() for label in display.plot().ax_.get_yticklabels()]
    ['Small', 'ResNet-18 (28)']
    """

    def __init__(
        self, measured, published=(), *, metric="acc", confidence_level=0.95, note=""
    ):
        self.measured = dict(measured)
        self.published = list(published)
        self.metric = metric
        self.confidence_level = confidence_level
        self.note = note
        if metric not in ("acc", "auc"):
            raise ValueError(f"metric must be 'acc' or 'auc', got {metric!r}.")

    @classmethod
    def from_run(cls, run, *, metric="acc", ax=None):
        """Draw the results of a benchmark run above published results.

        Parameters
        ----------
        run : octsk.benchmark.BenchmarkRun
            Run that `octsk.benchmark.run_benchmark` returned.
        metric : {"acc", "auc"}, default="acc"
            Metric to show: accuracy or area under the ROC curve.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None creates a new figure.

        Returns
        -------
        BenchmarkDisplay
            The display.

        Raises
        ------
        ValueError
            If `metric` is neither ``"acc"`` nor ``"auc"``.

        Examples
        --------
        >>> import octsk
        >>> from sklearn.dummy import DummyClassifier
        >>> from sklearn.utils import Bunch
        >>> train, test = (octsk.make_oct_phantoms(40, random_state=k) for k in range(2))
        >>> dataset = Bunch(name="phantoms", synthetic=True, train=train, test=test)
        >>> run = octsk.benchmark.run_benchmark({"guess": DummyClassifier()}, dataset)
        >>> octsk.BenchmarkDisplay.from_run(run).note
        'Not comparable with published results: the images are synthetic.'
        """
        return cls._of_run(run, metric).plot(ax)

    @classmethod
    def _of_run(cls, run, metric):
        if metric not in ("acc", "auc"):
            raise ValueError(f"metric must be 'acc' or 'auc', got {metric!r}.")
        measured = {
            name: [(r.metrics[metric], *r.intervals[metric]) for r in reports]
            for name, reports in run.reports.items()
        }
        published, reason = [], run.first.not_comparable
        note = f"Not comparable with published results: {reason}."
        if not reason:
            note = "Published by MedMNIST; (224): 28-pixel images, enlarged."
            v1, v2 = (
                published_results(run.first.data["name"], kind="benchmark", version=v)
                for v in ("v1", "v2")
            )
            published = [
                (one.method, getattr(one, metric), getattr(two, metric))
                for one, two in zip(v1, v2, strict=True)
            ]
        level = run.first.confidence_level
        return cls(measured, published, metric=metric, confidence_level=level, note=note)

    def _draw(self, ax):
        n_rows = len(self.measured) + len(self.published)
        self.ax_ = new_axes(ax, self._height())
        self.figure_ = self.ax_.figure
        self._draw_measured()
        for row, (_, v1, v2) in enumerate(self.published, start=len(self.measured)):
            self.ax_.plot(v1, row, "D", color=_V1, ms=5, mfc="none", mew=1.3)
            self.ax_.plot(v2, row, "s", color=_V2, ms=5)
        names = [*self.measured, *(method for method, _, _ in self.published)]
        self.ax_.set_yticks(range(n_rows), [drawable(name) for name in names])
        # Margins keep a single classifier from filling the whole height.
        margin = max(0.5, (4 - n_rows) / 2)
        self.ax_.set_ylim(n_rows - 1 + margin, -margin)
        if self.published:
            self.ax_.axhline(len(self.measured) - 0.5, color="grey", lw=0.8, ls="--")
        style_axes(self.ax_)
        self.ax_.grid(visible=False, axis="y")
        label = TITLES[self.metric]
        note = f"\n{wrap(self.note, 38)}" if self.note else ""
        self.ax_.set_xlabel(f"{label}{note}", fontsize=7)
        self._legend()

    def _n_seeds(self):
        return max(map(len, self.measured.values()), default=1)

    def _height(self):
        """Return the height in inches that all seeds and published rows need."""
        nets = len(self.measured) * (0.2 + 0.05 * self._n_seeds())
        return max(2.2, 1.4 + nets + 0.2 * len(self.published))

    def _draw_measured(self):
        for row, seeds in enumerate(self.measured.values()):
            # The seeds of a classifier are spread vertically within its line.
            offsets = np.linspace(-0.25, 0.25, len(seeds)) if len(seeds) > 1 else [0]
            for offset, (value, low, high) in zip(offsets, seeds, strict=True):
                height = row + offset
                self.ax_.plot([low, high], [height] * 2, color=_MEASURED, alpha=0.5)
                self.ax_.plot(value, height, "o", color=_MEASURED, ms=4)
            if len(seeds) > 1:
                mean = np.mean([value for value, _, _ in seeds])
                self.ax_.plot([mean] * 2, [row - 0.36, row + 0.36], color="black")

    def _legend(self):
        from matplotlib.lines import Line2D

        label = f"measured, {self.confidence_level:.0%} interval"
        handles = [Line2D([], [], color=_MEASURED, marker="o", label=label)]
        if self._n_seeds() > 1:
            handles += [
                Line2D([], [], color="black", marker="|", ms=9, lw=0, label="mean of seeds")
            ]
        if self.published:
            handles += [
                Line2D(
                    [], [], lw=0, marker="D", mfc="none", color=_V1, label="published, v1"
                ),
                Line2D([], [], lw=0, marker="s", color=_V2, label="published, v2"),
            ]
        self.ax_.legend(
            handles=handles,
            # The legend is wider than the axes and extends to the left, above the names.
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            ncols=2,
            frameon=False,
        )
