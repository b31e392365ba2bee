"""Display of a confusion matrix."""

import numpy as np
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    confusion_matrix,
)
from sklearn.utils.multiclass import unique_labels

from octsk.metrics.scores import get_classes
from octsk.plots.display import Display
from octsk.plots.drawing import (
    check_names,
    new_axes,
    wrap,
)


class ConfusionDisplay(Display, ConfusionMatrixDisplay):
    """Confusion matrix with percentages of each true class and numbers of images.

    In contrast to scikit-learn's display, each cell shows both a percentage and a number.
    Its colour represents the percentage, so that rare classes are as visible as frequent
    ones.

    Parameters
    ----------
    counts : array-like of shape (n_classes, n_classes), int
        Number of images of each true class (rows) that were predicted as each class
        (columns).
    display_labels : sequence of n_classes str
        Human-readable names of the classes.

    Attributes
    ----------
    confusion_matrix : ndarray of shape (n_classes, n_classes), float
        Proportion of each true class that was predicted as each class. The row of a class
        without images is nan.
    text_ : ndarray of shape (n_classes, n_classes), of matplotlib.text.Text
        Text of each cell.
    im_ : matplotlib.image.AxesImage
        Image of the matrix.
    ax_ : matplotlib.axes.Axes
        Axes that the display is drawn in.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    MistakesDisplay : Images that were misclassified.
    RocCurvesDisplay : ROC curves of the scores.
    sklearn.metrics.ConfusionMatrixDisplay : Matrix of either proportions or numbers.

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
        """Draw the confusion matrix of a fitted classifier on test images.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier.
        X : array-like
            Images in any layout that the classifier accepts.
        y : array-like of shape (n,)
            True class of each image.
        class_names : sequence of str, default=None
            Human-readable names of the classes, in the order of ``classes_``. None uses
            the names that the estimator knows, otherwise the labels.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None creates a new figure.

        Returns
        -------
        ConfusionDisplay
            The display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.
        ValueError
            If the number of names differs from the number of classes.

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
        classes = get_classes(estimator)
        return cls.from_predictions(
            y,
            estimator.predict(X),
            labels=classes,
            class_names=check_names(class_names, classes, estimator),
            ax=ax,
        )

    @classmethod
    def from_predictions(cls, y_true, y_pred, *, labels=None, class_names=None, ax=None):
        """Draw the confusion matrix of predicted classes.

        Parameters
        ----------
        y_true, y_pred : array-like of shape (n,)
            True and predicted classes.
        labels : array-like of shape (n_classes,), default=None
            Classes in the order of the rows and columns. None uses all classes that occur
            in `y_true` or `y_pred`, sorted.
        class_names : sequence of str, default=None
            Human-readable names of the classes, in the order of `labels`. None uses the
            labels.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None creates a new figure.

        Returns
        -------
        ConfusionDisplay
            The display.

        Raises
        ------
        ValueError
            If the arguments are not consistent with each other.

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
        """Draw the confusion matrix of a report.

        Parameters
        ----------
        report : octsk.evaluation.BenchmarkReport
            Report that `octsk.evaluate` returned.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None creates a new figure.

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

    def _draw(self, ax):
        # Numbers and wrapped names are only shown if the cells are large enough for them.
        few = len(self.counts) <= 6
        ax = new_axes(ax, 3.3)
        ConfusionMatrixDisplay.plot(
            self,
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
        names = [wrap(name, 12) if few else name for name in self.display_labels]
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
