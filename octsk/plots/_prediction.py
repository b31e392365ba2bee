"""Display of the prediction for one image."""

import numpy as np
from sklearn.utils import column_or_1d

from octsk.metrics import _classes_of, _encode
from octsk.plots.display import Display
from octsk.plots.drawing import (
    COLUMN,
    RIGHT,
    WRONG,
    check_names,
    check_one_image,
    grid_of_axes,
    head_all,
    plain_axes,
    show_image,
    wrapped,
)


class PredictionDisplay(Display):
    """One image with its true and predicted class and the probabilities of all.

    Parameters
    ----------
    image : array-like of shape (h, w) or (h, w, c)
        The image, integers 0 to 255 or floats 0 to 1.
    probabilities : array-like of shape (n_classes,)
        Probability of each class.
    class_names : sequence of n_classes str
        What the classes are called.
    true_class : int, default=None
        Which of them the image is; None where that is not known.

    Attributes
    ----------
    ax_ : ndarray of shape (2,), of matplotlib.axes.Axes
        The axes of the image and of the bars.
    figure_ : matplotlib.figure.Figure or SubFigure
        The figure.

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021: a test image with its correct and its
    predicted label.

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
        """Predict one image and show what comes out.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba``.
        image : array-like of shape (h, w) or (h, w, c)
            One image.
        y : label, default=None
            Its true class; None where that is not known.
        class_names : sequence of str, default=None
            What to call the classes, in the order of ``classes_``; None takes what the
            net knows, else the labels.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in; None makes a new figure.

        Returns
        -------
        PredictionDisplay
            The display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.
        ValueError
            If `image` is not one image, or the classifier does not know `y`.

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
        classes = _classes_of(estimator)
        image = check_one_image(image)
        names = check_names(class_names, classes, estimator)
        true_class = None
        if y is not None:
            true_class = _encode(np.asarray([y]), len(classes), classes)[0]
        probabilities = np.asarray(estimator.predict_proba(image[np.newaxis]))[0]
        return cls(image, probabilities, names, true_class=true_class).plot(ax)

    def _draw(self, ax):
        names = [wrapped(name, 18) for name in self.class_names]
        title = f"predicted: {self.class_names[self.predicted_class]}"
        if self.true_class is not None:
            title = f"true: {self.class_names[self.true_class]}\n{title}"
        # Inches: the title and the axis below, and the lines of all names.
        height = 0.9 + 0.16 * sum(name.count("\n") + 1 for name in names)
        self.ax_ = grid_of_axes(ax, 1, 2, size=(COLUMN, max(1.8, height))).ravel()
        self.figure_ = self.ax_[0].figure
        show_image(self.ax_[0], self.image)
        head_all(ax, self.figure_, title)
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
        # Room for "100%" behind a full bar.
        ax.set_xlim(0, 1.3)
        ax.set_xticks([0, 0.5, 1])
        ax.set_xlabel("probability")
        plain_axes(ax)
        ax.grid(visible=False)
