"""Conversion of tables to plain text, HTML, Markdown, LaTeX, CSV and data frames."""

import csv
import html
import os
import re
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from octsk.utils.files import atomic_write
from octsk.utils.untrusted import printable


class Table(NamedTuple):
    """Table with a title and notes. The first cell of each row is its label."""

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


def escape_html(value: object) -> str:
    """Escape a value for one line of text in HTML."""
    return html.escape(printable(" ".join(str(value).split())))


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
        f'<th scope="col" {others if index else words}>{escape_html(cell)}</th>'
        for index, cell in enumerate(table.header)
    )
    body = "".join(
        f'<tr><th scope="row" {words}>{escape_html(first)}</th>'
        + "".join(f"<td {others}>{escape_html(cell)}</td>" for cell in figures)
        + "</tr>"
        for first, *figures in table.rows
    )
    notes = "".join(f"<p>{escape_html(note)}</p>" for note in table.notes)
    rows = (f"<thead><tr>{head}</tr></thead>" if head else "") + f"<tbody>{body}</tbody>"
    return (
        f"<h4>{escape_html(table.title)}</h4>"
        + (f"<table>{rows}</table>" if body else "")
        + notes
    )


# --------------------------------------------------------------------------------------
# Markdown and LaTeX
# --------------------------------------------------------------------------------------


def escape_markdown(value: object) -> str:
    r"""Escape a value for one line of Markdown.

    Examples
    --------
    >>> print(escape_markdown("a_b | <i>"))
    a\_b \| &lt;i&gt;
    """
    text = printable(" ".join(str(value).split()))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~$])", r"\\\1", text)


def table_to_markdown(table: Table) -> str:
    """Convert the header and rows of a table to Markdown, without its title and notes."""
    header = table.header or [""] * len(table.rows[0])
    # Tables without a header hold text, which is aligned left.
    others = "--:" if table.header else "---"
    lines = [
        map(escape_markdown, header),
        ["---", *[others] * (len(header) - 1)],
        *(map(escape_markdown, row) for row in table.rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def tables_to_markdown(tables: Sequence[Table]) -> str:
    """Convert tables with their titles and notes to Markdown."""
    parts = []
    for table in tables:
        parts.append(f"**{escape_markdown(table.title)}**")
        parts += [table_to_markdown(table)] if table.rows else []
        parts += map(escape_markdown, table.notes)
    return "\n\n".join(parts) + "\n"


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "\u00b1": r"\ensuremath{\pm}",
    "\u2212": r"\ensuremath{-}",
    # At the start of a row, LaTeX takes a bracket as an argument of the line break.
    "[": "{[}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}


def escape_latex(value: object) -> str:
    r"""Escape a value for the text of a LaTeX document.

    Examples
    --------
    >>> print(escape_latex("50 % of net_a & [b]"))
    50 \% of net\_a \& {[}b]
    """
    text = printable(" ".join(str(value).split()))
    return "".join(_LATEX.get(character, character) for character in text)


def tables_to_latex(tables: Sequence[Table]) -> str:
    """Convert tables to LaTeX that requires the package booktabs.

    A table that only has notes becomes a paragraph.
    """
    return "% Requires \\usepackage{booktabs}\n" + "\n".join(map(_format_latex, tables))


def _format_latex(table: Table) -> str:
    title, notes = escape_latex(table.title), map(escape_latex, table.notes)
    if not table.rows:
        return f"\\paragraph{{{title}}} {' '.join(notes)}\n"
    # Tables without a header hold text, which is aligned left.
    others = ("r" if table.header else "l") * (len(table.rows[0]) - 1)
    head, *body = (
        " & ".join(map(escape_latex, row)) + r" \\" for row in (table.header, *table.rows)
    )
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{title}}}",
            rf"\begin{{tabular}}{{l{others}}}",
            r"\toprule",
            *([head, r"\midrule"] if table.header else []),
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *(rf"\par\footnotesize {note}" for note in notes),
            r"\end{table}",
            "",
        ]
    )


# --------------------------------------------------------------------------------------
# Results that have tables
# --------------------------------------------------------------------------------------


class Tabular:
    """Conversions of a result to text, HTML, Markdown, LaTeX, CSV and a data frame.

    A subclass defines two methods: ``_tables()`` returns the tables to show, and
    ``_records()`` returns the same figures unrounded, as a list of dictionaries with the
    same keys, one for each row. It may override ``_document_tables()`` to add tables that
    are only needed in documents.
    """

    def __str__(self):
        return self.to_text()

    def _tables(self) -> list[Table]:
        raise NotImplementedError

    def _records(self) -> list[dict[str, Any]]:
        raise NotImplementedError

    def _document_tables(self) -> list[Table]:
        return self._tables()

    def to_text(self) -> str:
        """Return the tables as plain text."""
        return tables_to_text(self._tables())

    def _repr_html_(self) -> str:
        return tables_to_html(self._tables())

    def to_markdown(self) -> str:
        """Return the tables and settings in Markdown."""
        return tables_to_markdown(self._document_tables())

    def to_latex(self) -> str:
        """Return the tables and settings in LaTeX.

        Returns
        -------
        str
            One ``table`` environment for each table; requires the package booktabs.
        """
        return tables_to_latex(self._document_tables())

    def to_frame(self):
        """Return the unrounded figures and their intervals as a data frame.

        Returns
        -------
        pandas.DataFrame
            One row for each figure.

        Raises
        ------
        ImportError
            If pandas is not installed.
        """
        return data_frame(self._records(), "to_figures_csv, which does not require it")

    def to_figures_csv(self, path: str | os.PathLike) -> None:
        """Write the unrounded figures and their intervals to a CSV file.

        Parameters
        ----------
        path : path-like
            The file, which is replaced if it exists. It has the columns of `to_frame`.
            Cells of undefined figures are empty.
        """
        records = self._records()
        write_csv(path, records[0], (record.values() for record in records))


def data_frame(data, instead: str):
    """Return records or columns as a pandas data frame.

    Raises
    ------
    ImportError
        If pandas, which is optional, is not installed. The message suggests `instead`.
    """
    try:
        import pandas
    except ImportError:
        raise ImportError(
            "to_frame requires pandas, which is not installed: run 'pip install pandas', "
            f"or use {instead}."
        ) from None
    return pandas.DataFrame(data)


def write_csv(path: str | os.PathLike, header: Iterable, rows: Iterable[Iterable]) -> None:
    """Write a CSV file atomically; NaN becomes an empty cell."""
    with (
        atomic_write(path) as temporary,
        open(temporary, "w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(map(spreadsheet_cell, header))
        for row in rows:
            # Only NaN is unequal to itself.
            cells = ("" if value != value else value for value in row)
            writer.writerow(map(spreadsheet_cell, cells))
