"""Evaluation of a fitted classifier on a set of images."""

from octsk.evaluation._evaluate import evaluate
from octsk.evaluation._operating_point import OperatingPoint
from octsk.evaluation._report import BenchmarkReport
from octsk.evaluation._subgroups import subgroup_tables

__all__ = ["BenchmarkReport", "OperatingPoint", "evaluate", "subgroup_tables"]
