"""Formatting of numbers, times, intervals and names for tables, pages and file names."""

import math
import re


def format_score(value) -> str:
    """Format a score with three decimals, or a dash if it is undefined."""
    return "-" if value is None or math.isnan(value) else f"{value:.3f}"


def format_interval(ends) -> str:
    """Format an interval with three decimals, or a dash if it is undefined."""
    if ends is None or math.isnan(ends[0]):
        return "-"
    return f"[{ends[0]:.3f}, {ends[1]:.3f}]"


def format_signed(value) -> str:
    """Format a difference with its sign and three decimals, or a dash if undefined."""
    return "-" if value is None or math.isnan(value) else f"{value:+.3f}"


def format_p(p_value) -> str:
    """Format a p-value, or a dash if it is undefined."""
    if p_value is None or math.isnan(p_value):
        return "-"
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}"


def format_value(value) -> str:
    """Format the value of a parameter: floats briefly, everything else by ``str``."""
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def format_time(seconds) -> str:
    """Format a measured time in seconds."""
    return f"{seconds:.1f} s"


def format_rough_time(seconds) -> str:
    """Format a time in whole seconds or minutes, such as an estimate."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def as_word(name) -> str:
    """Convert a name to a word that every file system and MedMNIST's evaluator accept."""
    word = re.sub(r"[^A-Za-z0-9-]+", "-", str(name)).strip("-")
    # With a prefix and a suffix, the word must fit into the 255 bytes of a file name.
    return word[:100].strip("-") or "unnamed"


def shorten(words, n):
    """Shorten a text that is too long for a table or a figure."""
    return words if len(words) <= n else words[: n - 1] + "…"
