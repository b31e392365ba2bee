"""Display of a confusion matrix."""

import numpy as np
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    confusion_matrix,
)
from sklearn.utils.multiclass import unique_labels

from octsk.metrics import (
    _classes_of,
)
from octsk.plots.display import Display
from octsk.plots.drawing import (
    check_names,
    one_axes,
    wrapped,
)


class ConfusionDisplay(Display, ConfusionMatrixDisplay):
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

    def _draw(self, ax):
        # Numbers below the shares, and broken names, where there is room for them.
        few = len(self.counts) <= 6
        ax = one_axes(ax, 3.3)
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
