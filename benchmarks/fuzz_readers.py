"""Fuzz the file readers with a coverage-guided fuzzer.

Requires atheris (``pip install atheris``; Linux or macOS), which no other part of the
project needs. A reader may return the content or raise a ValueError. Anything else is a
finding, as is a process that is started, a connection that is opened or a pickle that is
loaded. Each kind of finding is printed, and its first file is stored in --findings.
libFuzzer itself stops if a C library crashes, after 60 seconds for one file, or at 6 GB.
(HDF5 may use 4 GB for the length that a name declares; octsk reads names in a process with
limited memory, which a fuzzer could not observe.)

Changed archives would hardly ever have correct checksums. Therefore one member is changed
and put into a new archive; the first byte of an input selects the member.
"""

import argparse
import io
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import atheris

# Python modules whose branches guide the fuzzer. C code cannot be instrumented.
with atheris.instrument_imports(
    include=[
        "PIL",
        "json",
        "numpy.lib._format_impl",
        "octsk.persistence._h5_check",
        "octsk.persistence._octsk_file",
        "octsk.benchmark.record",
        "octsk.evaluation._report",
        "octsk.utils.untrusted",
        "octsk.datasets",
        "octsk.model_selection",
        "optuna.distributions",
        "zipfile",
    ]
):
    import json
    import zipfile

    import keras
    import numpy as np
    from PIL import Image

    import octsk
    from octsk.benchmark import run_benchmark
    from octsk.benchmark.record import read_record
    from octsk.datasets import _npz_images, load_image_files, load_medmnist
    from octsk.datasets._phantoms import draw_splits
    from octsk.evaluation import BenchmarkReport
    from octsk.model_selection import read_search_space
    from octsk.persistence._h5_check import look_through

# Words that mutations of JSON would rarely produce.
_WORDS = (
    *("class_name", "config", "module", "registered_name", "function", "Lambda", "layers"),
    *("keras.layers", "__lambda__", "__numpy__", "units", "filters", "dtype", "shape"),
    *("type", "low", "high", "step", "log", "float", "int", "choices", "attributes"),
    *("CategoricalDistribution", "null", "true", "NaN", "Infinity", "1e999", "9999999999"),
)

# Audit events of Python (https://docs.python.org/3/library/audit_events.html).
_FORBIDDEN = (
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.system",
    "pickle.find_class",
    "socket.connect",
    "subprocess.Popen",
)


def _small_net():
    X, y = octsk.make_oct_phantoms(16, size=8, random_state=0, return_X_y=True)
    return octsk.SmallOCTNet(filters=(2,), dense_units=(2,), epochs=1).fit(X, y)


def _members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, contents in members.items():
            archive.writestr(name, contents)
    return buffer.getvalue()


class Npz:
    """Files of arrays: the whole file, the images, the labels, or the class names."""

    def __init__(self):
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            test_images=np.zeros((4, 3, 3), np.uint8),
            test_labels=np.arange(4),
            class_names=["a", "b", "c", "d"],
        )
        self.honest = buffer.getvalue()
        self.members = _members(self.honest)

    def seeds(self) -> list[bytes]:
        """Return one input of each kind."""
        kinds = [self.honest, *self.members.values()]
        return [bytes([i]) + data for i, data in enumerate(kinds)]

    def file(self, which: int, data: bytes) -> bytes:
        """Return the contents of a file with an input as its member."""
        names = list(self.members)
        which %= len(names) + 1
        return _archive(self.members | {names[which - 1]: data}) if which else data

    def read(self, path: Path) -> None:
        """Read the file with each reader."""
        try:
            load_medmnist(path, mmap=False)
        finally:
            _npz_images.load_npz_images(path)


class Model:
    """Models: the whole file, its estimator, or the members of its network."""

    def __init__(self):
        with tempfile.TemporaryDirectory() as folder:
            _small_net().save(f"{folder}/net.octsk")
            self.honest = Path(folder, "net.octsk").read_bytes()
        self.outer = _members(self.honest)
        self.inner = _members(self.outer["model.keras"])

    def seeds(self) -> list[bytes]:
        """Return one input of each kind."""
        kinds = [self.honest, self.outer["estimator.json"], *self.inner.values()]
        return [bytes([i]) + data for i, data in enumerate(kinds)]

    def file(self, which: int, data: bytes) -> bytes:
        """Return the contents of a file with an input as its member."""
        names = list(self.inner)
        which %= len(names) + 2
        if which == 0:
            return data
        if which == 1:
            return _archive(self.outer | {"estimator.json": data})
        inner = _archive(self.inner | {names[which - 2]: data})
        return _archive(self.outer | {"model.keras": inner})

    def read(self, path: Path) -> None:
        """Load the file."""
        octsk.load(path)


class Plain:
    """Files that are mutated as a whole."""

    def __init__(self, honest: list[bytes], read: Callable[[Path], object]):
        self.honest = honest
        self.read = read

    def seeds(self) -> list[bytes]:
        """Return the valid files."""
        return [b"\0" + data for data in self.honest]

    def file(self, which: int, data: bytes) -> bytes:
        """Return the input itself."""
        return data


def _h5() -> Plain:
    net = _small_net()
    with tempfile.TemporaryDirectory() as folder:
        net.model_.save(f"{folder}/net.h5")
        whole = Path(folder, "net.h5").read_bytes()
    return Plain([whole], _look_through)


def _look_through(path: Path) -> None:
    # octsk runs this check in a separate process, which may end with any of these errors.
    try:
        look_through(path)
    except (
        AttributeError,
        KeyError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(f"{path}: {error}") from error


def _images() -> Plain:
    honest = []
    for kind, modes in (
        ("PNG", ("L", "I;16", "P", "RGBA")),
        ("JPEG", ("L", "RGB")),
        ("TIFF", ("L", "RGB")),
        ("BMP", ("L", "1")),
    ):
        for mode in modes:
            buffer = io.BytesIO()
            Image.new(mode, (5, 4)).save(buffer, kind)
            honest.append(buffer.getvalue())
    return Plain(honest, lambda path: load_image_files(path, size=4, channels=3))


def _space() -> Plain:
    honest = {
        "a": [1, 2.5, "adam", None, [3, 4]],
        "b": {"type": "float", "low": 0.1, "high": 1, "log": True},
        "c": {"type": "int", "low": 1, "high": 9, "step": 2},
        "d": {
            "name": "FloatDistribution",
            "attributes": {"low": 0, "high": 1, "step": 0.1},
        },
    }
    return Plain([json.dumps(honest).encode()], read_search_space)


def _report() -> Plain:
    X, y = octsk.make_oct_phantoms(16, size=8, random_state=0, return_X_y=True)
    net = octsk.SmallOCTNet(filters=(2,), dense_units=(2,), epochs=1).fit(X, y)
    report = octsk.evaluate(net, X, y, n_resamples=2)
    with tempfile.TemporaryDirectory() as folder:
        report.to_json(f"{folder}/report.json")
        text = Path(folder, "report.json").read_bytes()
    return Plain([text], BenchmarkReport.from_json)


def _record() -> Plain:
    from sklearn.dummy import DummyClassifier

    scans = draw_splits({"train": 16, "test": 16}, size=16)
    run = run_benchmark({"dull": DummyClassifier()}, scans)
    return Plain([json.dumps(run.to_dict()).encode()], read_record)


READERS: dict[str, Callable] = {
    "npz": Npz,
    "model": Model,
    "h5": _h5,
    "images": _images,
    "space": _space,
    "report": _report,
    "record": _record,
}


class Watch:
    """Callable that runs a reader on inputs and saves the findings."""

    def __init__(self, reader, folder: Path):
        self.reader = reader
        self.folder = folder
        self.known: set[str] = set()
        self.events: list[str] = []
        self.file = Path(tempfile.mkdtemp()) / "input"
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple) -> None:
        if event in _FORBIDDEN:
            self.events.append(f"{event} {arguments}")

    def __call__(self, data: bytes) -> None:
        """Read one input."""
        contents = self.reader.file(data[0] if data else 0, data[1:])
        self.file.write_bytes(contents)
        self.events.clear()
        try:
            self.reader.read(self.file)
        except Exception as error:
            # An error must name the file, since it may be one of many.
            if not isinstance(error, ValueError) or str(self.file) not in str(error):
                place = traceback.extract_tb(error.__traceback__)[-1]
                kind = f"{type(error).__name__} at {place.filename}:{place.lineno}"
                self._keep(kind, contents)
        for event in self.events:
            self._keep(event, contents)

    def _keep(self, finding: str, contents: bytes) -> None:
        if finding not in self.known:
            self.known.add(finding)
            path = self.folder / f"finding-{len(self.known)}"
            path.write_bytes(contents)
            print(f"{path}: {finding}", flush=True)


def main() -> None:
    """Fuzz one reader for a number of seconds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("reader", choices=READERS)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--findings", type=Path, default=Path("findings"))
    arguments = parser.parse_args()
    keras.utils.disable_interactive_logging()
    reader = READERS[arguments.reader]()
    seeds = Path(tempfile.mkdtemp())
    for i, seed in enumerate(reader.seeds()):
        (seeds / f"seed-{i}").write_bytes(seed)
    longest = max(len(seed) for seed in reader.seeds())
    arguments.findings.mkdir(parents=True, exist_ok=True)
    words = seeds.parent / f"{seeds.name}.dict"
    words.write_text("".join(f'"{word}"\n' for word in _WORDS))
    options = [
        f"-max_total_time={arguments.seconds}",
        f"-max_len={2 * longest}",
        f"-dict={words}",
        "-timeout=60",
        "-rss_limit_mb=6144",
        f"-artifact_prefix={arguments.findings}/",
    ]
    atheris.Setup([sys.argv[0], *options, str(seeds)], Watch(reader, arguments.findings))
    atheris.Fuzz()


if __name__ == "__main__":
    main()
