"""Evaluation of a fitted classifier on a set of images."""

from octsk.evaluation._evaluate import evaluate
from octsk.evaluation._report import BenchmarkReport

__all__ = ["BenchmarkReport", "evaluate"]
