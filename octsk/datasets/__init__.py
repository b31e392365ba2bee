"""Loading of MedMNIST data sets and image files, and drawing of synthetic scans."""

import lazy_loader

__getattr__, __dir__, _names = lazy_loader.attach_stub(__name__, __file__)

# Names that other packages of octsk use but that are not part of the public interface.
_INTERNAL = {
    "REGISTRY",
    "SplitWarning",
    "cache_size",
    "draw_splits",
    "patient_column",
    "read_column",
    "read_csv",
    "read_to_classify",
    "shared_groups",
    "shared_images",
    "warn_of_findings",
    "warn_of_shared_groups",
}
__all__ = [name for name in _names if name not in _INTERNAL]
