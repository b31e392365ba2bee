"""Time of loading a folder of JPEG files, compared with Pillow alone.

The script writes synthetic JPEG files of the size of OCT2017's scans into the folders of
two classes. It loads them with `octsk.load_image_folder`. For comparison, it decodes, crops
and resizes them with Pillow in as many threads, and loads them from octsk's cache on disk.
The contenders take turns.
"""

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from PIL import Image

from benchmarks._common import (
    at_least,
    format_ratio,
    new_parser,
    new_result,
    ratios,
    run_interleaved,
    save,
    show,
)
from octsk.utils.tables import Table

MEASURED_ON = "synthetic JPEG files"
WIDTH, HEIGHT, SIZE = 512, 496, 28
# Number of different files. The other files are copies of these with other names.
N_DIFFERENT = 100


def write_files(root: Path, n: int) -> list[Path]:
    """Write `n` JPEG files into the folders of two classes."""
    import octsk

    drawn = octsk.make_oct_phantoms(N_DIFFERENT, size=128, random_state=0)
    contents, files = [], []
    for scan in drawn.data:
        path = root / "one.jpeg"
        Image.fromarray(scan).resize((WIDTH, HEIGHT)).save(path, quality=85)
        contents.append(path.read_bytes())
        path.unlink()
    for i in range(n):
        files.append(root / f"class{i % 2}" / f"{i}.jpeg")
        files[-1].parent.mkdir(exist_ok=True)
        files[-1].write_bytes(contents[i % N_DIFFERENT])
    return files


def by_pillow(files: Sequence[Path], n_jobs: int) -> np.ndarray:
    """Decode, crop and resize files by Pillow alone."""

    def read(file):
        with Image.open(file) as image:
            left = (image.width - image.height) // 2
            square = image.crop((left, 0, left + image.height, image.height)).convert("L")
            return np.asarray(square.resize((SIZE, SIZE), Image.Resampling.BILINEAR))

    with ThreadPoolExecutor(n_jobs) as pool:
        return np.stack([*pool.map(read, files)])


def measure(n: int, repeats: int, n_jobs: int) -> dict[str, Any]:
    """Return the seconds of each contender in each repeat."""
    import octsk

    with tempfile.TemporaryDirectory() as folder:
        root, home = Path(folder, "scans"), Path(folder, "home")
        root.mkdir()
        files = write_files(root, n)
        options: dict[str, Any] = {"size": SIZE, "n_jobs": n_jobs, "data_home": home}

        def seconds(load):
            start = time.perf_counter()
            load()
            return time.perf_counter() - start

        # Load the files once, so that all contenders find them in the system's file cache.
        octsk.load_image_folder(root, **options, cache=True)
        contenders = {
            "octsk": lambda: seconds(
                lambda: octsk.load_image_folder(root, **options, cache=False)
            ),
            "Pillow": lambda: seconds(lambda: by_pillow(files, n_jobs)),
            "octsk, second load": lambda: seconds(
                lambda: octsk.load_image_folder(root, **options, cache=True)
            ),
        }
        return run_interleaved(contenders, repeats)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    parser = new_parser(__doc__)
    parser.add_argument(
        "--n", type=at_least(2), default=10_000, help="files (default %(default)s)"
    )
    parser.add_argument(
        "--repeats", type=at_least(1), default=3, help="repeats (default %(default)s)"
    )
    parser.add_argument(
        "--jobs", type=at_least(1), default=joblib.cpu_count(), help="threads"
    )
    arguments = parser.parse_args(argv)
    settings = {k: getattr(arguments, k) for k in ("n", "repeats", "jobs")}
    result = new_result("loading", settings)
    result["seconds"] = measure(arguments.n, arguments.repeats, arguments.jobs)
    show(tables(result))
    save(result, arguments.output)
    return result


def tables(result: dict[str, Any]) -> list[Table]:
    """Return the tables of a result, which may have been read from its file."""
    seconds = result["seconds"]
    rows = [
        (
            name,
            f"{np.median(values):.2f} s",
            format_ratio(ratios(values, seconds["Pillow"])),
        )
        for name, values in seconds.items()
    ]
    settings = result["settings"]
    note = (
        f"{settings['n']:,} files of {WIDTH} x {HEIGHT} pixels, resized to {SIZE} x {SIZE} "
        f"by {settings['jobs']} threads; median of {settings['repeats']} repeats. The "
        "second load reads the images from the cache on disk."
    )
    header = ("", "time", "times Pillow")
    return [Table("Loading of a folder of JPEG files", header, rows, [note])]


if __name__ == "__main__":
    main()
