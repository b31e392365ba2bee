"""Pictures of images, predictions and results, as scikit-learn's Display classes.

Each class has class methods that compute and draw, ``plot(ax=None)`` that draws again,
and keeps what it drew on as ``figure_`` and ``ax_``. Matplotlib is loaded when something
is drawn.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
