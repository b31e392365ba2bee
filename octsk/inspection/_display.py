"""Display of images above the maps that explain predictions for them."""

from collections.abc import Callable

import numpy as np

from octsk.inspection._arguments import check_arguments, find_columns
from octsk.inspection._grad_cam import grad_cam
from octsk.inspection._occlusion import occlusion_sensitivity
from octsk.plots.display import Display
from octsk.plots.drawing import (
    COLOURS,
    COLUMN,
    check_names,
    grid_of_axes,
    title_height,
    to_unit_float,
    write_title,
)


class ExplanationDisplay(Display):
    """Images above the maps that explain predictions for them.

    Each map is drawn over the grey image and is transparent where its values are near 0.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c)
        Images to show.
    maps : ndarray of shape (n, h, w), float
        Map of each image.
    titles : sequence of n str
        Title of each image.
    label : str
        Label of the colour bar.

    Attributes
    ----------
    ax_ : ndarray of shape (2, n), of matplotlib.axes.Axes
        The axes of the images in the first row and of the maps in the second row.
    colorbar_ : matplotlib.colorbar.Colorbar
        Colour bar of all maps.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    grad_cam : Computes Grad-CAM maps.
    occlusion_sensitivity : Computes occlusion maps.
    octsk.PredictionDisplay : Predicted probabilities of an image.
    octsk.MistakesDisplay : Images that a classifier misclassified.

    Examples
    --------
    >>> import octsk
    >>> scans = octsk.make_oct_phantoms(64, random_state=0)
    >>> net = octsk.SmallOCTNet(epochs=1, random_state=0).fit(scans.data, scans.target)
    >>> display = octsk.ExplanationDisplay.from_estimator(net, scans.data[:4])
    >>> display.maps.shape, display.ax_.shape
    ((4, 28, 28), (2, 4))
    """

    def __init__(self, images, maps, titles, label):
        self.images = images
        self.maps = maps
        self.titles = titles
        self.label = label

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y=None,
        *,
        method="grad_cam",
        target=None,
        class_names=None,
        ax=None,
    ):
        """Draw the maps that explain the predictions of a network.

        Parameters
        ----------
        estimator : BaseOCTNet
            A fitted network.
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images of the shape seen in `fit`. Up to four images fit into a column of a
            page.
        y : array-like of shape (n,), default=None
            True class of each image, which is added to its title. None means that the true
            classes are unknown.
        method : {"grad_cam", "occlusion"}, default="grad_cam"
            Explanation method, which is used with its default parameters.
        target : label or array-like of shape (n,), default=None
            Class to explain, or one class for each image. None explains the predicted
            class.
        class_names : sequence of str, default=None
            Human-readable names of the classes, in the order of ``classes_``. None uses
            the names that the estimator knows, otherwise the labels.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided into several axes. None creates a new
            figure.

        Returns
        -------
        ExplanationDisplay
            The display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator is not a network of octsk.
        ValueError
            If the images, the classes or the method are invalid.

        Examples
        --------
        >>> import octsk
        >>> scans = octsk.make_oct_phantoms(64, random_state=0)
        >>> net = octsk.SmallOCTNet(epochs=1, random_state=0)
        >>> net = net.fit(scans.data, scans.target)
        >>> display = octsk.ExplanationDisplay.from_estimator(
        ...     net, scans.data[:2], method="occlusion", target=2
        ... )
        >>> display.titles
        ['explained: 2', 'explained: 2']
        """
        if method not in _METHODS:
            raise ValueError(f"method must be one of {sorted(_METHODS)}, got {method!r}.")
        images, columns = check_arguments(estimator, X, target)
        names = check_names(class_names, estimator.classes_, estimator)
        word = "predicted" if target is None else "explained"
        titles = [f"{word}: {names[k]}" for k in columns]
        if y is not None:
            true = find_columns(estimator, y, len(images), "y")
            titles = [f"true: {names[k]}\n{t}" for k, t in zip(true, titles, strict=True)]
        explain, label = _METHODS[method]
        maps = explain(estimator, X, target=estimator.classes_[columns])
        if method == "grad_cam":
            # The scale of Grad-CAM differs between images, and a map may be 0 everywhere.
            maps /= np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)
        return cls(images, maps, titles, label).plot(ax)

    def _draw(self, ax):
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import Normalize

        n = len(self.images)
        height = 2 * COLUMN / max(n, 4) + title_height(self.titles, max(n, 4)) + 0.6
        above, bar = grid_of_axes(
            ax, 2, 1, size=(COLUMN, height), height_ratios=[1, 0.04]
        ).ravel()
        self.ax_ = grid_of_axes(above, 2, n)
        self.figure_ = bar.figure
        signed = self.maps.min() < 0
        # All maps share one scale, which is symmetric about 0 if values have both signs.
        reach = np.abs(self.maps).max() or 1
        scale = ScalarMappable(Normalize(-reach if signed else 0, reach), _colours(signed))
        for column, (image, explained) in enumerate(
            zip(self.images, self.maps, strict=True)
        ):
            for cell in self.ax_[:, column]:
                cell.imshow(to_unit_float(image).mean(axis=2), cmap="gray", vmin=0, vmax=1)
                cell.set_axis_off()
            self.ax_[1, column].imshow(explained, cmap=scale.cmap, norm=scale.norm)
            write_title(self.ax_[0, column], self.titles[column], max(n, 4))
        self.colorbar_ = self.figure_.colorbar(scale, cax=bar, orientation="horizontal")
        self.colorbar_.set_label(self.label)
        # The image under a map is mostly dark.
        bar.set_facecolor("black")


_METHODS: dict[str, tuple[Callable, str]] = {
    "grad_cam": (grad_cam, "Grad-CAM, share of the map's maximum"),
    "occlusion": (occlusion_sensitivity, "occlusion: decrease of the probability"),
}


def _colours(signed):
    """Return a colour map that is transparent at 0, orange above it and blue below it.

    Colour-blind readers can distinguish the two colours.
    """
    from matplotlib.colors import LinearSegmentedColormap, to_rgba

    orange, blue = COLOURS[4:6]
    stops = [to_rgba(orange, 0), to_rgba(orange, 0.9)]
    if signed:
        stops = [to_rgba(blue, 0.9), to_rgba("0.5", 0), stops[1]]
    return LinearSegmentedColormap.from_list("explanation", stops)
