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

from octsk.metrics import (
    _check,
    _n_classes,
)
from octsk.plots._scores import ScoresDisplay
from octsk.plots.drawing import (
    COLOURS,
    LINES,
    check_names,
    one_axes,
    plain_axes,
    wrapped,
)

_FIFTHS = np.linspace(0, 1, 6)


class _CurvesDisplay(ScoresDisplay):
    """One curve for each class against the rest, each one of scikit-learn's displays.

    Parameters
    ----------
    curves : list of display
        scikit-learn's displays, one for each class that has a curve.
    names : list of str
        What their classes are called.
    values : list of float
        Area of each.
    empty : sequence of str, default=()
        Classes without a curve: they have no image, or all.
    """

    # Of each class of displays: what the area is called, a curve and its area from the
    # scores of one class, and what is drawn besides the curves.
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
        """Draw a curve for each class against the rest; of two classes, the second.

        Parameters
        ----------
        y_true : array-like of shape (n,)
            True classes.
        y_score : array-like of shape (n, n_classes) or (n,)
            Scores, such as probabilities; a single column is that of the second of two
            classes.
        labels : array-like of shape (n_classes,), default=None
            The class of each column of `y_score`; None: 0, 1, 2, ...
        class_names : sequence of str, default=None
            What to call the classes; None takes the labels.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display
            The display.

        Raises
        ------
        ValueError
            If the arguments do not fit each other.

        Examples
        --------
        >>> import octsk
        >>> display = octsk.RocCurvesDisplay.from_predictions(
        ...     [0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8], class_names=["normal", "DME"]
        ... )
        >>> print(display.names, display.values)
        ['DME'] [0.75]
        """
        codes, score = _check(y_true, y_score, labels)
        n_classes = _n_classes(score)
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
        self.ax_ = one_axes(ax, 3.9)
        self.figure_ = self.ax_.figure
        for k, curve in enumerate(self.curves):
            curve.plot(ax=self.ax_)
            # Set on the line, since scikit-learn 1.8 and 1.9 take styles by other names.
            curve.line_.set(
                color=COLOURS[k % len(COLOURS)],
                linestyle=LINES[k % len(LINES)],
                label=f"{wrapped(self.names[k], 20)}: {self.values[k]:.3f}",
            )
        for name in self.empty:
            self.ax_.plot([], [], " ", label=f"{name}: not defined")
        self._finish()
        # Below, where it hides no curve.
        self.ax_.legend(
            title=self._legend_title(),
            loc="upper center",
            bbox_to_anchor=(0.5, -0.14),
            ncols=2,
            frameon=False,
        )
        self.ax_.set(xticks=_FIFTHS, yticks=_FIFTHS)
        plain_axes(self.ax_)

    def _legend_title(self):
        mean = f" (mean {np.mean(self.values):.3f})" if len(self.values) > 1 else ""
        return f"{self._AREA}{mean}"


class RocCurvesDisplay(_CurvesDisplay):
    """ROC curve of each class against the rest, in one axes.

    Each curve is scikit-learn's `RocCurveDisplay`; their mean area is
    :func:`~octsk.metrics.medmnist_auc`.

    Parameters
    ----------
    curves : list of sklearn.metrics.RocCurveDisplay
        One for each class that has a curve.
    names : list of str
        What their classes are called.
    values : list of float
        Area under each.
    empty : sequence of str, default=()
        Classes without a curve: they have no image, or all.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure or SubFigure
        The figure.

    See Also
    --------
    PrecisionRecallCurvesDisplay : Better for rare classes.
    sklearn.metrics.RocCurveDisplay : One curve.

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
    """Precision and recall of each class against the rest, in one axes.

    Each curve is scikit-learn's `PrecisionRecallDisplay`. A dotted line in the colour of
    a curve is the share of its class, the precision of guessing.

    Parameters
    ----------
    curves : list of sklearn.metrics.PrecisionRecallDisplay
        One for each class that has a curve.
    names : list of str
        What their classes are called.
    values : list of float
        Average precision of each.
    empty : sequence of str, default=()
        Classes without a curve: they have no image, or all.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure or SubFigure
        The figure.

    See Also
    --------
    RocCurvesDisplay : Does not depend on the shares of the classes.
    sklearn.metrics.PrecisionRecallDisplay : One curve.

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
