"""Displays of images in a grid: a sample of a data set, or mistakes of a classifier."""

import numpy as np
from sklearn.utils import check_consistent_length, check_random_state

from octsk.metrics.scores import check_scores, get_classes, predict_indices
from octsk.plots.display import Display
from octsk.plots.drawing import (
    COLUMN,
    check_names,
    class_name,
    drawable,
    file_title,
    grid_of_axes,
    show_image,
    title_height,
    write_figure_title,
    write_title,
)
from octsk.utils.validation import check_images


class _ImageGrid(Display):
    """Images in a grid, each with a title."""

    _N_COLUMNS = 4

    def __init__(self, images, titles, *, heading=""):
        # If a classifier made no mistakes, there are no images to check.
        self.images = check_images(images, name="images") if len(images) else images
        self.titles = [str(title) for title in titles]
        self.heading = heading
        if len(self.titles) != len(self.images):
            raise ValueError(
                f"titles must hold one title for each of the {len(self.images)} images, "
                f"got {len(self.titles)}."
            )

    def _draw(self, ax):
        n_columns = self._N_COLUMNS
        n_rows = max(1, -(-len(self.images) // n_columns))
        height = COLUMN / n_columns + title_height(self.titles, n_columns)
        size = (COLUMN, n_rows * height + 0.25)
        self.ax_ = grid_of_axes(ax, n_rows, n_columns, size=size)
        self.figure_ = self.ax_[0, 0].figure
        for cell in self.ax_.flat:
            cell.set_axis_off()
        for cell, image, title in zip(
            self.ax_.flat, self.images, self.titles, strict=False
        ):
            show_image(cell, image)
            write_title(cell, title, n_columns)
        if self.heading:
            write_figure_title(ax, self.figure_, self.heading)


class ImageGridDisplay(_ImageGrid):
    """Images of a data set in a grid, each with a title.

    Grey levels are not stretched to the values of an image: 0 is always black and 255 (or
    1.0) is always white, so that a dark scan looks dark.

    Parameters
    ----------
    images : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
        Images, as integers from 0 to 255 or floats from 0 to 1.
    titles : sequence of n str
        Title of each image.
    heading : str, default=""
        Title of the grid.

    Attributes
    ----------
    ax_ : ndarray of shape (n_rows, 4), of matplotlib.axes.Axes
        The axes, in the order of the images. Axes without an image are empty.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    MistakesDisplay : Images that a classifier misclassified.
    AugmentationDisplay : Augmented variants of an image.
    PredictionDisplay : Prediction for a single image.

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021. Section 5 shows a grid of 16 random
    training images with inverted grey levels.

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
        """Show randomly chosen images of a data set with their class names.

        Parameters
        ----------
        dataset : Bunch
            One split of a data set of `octsk.datasets`, with ``data`` and ``target``.
        class_names : sequence of str, default=None
            Human-readable names of the classes 0, 1, ... None uses the ``target_names`` of
            the data set, otherwise the numbers.
        n_images : int, default=16
            Number of images to show. If the data set has fewer images, all are shown.
        random_state : int, RandomState instance or None, default=None
            Controls which images are chosen. Pass an int for reproducible results.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided into several axes. None creates a new
            figure.

        Returns
        -------
        ImageGridDisplay
            The display.

        Raises
        ------
        ValueError
            If `dataset` is not a split with images and classes.

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
                "dataset must be one split with data and target, such as the train split "
                f"of octsk.load_medmnist, got keys {sorted(dataset)}."
            )
        rng = check_random_state(random_state)
        n_all = len(dataset["data"])
        chosen = rng.choice(n_all, size=min(n_images, n_all), replace=False)
        target = np.asarray(dataset["target"])[chosen]
        names = dataset.get("target_names") if class_names is None else class_names
        titles = [class_name(label, names) for label in target]
        synthetic = "synthetic" if dataset.get("synthetic") else ""
        parts = [dataset.get("name"), dataset.get("split"), synthetic]
        heading = ": ".join(drawable(part) for part in parts if part)
        return cls(dataset["data"][chosen], titles, heading=heading).plot(ax)


class MistakesDisplay(_ImageGrid):
    """Misclassified images in a grid, the most confident predictions first.

    Confident mistakes often point to wrong labels, poor scans, or features that the
    classifier has not learned.

    Parameters
    ----------
    images : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
        Misclassified images.
    titles : sequence of n str
        Title of each image: its true and its predicted class.
    heading : str, default=""
        Title of the grid.

    Attributes
    ----------
    indices : ndarray of int
        Indices of the shown images in the images passed to a class method.
    ax_ : ndarray of shape (n_rows, 3), of matplotlib.axes.Axes
        The axes, in the order of the images. Axes without an image are empty.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    PredictionDisplay : Prediction for a single image.
    ConfusionDisplay : Number of mistakes for each pair of classes.
    octsk.ExplanationDisplay : Image regions that drive predictions.

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

    # Three columns leave room for the longer titles.
    _N_COLUMNS = 3
    indices: np.ndarray

    @classmethod
    def from_estimator(cls, estimator, X, y, *, class_names=None, n_images=12, ax=None):
        """Show the mistakes of a fitted classifier on test images.

        Parameters
        ----------
        estimator : classifier
            A fitted classifier with ``predict_proba``.
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images to predict.
        y : array-like of shape (n,)
            True class of each image.
        class_names : sequence of str, default=None
            Human-readable names of the classes, in the order of ``classes_``. None uses
            the names that the estimator knows, otherwise the labels.
        n_images : int, default=12
            Maximum number of images to show.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided into several axes. None creates a new
            figure.

        Returns
        -------
        MistakesDisplay
            The display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the classifier is not fitted.
        ValueError
            If the images or classes are invalid.

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
        classes = get_classes(estimator)
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
        cls,
        X,
        y_true,
        y_prob,
        *,
        labels=None,
        class_names=None,
        image_names=None,
        n_images=12,
        ax=None,
    ):
        r"""Show the mistakes among predicted probabilities.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images to predict.
        y_true : array-like of shape (n,)
            True class of each image.
        y_prob : array-like of shape (n, n_classes)
            Predicted probability of each class.
        labels : array-like of shape (n_classes,), default=None
            Class of each column of `y_prob`. None stands for 0, 1, 2, ...
        class_names : sequence of str, default=None
            Human-readable names of the classes, in the order of `labels`. None uses the
            labels.
        image_names : sequence of n str, default=None
            File name of each image, which becomes the first line of its title.
        n_images : int, default=12
            Maximum number of images to show.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided into several axes. None creates a new
            figure.

        Returns
        -------
        MistakesDisplay
            The display.

        Raises
        ------
        ValueError
            If the arguments are not consistent with each other.

        Examples
        --------
        >>> import octsk
        >>> X, y = octsk.make_oct_phantoms(2, random_state=0, return_X_y=True)
        >>> y_prob = [[0.1, 0.9], [0.2, 0.8]]
        >>> octsk.MistakesDisplay.from_predictions(X, [0, 1], y_prob).titles
        ['true: 0\npredicted: 1 (90%)']
        """
        images = check_images(X)
        codes, prob = check_scores(y_true, y_prob, labels)
        check_consistent_length(images, codes)
        labels = np.arange(prob.shape[1]) if labels is None else np.asarray(labels)
        names = check_names(class_names, labels)
        predicted = predict_indices(prob)
        confidence = prob[np.arange(len(prob)), predicted]
        wrong = np.flatnonzero(predicted != codes)
        # Ties are broken by position.
        chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:n_images]
        titles = [
            f"true: {names[codes[i]]}\npredicted: {names[predicted[i]]} "
            f"({confidence[i]:.0%})"
            for i in chosen
        ]
        if image_names is not None:
            check_consistent_length(images, image_names)
            shown = [file_title(image_names[i]) for i in chosen]
            titles = [f"{one}\n{title}" for one, title in zip(shown, titles, strict=True)]
        heading = f"{len(wrong)} mistakes among {len(codes)} images"
        if len(chosen) < len(wrong):
            heading += f", the {len(chosen)} most confident"
        display = cls(images[chosen], titles, heading=heading)
        display.indices = chosen
        return display.plot(ax)
