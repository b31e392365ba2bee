"""Tables as Markdown."""

import re
from collections.abc import Sequence

from octsk.utils.tables import Table


def plain(text: str) -> str:
    """Escape the special characters of Markdown."""
    return re.sub(r"([\\`*_{}\[\]<>#|$~^])", r"\\\1", text)


def table_to_markdown(table: Table) -> str:
    """Write a table with its title above and its notes below."""
    parts = [f"**{plain(table.title)}**"]
    if table.header:
        parts.append(rows_to_markdown(table.header, table.rows))
    parts += [plain(note) for note in table.notes]
    return "\n\n".join(parts)


def rows_to_markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write rows; numeric columns are aligned to the right."""
    columns = list(zip(*rows, strict=True))
    rule = ["--:" if all(map(_is_figure, column)) else "---" for column in columns]
    lines = [map(plain, header), rule, *(map(_cell, row) for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    # Keep a value and its error on one line.
    return plain(text).replace(" ± ", "\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}")


def _is_figure(cell: str) -> bool:
    return re.match(r"[-+]?[\d.,]+(?![\w-])|-?$", cell) is not None
