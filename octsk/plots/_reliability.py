"""Display of a reliability diagram."""

import numpy as np
from sklearn.calibration import CalibrationDisplay, calibration_curve

from octsk.metrics import expected_calibration_error
from octsk.metrics.scores import check_scores, predict_indices
from octsk.plots._scores import ScoresDisplay
from octsk.plots.drawing import (
    COLOURS,
    COLUMN,
    grid_of_axes,
    style_axes,
)


class ReliabilityDisplay(ScoresDisplay, CalibrationDisplay):
    """Reliability diagram of the predicted class.

    The confidence of a prediction is the probability of the predicted class. Images are
    divided into bins by their confidence. The upper axes show the proportion of correct
    predictions in each bin against the mean confidence, drawn by scikit-learn's
    `CalibrationDisplay`. Points below the diagonal indicate overconfidence. The lower axes
    show the number of images in each bin, because points that represent few images are
    unreliable.

    Parameters
    ----------
    prob_true : array-like of shape (n_points,)
        Proportion of correct predictions in each bin that is not empty.
    prob_pred : array-like of shape (n_points,)
        Mean confidence in each bin that is not empty.
    y_prob : array-like of shape (n,)
        Confidence of each image.
    error : float
        Expected calibration error.
    n_bins : int, default=15
        Number of bins of equal width.

    Attributes
    ----------
    line_ : matplotlib.lines.Line2D
        Line of the reliability curve.
    ax_ : ndarray of shape (2,), of matplotlib.axes.Axes
        The axes of the curve and of the histogram.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    RocCurvesDisplay : ROC curves of the scores.
    PrecisionRecallCurvesDisplay : Precision-recall curves of the scores.
    sklearn.calibration.CalibrationDisplay : Curve for one of two classes.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On calibration of modern neural
    networks, ICML 2017, for reliability diagrams of the predicted class with 15 bins.

    Examples
    --------
    >>> import octsk
    >>> display = octsk.ReliabilityDisplay.from_predictions(
    ...     [1, 1, 0, 0], [0.75, 0.75, 0.75, 0.75]
    ... )
    >>> display.error
    0.25
    """

    def __init__(self, prob_true, prob_pred, y_prob, *, error, n_bins=15):
        super().__init__(prob_true, prob_pred, y_prob)
        self.error = error
        self.n_bins = n_bins
        self.by_patient = False

    @classmethod
    def from_report(cls, report, *, ax=None):
        """Draw the reliability diagram of a report by image or by patient.

        Parameters
        ----------
        report : octsk.evaluation.BenchmarkReport
            Report that `octsk.evaluate` returned, or its ``by_group``.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided into several axes. None creates a new
            figure.

        Returns
        -------
        ReliabilityDisplay
            The display.
        """
        display = cls._computed(report.y_true, report.y_score)
        display.by_patient = report.level == "group"
        return display.plot(ax)

    @classmethod
    def from_predictions(
        cls, y_true, y_prob, *, labels=None, class_names=None, n_bins=15, ax=None
    ):
        """Draw the reliability diagram of predicted probabilities.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            True classes.
        y_prob : array-like of shape (n, n_classes) or (n,)
            Predicted probability of each class. A single column holds the probabilities of
            the second of two classes.
        labels : array-like of shape (n_classes,), default=None
            Class of each column of `y_prob`. None stands for 0, 1, 2, ...
        class_names : None
            Ignored. The parameter exists for consistency with the other displays.
        n_bins : int, default=15
            Number of bins of equal width.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided into several axes. None creates a new
            figure.

        Returns
        -------
        ReliabilityDisplay
            The display.

        Raises
        ------
        ValueError
            If the arguments are not consistent with each other, or if `y_prob` does not
            hold probabilities.

        Examples
        --------
        >>> import octsk
        >>> y_prob = [[0.9, 0.1], [0.3, 0.7]]
        >>> octsk.ReliabilityDisplay.from_predictions([0, 1], y_prob).y_prob
        array([0.9, 0.7])
        """
        return cls._computed(y_true, y_prob, labels, n_bins).plot(ax)

    @classmethod
    def _computed(cls, y_true, y_prob, labels=None, n_bins=15):
        codes, prob = check_scores(y_true, y_prob, labels)
        if prob.shape[1] == 1:
            prob = np.hstack([1 - prob, prob])
        error = expected_calibration_error(codes, prob, n_bins)
        predicted = predict_indices(prob)
        confidence = prob[np.arange(len(prob)), predicted]
        prob_true, prob_pred = calibration_curve(
            predicted == codes, confidence, n_bins=n_bins
        )
        return cls(prob_true, prob_pred, confidence, error=error, n_bins=n_bins)

    def _draw(self, ax):
        size = (COLUMN, 4.0)
        unit = "patients" if self.by_patient else "images"
        both = grid_of_axes(ax, 2, 1, size=size, height_ratios=[3, 1]).ravel()
        above, below = both
        CalibrationDisplay.plot(
            self, ax=above, color=COLOURS[0], marker="o", label="this classifier"
        )
        above.set(xlabel="", ylabel="share of correct predictions", xlim=(0, 1))
        above.set_ylim(-0.02, 1.02)
        above.set_title(f"calibration error {self.error:.3f} ({self.n_bins} bins)")
        above.tick_params(labelbottom=False)
        above.legend(loc="upper left")
        below.hist(
            self.y_prob,
            bins=np.linspace(0, 1, self.n_bins + 1),
            color=COLOURS[0],
            edgecolor="white",
        )
        below.set(xlabel="confidence", ylabel=unit, xlim=(0, 1))
        self.ax_, self.figure_ = both, above.figure
        for axes in both:
            style_axes(axes)
