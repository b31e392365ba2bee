"""Small CNNs for retinal OCT scans as scikit-learn estimators.

Every public name is loaded at first use, so ``import octsk`` does not load TensorFlow.
The names and their modules are listed in ``__init__.pyi``.
"""

import os

import lazy_loader

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)

# Without the modules: "from octsk import *" would hide scikit-learn's `datasets` and
# `metrics` by them.
_modules = {name.split(".")[0] for name in os.listdir(os.path.dirname(__file__))}
__all__ = [name for name in _names if name not in _modules]
