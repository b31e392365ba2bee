"""The same tables as plain text and as HTML."""

import textwrap
from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from octsk.utils.untrusted import printable


class Table(NamedTuple):
    """A titled table: a row's first cell says what it is, the others are figures."""

    title: str
    header: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()


def tables_to_text(tables: Sequence[Table]) -> str:
    """Write tables one below the other, figures right-aligned under their heads."""
    return "\n\n".join(_to_text(table) for table in tables)


def _to_text(table: Table) -> str:
    rows = [table.header, *table.rows] if table.header else table.rows
    lines = [list(map(printable, row)) for row in rows]
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
        textwrap.fill(
            printable(" ".join(note.split())),
            88,
            initial_indent="  ",
            subsequent_indent="    ",
        )
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
