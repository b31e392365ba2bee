"""Display of loss and accuracy during training."""

from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from octsk.plots.display import Display
from octsk.plots.drawing import (
    COLOURS,
    COLUMN,
    LEGEND_BELOW,
    drawable,
    grid_of_axes,
    grid_with_legend,
    style_axes,
)


class HistoryDisplay(Display):
    """Loss and accuracy of each epoch of training.

    Each network has its own colour. Lines of training data are solid, and lines of
    validation data are dashed.

    Parameters
    ----------
    histories : dict of dict
        ``history_`` of each network, by name. It contains ``loss`` and ``accuracy`` and, if
        there were validation images, ``val_loss`` and ``val_accuracy``, with one value for
        each epoch.

    Attributes
    ----------
    ax_ : ndarray of shape (2,), of matplotlib.axes.Axes
        The axes of the loss and of the accuracy.
    figure_ : matplotlib.figure.Figure or SubFigure
        Figure that contains the axes.

    See Also
    --------
    BenchmarkDisplay : Results of several networks after training.

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
        """Draw the training history of a fitted network.

        Parameters
        ----------
        estimator : estimator
            A fitted network, or a pipeline whose last step is one.
        name : str, default=None
            Name of the network. None uses the name of its class.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided into several axes. None creates a new
            figure.

        Returns
        -------
        HistoryDisplay
            The display.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        TypeError
            If the estimator has no ``history_``.

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
                "estimator must be a network with a history_, or a pipeline whose last "
                f"step is one, got {type(estimator).__name__}."
            )
        return cls({name or type(estimator).__name__: history}).plot(ax)

    @classmethod
    def from_reports(cls, reports, *, ax=None):
        """Draw the training histories of the networks of several reports.

        Parameters
        ----------
        reports : iterable of octsk.evaluation.BenchmarkReport
            Reports that `octsk.evaluate` returned, with different names. Reports without
            a history are left out.
        ax : matplotlib.axes.Axes, default=None
            Subplot to draw in, which is divided into several axes. None creates a new
            figure.

        Returns
        -------
        HistoryDisplay
            The display.

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

    def _draw(self, ax):
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
            # Without min_n_ticks the axis of a single epoch would have fractional ticks.
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
            style_axes(axes)
        below.legend(handles=self._handles(), **LEGEND_BELOW)

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
                Line2D([], [], color=COLOURS[k % len(COLOURS)], lw=3, label=drawable(name))
                for k, name in enumerate(self.histories)
            ]
        return handles
