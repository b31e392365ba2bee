"""Base class of the displays that are drawn from the scores of a classifier."""

from typing import Any

from octsk.metrics.scores import get_classes
from octsk.plots.display import Display
from octsk.plots.drawing import (
    check_names,
)


class ScoresDisplay(Display):
    """Base class of the displays of scores; subclasses define ``from_predictions``."""

    from_predictions: Any

    @classmethod
    def from_estimator(cls, estimator, X, y, *, class_names=None, ax=None):
        """Draw the display from a fitted classifier and test images.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier with ``predict_proba``.
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
        display
            The display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.
        ValueError
            If the arguments are not consistent with each other.

        Examples
        --------
        >>> import octsk
        >>> scans = octsk.make_oct_phantoms(64, random_state=0)
        >>> net = octsk.SmallOCTNet(epochs=1, random_state=0)
        >>> net = net.fit(scans.data, scans.target)
        >>> octsk.RocCurvesDisplay.from_estimator(net, scans.data, scans.target)
        <octsk.plots._curves.RocCurvesDisplay object at ...>
        """
        classes = get_classes(estimator)
        return cls.from_predictions(
            y,
            estimator.predict_proba(X),
            labels=classes,
            class_names=check_names(class_names, classes, estimator),
            ax=ax,
        )

    @classmethod
    def from_report(cls, report, *, ax=None):
        """Draw the display from the scores of a report.

        Parameters
        ----------
        report : octsk.evaluation.BenchmarkReport
            Report that `octsk.evaluate` returned.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. None creates a new figure.

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
        <octsk.plots._reliability.ReliabilityDisplay object at ...>
        """
        return cls.from_predictions(
            report.y_true, report.y_score, class_names=report.class_names, ax=ax
        )
