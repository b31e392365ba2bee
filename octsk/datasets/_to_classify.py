"""Loading of images to classify, with their patients and true classes if known."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from octsk.datasets import _npz
from octsk.datasets._csv_table import read_column, read_csv
from octsk.datasets._image_files import Reading, _sources, combined_error, error_words
from octsk.datasets._image_folders import images_below
from octsk.datasets._image_tables import find_groups, locate
from octsk.datasets._labelled_rows import class_name
from octsk.datasets._npz_images import load_npz_images
from octsk.datasets._npz_layout import read_class_names, read_filenames, read_groups
from octsk.datasets._patients import PatientFinder, check_groups_found
from octsk.datasets._volume_frames import patient_of, with_frames
from octsk.utils.file_kinds import CSV, recognise
from octsk.utils.user_warnings import warn_user


class ToClassify(NamedTuple):
    """Images to classify.

    Attributes
    ----------
    names : sequence
        The path of each image, its B-scan in a volume, or its index.
    images : ndarray of shape (n, h, w) or (n, h, w, c)
        The images.
    errors : list of dict
        ``image`` and ``error`` of each file that cannot be read.
    groups : list or None
        Patient of each image, if known.
    true : list of str or None
        Name of the true class of each image, if known.
    class_names : list of str or None
        Names of all classes of the data, if known.
    """

    names: Sequence
    images: np.ndarray
    errors: list[dict[str, str]]
    groups: list | None = None
    true: list[str] | None = None
    class_names: list[str] | None = None


def read_to_classify(
    inputs: Sequence[Path], *, split: str = "test", groups=None, **reading
) -> ToClassify:
    """Read the images of an npz file, a CSV file, a folder, or several files.

    Parameters
    ----------
    inputs : sequence of Path
        The files, or one folder. If a folder contains no images itself, the images in its
        subfolders are read.
    split : str, default="test"
        Split of an npz file in MedMNIST's layout.
    groups : str, default=None
        How to find the patient of an image file, as in `load_image_folder`, or the name of
        a column of the CSV file.
    **reading : object
        ``size``, ``channels``, ``fit`` and ``bit_depth`` of `load_image_files`. Files that
        cannot be read are left out.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, ValueError
        If there are no images, none of them can be read, or a file is invalid.
    """
    path = inputs[0]
    if len(inputs) == 1 and path.suffix == ".npz":
        if groups is not None:
            raise ValueError(
                "--groups is for image files and CSV files; the patients of an npz file "
                f"are in its array {split}_groups"
            )
        return _from_npz(path, split)
    if len(inputs) == 1 and path.is_file() and recognise(path) == CSV:
        return _from_table(path, Reading(**reading), groups)
    root = path if path.is_dir() and len(inputs) == 1 else Path()
    if root is path and (below := _images_of_subfolders(root)):
        sources = below
    else:
        sources = _sources(path if len(inputs) == 1 else inputs)
    find = PatientFinder(groups, root)
    patients = [find(_below(source, root)) for source in sources]
    if groups is not None:
        check_groups_found(patients, [_below(source, root) for source in sources])
    find.warn_of_unknown()
    return _decoded(sources, Reading(**reading), None if groups is None else patients)


def _images_of_subfolders(folder: Path) -> list[Path]:
    """Return the images in the subfolders of a folder, unless it contains images itself."""
    files = images_below(folder)
    return [] if any(file.parent == folder for file in files) else files


def _below(path: Path, root: Path) -> str:
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _decoded(sources, reading: Reading, groups, true=None) -> ToClassify:
    frames = with_frames(sources, reading.bit_depth)
    origin = [i for i, found in enumerate(frames) for _ in found]
    decoded = reading.decode([*chain.from_iterable(frames)])
    if decoded.remark:
        warn_user(decoded.remark)
    if not decoded.kept:
        raise combined_error(decoded.errors, len(decoded.errors))
    kept = [origin[i] for i in decoded.kept]
    if groups is None:
        patients = [patient_of(source) for source in decoded.sources]
        groups = None if None in patients else patients
    else:
        groups = [
            patient_of(source, groups[i])
            for source, i in zip(decoded.sources, kept, strict=True)
        ]
        check_groups_found(groups, [str(source) for source in decoded.sources])
    errors = [
        {"image": str(file), "error": error_words(error)} for file, error in decoded.errors
    ]
    true = true and [true[i] for i in kept]
    classes = sorted(set(true)) if true else None
    return ToClassify(decoded.sources, decoded.images, errors, groups, true, classes)


def _from_table(path: Path, reading: Reading, group) -> ToClassify:
    table, where = read_csv(path), str(path)
    cells = read_column(table, "file", "file", where)
    if not cells:
        raise ValueError(f"{where} has no rows")
    if group is None:
        group = patient_column(table)
    groups = None if group is None else find_groups(table, group, cells, path.parent, where)
    true = None
    if "label" in table:
        true = [*map(class_name, read_column(table, "label", "label", where))]
    return _decoded(locate(cells, path.parent, True), reading, groups, true)


def patient_column(names) -> str | None:
    """Return the column that contains the patient by default, or None."""
    return next((one for one in ("patient", "patient_id", "group") if one in names), None)


def _from_npz(path: Path, split: str) -> ToClassify:
    images = load_npz_images(path, split=split)
    names: Any = range(len(images))
    keys = {kind: f"{split}_{kind}" for kind in ("groups", "filenames", "labels")}
    members = _npz.read_headers(path, {*keys.values()})
    found = {kind: members.get(key) for kind, key in keys.items()}
    for kind, member in found.items():
        n = None if member is None else member.shape
        if n not in (None, (len(images),)) and (kind, n) != ("labels", (len(images), 1)):
            raise ValueError(
                f"{path}: {keys[kind]} must have one entry for each of the {len(images)} "
                f"images; it has shape {n}"
            )
    groups = read_groups(path, found["groups"])
    files = read_filenames(path, found["filenames"])
    if files is not None:
        names = [PurePosixPath(name) for name in files.tolist()]
    true = classes = None
    if found["labels"] is not None and found["labels"].dtype.kind in "iu":
        labels = _npz.read_array(path, found["labels"]).astype(np.int64).ravel()
        classes = read_class_names(path, {split: labels})
        true = classes and [classes[label] for label in labels]
    return ToClassify(
        names, images, [], None if groups is None else groups.tolist(), true, classes
    )
