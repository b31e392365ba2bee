"""Base class of the displays."""

from octsk.plots.drawing import styled


class Display:
    """Base class of octsk's displays, which follow those of scikit-learn.

    The constructor of a display stores the data to show, and :meth:`plot` draws them. The
    class methods, such as ``from_estimator``, compute the data and draw them at once.
    """

    @styled
    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. A display of several axes divides `ax`, which must be a
            subplot. None creates a new figure.

        Returns
        -------
        display
            The display itself. Its axes and figure are in ``ax_`` and ``figure_``.

        Raises
        ------
        ValueError
            If the display has several axes and `ax` is not a subplot.

        Examples
        --------
        >>> import octsk
        >>> scans = octsk.make_oct_phantoms(3, random_state=0)
        >>> display = octsk.ImageGridDisplay(scans.data, ["a", "b", "c"])
        >>> display.plot().ax_.shape
        (1, 4)
        """
        self._draw(ax)
        return self

    def _draw(self, ax):
        """Draw in `ax` or in a new figure, and set ``ax_`` and ``figure_``."""
        raise NotImplementedError
