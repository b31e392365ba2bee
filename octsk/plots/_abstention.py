"""Display of the error of a classifier against its rate of abstention."""

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from octsk.metrics.scores import predict_indices
from octsk.plots.display import Display
from octsk.plots.drawing import COLOURS, new_axes, style_axes


class AbstentionDisplay(Display):
    """Error of the predictions that are kept, against the rate of abstention.

    The least confident predictions are left out first. The curve begins at the error of all
    predictions. If it does not fall, the confidence does not distinguish wrong predictions
    from correct ones.

    Parameters
    ----------
    wrong : array-like of shape (n,), bool
        Whether each prediction is wrong.
    confidence : array-like of shape (n,)
        Probability of the predicted class.
    threshold : float, default=None
        Lowest confidence at which a prediction is kept, to be marked by a point. None does
        not mark a point.

    Attributes
    ----------
    abstained, error : ndarray of shape (n_points,)
        Proportion of the predictions that are left out, and proportion of wrong ones among
        the others.
    point : tuple of (float, float) or None
        Both proportions at the threshold.
    ax_ : matplotlib.axes.Axes
        Axes that the display is drawn in.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    octsk.SelectiveClassifier : Chooses the threshold for a given error.

    References
    ----------
    R. El-Yaniv, Y. Wiener, On the foundations of noise-free selective classification,
    Journal of Machine Learning Research 11:1605-1641, 2010, for risk-coverage curves.

    Examples
    --------
    >>> import octsk
    >>> display = octsk.AbstentionDisplay([False, True, False], [0.9, 0.4, 0.6]).plot()
    >>> display.error.round(2).tolist()  # error of three, of two and of one prediction
    [0.33, 0.0, 0.0]
    """

    def __init__(self, wrong, confidence, *, threshold=None):
        wrong, confidence = column_or_1d(wrong).astype(bool), column_or_1d(confidence)
        check_consistent_length(wrong, confidence)
        order = np.argsort(-confidence, kind="stable")
        kept = np.arange(1, len(order) + 1)
        error = np.cumsum(wrong[order]) / kept
        # Predictions of equal confidence are either all kept or all left out.
        last = np.append(np.diff(confidence[order]) != 0, True)
        self.abstained = (1 - kept / len(order))[last][::-1]
        self.error = error[last][::-1]
        self.threshold = threshold
        self.point = None
        if threshold is not None and (confidence >= threshold).any():
            among = confidence >= threshold
            self.point = float(1 - among.mean()), float(wrong[among].mean())

    @classmethod
    def from_report(cls, report, *, ax=None):
        """Draw the curve of a report, with the threshold of its ``abstention`` if any.

        Parameters
        ----------
        report : octsk.evaluation.BenchmarkReport
            Report that `octsk.evaluate` returned. The threshold is marked if ``max_error``
            was given.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None creates a new figure.

        Returns
        -------
        AbstentionDisplay
            The display.

        Examples
        --------
        >>> import octsk
        >>> from sklearn.dummy import DummyClassifier
        >>> scans = octsk.make_oct_phantoms(40, random_state=0)
        >>> guess = DummyClassifier().fit(scans.data, scans.target)
        >>> report = octsk.evaluate(guess, scans.data, scans.target)
        >>> octsk.AbstentionDisplay.from_report(report).error
        array([0.75])
        """
        wrong = predict_indices(report.y_score) != report.y_true
        threshold = None if report.abstention is None else report.abstention.threshold
        return cls(wrong, report.y_score.max(axis=1), threshold=threshold).plot(ax)

    def _draw(self, ax):
        self.ax_ = new_axes(ax, 3.0)
        self.figure_ = self.ax_.figure
        self.ax_.plot(self.abstained, self.error, color=COLOURS[0], label="by confidence")
        if self.point is not None:
            label = f"threshold {self.threshold:.3g}: {self.point[0]:.0%} abstained"
            self.ax_.plot(*self.point, "o", color=COLOURS[1], label=label, zorder=3)
        self.ax_.set(
            xlabel="share of images abstained from",
            ylabel="error of the others",
            xlim=(0, 1),
            ylim=(0, max(0.05, 1.08 * float(self.error.max()))),
        )
        self.ax_.legend(loc="upper right", frameon=False)
        style_axes(self.ax_)
