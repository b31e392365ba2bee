"""Loading of image files whose labels, groups and splits are known."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from octsk.datasets._bunch import DataBunch
from octsk.datasets._image_cache import CACHED_ABOVE, CachedImages
from octsk.datasets._image_files import Decoded, Reading
from octsk.datasets._npz_layout import is_class_name
from octsk.datasets._patients import check_groups_found
from octsk.datasets._shared_groups import SPLITS, SplitWarning
from octsk.datasets._volume_frames import VolumeFrame, patient_of, with_frames
from octsk.utils.columns import check_groups
from octsk.utils.untrusted import first_few, printable
from octsk.utils.user_warnings import warn_user


class Row(NamedTuple):
    """An image (a path or an image in memory) with its class, group and split."""

    image: Any
    label: str
    group: Any = None
    split: str | None = None


def class_name(text: str) -> str:
    """Return the name of a class in one spelling of the same letters, without blanks."""
    return unicodedata.normalize("NFC", text.strip())


def in_order(names: Iterable[str]) -> list[str]:
    """Return the names of classes by label: sorted, as numbers if all are whole ones."""
    found = sorted(names)
    if all(re.fullmatch(r"-?\d+", name) for name in found):
        found.sort(key=int)
    return found


class Cache(NamedTuple):
    """The arguments `cache` and `data_home` of the loaders."""

    wanted: bool | None = None
    data_home: Any = None


def load_rows(
    rows: Sequence[Row], names: Sequence[str], about: dict, reading: Reading, cache: Cache
) -> DataBunch:
    """Read the images of the rows and return a data set.

    Parameters
    ----------
    rows : sequence of Row
        The images.
    names : sequence of str
        The classes, by label.
    about : dict
        ``name`` and ``filename`` of the data set.
    reading, cache : Reading, Cache
        How the images are read and cached.

    Returns
    -------
    dataset : DataBunch
        A data set with splits if the rows have splits, as from
        :func:`~octsk.load_image_folder`.
    """
    if odd := [name for name in names if not is_class_name(name)]:
        raise ValueError(
            f"{about['filename'] or about['name']} has classes whose names contain "
            f"characters that cannot be printed: {first_few(odd)}; rename them, in UTF-8"
        )
    # After sorting, each split is a slice of the images, which may be memory-mapped.
    order = {split: i for i, split in enumerate(SPLITS)}
    rows = sorted(rows, key=lambda row: order.get(str(row.split), 0))
    frames = with_frames([row.image for row in rows], reading.bit_depth)
    has_groups = rows[0].group is not None
    rows = [
        row._replace(image=one, group=patient_of(one, row.group))
        for row, found in zip(rows, frames, strict=True)
        for one in found
    ]
    # Decode all splits at once, since the depth of 16-bit images is inferred from all.
    decoded, folder = _decode([row.image for row in rows], reading, cache)
    reading.report(decoded)
    rows = [rows[i] for i in decoded.kept]
    if has_groups:
        groups = [row.group for row in rows]
        check_groups_found(groups, [row.image for row in rows])
        check_groups(groups, len(groups))
    about = {
        **about,
        "target_names": list(names),
        "size": int(reading.size),
        "fit": reading.fit,
        "cache": None if folder is None else str(folder),
        "sha256": None,
        "official": False,
        "synthetic": False,
        "DESCR": f"{about['name']}: {len(rows):,} images of the classes "
        f"{', '.join(map(printable, names))}",
    }
    present = {row.split for row in rows}
    if None in present:
        return _part(rows, 0, decoded.images, about)
    parts = {
        split: _part([row for row in rows if row.split == split], i, decoded.images, about)
        for split in SPLITS
        if split in present
        for i in [[row.split for row in rows].index(split)]
    }
    return DataBunch(**{split: parts.get(split) for split in SPLITS}, **about)


def _part(rows: list[Row], start: int, images: np.ndarray, about: dict) -> DataBunch:
    """Return the images of one split, which begin at `start`."""
    numbers = {label: number for number, label in enumerate(about["target_names"])}
    split = rows[0].split
    found = {row.label for row in rows}
    if missing := [label for label in numbers if label not in found]:
        warn_user(
            f"{about['name']} has no images of {first_few(missing)}"
            + (f" in {split}" if split else ""),
            SplitWarning,
        )
    groups = [row.group for row in rows]
    return DataBunch(
        data=images[start : start + len(rows)],
        target=np.array([numbers[row.label] for row in rows], np.int64),
        groups=None if groups[0] is None else np.asarray(groups),
        filenames=np.array([_file_name(row.image, i) for i, row in enumerate(rows)]),
        split=split,
        **about,
    )


def _file_name(image, i: int) -> str:
    return str(image) if isinstance(image, Path | VolumeFrame) else f"image {i}"


def _decode(sources: list, reading: Reading, cache: Cache) -> tuple[Decoded, Path | None]:
    """Decode the images or read them from the cache, and return the folder of the cache."""
    in_files = all(isinstance(source, Path) for source in sources)
    if cache.wanted not in (None, True, False):
        raise ValueError(f"cache must be None, True or False; got {cache.wanted!r}")
    wanted = len(sources) > CACHED_ABOVE if cache.wanted is None else cache.wanted
    if not (wanted and in_files):
        return reading.decode(sources), None
    options = reading._asdict()
    for name in ("on_error", "n_jobs", "verbose"):
        del options[name]
    options["size"] = int(options["size"])
    kept = CachedImages(sources, options, cache.data_home)
    try:
        return _from_cache(kept, sources, reading), kept.folder
    except OSError as error:
        if cache.wanted:
            raise
        warn_user(
            f"the decoded images cannot be cached in {printable(kept.folder)} ({error}); "
            "they are kept in memory and will be decoded again the next time"
        )
        return reading.decode(sources), None


class _NotKept(Exception):  # noqa: N818 - it does not signal an error
    """Raised with the decoded images to stop the cache from being written."""


def _from_cache(kept: CachedImages, sources: list, reading: Reading) -> Decoded:
    def decode(make_array) -> dict[str, Any]:
        decoded = reading.decode(sources, make_array)
        # After an OSError, reading may succeed the next time, so nothing is cached.
        refused = any(isinstance(error, OSError) for _, error in decoded.errors)
        if decoded.errors and (refused or reading.on_error == "raise"):
            raise _NotKept(decoded._replace(images=np.array(decoded.images)))
        cast(np.memmap, decoded.images).flush()
        others = sorted(set(range(len(sources))) - set(decoded.kept))
        words = [str(error) for _, error in decoded.errors]
        return {
            "n": len(decoded.images),
            "errors": list(zip(others, words, strict=True)),
            "remark": decoded.remark,
        }

    found = kept.read()
    if found is None:
        try:
            kept.write(decode)
        except _NotKept as stop:
            return stop.args[0]
        found = cast(tuple, kept.read())
    images, about = found
    errors = {i: (sources[i], ValueError(words)) for i, words in about["errors"]}
    rows = [i for i in range(len(sources)) if i not in errors]
    return Decoded(
        images, rows, [sources[i] for i in rows], list(errors.values()), about["remark"]
    )
