"""Plots of images, predictions and results, in the manner of scikit-learn's displays.

Each class has class methods such as ``from_estimator`` that compute what to show and
draw it. ``plot(ax=None)`` draws it again, and what was drawn on is kept in ``figure_``
and ``ax_``. Matplotlib is loaded when something is drawn.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
