"""What the project asks of its speed, beside what was measured: met or not, computed."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from octsk.utils.tables import Table

# What a value is multiplied by to be in the unit: values are seconds, bytes or plain.
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


def figure_words(values: Sequence[float], unit: str) -> str:
    """Write the median of some values in a unit and, of several, their ends."""
    median, *ends = (
        _digits(UNITS[unit] * value)
        for value in (statistics.median(values), min(values), max(values))
    )
    spread = f"({' to '.join(ends)})" if len(values) > 1 else ""
    return " ".join(word for word in (median, unit, spread) if word)


def _digits(value: float) -> str:
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
    """Put a goal on record, and whether the median of what was measured meets it.

    Parameters
    ----------
    what : str
        What is asked for.
    values : sequence of float or None
        What was measured, one value a turn; None if it could not be.
    bound : float
        What it is to be at least or, with `at_most`, at most.
    unit : str
        A key of `UNITS`, to show both in.
    at_most : bool
        Whether less is better.
    why : str
        Why nothing was measured, or what else there is to say.
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
    """Put on record what a comparison asks of its ratios."""
    values, ours = comparison["values"], comparison["ours"]
    return [
        goal(
            f"{comparison['title']}: {name} in times of {ours}",
            [a / b for a, b in zip(values[name], values[ours], strict=True)]
            if name in values
            else None,
            bound,
            why="" if name in values else f"{name} is not installed",
        )
        for name, bound in comparison["goals"].items()
    ]


def goal_table(goals: Iterable[dict[str, Any]]) -> Table:
    """Make one table of all goals."""
    words = {True: "met", False: "not met", None: "not measured"}
    rows, notes = [], []
    for one in goals:
        values, unit = one["measured"], one["unit"]
        measured = "-" if values is None else figure_words(values, unit)
        bound = f"at {'most' if one['at_most'] else 'least'} "
        bound += f"{UNITS[unit] * one['bound']:g} {unit}".rstrip()
        rows.append((one["what"], measured, bound, words[one["met"]]))
        if one["why"]:
            notes.append(f"{one['what']}: {one['why']}.")
    notes.append("Measured: the median, which counts, and the ends of several turns.")
    return Table("Goals", ("", "measured", "goal", ""), rows, notes)
