"""Columns of CSV files and data frames."""

import codecs
import csv
import re
from collections.abc import Mapping
from pathlib import Path

from octsk.utils.columns import MISSING_TEXT, is_missing
from octsk.utils.file_kinds import CSV, EMPTY, TEXT, check_is_file, recognise
from octsk.utils.untrusted import first_few, printable

# Stand for the bytes of a file that is not in UTF-8.
_SURROGATE = re.compile(r"[\ud800-\udfff]")

_SAVE_AS_UTF8 = "save it in UTF-8 (CSV UTF-8 in Excel)"


def check_is_csv(path: Path, wanted: str = "a CSV file") -> None:
    """Check from the content of a file that it may be a CSV file.

    Raises
    ------
    OSError
        If the file does not exist or is a folder.
    ValueError
        If the file is of another type, which the message names, or is encoded in UTF-16.
    """
    check_is_file(path, wanted)
    kind = recognise(path)
    if kind not in (None, EMPTY, CSV, TEXT):
        raise ValueError(f"{printable(path)} is not {wanted}: {kind}")
    with open(path, "rb") as file:
        if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise ValueError(f"{printable(path)} is encoded in UTF-16; {_SAVE_AS_UTF8}")


def read_csv(path: Path) -> dict[str, list]:
    """Return the columns of a CSV file by name, and remove blanks around the cells.

    Rows without any text are left out, and so are columns without a name, which
    spreadsheets may write behind the others.

    Raises
    ------
    OSError
        If the file does not exist or is a folder.
    ValueError
        If the file is not a CSV file, is empty, repeats the name of a column, or has a row
        of another length than the header.
    """
    check_is_csv(path)
    # The names of image files may be in any encoding: bytes that are not UTF-8 become
    # surrogates, as in paths.
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        head = file.readline()
        file.seek(0)
        reader = csv.reader(file, delimiter=max(",;\t", key=head.count), strict=True)
        try:
            lines = [[cell.strip() for cell in line] for line in reader]
        except csv.Error as error:
            raise ValueError(
                f"{printable(path)} is not a CSV file: line {reader.line_num}: {error}"
            ) from error
    lines = [line for line in lines if any(line)]
    if not lines:
        raise ValueError(f"{printable(path)} is empty; its first line names the columns")
    if any("\0" in cell for line in lines for cell in line):
        raise ValueError(f"{printable(path)} contains zero bytes, no text; {_SAVE_AS_UTF8}")
    names, *rows = lines
    named = [name for name in names if name]
    if len(set(named)) < len(named):
        raise ValueError(f"{printable(path)} repeats a column's name: {names!r:.80}")
    for number, row in enumerate(rows):
        if len(row) != len(names):
            raise ValueError(
                f"{printable(path)}: row {number} has {len(row)} cells, but there are "
                f"{len(names)} columns"
            )
    return {name: [row[i] for row in rows] for i, name in enumerate(names) if name}


def column_names(table) -> list:
    """Return the names of the columns of a data frame or mapping."""
    if isinstance(table, Mapping):
        return list(table.keys())
    is_lazy = hasattr(table, "collect")  # such as a LazyFrame of polars
    if is_lazy or not hasattr(table, "columns"):
        raise TypeError(
            "table must be the path of a CSV file, a data frame or a dict of columns; got "
            f"{type(table).__name__}{': pass table.collect()' if is_lazy else ''}"
        )
    # The columns of pyarrow's tables are arrays.
    return list(getattr(table, "column_names", table.columns))


def read_column(table, column: str, argument: str, where: str) -> list:
    """Return the cells of a column without blanks around text.

    Raises
    ------
    ValueError
        If the table has no such column, or if any of its cells is missing.
    """
    names = column_names(table)
    if column not in names:
        is_undecoded = any(map(_is_undecoded, names))
        raise ValueError(
            f"{where} has no column {column!r} ({argument}={column!r}); its columns are "
            f"{', '.join(printable(name) for name in names)}"
            + (f". It is not in UTF-8; {_SAVE_AS_UTF8}" if is_undecoded else "")
        )
    if names.count(column) > 1:
        raise ValueError(f"{where} has {names.count(column)} columns named {column!r}")
    cells, n = _cells(table[column]), len(_cells(table[names[0]]))
    if len(cells) != n:
        raise ValueError(
            f"{where} has columns of unequal lengths: {len(cells):,} cells in {column!r}, "
            f"and {n:,} in {names[0]!r}"
        )
    missing = [i for i, cell in enumerate(cells) if is_missing(cell, MISSING_TEXT)]
    if missing:
        raise ValueError(
            f"{where} has no value in column {column!r} at {len(missing):,} of "
            f"{len(cells):,} rows (counted from 0): {first_few(missing)}"
        )
    # Only paths may consist of any bytes.
    odd = [] if argument in ("image", "file") else [*filter(_is_undecoded, cells)]
    if odd:
        raise ValueError(
            f"{where} is not in UTF-8: column {column!r} contains "
            f"{first_few([*dict.fromkeys(odd)])}; "
            f"{_SAVE_AS_UTF8}"
        )
    return [cell.strip() if isinstance(cell, str) else cell for cell in cells]


def _is_undecoded(cell) -> bool:
    return isinstance(cell, str) and _SURROGATE.search(cell) is not None


def _cells(column) -> list:
    for method in ("to_list", "to_pylist"):  # the latter in pyarrow
        if hasattr(column, method):
            return getattr(column, method)()
    return list(column)
