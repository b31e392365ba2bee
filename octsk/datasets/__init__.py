"""Images to learn from: MedMNIST sets, image files, synthetic scans."""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from octsk.datasets._download import DownloadError
    from octsk.datasets._image_files import list_image_files, load_image_files
    from octsk.datasets._medmnist import (
        fetch_medmnist,
        fetch_octmnist,
        get_data_home,
        load_medmnist,
    )
    from octsk.datasets._phantoms import make_oct_phantoms

_HOME = {
    "DownloadError": "octsk.datasets._download",
    "fetch_medmnist": "octsk.datasets._medmnist",
    "fetch_octmnist": "octsk.datasets._medmnist",
    "get_data_home": "octsk.datasets._medmnist",
    "load_medmnist": "octsk.datasets._medmnist",
    "list_image_files": "octsk.datasets._image_files",
    "load_image_files": "octsk.datasets._image_files",
    "make_oct_phantoms": "octsk.datasets._phantoms",
}

__all__ = [
    "DownloadError",
    "fetch_medmnist",
    "fetch_octmnist",
    "get_data_home",
    "list_image_files",
    "load_image_files",
    "load_medmnist",
    "make_oct_phantoms",
]


def __getattr__(name):
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'octsk.datasets' has no attribute {name!r}")


def __dir__():
    return list(__all__)
