"""The ``octsk`` command, with one module for each of its commands."""

from octsk.cli._app import app, main

# Each module adds its command; --help lists the commands in this order.
from octsk.cli import benchmark, train, tune, evaluate, compare, predict  # isort: skip
from octsk.cli import import_, check, fetch, info  # isort: skip

__all__ = [
    "app",
    "benchmark",
    "check",
    "compare",
    "evaluate",
    "fetch",
    "import_",
    "info",
    "main",
    "predict",
    "train",
    "tune",
]
