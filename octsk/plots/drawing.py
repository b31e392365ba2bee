"""How octsk's pictures look: sizes, colours, axes and images."""

import functools
import textwrap
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from octsk.utils.tables import printable
from octsk.utils.validation import check_images

# Okabe and Ito's colours, which the colour-blind tell apart (Color Universal Design,
# 2008), less yellow, too pale for a line. Line styles say the same again in grey print.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", (0, (4, 1, 1, 1, 1, 1)))
RIGHT, WRONG = COLOURS[:2]

LEGEND_BELOW = {"loc": "upper center", "ncols": 3, "frameon": False}

# Inches: a column of a journal page, at whose size all text is to be readable.
COLUMN = 3.5
# Characters of small text that fit into it.
_CHARACTERS = 66

_STYLE = {
    "figure.dpi": 150,
    "font.size": 8,
    "axes.titlesize": 8,
    "figure.titlesize": 9,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "lines.linewidth": 1.4,
    "lines.markersize": 3.5,
    # A dollar sign in the name of a class is one.
    "text.parse_math": False,
}

_known_to_pyplot: ContextVar[bool] = ContextVar("_known_to_pyplot", default=True)


@contextmanager
def unseen_figures():
    """Let new figures be unknown to pyplot: no window opens, no notebook shows them."""
    token = _known_to_pyplot.set(False)
    try:
        yield
    finally:
        _known_to_pyplot.reset(token)


def styled(plot):
    """Let a method draw in octsk's sizes, or say that matplotlib is missing."""

    @functools.wraps(plot)
    def styled_plot(*args, **kwargs):
        with import_matplotlib().rc_context(_STYLE):
            return plot(*args, **kwargs)

    return styled_plot


def import_matplotlib():
    """Return matplotlib, or raise an ImportError that says how to get it."""
    try:
        import matplotlib
        import matplotlib.figure
    except ImportError as error:
        raise ImportError(
            'matplotlib is needed for figures; install it with: pip install "octsk[plot]"'
        ) from error
    return matplotlib


def one_axes(ax, height):
    """Return `ax`, or the axes of a new figure one column wide and so many inches high."""
    return _new_figure((COLUMN, height)).subplots() if ax is None else ax


def _new_figure(size):
    if _known_to_pyplot.get():
        from matplotlib import pyplot

        return pyplot.figure(figsize=size, layout="constrained")
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def grid_of_axes(ax, n_rows, n_columns, *, size=None, **spec):
    """Return an array of new axes, in the place of `ax` or in a new figure.

    Parameters
    ----------
    ax : matplotlib.axes.Axes or None
        The subplot to divide; None makes a figure.
    n_rows, n_columns : int
        Rows and columns of axes.
    size : tuple of (width, height), default=None
        Inches of the new figure.
    **spec : dict
        Arguments of the grid, such as `width_ratios`.

    Returns
    -------
    ndarray of shape (n_rows, n_columns), of matplotlib.axes.Axes
        The axes.
    """
    if ax is None:
        figure = _new_figure(size)
        grid = figure.add_gridspec(n_rows, n_columns, **spec)
    else:
        place = ax.get_subplotspec()
        if place is None:
            raise ValueError(
                "ax must be a subplot, as pyplot.subplots makes them, for it is divided; "
                f"got {ax!r}."
            )
        ax.set_axis_off()
        figure, grid = ax.figure, place.subgridspec(n_rows, n_columns, **spec)
    cells = [figure.add_subplot(grid[k]) for k in range(n_rows * n_columns)]
    return np.array(cells, dtype=object).reshape(n_rows, n_columns)


def grid_with_legend(ax, *, size):
    """Return axes to be divided, and empty ones below for a legend of all of them."""
    above, below = grid_of_axes(ax, 2, 1, size=size, height_ratios=[1, 0.01]).ravel()
    below.set_axis_off()
    return above, below


def show_image(ax, image):
    """Show one checked image: grey from 0 to 255 whatever it holds, RGB as it is."""
    unit = to_unit_float(image)
    if image.shape[2] != 3:
        # Stacks of two or four maps have no colours: their mean.
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
    """Return what people call the classes: as given, as the net knows them, or labels.

    Parameters
    ----------
    class_names : sequence of str or None
        One for each of `classes`.
    classes : ndarray of shape (n_classes,)
        The labels.
    estimator : object, default=None
        A fitted net, which may know the names.

    Returns
    -------
    list of str
        The names.
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


def class_name(label, names):
    """Return the name of a class, given its label and the names of all labels, if any."""
    # Labels may be the names themselves.
    is_index = names is not None and not isinstance(label, str)
    return printable(names[label] if is_index else label)


def head(ax, text, n_columns):
    """Write small text above one of so many images side by side."""
    ax.set_title(wrapped(text, _CHARACTERS // n_columns), fontsize=6, pad=2)


def head_all(ax, figure, text):
    """Write text above a figure, or above the subplot `ax` that was divided."""
    if ax is None:
        figure.suptitle(text, fontsize=8)
    else:
        ax.set_title(text)


def height_of_heads(texts, n_columns):
    """Return the inches that such texts need."""
    lines = [wrapped(text, _CHARACTERS // n_columns).count("\n") + 1 for text in texts]
    return 0.1 * max(lines, default=0)


def wrapped(text, width):
    """Break long lines, between words only."""
    return "\n".join(
        textwrap.fill(line, width, break_long_words=False) for line in text.splitlines()
    )


def plain_axes(ax):
    """Give axes a light grid behind what is drawn and leave their frame half open."""
    ax.grid(color="0.9")
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
