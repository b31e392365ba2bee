"""Displays of images, predictions and results, which follow scikit-learn's displays.

Each display has class methods such as ``from_estimator``, which compute the data to show
and draw them. ``plot(ax=None)`` draws the display again. The figure and the axes are in
the attributes ``figure_`` and ``ax_``. Matplotlib is only imported when a display is drawn.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
