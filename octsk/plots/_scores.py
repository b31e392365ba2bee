"""Displays of what a classifier's predictions are worth."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.calibration import CalibrationDisplay, calibration_curve
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    auc,
    average_precision_score,
    confusion_matrix,
    precision_recall_curve,
    roc_curve,
)
from sklearn.utils.multiclass import unique_labels

from octsk.metrics import (
    _check,
    _classes_of,
    _n_classes,
    _predict,
    expected_calibration_error,
)
from octsk.plots._drawing import (
    COLOURS,
    COLUMN,
    LINES,
    check_names,
    grid_of_axes,
    one_axes,
    plain_axes,
    styled,
    wrapped,
)

_FIFTHS = np.linspace(0, 1, 6)


class ConfusionDisplay(ConfusionMatrixDisplay):
    """Confusion matrix with the share and the number of each true class.

    scikit-learn's display with what it lacks: shares and numbers in one, and a colour
    that stands for the share, so that a rare class is seen as well as a frequent one.

    Parameters
    ----------
    counts : array-like of shape (n_classes, n_classes), int
        Images of each true class (rows) predicted as each class (columns).
    display_labels : sequence of n_classes str
        What the classes are called.

    Attributes
    ----------
    confusion_matrix : ndarray of shape (n_classes, n_classes), float
        Share of each true class predicted as each class; nan in the row of a class
        without images.
    text_ : ndarray of shape (n_classes, n_classes), of matplotlib.text.Text
        Text of each cell.
    im_ : matplotlib.image.AxesImage
        The matrix.
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure or SubFigure
        The figure.

    See Also
    --------
    sklearn.metrics.ConfusionMatrixDisplay : With shares or numbers.

    Examples
    --------
    >>> import octsk
    >>> display = octsk.ConfusionDisplay.from_predictions(
    ...     ["DME", "DME", "normal", "normal"], ["DME", "DME", "DME", "normal"]
    ... )
    >>> print(display.text_[1, 0].get_text())
    50%
    (1)
    """

    def __init__(self, counts, display_labels):
        self.counts = np.asarray(counts)
        with np.errstate(invalid="ignore"):
            shares = self.counts / self.counts.sum(axis=1, keepdims=True)
        super().__init__(shares, display_labels=display_labels)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, class_names=None, ax=None):
        """Predict images and compare with their true classes.

        Parameters
        ----------
        estimator : classifier
            Fitted.
        X : array-like
            Images, in any layout that the classifier takes.
        y : array-like of shape (n,)
            Their true classes.
        class_names : sequence of str, default=None
            What to call the classes, in the order of ``classes_``; None takes what the
            net knows, else the labels.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        ConfusionDisplay
            The display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.
        ValueError
            If there are not as many names as classes.

        Examples
        --------
        >>> import octsk
        >>> scans = octsk.make_oct_phantoms(64, random_state=0)
        >>> net = octsk.SmallOCTNet(epochs=1, random_state=0)
        >>> net = net.fit(scans.data, scans.target)
        >>> display = octsk.ConfusionDisplay.from_estimator(
        ...     net, scans.data, scans.target, class_names=scans.target_names
        ... )
        >>> display.counts.sum(axis=1)
        array([16, 16, 16, 16])
        """
        classes = _classes_of(estimator)
        return cls.from_predictions(
            y,
            estimator.predict(X),
            labels=classes,
            class_names=check_names(class_names, classes, estimator),
            ax=ax,
        )

    @classmethod
    def from_predictions(cls, y_true, y_pred, *, labels=None, class_names=None, ax=None):
        """Compare predicted classes with true ones.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n,)
            True and predicted classes.
        labels : array-like of shape (n_classes,), default=None
            The classes in the order to show them; None: all that occur, sorted.
        class_names : sequence of str, default=None
            What to call them; None takes the labels.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        ConfusionDisplay
            The display.

        Raises
        ------
        ValueError
            If the arguments do not fit each other.

        Examples
        --------
        >>> import octsk
        >>> octsk.ConfusionDisplay.from_predictions([0, 1, 1], [0, 1, 0]).counts
        array([[1, 0],
               [1, 1]])
        """
        labels = unique_labels(y_true, y_pred) if labels is None else np.asarray(labels)
        counts = confusion_matrix(y_true, y_pred, labels=labels)
        return cls(counts, check_names(class_names, labels)).plot(ax=ax)

    @classmethod
    def from_report(cls, report, *, ax=None):
        """Show the confusion matrix of a report.

        Parameters
        ----------
        report : octsk.benchmark.BenchmarkReport
            What `octsk.evaluate` returned.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        ConfusionDisplay
            The display.

        Examples
        --------
        >>> import octsk
        >>> from sklearn.dummy import DummyClassifier
        >>> scans = octsk.make_oct_phantoms(40, random_state=0)
        >>> guess = DummyClassifier().fit(scans.data, scans.target)
        >>> report = octsk.evaluate(guess, scans.data, scans.target)
        >>> octsk.ConfusionDisplay.from_report(report).counts[:, 0]
        array([10, 10, 10, 10])
        """
        return cls(report.confusion_matrix, report.class_names).plot(ax=ax)

    @styled
    def plot(self, *, ax=None):
        """Draw the matrix.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        ConfusionDisplay
            The display itself.

        Examples
        --------
        >>> import octsk
        >>> display = octsk.ConfusionDisplay([[8, 2], [0, 5]], ["DME", "normal"]).plot()
        >>> display.ax_.get_xlabel()
        'predicted class'
        """
        # Numbers below the shares, and broken names, where there is room for them.
        few = len(self.counts) <= 6
        ax = one_axes(ax, 3.3)
        super().plot(
            ax=ax,
            cmap="Blues",
            colorbar=False,
            values_format=".0%",
            im_kw={"vmin": 0, "vmax": 1},
            text_kw={"fontsize": 7 if few else 5},
        )
        for (row, column), share in np.ndenumerate(self.confusion_matrix):
            text = self.text_[row, column]
            text.set_color("white" if share > 0.6 else "black")
            words = "-" if np.isnan(share) else text.get_text()
            text.set_text(f"{words}\n({self.counts[row, column]})" if few else words)
        names = [wrapped(name, 12) if few else name for name in self.display_labels]
        places = range(len(names))
        ax.set_xticks(
            places,
            names,
            rotation=30 if few else 90,
            ha="right",
            va="top" if few else "center",
            rotation_mode="anchor",
        )
        ax.set_yticks(places, names)
        ax.set(xlabel="predicted class", ylabel="true class")
        ax.set_title(f"share{' (and number)' if few else ''} of each true class")
        return self


class _ScoresDisplay:
    """The ways to a display of scores: ``from_predictions`` is each one's own."""

    from_predictions: Any

    @classmethod
    def from_estimator(cls, estimator, X, y, *, class_names=None, ax=None):
        """Let a fitted classifier score images, and draw.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba``.
        X : array-like
            Images, in any layout that the classifier takes.
        y : array-like of shape (n,)
            Their true classes.
        class_names : sequence of str, default=None
            What to call the classes, in the order of ``classes_``; None takes what the
            net knows, else the labels.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display
            The display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.
        ValueError
            If the arguments do not fit each other.

        Examples
        --------
        >>> import octsk
        >>> scans = octsk.make_oct_phantoms(64, random_state=0)
        >>> net = octsk.SmallOCTNet(epochs=1, random_state=0)
        >>> net = net.fit(scans.data, scans.target)
        >>> octsk.RocCurvesDisplay.from_estimator(net, scans.data, scans.target)
        <octsk.plots._scores.RocCurvesDisplay object at ...>
        """
        classes = _classes_of(estimator)
        return cls.from_predictions(
            y,
            estimator.predict_proba(X),
            labels=classes,
            class_names=check_names(class_names, classes, estimator),
            ax=ax,
        )

    @classmethod
    def from_report(cls, report, *, ax=None):
        """Draw the scores of a report.

        Parameters
        ----------
        report : octsk.benchmark.BenchmarkReport
            What `octsk.evaluate` returned.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display
            The display.

        Examples
        --------
        >>> import octsk
        >>> from sklearn.dummy import DummyClassifier
        >>> scans = octsk.make_oct_phantoms(40, random_state=0)
        >>> guess = DummyClassifier().fit(scans.data, scans.target)
        >>> report = octsk.evaluate(guess, scans.data, scans.target)
        >>> octsk.ReliabilityDisplay.from_report(report)
        <octsk.plots._scores.ReliabilityDisplay object at ...>
        """
        return cls.from_predictions(
            report.y_true, report.y_score, class_names=report.class_names, ax=ax
        )


class _CurvesDisplay(_ScoresDisplay):
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

    @styled
    def plot(self, ax=None):
        """Draw all curves in one axes, with their areas in the legend.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        display
            The display itself.

        Examples
        --------
        >>> import octsk
        >>> display = octsk.RocCurvesDisplay.from_predictions([0, 1], [0.2, 0.7])
        >>> display.plot().ax_.get_xlabel()
        'false positive rate'
        """
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
        return self

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


class ReliabilityDisplay(_ScoresDisplay, CalibrationDisplay):
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

    @styled
    def plot(self, ax=None):
        """Draw the curve above the numbers of images.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided; None makes a new figure.

        Returns
        -------
        ReliabilityDisplay
            The display itself.

        Raises
        ------
        ValueError
            If `ax` is not a subplot.

        Examples
        --------
        >>> import octsk
        >>> display = octsk.ReliabilityDisplay([0.8], [0.9], [0.9] * 5, error=0.1)
        >>> display.plot().ax_.shape
        (2,)
        """
        size = (COLUMN, 4.0)
        both = grid_of_axes(ax, 2, 1, size=size, height_ratios=[3, 1]).ravel()
        above, below = both
        super().plot(ax=above, color=COLOURS[0], marker="o", label="this classifier")
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
        return self
