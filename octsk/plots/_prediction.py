"""Display of the prediction for a single image."""

import numpy as np
from sklearn.utils import column_or_1d

from octsk.metrics.scores import encode_labels, get_classes
from octsk.plots.display import Display
from octsk.plots.drawing import (
    COLUMN,
    RIGHT,
    WRONG,
    check_names,
    check_one_image,
    grid_of_axes,
    show_image,
    style_axes,
    wrap,
    write_figure_title,
)


class PredictionDisplay(Display):
    """An image with its true and predicted class and the probabilities of all classes.

    Parameters
    ----------
    image : array-like of shape (h, w) or (h, w, c)
        The image, as integers from 0 to 255 or floats from 0 to 1.
    probabilities : array-like of shape (n_classes,)
        Probability of each class.
    class_names : sequence of n_classes str
        Human-readable names of the classes.
    true_class : int, default=None
        Index of the true class. None means that the true class is unknown.

    Attributes
    ----------
    ax_ : ndarray of shape (2,), of matplotlib.axes.Axes
        The axes of the image and of the bar chart.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    MistakesDisplay : Images that a classifier misclassified.
    octsk.ExplanationDisplay : Image regions that drive predictions.

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021, which shows a test image with its true
    and its predicted label.

    Examples
    --------
    >>> import octsk
    >>> X, y = octsk.make_oct_phantoms(64, random_state=0, return_X_y=True)
    >>> net = octsk.SmallOCTNet(epochs=1, random_state=0).fit(X, y)
    >>> display = octsk.PredictionDisplay.from_estimator(net, X[0], y[0])
    >>> display.predicted_class == net.predict(X[:1])[0]
    np.True_
    """

    def __init__(self, image, probabilities, class_names, *, true_class=None):
        self.image = check_one_image(image)
        self.probabilities = column_or_1d(probabilities)
        self.class_names = check_names(class_names, np.arange(len(self.probabilities)))
        self.true_class = true_class

    @property
    def predicted_class(self):
        """Index of the most probable class."""
        return self.probabilities.argmax()

    @classmethod
    def from_estimator(cls, estimator, image, y=None, *, class_names=None, ax=None):
        """Predict the class of an image and show the result.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier with ``predict_proba``.
        image : array-like of shape (h, w) or (h, w, c)
            Image to predict.
        y : label, default=None
            True class of the image. None means that the true class is unknown.
        class_names : sequence of str, default=None
            Human-readable names of the classes, in the order of ``classes_``. None uses
            the names that the estimator knows, otherwise the labels.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided into several axes. None creates a new
            figure.

        Returns
        -------
        PredictionDisplay
            The display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.
        ValueError
            If `image` is not a single image, or if `y` is not a class of the classifier.

        Examples
        --------
        >>> import octsk
        >>> scans = octsk.make_oct_phantoms(64, random_state=0)
        >>> net = octsk.SmallOCTNet(epochs=1, random_state=0)
        >>> net = net.fit(scans.data, scans.target)
        >>> display = octsk.PredictionDisplay.from_estimator(
        ...     net, scans.data[0], class_names=scans.target_names
        ... )
        >>> display.probabilities.shape
        (4,)
        """
        classes = get_classes(estimator)
        image = check_one_image(image)
        names = check_names(class_names, classes, estimator)
        true_class = None
        if y is not None:
            true_class = encode_labels(np.asarray([y]), len(classes), classes)[0]
        probabilities = np.asarray(estimator.predict_proba(image[np.newaxis]))[0]
        return cls(image, probabilities, names, true_class=true_class).plot(ax)

    def _draw(self, ax):
        names = [wrap(name, 18) for name in self.class_names]
        title = f"predicted: {self.class_names[self.predicted_class]}"
        if self.true_class is not None:
            title = f"true: {self.class_names[self.true_class]}\n{title}"
        # The height in inches depends on the number of lines of all class names.
        height = 0.9 + 0.16 * sum(name.count("\n") + 1 for name in names)
        self.ax_ = grid_of_axes(ax, 1, 2, size=(COLUMN, max(1.8, height))).ravel()
        self.figure_ = self.ax_[0].figure
        show_image(self.ax_[0], self.image)
        write_figure_title(ax, self.figure_, title)
        self._draw_bars(self.ax_[1], names)

    def _draw_bars(self, ax, names):
        predicted = self.predicted_class
        colours = ["0.75"] * len(names)
        colours[predicted] = RIGHT
        if self.true_class not in (None, predicted):
            colours[predicted] = WRONG
        bars = ax.barh(range(len(names)), self.probabilities, color=colours, height=0.7)
        ax.bar_label(bars, [f"{p:.0%}" for p in self.probabilities], padding=2, fontsize=7)
        ax.set_yticks(range(len(names)), names)
        ax.invert_yaxis()
        # The limit leaves room for "100%" beside a full bar.
        ax.set_xlim(0, 1.3)
        ax.set_xticks([0, 0.5, 1])
        ax.set_xlabel("probability")
        style_axes(ax)
        ax.grid(visible=False)
