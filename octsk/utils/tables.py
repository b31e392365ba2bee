"""The same tables as plain text and as HTML, and cells that cannot do harm."""

import re
import textwrap
from collections.abc import Sequence
from html import escape
from typing import NamedTuple


class Table(NamedTuple):
    """A titled table: a row's first cell says what it is, the others are figures."""

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()


# Characters that a terminal obeys, or that reorder or cannot encode the text around them:
# control characters, line separators, marks of writing direction, halves of pairs.
_OBEYED = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

# What a spreadsheet takes for the start of a formula, be it wide or narrow.
_FORMULA = re.compile(r"\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n]")


def printable(text: object) -> str:
    r"""Return a text in one line with escapes for the characters that a terminal obeys.

    Examples
    --------
    >>> print(printable("scan\x1b[2J\n.png"))
    scan\x1b[2J\n.png
    """
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], str(text))


def spreadsheet_cell(value: object) -> object:
    """Return a cell for a CSV file that a spreadsheet shows instead of computing it.

    Text that it would read as a formula gets an apostrophe in front; numbers stay.

    Examples
    --------
    >>> spreadsheet_cell("=cmd()"), spreadsheet_cell("-1.5"), spreadsheet_cell(-1)
    ("'=cmd()", '-1.5', -1)
    """
    if not isinstance(value, str) or not _FORMULA.match(value):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def tables_to_text(tables: Sequence[Table]) -> str:
    """Write tables one below the other, figures right-aligned under their heads."""
    return "\n\n".join(_to_text(table) for table in tables)


def _to_text(table: Table) -> str:
    lines = [table.header, *table.rows] if table.header else table.rows
    lines = [[printable(cell) for cell in line] for line in lines]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [printable(table.title)]
    for line in lines:
        first, *figures = (
            # A table without a head holds words, not figures.
            cell.rjust(width) if index and table.header else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        text.append("  ".join(["", first, *figures]).rstrip())
    notes = [
        textwrap.fill(printable(note), 88, initial_indent="  ", subsequent_indent="    ")
        for note in table.notes
    ]
    return "\n".join([*text, *notes])


# Notebooks have styles of their own, other places have none.
_STYLE = 'style="text-align:{};padding:.1em .6em"'


def tables_to_html(tables: Sequence[Table]) -> str:
    """Write tables as one HTML element that needs no style sheet."""
    return "<div>" + "".join(_to_html(table) for table in tables) + "</div>"


def _to_html(table: Table) -> str:
    # A table without a head holds words, not figures.
    words = _STYLE.format("left")
    others = _STYLE.format("right") if table.header else words
    head = "".join(
        f'<th scope="col" {others if index else words}>{escape(cell)}</th>'
        for index, cell in enumerate(table.header)
    )
    body = "".join(
        f'<tr><th scope="row" {words}>{escape(first)}</th>'
        + "".join(f"<td {others}>{escape(cell)}</td>" for cell in figures)
        + "</tr>"
        for first, *figures in table.rows
    )
    notes = "".join(f"<p>{escape(note)}</p>" for note in table.notes)
    rows = (f"<thead><tr>{head}</tr></thead>" if head else "") + f"<tbody>{body}</tbody>"
    return (
        f"<h4>{escape(table.title)}</h4>"
        + (f"<table>{rows}</table>" if body else "")
        + notes
    )
