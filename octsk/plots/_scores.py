"""The base of the displays of scores: from an estimator, or from a report."""

from typing import Any

from octsk.metrics import (
    _classes_of,
)
from octsk.plots.display import Display
from octsk.plots.drawing import (
    check_names,
)


class ScoresDisplay(Display):
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
        <octsk.plots._curves.RocCurvesDisplay object at ...>
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
        <octsk.plots._reliability.ReliabilityDisplay object at ...>
        """
        return cls.from_predictions(
            report.y_true, report.y_score, class_names=report.class_names, ax=ax
        )
