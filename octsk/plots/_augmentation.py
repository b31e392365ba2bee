"""Display of an image and its augmented variants."""

import numpy as np
from sklearn.base import clone

from octsk.plots.display import Display
from octsk.plots.drawing import (
    COLUMN,
    check_one_image,
    grid_of_axes,
    show_image,
    write_title,
)
from octsk.utils.validation import check_images


class AugmentationDisplay(Display):
    """An image above random variants of it, which show the effect of an augmenter.

    Parameters
    ----------
    image : array-like of shape (h, w) or (h, w, c)
        The original image, as integers from 0 to 255 or floats from 0 to 1.
    variants : array-like of shape (n_variants, h, w) or (n_variants, h, w, c)
        The variants of the image.

    Attributes
    ----------
    ax_ : ndarray of shape (2, n_variants), of matplotlib.axes.Axes
        The axes. The first row shows the original in the middle, the second row the
        variants.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    octsk.OCTAugmenter : Generates the variants.
    ImageGridDisplay : Images of a data set without augmentation.

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021. Section 6 shows an original above three
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
        """Augment an image and show it above its variants.

        Parameters
        ----------
        augmenter : OCTAugmenter
            Augmenter to apply. It is neither fitted nor modified.
        image : array-like of shape (h, w) or (h, w, c)
            The original image, as integers from 0 to 255 or floats from 0 to 1.
        n_variants : int, default=3
            Number of variants.
        random_state : int, RandomState instance or None, default=None
            Controls the random variants. Pass an int for reproducible results.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided into several axes. None creates a new
            figure.

        Returns
        -------
        AugmentationDisplay
            The display.

        Raises
        ------
        ValueError
            If `image` is not a single image, or if a parameter of the augmenter is
            invalid.

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
        # The clone must not resample, because it would also return the original images.
        varier = clone(augmenter).set_params(
            n_copies=None, sampling_strategy=None, random_state=random_state
        )
        variants = varier.fit_transform(np.repeat(image[np.newaxis], n_variants, axis=0))
        return cls(image, variants).plot(ax)

    def _draw(self, ax):
        n_columns = len(self.variants)
        side = COLUMN / max(n_columns, 3)
        self.ax_ = grid_of_axes(ax, 2, n_columns, size=(COLUMN, 2 * side + 0.3))
        self.figure_ = self.ax_[0, 0].figure
        for cell in self.ax_[0]:
            cell.set_axis_off()
        middle = self.ax_[0, (n_columns - 1) // 2]
        show_image(middle, self.image)
        write_title(middle, "original", 1)
        for number, (cell, variant) in enumerate(
            zip(self.ax_[1], self.variants, strict=True), start=1
        ):
            show_image(cell, variant)
            write_title(cell, f"variant {number}", n_columns)
