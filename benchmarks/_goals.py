"""The project's performance goals, and whether the measurements meet them."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from octsk.utils.tables import Table

# Factor that converts a value to each unit. Values are seconds, bytes or plain numbers.
UNITS = {
    "s": 1,
    "ms": 1e3,
    "µs": 1e6,
    "MB": 1e-6,
    "times": 1,
    "%": 100,
    "sizes": 1,
    "": 1,
}


def format_figures(values: Sequence[float], unit: str) -> str:
    """Format the median of values in a unit, and the range of several values."""
    median, *ends = (
        _format_number(UNITS[unit] * value)
        for value in (statistics.median(values), min(values), max(values))
    )
    spread = f"({' to '.join(ends)})" if len(values) > 1 else ""
    return " ".join(word for word in (median, unit, spread) if word)


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def goal(
    what: str,
    values: Sequence[float] | None,
    bound: float,
    unit: str = "times",
    *,
    at_most: bool = False,
    why: str = "",
) -> dict[str, Any]:
    """Create the record of a goal, which says whether the median of the values meets it.

    Parameters
    ----------
    what : str
        Description of the goal.
    values : sequence of float or None
        Measured values, one for each repeat. None means that nothing was measured.
    bound : float
        Lower bound of the median or, with `at_most`, its upper bound.
    unit : str
        Unit in which the values and the bound are shown, a key of `UNITS`.
    at_most : bool
        Whether `bound` is an upper bound.
    why : str
        Reason why nothing was measured, or another remark.
    """
    met = None
    if values is not None:
        median = statistics.median(values)
        met = median <= bound if at_most else median >= bound
    return {
        "what": what,
        "measured": None if values is None else list(values),
        "bound": bound,
        "unit": unit,
        "at_most": at_most,
        "met": met,
        "why": why,
    }


def ratio_goals(comparison: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the records of the goals for the ratios of a comparison."""
    values, ours = comparison["values"], comparison["ours"]
    return [
        goal(
            f"{comparison['title']}: {name} relative to {ours}",
            [a / b for a, b in zip(values[name], values[ours], strict=True)]
            if name in values
            else None,
            bound,
            why="" if name in values else f"{name} is not installed",
        )
        for name, bound in comparison["goals"].items()
    ]


def goal_table(goals: Iterable[dict[str, Any]]) -> Table:
    """Return one table of all goals."""
    words = {True: "met", False: "not met", None: "not measured"}
    rows, notes = [], []
    for one in goals:
        values, unit = one["measured"], one["unit"]
        measured = "-" if values is None else format_figures(values, unit)
        bound = f"at {'most' if one['at_most'] else 'least'} "
        bound += f"{UNITS[unit] * one['bound']:g} {unit}".rstrip()
        rows.append((one["what"], measured, bound, words[one["met"]]))
        if one["why"]:
            notes.append(f"{one['what']}: {one['why']}.")
    notes.append(
        "Measured: the median, which is compared with the goal, and the range over several "
        "turns."
    )
    return Table("Goals", ("", "measured", "goal", ""), rows, notes)
