"""Evaluation of a fitted classifier on a set of images, and comparison of classifiers."""

from octsk.evaluation._compare import compare
from octsk.evaluation._comparison import Comparison
from octsk.evaluation._evaluate import evaluate
from octsk.evaluation._read_reports import read_reports
from octsk.evaluation._report import BenchmarkReport

__all__ = ["BenchmarkReport", "Comparison", "compare", "evaluate", "read_reports"]
