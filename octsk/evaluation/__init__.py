"""Evaluation of a fitted classifier on a set of images, and comparison of classifiers."""

from octsk.evaluation._compare import Comparison, compare
from octsk.evaluation._evaluate import evaluate
from octsk.evaluation._report import BenchmarkReport

__all__ = ["BenchmarkReport", "Comparison", "compare", "evaluate"]
