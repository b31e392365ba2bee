"""Download and load MedMNIST data sets and files with the same layout."""

import os
import warnings
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from octsk.datasets import _npz
from octsk.datasets._bunch import DataBunch
from octsk.datasets._data_home import get_data_home, make_unpack_folder
from octsk.datasets._download import digests, remove_partial
from octsk.datasets._medmnist_sets import REGISTRY, SIZES, file_name, set_of_file
from octsk.datasets._mirrors import _how_to_get, _md5, download_set
from octsk.datasets._npz_layout import (
    _range_of,
    read_class_names,
    read_filenames,
    read_groups,
    read_labels,
    read_layout,
)
from octsk.datasets._shared_groups import SPLITS, shared_groups, warn_of_shared_groups
from octsk.datasets._source_map import add_sources
from octsk.utils.untrusted import printable

# By default, images of a split that take more bytes than this are memory-mapped. OCTMNIST
# is read into memory up to a size of 64 pixels and mapped from 128 pixels on.
_MMAP_ABOVE = 2**30

_CITATIONS = (
    "Yang, Shi, Ni, MedMNIST Classification Decathlon, ISBI 2021, pp. 191-195",
    "Yang et al., MedMNIST v2, Scientific Data 10(1):41, 2023",
)
_KERMANY = ("Kermany et al., Cell 172(5):1122-1131.e9, 2018",)
_ORIGINS = {"octmnist": _KERMANY, "pneumoniamnist": _KERMANY}


def load_medmnist(
    path: str | os.PathLike,
    *,
    split: str | None = None,
    return_X_y: bool = False,
    mmap: bool | None = None,
):
    """Load an npz file in MedMNIST's layout, which may contain your own data.

    The file contains these arrays for one or more of the splits ``train``, ``val`` and
    ``test``:

    - ``{split}_images``, uint8 of shape (n, h, w) or (n, h, w, 3);
    - ``{split}_labels``, integers of shape (n,) or (n, 1);
    - optionally ``{split}_groups``, numbers or text of shape (n,): the group of each
      image, such as its patient, for group-wise cross-validation. No group may be missing;
    - optionally ``{split}_filenames``, text of shape (n,): the file of each image;
    - optionally ``class_names``, text of shape (k,): the names of the classes 0 to k-1.

    Nothing in the file is unpickled, and headers that contradict the size of the file are
    rejected before memory is allocated. A warning names groups that have images in more
    than one split.

    Parameters
    ----------
    path : path
        The npz file.
    split : {"train", "val", "test"}, default=None
        Split to load. If None, load all splits in the file.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` of the split instead of a Bunch. Requires
        `split`.
    mmap : bool, default=None
        Whether to memory-map the images instead of reading them into memory. If None, a
        split is mapped if its images take more than 1 GiB. A mapped array is read-only.
        Images that are compressed in the file, as those of MedMNIST, are first unpacked to
        the folder ``unpacked`` in :func:`~octsk.datasets.get_data_home`. Later calls map
        the unpacked file.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        If `split` is given:

        - data : ndarray of shape (n, h, w) or (n, h, w, 3), dtype uint8
        - target : ndarray of shape (n,), dtype int64
        - target_names : list of str, by label; None if the file is not one of
          MedMNIST's and has no ``class_names``
        - groups : ndarray of shape (n,), or None if the file has none
        - filenames : ndarray of str of shape (n,), or None if the file has none
        - name : str, such as ``"octmnist"``; for a file of your own, the file name
          without suffix, in which characters that cannot be printed are escaped
        - size : int, the height and width in pixels, or (height, width)
        - split : str
        - filename : str
        - sha256 : str, hash of the file
        - official : bool, whether the file is byte for byte the published one, so that
          results can be compared with published ones
        - synthetic : bool, always False
        - shared_groups : dict, only if splits of the file share groups (patients). It maps
          a pair of splits, such as ``("train", "test")``, to a list of the groups that
          both contain
        - DESCR : str

        If `split` is None: ``train``, ``val`` and ``test``, each of which is such a Bunch,
        or None if the file does not contain the split, and the entries that are the same
        in all splits.

    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    IsADirectoryError
        If `path` is a folder.
    ValueError
        If the file is damaged or has another layout, contains several labels per image
        (ChestMNIST) or volumes (MedMNIST's 3-D sets), or if a group or `split` is missing.

    See Also
    --------
    fetch_medmnist : Download a set and load it.
    save_medmnist : Write a file in this layout.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from octsk.datasets import load_medmnist
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "clinic.npz")
    ...     np.savez_compressed(
    ...         path,
    ...         train_images=np.zeros((3, 28, 28), np.uint8),
    ...         train_labels=np.array([[0], [1], [1]], np.uint8),
    ...     )
    ...     X, y = load_medmnist(path, split="train", return_X_y=True)
    >>> X.shape, y
    ((3, 28, 28), array([0, 1, 1]))
    """
    _check_choices(split, return_X_y, mmap)
    dataset = _load(Path(path).expanduser(), split, mmap)
    warn_of_shared_groups(dataset)
    return (dataset.data, dataset.target) if return_X_y else dataset


def fetch_medmnist(
    name: str | os.PathLike = "octmnist",
    *,
    size: int = 28,
    split: str | None = None,
    return_X_y: bool = False,
    mmap: bool | None = None,
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    mirror: str | Iterable[str] | None = None,
    n_retries: int = 3,
    delay: float = 1.0,
    source_map: str | os.PathLike | None = None,
):
    """Load a MedMNIST data set, and download its file if it is missing.

    All two-dimensional sets with one label per image are available, in each published size.
    In `data_home`, the file has its name on Zenodo, such as ``octmnist.npz`` or
    ``octmnist_64.npz``. If it is missing, it is downloaded, and only appears under that
    name when it is complete and has the published MD5.

    You can also put a file there yourself. Its layout, image size and classes are checked.
    If its MD5 is not the published one, a warning is issued and ``dataset.official`` is
    False.

    An interrupted download, of this call or an earlier one, is continued if the server can
    send a part of a file.

    Parameters
    ----------
    name : str or path, default="octmnist"
        One of ``"pathmnist"``, ``"dermamnist"``, ``"octmnist"``, ``"pneumoniamnist"``,
        ``"retinamnist"``, ``"breastmnist"``, ``"bloodmnist"``, ``"tissuemnist"``,
        ``"organamnist"``, ``"organcmnist"``, ``"organsmnist"``; or the path of an npz
        file, which is then loaded as by :func:`~octsk.load_medmnist`, at the size it has.
    size : {28, 64, 128, 224}, default=28
        Height and width of the images, in pixels.
    split : {"train", "val", "test"}, default=None
        Split to load. If None, load all three.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` of the split instead of a Bunch. Requires
        `split`.
    mmap : bool, default=None
        As in :func:`~octsk.load_medmnist`. Images are unpacked to the folder ``unpacked``
        in `data_home`.
    data_home : path, default=None
        Folder of the files, as in :func:`~octsk.datasets.get_data_home`.
    download_if_missing : bool, default=True
        If False, raise an error instead of downloading.
    mirror : str or sequence of str, default=None
        Addresses of folders that contain the same files. They are tried in this order
        before Zenodo. If None, the addresses in the environment variable ``OCTSK_MIRROR``
        are used, which are separated by spaces. The MD5 of each download is checked. An
        address may contain a user name, a password and a query, which messages omit.
    n_retries : int, default=3
        Maximum number of times that all addresses are tried again after a failure. An
        address that answers that the file does not exist is not tried again.
    delay : float, default=1.0
        Seconds to wait before the addresses are tried again.
    source_map : path, default=None
        CSV file that names the source file of each image. It is one of the tables that
        MedMNIST's maintainers provide [3]_, with the columns ``split``, ``index`` and
        ``image_id``, or another table with common names for these columns. The data set
        then has `filenames`. If these have the form CLASS-patient-number, as those of
        OCTMNIST, it also has the patients as `groups`.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`
        As in :func:`~octsk.load_medmnist`.

    (data, target) : tuple
        If `return_X_y` is True.

    Raises
    ------
    DownloadError
        If no address provides the right file. This is a subclass of :class:`OSError`. The
        part that was received is kept in `data_home` as a hidden file, and the next call
        continues from there.
    FileNotFoundError
        If the file is missing and `download_if_missing` is False.
    OSError
        If the folder for data sets does not exist and cannot be created.
    ValueError
        If an argument is invalid, or if the file is damaged or that of another data set.

    Notes
    -----
    The data are licensed under CC BY 4.0, except those of DermaMNIST (CC BY-NC 4.0), and
    not intended for clinical use. The images in ``val`` of OCTMNIST are from the same
    patients as those in ``train``, with the same class frequencies. ``test`` is the test
    set of the source, in which all classes are equally frequent.

    References
    ----------
    .. [1] Yang, Shi, Ni, MedMNIST Classification Decathlon: A Lightweight AutoML
       Benchmark for Medical Image Analysis, ISBI 2021, pp. 191-195.
    .. [2] Yang et al., MedMNIST v2, Scientific Data 10(1):41, 2023. Files:
       https://doi.org/10.5281/zenodo.10519652
    .. [3] https://github.com/MedMNIST/MedMNIST/issues/49 links to these tables.

    Examples
    --------
    >>> from octsk.datasets import fetch_medmnist
    >>> oct = fetch_medmnist("octmnist")  # doctest: +SKIP
    >>> oct.train.data.shape  # doctest: +SKIP
    (97477, 28, 28)
    >>> X, y = fetch_medmnist(
    ...     "pneumoniamnist", size=64, split="test", return_X_y=True
    ... )  # doctest: +SKIP
    """
    _check_choices(split, return_X_y, mmap)
    if _is_path(name):
        dataset = _load(Path(name).expanduser(), split, mmap, data_home)
    else:
        known = _check_set(name, size)
        path = get_data_home(data_home) / file_name(*known)
        if path.exists():
            remove_partial(path)
        elif download_if_missing:
            download_set(path, known, mirror, n_retries, delay)
        else:
            raise FileNotFoundError(f"{path} does not exist. {_how_to_get(path, known)}")
        try:
            dataset = _load(path, split, mmap, data_home, known)
        except ValueError as error:
            raise ValueError(
                f"{error}. Remove or rename the file to download the published one"
            ) from error
        if not dataset.official:
            warnings.warn(
                f"{path} is used as it is, but it is not the published file: it has MD5 "
                f"{digests(path)[0]}, the published one {_md5(known)}. To download the "
                "published file, remove yours",
                stacklevel=2,
            )
    if source_map is not None:
        add_sources(dataset, source_map)
    warn_of_shared_groups(dataset)
    return (dataset.data, dataset.target) if return_X_y else dataset


def fetch_octmnist(
    *,
    size: int = 28,
    split: str | None = None,
    return_X_y: bool = False,
    mmap: bool | None = None,
    data_home: str | os.PathLike | None = None,
    download_if_missing: bool = True,
    mirror: str | Iterable[str] | None = None,
    n_retries: int = 3,
    delay: float = 1.0,
    source_map: str | os.PathLike | None = None,
):
    """Load OCTMNIST, and download its file if it is missing.

    OCTMNIST contains retinal OCT scans in four classes: choroidal neovascularization,
    diabetic macular edema, drusen and normal. There are 97,477 images for training, 10,832
    for validation and 1,000 for testing. This function is short for
    ``fetch_medmnist("octmnist", ...)``.

    Parameters
    ----------
    size : {28, 64, 128, 224}, default=28
        Height and width of the images, in pixels. The file with images of 28 pixels takes
        55 MB, the one with images of 224 pixels 4 GB.
    split, return_X_y, mmap, data_home, download_if_missing, mirror, n_retries, delay, \
            source_map
        As in :func:`~octsk.fetch_medmnist`.

    Returns
    -------
    dataset : :class:`~sklearn.utils.Bunch`, or tuple of (data, target)
        As in :func:`~octsk.fetch_medmnist`.

    Raises
    ------
    DownloadError, FileNotFoundError, OSError, ValueError
        As in :func:`~octsk.fetch_medmnist`.

    References
    ----------
    .. [1] Yang et al., MedMNIST v2, Scientific Data 10(1):41, 2023.
    .. [2] Kermany et al., Identifying Medical Diagnoses and Treatable Diseases by
       Image-Based Deep Learning, Cell 172(5):1122-1131.e9, 2018.

    Examples
    --------
    >>> from octsk.datasets import fetch_octmnist
    >>> X, y = fetch_octmnist(split="train", return_X_y=True)  # doctest: +SKIP
    """
    return fetch_medmnist(
        "octmnist",
        size=size,
        split=split,
        return_X_y=return_X_y,
        mmap=mmap,
        data_home=data_home,
        download_if_missing=download_if_missing,
        mirror=mirror,
        n_retries=n_retries,
        delay=delay,
        source_map=source_map,
    )


# -- arguments ---------------------------------------------------------------------


def _check_choices(split, return_X_y, mmap) -> None:
    if split is not None and split not in SPLITS:
        raise ValueError(f"split must be 'train', 'val', 'test' or None; got {split!r}")
    if return_X_y and split is None:
        raise ValueError("return_X_y=True needs split='train', 'val' or 'test'")
    if mmap not in (None, True, False):
        raise ValueError(f"mmap must be None, True or False; got {mmap!r}")


def _is_path(name: str | os.PathLike) -> bool:
    if not isinstance(name, str) or name in REGISTRY:
        return isinstance(name, os.PathLike)
    return name.endswith(".npz") or Path(name).name != name or Path(name).exists()


def _check_set(name, size) -> tuple[str, int]:
    if name == "chestmnist":
        raise ValueError("name: 'chestmnist' has several labels per image; octsk needs one")
    if not isinstance(name, str) or name not in REGISTRY:
        raise ValueError(
            f"name must be one of {', '.join(REGISTRY)}, or the path of an npz file; "
            f"got {name!r}"
        )
    if size not in SIZES:
        raise ValueError(f"size must be one of {', '.join(map(str, SIZES))}; got {size!r}")
    return name, int(size)


# -- layout ------------------------------------------------------------------------


def _load(
    path: Path,
    split: str | None,
    mmap: bool | None,
    data_home: str | os.PathLike | None = None,
    known: tuple[str, int] | None = None,
) -> DataBunch:
    """Load a file. `known` is the data set that it must contain, or None to detect it."""
    _npz.check_is_npz(path)
    layout = read_layout(path)
    if split is not None and split not in layout:
        raise ValueError(f"{path} has no {split!r} split; it has {', '.join(layout)}")
    labels = {part: read_labels(path, layout[part]["labels"]) for part in layout}
    md5, sha256 = digests(path)
    about = _describe(path, layout, labels, md5, known)
    if about["target_names"] is None:
        about["target_names"] = read_class_names(path, labels)
    about |= {"filename": str(path), "sha256": sha256, "synthetic": False}
    # Also read the groups of splits that are not loaded, to find those that are shared.
    groups = {
        part: {"groups": _npz.read_array(path, members["groups"])}
        for part, members in layout.items()
        if "groups" in members
    }
    if shared := shared_groups(groups):
        about["shared_groups"] = shared

    def make_folder() -> Path:
        return make_unpack_folder(get_data_home(data_home) / "unpacked" / sha256[:16])

    def load_split(part: str) -> DataBunch:
        members = layout[part]
        images = members["images"]
        mapped = images.nbytes > _MMAP_ABOVE if mmap is None else mmap
        return DataBunch(
            data=_npz.map_array(path, images, make_folder)
            if mapped
            else _npz.read_array(path, images),
            target=labels[part],
            groups=read_groups(path, members.get("groups")),
            filenames=read_filenames(path, members.get("filenames")),
            split=part,
            **about,
        )

    if split is not None:
        return load_split(split)
    parts = {part: load_split(part) if part in layout else None for part in SPLITS}
    return DataBunch(**parts, **about)


def _describe(
    path: Path,
    layout: dict[str, dict[str, _npz.Member]],
    labels: dict[str, np.ndarray],
    md5: str,
    known: tuple[str, int] | None,
) -> dict:
    """Describe a file as the data set `known`, as one that it matches, or by its data."""
    shape = next(iter(layout.values()))["images"].shape[1:]
    identity = known or set_of_file(path.name, md5)
    if identity and (mismatch := _mismatch(identity, shape, labels)):
        if known:
            raise ValueError(f"{path} is not {known[0]} at {known[1]} pixels: {mismatch}")
        identity = None
    counts = ", ".join(f"{part} {len(y):,}" for part, y in labels.items())
    if identity is None:
        height, width = shape[:2]
        name, file = printable(path.stem), printable(path.name)
        return {
            "name": name,
            "size": height if height == width else (height, width),
            "target_names": None,
            "official": False,
            "DESCR": f"{name}: images of shape {shape} from {file} ({counts})",
        }
    name, size = identity
    entry = REGISTRY[name]
    official = md5 == entry.md5[size]
    origin = "the published file" if official else "not the published file (other MD5)"
    classes = ", ".join(f"{label} {word}" for label, word in enumerate(entry.classes))
    cite = "; ".join(_CITATIONS + _ORIGINS.get(name, ()))
    return {
        "name": name,
        "size": size,
        "target_names": list(entry.classes),
        "official": official,
        "DESCR": (
            f"{name}: {entry.content}, {size} pixels, {origin} ({counts}).\n"
            f"Classes: {classes}.\n"
            f"Licence {entry.licence}; not intended for clinical use. Cite: {cite}"
        ),
    }


def _mismatch(
    identity: tuple[str, int], shape: tuple[int, ...], labels: dict[str, np.ndarray]
) -> str | None:
    """Return how a file differs from a MedMNIST data set, or None if it matches."""
    name, size = identity
    entry = REGISTRY[name]
    expected = (size, size) if entry.n_channels == 1 else (size, size, entry.n_channels)
    if shape != expected:
        return f"its images are of shape {shape}, not {expected}"
    lowest, highest = _range_of(labels)
    if lowest < 0 or highest >= len(entry.classes):
        return (
            f"its labels run from {lowest} to {highest}, not 0 to {len(entry.classes) - 1}"
        )
    return None
