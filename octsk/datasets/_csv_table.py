"""Columns of CSV files and data frames."""

import csv
from collections.abc import Mapping
from pathlib import Path

from octsk.utils.columns import MISSING_TEXT, is_missing
from octsk.utils.untrusted import first_few, printable


def read_csv(path: Path) -> dict[str, list]:
    """Return the columns of a CSV file by name."""
    # Surrogates stand for bytes that are not UTF-8, as in paths.
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        head = file.readline()
        file.seek(0)
        reader = csv.reader(file, delimiter=max(",;\t", key=head.count), strict=True)
        try:
            lines = [line for line in reader if line]
        except csv.Error as error:
            raise ValueError(
                f"{printable(path)} is not a CSV file: line {reader.line_num}: {error}"
            ) from error
    if not lines:
        raise ValueError(f"{printable(path)} is empty; its first line names the columns")
    names, *rows = lines
    if len(set(names)) < len(names):
        raise ValueError(f"{printable(path)} repeats a column's name: {names!r:.80}")
    for number, row in enumerate(rows):
        if len(row) != len(names):
            raise ValueError(
                f"{printable(path)}: row {number} has {len(row)} cells, but there are "
                f"{len(names)} columns"
            )
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def column_names(table) -> list:
    """Return the names of the columns of a data frame or mapping."""
    if not hasattr(table, "__getitem__") or not (
        isinstance(table, Mapping) or hasattr(table, "columns")
    ):
        raise TypeError(
            f"table must be the path of a CSV file, a data frame or a dict of columns; got "
            f"{type(table).__name__}"
        )
    return list(table.keys() if isinstance(table, Mapping) else table.columns)


def read_column(table, column: str, argument: str, where: str) -> list:
    """Return the cells of a column; refuse missing ones."""
    names = column_names(table)
    if column not in names:
        raise ValueError(
            f"{where} has no column {column!r} ({argument}={column!r}); its columns are "
            f"{', '.join(printable(name) for name in names)}"
        )
    cells = table[column]
    cells = list(cells.to_list() if hasattr(cells, "to_list") else cells)
    missing = [i for i, cell in enumerate(cells) if is_missing(cell, MISSING_TEXT)]
    if missing:
        raise ValueError(
            f"{where} has no value in column {column!r} at {len(missing):,} of "
            f"{len(cells):,} rows (counted from 0): {first_few(missing)}"
        )
    return cells
