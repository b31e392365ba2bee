"""Files are recognised by their content, and each reader names the call for the others."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import struct
import tarfile
import zipfile
import zlib

import joblib
import keras
import numpy as np
import pytest
from helpers import TINY, toy_images
from PIL import Image

import octsk
from octsk.benchmark.record import read_record
from octsk.datasets import load_image_files, load_medmnist
from octsk.datasets._npz_images import load_npz_images
from octsk.utils.file_kinds import check_is_file, recognise


def image(format):
    file = io.BytesIO()
    Image.new("L", (9, 9)).save(file, format)
    return file.getvalue()


def archive(*names):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:
        for name in names:
            members.writestr(name, "content")
    return file.getvalue()


def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as members:
        members.addfile(tarfile.TarInfo("scan.png"))
    return file.getvalue()


def npy():
    file = io.BytesIO()
    np.save(file, np.zeros((2, 9, 9)))
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


PICKLED = pickle.dumps([0.5] * 99)
TABLE = "a table of text (CSV); pandas.read_csv reads it"
KERAS = "a Keras model; keras.saving.load_model reads it"
JOBLIB = "a pickle file; joblib.load reads it, but only load files from people you trust"
IMAGE = "image; octsk.load_image_files and octsk predict read it"
HDF5 = "an HDF5 file; from_h5 of a net with the same layers"

KINDS = {
    "empty": (b"", "empty; copy or write it again"),
    "npz": (npz(train_images=np.zeros(3)), "an npz file of arrays; octsk.load_medmnist"),
    "checkpoint": (npz(state=0, weight_0=0), "the checkpoint of a training; fit the same"),
    "npy": (npy(), "an npy file of one array; numpy.load reads it"),
    "octsk": (archive("estimator.json", "model.keras"), "a model that octsk saved"),
    "keras": (archive("config.json", "metadata.json", "model.weights.h5"), KERAS),
    "torch": (archive("net/data.pkl", "net/version"), "a PyTorch file; torch.load reads"),
    "xlsx": (
        archive("[Content_Types].xml", "xl/workbook.xml"),
        "an Excel workbook; pandas",
    ),
    "zip": (archive("scans/a.png"), "a zip archive; unpack it"),
    "tar": (tar(), "a tar archive; unpack it"),
    "pickle": (PICKLED, JOBLIB),
    "pickle, zlib": (zlib.compress(PICKLED), JOBLIB),
    "pickle, gzip": (gzip.compress(PICKLED), JOBLIB),
    "pickle, xz": (lzma.compress(PICKLED), JOBLIB),
    "pickle, lzma": (lzma.compress(PICKLED, lzma.FORMAT_ALONE), JOBLIB),
    "pickle, bz2": (bz2.compress(PICKLED), JOBLIB),
    "csv.gz": (gzip.compress(b"a,b\n"), "a file compressed by gzip; unpack it"),
    "png": (image("PNG"), f"a PNG {IMAGE}"),
    "jpeg": (image("JPEG"), f"a JPEG {IMAGE}"),
    "tiff": (image("TIFF"), f"a TIFF {IMAGE}"),
    "big-endian tiff": (b"MM\0*\0\0\0\x08", f"a TIFF {IMAGE}"),
    "bmp": (image("BMP"), f"a BMP {IMAGE}"),
    "gif": (image("GIF"), "a GIF image; save it as PNG"),
    "webp": (image("WEBP"), "a WebP image; save it as PNG"),
    "jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 image; save it as PNG"),
    "dicom": (bytes(128) + b"DICM", "a DICOM file; octsk.load_volume"),
    "vol": (b"HSF-OCT-103\0", "a Heidelberg .vol file; octsk.load_volume"),
    "e2e": (b"CMDb\0\0\0\0", "a Heidelberg .e2e file; octsk.load_volume"),
    "fda": (b"FOCTFDA\2\0\0\0", "a Topcon file; octsk.load_volume"),
    "bioptigen": (bytes(10) + b"FRAMEHEADER", "a Bioptigen .OCT file; octsk.load_volume"),
    "mat": (b"MATLAB 5.0 MAT-file, Platform", "a MATLAB file; scipy.io.loadmat"),
    "mat 7.3": (b"MATLAB 7.3 MAT-file, Platform", "h5py for version 7.3"),
    "h5": (b"\x89HDF\r\n\x1a\n\0", HDF5),
    "parquet": (b"PAR1\x15\x04", "a Parquet table; pandas.read_parquet reads it"),
    "arrow": (b"ARROW1\0\0", "an Arrow table; pandas.read_feather reads it"),
    "sqlite": (b"SQLite format 3\0", "an SQLite database; sqlite3 reads it"),
    "tflite": (
        b"\x1c\0\0\0TFL3",
        "a TensorFlow Lite network; octsk cannot read exported networks",
    ),
    "onnx": (
        b"\x08\x08\x12\x07tf2onnx",
        "an ONNX network; octsk cannot read exported networks",
    ),
    "web page": (b"\n<!DOCTYPE html><p>Sign in", "a web page; a server may have sent"),
    "json": (b' {"a": 1}', "a JSON file"),
    "csv": (b"file,label\na.png,0\n", TABLE),
    "csv, semicolons, Latin-1": (b"file;label\nM\xfcller.png;0\n", TABLE),
    "csv that begins like a bitmap": (b"BMI,age\n22,40\n", TABLE),
    "csv that begins like Parquet": (b"PAR1,PAR2\n1,2\n", TABLE),
    "text": (b"Seen on Monday.\n", "a text file"),
    "text that begins as zlib does": (b"x^2 on Monday\n", "a text file"),
}


@pytest.mark.parametrize(("content", "words"), KINDS.values(), ids=KINDS)
def test_kinds(content, words, tmp_path):
    # Whatever it is called.
    path = tmp_path / "file.npz"
    path.write_bytes(content)
    assert words in str(recognise(path))


@pytest.mark.parametrize(
    "content",
    [b"\0\1\2\3", b"PK\3\4 and no more", b"\x08", b"x\x9c\0", b"\x1f\x8bno", bytes(5000)],
)
def test_what_nobody_knows(content, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert recognise(path) is None


def test_xz_that_asks_for_gigabytes(tmp_path):
    path = tmp_path / "file.xz"
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 2**16}]
    content = bytearray(lzma.compress(bytes(99), filters=filters))
    # The size of the dictionary stands in the header of the block (.xz format, 5.3.1).
    place = content.index(b"\x21\x01") + 2
    content[place] = 40  # 4 GiB
    end = 12 + 4 * (content[12] + 1) - 4
    content[end : end + 4] = struct.pack("<I", zlib.crc32(content[12:end]))
    path.write_bytes(content)
    assert recognise(path) is None


FOLDERS = {
    "images": (["a.PNG", "notes.txt"], "images; octsk.load_image_files"),
    "classes": (["CNV/a.png", "CNV/b.jpeg", "DME/c.tif"], "images, CNV (2), DME (1); "),
    "splits": (["train/CNV/a.png", "test/CNV/b.png"], "of images, test (1), train (1); "),
    "saved model": (["saved_model.pb", "variables/a.index"], "a TensorFlow SavedModel"),
    "run": (["run.json", "models/small-seed0.octsk"], "an octsk run; octsk.load reads"),
}


@pytest.mark.parametrize(("files", "words"), FOLDERS.values(), ids=FOLDERS)
def test_folders(files, words, tmp_path):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / file).touch()
    assert words in str(recognise(tmp_path))
    for read in (octsk.load, octsk.SmallOCTNet.from_h5, load_medmnist, load_npz_images):
        with pytest.raises(IsADirectoryError, match=r"is a folder, not an? ") as caught:
            read(tmp_path)
        assert words in str(caught.value)


def test_many_class_folders_are_counted(tmp_path):
    for i in range(13):
        (tmp_path / f"{i:02}").mkdir()
        (tmp_path / f"{i:02}" / "a.png").touch()
    assert "09 (1) and 3 more; " in str(recognise(tmp_path))


def test_a_missing_file_is_told_in_one_sentence(tmp_path):
    path = tmp_path / "absent"
    told = set()
    for read in (
        *(octsk.load, octsk.SmallOCTNet.from_h5),
        *(load_medmnist, load_npz_images, octsk.fetch_medmnist, load_image_files),
    ):
        with pytest.raises(FileNotFoundError) as caught:
            read(path)
        told.add(str(caught.value))
    assert told == {f"[Errno 2] No such file or directory: '{path}'"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_neither_file_nor_folder(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        check_is_file(tmp_path / "pipe", "an npz file")


# What each reader reads itself, and so may be another one that is damaged.
OWN = {
    octsk.load: {"octsk"},
    octsk.SmallOCTNet.from_h5: {"h5"},
    load_medmnist: {"npz", "checkpoint"},
    load_npz_images: {"npz", "checkpoint"},
    load_image_files: {
        *("png", "jpeg", "tiff", "big-endian tiff", "bmp"),
        *("dicom", "vol", "e2e", "fda", "bioptigen"),
    },
}


@pytest.mark.parametrize("read", OWN)
def test_each_reader_says_what_reads_other_files(read, tmp_path):
    path = tmp_path / "file"
    for kind, (content, words) in KINDS.items():
        if kind not in OWN[read]:
            path.write_bytes(content)
            with pytest.raises(ValueError, match=r"file'? (is|cannot)") as caught:
                read(path)
            assert words in str(caught.value)
            # Nobody's own file is to be thrown away.
            assert "remove" not in str(caught.value).lower()


@pytest.mark.parametrize(
    "read",
    [
        octsk.evaluation.BenchmarkReport.from_json,
        octsk.model_selection.read_search_space,
        read_record,
    ],
)
def test_readers_of_json_say_what_reads_other_files(read, tmp_path):
    path = tmp_path / "file"
    for kind in ("png", "octsk", "npz", "csv", "empty"):
        content, words = KINDS[kind]
        path.write_bytes(content)
        with pytest.raises(ValueError, match="file") as caught:
            read(path)
        assert words in str(caught.value)
    path.write_text("no JSON")
    with pytest.raises(ValueError, match="not valid JSON"):
        read(path)
    with pytest.raises(IsADirectoryError, match="is a folder, not a JSON file"):
        read(tmp_path)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_calls_that_are_named_do_read_the_files(tmp_path):
    X, y = toy_images(side=28)
    net = octsk.SmallOCTNet(**TINY).fit(X, y)
    expected = net.predict_proba(X)
    sizes = {name: TINY[name] for name in ("filters", "dense_units")}

    joblib.dump(net, tmp_path / "net.joblib")
    with pytest.raises(ValueError, match=r"joblib\.load reads it"):
        octsk.load(tmp_path / "net.joblib")
    again = joblib.load(tmp_path / "net.joblib")
    np.testing.assert_array_equal(again.predict_proba(X), expected)

    net.model_.save(tmp_path / "net.keras")
    with pytest.raises(
        ValueError, match=r"load_model reads it; save the model as \.h5 for from_h5"
    ):
        octsk.load(tmp_path / "net.keras")
    keras.saving.load_model(tmp_path / "net.keras").save(tmp_path / "model.h5")
    again = octsk.SmallOCTNet.from_h5(tmp_path / "model.h5", **sizes)
    np.testing.assert_allclose(again.predict_proba(X), expected, atol=1e-6)

    net.model_.save_weights(tmp_path / "net.weights.h5")
    with pytest.raises(ValueError, match=r"initialize\(X, y\), .* model_\.load_weights"):
        octsk.SmallOCTNet.from_h5(tmp_path / "net.weights.h5", **sizes)
    again = octsk.SmallOCTNet(**TINY).initialize(X, y)
    again.model_.load_weights(tmp_path / "net.weights.h5")
    np.testing.assert_allclose(again.predict_proba(X), expected, atol=1e-6)
