"""Loading of labelled image files that a table lists."""

import os
import re
from collections.abc import Callable
from numbers import Integral
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from octsk.datasets._csv_table import column_names, read_column, read_csv
from octsk.datasets._image_files import Reading
from octsk.datasets._image_folders import images_below
from octsk.datasets._labelled_rows import Cache, Row, class_name, in_order, load_rows
from octsk.datasets._patients import (
    OCTDL_COLUMNS,
    PRESETS,
    PatientFinder,
    check_groups_found,
)
from octsk.datasets._shared_groups import SPLITS, warn_of_shared_groups
from octsk.utils.untrusted import first_few, printable


def load_image_table(
    table,
    *,
    image: str = "file",
    label: str = "label",
    group: str | re.Pattern | Callable | None = None,
    split: str | None = None,
    root: str | os.PathLike | None = None,
    size: int = 28,
    color: bool = False,
    fit: Literal["crop", "pad", "squash"] = "crop",
    bit_depth: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    n_jobs: int | None = None,
    verbose: int = 0,
    cache: bool | None = None,
    data_home: str | os.PathLike | None = None,
):
    r"""Load labelled images that a CSV file or a data frame lists.

    Each row of the table names an image file and its class, and may give its group
    (patient) and its split. The images are read and made square as by
    :func:`~octsk.load_image_files`.

    Parameters
    ----------
    table : path, data frame or mapping
        A CSV file in UTF-8, a data frame (for example of pandas or polars) or a dict of
        lists. The first line of a CSV file names the columns, which are separated by
        commas, semicolons or tabs.
    image : str, default="file"
        Name of the column with the paths. The folders below `root` and the suffix may be
        omitted if only one image has that name. A data frame or dict may contain images in
        memory instead of paths, as in :func:`~octsk.load_image_files`.
    label : str, default="label"
        Name of the column with the classes, which are strings or integers.
    group : str, regular expression or callable, default=None
        Name of the column with the groups (patients), or a way to find the group in the
        path, like `groups` in :func:`~octsk.load_image_folder`. ``"octdl"`` selects the
        image, label and group columns of the table that belongs to the data set OCTDL. If
        None, the data set has no groups.
    split : str, default=None
        Name of the column with the splits ``"train"``, ``"val"`` and ``"test"``. If None,
        the data set is not split.
    root : path, default=None
        The folder that contains the relative paths. If None, it is the folder of the CSV
        file or, for other tables, the current working directory.
    size : int, default=28
        Height and width of the loaded images, in pixels.
    color : bool, default=False
        Whether to load RGB images instead of grey ones.
    fit : {"crop", "pad", "squash"}, default="crop"
        How images become square, as in :func:`~octsk.load_image_files`.
    bit_depth : int, default=None
        Number of bits that grey 16-bit images use, as in :func:`~octsk.load_image_files`.
    on_error : {"raise", "skip"}, default="raise"
        What to do if images cannot be read: raise one error that names them, or leave them
        out with a warning.
    n_jobs : int, default=None
        Number of threads that decode files, as in joblib. If None, one for each core.
    verbose : int, default=0
        Whether to show a progress bar on stderr.
    cache : bool, default=None
        Whether to cache the decoded images on disk, so that the next call with the same
        files (names, sizes and modification times) and options is immediate. If None, the
        images are cached if there are more than 2,000 files. Cached images that take more
        than 1 GiB are memory-mapped. The entry ``cache`` is the folder that contains them,
        and :func:`~octsk.datasets.clear_image_cache` removes them.
    data_home : path, default=None
        Folder of the cache, as in :func:`~octsk.datasets.get_data_home`.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        A data set like that of :func:`~octsk.load_image_folder`. If `split` is None, it
        contains the images in the order of the rows, otherwise the splits ``train``,
        ``val`` and ``test``. ``name`` is that of the CSV file, or ``"table"``.
        ``target_names`` are the sorted classes as strings; integers are sorted by value.

    Warns
    -----
    UserWarning
        If a class has no images in a split, if splits share groups, or if images are left
        out.

    Raises
    ------
    FileNotFoundError
        If the CSV file or images do not exist.
    TypeError
        If `table` is neither a path nor a data frame nor a dict.
    ValueError
        If there are no rows or fewer than two classes, if a column is missing, if a cell is
        empty or marks a missing value, if a split has another name, or if images cannot be
        read. Error messages count rows from 0, and do not count the header.

    See Also
    --------
    load_image_folder : Load labelled images from one folder for each class.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from octsk.datasets import load_image_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a.png", "b.png"):
    ...         Image.new("L", (768, 496), color=40).save(Path(folder, name))
    ...     path = Path(folder, "scans.csv")
    ...     _ = path.write_text("file,label,patient\na.png,DME,17\nb.png,NORMAL,8\n")
    ...     scans = load_image_table(path, group="patient")
    >>> scans.data.shape, scans.target, scans.target_names, scans.groups.tolist()
    ((2, 28, 28), array([0, 1]), ['DME', 'NORMAL'], ['17', '8'])
    """
    reading = Reading(size, 3 if color else 1, fit, bit_depth, on_error, n_jobs, verbose)
    reading.check()
    name, file, start = "table", None, Path(root or ".").expanduser()
    where = "the table"
    if isinstance(table, str | os.PathLike):
        path = Path(table).expanduser()
        name, file, where = printable(path.stem), str(path), printable(path)
        start = path.parent if root is None else start
        table = read_csv(path)
    if isinstance(group, str) and group == "octdl":
        image, label, group = OCTDL_COLUMNS.values()
    cells = read_column(table, image, "image", where)
    if not cells:
        raise ValueError(f"{where} has no rows")
    labels, names = _read_classes(read_column(table, label, "label", where), where, label)
    groups = find_groups(table, group, cells, start, where)
    splits: list = [None] * len(cells)
    if split is not None:
        splits = read_column(table, split, "split", where)
        _check_split_names(splits, where, split)
    images = locate(cells, start, file is not None or root is not None)
    rows = [Row(*one) for one in zip(images, labels, groups, splits, strict=True)]
    about = {"name": name, "filename": file}
    dataset = load_rows(rows, names, about, reading, Cache(cache, data_home))
    warn_of_shared_groups(dataset)
    return dataset


def find_groups(table, group, cells: list, start: Path, where: str) -> list:
    """Return the group of each row, from a column or from the path of the image."""
    if group is None:
        return [None] * len(cells)
    is_text = isinstance(group, str)
    if is_text and (
        group in column_names(table) or not (group in PRESETS or "(?P<" in group)
    ):
        return read_column(table, group, "group", where)
    paths = [PurePosixPath(str(cell)).as_posix() for cell in cells]
    find_group = PatientFinder(group, start)
    groups = [find_group(path) for path in paths]
    check_groups_found(groups, paths)
    find_group.warn_of_unknown()
    return groups


def locate(cells: list, start: Path, search: bool) -> list:
    """Return the images, with paths that begin with `start`.

    If `search` is true, paths that do not exist are searched for by name below `start`.
    """
    images: list[Any] = [
        start / Path(cell).expanduser() if isinstance(cell, str | os.PathLike) else cell
        for cell in cells
    ]
    missing = [
        i for i, one in enumerate(images) if isinstance(one, Path) and not one.exists()
    ]
    for i in missing:  # tables written on Windows
        images[i] = Path(str(images[i]).replace("\\", "/"))
    missing = [i for i in missing if not images[i].exists()]
    if not (missing and search and start.is_dir()):
        return images
    by_name: dict[str, list[Path]] = {}
    for file in images_below(start):
        for name in (file.name, file.stem):
            by_name.setdefault(name, []).append(file)
    for i in missing:
        found = by_name.get(images[i].name, [])
        if len(found) > 1:
            raise ValueError(
                f"{len(found)} images below {printable(start)} have the name "
                f"{printable(cells[i])} ({first_few(found)}); give the path of one of them"
            )
        images[i] = found[0] if found else images[i]
    return images


def _read_classes(cells: list, where: str, column: str) -> tuple[list[str], list[str]]:
    """Return the class of each row as a string, and the class names by label."""
    odd = [cell for cell in cells if not isinstance(cell, str | Integral | np.bool)]
    if odd:
        raise ValueError(
            f"{where} has {first_few([repr(cell) for cell in odd])} in column {column!r}; "
            "a class is text or a whole number"
        )
    if len({isinstance(cell, str) for cell in cells}) > 1:
        raise ValueError(
            f"{where} has both numbers and text in column {column!r}; use one of them"
        )
    labels = [class_name(str(cell)) for cell in cells]
    names = in_order(set(labels))
    if len(names) < 2:
        raise ValueError(
            f"{where} has only one class, {printable(names[0])}, in column {column!r}; "
            "there must be at least two"
        )
    return labels, names


def _check_split_names(cells: list, where: str, column: str) -> None:
    odd = sorted({str(cell) for cell in cells if cell not in SPLITS})
    if odd:
        raise ValueError(
            f"{where} has {first_few(odd)} in column {column!r}; a split is 'train', "
            "'val' or 'test'"
        )
