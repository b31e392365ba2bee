"""B-scans of volumes, which can be used like images in memory."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from octsk.datasets._patients import IN_HEADER
from octsk.datasets._volumes import is_volume, read_volumes


class VolumeFrame:
    """A B-scan of a volume. Its file is read when the pixels are needed.

    Attributes
    ----------
    file : Path
        The file.
    volume : int or None
        Number of the volume, counted from 0, if the file contains several.
    frame : int
        Number of the B-scan in the volume, counted from 0.
    eye : {"R", "L"} or None
        The eye.
    patient : str or None
        The patient's ID.
    shape : tuple of (int, int)
        Height and width.
    """

    def __init__(self, file, volume, frame, eye, patient, shape, get_volumes):
        self.file = file
        self.volume = volume
        self.frame = frame
        self.eye = eye
        self.patient = patient
        self.shape = shape
        self._get_volumes = get_volumes

    def __str__(self):
        volume = "" if self.volume is None else f"{self.volume}."
        return f"{self.file}#{volume}{self.frame}"

    def __array__(self, dtype=None, copy=None):
        pixels = self._get_volumes(self.file)[self.volume or 0].data[self.frame]
        return np.array(pixels, dtype)


class UnreadableVolume(NamedTuple):
    """A file with volumes that cannot be read, and the error."""

    file: Path
    error: Exception

    def __str__(self):
        return str(self.file)


def patient_of(image: Any, group: Any = IN_HEADER) -> Any:
    """Return a known group, or else the patient that the file of a volume names."""
    return getattr(image, "patient", None) if group is IN_HEADER else group


def with_frames(sources: list, bit_depth: int | None = None) -> list[list]:
    """Return a list for each source: the B-scans of a volume, or the source itself.

    A volume that cannot be read becomes an `UnreadableVolume`.
    """
    find_frames = frame_finder(bit_depth)

    def find(source: Any) -> list:
        try:
            return find_frames(source) if isinstance(source, Path) else [source]
        except (OSError, ValueError) as error:
            return [UnreadableVolume(source, error)]

    return [find(source) for source in sources]


def frame_finder(bit_depth: int | None = None) -> Callable[[Path], list]:
    """Return a function that takes a path and returns the B-scans of the volume.

    For the path of any other file, it returns a list that contains the path. The B-scans
    of the last file are kept in memory as long as one of them is in use. If there are
    several files, each is read once to count its B-scans and again to decode them.

    Parameters
    ----------
    bit_depth : int or None
        As in :func:`~octsk.load_volume`.
    """
    get_volumes = lru_cache(maxsize=1)(lambda path: read_volumes(path, bit_depth))

    def find(path: Path) -> list:
        if not is_volume(path):
            return [path]
        volumes = get_volumes(path)
        return [
            VolumeFrame(
                path,
                i if len(volumes) > 1 else None,
                j,
                volume.laterality,
                volume.patient_id,
                volume.data.shape[1:],
                get_volumes,
            )
            for i, volume in enumerate(volumes)
            for j in range(len(volume.data))
        ]

    return find
