"""Loading of MedMNIST data sets and image files, and drawing of synthetic scans."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
