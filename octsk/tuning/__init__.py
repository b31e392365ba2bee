"""Tune a classifier on a data set: search, fit the best settings, measure and report."""

from octsk.tuning._run import TuningRun
from octsk.tuning._tune import tune

__all__ = ["TuningRun", "tune"]
