"""Files are whole or absent: killed writers, full disks, folders that take no files."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from functools import cached_property, partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from disks import largest_file, make_read_only, mounted
from helpers import TINY, toy_images
from PIL import Image
from sklearn.utils import Bunch
from typer.testing import CliRunner

import octsk
from octsk.benchmark import run_benchmark
from octsk.cli import _app as cli
from octsk.cli import evaluate, predict
from octsk.datasets import load_medmnist
from octsk.tuning import tune
from octsk.utils.files import (
    atomic_folder,
    atomic_write,
    check_output,
    lock_beside,
    remove_temporaries,
    temporaries_of,
    write_text,
)
from octsk.utils.json import write_json


@pytest.fixture(scope="module")
def net():
    return octsk.SmallOCTNet(**{**TINY, "dense_units": (2000,)}).fit(*toy_images(12))


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "disk", "size=1m") as folder:
        yield folder


@pytest.fixture
def read_only(tmp_path):
    with mounted(tmp_path / "disk", "size=1m") as folder:
        (folder / "old").write_text("old")
        make_read_only(folder)
        yield folder


def write_npz(path, side=28):
    rng = np.random.default_rng(0)
    images = {
        f"{split}_images": rng.integers(0, 256, (400, side, side), np.uint8)
        for split in ("train", "val", "test")
    }
    labels = {f"{split}_labels": np.arange(400) % 4 for split in ("train", "val", "test")}
    np.savez_compressed(path, **images, **labels)
    return path


def assert_names_what_was_given(error, folder):
    named = Path(error.filename).relative_to(folder)
    # As the names of temporary files do.
    assert not any(part.startswith(".") for part in named.parts)


# How each kind of file is written that is larger than the megabyte there is.
def write_model(folder, net):
    net.save(folder / "old")


def write_record(folder, net):
    write_json(folder / "old", list(range(10**6)))


def write_checkpoint(folder, net):
    octsk.SmallOCTNet(**net.get_params()).set_params(
        checkpoint_dir=folder / "checkpoints"
    ).fit(*toy_images(12))


def write_export(folder, net, format):
    net.export(folder / "new", format=format)


WRITERS = {
    "model": write_model,
    "record": write_record,
    "checkpoint": write_checkpoint,
    "onnx": partial(write_export, format="onnx"),
    "tflite": partial(write_export, format="tflite"),
    "saved_model": partial(write_export, format="saved_model"),
}
SLOW = {"onnx", "tflite"}
KINDS = [
    pytest.param(kind, marks=[pytest.mark.slow] if kind in SLOW else []) for kind in WRITERS
]


# NumPy 2.1 does not close the archive that it could not write.
ignore_open_archive = pytest.mark.filterwarnings(
    "ignore:.*ZipFile.__del__:pytest.PytestUnraisableExceptionWarning"
)


@ignore_open_archive
@pytest.mark.parametrize("kind", KINDS)
def test_full_disk(kind, net, small_disk):
    (small_disk / "old").write_text("old")
    with pytest.raises(OSError, match="No space left") as caught:
        WRITERS[kind](small_disk, net)
    assert caught.value.errno == errno.ENOSPC
    # What the system does not tell: which file it was.
    assert_names_what_was_given(caught.value, small_disk)
    assert (small_disk / "old").read_text() == "old"
    left = [path for path in small_disk.rglob("*") if path.is_file()]
    assert [path.name for path in left if path.suffix != ".lock"] == ["old"]
    assert not (small_disk / "new").exists()


@ignore_open_archive
@pytest.mark.parametrize("kind", KINDS)
def test_file_larger_than_the_system_lets_it_be(kind, net, tmp_path):
    with largest_file(2**18), pytest.raises(OSError, match="File too large"):
        WRITERS[kind](tmp_path, net)
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert [name for name in left if not name.endswith(".lock")] == []
    assert not (tmp_path / "new").exists()


# --- Outputs of several files --------------------------------------------------------


class Outputs:
    """What is written as a page, a model card, tables and figures, and how."""

    def __init__(self, folder):
        train, test = (
            Bunch(**octsk.make_oct_phantoms(24, random_state=k) | {"split": split})
            for k, split in enumerate(("train", "test"))
        )
        self.data = Bunch(name="phantoms", synthetic=True, train=train, test=test)
        net = octsk.SmallOCTNet(**TINY)
        self.run = run_benchmark({"small": net}, self.data)
        self.net = self.run.estimators["small"]
        self.report = self.run.first
        self.scan = folder / "scan.png"
        Image.fromarray(test.data[0]).save(self.scan)

    @cached_property
    def tuned(self):
        search = octsk.OCTSearchCV(self.net, {"epochs": [1]}, n_trials=1, cv=2)
        return tune(search, self.data)

    def writer(self, kind):
        return getattr(self, f"write_{kind}", partial(self.net.export, format=kind))

    def write_evaluation(self, folder):
        test = self.data.test
        evaluate._write_evaluation(folder, self.report, self.net, test, "small.octsk")

    def write_run(self, folder):
        self.run.save(folder)

    def write_tuned(self, folder):
        self.tuned.save(folder)

    def write_predictions(self, folder):
        words = ["small.octsk", self.scan, "--output", folder / "predictions.csv"]
        with pytest.MonkeyPatch.context() as patch:
            # Reading it would need a temporary file, which may not be here.
            patch.setattr(predict, "load_model", lambda path: self.net)
            result = CliRunner().invoke(cli.app, ["--debug", "predict", *map(str, words)])
        if result.exit_code:
            raise result.exception


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    return Outputs(tmp_path_factory.mktemp("outputs"))


# Those whose folder is whole or absent. Of the others each file is.
WHOLE = {"run", "tuned", "evaluation"}
OUTPUTS = ["evaluation", "predictions", pytest.param("run", marks=pytest.mark.slow)]
OUTPUTS += [pytest.param("tuned", marks=pytest.mark.slow)]


def files_in(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.mark.parametrize("kind", OUTPUTS)
def test_each_file_in_turn_too_large(kind, outputs, tmp_path):
    write = outputs.writer(kind)
    write(tmp_path / "whole")
    whole = files_in(tmp_path / "whole")
    for path, contents in whole.items():
        folder = tmp_path / "-".join(path.parts)
        with (
            largest_file(len(contents) - 1),
            pytest.raises(OSError, match="File too large") as caught,
        ):
            write(folder)
        named = Path(caught.value.filename).relative_to(folder)
        # That one, or one as large that comes before it.
        assert len(whole[named]) >= len(contents)
        written = files_in(folder)
        assert named not in written
        assert written.items() <= whole.items()
        if kind in WHOLE:
            assert not folder.exists()
    # Temporary ones would stand beside.
    assert len(list(tmp_path.iterdir())) <= 1 + len(whole)


@pytest.mark.parametrize("kind", OUTPUTS)
def test_full_disk_for_outputs(kind, outputs, tmp_path):
    write = outputs.writer(kind)
    write(tmp_path / "whole")
    whole = files_in(tmp_path / "whole")
    with mounted(tmp_path / "disk", "size=64k") as disk:
        # Room for a part of them, in pages of memory.
        room = 4096 if kind == "predictions" else 32768
        (disk / "filler").write_bytes(bytes(2**16 - room))
        if kind == "predictions":
            (disk / "more").write_bytes(bytes(4096))
        with pytest.raises(OSError, match="No space left") as caught:
            write(disk / "new")
        named = Path(caught.value.filename)
        assert named.is_relative_to(disk / "new")
        assert_names_what_was_given(caught.value, disk)
        assert files_in(disk / "new").items() <= whole.items()
        assert {path.name for path in disk.iterdir()} <= {"filler", "more", "new"}
        if kind in WHOLE:
            assert not (disk / "new").exists()


@pytest.mark.parametrize("kind", OUTPUTS)
def test_read_only_folder_for_outputs(kind, outputs, read_only):
    with pytest.raises(OSError, match="Read-only file system") as caught:
        outputs.writer(kind)(read_only / "new")
    assert Path(caught.value.filename) == read_only / "new"


# Where each is killed: when a file has so many bytes and the next is written.
KILLED_AT = {
    "evaluation": 6_000,
    "predictions": 50,
    "run": 6_000,
    "onnx": 10_000,
    "saved_model": 10_000,
}

# In a process of its own, where TensorFlow is loaded and not started, so that its children
# can start it.
KILLED = """
import os, resource, signal, sys
from pathlib import Path
from test_files import KILLED_AT, Outputs

folder = Path(sys.argv[1])
for kind, size in KILLED_AT.items():
    (folder / kind).mkdir()
    if (pid := os.fork()) == 0:
        try:
            write = Outputs(folder).writer(kind)
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
            # Which Python ignores, to have an error instead.
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            write(folder / kind / "new")
        finally:
            os._exit(1)
    print(kind, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the test forks")
def test_killed_in_the_midst_of_a_file(tmp_path):
    (tmp_path / "temporary").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(sys.path),
            "TMPDIR": str(tmp_path / "temporary"),
        },
        capture_output=True,
        text=True,
    )
    killed = [f"{kind} {-signal.SIGXFSZ}" for kind in KILLED_AT]
    assert done.stdout.splitlines() == killed, done.stderr
    for kind, size in KILLED_AT.items():
        files = files_in(tmp_path / kind)
        # What is cut off there has a temporary name, or is in a folder that has.
        shown = {k: v for k, v in files.items() if not str(k).startswith(".")}
        shown = {k: v for k, v in shown.items() if not k.name.startswith(".")}
        assert all(len(contents) < size for contents in shown.values())
        if kind != "evaluation":
            assert not shown
        assert files or kind == "saved_model"


def test_full_disk_for_unpacked_images(small_disk, tmp_path, monkeypatch):
    path = write_npz(tmp_path / "set.npz", side=64)
    monkeypatch.setenv("OCTSK_DATA", str(small_disk))
    with pytest.raises(OSError, match=r"mapping train_images needs 1,638,528 bytes"):
        load_medmnist(path, mmap=True)
    # And where the room was taken after the look at it.
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**9))
    with pytest.raises(OSError, match="No space left"):
        load_medmnist(path, mmap=True)
    left = [path for path in small_disk.rglob("*") if path.is_file()]
    assert [path.name for path in left] == [".train_images.npy.lock"]


@pytest.mark.parametrize("kind", KINDS)
def test_read_only_folder(kind, net, read_only):
    with pytest.raises(OSError, match="Read-only file system") as caught:
        WRITERS[kind](read_only, net)
    assert_names_what_was_given(caught.value, read_only)
    assert (read_only / "old").read_text() == "old"


def test_data_in_a_read_only_folder_are_read(tmp_path):
    with mounted(tmp_path / "disk", "size=4m") as folder:
        write_npz(folder / "octmnist.npz")
        make_read_only(folder)
        with pytest.warns(UserWarning, match="not the published file"):
            images = octsk.fetch_octmnist(data_home=folder, split="test")
        assert images.data.shape == (400, 28, 28)
        with pytest.raises(OSError, match="Read-only file system") as caught:
            octsk.fetch_octmnist(data_home=folder, size=64)
        assert Path(caught.value.filename).name == "octmnist_64.npz"


def test_folder_that_fails_is_absent(tmp_path):
    def write(folder):
        with atomic_folder(folder) as new:
            (new / "first").touch()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write(tmp_path / "folder")
    assert not list(tmp_path.iterdir())


def test_folder_that_exists_stays_the_same_and_changes_at_the_end_alone(tmp_path):
    (tmp_path / "old").touch()
    inode = tmp_path.stat().st_ino

    def fail(old):
        with atomic_folder(tmp_path, old) as new:
            (new / "new").touch()
            raise RuntimeError

    with pytest.raises(FileExistsError, match=r"already contains files \(old\)"):
        fail([])
    with pytest.raises(RuntimeError):
        fail([tmp_path / "old"])
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    with atomic_folder(tmp_path, old=[tmp_path / "old"]) as new:
        (new / "sub").mkdir()
        (new / "sub" / "new").touch()
        assert (tmp_path / "old").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["sub"]
    assert tmp_path.stat().st_ino == inode


def test_folder_that_another_process_has_filled_meanwhile(tmp_path):
    def write():
        with atomic_folder(tmp_path) as new:
            (new / "ours").touch()
            (tmp_path / "theirs").touch()

    with pytest.raises(FileExistsError, match=r"already contains files \(theirs\)"):
        write()
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


@pytest.mark.parametrize("there", [True, False])
def test_a_folder_is_rid_of_what_killed_writers_left(there, tmp_path):
    folder = tmp_path / "run"
    if there:
        folder.mkdir()
    place = folder if there else tmp_path
    (place / ".run-0123abcd").mkdir()
    (place / ".run-0123abcd" / "half").touch()
    (place / ".run.lock").touch()
    with atomic_folder(folder) as new:
        (new / "whole").touch()
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    assert {path.name for path in folder.iterdir()} == {"whole"}


def test_a_folder_that_another_process_writes_is_left_to_it(tmp_path):
    with atomic_folder(tmp_path / "run") as new:
        (new / "theirs").touch()
        with (
            pytest.raises(BlockingIOError, match="another process is using it"),
            atomic_folder(tmp_path / "run"),
        ):
            pass
        assert (new / "theirs").exists()
    assert {path.name for path in tmp_path.rglob("*")} == {"run", "theirs"}


def write_zip(path):
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr("a", "b")


def test_streams_get_the_bytes_and_stay_what_they_are(tmp_path):
    write_zip("/dev/null")
    assert Path("/dev/null").is_char_device()
    fifo = tmp_path / "fifo.zip"
    os.mkfifo(fifo)
    received = []
    reader = threading.Thread(target=lambda: received.append(fifo.read_bytes()))
    reader.start()
    write_zip(fifo)
    reader.join()
    assert fifo.is_fifo()
    assert zipfile.ZipFile(io.BytesIO(received[0])).read("a") == b"b"
    assert [path.name for path in tmp_path.iterdir()] == ["fifo.zip"]


@pytest.mark.parametrize("link", [False, True])
def test_open_descriptor_is_written_where_it_stands(tmp_path, link):
    with open(tmp_path / "file", "wb", buffering=0) as file:
        name = f"/dev/fd/{file.fileno()}"
        if link:
            (tmp_path / "link").symlink_to(name)
            name = tmp_path / "link"
        file.write(b"before\n")
        with atomic_write(name) as temporary:
            temporary.write_text("contents\n")
        file.write(b"after\n")
    assert (tmp_path / "file").read_text() == "before\ncontents\nafter\n"
    with pytest.raises(OSError, match="Bad file descriptor") as caught:
        write_zip("/dev/fd/987")
    assert caught.value.filename == "/dev/fd/987"


def test_stream_gets_nothing_of_a_writer_that_fails(tmp_path):
    def fail(path):
        with atomic_write(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with open(tmp_path / "file", "wb") as file, pytest.raises(RuntimeError):
        fail(f"/dev/fd/{file.fileno()}")
    assert (tmp_path / "file").read_bytes() == b""


SAME = {
    "itself": lambda path: path,
    "relative": lambda path: os.path.relpath(path),
    "by way of an absent folder": lambda path: path.parent / "no" / ".." / path.name,
    "symbolic link": lambda path: (path.parent / "soft").symlink_to(path) or "soft",
    "hard link": lambda path: (path.parent / "hard").hardlink_to(path) or "hard",
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("overwrite", [False, True])
def test_output_that_is_an_input_is_refused(tmp_path, monkeypatch, name, overwrite):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "input"
    path.touch()
    output = SAME[name](path)
    with pytest.raises(FileExistsError, match=f"is the input {path}, which is never"):
        check_output(output, [None, "absent", path], overwrite=overwrite)


def test_output_that_exists_needs_overwrite(tmp_path):
    path = tmp_path / "output"
    (tmp_path / "dangling").symlink_to("absent")
    for free in (path, tmp_path / "dangling", "/dev/null"):
        check_output(free, [tmp_path / "input"])
    path.touch()
    with pytest.raises(FileExistsError, match="replace it with --overwrite"):
        check_output(path)
    check_output(path, overwrite=True)


def test_text_that_is_no_utf8_is_written(tmp_path):
    write_text(tmp_path / "text", "caf\udce9 é")
    assert (tmp_path / "text").read_text(encoding="utf-8") == "caf\\udce9 é"


def test_folder_at_the_end_of_a_link(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to("far")
    with atomic_folder(tmp_path / "link") as new:
        (new / "file").touch()
    assert (tmp_path / "link").is_symlink()
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["file"]


# Writers for ever, each file of which tells whether it is whole.
WRITER = """
import json, sys, zipfile
from pathlib import Path
from octsk.utils.files import atomic_write
from octsk.utils.json import write_json

path = Path(sys.argv[1])
print("begins", flush=True)
n = 0
while True:
    n += 1
    write_json(path.with_suffix(".json"), {"numbers": [n] * 50_000})
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        archive.writestr("numbers", json.dumps([n] * 50_000))
"""


def writer(path):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout.readline() == "begins\n"
    return process


def check_whole(path):
    with zipfile.ZipFile(path) as archive:
        numbers = json.loads(archive.read("numbers"))
    assert numbers == numbers[:1] * 50_000
    numbers = json.loads(path.with_suffix(".json").read_text())["numbers"]
    assert numbers == numbers[:1] * 50_000


def test_two_writers_of_one_file_and_their_death(tmp_path):
    path = tmp_path / "file.zip"
    writers = [writer(path) for _ in range(2)]
    try:
        while not path.exists():
            assert writers[0].poll() is writers[1].poll() is None
        for _ in range(20):
            check_whole(path)
    finally:
        for process in writers:
            process.kill()
            process.communicate()
    check_whole(path)
    # All that they can leave are temporary files, whose names are known.
    left = [*temporaries_of(path), *temporaries_of(path.with_suffix(".json"))]
    assert {*tmp_path.iterdir()} == {path, path.with_suffix(".json"), *left}


def test_temporaries_are_those_of_one_path(tmp_path):
    path = tmp_path / "set_[AUC]0.9_[ACC]0.8@a.csv"
    own = [f".{path.stem}-{name}.csv" for name in ("0123abcd", "4567cdef")]
    others = [f".{path.stem}-{name}.csv" for name in ("0123abcde", "notesabc")]
    others += [f".{path.stem}-0123abcd.txt", f".x{path.stem}-0123abcd.csv", path.name]
    for name in own + others:
        (tmp_path / name).touch()
    assert {one.name for one in temporaries_of(path)} == set(own)
    remove_temporaries(path)
    assert {one.name for one in tmp_path.iterdir()} == set(others)


def test_text_with_half_a_surrogate_pair_is_written(tmp_path):
    write_text(tmp_path / "a.txt", "M\udcfcller \ud800 ±")
    assert (tmp_path / "a.txt").read_text("utf-8") == r"M\udcfcller \ud800 ±"


def test_lock_is_one_threads_at_a_time_and_free_after_an_error(tmp_path):
    path = tmp_path / "file"
    inside = []

    def work():
        for _ in range(5):
            with lock_beside(path):
                inside.append(threading.get_ident())
                assert len(inside) == 1
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside == []
    with pytest.raises(RuntimeError), lock_beside(path):
        raise RuntimeError
    with lock_beside(path):
        pass


def test_error_of_the_writer_itself_stays_as_it_is(tmp_path):
    error = OSError(errno.ENOSPC, "elsewhere", "other")
    with pytest.raises(OSError, match="elsewhere") as caught, atomic_write(tmp_path / "a"):
        raise error
    assert caught.value is error
