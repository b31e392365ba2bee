"""Small CNNs for retinal OCT scans as scikit-learn estimators.

Public names are imported lazily, so that ``import octsk`` does not load TensorFlow. The
names and their modules are listed in ``__init__.pyi``.
"""

import os

import lazy_loader

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)

# Modules are excluded, since "from octsk import *" would otherwise shadow `datasets` and
# `metrics` of scikit-learn.
_modules = {name.split(".")[0] for name in os.listdir(os.path.dirname(__file__))}
__all__ = [name for name in _names if name not in _modules]
