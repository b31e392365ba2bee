"""The layout of MedMNIST's npz files, with octsk's groups, file names and class names."""

from pathlib import Path

import numpy as np

from octsk.datasets import _npz
from octsk.datasets._shared_groups import SPLITS
from octsk.utils.columns import check_groups

# Key of the class names in a user's file, and the size limit of that array.
_CLASS_NAMES, _MAX_NAMES_BYTES = "class_names", 2**14


def read_layout(path: Path) -> dict[str, dict[str, _npz.Member]]:
    """Check the headers and return the members of each split in the file."""
    kinds = ("images", "labels", "groups", "filenames")
    members = _npz.read_headers(
        path, {f"{part}_{kind}" for part in SPLITS for kind in kinds}
    )
    layout = {}
    for part in SPLITS:
        found = {
            kind: members[f"{part}_{kind}"] for kind in kinds if f"{part}_{kind}" in members
        }
        if found:
            _check_members(path, part, found)
            layout[part] = found
    if not layout:
        raise ValueError(
            f"{path} does not have MedMNIST's layout: there is no 'train_images', "
            f"'val_images' or 'test_images' among {_npz.list_keys(path)}"
        )
    shapes = {part: found["images"].shape[1:] for part, found in layout.items()}
    if len(set(shapes.values())) > 1:
        raise ValueError(f"{path}: the splits have images of different shapes: {shapes}")
    return layout


def _check_members(path: Path, part: str, members: dict[str, _npz.Member]) -> None:
    for kind in ("images", "labels"):
        if kind not in members:
            raise ValueError(f"{path} has {', '.join(members)} but no {kind} for {part!r}")
    images, labels = members["images"], members["labels"]
    if images.dtype != np.uint8:
        raise ValueError(
            f"{path}: {images.key} must be uint8 (0 to 255); it is {images.dtype}"
        )
    if len(images.shape) not in (3, 4) or (len(images.shape) == 4 and images.shape[3] != 3):
        raise ValueError(
            f"{path}: {images.key} must have shape (n, h, w) or (n, h, w, 3); it has "
            f"{images.shape}. Volumes are not supported"
        )
    if 0 in images.shape:
        raise ValueError(f"{path}: {images.key} is empty, its shape is {images.shape}")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"{path}: {labels.key} must be integers; it is {labels.dtype}")
    n = images.shape[0]
    if len(labels.shape) == 2 and labels.shape[1] > 1:
        raise ValueError(
            f"{path}: {labels.key} has {labels.shape[1]} labels per image; "
            "multi-label sets are not supported, only one class per image"
        )
    if labels.shape not in ((n,), (n, 1)):
        raise ValueError(
            f"{path}: {labels.key} must have shape ({n},) or ({n}, 1), as "
            f"{images.key} has {n} images; it has {labels.shape}"
        )
    for kind in ("groups", "filenames"):
        if kind in members and members[kind].shape != (n,):
            raise ValueError(
                f"{path}: {part}_{kind} must have shape ({n},), as {images.key} has "
                f"{n} images; it has {members[kind].shape}"
            )
    if "filenames" in members and members["filenames"].dtype.kind != "U":
        raise ValueError(
            f"{path}: {part}_filenames must be text (dtype str); it is "
            f"{members['filenames'].dtype}"
        )


def read_labels(path: Path, member: _npz.Member) -> np.ndarray:
    return _npz.read_array(path, member).astype(np.int64).ravel()


def read_groups(path: Path, member: _npz.Member | None) -> np.ndarray | None:
    if member is None:
        return None
    groups = _npz.read_array(path, member)
    check_groups(groups, len(groups), f"{path}: {member.key}")
    return groups


def read_filenames(path: Path, member: _npz.Member | None) -> np.ndarray | None:
    if member is None:
        return None
    names = _npz.read_array(path, member)
    try:
        names.tolist()
    except SystemError as error:  # the array contains invalid code points
        raise ValueError(f"{path}: {member.key} is not text") from error
    return names


def _range_of(labels: dict[str, np.ndarray]) -> tuple[int, int]:
    """Return the lowest and the highest label of all splits."""
    return min(y.min() for y in labels.values()), max(y.max() for y in labels.values())


def is_class_name(name: str) -> bool:
    """Return whether a text can be the name of a class."""
    return bool(name.strip()) and name.isprintable()


def read_class_names(path: Path, labels: dict[str, np.ndarray]) -> list[str] | None:
    """Read the class names in a user's file, or return None if it has none."""
    member = _npz.read_headers(path, {_CLASS_NAMES}).get(_CLASS_NAMES)
    if member is None:
        return None
    if len(member.shape) != 1 or member.dtype.kind != "U":
        raise ValueError(
            f"{path}: {_CLASS_NAMES} must be text (dtype str) of shape (k,); it is "
            f"{member.dtype} of shape {member.shape}"
        )
    lowest, highest = _range_of(labels)
    if member.nbytes > _MAX_NAMES_BYTES or not 0 <= lowest <= highest < member.shape[0]:
        raise ValueError(
            f"{path}: {_CLASS_NAMES} must name each class from 0 on, and take at most "
            f"{_MAX_NAMES_BYTES} bytes; the labels run from {lowest} to {highest}, and "
            f"there are {member.shape[0]} names in {member.nbytes} bytes"
        )
    try:
        names = _npz.read_array(path, member).tolist()
    except SystemError:  # the array contains invalid code points
        names = []
    if len(set(names)) < member.shape[0] or not all(map(is_class_name, names)):
        raise ValueError(
            f"{path}: {_CLASS_NAMES} must be different words of printable characters; they "
            f"are {names!r:.80}"
        )
    return names
