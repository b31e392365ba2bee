"""Displays of images, predictions and results, which follow scikit-learn's displays.

Each display has class methods such as ``from_estimator``, which compute the data to show
and draw them. ``plot(ax=None)`` draws the display again, and the attributes ``figure_``
and ``ax_`` hold the figure and the axes. Matplotlib is imported at the first drawing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
