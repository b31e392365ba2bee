"""Image files with labels, told by their folders or by a table, as data sets."""

import csv
import os
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal, NamedTuple

import numpy as np

from octsk.datasets._bunch import DataBunch
from octsk.datasets._image_files import load_image_files
from octsk.datasets._splits import SPLITS, warn_of_shared_groups
from octsk.utils.columns import MISSING_TEXT, check_groups, is_missing
from octsk.utils.file_kinds import IMAGE_SUFFIXES
from octsk.utils.untrusted import printable

# Where file names tell the patient.
_PRESETS: dict[str, str | re.Pattern] = {
    "kermany": r"(?:^|/)[^/-]+-(?P<patient>[^/-]+)-[^/-]+$"
}

# Files, rows or folders that a message names.
_N_NAMED = 5


class _Row(NamedTuple):
    """An image file with what is known of it."""

    file: Path
    label: str
    group: Any = None
    split: str | None = None


def load_image_folder(
    root: str | os.PathLike,
    *,
    size: int = 28,
    groups: str | re.Pattern | Callable | None = None,
    color: bool = False,
    bit_depth: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
):
    r"""Load labelled images from one folder for each class.

    The folders of the classes lie in `root`, or in its folders ``train``, ``val`` and
    ``test``, of which some may be missing. The images of a class may lie in subfolders,
    such as one for each patient. PNG, JPEG, TIFF and BMP files are read and made square as
    by :func:`~octsk.load_image_files`; hidden files and folders, and files of other kinds,
    are ignored.

    Parameters
    ----------
    root : path
        The folder.
    size : int, default=28
        Height and width of the loaded images, in pixels.
    groups : {"kermany"}, regular expression or callable, default=None
        How to find the group (patient) of an image from its path relative to `root`, such
        as ``train/CNV/CNV-81630-2.jpeg``:

        - a regular expression, text or compiled, that is searched for in the path and has a
          group named ``patient``, such as ``r"(?P<patient>\d+)-\d+\.jpeg$"``;
        - a callable that gets the path as a :class:`pathlib.PurePosixPath` and returns the
          patient, a number or text;
        - ``"kermany"`` for file names such as ``CNV-81630-2.jpeg`` (class, patient,
          number), as in the data set OCT2017.

        If None, the data set has no groups.
    color : bool, default=False
        Whether to load RGB images instead of grey ones.
    bit_depth : int, default=None
        Number of bits that grey 16-bit images use, as in :func:`~octsk.load_image_files`.
    on_error : {"raise", "skip"}, default="raise"
        What to do if images cannot be read: raise one error that names them, or leave them
        out with a warning.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        Without folders for the splits:

        - data : ndarray of shape (n, size, size) or (n, size, size, 3), dtype uint8
        - target : ndarray of shape (n,), dtype int64
        - target_names : list of str, the names of the classes in sorted order, by label
        - groups : ndarray of shape (n,), or None
        - filenames : ndarray of str of shape (n,), the path of each image
        - name : str, the name of the folder
        - size : int
        - split : None
        - filename : str, the path of the folder
        - sha256 : None
        - official : bool, always False
        - synthetic : bool, always False
        - DESCR : str

        With folders for the splits: ``train``, ``val`` and ``test``, each such a Bunch or
        None where there is no folder, and the entries that they share.

    Warns
    -----
    UserWarning
        If a class has no images in a split, if splits share groups, or if images are left
        out.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    NotADirectoryError
        If `root` is a file.
    ValueError
        If there are no images or fewer than two class folders, if images lie outside the
        class folders, if another split has a class that the first one lacks, if a group
        cannot be found, or if images cannot be read.

    See Also
    --------
    load_image_table : Load labelled images that a table lists.
    load_image_files : Load images without labels.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from octsk.datasets import load_image_folder
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("DME-17-1.jpeg", "DME-17-2.jpeg", "NORMAL-8-1.jpeg"):
    ...         file = Path(folder, name.split("-")[0], name)
    ...         file.parent.mkdir(exist_ok=True)
    ...         Image.new("L", (768, 496), color=40).save(file)
    ...     scans = load_image_folder(folder, groups="kermany")
    >>> scans.data.shape, scans.target, scans.target_names
    ((3, 28, 28), array([0, 0, 1]), ['DME', 'NORMAL'])
    >>> scans.groups
    array(['17', '17', '8'], dtype='<U2')
    """
    find_group = _group_finder(groups)
    root = Path(root).expanduser()
    folders = _subfolders(root)
    splits = [split for split in SPLITS if split in folders]
    if splits and (odd := sorted(folders.keys() - set(splits))):
        raise ValueError(
            f"{printable(root)} has folders for splits ({', '.join(splits)}) beside others "
            f"({_first(odd)}); it must hold either splits or classes"
        )
    classes: dict[str | None, dict[str, Path]] = {
        split: _subfolders(folders[split]) for split in splits
    } or {None: folders}
    names = _same_classes(root, classes)
    rows = [
        _Row(file, label, find_group(file.relative_to(root).as_posix()), split)
        for split, parts in classes.items()
        for label in sorted(parts)
        for file in _images_of_class(parts[label])
    ]
    for split in classes:
        if not any(row.split == split for row in rows):
            where = root if split is None else folders[split]
            raise ValueError(
                f"no image file in the folders of {printable(where)} "
                f"({_first(sorted(classes[split])) or 'there are none'}): looked for "
                f"{', '.join(IMAGE_SUFFIXES)}"
            )
    if len(names) < 2:
        raise ValueError(
            f"{printable(root)} has one class folder only, {printable(names[0])}; there "
            "must be one folder for each of at least two classes"
        )
    if groups is not None:
        _check_groups_found(rows, root)
    about = {"name": printable(root.resolve().name), "filename": str(root)}
    channels: Literal[1, 3] = 3 if color else 1
    dataset = _load_rows(rows, names, about, size, channels, bit_depth, on_error)
    warn_of_shared_groups(dataset)
    return dataset


def load_image_table(
    table,
    *,
    image: str = "file",
    label: str = "label",
    group: str | None = None,
    split: str | None = None,
    root: str | os.PathLike | None = None,
    size: int = 28,
    color: bool = False,
    bit_depth: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
):
    r"""Load labelled images that a CSV file or a data frame lists.

    Each row of the table names an image file and its class, and may give its group
    (patient) and its split. The images are read and made square as by
    :func:`~octsk.load_image_files`.

    Parameters
    ----------
    table : path, data frame or mapping
        A CSV file in UTF-8 whose first line names the columns, which are separated by
        commas, semicolons or tabs; or the columns by name, such as a frame of pandas or
        polars, or a dict of lists.
    image : str, default="file"
        Name of the column of paths.
    label : str, default="label"
        Name of the column of classes, text or whole numbers.
    group : str, default=None
        Name of the column of groups (patients). If None, the data set has no groups.
    split : str, default=None
        Name of the column of splits, which holds ``"train"``, ``"val"`` and ``"test"``. If
        None, the data set is one split.
    root : path, default=None
        The folder that relative paths start from. If None, it is the folder of the CSV
        file, or the current one.
    size : int, default=28
        Height and width of the loaded images, in pixels.
    color : bool, default=False
        Whether to load RGB images instead of grey ones.
    bit_depth : int, default=None
        Number of bits that grey 16-bit images use, as in :func:`~octsk.load_image_files`.
    on_error : {"raise", "skip"}, default="raise"
        What to do if images cannot be read: raise one error that names them, or leave them
        out with a warning.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As from :func:`~octsk.load_image_folder`: the rows in their order if `split` is
        None, else ``train``, ``val`` and ``test``. The name is that of the CSV file, or
        ``"table"``; ``target_names`` are the classes as text, in the order of the numbers
        if all are whole numbers.

    Warns
    -----
    UserWarning
        If a class has no images in a split, if splits share groups, or if images are left
        out.

    Raises
    ------
    FileNotFoundError
        If the CSV file or images do not exist.
    ValueError
        If there are no rows or fewer than two classes, if a column is missing, if a cell is
        empty or stands for no value, if a split has another name, or if images cannot be
        read. Rows are counted from 0, the first one below the names of the columns.

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
    wanted = {"image": image, "label": label, "group": group, "split": split}
    name, file, start = "table", None, Path(root or ".").expanduser()
    if isinstance(table, str | os.PathLike):
        path = Path(table).expanduser()
        name, file = printable(path.stem), str(path)
        start = path.parent if root is None else start
        table, where = _read_csv(path), printable(path)
    else:
        where = "the table"
    columns = {
        key: _read_column(table, column, key, where)
        for key, column in wanted.items()
        if column is not None
    }
    n = len(columns["image"])
    if n == 0:
        raise ValueError(f"{where} has no rows")
    labels, names = _read_classes(columns["label"], where, label)
    if split is not None:
        _check_split_names(columns["split"], where, split)
    none = [None] * n
    rows = [
        _Row(start / one, *rest)
        for one, *rest in zip(
            columns["image"],
            labels,
            columns.get("group", none),
            columns.get("split", none),
            strict=True,
        )
    ]
    about = {"name": name, "filename": file}
    channels: Literal[1, 3] = 3 if color else 1
    dataset = _load_rows(rows, names, about, size, channels, bit_depth, on_error)
    warn_of_shared_groups(dataset)
    return dataset


# -- what both share -------------------------------------------------------------------


def _load_rows(rows, names, about, size, channels, bit_depth, on_error) -> DataBunch:
    """Read the images of the rows, and return their splits, or all as one."""
    # All at once, since the depth of 16-bit images is told by all.
    data, files = load_image_files(
        [row.file for row in rows],
        size=size,
        channels=channels,
        bit_depth=bit_depth,
        on_error=on_error,
        return_files=True,
    )
    readable = set(files)
    rows = [row for row in rows if row.file.expanduser() in readable]
    numbers = {label: number for number, label in enumerate(names)}
    about = {
        **about,
        "target_names": list(names),
        "size": int(size),
        "sha256": None,
        "official": False,
        "synthetic": False,
        "DESCR": f"{about['name']}: {len(data):,} images of the classes "
        f"{', '.join(map(printable, names))}",
    }
    has_groups = rows[0].group is not None

    def part(split):
        places = [i for i, row in enumerate(rows) if row.split == split]
        chosen = [rows[i] for i in places]
        found = {row.label for row in chosen}
        if missing := [label for label in names if label not in found]:
            warnings.warn(
                f"{about['name']} has no images of {_first(missing)}"
                + (f" in {split}" if split else ""),
                stacklevel=4,
            )
        return DataBunch(
            data=data if split is None else data[places],
            target=np.array([numbers[row.label] for row in chosen], np.int64),
            groups=_as_groups([row.group for row in chosen]) if has_groups else None,
            filenames=np.array([str(row.file) for row in chosen]),
            split=split,
            **about,
        )

    present = {row.split for row in rows}
    if None in present:
        return part(None)
    parts = {split: part(split) if split in present else None for split in SPLITS}
    return DataBunch(**parts, **about)


def _as_groups(groups) -> np.ndarray:
    check_groups(groups, len(groups))
    return np.asarray(groups)


def _first(words) -> str:
    named = [printable(word) for word in words[:_N_NAMED]]
    return ", ".join(named + (["..."] if len(words) > _N_NAMED else []))


# -- folders ---------------------------------------------------------------------------


def _subfolders(folder: Path) -> dict[str, Path]:
    """Return the folders in a folder, by name; refuse images beside them."""
    entries = sorted(one for one in folder.iterdir() if not one.name.startswith("."))
    loose = [one.name for one in entries if _is_image_file(one)]
    if loose:
        raise ValueError(
            f"{printable(folder)} has {len(loose):,} image files ({_first(loose)}) outside "
            "the folders of classes; the folder that an image lies in tells its class"
        )
    return {one.name: one for one in entries if one.is_dir()}


def _is_image_file(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and not path.is_dir()


def _images_of_class(folder: Path) -> list[Path]:
    """List the images in the folder of a class and in its subfolders."""
    if splits := [split for split in SPLITS if (folder / split).is_dir()]:
        raise ValueError(
            f"{printable(folder)} holds folders for splits ({', '.join(splits)}): give it "
            "as root if its splits hold the classes; else put the classes into the splits"
        )
    return sorted(
        file
        for file in folder.rglob("*")
        if _is_image_file(file)
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    )


def _same_classes(root: Path, classes: Mapping[str | None, dict]) -> list[str]:
    """Return the classes of the first split; refuse those that only others have."""
    (first, known), *others = classes.items()
    for split, found in others:
        if known and (odd := sorted(found.keys() - known.keys())):
            raise ValueError(
                f"{printable(root / str(split))} has folders that {first} lacks: "
                f"{_first(odd)}. The classes of {first} are "
                f"{', '.join(map(printable, sorted(known)))}"
            )
    return sorted(known)


def _group_finder(groups) -> Callable[[str], Any]:
    """Return what finds a group in a relative path; None stands for no group."""
    if groups is None:
        return lambda path: None
    if callable(groups):
        return lambda path: groups(PurePosixPath(path))
    if not isinstance(groups, str | re.Pattern):
        raise TypeError(
            "groups must be None, 'kermany', a regular expression or a callable; got "
            f"{groups!r:.60}"
        )
    try:
        pattern = re.compile(_PRESETS.get(str(groups), groups))
    except re.error as error:
        raise ValueError(
            f"groups is no regular expression: {error}; got {groups!r}"
        ) from error
    if "patient" not in pattern.groupindex:
        raise ValueError(
            "groups must be 'kermany' or a regular expression with a group named patient, "
            rf"such as '(?P<patient>\d+)-\d+'; got {groups!r}"
        )
    return lambda path: found["patient"] if (found := pattern.search(path)) else None


def _check_groups_found(rows: list[_Row], root: Path) -> None:
    unknown = [row.file for row in rows if is_missing(row.group, MISSING_TEXT)]
    if unknown:
        files = [file.relative_to(root).as_posix() for file in unknown]
        raise ValueError(
            f"groups finds no patient for {len(files):,} of {len(rows):,} images: "
            f"{_first(files)}"
        )


# -- tables ----------------------------------------------------------------------------


def _read_csv(path: Path) -> dict[str, list]:
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


def _read_column(table, column: str, argument: str, where: str) -> list:
    """Return the cells of a column; refuse missing ones."""
    if not hasattr(table, "__getitem__") or not (
        isinstance(table, Mapping) or hasattr(table, "columns")
    ):
        raise TypeError(
            f"table must be the path of a CSV file, a data frame or a dict of columns; got "
            f"{type(table).__name__}"
        )
    names = list(table.keys() if isinstance(table, Mapping) else table.columns)
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
            f"{len(cells):,} rows (counted from 0): {_first(missing)}"
        )
    return cells


def _read_classes(cells: list, where: str, column: str) -> tuple[list[str], list[str]]:
    """Return the classes of the rows as text, and their names in the order of labels."""
    labels = [str(cell) for cell in cells]
    names = sorted(set(labels))
    if all(re.fullmatch(r"-?\d+", name) for name in names):
        names.sort(key=int)
    if len(names) < 2:
        raise ValueError(
            f"{where} has one class only, {printable(names[0])}, in column {column!r}; "
            "there must be at least two"
        )
    return labels, names


def _check_split_names(cells: list, where: str, column: str) -> None:
    odd = sorted({str(cell) for cell in cells if cell not in SPLITS})
    if odd:
        raise ValueError(
            f"{where} has {_first(odd)} in column {column!r}; a split is 'train', 'val' or "
            "'test'"
        )
