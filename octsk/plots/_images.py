"""Displays that show images: samples, their variants, what a net says of them."""

import numpy as np
from sklearn.base import clone
from sklearn.utils import check_consistent_length, check_random_state, column_or_1d

from octsk._images import check_images
from octsk._tables import printable
from octsk.metrics import _check, _classes_of, _encode, _predict
from octsk.plots._drawing import (
    COLUMN,
    RIGHT,
    WRONG,
    check_names,
    check_one_image,
    class_name,
    grid_of_axes,
    head,
    head_all,
    height_of_heads,
    plain_axes,
    show_image,
    styled,
    wrapped,
)


class _ImageGrid:
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

    @styled
    def plot(self, ax=None):
        """Draw the grid.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided; None makes a new figure.

        Returns
        -------
        display
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` is not a subplot.

        Examples
        --------
        >>> import octsk
        >>> scans = octsk.make_oct_phantoms(3, random_state=0)
        >>> octsk.ImageGridDisplay(scans.data, ["a", "b", "c"]).plot().ax_.shape
        (1, 4)
        """
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
        return self


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
        ImportError
            If matplotlib is not installed.
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
        ImportError
            If matplotlib is not installed.
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
        ImportError
            If matplotlib is not installed.
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


class AugmentationDisplay:
    """An image above random variants of it: what augmentation does.

    Parameters
    ----------
    image : array-like of shape (h, w) or (h, w, c)
        The original, integers 0 to 255 or floats 0 to 1.
    variants : array-like of shape (n_variants, h, w) or (n_variants, h, w, c)
        Its variants.

    Attributes
    ----------
    ax_ : ndarray of shape (2, n_variants), of matplotlib.axes.Axes
        The axes: above the original, in the middle, below the variants.
    figure_ : matplotlib.figure.Figure or SubFigure
        The figure.

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021, section 6: an original above three
    generated images.

    Examples
    --------
    >>> import octsk
    >>> X, y = octsk.make_oct_phantoms(8, random_state=0, return_X_y=True)
    >>> augmenter = octsk.OCTAugmenter.from_preset("demonstration")
    >>> octsk.AugmentationDisplay.from_augmenter(augmenter, X[2]).ax_.shape
    (2, 3)
    """

    def __init__(self, image, variants):
        self.image = check_one_image(image)
        self.variants = check_images(
            variants, name="variants", image_shape=self.image.shape
        )

    @classmethod
    def from_augmenter(cls, augmenter, image, *, n_variants=3, random_state=None, ax=None):
        """Vary an image and show it above its variants.

        Parameters
        ----------
        augmenter : OCTAugmenter
            What varies it; neither fitted nor changed.
        image : array-like of shape (h, w) or (h, w, c)
            The original, integers 0 to 255 or floats 0 to 1.
        n_variants : int, default=3
            Number of variants.
        random_state : int, RandomState instance or None, default=None
            Seed of the variants.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in; None makes a new figure.

        Returns
        -------
        AugmentationDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `image` is not one image, or a parameter of the augmenter is wrong.

        Examples
        --------
        >>> import octsk
        >>> X, y = octsk.make_oct_phantoms(8, random_state=0, return_X_y=True)
        >>> display = octsk.AugmentationDisplay.from_augmenter(
        ...     octsk.OCTAugmenter(), X[2], n_variants=5, random_state=0
        ... )
        >>> display.variants.shape
        (5, 28, 28, 1)
        """
        image = check_one_image(image)
        # A sampler varies images too, but only behind the originals.
        varier = clone(augmenter).set_params(n_copies=None, random_state=random_state)
        variants = varier.fit_transform(np.repeat(image[np.newaxis], n_variants, axis=0))
        return cls(image, variants).plot(ax)

    @styled
    def plot(self, ax=None):
        """Draw the original above its variants.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided; None makes a new figure.

        Returns
        -------
        AugmentationDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` is not a subplot.

        Examples
        --------
        >>> import octsk
        >>> X, y = octsk.make_oct_phantoms(3, random_state=0, return_X_y=True)
        >>> octsk.AugmentationDisplay(X[0], X[1:]).plot().ax_.shape
        (2, 2)
        """
        n_columns = len(self.variants)
        side = COLUMN / max(n_columns, 3)
        self.ax_ = grid_of_axes(ax, 2, n_columns, size=(COLUMN, 2 * side + 0.3))
        self.figure_ = self.ax_[0, 0].figure
        for cell in self.ax_[0]:
            cell.set_axis_off()
        middle = self.ax_[0, (n_columns - 1) // 2]
        show_image(middle, self.image)
        head(middle, "original", 1)
        for number, (cell, variant) in enumerate(
            zip(self.ax_[1], self.variants, strict=True), start=1
        ):
            show_image(cell, variant)
            head(cell, f"variant {number}", n_columns)
        return self


class PredictionDisplay:
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
        ImportError
            If matplotlib is not installed.
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

    @styled
    def plot(self, ax=None):
        """Draw the image, and the probabilities beside it.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided; None makes a new figure.

        Returns
        -------
        PredictionDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `ax` is not a subplot.

        Examples
        --------
        >>> import numpy as np, octsk
        >>> image = np.zeros((28, 28), dtype=np.uint8)
        >>> display = octsk.PredictionDisplay(image, [0.2, 0.8], ["DME", "normal"])
        >>> display.plot().figure_.get_suptitle()
        'predicted: normal'
        """
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
        return self

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
