"""Hyperparameter search: Optuna studies, search spaces and the grid of the report."""

import warnings

with warnings.catch_warnings():
    # Optuna warns in notebooks without ipywidgets, which only its progress bar needs.
    warnings.filterwarnings("ignore", "IProgress not found")
    import optuna  # noqa: F401

from octsk.model_selection._pareto import plot_pareto_front
from octsk.model_selection._search import OCTSearchCV
from octsk.model_selection._spaces import (
    read_search_space,
    report_grid_search,
    search_space,
)

__all__ = [
    "OCTSearchCV",
    "plot_pareto_front",
    "read_search_space",
    "report_grid_search",
    "search_space",
]
