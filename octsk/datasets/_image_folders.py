"""Loading of image files whose folders are named after their classes."""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from octsk.datasets._image_files import SUFFIXES, Reading
from octsk.datasets._labelled_rows import Cache, Row, class_name, in_order, load_rows
from octsk.datasets._patients import PatientFinder, check_groups_found, kermany_label
from octsk.datasets._shared_groups import SPLITS, warn_of_shared_groups
from octsk.utils.untrusted import first_few, printable

# Other names of splits, which would be taken for classes.
_LIKE_SPLITS = {*SPLITS, "training", "valid", "validation", "testing"}


def load_image_folder(
    root: str | os.PathLike,
    *,
    size: int = 28,
    groups: str | re.Pattern | Callable | None = None,
    color: bool = False,
    fit: Literal["crop", "pad", "squash"] = "crop",
    bit_depth: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    n_jobs: int | None = None,
    verbose: int = 0,
    cache: bool | None = None,
    data_home: str | os.PathLike | None = None,
):
    r"""Load labelled images from one folder for each class.

    The class folders are in `root` itself or in its subfolders ``train``, ``val`` and
    ``test``, some of which may be missing. The images of a class may be in subfolders of
    the class folder, such as one for each patient. Links to folders are followed, and no
    folder is read twice. PNG, JPEG, TIFF and BMP files are read and made square as by
    :func:`~octsk.load_image_files`. Each B-scan of a file that :func:`~octsk.load_volume`
    reads, such as a DICOM file, is also an image. Hidden files and folders and files of
    other kinds are ignored.

    Parameters
    ----------
    root : path
        The folder.
    size : int, default=28
        Height and width of the loaded images, in pixels.
    groups : {"kermany", "octdl", "header"}, regular expression or callable, default=None
        How to find the group (patient) of an image from its path relative to `root`, such
        as ``train/CNV/CNV-81630-2.jpeg``:

        - a regular expression, as a string or compiled, that is searched for in the path
          and has a group named ``patient``, such as ``r"(?P<patient>\d+)-\d+\.jpeg$"``;
        - a callable that takes the path as a :class:`pathlib.PurePosixPath` and returns
          the patient as a number or a string;
        - ``"kermany"`` for file names such as ``CNV-81630-2.jpeg`` (class, patient,
          number), as in the data set OCT2017. With these names, the images may also be in
          one folder, without class folders. Names of two parts, such as
          ``CNV-47f6d0.jpeg``, do not contain the patient. Each of these images becomes a
          group of its own, and a warning is issued;
        - ``"octdl"`` for the data set OCTDL, whose table ``OCTDL_labels.csv`` is in `root`
          or in its parent folder;
        - ``"header"`` for the patient's ID in DICOM files and in those of other devices, as
          the file states it (see `salt` in :func:`~octsk.load_volume`).

        If None, the data set has no groups.
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
        If there are no folders for splits:

        - data : ndarray of shape (n, size, size) or (n, size, size, 3), dtype uint8
        - target : ndarray of shape (n,), dtype int64
        - target_names : list of str, the names of the classes in sorted order, by label
        - groups : ndarray of shape (n,), or None
        - filenames : ndarray of str of shape (n,), the path of each image, followed by
          ``#`` and the number of the B-scan if the file is a volume
        - name : str, the name of the folder
        - size : int
        - fit : str
        - cache : str, the folder of the cached images, or None if they are not cached
        - split : None
        - filename : str, the path of the folder
        - sha256 : None
        - official : bool, always False
        - synthetic : bool, always False
        - DESCR : str

        If there are folders for splits: ``train``, ``val`` and ``test``, each of which is
        such a Bunch, or None if its folder is missing, and the entries that are the same
        in all splits.

    Warns
    -----
    UserWarning
        If a class has no images in a split, if splits share groups, or if images are left
        out.

    Raises
    ------
    FileNotFoundError
        If `root` does not exist, or if ``groups="octdl"`` and its table is missing.
    NotADirectoryError
        If `root` is a file.
    ValueError
        If there are no images or fewer than two class folders, if images are outside the
        class folders, if a split has a class that the first split does not have, if the
        group of an image cannot be found, or if images cannot be read.

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
    reading = Reading(size, 3 if color else 1, fit, bit_depth, on_error, n_jobs, verbose)
    reading.check()
    root = Path(root).expanduser()
    find_group = PatientFinder(groups, root)
    files = _files_of_classes(root, kermany_label if find_group.by_name else None)
    names = _same_classes(root, files)
    rows = [
        Row(file, label, find_group(file.relative_to(root).as_posix()), split)
        for split, classes in files.items()
        for label, of_label in sorted(classes.items())
        for file in of_label
    ]
    if groups is not None:
        paths = [row.image.relative_to(root).as_posix() for row in rows]
        check_groups_found([row.group for row in rows], paths)
    find_group.warn_of_unknown()
    about = {"name": printable(root.resolve().name), "filename": str(root)}
    dataset = load_rows(rows, names, about, reading, Cache(cache, data_home))
    warn_of_shared_groups(dataset)
    return dataset


def _files_of_classes(
    root: Path, label_of: Callable[[Path], str] | None
) -> dict[str | None, dict[str, list[Path]]]:
    """List the files by split and class. If there are no splits, the only key is None."""
    folders = _subfolders(root)
    splits = [split for split in SPLITS if split in folders]
    if alike := sorted({one for one in folders if one.lower() in _LIKE_SPLITS} - {*splits}):
        raise ValueError(
            f"{printable(root)} has folders named {first_few(alike)}: rename folders of "
            "splits to train, val and test"
        )
    if splits and (odd := sorted(folders.keys() - set(splits))):
        raise ValueError(
            f"{printable(root)} has folders for splits ({', '.join(splits)}) and others "
            f"({first_few(odd)}); it must contain either splits or classes"
        )
    found: dict[str | None, dict[str, list[Path]]] = {}
    wanted: list[str | None] = [*splits] or [None]
    for split in wanted:
        folder = root if split is None else folders[split]
        found[split] = _classes_in(folder, None if splits and not split else label_of)
        if not any(found[split].values()):
            raise ValueError(
                f"no image file in the folders of {printable(folder)} "
                f"({first_few(sorted(found[split])) or 'there are none'}): looked for "
                f"{', '.join(SUFFIXES)}"
            )
    return found


def _classes_in(folder: Path, label_of) -> dict[str, list[Path]]:
    folders = _subfolders(folder)
    loose = sorted(one for one in _visible(folder) if _is_image_file(one))
    if loose and (folders or label_of is None):
        raise ValueError(
            f"{printable(folder)} has {len(loose):,} image files "
            f"({first_few([one.name for one in loose])}) outside the class folders; the "
            "class of an image is the name of its folder or, with groups='kermany', part "
            "of a file name such as CNV-1016042-1.jpeg"
        )
    classes: dict[str, list[Path]] = {}
    for label, one in folders.items():
        classes.setdefault(class_name(label), []).extend(_images_of_class(one))
    for file in loose:
        classes.setdefault(class_name(label_of(file)), []).append(file)
    return classes


def _visible(folder: Path) -> list[Path]:
    # macOS packs attributes of files into archives, under the names of the files.
    return [
        one
        for one in folder.iterdir()
        if not one.name.startswith(".") and one.name != "__MACOSX"
    ]


def _subfolders(folder: Path) -> dict[str, Path]:
    return {one.name: one for one in sorted(_visible(folder)) if one.is_dir()}


def _is_image_file(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.is_dir()


def _images_of_class(folder: Path) -> list[Path]:
    """List the images in the folder of a class and in its subfolders."""
    if splits := [split for split in SPLITS if (folder / split).is_dir()]:
        raise ValueError(
            f"{printable(folder)} contains folders for splits ({', '.join(splits)}): pass "
            "it as root if its splits contain the classes; otherwise move the classes into "
            "the splits"
        )
    return images_below(folder)


def images_below(folder: Path) -> list[Path]:
    """List the image files in a folder and in its subfolders, except hidden files.

    Links to folders are followed. A folder that can be reached by several paths, for
    example through a link to one of its parents, is only read once.
    """
    files: list[Path] = []
    seen: set[tuple[int, int]] = set()
    folders = [folder]
    while folders:
        one = folders.pop()
        found = one.stat()
        if (found.st_dev, found.st_ino) in seen:
            continue
        seen.add((found.st_dev, found.st_ino))
        entries = sorted(_visible(one))
        files += [entry for entry in entries if _is_image_file(entry)]
        # Folders are read before links, so that the paths listed are those of folders.
        inner = [entry for entry in entries if entry.is_dir()]
        folders = sorted([*folders, *inner], key=lambda path: not path.is_symlink())
    return sorted(files)


def _same_classes(root: Path, files: Mapping[str | None, Mapping]) -> list[str]:
    """Return the classes of the first split, or raise an error if another has more."""
    (first, known), *others = files.items()
    for split, found in others:
        if odd := sorted(found.keys() - known.keys()):
            raise ValueError(
                f"{printable(root / str(split))} has folders that {first} lacks: "
                f"{first_few(odd)}. The classes of {first} are "
                f"{', '.join(map(printable, sorted(known)))}"
            )
    if len(known) < 2:
        [name] = known
        raise ValueError(
            f"{printable(root)} has only one class, {printable(name)}; there must be one "
            "folder for each of at least two classes"
        )
    return in_order(known)
