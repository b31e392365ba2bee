"""Display of a reliability diagram."""

import numpy as np
from sklearn.calibration import CalibrationDisplay, calibration_curve

from octsk.metrics import (
    _check,
    _predict,
    expected_calibration_error,
)
from octsk.plots._scores import ScoresDisplay
from octsk.plots.drawing import (
    COLOURS,
    COLUMN,
    grid_of_axes,
    plain_axes,
)


class ReliabilityDisplay(ScoresDisplay, CalibrationDisplay):
    """Reliability diagram: how often a classifier is right when it is how sure.

    Images are put into bins by the probability of their predicted class, the confidence.
    Above, the share of right predictions in each bin against the mean confidence, as
    scikit-learn's `CalibrationDisplay` draws it: below the diagonal the classifier is too
    sure of itself. Below, how many images are in each bin; a point of few says little.

    Parameters
    ----------
    prob_true : array-like of shape (n_points,)
        Share of right predictions in each bin that is not empty.
    prob_pred : array-like of shape (n_points,)
        Mean confidence in each of them.
    y_prob : array-like of shape (n,)
        Confidence of each image.
    error : float
        Expected calibration error.
    n_bins : int, default=15
        Number of bins, of equal width.

    Attributes
    ----------
    line_ : matplotlib.lines.Line2D
        The curve.
    ax_ : ndarray of shape (2,), of matplotlib.axes.Axes
        The axes of the curve and of the numbers.
    figure_ : matplotlib.figure.Figure or SubFigure
        The figure.

    See Also
    --------
    sklearn.calibration.CalibrationDisplay : Of the probability of one of two classes.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, On calibration of modern neural
    networks, ICML 2017: reliability diagrams of the predicted class, 15 bins.

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

    @classmethod
    def from_predictions(
        cls, y_true, y_prob, *, labels=None, class_names=None, n_bins=15, ax=None
    ):
        """Compare the probabilities of predictions with how many are right.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            True classes.
        y_prob : array-like of shape (n, n_classes) or (n,)
            Probabilities; a single column is that of the second of two classes.
        labels : array-like of shape (n_classes,), default=None
            The class of each column of `y_prob`; None: 0, 1, 2, ...
        class_names : None
            Not shown; there because the other displays of scores have it.
        n_bins : int, default=15
            Number of bins, of equal width.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in; None makes a new figure.

        Returns
        -------
        ReliabilityDisplay
            The display.

        Raises
        ------
        ValueError
            If the arguments do not fit each other, or `y_prob` holds no probabilities.

        Examples
        --------
        >>> import octsk
        >>> y_prob = [[0.9, 0.1], [0.3, 0.7]]
        >>> octsk.ReliabilityDisplay.from_predictions([0, 1], y_prob).y_prob
        array([0.9, 0.7])
        """
        codes, prob = _check(y_true, y_prob, labels)
        if prob.shape[1] == 1:
            prob = np.hstack([1 - prob, prob])
        error = expected_calibration_error(codes, prob, n_bins)
        predicted = _predict(prob)
        confidence = prob[np.arange(len(prob)), predicted]
        prob_true, prob_pred = calibration_curve(
            predicted == codes, confidence, n_bins=n_bins
        )
        return cls(prob_true, prob_pred, confidence, error=error, n_bins=n_bins).plot(ax)

    def _draw(self, ax):
        size = (COLUMN, 4.0)
        both = grid_of_axes(ax, 2, 1, size=size, height_ratios=[3, 1]).ravel()
        above, below = both
        CalibrationDisplay.plot(
            self, ax=above, color=COLOURS[0], marker="o", label="this classifier"
        )
        above.set(xlabel="", ylabel="share of right predictions", xlim=(0, 1))
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
        below.set(xlabel="confidence", ylabel="images", xlim=(0, 1))
        self.ax_, self.figure_ = both, above.figure
        for axes in both:
            plain_axes(axes)
