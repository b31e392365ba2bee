"""Displays of trainings and benchmarks."""

from collections.abc import Mapping

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from octsk.metrics import TITLES
from octsk.plots._drawing import (
    COLOURS,
    COLUMN,
    LEGEND_BELOW,
    LINES,
    grid_of_axes,
    grid_with_legend,
    one_axes,
    plain_axes,
    styled,
    wrapped,
)
from octsk.published import published_results

_MEASURED, _V2, _V1 = COLOURS[0], COLOURS[1], COLOURS[4]
_MARKERS = "os^Dv<>"
_COLUMNS = ("net", "corruption", "severity", "balanced_error")


class HistoryDisplay:
    """Loss and accuracy of a training, epoch by epoch.

    A colour for each net; training solid, validation dashed.

    Parameters
    ----------
    histories : dict of dict
        Under the name of each net its ``history_``: ``loss`` and ``accuracy``, and, if
        there were validation images, ``val_loss`` and ``val_accuracy``; one value each
        epoch.

    Attributes
    ----------
    ax_ : ndarray of shape (2,), of matplotlib.axes.Axes
        The axes of the loss and of the accuracy.
    figure_ : matplotlib.figure.Figure or SubFigure
        The figure.

    Examples
    --------
    >>> import octsk
    >>> X, y = octsk.make_oct_phantoms(64, random_state=0, return_X_y=True)
    >>> net = octsk.SmallOCTNet(epochs=2, random_state=0)
    >>> net = net.fit(X[:48], y[:48], X_val=X[48:], y_val=y[48:])
    >>> display = octsk.HistoryDisplay.from_estimator(net)
    >>> [len(axes.lines) for axes in display.ax_]
    [2, 2]
    """

    def __init__(self, histories):
        self.histories = dict(histories)

    @classmethod
    def from_estimator(cls, estimator, *, name=None, ax=None):
        """Show how a net was trained.

        Parameters
        ----------
        estimator : estimator
            A fitted net, or a pipeline that ends in one.
        name : str, default=None
            What to call it; None takes its class.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in; None makes a new figure.

        Returns
        -------
        HistoryDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If it keeps no history.

        Examples
        --------
        >>> import octsk
        >>> X, y = octsk.make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> net = octsk.SmallOCTNet(epochs=1, random_state=0).fit(X, y)
        >>> list(octsk.HistoryDisplay.from_estimator(net).histories)
        ['SmallOCTNet']
        """
        check_is_fitted(estimator)
        while isinstance(estimator, Pipeline):
            estimator = estimator[-1]
        history = getattr(estimator, "history_", None)
        if not isinstance(history, dict):
            raise TypeError(
                "estimator must be a net with a history_, or a pipeline that ends in one, "
                f"got {type(estimator).__name__}."
            )
        return cls({name or type(estimator).__name__: history}).plot(ax)

    @classmethod
    def from_reports(cls, reports, *, ax=None):
        """Show how the nets of several reports were trained.

        Parameters
        ----------
        reports : iterable of octsk.benchmark.BenchmarkReport
            What `octsk.evaluate` returned, with different names; those without a
            history are left out.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in; None makes a new figure.

        Returns
        -------
        HistoryDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> import octsk
        >>> scans = octsk.make_oct_phantoms(64, random_state=0)
        >>> net = octsk.SmallOCTNet(epochs=1, random_state=0)
        >>> net = net.fit(scans.data, scans.target)
        >>> report = octsk.evaluate(net, scans.data, scans.target)
        >>> list(octsk.HistoryDisplay.from_reports([report]).histories)
        ['SmallOCTNet']
        """
        return cls({r.name: r.history for r in reports if r.history}).plot(ax)

    @styled
    def plot(self, ax=None):
        """Draw the loss beside the accuracy.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided; None makes a new figure.

        Returns
        -------
        HistoryDisplay
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
        >>> history = {"loss": [1.2, 0.9], "accuracy": [0.4, 0.6]}
        >>> octsk.HistoryDisplay({"Small": history}).plot().ax_[0].get_xlabel()
        'epoch'
        """
        from matplotlib.ticker import MaxNLocator

        above, below = grid_with_legend(ax, size=(COLUMN, 2.3))
        self.ax_ = grid_of_axes(above, 1, 2).ravel()
        self.figure_ = below.figure
        for axes, metric in zip(self.ax_, ("loss", "accuracy"), strict=True):
            for k, history in enumerate(self.histories.values()):
                colour = COLOURS[k % len(COLOURS)]
                for key, style in [(metric, "-o"), (f"val_{metric}", "--s")]:
                    values = history.get(key)
                    if values:
                        epochs = range(1, len(values) + 1)
                        axes.plot(epochs, values, style, color=colour)
            axes.set(xlabel="epoch", title=metric)
            # The one tick of a single epoch would be split into fractions.
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            plain_axes(axes)
        below.legend(handles=self._handles(), **LEGEND_BELOW)
        return self

    def _handles(self):
        from matplotlib.lines import Line2D

        one = len(self.histories) == 1
        grey = COLOURS[0] if one else "0.4"
        handles = [Line2D([], [], color=grey, ls="-", marker="o", label="training")]
        if any("val_loss" in history for history in self.histories.values()):
            handles.append(
                Line2D([], [], color=grey, ls="--", marker="s", label="validation")
            )
        if not one:
            handles += [
                Line2D([], [], color=COLOURS[k % len(COLOURS)], lw=3, label=name)
                for k, name in enumerate(self.histories)
            ]
        return handles


class BenchmarkDisplay:
    """Measured accuracies with their intervals beside the published ones.

    One line a classifier, each seed a dot with its interval; below, MedMNIST's rows, but
    only where they may stand beside the measured ones, else the reason why not.

    Parameters
    ----------
    measured : dict of list of (value, low, high)
        Under the name of each classifier, each seed's figure and the ends of its
        interval.
    published : sequence of (method, v1, v2), default=()
        Rows of MedMNIST's benchmark with the figures of its two editions.
    metric : {"acc", "auc"}, default="acc"
        What the figures are.
    confidence_level : float, default=0.95
        Of the intervals.
    note : str, default=""
        Text below.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure or SubFigure
        The figure.

    See Also
    --------
    octsk.benchmark.BenchmarkRun.save : Writes it with the tables.

    Examples
    --------
    >>> import octsk
    >>> display = octsk.BenchmarkDisplay(
    ...     {"Small": [(0.70, 0.67, 0.73), (0.72, 0.69, 0.75)]},
    ...     [("ResNet-18 (28)", 0.758, 0.743)],
    ... )
    >>> [label.get_text() for label in display.plot().ax_.get_yticklabels()]
    ['Small', 'ResNet-18 (28)']
    """

    def __init__(
        self, measured, published=(), *, metric="acc", confidence_level=0.95, note=""
    ):
        self.measured = dict(measured)
        self.published = list(published)
        self.metric = metric
        self.confidence_level = confidence_level
        self.note = note
        if metric not in ("acc", "auc"):
            raise ValueError(f"metric must be 'acc' or 'auc', got {metric!r}.")

    @classmethod
    def from_run(cls, run, *, metric="acc", ax=None):
        """Show a benchmark run beside the published rows.

        Parameters
        ----------
        run : octsk.benchmark.BenchmarkRun
            What `octsk.benchmark.run_benchmark` returned.
        metric : {"acc", "auc"}, default="acc"
            Accuracy or AUC.
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        BenchmarkDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If `metric` is another one.

        Examples
        --------
        >>> import octsk
        >>> from sklearn.dummy import DummyClassifier
        >>> from sklearn.utils import Bunch
        >>> train, test = (octsk.make_oct_phantoms(40, random_state=k) for k in range(2))
        >>> dataset = Bunch(name="phantoms", synthetic=True, train=train, test=test)
        >>> run = octsk.benchmark.run_benchmark({"guess": DummyClassifier()}, dataset)
        >>> octsk.BenchmarkDisplay.from_run(run).note
        'Not comparable with published results: the images are synthetic.'
        """
        return cls._of_run(run, metric).plot(ax)

    @classmethod
    def _of_run(cls, run, metric):
        if metric not in ("acc", "auc"):
            raise ValueError(f"metric must be 'acc' or 'auc', got {metric!r}.")
        measured = {
            name: [(r.metrics[metric], *r.intervals[metric]) for r in reports]
            for name, reports in run.reports.items()
        }
        published, reason = [], run.first.not_comparable
        note = f"Not comparable with published results: {reason}."
        if not reason:
            note = "Published by MedMNIST; (224): 28-pixel images, enlarged."
            v1, v2 = (
                published_results(run.first.data["name"], kind="benchmark", version=v)
                for v in ("v1", "v2")
            )
            published = [
                (one.method, getattr(one, metric), getattr(two, metric))
                for one, two in zip(v1, v2, strict=True)
            ]
        level = run.first.confidence_level
        return cls(measured, published, metric=metric, confidence_level=level, note=note)

    @styled
    def plot(self, ax=None):
        """Draw the measured figures above the published ones.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in; None makes a new figure.

        Returns
        -------
        BenchmarkDisplay
            The display itself.

        Raises
        ------
        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> import octsk
        >>> display = octsk.BenchmarkDisplay({"Small": [(0.7, 0.67, 0.73)]}, metric="auc")
        >>> display.plot().ax_.get_xlabel()
        'AUC'
        """
        n_rows = len(self.measured) + len(self.published)
        self.ax_ = one_axes(ax, self._height())
        self.figure_ = self.ax_.figure
        self._draw_measured()
        for row, (_, v1, v2) in enumerate(self.published, start=len(self.measured)):
            self.ax_.plot(v1, row, "D", color=_V1, ms=5, mfc="none", mew=1.3)
            self.ax_.plot(v2, row, "s", color=_V2, ms=5)
        names = [*self.measured, *(method for method, _, _ in self.published)]
        self.ax_.set_yticks(range(n_rows), names)
        # A lone net should not fill the whole height.
        margin = max(0.5, (4 - n_rows) / 2)
        self.ax_.set_ylim(n_rows - 1 + margin, -margin)
        if self.published:
            self.ax_.axhline(len(self.measured) - 0.5, color="grey", lw=0.8, ls="--")
        plain_axes(self.ax_)
        self.ax_.grid(visible=False, axis="y")
        label = TITLES[self.metric]
        note = f"\n{wrapped(self.note, 38)}" if self.note else ""
        self.ax_.set_xlabel(f"{label}{note}", fontsize=7)
        self._legend()
        return self

    def _n_seeds(self):
        return max(map(len, self.measured.values()), default=1)

    def _height(self):
        """Inches: room for every seed of every net, and for the published rows."""
        nets = len(self.measured) * (0.2 + 0.05 * self._n_seeds())
        return max(2.2, 1.4 + nets + 0.2 * len(self.published))

    def _draw_measured(self):
        for row, seeds in enumerate(self.measured.values()):
            # Seeds stand one above the other within their net's line.
            offsets = np.linspace(-0.25, 0.25, len(seeds)) if len(seeds) > 1 else [0]
            for offset, (value, low, high) in zip(offsets, seeds, strict=True):
                height = row + offset
                self.ax_.plot([low, high], [height] * 2, color=_MEASURED, alpha=0.5)
                self.ax_.plot(value, height, "o", color=_MEASURED, ms=4)
            if len(seeds) > 1:
                mean = np.mean([value for value, _, _ in seeds])
                self.ax_.plot([mean] * 2, [row - 0.36, row + 0.36], color="black")

    def _legend(self):
        from matplotlib.lines import Line2D

        label = f"measured, {self.confidence_level:.0%} interval"
        handles = [Line2D([], [], color=_MEASURED, marker="o", label=label)]
        if self._n_seeds() > 1:
            handles += [
                Line2D([], [], color="black", marker="|", ms=9, lw=0, label="mean of seeds")
            ]
        if self.published:
            handles += [
                Line2D(
                    [], [], lw=0, marker="D", mfc="none", color=_V1, label="published, v1"
                ),
                Line2D([], [], lw=0, marker="s", color=_V2, label="published, v2"),
            ]
        self.ax_.legend(
            handles=handles,
            # It is wider than the axes: to the left, above the names, is room.
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            ncols=2,
            frameon=False,
        )


class CorruptionDisplay:
    """Balanced error of nets on corrupted images, by corruption and severity.

    One axes a corruption, a line a net. Where a net has several rows of a corruption and
    severity, as of several seeds, the line is their mean and a bar runs from the least to
    the greatest.

    Parameters
    ----------
    table : pandas.DataFrame or iterable of dict or tuple
        Rows with ``net``, ``corruption``, ``severity`` and ``balanced_error`` (0 to 1);
        tuples in this order. Severity 0 is the images as they are: such rows, whatever
        they call the corruption, begin the line of their net in every axes.

    Attributes
    ----------
    errors : dict
        Under (net, corruption, severity) the list of errors; of severity 0 under
        (net, None, 0).
    ax_ : ndarray of matplotlib.axes.Axes
        The axes, in rows; those left over are empty.
    figure_ : matplotlib.figure.Figure or SubFigure
        The figure.

    References
    ----------
    D. Hendrycks, T. Dietterich, Benchmarking neural network robustness to common
    corruptions and perturbations, ICLR 2019: corruptions at severities 1 to 5.

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
        # In the order in which they come.
        self.nets = list(dict.fromkeys(net for net, _, _ in self.errors))
        found = dict.fromkeys(corruption for _, corruption, _ in self.errors)
        self.corruptions = [corruption for corruption in found if corruption is not None]
        if not self.corruptions:
            raise ValueError("table must hold a row of severity 1 or more, got none.")

    @classmethod
    def from_table(cls, table, *, ax=None):
        """Draw a table.

        Parameters
        ----------
        table : pandas.DataFrame or iterable of dict or tuple
            Rows with ``net``, ``corruption``, ``severity`` and ``balanced_error`` (0 to
            1); tuples in this order.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in; None makes a new figure.

        Returns
        -------
        CorruptionDisplay
            The display.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If a row lacks something, or none has a severity of 1 or more.

        Examples
        --------
        >>> import octsk
        >>> row = {"net": "Small", "corruption": "blur", "severity": 1}
        >>> display = octsk.CorruptionDisplay.from_table([row | {"balanced_error": 0.4}])
        >>> display.nets
        ['Small']
        """
        return cls(table).plot(ax)

    @styled
    def plot(self, ax=None):
        """Draw one axes for each corruption.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided; None makes a new figure.

        Returns
        -------
        CorruptionDisplay
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
        >>> octsk.CorruptionDisplay([("Small", "blur", 1, 0.4)]).plot().ax_.shape
        (1, 1)
        """
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
            self._draw(axes, self.corruptions[k])
            axes.set_title(wrapped(self.corruptions[k].replace("_", " "), 18), fontsize=7)
            axes.set(ylim=(0, 1.05 * top), xlim=(-0.3, last + 0.3))
            axes.set_xticks(range(last + 1))
            axes.yaxis.set_major_locator(MaxNLocator(4))
            plain_axes(axes)
            axes.tick_params(labelleft=k % n_columns == 0)
            if k + n_columns >= len(self.corruptions):
                axes.set_xlabel("severity")
        self.ax_[n_rows // 2, 0].set_ylabel("balanced error")
        handles = self.ax_[0, 0].get_legend_handles_labels()
        below.legend(*handles, **LEGEND_BELOW)
        return self

    def _draw(self, axes, corruption):
        for k, net in enumerate(self.nets):
            # Severity 0 is the same images for every corruption.
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
                # Lists, since NumPy warns of what matplotlib 3.10 does to short arrays.
                yerr=[(mean - least).tolist(), (greatest - mean).tolist()],
                color=COLOURS[k % len(COLOURS)],
                ls=LINES[k % len(LINES)],
                marker=_MARKERS[k % len(_MARKERS)],
                ms=2.5,
                elinewidth=0.8,
                label=net,
            )


def _rows(table):
    """Rows of a data frame or of what holds rows."""
    return table.to_dict("records") if hasattr(table, "to_dict") else table


def _corruption_row(row):
    """Net, corruption, severity and error of a row."""
    try:
        if isinstance(row, Mapping):
            row = [row[name] for name in _COLUMNS]
        net, corruption, severity, error = row
        return str(net), str(corruption), int(severity), float(error)
    except (KeyError, TypeError, ValueError) as problem:
        raise ValueError(
            f"table must hold rows of {', '.join(_COLUMNS)}; got {row!r}."
        ) from problem
