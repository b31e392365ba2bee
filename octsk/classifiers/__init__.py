"""Estimators: one class for each network with its defaults."""

from octsk.classifiers._base import BaseOCTNet
from octsk.classifiers._nets import (
    NETS,
    LargeOCTNet,
    MediumOCTNet,
    ResidualOCTNet,
    SmallOCTNet,
    load,
)
from octsk.classifiers._transfer import describe_source
from octsk.classifiers._validation import check_known_labels

__all__ = [
    "NETS",
    "BaseOCTNet",
    "LargeOCTNet",
    "MediumOCTNet",
    "ResidualOCTNet",
    "SmallOCTNet",
    "check_known_labels",
    "describe_source",
    "load",
]
