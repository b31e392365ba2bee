"""Files are whole or absent: killed writers, full disks, folders that take no files."""

import errno
import json
import os
import resource
import subprocess
import sys
import threading
import zipfile
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import TINY, toy_images

import octsk
from octsk._files import atomic_folder, atomic_write, lock_beside, temporaries_of
from octsk._report import write_json
from octsk.datasets import load_medmnist


@pytest.fixture(scope="module")
def net():
    return octsk.SmallOCTNet(**{**TINY, "dense_units": (2000,)}).fit(*toy_images(12))


@contextmanager
def mounted(folder, options):
    """A file system of its own in memory."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip(f"no file system can be mounted: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def small_disk(tmp_path):
    with mounted(tmp_path / "disk", "size=1m") as folder:
        yield folder


@pytest.fixture
def read_only(tmp_path):
    with mounted(tmp_path / "disk", "size=1m") as folder:
        (folder / "old").write_text("old")
        remount = ["mount", "-o", "remount,ro", str(folder)]
        subprocess.run(remount, check=True)
        yield folder


@contextmanager
def largest_file(size):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def write_npz(path, side=28):
    rng = np.random.default_rng(0)
    images = {
        f"{split}_images": rng.integers(0, 256, (400, side, side), np.uint8)
        for split in ("train", "val", "test")
    }
    labels = {f"{split}_labels": np.arange(400) % 4 for split in ("train", "val", "test")}
    np.savez_compressed(path, **images, **labels)
    return path


# How each kind of file is written that is larger than the megabyte there is.
def write_model(folder, net):
    net.save(folder / "old")


def write_record(folder, net):
    write_json(folder / "old", list(range(10**6)))


def write_checkpoint(folder, net):
    octsk.SmallOCTNet(**net.get_params()).set_params(
        checkpoint_dir=folder / "checkpoints"
    ).fit(*toy_images(12))


WRITERS = {
    "model": write_model,
    "record": write_record,
    "checkpoint": write_checkpoint,
}


@pytest.mark.parametrize("kind", WRITERS)
def test_full_disk(kind, net, small_disk):
    (small_disk / "old").write_text("old")
    with pytest.raises(OSError, match="No space left") as caught:
        WRITERS[kind](small_disk, net)
    assert caught.value.errno == errno.ENOSPC
    # What the system does not tell: which file it was.
    assert Path(caught.value.filename).is_relative_to(small_disk)
    assert (small_disk / "old").read_text() == "old"
    left = [path for path in small_disk.rglob("*") if path.is_file()]
    assert [path.name for path in left if path.suffix != ".lock"] == ["old"]


@pytest.mark.parametrize("kind", WRITERS)
def test_file_larger_than_the_system_lets_it_be(kind, net, tmp_path):
    with largest_file(2**18), pytest.raises(OSError, match="File too large"):
        WRITERS[kind](tmp_path, net)
    left = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert [name for name in left if not name.endswith(".lock")] == []


def test_full_disk_for_unpacked_images(small_disk, tmp_path, monkeypatch):
    path = write_npz(tmp_path / "set.npz", side=64)
    monkeypatch.setenv("OCTSK_DATA", str(small_disk))
    with pytest.raises(OSError, match=r"mapping train_images needs 1,638,528 bytes"):
        load_medmnist(path, mmap=True)
    # And where the room was taken after the look at it.
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**9))
    with pytest.raises(OSError, match="No space left"):
        load_medmnist(path, mmap=True)
    assert not [path for path in small_disk.rglob("*") if path.is_file()]


@pytest.mark.parametrize("kind", WRITERS)
def test_read_only_folder(kind, net, read_only):
    with pytest.raises(OSError, match="Read-only file system") as caught:
        WRITERS[kind](read_only, net)
    assert Path(caught.value.filename).is_relative_to(read_only)
    assert (read_only / "old").read_text() == "old"


def test_data_in_a_read_only_folder_are_read(tmp_path):
    with mounted(tmp_path / "disk", "size=4m") as folder:
        write_npz(folder / "octmnist.npz")
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
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


# Writers for ever, each file of which tells whether it is whole.
WRITER = """
import json, sys, zipfile
from pathlib import Path
from octsk._files import atomic_write
from octsk._report import write_json

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
