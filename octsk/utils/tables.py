"""Conversion of tables to plain text and HTML."""

import re
import textwrap
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from octsk.utils.untrusted import printable


class Table(NamedTuple):
    """Table with a title, whose rows begin with their labels."""

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()


# Characters that a spreadsheet interprets as the start of a formula, also in full width.
_FORMULA = re.compile(r"\s*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20]|[\t\r\n]")


def spreadsheet_cell(value: object) -> object:
    """Return a cell of a CSV file that a spreadsheet does not evaluate as a formula.

    Text that looks like a formula is prefixed with an apostrophe. Numbers are unchanged.

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
    """Convert tables to plain text with right-aligned numbers."""
    return "\n\n".join(_format_text(table) for table in tables)


def _format_text(table: Table) -> str:
    rows = [table.header, *table.rows] if table.header else table.rows
    lines = [list(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [printable(table.title)]
    for line in lines:
        first, *figures = (
            # Tables without a header hold text, which is aligned left.
            cell.rjust(width) if index and table.header else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        text.append("  ".join(["", first, *figures]).rstrip())
    notes = [
        textwrap.fill(
            printable(" ".join(note.split())),
            88,
            initial_indent="  ",
            subsequent_indent="    ",
        )
        for note in table.notes
    ]
    return "\n".join([*text, *notes])


# Inline style, since notebooks and other pages style tables differently or not at all.
_STYLE = 'style="text-align:{};padding:.1em .6em"'


def tables_to_html(tables: Sequence[Table]) -> str:
    """Convert tables to a single HTML element that needs no style sheet."""
    return "<div>" + "".join(_format_html(table) for table in tables) + "</div>"


def _format_html(table: Table) -> str:
    # Tables without a header hold text, which is aligned left.
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
