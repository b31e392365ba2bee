"""Display of an operating point on the ROC curve of positive against negative classes."""

import math

import numpy as np
from sklearn.metrics import RocCurveDisplay, auc, roc_curve
from sklearn.utils import check_consistent_length, column_or_1d

from octsk.plots.display import Display
from octsk.plots.drawing import COLOURS, new_axes, style_axes, wrap


class OperatingPointDisplay(Display):
    """ROC curve of positive against negative classes with an operating point.

    Bars show the intervals of the sensitivity and of the false positive rate at the
    threshold.

    Parameters
    ----------
    y_true : array-like of shape (n,), bool
        Whether each image is positive.
    y_score : array-like of shape (n,)
        Summed probability of the positive classes.
    threshold : float
        Images with at least this score are called positive.
    intervals : dict of (float, float), default=None
        Intervals of ``sensitivity`` and ``specificity``. None draws no bars.
    title : str, default=""
        Title of the legend, such as the names of the classes.

    Attributes
    ----------
    sensitivity, specificity : float
        Rates at the threshold.
    ax_ : matplotlib.axes.Axes
        Axes that the display is drawn in.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    RocCurvesDisplay : ROC curves of all classes.

    Examples
    --------
    >>> import octsk
    >>> display = octsk.OperatingPointDisplay(
    ...     [False, False, True, True], [0.1, 0.4, 0.35, 0.8], 0.3
    ... ).plot()
    >>> display.sensitivity, display.specificity
    (1.0, 0.5)
    """

    def __init__(self, y_true, y_score, threshold, *, intervals=None, title=""):
        self.y_true = column_or_1d(y_true).astype(bool)
        self.y_score = column_or_1d(y_score)
        check_consistent_length(self.y_true, self.y_score)
        if not 0 < self.y_true.sum() < len(self.y_true):
            raise ValueError(
                "y_true must hold positive and negative images, got "
                f"{self.y_true.sum()} positive among {len(self.y_true)}."
            )
        self.threshold = threshold
        self.intervals = intervals or {}
        self.title = title
        called = self.y_score >= threshold
        self.sensitivity = float(called[self.y_true].mean())
        self.specificity = float((~called)[~self.y_true].mean())

    @classmethod
    def from_report(cls, report, *, ax=None):
        """Draw the operating point of a report.

        Parameters
        ----------
        report : octsk.evaluation.BenchmarkReport
            Report that ``octsk.evaluate(..., positive=...)`` returned.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None creates a new figure.

        Returns
        -------
        OperatingPointDisplay
            The display.

        Raises
        ------
        ValueError
            If the report has no operating point, or no positive or no negative images.

        Examples
        --------
        >>> import octsk
        >>> from sklearn.dummy import DummyClassifier
        >>> scans = octsk.make_oct_phantoms(40, random_state=0)
        >>> guess = DummyClassifier().fit(scans.data, scans.target)
        >>> report = octsk.evaluate(guess, scans.data, scans.target, positive=[0, 1])
        >>> octsk.OperatingPointDisplay.from_report(report)
        <octsk.plots._operating_point.OperatingPointDisplay object at ...>
        """
        point = report.operating_point
        if point is None:
            raise ValueError(
                "report must have an operating point: pass positive to octsk.evaluate."
            )
        title = f"{', '.join(point.positive)} against {', '.join(point.negative)}"
        return cls(
            point.y_true,
            point.y_score,
            point.threshold,
            intervals=point.intervals,
            title=title,
        ).plot(ax)

    def _draw(self, ax):
        self.ax_ = new_axes(ax, 4.2)
        self.figure_ = self.ax_.figure
        fpr, tpr, _ = roc_curve(self.y_true, self.y_score)
        area = auc(fpr, tpr)
        curve = RocCurveDisplay(fpr=fpr, tpr=tpr, roc_auc=area)
        curve.plot(ax=self.ax_)
        curve.line_.set(color=COLOURS[0], label=f"AUC {area:.3f}")
        point = (1 - self.specificity, self.sensitivity)
        label = (
            f"threshold {self.threshold:.3g}: sensitivity {self.sensitivity:.3f}, "
            f"specificity {self.specificity:.3f}"
        )
        self.ax_.errorbar(
            *point,
            xerr=self._bars("specificity", self.specificity)[::-1],
            yerr=self._bars("sensitivity", self.sensitivity),
            fmt="o",
            color=COLOURS[1],
            capsize=3,
            label=label,
            zorder=3,
        )
        self.ax_.plot([0, 1], [0, 1], color="0.6", lw=0.8, ls=":", label="chance")
        self.ax_.set(
            xlabel="false positive rate (1 - specificity)",
            ylabel="sensitivity",
            xticks=np.linspace(0, 1, 6),
            yticks=np.linspace(0, 1, 6),
        )
        # The legend is below the axes, where it hides no curve.
        legend = self.ax_.legend(
            title=wrap(self.title, 45),
            loc="upper center",
            bbox_to_anchor=(0.5, -0.14),
            frameon=False,
        )
        legend.get_title().set_multialignment("center")
        style_axes(self.ax_)

    def _bars(self, name, value):
        """Return the lengths of the bar below and above a rate."""
        low, high = self.intervals.get(name, (math.nan, math.nan))
        if math.isnan(low):
            return [[0], [0]]
        return [[max(0.0, value - low)], [max(0.0, high - value)]]
