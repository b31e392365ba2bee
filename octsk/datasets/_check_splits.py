"""Checks of the splits of a data set for leaks and other problems."""

import hashlib
from collections.abc import Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np

from octsk.datasets._shared_groups import (
    SPLITS,
    SplitWarning,
    shared_groups,
    warn_of_shared_groups,
)
from octsk.utils.columns import check_column
from octsk.utils.untrusted import printable
from octsk.utils.user_warnings import warn_user
from octsk.utils.validation import check_lengths

# Maximum number of images or groups that a sentence names.
_N_NAMED = 5

# Images are almost equal if at most this many of the 64 bits of their hashes differ.
_MAX_BITS = 2


def check_splits(dataset, *, near_duplicates: bool = False) -> list[str]:
    """Check the splits of a data set for problems that make results misleading.

    Parameters
    ----------
    dataset : :class:`~sklearn.utils.Bunch`
        A data set with the splits ``train``, ``val`` and ``test``, for example from
        :func:`~octsk.load_medmnist` or :func:`~octsk.load_image_folder`. Some of the
        splits may be None.
    near_duplicates : bool, default=False
        Whether to also look for images of different splits that are almost equal: their
        perceptual hashes (64 bits of the cosine transform, computed by ImageHash) differ
        in at most 2 bits. This takes longer and may report different images that have few
        details. It requires ImageHash (``octsk[duplicates]``).

    Returns
    -------
    list of str
        One sentence for each kind of problem in each split or pair of splits, with the
        number of cases and the first few of them. The problems are groups (patients) in
        two splits, identical images in two splits, identical images with different labels,
        classes that are missing in a split, and images whose pixels all have the same
        value. The list is empty if there are no problems.

    Raises
    ------
    TypeError
        If `dataset` is not a Bunch or another mapping.
    ValueError
        If the data set has no splits.
    ImportError
        If `near_duplicates` is True and ImageHash is not installed.

    See Also
    --------
    octsk.split_by_group : Split a data set by patient.

    Examples
    --------
    >>> from sklearn.utils import Bunch
    >>> from octsk.datasets import check_splits, make_oct_phantoms
    >>> train = make_oct_phantoms(40, random_state=0)
    >>> test = make_oct_phantoms(20, random_state=1)
    >>> check_splits(Bunch(train=train, val=None, test=test))
    []
    >>> test.data[3] = train.data[7]
    >>> test.target[3] = train.target[7]
    >>> check_splits(Bunch(train=train, val=None, test=test))
    ['1 image of test is also in train: image 3.']
    """
    return examine_splits(dataset, near_duplicates=near_duplicates).sentences


class Findings(NamedTuple):
    """Problems found in the splits of a data set.

    Attributes
    ----------
    sentences : list of str
        The sentences that `check_splits` returns.
    shared_images : dict of int
        For each pair of splits that share images, the number of images of the second split
        that are also in the first.
    """

    sentences: list[str]
    shared_images: dict[tuple[str, str], int]


def warn_of_findings(dataset, *, strict: bool = False) -> Findings:
    """Warn about problems of the splits that make results misleading.

    Parameters
    ----------
    dataset : Bunch
        The data set, as for `check_splits`.
    strict : bool, default=False
        Whether to raise a ValueError instead of a warning.

    Returns
    -------
    Findings
        The problems.
    """
    found = examine_splits(dataset)
    name = printable(dataset.get("name") or "the data set")
    if found.sentences and strict:
        raise ValueError(
            f"the checks of {name} found problems, which strict=True (--strict) does not "
            f"accept: {' '.join(found.sentences)}"
        )
    warn_of_shared_groups(dataset)
    # The first sentences are about shared groups, about which the line above has warned.
    if others := found.sentences[len(shared_groups(dataset)) :]:
        warn_user(f"the checks of {name} found: {' '.join(others)}", SplitWarning)
    return found


def examine_splits(dataset, *, near_duplicates: bool = False) -> Findings:
    """Check the splits of a data set; see `check_splits`."""
    parts = splits_of(dataset)
    targets = {name: _targets(part, name) for name, part in parts.items()}
    digests = {name: _digests(part["data"]) for name, part in parts.items()}
    found = [
        f"{a} and {b} share {_count(len(both), 'group')} (patients): {_first(both)}."
        for (a, b), both in shared_groups(dataset).items()
    ]
    shared = _shared_rows(digests)
    for (a, b), same in shared.items():
        verb = "is" if len(same) == 1 else "are"
        found.append(
            f"{_count(len(same), 'image')} of {b} {verb} also in {a}: "
            f"{_first(_names(parts[b], same))}."
        )
    if near_duplicates:
        found += _near_duplicates(parts, digests)
    found += _several_labels(parts, digests, targets)
    classes = set().union(*(target.tolist() for target in targets.values()))
    for name, part in parts.items():
        found += _lacking_classes(name, targets[name], classes, part.get("target_names"))
        if flat := _constant(part["data"]):
            verb = "has" if len(flat) == 1 else "have"
            found.append(
                f"{_count(len(flat), 'image')} of {name} {verb} the same value in all "
                f"pixels: {_first(_names(part, flat))}."
            )
    return Findings(found, {pair: len(rows) for pair, rows in shared.items()})


def shared_images(dataset) -> dict[tuple[str, str], int]:
    """Count the images of the second split that are also in the first, for each pair."""
    parts = {name: part.get("data") for name, part in splits_of(dataset).items()}
    shared = _shared_rows({k: _digests(X) for k, X in parts.items() if X is not None})
    return {pair: len(rows) for pair, rows in shared.items()}


def _shared_rows(digests) -> dict[tuple[str, str], list[int]]:
    known = {name: set(of_split) for name, of_split in digests.items()}
    shared = {
        (a, b): [i for i, digest in enumerate(digests[b]) if digest in known[a]]
        for a, b in combinations(digests, 2)
    }
    return {pair: rows for pair, rows in shared.items() if rows}


def splits_of(dataset) -> dict[str, Mapping]:
    """Return the splits that a data set has, by name."""
    if not isinstance(dataset, Mapping):
        raise TypeError(f"dataset must be a Bunch; got {type(dataset).__name__}")
    parts = {name: dataset[name] for name in SPLITS if dataset.get(name) is not None}
    if not parts:
        raise ValueError("dataset has no splits: it has none of train, val and test")
    return parts


def _targets(part, name) -> np.ndarray:
    target = check_column(part["target"], f"{name}.target", warn=False)
    check_lengths(part["data"], target, f"{name}.data", f"{name}.target")
    return target


def _lacking_classes(name, target, classes, names) -> list[str]:
    known: dict[int, str] = {}
    # Labels may also be strings, or integers that have no name.
    if names is not None and target.dtype.kind in "iu":
        known = dict(enumerate(names))
    unseen = {*classes, *known} - set(target.tolist())
    in_order = sorted(unseen, key=lambda one: (isinstance(one, str), one))
    lacking = [known.get(one, one) for one in in_order]
    return [f"{name} has no images of {_first(lacking)}."] if lacking else []


def _digests(images) -> list[bytes]:
    # Hash one image at a time, because the images may be memory-mapped.
    return [
        hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest()
        for image in np.asarray(images)
    ]


def _constant(images) -> list[int]:
    """Return the rows of images whose pixels are all equal."""
    images = np.asarray(images)
    if images.ndim < 3:  # the features of a table
        return []
    return [i for i, image in enumerate(images) if image.min() == image.max()]


def _near_duplicates(parts, digests) -> list[str]:
    """Find images that are almost equal, but not equal, to an image of another split."""
    hashes = {name: _perceptual_hashes(part["data"]) for name, part in parts.items()}
    found = []
    for a, b in combinations(parts, 2):
        known = set(digests[a])
        near = [
            i
            for i, (bits, digest) in enumerate(zip(hashes[b], digests[b], strict=True))
            if digest not in known and np.bitwise_count(hashes[a] ^ bits).min() <= _MAX_BITS
        ]
        if near:
            verb = "is" if len(near) == 1 else "are"
            found.append(
                f"{_count(len(near), 'image')} of {b} {verb} almost equal to images of "
                f"{a}: {_first(_names(parts[b], near))}."
            )
    return found


def _perceptual_hashes(images) -> np.ndarray:
    """Return the perceptual hash of each image as an integer of 64 bits."""
    try:
        import imagehash
    except ImportError as error:
        raise ImportError(
            "near_duplicates=True needs ImageHash: pip install 'octsk[duplicates]'"
        ) from error
    from PIL import Image

    bits = [imagehash.phash(Image.fromarray(np.asarray(image))).hash for image in images]
    return np.packbits(np.reshape(bits, (len(bits), 64)), axis=1).view(np.uint64).ravel()


def _several_labels(parts, digests, targets) -> list[str]:
    """Find images that occur with several labels, in one split or in several."""
    labels: dict[bytes, set] = {}
    places: dict[bytes, str] = {}
    for name, part in parts.items():
        for i, digest in enumerate(digests[name]):
            labels.setdefault(digest, set()).add(targets[name][i])
            places.setdefault(digest, f"{_names(part, [i])[0]} of {name}")
    odd = [places[digest] for digest, several in labels.items() if len(several) > 1]
    if not odd:
        return []
    verb = "occurs" if len(odd) == 1 else "occur"
    return [f"{_count(len(odd), 'image')} {verb} with different labels: {_first(odd)}."]


def _names(part, rows) -> list[str]:
    files = part.get("filenames")
    return [f"image {i}" if files is None else str(files[i]) for i in rows]


def _count(n, word) -> str:
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def _first(words) -> str:
    named = [printable(word) for word in words[:_N_NAMED]]
    return ", ".join(named + (["and more"] if len(words) > _N_NAMED else []))
