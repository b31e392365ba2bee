"""Displays of images in a grid: a sample of a data set, and a classifier's mistakes."""

import numpy as np
from sklearn.utils import check_consistent_length, check_random_state

from octsk.metrics import _check, _classes_of, _predict
from octsk.plots.display import Display
from octsk.plots.drawing import (
    COLUMN,
    check_names,
    class_name,
    grid_of_axes,
    head,
    head_all,
    height_of_heads,
    show_image,
)
from octsk.utils.tables import printable
from octsk.utils.validation import check_images


class _ImageGrid(Display):
    """Images with a line of text above each."""

    _N_COLUMNS = 4

    def __init__(self, images, titles, *, heading=""):
        # There may be no mistakes to show.
        self.images = check_images(images, name="images") if len(images) else images
        self.titles = [str(title) for title in titles]
        self.heading = heading
        if len(self.titles) != len(self.images):
            raise ValueError(
                f"titles must be {len(self.images)}, one for each image, got "
                f"{len(self.titles)}."
            )

    def _draw(self, ax):
        n_columns = self._N_COLUMNS
        n_rows = max(1, -(-len(self.images) // n_columns))
        height = COLUMN / n_columns + height_of_heads(self.titles, n_columns)
        size = (COLUMN, n_rows * height + 0.25)
        self.ax_ = grid_of_axes(ax, n_rows, n_columns, size=size)
        self.figure_ = self.ax_[0, 0].figure
        for cell in self.ax_.flat:
            cell.set_axis_off()
        for cell, image, title in zip(
            self.ax_.flat, self.images, self.titles, strict=False
        ):
            show_image(cell, image)
            head(cell, title, n_columns)
        if self.heading:
            head_all(ax, self.figure_, self.heading)


class ImageGridDisplay(_ImageGrid):
    """Grid of images, each with a line of text: what a data set looks like.

    Grey images are shown in grey from 0, black, to 255, white, whatever values they
    hold, so that a dark scan looks dark.

    Parameters
    ----------
    images : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
        Images, integers 0 to 255 or floats 0 to 1.
    titles : sequence of n str
        Text above each image.
    heading : str, default=""
        Text above the grid.

    Attributes
    ----------
    ax_ : ndarray of shape (n_rows, 4), of matplotlib.axes.Axes
        The axes, in the order of the images; those left over are empty.
    figure_ : matplotlib.figure.Figure or SubFigure
        The figure.

    See Also
    --------
    MistakesDisplay : Those that a classifier got wrong.

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021, section 5: a grid of 16 random training
    images, which it shows with grey inverted.

    Examples
    --------
    >>> import octsk
    >>> scans = octsk.make_oct_phantoms(40, random_state=0)
    >>> display = octsk.ImageGridDisplay.from_dataset(scans, random_state=0)
    >>> display.ax_.shape
    (4, 4)
    """

    @classmethod
    def from_dataset(
        cls, dataset, *, class_names=None, n_images=16, random_state=None, ax=None
    ):
        """Show images of a data set, drawn at random, with their class names.

        Parameters
        ----------
        dataset : Bunch
            One split of a data set of `octsk.datasets`, with ``data`` and ``target``.
        class_names : sequence of str, default=None
            What to call the classes 0, 1, ...; None takes the data set's ``target_names``,
            else the numbers.
        n_images : int, default=16
            Number of images; all, where there are fewer.
        random_state : int, RandomState instance or None, default=None
            Seed of the draw.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in; None makes a new figure.

        Returns
        -------
        ImageGridDisplay
            The display.

        Raises
        ------
        ValueError
            If `dataset` is no split with images and classes.

        Examples
        --------
        >>> import octsk
        >>> scans = octsk.make_oct_phantoms(40, random_state=0)
        >>> display = octsk.ImageGridDisplay.from_dataset(scans, n_images=8)
        >>> display.heading
        'oct-phantoms: synthetic'
        """
        if dataset.get("data") is None or dataset.get("target") is None:
            raise ValueError(
                "dataset must be one split, with data and target, such as the train of "
                f"octsk.load_medmnist; it holds {sorted(dataset)}."
            )
        rng = check_random_state(random_state)
        n_all = len(dataset["data"])
        chosen = rng.choice(n_all, size=min(n_images, n_all), replace=False)
        target = np.asarray(dataset["target"])[chosen]
        names = dataset.get("target_names") if class_names is None else class_names
        titles = [class_name(label, names) for label in target]
        synthetic = "synthetic" if dataset.get("synthetic") else ""
        parts = [dataset.get("name"), dataset.get("split"), synthetic]
        heading = ": ".join(printable(part) for part in parts if part)
        return cls(dataset["data"][chosen], titles, heading=heading).plot(ax)


class MistakesDisplay(_ImageGrid):
    """The images a classifier got wrong, those it was surest of first.

    What a classifier says with confidence and wrongly is where to look first: for a
    wrong label, a bad scan, or something it has not learned.

    Parameters
    ----------
    images : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
        The images shown.
    titles : sequence of n str
        True and predicted class of each.
    heading : str, default=""
        Text above the grid.

    Attributes
    ----------
    indices : ndarray of int
        Where the images shown stand among those given.
    ax_ : ndarray of shape (n_rows, 3), of matplotlib.axes.Axes
        The axes, in the order of the images; those left over are empty.
    figure_ : matplotlib.figure.Figure or SubFigure
        The figure.

    Examples
    --------
    >>> import octsk
    >>> scans = octsk.make_oct_phantoms(200, random_state=0)
    >>> net = octsk.SmallOCTNet(epochs=1, random_state=0).fit(scans.data, scans.target)
    >>> display = octsk.MistakesDisplay.from_estimator(net, scans.data, scans.target)
    >>> right = net.predict(scans.data) == scans.target
    >>> bool(right[display.indices].any())
    False
    """

    # Fewer, for longer lines.
    _N_COLUMNS = 3
    indices: np.ndarray

    @classmethod
    def from_estimator(cls, estimator, X, y, *, class_names=None, n_images=12, ax=None):
        """Show the mistakes of a fitted classifier.

        Parameters
        ----------
        estimator : classifier
            Fitted, with ``predict_proba``.
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images.
        y : array-like of shape (n,)
            Their true classes.
        class_names : sequence of str, default=None
            What to call the classes, in the order of ``classes_``; None takes what the
            net knows, else the labels.
        n_images : int, default=12
            The most images shown.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in; None makes a new figure.

        Returns
        -------
        MistakesDisplay
            The display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.
        ValueError
            If the images or classes are not as described.

        Examples
        --------
        >>> import octsk
        >>> scans = octsk.make_oct_phantoms(200, random_state=0)
        >>> net = octsk.SmallOCTNet(epochs=1, random_state=0)
        >>> net = net.fit(scans.data, scans.target)
        >>> display = octsk.MistakesDisplay.from_estimator(
        ...     net, scans.data, scans.target, n_images=4
        ... )
        >>> len(display.indices)
        4
        """
        classes = _classes_of(estimator)
        return cls.from_predictions(
            X,
            y,
            estimator.predict_proba(X),
            labels=classes,
            class_names=check_names(class_names, classes, estimator),
            n_images=n_images,
            ax=ax,
        )

    @classmethod
    def from_predictions(
        cls, X, y_true, y_prob, *, labels=None, class_names=None, n_images=12, ax=None
    ):
        r"""Show the mistakes among predictions.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images.
        y_true : array-like of shape (n,)
            Their true classes.
        y_prob : array-like of shape (n, n_classes)
            Probabilities of the classes.
        labels : array-like of shape (n_classes,), default=None
            The class of each column of `y_prob`; None: 0, 1, 2, ...
        class_names : sequence of str, default=None
            What to call the classes; None takes the labels.
        n_images : int, default=12
            The most images shown.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in; None makes a new figure.

        Returns
        -------
        MistakesDisplay
            The display.

        Raises
        ------
        ValueError
            If the arguments do not fit each other.

        Examples
        --------
        >>> import octsk
        >>> X, y = octsk.make_oct_phantoms(2, random_state=0, return_X_y=True)
        >>> y_prob = [[0.1, 0.9], [0.2, 0.8]]
        >>> octsk.MistakesDisplay.from_predictions(X, [0, 1], y_prob).titles
        ['true: 0\npredicted: 1 (90%)']
        """
        images = check_images(X)
        codes, prob = _check(y_true, y_prob, labels)
        check_consistent_length(images, codes)
        labels = np.arange(prob.shape[1]) if labels is None else np.asarray(labels)
        names = check_names(class_names, labels)
        predicted = _predict(prob)
        confidence = prob[np.arange(len(prob)), predicted]
        wrong = np.flatnonzero(predicted != codes)
        # Of equal ones the first.
        chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:n_images]
        titles = [
            f"true: {names[codes[i]]}\npredicted: {names[predicted[i]]} "
            f"({confidence[i]:.0%})"
            for i in chosen
        ]
        heading = f"{len(wrong)} mistakes among {len(codes)} images"
        if len(chosen) < len(wrong):
            heading += f", the {len(chosen)} surest"
        display = cls(images[chosen], titles, heading=heading)
        display.indices = chosen
        return display.plot(ax)
