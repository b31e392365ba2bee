"""Display of errors on corrupted images."""

from collections.abc import Mapping

import numpy as np

from octsk.plots.display import Display
from octsk.plots.drawing import (
    COLOURS,
    COLUMN,
    LEGEND_BELOW,
    LINES,
    drawable,
    grid_of_axes,
    grid_with_legend,
    style_axes,
    wrap,
)

_MARKERS = "os^Dv<>"


_COLUMNS = ("net", "corruption", "severity", "balanced_error")


class CorruptionDisplay(Display):
    """Balanced error of networks on corrupted images, by corruption and severity.

    Each corruption has its own axes, with one line for each network. If the table contains
    several rows for a network, corruption and severity, such as one for each seed, the
    line shows their mean, and error bars show their range.

    Parameters
    ----------
    table : pandas.DataFrame or iterable of dict or tuple
        Rows of ``net``, ``corruption``, ``severity`` and ``balanced_error`` (0 to 1).
        Tuples contain the values in this order. Rows of severity 0 are errors on the
        original images. They are the first point of the line of their network in all axes,
        and their ``corruption`` is ignored.

    Attributes
    ----------
    errors : dict
        List of errors for each key (net, corruption, severity). The key of severity 0 is
        (net, None, 0).
    ax_ : ndarray of matplotlib.axes.Axes
        The axes, in the order of the corruptions, row by row. Axes without a corruption
        are empty.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    octsk.corrupt : Corrupts images.
    octsk.benchmark.run_benchmark : Measures networks on corrupted images.

    References
    ----------
    D. Hendrycks, T. Dietterich, Benchmarking neural network robustness to common
    corruptions and perturbations, ICLR 2019, for corruptions at severities 1 to 5.

    Examples
    --------
    >>> import octsk
    >>> rows = [("Small", "blur", severity, 0.1 * severity) for severity in range(1, 6)]
    >>> display = octsk.CorruptionDisplay.from_table([*rows, ("Small", "none", 0, 0.05)])
    >>> display.corruptions
    ['blur']
    """

    def __init__(self, table):
        self.errors: dict[tuple[str, str | None, int], list[float]] = {}
        for net, corruption, severity, error in map(_corruption_row, _rows(table)):
            key = (net, corruption if severity else None, severity)
            self.errors.setdefault(key, []).append(error)
        # Networks and corruptions keep the order in which they first occur.
        self.nets = list(dict.fromkeys(net for net, _, _ in self.errors))
        found = dict.fromkeys(corruption for _, corruption, _ in self.errors)
        self.corruptions = [corruption for corruption in found if corruption is not None]
        if not self.corruptions:
            raise ValueError(
                "table must hold at least one row of severity 1 or more, got none."
            )

    @classmethod
    def from_table(cls, table, *, ax=None):
        """Draw a table of errors.

        Parameters
        ----------
        table : pandas.DataFrame or iterable of dict or tuple
            Rows of ``net``, ``corruption``, ``severity`` and ``balanced_error`` (0 to 1).
            Tuples contain the values in this order.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided into several axes. None creates a new
            figure.

        Returns
        -------
        CorruptionDisplay
            The display.

        Raises
        ------
        ValueError
            If a row is incomplete, or if no row has a severity of 1 or more.

        Examples
        --------
        >>> import octsk
        >>> row = {"net": "Small", "corruption": "blur", "severity": 1}
        >>> display = octsk.CorruptionDisplay.from_table([row | {"balanced_error": 0.4}])
        >>> display.nets
        ['Small']
        """
        return cls(table).plot(ax)

    def _draw(self, ax):
        from matplotlib.ticker import MaxNLocator

        n_columns = min(3, len(self.corruptions))
        n_rows = -(-len(self.corruptions) // n_columns)
        above, below = grid_with_legend(ax, size=(COLUMN, 0.8 + 1.1 * n_rows))
        self.ax_ = grid_of_axes(above, n_rows, n_columns)
        self.figure_ = below.figure
        top = max(error for errors in self.errors.values() for error in errors)
        last = max(severity for _, _, severity in self.errors)
        for k, axes in enumerate(self.ax_.flat):
            if k >= len(self.corruptions):
                axes.set_axis_off()
                continue
            self._draw_corruption(axes, self.corruptions[k])
            axes.set_title(wrap(self.corruptions[k].replace("_", " "), 18), fontsize=7)
            axes.set(ylim=(0, 1.05 * top), xlim=(-0.3, last + 0.3))
            axes.set_xticks(range(last + 1))
            axes.yaxis.set_major_locator(MaxNLocator(4))
            style_axes(axes)
            axes.tick_params(labelleft=k % n_columns == 0)
            if k + n_columns >= len(self.corruptions):
                axes.set_xlabel("severity")
        self.ax_[n_rows // 2, 0].set_ylabel("balanced error")
        handles = self.ax_[0, 0].get_legend_handles_labels()
        below.legend(*handles, **LEGEND_BELOW)

    def _draw_corruption(self, axes, corruption):
        for k, net in enumerate(self.nets):
            # The original images, of severity 0, belong to every corruption.
            points = {
                severity: errors
                for (name, kind, severity), errors in sorted(
                    self.errors.items(), key=lambda item: item[0][2]
                )
                if name == net and kind in (None, corruption)
            }
            mean = np.array([np.mean(errors) for errors in points.values()])
            least, greatest = np.transpose([(min(e), max(e)) for e in points.values()])
            axes.errorbar(
                list(points),
                mean,
                # Matplotlib 3.10 triggers a NumPy warning for short arrays, so lists are
                # passed.
                yerr=[(mean - least).tolist(), (greatest - mean).tolist()],
                color=COLOURS[k % len(COLOURS)],
                ls=LINES[k % len(LINES)],
                marker=_MARKERS[k % len(_MARKERS)],
                ms=2.5,
                elinewidth=0.8,
                label=drawable(net),
            )


def _rows(table):
    """Return the rows of a data frame, or the iterable of rows itself."""
    return table.to_dict("records") if hasattr(table, "to_dict") else table


def _corruption_row(row):
    """Return the network, corruption, severity and error of a row."""
    try:
        if isinstance(row, Mapping):
            row = [row[name] for name in _COLUMNS]
        net, corruption, severity, error = row
        return str(net), str(corruption), int(severity), float(error)
    except (KeyError, TypeError, ValueError) as problem:
        raise ValueError(
            f"table must hold rows of {', '.join(_COLUMNS)}; got {row!r}."
        ) from problem
