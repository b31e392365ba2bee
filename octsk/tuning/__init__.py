"""Tune a classifier on a data set: search, fit the best settings, measure and report."""

from octsk.tuning._tuning import TuningRun, tune

__all__ = ["TuningRun", "tune"]
