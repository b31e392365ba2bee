import base64
import hashlib
import http.server
import io
import os
import pickle
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from disks import largest_file, mounted
from sklearn.dummy import DummyClassifier
from sklearn.utils import Bunch

from octsk import evaluate
from octsk.datasets import (
    DownloadError,
    _medmnist,
    _mirrors,
    _npz,
    fetch_medmnist,
    fetch_octmnist,
    get_data_home,
    load_medmnist,
    make_oct_phantoms,
)
from octsk.datasets._medmnist_sets import REGISTRY
from octsk.datasets._shared_groups import SPLITS


def arrays(splits=("train", "val", "test"), size=28, n=6, channels=None, n_classes=4):
    """Noise in MedMNIST's layout."""
    random = np.random.default_rng(0)
    shape = (n, size, size) if channels is None else (n, size, size, channels)
    contents = {}
    for split in splits:
        contents[f"{split}_images"] = random.integers(0, 256, shape).astype(np.uint8)
        contents[f"{split}_labels"] = (np.arange(n)[:, None] % n_classes).astype(np.uint8)
    return contents


def md5_of(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Keep the tests' data folder, and their settings, to themselves."""
    monkeypatch.setenv("OCTSK_DATA", str(tmp_path / "home"))
    monkeypatch.delenv("OCTSK_MIRROR", raising=False)
    return tmp_path / "home"


@pytest.fixture
def npz(tmp_path):
    path = tmp_path / "clinic.npz"
    np.savez_compressed(path, **arrays())
    return path


def files_under(folder):
    """Names of all files but the empty ones that are locks."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.name for path in files if path.suffix != ".lock")


# -- load_medmnist -----------------------------------------------------------------


def test_real_oct(data_folder):
    dataset = load_medmnist(data_folder / "octdl_dev.npz")
    assert isinstance(dataset, Bunch)
    assert dataset.train.data.shape == (752, 28, 28)
    assert dataset.train.data.dtype == np.uint8
    assert dataset.train.data.flags.c_contiguous
    assert dataset.train.target.shape == (752,)
    assert dataset.train.target.dtype == np.int64
    assert np.bincount(dataset.train.target).tolist() == [371, 75, 134, 172]
    assert dataset.train.groups.shape == (752,)
    assert not set(dataset.train.groups) & set(dataset.test.groups)
    for part in (dataset, dataset.val):
        assert (part.name, part.size, part.target_names) == ("octdl_dev", 28, None)
        assert part.synthetic is False
        assert part.official is False


@pytest.mark.parametrize("split", [None, "train", "test"])
def test_patients_in_several_splits_are_warned_of(tmp_path, split):
    patients = {
        "train_groups": np.array(["a", "b", "c", "d", "e\x1b[2J", "f"]),
        "val_groups": np.array(["x", "x", "y", "y", "z", "z"]),
        "test_groups": np.array(["f", "e\x1b[2J", "d", "c", "b", "x"]),
    }
    np.savez(tmp_path / "leak.npz", **arrays(), **patients)
    words = (
        r"leak has images .* train and test share 5 \(b, c, d, e\\x1b\[2J, f\); val and "
        r"test share 1 \(x\)\. "
    )
    with pytest.warns(UserWarning, match=words) as caught:
        dataset = load_medmnist(tmp_path / "leak.npz", split=split)
    assert [warning.filename for warning in caught] == [__file__]
    assert dataset.shared_groups[("val", "test")] == ["x"]
    assert "shared_groups: 5 in train and test, 1 in val and test" in repr(dataset)
    if split == "test":
        X, y = dataset.data, dataset.target
        net = DummyClassifier().fit(X, y)
        with pytest.warns(UserWarning, match=words):
            report = evaluate(net, X, y, dataset=dataset, n_resamples=10)
        assert report.data["shared_groups"] == {"train": 5, "val": 1}


def test_patients_kept_apart_are_not_warned_of(tmp_path):
    groups = {f"{split}_groups": np.arange(6) + 6 * k for k, split in enumerate(SPLITS)}
    np.savez(tmp_path / "apart.npz", **arrays(), **groups)
    assert "shared_groups" not in load_medmnist(tmp_path / "apart.npz")


def test_name_of_a_file_does_no_harm(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9\x1b[2J.npz")
    np.savez(path, **arrays())
    dataset = load_medmnist(path)
    assert dataset.name == r"caf\udce9\x1b[2J"
    assert r"from caf\udce9\x1b[2J.npz" in dataset.DESCR
    assert dataset.filename == str(path)


def test_real_sets_at_64_pixels_and_without_groups(data_folder):
    assert load_medmnist(data_folder / "octdl_64_dev.npz", split="val").size == 64
    xrays = load_medmnist(data_folder / "pneumoniamnist_dev.npz", split="test")
    assert xrays.groups is None
    assert len(xrays.target) == 470


def test_one_split_and_arrays_agree_with_the_file(npz):
    contents = np.load(npz)
    dataset = load_medmnist(npz, split="val")
    X, y = load_medmnist(str(npz), split="val", return_X_y=True)
    np.testing.assert_array_equal(X, contents["val_images"])
    np.testing.assert_array_equal(y, contents["val_labels"][:, 0])
    np.testing.assert_array_equal(dataset.data, X)
    assert dataset.split == "val"
    assert dataset.filename == str(npz)
    assert dataset.sha256 == hashlib.sha256(npz.read_bytes()).hexdigest()
    X[0] = 0  # a copy of one's own


def test_absent_split(tmp_path):
    np.savez(tmp_path / "part.npz", **arrays(["train"]))
    dataset = load_medmnist(tmp_path / "part.npz")
    assert dataset.val is None
    assert dataset.test is None
    with pytest.raises(ValueError, match="no 'test' split; it has train"):
        load_medmnist(tmp_path / "part.npz", split="test")


def test_class_names(tmp_path):
    names = ["CNV", "DME", "drusen", "normal"]
    np.savez(tmp_path / "clinic.npz", **arrays(), class_names=names)
    dataset = load_medmnist(tmp_path / "clinic.npz")
    assert dataset.target_names == dataset.test.target_names == names
    train = dataset.train
    guess = DummyClassifier().fit(train.data, train.target)
    report = evaluate(guess, train.data, train.target, dataset=train, split="train")
    assert report.class_names == names


def test_colour_flat_labels_fortran_order_and_odd_shapes(tmp_path):
    contents = arrays(["train"], channels=3)
    contents["train_images"] = np.asfortranarray(contents["train_images"][:, :, :20])
    contents["train_labels"] = contents["train_labels"][:, 0].astype(np.int16)
    np.savez(tmp_path / "colour.npz", **contents)
    dataset = load_medmnist(tmp_path / "colour.npz", split="train")
    np.testing.assert_array_equal(dataset.data, contents["train_images"])
    assert dataset.data.flags.c_contiguous
    assert dataset.size == (28, 20)
    assert dataset.target.dtype == np.int64


def test_set_is_recognised_by_name_or_md5(tmp_path, monkeypatch):
    np.savez(tmp_path / "octmnist.npz", **arrays())
    by_name = load_medmnist(tmp_path / "octmnist.npz")
    assert by_name.name == "octmnist"
    assert by_name.target_names[3] == "normal"
    assert by_name.official is False
    assert "not the published file" in by_name.DESCR

    renamed = (tmp_path / "octmnist.npz").rename(tmp_path / "other.npz")
    md5 = md5_of(renamed.read_bytes())
    monkeypatch.setitem(REGISTRY["octmnist"].md5, 28, md5)
    by_md5 = load_medmnist(renamed)
    assert by_md5.name == "octmnist"
    assert by_md5.official is True

    np.savez(tmp_path / "octmnist.npz", **arrays(n_classes=6))
    six_classes = load_medmnist(tmp_path / "octmnist.npz")
    assert six_classes.target_names is None


def test_printing_shows_shapes_not_pixels(npz):
    assert "data: uint8 (6, 28, 28)" in repr(load_medmnist(npz, split="train"))
    assert "train: 6 images" in repr(load_medmnist(npz))
    assert len(repr(load_medmnist(npz)).splitlines()) < 15


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "training"}, "split must be 'train', 'val', 'test' or None"),
        ({"return_X_y": True}, "return_X_y=True needs split"),
        ({"mmap": "r"}, "mmap must be None, True or False"),
    ],
)
def test_bad_options(npz, options, message):
    with pytest.raises(ValueError, match=message):
        load_medmnist(npz, **options)
    with pytest.raises(ValueError, match=message):
        fetch_octmnist(**options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_images": np.zeros((6, 28, 28))}, "train_images must be uint8.*float64"),
        ({"train_images": np.zeros((6, 784), np.uint8)}, r"must have shape \(n, h, w\)"),
        ({"train_images": np.zeros((6, 8, 8, 8), np.uint8)}, "Volumes are not supported"),
        ({"train_images": np.zeros((0, 28, 28), np.uint8)}, "train_images is empty"),
        ({"train_images": np.zeros((6, 64, 64), np.uint8)}, "images of different shapes"),
        ({"train_labels": np.zeros((6, 14), np.uint8)}, "14 labels per image"),
        (
            {"train_labels": np.zeros((5, 1), np.uint8)},
            r"must have shape \(6,\) or \(6, 1\)",
        ),
        ({"train_labels": np.zeros(6)}, "train_labels must be integers.*float64"),
        ({"train_labels": None}, "no labels for 'train'"),
        ({"train_images": None}, "no images for 'train'"),
        ({"train_groups": np.zeros(4, int)}, r"train_groups must have shape \(6,\)"),
        ({"train_labels": np.array([[0], "a"] * 3, object)}, "holds Python objects"),
        ({"train_groups": np.array(["a", 1] * 3, object)}, "holds Python objects"),
        ({"class_names": np.array(list("abcd"), object)}, "holds Python objects"),
        ({"class_names": np.arange(4)}, r"class_names must be text.*int64 of shape \(4,\)"),
        ({"class_names": np.array(["abcd"] * 2)[:, None]}, "class_names must be text"),
        ({"class_names": ["a", "b", "c"]}, "labels run from 0 to 3, and there are 3 names"),
        ({"class_names": [*"abc", "d" * 1025]}, "4 names in 16400 bytes"),
        ({"class_names": ["a", "b", "c", "a"]}, "class_names must be different words"),
        ({"class_names": ["a", "b", "c", " "]}, "class_names must be different words"),
        ({"class_names": ["a", "b", "c", "\x1b[2J"]}, "words of printable characters"),
        (
            {"class_names": np.array([2**32 - 1, 65, 66, 67], np.uint32).view("U1")},
            "words of printable characters",
        ),
    ],
)
def test_other_layouts_are_refused(tmp_path, change, message):
    contents = {key: x for key, x in (arrays() | change).items() if x is not None}
    np.savez(tmp_path / "odd.npz", **contents)
    with pytest.raises(ValueError, match=rf"odd\.npz.*{message}"):
        load_medmnist(tmp_path / "odd.npz", split="test")


def test_no_split_at_all(data_folder):
    with pytest.raises(ValueError, match=r"no 'train_images'.*\['images'\]"):
        load_medmnist(data_folder / "octmnist_tiles_unlabelled.npz")


class Explosive:
    def __reduce__(self):
        return pytest.fail, ("the pickle was loaded",)


def test_pickles_are_never_run(tmp_path):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|O", "fortran_order": False, "shape": (6,)}
    )
    stream.write(pickle.dumps(Explosive()))
    np.savez(tmp_path / "evil.npz", **arrays(["val"]))
    with zipfile.ZipFile(tmp_path / "evil.npz", "a") as archive:
        archive.writestr("train_images.npy", stream.getvalue())
        archive.writestr("train_labels.npy", pickle.dumps(Explosive()))
    with pytest.raises(ValueError, match="train_images holds Python objects"):
        load_medmnist(tmp_path / "evil.npz")


def test_header_that_claims_more_than_there_is(tmp_path):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|u1", "fortran_order": False, "shape": (10**9, 28, 28)}
    )
    np.savez(tmp_path / "bomb.npz", train_labels=np.zeros(6, np.uint8))
    with zipfile.ZipFile(tmp_path / "bomb.npz", "a") as archive:
        archive.writestr("train_images.npy", stream.getvalue() + bytes(100))
    with pytest.raises(ValueError, match=r"claims \(1000000000, 28, 28\) uint8.*100 bytes"):
        load_medmnist(tmp_path / "bomb.npz")


def test_zip_directory_that_claims_more_than_there_is(npz):
    content = bytearray(npz.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 24 : entry + 28] = (2**32 - 2).to_bytes(4, "little")
    npz.write_bytes(content)
    with pytest.raises(ValueError, match="claims more bytes than the file can hold"):
        load_medmnist(npz)


@pytest.mark.parametrize("mmap", [True, False])
def test_flipped_bit_is_found(npz, home, mmap):
    content = bytearray(npz.read_bytes())
    content[2000] ^= 255
    npz.write_bytes(content)
    with pytest.raises(ValueError, match=r"clinic\.npz is not a whole npz file"):
        load_medmnist(npz, split="train", mmap=mmap)
    assert files_under(home) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><p>Sign in", "it is a web page"),
        (b"PK\x03\x04" + bytes(500), "not a zip file"),
    ],
)
def test_foreign_file(tmp_path, content, reason):
    (tmp_path / "foreign.npz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"foreign\.npz is not a whole npz.*{reason}"):
        load_medmnist(tmp_path / "foreign.npz")


@pytest.mark.parametrize("place", [6, 8, 16, 24, 42])
def test_broken_zip_directory(npz, place):
    # Of the first entry: version needed, flags, check sum, size, offset of the data.
    content = bytearray(npz.read_bytes())
    content[content.index(b"PK\x01\x02") + place] ^= 0b1100_0001
    npz.write_bytes(content)
    with pytest.raises(ValueError, match=r"clinic\.npz"):
        load_medmnist(npz)


def test_broken_end_of_zip_directory(npz):
    content = bytearray(npz.read_bytes())
    end = content.index(b"PK\x05\x06")
    content[end + 16 : end + 20] = b"\xff\xff\xff\x7f"
    npz.write_bytes(content)
    with pytest.raises(ValueError, match="not a whole npz file"):
        load_medmnist(npz)


def test_truncated_file(npz):
    npz.write_bytes(npz.read_bytes()[:-1000])
    with pytest.raises(ValueError, match="not a whole npz file"):
        load_medmnist(npz)


def test_member_that_is_no_array(npz):
    with zipfile.ZipFile(npz, "a") as archive:
        archive.writestr("train_groups.npy", "patient,eye")
    with pytest.raises(ValueError, match="train_groups is not a NumPy array"):
        load_medmnist(npz)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No such file .*absent\.npz"):
        load_medmnist(tmp_path / "absent.npz")
    with pytest.raises(IsADirectoryError, match=r"is a folder, not an npz file$"):
        load_medmnist(tmp_path)


# -- memory mapping ----------------------------------------------------------------


def test_compressed_images_are_unpacked_once(npz, home):
    expected = np.load(npz)["val_images"]
    first = load_medmnist(npz, split="val", mmap=True)
    assert isinstance(first.data, np.memmap)
    np.testing.assert_array_equal(first.data, expected)
    with pytest.raises(ValueError, match="read-only"):
        first.data[0] = 0
    (unpacked,) = home.rglob("*.npy")
    written = unpacked.stat().st_mtime_ns
    load_medmnist(npz, split="val", mmap=True)
    assert unpacked.stat().st_mtime_ns == written
    assert files_under(home) == ["val_images.npy"]


def test_another_file_of_the_same_name_is_unpacked_anew(npz):
    load_medmnist(npz, split="val", mmap=True)
    contents = arrays()
    contents["val_images"][:] = 7
    np.savez_compressed(npz, **contents)
    assert (load_medmnist(npz, split="val", mmap=True).data == 7).all()


def test_half_unpacked_images_are_unpacked_again(npz, home):
    expected = np.array(load_medmnist(npz, split="val", mmap=True).data)
    (unpacked,) = home.rglob("*.npy")
    unpacked.write_bytes(unpacked.read_bytes()[:1000])
    data = load_medmnist(npz, split="val", mmap=True).data
    np.testing.assert_array_equal(data, expected)


def test_uncompressed_images_are_mapped_in_place(tmp_path, home):
    contents = arrays()
    np.savez(tmp_path / "stored.npz", **contents)
    data = load_medmnist(tmp_path / "stored.npz", split="test", mmap=True).data
    assert isinstance(data, np.memmap)
    np.testing.assert_array_equal(data, contents["test_images"])
    assert files_under(home) == []


def test_fortran_order_cannot_be_mapped(tmp_path):
    contents = arrays(["train"])
    contents["train_images"] = np.asfortranarray(contents["train_images"])
    np.savez(tmp_path / "fortran.npz", **contents)
    with pytest.raises(ValueError, match="Fortran order"):
        load_medmnist(tmp_path / "fortran.npz", mmap=True)


def test_large_splits_are_mapped_by_default(npz, monkeypatch):
    assert not isinstance(load_medmnist(npz, split="train").data, np.memmap)
    monkeypatch.setattr(_medmnist, "_MMAP_ABOVE", 1000)
    assert isinstance(load_medmnist(npz, split="train").data, np.memmap)
    assert not isinstance(load_medmnist(npz, split="train", mmap=False).data, np.memmap)


def test_mapping_needs_little_memory(tmp_path):
    images = np.zeros((40_000, 28, 28), np.uint8)  # 31 MB
    np.savez_compressed(
        tmp_path / "large.npz", train_images=images, train_labels=np.zeros(40_000, np.uint8)
    )
    del images
    tracemalloc.start()
    data = load_medmnist(tmp_path / "large.npz", split="train", mmap=True).data
    assert data[-1, -1, -1] == 0
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8e6


def test_what_killed_ones_left_of_unpacking_is_removed(npz, home):
    load_medmnist(npz, split="val", mmap=True)
    (unpacked,) = home.rglob("*.npy")
    unpacked.unlink()
    unpacked.with_name(".val_images-0123abcd.npy").write_bytes(b"half")
    load_medmnist(npz, split="val", mmap=True)
    assert files_under(home) == ["val_images.npy"]


@pytest.fixture
def homeless(monkeypatch):
    """Be a user without a home, as in a container."""
    pwd = pytest.importorskip("pwd")
    for name in ("HOME", "XDG_CACHE_HOME", "OCTSK_DATA"):
        monkeypatch.delenv(name, raising=False)

    def nobody(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", nobody)


def test_without_a_home_all_works_that_needs_no_cache(homeless, npz, tmp_path):
    assert load_medmnist(npz).train is not None
    np.savez(tmp_path / "stored.npz", **arrays())
    load_medmnist(tmp_path / "stored.npz", mmap=True)
    assert fetch_medmnist(npz, split="test").name == "clinic"
    assert get_data_home(tmp_path) == tmp_path
    words = "set data_home .* the environment variable OCTSK_DATA"
    for call in (get_data_home, fetch_octmnist, lambda: load_medmnist(npz, mmap=True)):
        with pytest.raises(OSError, match=words):
            call()


def test_home_that_takes_no_files_is_told_with_what_to_do(npz, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("OCTSK_DATA", str(tmp_path / "file" / "home"))
    for call in (fetch_octmnist, lambda: load_medmnist(npz, mmap=True)):
        with pytest.raises(
            OSError, match=r"data_home: .*set data_home or .*OCTSK_DATA to another"
        ):
            call()


@pytest.mark.skipif(os.name == "nt", reason="names of files are text on Windows")
def test_name_of_a_set_can_be_printed(npz):
    path = os.fsencode(npz.parent) + b"/M\xfcller\x1b[2J.npz"
    os.rename(npz, path)
    dataset = load_medmnist(os.fsdecode(path))
    assert dataset.name == r"M\udcfcller\x1b[2J"
    assert dataset.DESCR.isprintable()
    assert os.fsencode(dataset.filename) == path


def test_name_of_a_file_that_is_none_of_the_sets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clinic.csv").write_text("file,label\na,0\n")
    with pytest.raises(ValueError, match=r"clinic\.csv is not .*a table of text \(CSV\)"):
        fetch_medmnist("clinic.csv")
    # But a set's name is the set's.
    (tmp_path / "octmnist").mkdir()
    with pytest.raises(FileNotFoundError, match="by hand"):
        fetch_medmnist("octmnist", download_if_missing=False)


def test_full_disk_is_said_before_unpacking(npz, home, monkeypatch):
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(_npz.shutil, "disk_usage", lambda path: usage)
    with pytest.raises(OSError, match=r"needs 4,832 bytes in .*10 are free"):
        load_medmnist(npz, split="train", mmap=True)
    assert files_under(home) == []


# -- fetch_medmnist ----------------------------------------------------------------


def send(handler, content, *, sent=None, length=None, status=200, **headers):
    """Send a file, or its first bytes alone, with other headers than belong to it."""
    handler.send_response(status)
    headers = {"Content_Length": len(content) if length is None else length, **headers}
    for name, value in headers.items():
        if value != "":
            handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(content[:sent])
    handler.close_connection = True


def send_rest(handler, start, file, **headers):
    total = len(file)
    if start >= total:
        send(handler, b"", status=416)
        return
    span = f"bytes {start}-{total - 1}/{total}"
    send(handler, file[start:], status=206, **{"Content_Range": span, **headers})


@pytest.fixture
def server(monkeypatch):
    """A web server on this machine that stands for Zenodo (/zenodo) and mirrors.

    ``server.answers`` maps a path to the answers it gives, the last one repeated:
    bytes (the file), a number (that HTTP error), "break" (half a file), "rest" (what of
    the file is asked for) or a function of the handler. With a ``server.barrier`` it
    answers when so many requests are waiting.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            path = self.path.partition("?")[0]
            self.server.asked.append(path)
            self.server.ranges.append(self.headers["Range"])
            if self.server.barrier:
                self.server.barrier.wait(timeout=60)
            answers = self.server.answers.get(path, [404])
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
            if callable(answer):
                answer(self)
            elif isinstance(answer, int):
                self.send_error(answer)
            elif answer == "break":
                send(self, self.server.file, sent=len(self.server.file) // 2)
            elif answer == "rest" and (wanted := self.headers["Range"]):
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                send_rest(self, start, self.server.file)
            else:
                send(self, self.server.file if answer == "rest" else answer)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.ranges, server.answers = [], [], {}
        server.file, server.barrier = b"", None
        server.url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(_mirrors, "ZENODO", f"{server.url}/zenodo")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def published(server, monkeypatch):
    """Contents of an npz file that passes for the published OCTMNIST."""
    stream = io.BytesIO()
    np.savez_compressed(stream, **arrays(n=40))
    server.file = stream.getvalue()
    server.answers["/zenodo/octmnist.npz"] = [server.file]
    md5 = md5_of(server.file)
    monkeypatch.setitem(REGISTRY["octmnist"].md5, 28, md5)
    return server.file


def test_download_then_cache(server, published, home):
    dataset = fetch_octmnist()
    assert dataset.train.data.shape == (40, 28, 28)
    assert (dataset.name, dataset.size, dataset.official) == ("octmnist", 28, True)
    assert dataset.target_names[0] == "choroidal neovascularization"
    assert dataset.filename == str(home / "octmnist.npz")
    assert (home / "octmnist.npz").read_bytes() == published
    X, y = fetch_medmnist(
        "octmnist", split="val", return_X_y=True, download_if_missing=False
    )
    assert X.shape == (40, 28, 28)
    assert y.shape == (40,)
    assert server.asked == ["/zenodo/octmnist.npz"]
    assert files_under(home) == ["octmnist.npz"]


def test_data_home_argument_comes_before_the_variable(published, home, tmp_path):
    fetch_octmnist(data_home=tmp_path / "deep" / "elsewhere")
    assert files_under(tmp_path / "deep") == ["octmnist.npz"]
    assert not home.exists()


def test_get_data_home(monkeypatch, home, tmp_path):
    assert get_data_home() == home
    assert get_data_home(tmp_path) == tmp_path
    monkeypatch.delenv("OCTSK_DATA")
    assert get_data_home().name == "octsk"


@pytest.mark.parametrize("failure", [500, 429, "break", b"other bytes"])
def test_first_failure_is_retried(server, published, home, failure):
    server.answers["/zenodo/octmnist.npz"].insert(0, failure)
    assert fetch_octmnist(n_retries=1, delay=0).official
    assert len(server.asked) == 2
    assert files_under(home) == ["octmnist.npz"]


@pytest.mark.parametrize(
    ("failure", "reason", "asked"),
    [
        (404, "HTTP error 404", 1),
        (503, "HTTP error 503", 3),
        (b"other bytes", rf"sent another file \(MD5 {md5_of(b'other bytes')}", 3),
        (b"<html>Sign in</html>", "sent a web page", 3),
    ],
)
def test_failed_download_leaves_nothing(server, published, home, failure, reason, asked):
    server.answers["/zenodo/octmnist.npz"] = [failure]
    with pytest.raises(DownloadError, match=reason) as caught:
        fetch_octmnist(n_retries=2, delay=0)
    message = str(caught.value)
    assert isinstance(caught.value, OSError)
    assert f"{server.url}/zenodo/octmnist.npz" in message
    assert str(home) in message
    assert md5_of(published) in message
    assert len(server.asked) == asked
    assert files_under(home) == []


# -- downloads that go on ----------------------------------------------------------


def part_in(home, content):
    """Lay down what a download that broke off has left."""
    home.mkdir(exist_ok=True)
    (home / ".octmnist.npz.part").write_bytes(content)


def test_download_goes_on_where_it_broke_off(server, published, home):
    server.answers["/zenodo/octmnist.npz"] = ["break", "rest"]
    assert fetch_octmnist(n_retries=1, delay=0).official
    first, second = server.ranges
    assert first is None
    received = int(second.removeprefix("bytes=").removesuffix("-"))
    assert len(published) / 2 - 2**13 <= received <= len(published) / 2
    assert files_under(home) == ["octmnist.npz"]


def test_next_call_goes_on_where_the_last_one_broke_off(server, published, home):
    server.answers["/zenodo/octmnist.npz"] = ["break"]
    with pytest.raises(DownloadError, match="the connection broke off") as caught:
        fetch_octmnist(n_retries=0)
    assert files_under(home) == [".octmnist.npz.part"]
    kept = (home / ".octmnist.npz.part").stat().st_size
    assert f"{kept:,} bytes are kept in {home}" in str(caught.value)
    # And with another address, too.
    server.answers["/mirror/octmnist.npz"] = ["rest"]
    assert fetch_octmnist(mirror=f"{server.url}/mirror").official
    assert server.ranges[-1] == f"bytes={kept}-"
    assert files_under(home) == ["octmnist.npz"]


def not_that_part(handler):
    """Answer with a part of the file that was not asked for."""
    if handler.headers["Range"]:
        send_rest(handler, 0, handler.server.file)
    else:
        send(handler, handler.server.file)


ASKED_ONCE = ["bytes=1000-"]
ASKED_AGAIN = ["bytes=1000-", None]


@pytest.mark.parametrize(
    ("answer", "kept", "ranges"),
    [
        ("rest", lambda file: file[:1000], ASKED_ONCE),
        ("rest", lambda file: bytes(1000), ASKED_AGAIN),  # of another file
        (None, lambda file: bytes(1000), ASKED_ONCE),  # the server ignores Range
        (not_that_part, lambda file: file[:1000], ASKED_AGAIN),
        ("rest", lambda file: file, None),  # nothing is missing
        ("rest", lambda file: file + b"more", "anew"),
        ("rest", lambda file: bytes(len(file)), "anew"),
    ],
)
def test_what_a_server_makes_of_a_part(server, published, home, answer, kept, ranges):
    part_in(home, kept(published))
    server.answers["/zenodo/octmnist.npz"] = [published if answer is None else answer]
    assert fetch_octmnist(n_retries=0).official
    asked_first = f"bytes={len(kept(published))}-"
    expected = {None: [asked_first], "anew": [asked_first, None]}
    assert server.ranges == (expected[ranges] if ranges in (None, "anew") else ranges)
    assert files_under(home) == ["octmnist.npz"]


@pytest.mark.parametrize(
    ("before", "now", "if_range"),
    [
        ({"ETag": '"a"'}, {"ETag": '"b"'}, '"a"'),
        ({"Last_Modified": "Mon, 1 Jan 2024 00:00:00 GMT"}, {}, "Mon, 1 Jan 2024"),
        ({"ETag": 'W/"a"', "Last_Modified": "Tue"}, {}, "Tue"),
        ({"ETag": 'W/"a"'}, {}, None),
    ],
)
def test_file_that_changed_on_the_server_meanwhile(
    server, published, home, before, now, if_range
):
    seen = []

    def changed(handler):
        seen.append(handler.headers["If-Range"])
        # As a server does whose file is no longer the one asked for.
        send(handler, published, **now)

    server.file = bytes(len(published))
    half = len(published) // 2
    server.answers["/zenodo/octmnist.npz"] = [
        lambda handler: send(handler, server.file, sent=half, **before),
        changed,
    ]
    assert fetch_octmnist(n_retries=1, delay=0).official
    assert (seen[0] or "").startswith(if_range or "")
    assert (seen[0] is None) == (if_range is None)


def test_web_page_does_not_cost_what_was_received(server, published, home):
    part_in(home, published[:1000])
    server.answers["/zenodo/octmnist.npz"] = [b"<html>Sign in", "rest"]
    assert fetch_octmnist(n_retries=1, delay=0).official
    assert server.ranges == ["bytes=1000-"] * 2


@pytest.mark.parametrize("length", ["abc", "-5", "", "9" * 30, "1, 2", "٣"])
def test_content_length_that_is_none(server, published, home, length):
    def answer(handler):
        # As bytes, which headers need not be text.
        send(handler, published, length=length.encode().decode("latin-1"))

    server.answers["/zenodo/octmnist.npz"] = [answer]
    refused = {"1, 2": "no connection", "9" * 30: "the connection broke off"}
    if length in refused:
        with pytest.raises(DownloadError, match=refused[length]):
            fetch_octmnist(n_retries=0)
        return
    assert fetch_octmnist(n_retries=0).official
    assert files_under(home) == ["octmnist.npz"]


def test_content_length_that_is_too_small(server, published, home):
    server.answers["/zenodo/octmnist.npz"] = [
        lambda handler: send(handler, published, length=9)
    ]
    with pytest.raises(DownloadError, match="sent another file"):
        fetch_octmnist(n_retries=0)
    assert files_under(home) == []


def test_part_is_removed_where_the_file_has_come_in_another_way(home):
    part_in(home, b"half")
    np.savez(home / "octmnist.npz", **arrays())
    with pytest.warns(UserWarning, match="not the published file"):
        fetch_octmnist()
    assert files_under(home) == ["octmnist.npz"]


@pytest.mark.parametrize(
    "mirror",
    ["http://me:hunter2@{}/mirror", "http://hunter2@{}/mirror/?key=hunter2#hunter2"],
)
def test_secrets_of_a_mirror_are_used_and_not_shown(server, published, mirror, caplog):
    asked = []

    def answer(handler):
        asked.append((handler.path, handler.headers["Authorization"]))
        handler.send_error(503)

    server.answers["/mirror/octmnist.npz"] = [answer]
    server.answers["/zenodo/octmnist.npz"] = [404]
    address = mirror.format(server.url.removeprefix("http://"))
    with pytest.raises(DownloadError) as caught:
        fetch_octmnist(mirror=address, n_retries=1, delay=0)
    assert "***@127.0.0.1" in str(caught.value)
    assert "hunter2" not in str(caught.value) + caplog.text
    path, authorization = asked[0]
    if "?" in mirror:
        assert path == "/mirror/octmnist.npz?key=hunter2"
    else:
        assert authorization == "Basic " + base64.b64encode(b"me:hunter2").decode()


def test_secret_of_a_mirror_that_is_no_address_is_not_shown():
    for mirror, shown in [
        ("ftp://me:se/cr@et@host/a?token=x", "ftp://***@host/a"),
        ("https:/me:se?cr#et@host/a", "***@host/a"),
        ("me:secret@host", "***@host"),
    ]:
        with pytest.raises(ValueError, match="mirror must be an https") as caught:
            fetch_octmnist(mirror=mirror)
        assert str(caught.value).endswith(f"got {shown!r}")


def test_reason_of_a_server_is_made_harmless(server, published):
    def answer(handler):
        handler.wfile.write(b"HTTP/1.1 403 \x1b[2J\x9bH" + b"!" * 9999 + b"\r\n\r\n")
        handler.close_connection = True

    server.answers["/zenodo/octmnist.npz"] = [answer]
    with pytest.raises(DownloadError, match=r"HTTP error 403 \\x1b\[2J\\x9bH!!!") as caught:
        fetch_octmnist(n_retries=0)
    assert str(caught.value).count("!") < 80


def test_no_connection(monkeypatch, home):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(
            _mirrors, "ZENODO", f"http://127.0.0.1:{closed.getsockname()[1]}"
        )
        with pytest.raises(DownloadError, match=r"no connection.*by hand \(MD5 c68d92d5"):
            fetch_octmnist(n_retries=1, delay=0)
    assert files_under(home) == []


def test_download_to_a_full_disk(server, published, tmp_path):
    assert len(published) > 2**16
    with mounted(tmp_path / "disk", "size=64k") as disk:
        with pytest.raises(OSError, match="No space left") as caught:
            fetch_octmnist(data_home=disk)
        assert caught.value.filename == str(disk / "octmnist.npz")
        assert files_under(disk) == []
    assert len(server.asked) == 1  # asking again would be no use


def test_download_larger_than_a_file_may_be(published, home):
    with (
        largest_file(len(published) - 1),
        pytest.raises(OSError, match="File too large") as caught,
    ):
        fetch_octmnist()
    assert caught.value.filename == str(home / "octmnist.npz")
    assert files_under(home) == []


KILLED = """
import octsk, resource, signal, sys
from octsk.datasets import _mirrors

_mirrors.ZENODO, size = sys.argv[1], int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
# Which Python ignores, to have an error instead.
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
octsk.fetch_octmnist()
"""


@pytest.mark.slow
def test_download_killed_in_the_midst(server, published, home):
    half = len(published) // 2
    command = [sys.executable, "-c", KILLED, f"{server.url}/zenodo", str(half)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == -signal.SIGXFSZ, done.stderr
    [left] = files_under(home)
    assert left == ".octmnist.npz.part"
    assert fetch_octmnist().official
    assert server.ranges[0] is None
    assert re.fullmatch(r"bytes=[1-9]\d*-", server.ranges[1])
    assert files_under(home) == ["octmnist.npz"]


def test_delay_between_rounds(server, published, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    server.answers["/zenodo/octmnist.npz"] = [500]
    with pytest.raises(DownloadError):
        fetch_octmnist(n_retries=2, delay=7)
    assert waits == [7, 7]


def test_mirror_is_asked_before_zenodo(server, published):
    server.answers["/mirror/octmnist.npz"] = [published]
    fetch_octmnist(mirror=f"{server.url}/mirror/")
    assert server.asked == ["/mirror/octmnist.npz"]


def test_mirrors_from_the_environment_then_zenodo(server, published, monkeypatch):
    monkeypatch.setenv("OCTSK_MIRROR", f"{server.url}/a {server.url}/b")
    server.answers["/b/octmnist.npz"] = [b"tampered with"]
    assert fetch_octmnist(delay=0).official
    names = ["/a/octmnist.npz", "/b/octmnist.npz", "/zenodo/octmnist.npz"]
    assert server.asked == names


def test_download_if_missing_false(home):
    with pytest.raises(
        FileNotFoundError, match=r"by hand \(MD5 e229e9440.*place it in"
    ) as caught:
        fetch_octmnist(size=64, download_if_missing=False)
    assert str(home / "octmnist_64.npz") in str(caught.value)


def test_file_placed_by_hand_is_used_and_said(home):
    home.mkdir()
    np.savez(home / "octmnist.npz", **arrays(n=9))
    md5 = md5_of((home / "octmnist.npz").read_bytes())
    with pytest.warns(UserWarning, match=f"{md5}.*{REGISTRY['octmnist'].md5[28]}"):
        dataset = fetch_octmnist()
    assert len(dataset.train.target) == 9
    assert dataset.official is False
    assert dataset.target_names[3] == "normal"


@pytest.mark.parametrize(
    ("contents", "reason"),
    [
        (arrays(size=64), r"images are of shape \(64, 64\), not \(28, 28\)"),
        (arrays(channels=3), r"\(28, 28, 3\), not \(28, 28\)"),
        (arrays(n_classes=5), "labels run from 0 to 4, not 0 to 3"),
    ],
)
def test_another_set_placed_by_hand_is_refused(home, contents, reason):
    home.mkdir()
    np.savez(home / "octmnist.npz", **contents)
    with pytest.raises(ValueError, match=f"is not octmnist at 28 pixels.*{reason}"):
        fetch_octmnist()
    assert files_under(home) == ["octmnist.npz"]


def test_broken_file_placed_by_hand_is_said_and_kept(home):
    home.mkdir()
    (home / "octmnist.npz").write_bytes(b"half")
    words = r"octmnist\.npz is not a whole npz file: .* Remove or rename the file to"
    with pytest.raises(ValueError, match=words):
        fetch_octmnist()
    assert files_under(home) == ["octmnist.npz"]


def test_name_may_be_a_path(npz):
    assert len(fetch_medmnist(npz).train.target) == 6
    assert fetch_medmnist(str(npz), split="test").name == "clinic"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": None}, "name must be one of pathmnist, .*got None"),
        ({"name": "mnist"}, "name must be one of pathmnist, .*got 'mnist'"),
        ({"name": "chestmnist"}, "several labels per image"),
        ({"size": 32}, "size must be one of 28, 64, 128, 224; got 32"),
        ({"n_retries": -1}, "n_retries must be"),
        ({"delay": -1}, "delay must be"),
        ({"mirror": "ftp://host"}, "mirror must be an https"),
    ],
)
def test_bad_fetch_arguments(options, message, home):
    with pytest.raises(ValueError, match=message):
        fetch_medmnist(**options)
    assert not home.exists()


def test_data_home_that_cannot_be_made(tmp_path, server):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match=r"data_home: the folder .*file cannot be created"):
        fetch_octmnist(data_home=tmp_path / "file")
    assert server.asked == []


def test_of_two_processes_that_fetch_at_once_one_waits(server, published, home):
    server.barrier = threading.Barrier(2)
    script = f"""
from octsk.datasets import _medmnist, _mirrors
_mirrors.ZENODO = {server.url + "/zenodo"!r}
_medmnist.REGISTRY["octmnist"].md5[28] = {md5_of(published)!r}
print(_medmnist.fetch_octmnist(mmap=True).train.data.sum())
"""
    runs = []
    for _ in range(2):
        pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        runs.append(subprocess.Popen([sys.executable, "-c", script], **pipes))
        while not server.asked:
            assert runs[0].poll() is None
            time.sleep(0.01)
    # The first is downloading until the server may answer.
    assert "octmnist.npz: another process is using it" in runs[1].stderr.readline()
    server.barrier.wait(timeout=60)
    totals = [run.communicate(timeout=60)[0].strip() for run in runs]
    assert totals == [str(np.load(io.BytesIO(published))["train_images"].sum())] * 2
    assert server.asked == ["/zenodo/octmnist.npz"]
    assert files_under(home) == [
        "octmnist.npz",
        "test_images.npy",
        "train_images.npy",
        "val_images.npy",
    ]


# -- registry and imports ----------------------------------------------------------


def test_registry_has_every_set_and_size():
    assert len(REGISTRY) == 11
    sums = [md5 for entry in REGISTRY.values() for md5 in entry.md5.values()]
    assert len(set(sums)) == 44
    assert all(len(md5) == 32 and int(md5, 16) for md5 in sums)
    assert REGISTRY["octmnist"].md5[224] == "abc493b6d529d5de7569faaef2773ba3"
    assert REGISTRY["octmnist"].n_samples == {"train": 97477, "val": 10832, "test": 1000}
    assert sum(REGISTRY["pneumoniamnist"].n_samples.values()) == 5856


def test_html_of_a_split_has_its_classes_and_images():
    from PIL import Image

    scans = make_oct_phantoms(20, random_state=0)
    html = scans._repr_html_()
    assert ">uint8 (20, 28, 28)</td>" in html
    assert re.search(r">2 drusen</th><td [^>]*>5</td>", html)
    [encoded] = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    strip = np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))))
    for place, image in enumerate(scans.data[:8]):
        # One see-through column stands between two images.
        shown = strip[:, 29 * place : 29 * place + 28]
        np.testing.assert_array_equal(shown[..., 0], image)
        assert (shown[..., 3] == 255).all()
        assert (strip[:, 29 * place + 28, 3] == 0).all()
    assert "DESCR" not in html


def test_html_of_a_data_set_has_its_splits_and_no_images(npz):
    html = load_medmnist(npz)._repr_html_()
    assert ">6 images</td>" in html
    assert "<img" not in html
