"""The base of the displays: how each of them is drawn."""

from octsk.plots.drawing import styled


class Display:
    """Base of octsk's displays, in the manner of scikit-learn's.

    The class methods of a display compute what it shows and draw it. The constructor
    only stores what to show, and :meth:`plot` draws it, as often as it is called.
    """

    @styled
    def plot(self, ax=None):
        """Draw the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Axes to draw in. A display that consists of several axes divides it, so it
            must be a subplot. None makes a new figure.

        Returns
        -------
        display
            The display itself. What was drawn on is kept in ``ax_`` and ``figure_``.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        ValueError
            If the display consists of several axes and `ax` is not a subplot.

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
        """Draw on `ax`, or in a new figure, and set ``ax_`` and ``figure_``."""
        raise NotImplementedError
