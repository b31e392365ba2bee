"""Tuning of a classifier on a data set: search, final fit, evaluation and report."""

from octsk.tuning._run import TuningRun
from octsk.tuning._tune import tune

__all__ = ["TuningRun", "tune"]
