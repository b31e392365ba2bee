"""Reading of device files by oct-converter, in a separate process with limits.

The readers of oct-converter trust the contents of a file, so that a damaged file can make
them loop forever or allocate any amount of memory. They also print to standard output.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np

from octsk.datasets._volume_readers import EYES, Scan, as_spacing, as_text
from octsk.datasets._volume_readers import missing_extra as _missing_extra
from octsk.utils.processes import run_reader

# Limit of memory: a part for the modules, and a part for each byte of the file. Files in
# .e2e format need the most, because their pixels of 2 bytes become floats of 8 bytes.
_BASE_BYTES = 2**30
_BYTES_PER_BYTE = 24

# Limit of time: a part for any file, and a part for each MiB.
_SECONDS = 60
_SECONDS_PER_MIB = 1

# Maximum number of characters of an error message from oct-converter.
_MAX_WORDS = 200


def read_in_process(path: Path, kind: str) -> list[Scan]:
    """Read a device file with oct-converter, in a separate process.

    Parameters
    ----------
    path : Path
        The file.
    kind : {"e2e", "topcon", "bioptigen", "zeiss"}
        The format of the file.

    Returns
    -------
    scans : list of Scan
        The volumes in the file.

    Raises
    ------
    ImportError
        If oct-converter is not installed.
    ValueError
        If the file cannot be read, or if reading it exceeds the limit of memory or time.
    """
    with tempfile.TemporaryDirectory() as folder:
        seconds = _SECONDS + _SECONDS_PER_MIB * path.stat().st_size / 2**20
        arguments = os.fspath(path), kind, folder
        try:
            done = run_reader(__file__, *arguments, timeout=seconds, MPLBACKEND="agg")
        except subprocess.TimeoutExpired:
            raise ValueError(f"it cannot be read in {seconds:.0f} seconds") from None
        answer = Path(folder, "answer.json")
        if done.returncode or not answer.exists():
            raise ValueError(
                "the process that reads it died, perhaps because memory ran out"
            )
        found = json.loads(answer.read_text("utf-8"))
        if found["error"] == "ImportError":
            raise _missing_extra("oct-converter", "this file")
        if found["error"]:
            raise ValueError(found["error"])
        return [
            Scan(
                np.load(Path(folder, f"{i}.npy")), **{**one, "spacing": (*one["spacing"],)}
            )
            for i, one in enumerate(found["scans"])
        ]


def main(path: Path, kind: str, folder: Path) -> None:
    """Write the volumes of a file and their metadata, or an error, to a folder."""
    error, scans = None, []
    chatter = io.StringIO()
    try:
        with contextlib.redirect_stdout(chatter), np.errstate(all="ignore"):
            # oct-converter only warns about B-scans that it leaves out.
            warnings.filterwarnings("error", message="Could not reshape")
            import oct_converter.readers  # noqa: F401

            _limit_memory(_BASE_BYTES + _BYTES_PER_BYTE * path.stat().st_size)
            scans = _READERS[kind](path)
        # After this message, oct-converter goes on with uninitialized pixels.
        if "Stopping load" in chatter.getvalue():
            raise ValueError("its B-scans are incomplete")
        if not scans:
            raise ValueError("it contains no B-scans")
    except ImportError:
        error = "ImportError"
    except MemoryError:
        error = "reading it needs more memory than a file of this size should"
    except Exception as caught:
        words = " ".join(str(caught).split())
        error = words[:_MAX_WORDS] or type(caught).__name__
    about = []
    for i, scan in enumerate(scans if error is None else []):
        np.save(folder / f"{i}.npy", scan.pixels)
        about.append({**scan._asdict(), "pixels": None})
        del about[-1]["pixels"]
    answer = json.dumps({"error": error, "scans": about})
    (folder / "answer.json").write_text(answer, "utf-8")


def _limit_memory(n_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, n_bytes))


def _read_e2e(path: Path) -> list[Scan]:
    from oct_converter.readers import E2E

    return [
        Scan(
            np.stack([np.rint(255 * one).astype(np.uint8) for one in found.volume]),
            8,
            laterality=EYES.get(str(found.laterality)),
            patient_id=as_text(found.patient_id),
            # The other two distances are constants in oct-converter, not measurements.
            spacing=as_spacing(None, (found.pixel_spacing or [None, None])[1], None),
            device="Heidelberg Spectralis",
        )
        for found in E2E(path).read_oct_volume()
    ]


def _read_topcon(path: Path) -> list[Scan]:
    from oct_converter.readers import FDA, FDS, fda, fds

    # oct-converter 0.7 calls np.fromstring for bytes, which NumPy 2.3 has removed.
    for module in (fda, fds):
        module.np = _NumPy(module.np)
    reader = FDA(path)
    if b"@IMG_SCAN_03" in reader.chunk_dict:
        reader = FDS(path)
    metadata = _without_dates(reader.read_all_metadata())
    reader.read_all_metadata = lambda: metadata
    found = reader.read_oct_volume()
    if found.volume is None:
        return []
    about = found.metadata
    device = about.get("hw_info_03") or about.get("hw_info_02") or about.get("hw_info_01")
    width, between, height = found.pixel_spacing or (None, None, None)
    return [
        Scan(
            _unsigned(np.stack(found.volume)),
            (found.oct_header or {}).get("bits_per_pixel"),
            laterality=EYES.get(str(found.laterality)),
            patient_id=as_text(found.patient_id),
            spacing=as_spacing(between, height, width),
            device=as_text(f"Topcon {(device or {}).get('model_name', '')}"),
        )
    ]


def _without_dates(metadata: dict) -> dict:
    """Replace entries that octsk does not use, so that oct-converter accepts them.

    It raises an error if they are invalid, as they may be in anonymized files.
    """
    for name in ("patient_info_02", "patient_info"):
        metadata.get(name, {}).update(sex=None, birth_date=None)
    capture = metadata.get("capture_info_02") or metadata.setdefault("capture_info", {})
    capture["cap_date"] = (1970, 1, 1)
    if capture.get("eye") not in (0, 1):
        capture["eye"] = None
    return metadata


class _NumPy:
    """NumPy with `fromstring` for bytes."""

    def __init__(self, numpy):
        self._numpy = numpy
        self.fromstring = numpy.frombuffer

    def __getattr__(self, name):
        return getattr(self._numpy, name)


def _read_bioptigen(path: Path) -> list[Scan]:
    from oct_converter.readers import BOCT

    found = BOCT(path).read_oct_volume()
    # The file contains a series of volumes or of B-scans, in which each row is an A-scan.
    pixels = np.concatenate([one.volume for one in found]).swapaxes(1, 2)
    eye = EYES.get(str(found[0].laterality))
    return [Scan(_unsigned(pixels), laterality=eye, device="Bioptigen")]


def _read_zeiss(path: Path) -> list[Scan]:
    from oct_converter.readers import IMG

    # The file contains nothing but pixels. Each A-scan has 1024 of them.
    rows, size = 1024, path.stat().st_size
    named = re.search(r"(\d{1,4})x(\d{1,4})", path.name)
    columns, n = map(int, named.groups()) if named else (512, size // (rows * 512))
    if size != n * rows * columns or not size:
        raise ValueError(
            f"it has {size:,} bytes, which are not {n} B-scans of {columns} A-scans of "
            f"{rows} pixels; if the file contains other numbers of A-scans and B-scans, "
            "add them to its name, such as 200x200"
        )
    found = IMG(path).read_oct_volume(rows, columns)
    return [
        Scan(
            np.stack(found.volume),
            8,
            laterality=EYES.get(str(found.laterality)),
            patient_id=as_text(found.patient_id),
            device="Zeiss Cirrus",
        )
    ]


def _unsigned(pixels: np.ndarray) -> np.ndarray:
    """Return B-scans of shape (n, h, w) as unsigned integers."""
    if pixels.ndim == 4:
        pixels = np.rint(pixels[..., :3].mean(axis=3)).astype(np.uint8)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"its pixels are {pixels.dtype}, not of 8 or 16 bits")
    return pixels


_READERS = {
    "e2e": _read_e2e,
    "topcon": _read_topcon,
    "bioptigen": _read_bioptigen,
    "zeiss": _read_zeiss,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
