"""Versions of Python and of the libraries on which results depend."""

import os
import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as package_version
from typing import Any

from octsk._version import __version__


def environment() -> dict[str, Any]:
    """Return the versions of Python and the packages, the platform, and the core count.

    The packages are not imported.
    """
    versions = {"python": platform.python_version(), "octsk": __version__}
    for package in PACKAGES:
        try:
            versions[package] = package_version(package)
        except PackageNotFoundError:
            continue
    return {**versions, "platform": platform.platform(), "cpu_count": os.cpu_count()}


PACKAGES = ("numpy", "scikit-learn", "scikeras", "keras", "tensorflow")
