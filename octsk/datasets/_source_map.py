"""The table that names the source file of each image of a MedMNIST data set."""

import csv
import os
import re
import warnings
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from octsk.datasets._csv_table import check_is_csv
from octsk.datasets._shared_groups import SPLITS, shared_groups
from octsk.utils.untrusted import printable

# Accepted names of the columns. MedMNIST's maintainers use the first name of each.
_COLUMNS = {
    "split": ("split", "subset", "partition"),
    "index": ("index", "idx", "image_index"),
    "file name": ("image_id", "filename", "file_name", "file", "image", "name", "source"),
}
_SPLIT_NAMES = {"training": "train", "validation": "val", "valid": "val", "testing": "test"}

# CLASS-patient-number, as in the data of Kermany et al., with or without a suffix.
_KERMANY = re.compile(r"(?:.*[/\\])?[^-/\\]+-(?P<patient>[^-/\\]+)-[^-/\\]+")


def add_sources(dataset: Bunch, path: str | os.PathLike) -> None:
    """Add the source files of the images, and the patients in their names, to a data set.

    Parameters
    ----------
    dataset : Bunch
        One split, or a Bunch of splits. ``filenames`` and ``groups`` are added to the
        splits. ``shared_groups`` is added to the splits and to the data set if patients
        have images in several splits of the table.
    path : path
        CSV file with one row for each image, and columns for the split, the index in the
        split and the file name.

    Warns
    -----
    UserWarning
        If a file name does not contain the patient. ``groups`` is then None.

    Raises
    ------
    ValueError
        If the file is not such a table, or does not name each image of a split exactly
        once.
    """
    path = Path(path).expanduser()
    names = _read_map(path)
    parts = [dataset] if "data" in dataset else [dataset[split] for split in SPLITS]
    parts = [part for part in parts if part is not None]
    for part in parts:
        found = names.get(part["split"], {})
        part["filenames"] = np.array(_in_order(found, part, path))
        part["groups"] = None
    patients = {
        split: [_KERMANY.fullmatch(found[i]) for i in sorted(found)]
        for split, found in names.items()
    }
    unknown = [
        name for part in parts for name in part["filenames"] if not _KERMANY.fullmatch(name)
    ]
    if unknown:
        warnings.warn(
            f"{len(unknown):,} names in {printable(path)} do not have the form "
            f"CLASS-patient-number, such as {printable(unknown[0])}: the patients are "
            "unknown, and groups is None",
            stacklevel=3,
        )
        return
    groups = {
        split: {"groups": np.array([match["patient"] for match in found if match])}
        for split, found in patients.items()
    }
    shared = shared_groups(groups)
    for part in parts:
        part["groups"] = groups[part["split"]]["groups"]
    for one in [dataset, *parts] if shared else []:
        one["shared_groups"] = shared


def _read_map(path: Path) -> dict[str, dict[int, str]]:
    """Return the file names of each split by image index."""
    check_is_csv(path, "a table of source files")
    names: dict[str, dict[int, str]] = {}
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        head = file.readline()
        file.seek(0)
        reader = csv.reader(file, delimiter=max(",;\t", key=head.count), strict=True)
        columns = _find_columns(next(reader, []), path)
        try:
            for row in filter(None, reader):
                split, index, name = _read_row(row, columns)
                if index in names.setdefault(split, {}):
                    raise ValueError(f"there are two rows for image {index} of {split}")
                names[split][index] = name
        except (csv.Error, ValueError) as error:
            raise ValueError(
                f"{printable(path)} is not a table of source files: line "
                f"{reader.line_num}: {printable(error)}"
            ) from error
    return names


def _find_columns(header: list[str], path: Path) -> list[int]:
    found = [title.strip().lower() for title in header]
    places = [
        next((found.index(name) for name in accepted if name in found), None)
        for accepted in _COLUMNS.values()
    ]
    if None in places:
        wanted = "; ".join(
            f"{what}: {' or '.join(accepted)}" for what, accepted in _COLUMNS.items()
        )
        raise ValueError(
            f"{printable(path)} is not a table of source files, which has columns for "
            f"split, index and file name ({wanted}); its columns are "
            f"{printable(', '.join(header))[:200] or 'missing'}"
        )
    return [place for place in places if place is not None]


def _read_row(row: list[str], columns: list[int]) -> tuple[str, int, str]:
    if len(row) <= max(columns):
        raise ValueError(f"it has only {len(row)} cells")
    split, index, name = (row[place].strip() for place in columns)
    split = _SPLIT_NAMES.get(split.lower(), split.lower())
    if split not in SPLITS:
        raise ValueError(f"the split must be train, val or test, got {split[:40]!r}")
    if not re.fullmatch(r"\d{1,9}", index):
        raise ValueError(f"the index must be a whole number from 0, got {index[:40]!r}")
    if not name:
        raise ValueError("the file name is empty")
    return split, int(index), name


def _in_order(names: dict[int, str], part: Bunch, path: Path) -> list[str]:
    n, split = len(part["target"]), part["split"]
    missing = [i for i in range(n) if i not in names]
    if missing or len(names) != n:
        first = f", such as image {missing[0]}" if missing else ""
        raise ValueError(
            f"{printable(path)} has {len(names):,} file names for {split}, but the data "
            f"set has {n:,} images, of which {len(missing):,} have none{first}; is it the "
            f"table of {printable(part.get('name'))}?"
        )
    return [names[i] for i in range(n)]
