"""Patients of image files, found in their paths or in the table of a known data set."""

import re
from collections.abc import Callable
from numbers import Number
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from octsk.datasets._csv_table import read_column, read_csv
from octsk.utils.columns import MISSING_TEXT, is_missing
from octsk.utils.untrusted import first_few, printable
from octsk.utils.user_warnings import warn_user

PRESETS = ("kermany", "octdl", "header")

# Stands for the patient that the file of a device names, until the file is read.
IN_HEADER = object()

# CLASS-patient-number, as in CNV-1016042-1; some copies of the data set have names such as
# CNV-47f6d0, which lack the patient or the number.
_KERMANY = re.compile(r"(?P<label>[^-]+)-(?P<patient>[^-]+)(?P<number>-[^-]+)?")

# The table of OCTDL (Kulyabin et al., Scientific Data 11:365, 2024).
OCTDL_TABLE = "OCTDL_labels.csv"
OCTDL_COLUMNS = {"image": "file_name", "label": "disease", "group": "patient_id"}


class PatientFinder:
    """Function that returns the patient of an image from its path.

    Parameters
    ----------
    groups : str, re.Pattern, callable or None
        As in :func:`~octsk.load_image_folder`.
    root : Path
        The folder to which the paths are relative.
    """

    def __init__(self, groups: str | re.Pattern | Callable | None, root: Path):
        self.by_name = isinstance(groups, str) and groups == "kermany"
        self._n_asked = 0
        self._alone: list[str] = []
        self._find = self._finder(groups, root)

    def __call__(self, path: str) -> Any:
        self._n_asked += 1
        return self._find(path)

    def warn_of_unknown(self) -> None:
        """Warn about images that count as separate patients."""
        if self._alone:
            warn_user(
                f"{len(self._alone):,} of {self._n_asked:,} file names do not have the "
                "form CLASS-patient-number and do not contain the patient "
                f"({first_few(self._alone)}): each of these images counts as a separate "
                "patient, so that images of one patient may be in several splits"
            )

    def _finder(self, groups, root) -> Callable[[str], Any]:
        if groups is None:
            return lambda path: None
        if self.by_name:
            return self._kermany_patient
        if isinstance(groups, str) and groups == "octdl":
            return _octdl_finder(root)
        if isinstance(groups, str) and groups == "header":
            return lambda path: IN_HEADER
        if callable(groups):
            return lambda path: _checked(groups(PurePosixPath(path)), path)
        return _pattern_finder(groups)

    def _kermany_patient(self, path: str) -> str | None:
        stem = PurePosixPath(path).stem
        found = _KERMANY.fullmatch(stem)
        if found is None:
            return None
        if found["number"]:
            return found["patient"]
        self._alone.append(stem)
        return stem


def _checked(patient, path: str):
    is_plain = isinstance(patient, str | Number | np.number)
    if not (is_plain or is_missing(patient, MISSING_TEXT)):
        raise TypeError(
            "groups must return text or a number for each path; for "
            f"{printable(path)}, it returned {patient!r:.60}"
        )
    return patient


def kermany_label(path: Path) -> str:
    """Return the class with which a file name of OCT2017 begins."""
    found = _KERMANY.fullmatch(path.stem)
    if found is None:
        raise ValueError(
            f"{printable(path)} is outside the class folders, and its name does not begin "
            "with its class, as in CNV-1016042-1.jpeg"
        )
    return found["label"]


def check_groups_found(groups: list, paths: list) -> None:
    """Raise an error if the patient of an image is not found in its path."""
    lacking = [
        path
        for group, path in zip(groups, paths, strict=True)
        if is_missing(group, MISSING_TEXT)
    ]
    if lacking:
        raise ValueError(
            f"groups finds no patient for {len(lacking):,} of {len(paths):,} images: "
            f"{first_few(lacking)}"
        )


def _pattern_finder(groups) -> Callable[[str], Any]:
    if not isinstance(groups, str | re.Pattern):
        raise TypeError(
            f"groups must be None, {', '.join(map(repr, PRESETS))}, a regular expression "
            f"or a callable; got {groups!r:.60}"
        )
    try:
        pattern = re.compile(groups)
    except re.error as error:
        raise ValueError(
            f"groups is not a valid regular expression: {error}; got {groups!r}"
        ) from error
    if "patient" not in pattern.groupindex:
        raise ValueError(
            "groups must be a regular expression with a group named patient, such as "
            rf"'(?P<patient>\d+)-\d+\.png$', or one of {', '.join(PRESETS)}; got "
            f"{pattern.pattern!r}"
        )

    def find(path: str):
        found = pattern.search(path)
        return found and found["patient"]

    return find


def _octdl_finder(root: Path) -> Callable[[str], Any]:
    tables = [folder / OCTDL_TABLE for folder in (root, root.absolute().parent)]
    table = next((path for path in tables if path.is_file()), None)
    if table is None:
        raise FileNotFoundError(
            f"groups='octdl' needs the table {OCTDL_TABLE} of OCTDL in {printable(root)} "
            "or in its parent folder"
        )
    columns, where = read_csv(table), printable(table)
    files, patients = (
        read_column(columns, OCTDL_COLUMNS[key], key, where) for key in ("image", "group")
    )
    known = {
        PurePosixPath(file).stem: patient
        for file, patient in zip(files, patients, strict=True)
    }
    return lambda path: known.get(PurePosixPath(path).stem)
