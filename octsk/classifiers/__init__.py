"""Estimators: one classifier for each network, with default parameters of its own."""

from octsk.classifiers._base import BaseOCTNet
from octsk.classifiers._nets import NETS as NETS
from octsk.classifiers._nets import (
    LargeOCTNet,
    MediumOCTNet,
    ResidualOCTNet,
    SmallOCTNet,
    load,
)
from octsk.classifiers._novelty_gate import NoveltyGate
from octsk.classifiers._novelty_gate import add_gate as add_gate
from octsk.classifiers._transfer import describe_source as describe_source
from octsk.classifiers._validation import check_known_labels as check_known_labels

__all__ = [
    "BaseOCTNet",
    "LargeOCTNet",
    "MediumOCTNet",
    "NoveltyGate",
    "ResidualOCTNet",
    "SmallOCTNet",
    "load",
]
