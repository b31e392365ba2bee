"""Shared style of the displays: sizes, colours, axes and images."""

import functools
import re
import textwrap
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from octsk.utils.untrusted import printable
from octsk.utils.validation import check_images

# The palette of Okabe and Ito for colour-blind readers (Color Universal Design, 2008),
# without yellow, which is too pale for lines. Line styles distinguish the lines in
# greyscale prints.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", (0, (4, 1, 1, 1, 1, 1)))
RIGHT, WRONG = COLOURS[:2]

LEGEND_BELOW = {"loc": "upper center", "ncols": 3, "frameon": False}

# Width in inches of a journal column, in which all text must be legible.
COLUMN = 3.5
# Number of characters of small text that fit into a column.
_CHARACTERS = 66
# Maximum length of a file name above one of three adjacent images.
_LONGEST_NAME = _CHARACTERS // 3

_STYLE: dict[Any, Any] = {
    "figure.dpi": 150,
    "font.size": 8,
    "axes.titlesize": 8,
    "figure.titlesize": 9,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    # Dollar signs in the names of classes are not the start of a formula.
    "text.parse_math": False,
}

_known_to_pyplot: ContextVar[bool] = ContextVar("_known_to_pyplot", default=True)


@contextmanager
def unseen_figures():
    """Keep new figures out of pyplot, so that no window and no notebook shows them."""
    token = _known_to_pyplot.set(False)
    try:
        yield
    finally:
        _known_to_pyplot.reset(token)


def styled(plot):
    """Decorate a function so that it draws with octsk's font and line sizes."""

    @functools.wraps(plot)
    def styled_plot(*args, **kwargs):
        import matplotlib

        if kwargs.get("ax") is None and _known_to_pyplot.get():
            from matplotlib import pyplot

            # This loads the backend, which turns on the interactive mode in a notebook. If
            # the first figure loaded it, the context below would turn the mode off again,
            # and the notebook would not show any further figure.
            pyplot.draw_if_interactive()
        with matplotlib.rc_context(_STYLE):
            return plot(*args, **kwargs)

    return styled_plot


def new_axes(ax, height):
    """Return `ax`, or new axes in a figure of column width and `height` inches."""
    return _new_figure((COLUMN, height)).subplots() if ax is None else ax


def _new_figure(size):
    if _known_to_pyplot.get():
        from matplotlib import pyplot

        return pyplot.figure(figsize=size, layout="constrained")
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def grid_of_axes(ax, n_rows, n_columns, *, size=None, **spec):
    """Return an array of new axes, which replace `ax` or are in a new figure.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        Subplot to divide. None creates a new figure.
    n_rows, n_columns : int
        Number of rows and columns of axes.
    size : tuple of (width, height), default=None
        Size of the new figure in inches.
    **spec : dict
        Further arguments of the grid, such as `width_ratios`.

    Returns
    -------
    ndarray of shape (n_rows, n_columns), of matplotlib.axes.Axes
        The new axes.

    Raises
    ------
    ValueError
        If `ax` is not a subplot.
    """
    if ax is None:
        figure = _new_figure(size)
        grid = figure.add_gridspec(n_rows, n_columns, **spec)
    else:
        place = ax.get_subplotspec()
        if place is None:
            raise ValueError(
                "ax must be a subplot, such as pyplot.subplots creates, because it is "
                f"divided into several axes; got {ax!r}."
            )
        ax.set_axis_off()
        figure, grid = ax.figure, place.subgridspec(n_rows, n_columns, **spec)
    cells = [figure.add_subplot(grid[k]) for k in range(n_rows * n_columns)]
    return np.array(cells, dtype=object).reshape(n_rows, n_columns)


def grid_with_legend(ax, *, size):
    """Return a subplot to divide, and empty axes below it for a shared legend."""
    above, below = grid_of_axes(ax, 2, 1, size=size, height_ratios=[1, 0.01]).ravel()
    below.set_axis_off()
    return above, below


def show_image(ax, image):
    """Show one checked image, without stretching its grey levels or colours."""
    unit = to_unit_float(image)
    if image.shape[2] != 3:
        # Images of two or four channels have no colours, so their mean is shown.
        unit = unit.mean(axis=2)
    ax.imshow(unit, cmap="gray", vmin=0, vmax=1)
    ax.set_axis_off()


def to_unit_float(images):
    """Return checked images as floats in [0, 1]."""
    return images / 255 if images.dtype.kind in "iu" else np.clip(images, 0, 1)


def check_one_image(image):
    """Check one image and return it as (h, w, c)."""
    image = np.asarray(image)
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] > 4):
        raise ValueError(
            f"image must be one image of shape (h, w) or (h, w, c), got {image.shape}."
        )
    return check_images(image[np.newaxis], name="image")[0]


def check_names(class_names, classes, estimator=None):
    """Return human-readable class names: the given names, the estimator's, or the labels.

    Parameters
    ----------
    class_names : sequence of str or None
        Names to check, one for each of `classes`.
    classes : ndarray of shape (n_classes,)
        Labels of the classes.
    estimator : object, default=None
        A fitted classifier, whose ``class_names_`` are used if it has any.

    Returns
    -------
    list of str
        Human-readable names of the classes.

    Raises
    ------
    ValueError
        If the number of names differs from the number of classes.
    """
    if class_names is None:
        known = getattr(estimator, "class_names_", None)
        return [printable(name) for name in (classes.tolist() if known is None else known)]
    if isinstance(class_names, str) or len(class_names) != len(classes):
        raise ValueError(
            f"class_names must be {len(classes)} names, one for each of the classes "
            f"{classes.tolist()}; got {class_names!r}."
        )
    return [printable(name) for name in class_names]


def drawable(name):
    """Return the name of a classifier or data set without characters that fonts lack."""
    return "\n".join(map(printable, str(name).split("\n")))


def file_title(name):
    """Return the name of a file without its folders, shortened to fit into a title."""
    name = drawable(re.split(r"[/\\]", str(name))[-1])
    return name if len(name) <= _LONGEST_NAME else f"...{name[3 - _LONGEST_NAME :]}"


def class_name(label, names):
    """Return the name of a class, given its label and the names of all labels, if any."""
    # Labels may be the names themselves.
    is_index = names is not None and not isinstance(label, str)
    return printable(names[label] if is_index else label)


def write_title(ax, text, n_columns):
    """Write a small title above one of `n_columns` adjacent images."""
    ax.set_title(wrap(text, _CHARACTERS // n_columns), fontsize=6, pad=2)


def write_figure_title(ax, figure, text):
    """Write a title above a figure, or above the subplot `ax` that was divided."""
    if ax is None:
        figure.suptitle(text, fontsize=8)
    else:
        ax.set_title(text)


def title_height(texts, n_columns):
    """Return the height in inches that the titles of a row of images need."""
    lines = [wrap(text, _CHARACTERS // n_columns).count("\n") + 1 for text in texts]
    return 0.1 * max(lines, default=0)


def wrap(text, width):
    """Wrap long lines between words."""
    return "\n".join(
        textwrap.fill(line, width, break_long_words=False) for line in text.splitlines()
    )


def style_axes(ax):
    """Draw a light grid behind the data and hide the upper and right spines."""
    ax.grid(color="0.9")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
