"""Loading of image files of any size as small images like those of MedMNIST."""

import errno
import os
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from numbers import Integral
from pathlib import Path
from typing import Any, Literal, NamedTuple

import joblib
import numpy as np

from octsk.datasets._decode import Deep, read_square
from octsk.datasets._volume_frames import UnreadableVolume, with_frames
from octsk.utils.file_kinds import IMAGE_SUFFIXES, VOLUME_SUFFIXES, describe_subfolders
from octsk.utils.untrusted import printable
from octsk.utils.user_warnings import warn_user

# Suffixes of the files that are read from a folder.
SUFFIXES = (*IMAGE_SUFFIXES, *VOLUME_SUFFIXES)

FITS = ("crop", "pad", "squash")

# Bit depths that may be inferred from the highest value of 16-bit pixels.
_DEPTHS = (8, 10, 12, 14, 16)

# Number of files that are passed to a thread at once, because passing them takes time.
_AT_A_TIME = 32

# Maximum number of files that an error or a warning names.
_N_NAMED = 10

Paths = str | os.PathLike | Iterable[str | os.PathLike]


def load_image_files(
    paths,
    *,
    size: int = 28,
    channels: Literal[1, 3] = 1,
    fit: Literal["crop", "pad", "squash"] = "crop",
    bit_depth: int | None = None,
    on_error: Literal["raise", "skip"] = "raise",
    return_files: bool = False,
    n_jobs: int | None = None,
    verbose: int = 0,
):
    """Load PNG, JPEG, TIFF or BMP images of any size as one array of small images.

    Each image is turned upright (EXIF), made grey or RGB, cropped to the square in its
    middle (see `fit`), and resized by antialiased bilinear interpolation. Of the usual
    methods, this one yields the images that are closest to those of OCTMNIST (see Notes),
    so that a network trained on OCTMNIST can classify new scans.

    Parameters
    ----------
    paths : path, image in memory, sequence of these, or folder
        One file, several files, or a folder whose image files are loaded in the order
        of their names; :func:`~octsk.datasets.list_image_files` lists them. Instead of a
        path, an image in memory can be given: the bytes of a file, an open binary file
        such as ``io.BytesIO``, a Pillow image, or an array of shape (h, w), (h, w, 3) or
        (h, w, 4). A file that :func:`~octsk.load_volume` reads, such as a DICOM file or a
        TIFF file with several pages, yields one image for each of its B-scans.
    size : int, default=28
        Height and width of the result, in pixels.
    channels : {1, 3}, default=1
        1 for grey, as OCT scans are, 3 for RGB.
    fit : {"crop", "pad", "squash"}, default="crop"
        How to make an image square. ``"crop"`` cuts out its middle, so that both sides of
        a wide scan are lost. ``"pad"`` centres it on a black square. ``"squash"`` resizes
        height and width by different factors. Use the same value for training and
        prediction.
    bit_depth : int, default=None
        Number of bits that grey 16-bit images use, up to 16. If None, it is read from the
        file or estimated from all images together (see Notes).
    on_error : {"raise", "skip"}, default="raise"
        What to do if images cannot be read: raise one error that names them, or leave
        them out with a warning.
    return_files : bool, default=False
        Whether to return the files of the images as well.
    n_jobs : int, default=None
        Number of threads that decode files, as in joblib. If None, one for each core.
        Images in memory are decoded in a single thread.
    verbose : int, default=0
        Whether to show a progress bar on stderr.

    Returns
    -------
    images : ndarray of shape (n_files, size, size) or (n_files, size, size, 3)
        Dtype uint8, 0 black to 255 white. Row ``i`` is file ``i``, not counting those
        left out.
    files : list
        The path of the file of each row as a :class:`pathlib.Path`, or the image in memory
        as it was given. For a B-scan of a volume, an object with the attributes ``file``,
        ``volume`` (None if the file contains only one) and ``frame``. Only returned if
        `return_files` is True.

    Warns
    -----
    UserWarning
        If images are left out, or if a depth below 16 bits is assumed.

    Raises
    ------
    FileNotFoundError
        If files do not exist, and all others can be read.
    TypeError
        If `paths` is neither a path nor an image nor a sequence of these.
    ValueError
        If there are no images or none can be read; if a file is not an image, is
        truncated, has several pages, has pixels without a defined range (32-bit integers,
        floats), has 16-bit colours that use at most 14 bits, or has more than 2**26 pixels;
        or if pixels exceed `bit_depth`.

    Notes
    -----
    Grey 16-bit images are scaled to 8 bits by the depth that their file states (in TIFF
    files BitsPerSample below 16 or MaxSampleValue, in PNG files the chunk sBIT), unless a
    pixel exceeds it. For all other images of a call, one depth is assumed, the lowest of
    8, 10, 12, 14 and 16 bits that contains their highest pixel, so that their brightness
    stays comparable. A warning is issued if it is below 16 bits. Transparent parts become
    black, like the background of an OCT scan.

    For a scan that is available both as a JPEG of Kermany et al. [2]_ and as an image of
    OCTMNIST [1]_, the two differ by 1.7 grey levels on average after bilinear resizing,
    and by 2.7 after bicubic resizing.

    References
    ----------
    .. [1] Yang et al., MedMNIST v2, Scientific Data 10(1):41, 2023.
    .. [2] Kermany et al., Identifying Medical Diagnoses and Treatable Diseases by
       Image-Based Deep Learning, Cell 172(5):1122-1131.e9, 2018.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from octsk.datasets import load_image_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("L", (768, 496), color=40).save(Path(folder, "scan.png"))
    ...     images = load_image_files(folder)
    >>> images.shape, images.dtype, int(images.max())
    ((1, 28, 28), dtype('uint8'), 40)
    """
    reading = Reading(size, channels, fit, bit_depth, on_error, n_jobs, verbose)
    reading.check()
    decoded = reading.decode(_with_frames(paths, bit_depth))
    reading.report(decoded)
    return (decoded.images, decoded.sources) if return_files else decoded.images


class Decoded(NamedTuple):
    """Decoded small images, with the errors and assumptions made on the way.

    Attributes
    ----------
    images : ndarray of shape (n, size, size) or (n, size, size, 3), dtype uint8
        The images that can be read.
    kept : list of int
        The positions of these images among all sources.
    sources : list
        The paths or images in memory from which these images were decoded.
    errors : list of tuple
        Source and exception of each image that cannot be read.
    remark : str or None
        A sentence about the depth that was assumed for 16-bit pixels.
    """

    images: np.ndarray
    kept: list[int]
    sources: list
    errors: list[tuple[Any, Exception]]
    remark: str | None = None


class Reading(NamedTuple):
    """How image files are read; the parameters are those of `load_image_files`."""

    size: int = 28
    channels: Literal[1, 3] = 1
    fit: str = "crop"
    bit_depth: int | None = None
    on_error: str = "raise"
    n_jobs: int | None = None
    verbose: int = 0

    def check(self) -> None:
        """Raise a ValueError if a parameter is invalid."""
        size = self.size
        if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
            raise ValueError(
                f"size must be a whole number of pixels, at least 1; got {size!r}"
            )
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 (grey) or 3 (RGB); got {self.channels!r}")
        if self.fit not in FITS:
            raise ValueError(f"fit must be 'crop', 'pad' or 'squash'; got {self.fit!r}")
        if self.bit_depth is not None and self.bit_depth not in range(1, 17):
            raise ValueError(f"bit_depth must be None or 1 to 16; got {self.bit_depth!r}")
        if self.on_error not in ("raise", "skip"):
            raise ValueError(f"on_error must be 'raise' or 'skip'; got {self.on_error!r}")
        n_jobs = self.n_jobs
        if n_jobs is not None and (not isinstance(n_jobs, Integral) or n_jobs == 0):
            raise ValueError(
                f"n_jobs must be None or a whole number other than 0; got {n_jobs!r}"
            )

    def decode(self, sources: list, make_array=np.empty) -> Decoded:
        """Decode files and images in memory.

        `make_array` takes a shape and a dtype and returns the array in which the images
        are stored. It may be memory-mapped.
        """
        size = int(self.size)
        shape = (size, size) if self.channels == 1 else (size, size, 3)
        images = make_array((len(sources), *shape), np.uint8)
        deep: dict[int, Deep] = {}
        kept: list[int] = []
        errors: list[tuple[Any, Exception]] = []
        for i, image in enumerate(self._decoded(sources)):
            if isinstance(image, Exception):
                errors.append((sources[i], image))
                continue
            if isinstance(image, Deep):
                deep[len(kept)] = image
            else:
                images[len(kept)] = image
            kept.append(i)
        remark = _fill_in(images, deep, self.bit_depth, len(kept))
        kept_sources = [sources[i] for i in kept] if errors else sources
        return Decoded(images[: len(kept)], kept, kept_sources, errors, remark)

    def report(self, decoded: Decoded) -> None:
        """Raise an error or warn about images that cannot be read."""
        if decoded.remark:
            warn_user(decoded.remark)
        errors, n = decoded.errors, len(decoded.images) + len(decoded.errors)
        if errors:
            if self.on_error == "raise" or not len(decoded.images):
                raise combined_error(errors, n)
            warn_user(f"{len(errors)} of {n} images are left out: {_first_of(errors)}")

    def _decoded(self, sources: list) -> Iterator:
        """Yield each image as an array or `Deep`, or the error of its file."""
        from tqdm.auto import tqdm

        tasks = (
            (
                source,
                printable(source) if isinstance(source, Path) else f"image {i}",
                int(self.size),
                self.channels,
                self.bit_depth,
                self.fit,
            )
            for i, source in enumerate(sources)
        )
        in_memory = not all(isinstance(source, Path) for source in sources)
        n_jobs = joblib.cpu_count() if self.n_jobs is None else int(self.n_jobs)
        if in_memory or n_jobs == 1 or len(sources) == 1:
            results: Iterable = (_read_or_error(*task) for task in tasks)
        else:
            # Pillow decodes and resizes without holding Python's global lock.
            pool = joblib.Parallel(n_jobs, prefer="threads", return_as="generator")
            parts = iter(lambda: [*islice(tasks, _AT_A_TIME)], [])
            results = chain.from_iterable(pool(map(joblib.delayed(_read_all), parts)))
        # With the delay, no bar appears if there is nothing to wait for.
        yield from tqdm(
            results,
            total=len(sources),
            desc="decoding images",
            unit="file",
            delay=1,
            disable=not self.verbose,
        )


def _read_all(tasks) -> list:
    return [_read_or_error(*task) for task in tasks]


def _read_or_error(*task):
    if isinstance(task[0], UnreadableVolume):
        return task[0].error
    try:
        return read_square(*task)
    except (OSError, ValueError) as error:
        return error


def combined_error(errors: list[tuple[Any, Exception]], n: int) -> Exception:
    """Return one error that lists all errors; `n` is the number of images."""
    if len(errors) == 1:
        return errors[0][1]
    kinds = {type(error) for _, error in errors}
    kind = kinds.pop() if len(kinds) == 1 else ValueError
    return kind(
        f"{len(errors)} of {n} image files cannot be read (on_error='skip' leaves them "
        f"out): {_first_of(errors)}"
    )


def error_words(error: Exception) -> str:
    """Return the message of an error about one file, beginning with the file name."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{printable(error.filename)}: {error.strerror}"
    return str(error)


def _first_of(errors) -> str:
    words = [error_words(error) for _, error in errors[:_N_NAMED]]
    if len(errors) > _N_NAMED:
        words.append(f"and {len(errors) - _N_NAMED:,} more")
    return "; ".join(words)


def _fill_in(
    images: np.ndarray, deep: dict[int, Deep], bit_depth: int | None, n: int
) -> str | None:
    """Scale images of more than 8 bits; return a remark about an assumed depth."""
    others = [image.highest for image in deep.values() if image.bits is None]
    highest = max(others, default=0)
    if others and bit_depth is not None:
        raise ValueError(
            f"bit_depth={bit_depth} does not fit images with pixels up to {highest:,}"
        )
    assumed = next(bits for bits in _DEPTHS if highest < 2**bits)
    for i, image in deep.items():
        top = 2 ** (image.bits or assumed) - 1
        grey = np.rint(image.pixels * (255 / top))
        images[i] = grey if images.ndim == 3 else grey[..., np.newaxis]
    dark = [one for one in others if 0 < one < 2**12]
    if dark and assumed == 16:
        return (
            f"{len(dark)} of {n} images have 16-bit pixels, of which none is above "
            f"{max(dark):,}, while others have pixels up to {highest:,}: the former become "
            "dark, because 0..65,535 is scaled to 0..255 in all images. If their depth is "
            "lower, load them separately"
        )
    if not highest or assumed == 16:
        return None
    return (
        f"{len(others)} of {n} images have 16-bit pixels, of which none is above "
        f"{highest:,}: they are read as {assumed}-bit images, and 0..{2**assumed - 1:,} is "
        "scaled to 0..255. Pass bit_depth=16 if they use the whole range"
    )


def list_image_files(paths: Paths) -> list[Path]:
    """List the image files of a path, a sequence of paths or a folder.

    Parameters
    ----------
    paths : path, sequence of paths, or folder
        As in :func:`~octsk.load_image_files`. From a folder, all files with the suffix of
        a PNG, JPEG, TIFF or BMP image or of an OCT volume are listed, except hidden files
        and those in subfolders.

    Returns
    -------
    files : list of pathlib.Path
        The files of a folder sorted by name, or the given files in their order.

    Raises
    ------
    FileNotFoundError
        If a path does not exist.
    TypeError
        If `paths` contains images in memory.
    ValueError
        If there is no image file.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from octsk.datasets import list_image_files
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.jpeg", "a.PNG", "notes.txt"):
    ...         Path(folder, name).touch()
    ...     [file.name for file in list_image_files(folder)]
    ['a.PNG', 'b.jpeg']
    """
    files = _sources(paths)
    if not all(isinstance(file, Path) for file in files):
        raise TypeError("paths must not contain images in memory, which have no file")
    if errors := [(file, error) for file in files if (error := _why_no_file(file))]:
        raise combined_error(errors, len(files))
    return files


def _why_no_file(path: Path) -> Exception | None:
    if path.is_dir():
        return ValueError(
            f"{printable(path)} is a folder; pass it alone, or pass its files"
        )
    if not path.exists():
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return None


def _with_frames(paths, bit_depth: int | None) -> list:
    """Return the sources, in which each volume is replaced by its B-scans."""
    return [*chain.from_iterable(with_frames(_sources(paths), bit_depth))]


def _sources(paths) -> list:
    """Return the paths and in-memory images of `paths` without opening them."""
    if isinstance(paths, str | os.PathLike):
        path = Path(paths).expanduser()
        return _images_in(path) if path.is_dir() else [path]
    if _is_image(paths):
        return [paths]
    try:
        sources = [one if _is_image(one) else Path(one).expanduser() for one in paths]
    except TypeError as error:
        raise TypeError(
            "paths must be a path, a folder, an image in memory (bytes, an open binary "
            f"file, a Pillow image, an array), or a sequence of these; got {paths!r:.60}"
        ) from error
    if not sources:
        raise ValueError("paths is empty; it must contain at least one image")
    return sources


def _is_image(source: Any) -> bool:
    from PIL import Image

    if isinstance(source, Image.Image | bytes | bytearray | memoryview):
        return True
    if hasattr(source, "__array__"):
        # An array of another shape contains several images.
        shape = tuple(getattr(source, "shape", ()))
        return len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    return hasattr(source, "read")


def _images_in(folder: Path) -> list[Path]:
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() in SUFFIXES
        and not file.name.startswith(".")
        and not file.is_dir()
    )
    if files:
        return files
    message = f"no image file in {printable(folder)}: looked for {', '.join(SUFFIXES)}"
    if subfolders := describe_subfolders(folder):
        message += (
            f". Its subfolders contain images: {subfolders}. Pass one of them or a list of "
            "all files, or use octsk.load_image_folder, which reads classes and splits"
        )
    raise ValueError(message)
