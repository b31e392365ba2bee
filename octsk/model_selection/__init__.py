"""Search for settings: the report's grid, search spaces and Optuna studies."""

from octsk.model_selection._search import (
    OCTSearchCV,
    plot_pareto_front,
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
