"""Displays of ROC and precision-recall curves."""

from collections.abc import Callable

import numpy as np
from sklearn.metrics import (
    PrecisionRecallDisplay,
    RocCurveDisplay,
    auc,
    average_precision_score,
    precision_recall_curve,
    roc_curve,
)

from octsk.metrics.scores import check_scores, count_classes
from octsk.plots._scores import ScoresDisplay
from octsk.plots.drawing import (
    COLOURS,
    LINES,
    check_names,
    new_axes,
    style_axes,
    wrap,
)

_FIFTHS = np.linspace(0, 1, 6)


class _CurvesDisplay(ScoresDisplay):
    """Base class of one-vs-rest curves of all classes, drawn by scikit-learn's displays.

    Parameters
    ----------
    curves : list of display
        Displays of scikit-learn, one for each class that has a curve.
    names : list of str
        Name of the class of each curve.
    values : list of float
        Area under each curve.
    empty : sequence of str, default=()
        Names of the classes without a curve, to which no image or every image belongs.
    """

    # Subclasses define the name of the area, a function that returns the curve of one
    # class and its area, and a method that completes the axes.
    _AREA: str
    _curve: Callable
    _finish: Callable

    def __init__(self, curves, names, values, *, empty=()):
        self.curves = curves
        self.names = names
        self.values = values
        self.empty = list(empty)

    @classmethod
    def from_predictions(cls, y_true, y_score, *, labels=None, class_names=None, ax=None):
        """Draw the one-vs-rest curve of each class, or of the second of two classes.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            True classes.
        y_score : array-like of shape (n, n_classes) or (n,)
            Scores of the classes, such as probabilities. A single column holds the scores
            of the second of two classes.
        labels : array-like of shape (n_classes,), default=None
            Class of each column of `y_score`. None stands for 0, 1, 2, ...
        class_names : sequence of str, default=None
            Human-readable names of the classes, in the order of `labels`. None uses the
            labels.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None creates a new figure.

        Returns
        -------
        display
            The display.

        Raises
        ------
        ValueError
            If the arguments are not consistent with each other.

        Examples
        --------
        >>> import octsk
        >>> display = octsk.RocCurvesDisplay.from_predictions(
        ...     [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], class_names=["normal", "DME"]
        ... )
        >>> print(display.names, display.values)
        ['DME'] [0.75]
        """
        codes, score = check_scores(y_true, y_score, labels)
        n_classes = count_classes(score)
        labels = np.arange(n_classes) if labels is None else np.asarray(labels)
        names = check_names(class_names, labels)
        curves, drawn, values, empty = [], [], [], []
        for k in range(n_classes) if n_classes > 2 else [1]:
            positive = codes == k
            if positive.all() or not positive.any():
                empty.append(names[k])
                continue
            column = score[:, k] if score.shape[1] > 1 else score[:, 0]
            curve, value = cls._curve(positive, column)
            curves.append(curve)
            drawn.append(names[k])
            values.append(float(value))
        return cls(curves, drawn, values, empty=empty).plot(ax)

    def _draw(self, ax):
        self.ax_ = new_axes(ax, 3.9)
        self.figure_ = self.ax_.figure
        for k, curve in enumerate(self.curves):
            curve.plot(ax=self.ax_)
            # The style is set on the line, since scikit-learn 1.8 and 1.9 name the
            # parameters for it differently.
            curve.line_.set(
                color=COLOURS[k % len(COLOURS)],
                linestyle=LINES[k % len(LINES)],
                label=f"{wrap(self.names[k], 20)}: {self.values[k]:.3f}",
            )
        for name in self.empty:
            self.ax_.plot([], [], " ", label=f"{name}: not defined")
        self._finish()
        # The legend is below the axes, where it hides no curve.
        self.ax_.legend(
            title=self._legend_title(),
            loc="upper center",
            bbox_to_anchor=(0.5, -0.14),
            ncols=2,
            frameon=False,
        )
        self.ax_.set(xticks=_FIFTHS, yticks=_FIFTHS)
        style_axes(self.ax_)

    def _legend_title(self):
        mean = f" (mean {np.mean(self.values):.3f})" if len(self.values) > 1 else ""
        return f"{self._AREA}{mean}"


class RocCurvesDisplay(_CurvesDisplay):
    """One-vs-rest ROC curves of all classes in one axes.

    Each curve is a `RocCurveDisplay` of scikit-learn. The mean of their areas is
    :func:`~octsk.metrics.medmnist_auc`.

    Parameters
    ----------
    curves : list of sklearn.metrics.RocCurveDisplay
        Curves, one for each class that has a curve.
    names : list of str
        Name of the class of each curve.
    values : list of float
        Area under each curve.
    empty : sequence of str, default=()
        Names of the classes without a curve, to which no image or every image belongs.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes that the display is drawn in.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    PrecisionRecallCurvesDisplay : Curves that are more informative for rare classes.
    ReliabilityDisplay : Calibration of the probabilities.
    ConfusionDisplay : Confusion matrix of the predicted classes.
    sklearn.metrics.RocCurveDisplay : A single ROC curve.

    Examples
    --------
    >>> import octsk
    >>> y_score = [[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]
    >>> display = octsk.RocCurvesDisplay.from_predictions([0, 1, 2, 2], y_score)
    >>> [round(value, 3) for value in display.values]
    [1.0, 1.0, 1.0]
    """

    _AREA = "AUC"

    @staticmethod
    def _curve(positive, score):
        fpr, tpr, _ = roc_curve(positive, score)
        area = auc(fpr, tpr)
        return RocCurveDisplay(fpr=fpr, tpr=tpr, roc_auc=area), area

    def _finish(self):
        self.ax_.plot([0, 1], [0, 1], color="0.6", lw=0.8, ls=":", label="chance: 0.500")
        self.ax_.set(xlabel="false positive rate", ylabel="true positive rate")


class PrecisionRecallCurvesDisplay(_CurvesDisplay):
    """One-vs-rest precision-recall curves of all classes in one axes.

    Each curve is a `PrecisionRecallDisplay` of scikit-learn. A dotted line in the colour of
    a curve marks the frequency of its class, which is the precision of a random classifier.

    Parameters
    ----------
    curves : list of sklearn.metrics.PrecisionRecallDisplay
        Curves, one for each class that has a curve.
    names : list of str
        Name of the class of each curve.
    values : list of float
        Average precision of each curve.
    empty : sequence of str, default=()
        Names of the classes without a curve, to which no image or every image belongs.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        Axes that the display is drawn in.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    RocCurvesDisplay : Curves that do not depend on the class frequencies.
    ReliabilityDisplay : Calibration of the probabilities.
    ConfusionDisplay : Confusion matrix of the predicted classes.
    sklearn.metrics.PrecisionRecallDisplay : A single precision-recall curve.

    Examples
    --------
    >>> import octsk
    >>> y_score = [[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.5, 0.3, 0.2], [0.1, 0.1, 0.8]]
    >>> display = octsk.PrecisionRecallCurvesDisplay.from_predictions(
    ...     [0, 1, 2, 2], y_score
    ... )
    >>> [round(value, 3) for value in display.values]
    [1.0, 1.0, 1.0]
    """

    _AREA = "average precision"

    @staticmethod
    def _curve(positive, score):
        precision, recall, _ = precision_recall_curve(positive, score)
        area = average_precision_score(positive, score)
        curve = PrecisionRecallDisplay(
            precision,
            recall,
            average_precision=area,
            prevalence_pos_label=positive.mean(),
        )
        return curve, area

    def _finish(self):
        for curve in self.curves:
            share, colour = curve.prevalence_pos_label, curve.line_.get_color()
            self.ax_.axhline(share, color=colour, lw=0.8, ls=":")
        self.ax_.set(xlabel="recall", ylabel="precision")
