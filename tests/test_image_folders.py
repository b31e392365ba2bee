"""Labelled images from folders and tables, and their splits by patient."""

import csv
import os
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image
from sklearn.utils import Bunch

import octsk
from octsk import load_image_folder, load_image_table, split_by_group
from octsk.datasets import (
    _image_cache,
    _image_files,
    _labelled_rows,
    check_splits,
    clear_image_cache,
    image_cache_folder,
)


def write(path, grey=40, shape=(12, 12)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, grey, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    """Two classes, two patients with two images each in the one, one in the other."""
    root = tmp_path / "clinic"
    for i, name in enumerate(["DME-7-1", "DME-7-2", "DME-8-1", "NORMAL-9-1"]):
        write(root / name.split("-")[0] / f"{name}.png", grey=10 * i)
    return root


@pytest.fixture
def splits(tmp_path):
    root = tmp_path / "splits"
    for part in ("train", "test"):
        for label in ("a", "b"):
            write(root / part / label / f"{label}-{part}-1.png")
    return root


def test_the_folder_of_an_image_is_its_class(folder):
    scans = load_image_folder(folder, size=6, groups="kermany")
    assert (scans.data.shape, scans.data.dtype) == ((4, 6, 6), np.uint8)
    assert scans.data[:, 0, 0].tolist() == [0, 10, 20, 30]
    assert scans.target.tolist() == [0, 0, 0, 1]
    assert scans.target.dtype == np.int64
    assert scans.target_names == ["DME", "NORMAL"]
    assert scans.groups.tolist() == ["7", "7", "8", "9"]
    assert scans.filenames[3] == str(folder / "NORMAL" / "NORMAL-9-1.png")
    assert (scans.name, scans.split, scans.size) == ("clinic", None, 6)
    assert (scans.official, scans.synthetic, scans.sha256) == (False, False, None)
    assert "4 images" in scans.DESCR


def test_images_of_a_class_may_lie_deeper_and_hidden_ones_are_ignored(folder):
    write(folder / "DME" / "patient 3" / "x.png")
    write(folder / "DME" / ".hidden" / "x.png")
    write(folder / "DME" / "._x.png")
    write(folder / ".cache" / "x.png")
    (folder / "notes.txt").touch()
    scans = load_image_folder(folder)
    assert np.bincount(scans.target).tolist() == [4, 1]
    assert scans.groups is None


def test_color_gives_three_channels(folder):
    assert load_image_folder(folder, color=True).data.shape == (4, 28, 28, 3)


@pytest.mark.parametrize(
    "groups",
    [
        r"-(?P<patient>\d+)-\d+\.png$",
        re.compile(r"/[A-Z]+-(?P<patient>\d)"),
        lambda path: path.name.split("-")[1],
    ],
)
def test_groups_are_found_in_the_path(folder, groups):
    scans = load_image_folder(folder, groups=groups)
    assert scans.groups.tolist() == ["7", "7", "8", "9"]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (r"-(\d+)-", "a group named patient"),
        ("(?P<patient>", "not a valid regular expression"),
        (r"DME-(?P<patient>\d+)", r"no patient for 1 of 4 images: NORMAL/NORMAL-9-1\.png"),
        (lambda path: None, "no patient for 4 of 4 images"),
    ],
)
def test_groups_that_are_not_found_are_refused(folder, groups, message):
    with pytest.raises(ValueError, match=message):
        load_image_folder(folder, groups=groups)


def test_names_without_a_patient_are_patients_of_their_own_with_a_warning(tmp_path):
    for name in ("CNV-47f6d0", "CNV-1384-1", "CNV-1384-2", "NORMAL-1384-7"):
        write(tmp_path / "train" / f"{name}.jpeg")
    with pytest.warns(UserWarning, match=r"1 of 4 file names .*\(CNV-47f6d0\)") as caught:
        scans = load_image_folder(tmp_path, groups="kermany").train
    assert [one.filename for one in caught] == [__file__]
    assert scans.groups.tolist() == ["1384", "1384", "CNV-47f6d0", "1384"]
    assert scans.target.tolist() == [0, 0, 0, 1]
    assert scans.target_names == ["CNV", "NORMAL"]


def test_names_that_tell_no_class_are_refused(tmp_path):
    write(tmp_path / "CNV-1-1.png")
    write(tmp_path / "scan.png")
    with pytest.raises(ValueError, match=r"scan\.png .* does not begin with its class"):
        load_image_folder(tmp_path, groups="kermany")


def test_real_names_of_oct2017_tell_their_class(data_folder):
    with pytest.warns(UserWarning, match="17 of 17 file names"):
        scans = load_image_folder(data_folder / "oct2017_samples", groups="kermany")
    assert scans.target_names == ["CNV", "DME", "DRUSEN", "NORMAL"]
    assert np.bincount(scans.target).tolist() == [5, 4, 4, 4]
    assert len(set(scans.groups)) == 17


@pytest.fixture
def octdl(tmp_path):
    """OCTDL's layout: a table beside the folders of the classes."""
    root = tmp_path / "OCTDL"
    names = {"amd_1047099_1": ("AMD", 7), "amd_2_1": ("AMD", 7), "no_3_1": ("NO", 9)}
    lines = ["file_name,disease,subcategory,condition,patient_id,eye"]
    for i, (name, (disease, patient)) in enumerate(names.items()):
        write(root / disease / f"{name}.jpg", grey=50 * i)
        lines.append(f"{name},{disease},,,{patient},OD")
    (tmp_path / "OCTDL_labels.csv").write_text("\n".join(lines))
    return root


def test_octdl_is_loaded_from_its_folders_and_from_its_table(octdl):
    of_folder = load_image_folder(octdl, groups="octdl", size=6)
    of_table = load_image_table(octdl.parent / "OCTDL_labels.csv", group="octdl", size=6)
    for scans in (of_folder, of_table):
        assert scans.groups.tolist() == ["7", "7", "9"]
        assert scans.target_names == ["AMD", "NO"]
        assert scans.target.tolist() == [0, 0, 1]
        assert scans.data[:, 0, 0].tolist() == pytest.approx([0, 50, 100], abs=1)
    write(octdl / "NO" / "no_4_1.jpg")
    with pytest.raises(ValueError, match=r"no patient for 1 of 4 images: NO/no_4_1\.jpg"):
        load_image_folder(octdl, groups="octdl")
    (octdl.parent / "OCTDL_labels.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"needs the table OCTDL_labels\.csv"):
        load_image_folder(octdl, groups="octdl")


def test_links_to_folders_are_followed_once(folder, tmp_path):
    write(tmp_path / "elsewhere" / "DME-5-1.png")
    (folder / "DME" / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "DME" / "again").symlink_to(tmp_path / "elsewhere")
    (folder / "DME" / "loop").symlink_to(folder / "DME")
    scans = load_image_folder(folder, groups="kermany")
    assert np.bincount(scans.target).tolist() == [4, 1]
    assert scans.groups.tolist().count("5") == 1
    (folder / "NORMAL" / "broken.png").symlink_to(tmp_path / "nothing.png")
    with pytest.raises(FileNotFoundError, match=r"broken\.png"):
        load_image_folder(folder)


def test_fit_is_passed_on(tmp_path):
    stripes = np.zeros((10, 30), np.uint8)
    stripes[:, 10:20] = 200
    for label in "ab":
        (tmp_path / label).mkdir()
        Image.fromarray(stripes).save(tmp_path / label / "x.png")
    table = {"file": ["a/x.png", "b/x.png"], "label": ["a", "b"]}
    corner = {"crop": 200, "pad": 0, "squash": 0}
    for fit, grey in corner.items():
        scans = load_image_folder(tmp_path, fit=fit, size=9)
        assert (scans.data[0, 0, 4], scans.fit) == ({**corner, "squash": 200}[fit], fit)
        assert scans.data[0, 4, 0] == grey
        same = load_image_table(table, root=tmp_path, fit=fit, size=9)
        np.testing.assert_array_equal(same.data, scans.data)


def test_warnings_point_at_the_line_of_the_caller(splits):
    write(splits / "train" / "a" / "broken.png")
    (splits / "train" / "a" / "broken.png").write_bytes(b"broken")
    (splits / "test" / "b" / "b-test-1.png").unlink()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load_image_folder(splits, groups=lambda path: "P1", on_error="skip")
    words = [str(one.message) for one in caught]
    assert [one.filename for one in caught] == [__file__] * 3, words


def test_decoded_images_are_kept_until_a_file_changes(folder, tmp_path, monkeypatch):
    def load(**options):
        return load_image_folder(
            folder, cache=True, data_home=tmp_path / "home", size=6, **options
        )

    kept = image_cache_folder(tmp_path / "home")
    first = load()
    assert Path(first.cache).parent == kept
    with monkeypatch.context() as patch:
        patch.setattr(_image_files, "read_square", None)
        again = load()
        with pytest.raises(TypeError):
            load(fit="pad")
    np.testing.assert_array_equal(again.data, first.data)
    assert [len([*kept.glob("[!.]*")]), len([*kept.glob(".*[!k]")])] == [1, 0]
    write(folder / "DME" / "DME-7-1.png", grey=77, shape=(13, 13))
    assert load().data[0, 0, 0] == 77
    assert clear_image_cache(tmp_path / "home") > 2 * first.data.nbytes
    assert not kept.exists()
    assert load_image_folder(folder, data_home=tmp_path / "home").cache is None
    assert not kept.exists()


def test_images_that_are_left_out_are_told_by_the_cache_too(folder, tmp_path):
    options = dict(cache=True, data_home=tmp_path / "home", size=6, groups="kermany")
    (folder / "DME" / "DME-7-2.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match="DME-7-2"):
        load_image_folder(folder, **options)
    assert not [*image_cache_folder(tmp_path / "home").glob("[!.]*")]
    for _ in range(2):
        with pytest.warns(UserWarning, match="1 of 4 images are left out: .*DME-7-2"):
            scans = load_image_folder(folder, on_error="skip", **options)
        assert scans.data[:, 0, 0].tolist() == [0, 20, 30]
        assert scans.groups.tolist() == ["7", "8", "9"]
    with pytest.raises(ValueError, match="DME-7-2"):
        load_image_folder(folder, **options)
    (folder / "NORMAL" / "gone.png").symlink_to(tmp_path / "nothing")
    with pytest.warns(UserWarning, match="2 of 5 images are left out"):
        scans = load_image_folder(folder, on_error="skip", **{**options, "groups": None})
    assert scans.data[:, 0, 0].tolist() == [0, 20, 30]


def test_a_cache_that_cannot_be_written_is_told(folder, tmp_path, monkeypatch):
    (tmp_path / "home").touch()
    with pytest.raises(OSError, match="home"):
        load_image_folder(folder, cache=True, data_home=tmp_path / "home")
    monkeypatch.setattr(_labelled_rows, "CACHED_ABOVE", 3)
    with pytest.warns(UserWarning, match="cannot be cached"):
        scans = load_image_folder(folder, data_home=tmp_path / "home")
    assert len(scans.data) == 4


def test_large_sets_are_mapped_from_the_disk(splits, tmp_path, monkeypatch):
    monkeypatch.setattr(_image_cache, "_MAPPED_ABOVE", 0)
    scans = load_image_folder(splits, cache=True, data_home=tmp_path / "home")
    for part in (scans.train, scans.test):
        assert isinstance(part.data, np.memmap)
        assert (part.data == 40).all()


def test_groups_of_another_type_are_refused(folder):
    with pytest.raises(TypeError, match="groups must be None"):
        load_image_folder(folder, groups=3)


def test_folders_of_splits_are_splits(splits):
    scans = load_image_folder(splits, groups=r"-(?P<patient>\w+)-")
    assert scans.val is None
    assert scans.train.split == "train"
    assert scans.test.target.tolist() == [0, 1]
    assert scans.test.groups.tolist() == ["test", "test"]
    assert scans.test.target_names == scans.target_names == ["a", "b"]


def test_patients_in_several_splits_are_told(splits):
    with pytest.warns(UserWarning, match="train and test share 1 "):
        load_image_folder(splits, groups=r"-(?P<patient>)|(?P<x>$)" and (lambda path: 1))


def test_a_class_that_a_split_lacks_is_told(splits):
    (splits / "test" / "b" / "b-test-1.png").unlink()
    with pytest.warns(UserWarning, match="no images of b in test"):
        scans = load_image_folder(splits)
    assert scans.test.target.tolist() == [0]


def test_a_class_that_only_a_later_split_has_is_refused(splits):
    write(splits / "test" / "c" / "x.png")
    with pytest.raises(ValueError, match=r"test has folders that train lacks: c\. The"):
        load_image_folder(splits)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("loose.png", r"1 image files \(loose.png\) outside the class folders"),
        ("DME/train/x.png", "contains folders for splits"),
        ("train/DME/x.png", r"and others \(DME, NORMAL\)"),
    ],
)
def test_images_in_a_wrong_place_are_refused(folder, extra, message):
    write(folder / extra)
    with pytest.raises(ValueError, match=message):
        load_image_folder(folder)


def test_folders_without_images_or_classes_are_refused(tmp_path, splits):
    with pytest.raises(FileNotFoundError):
        load_image_folder(tmp_path / "nothing")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match=r"no image file .*there are none"):
        load_image_folder(empty)
    write(empty / "only" / "x.png")
    with pytest.raises(ValueError, match="only one class, only"):
        load_image_folder(empty)
    for file in (splits / "test").rglob("*.png"):
        file.unlink()
    with pytest.raises(ValueError, match=r"no image file .*test \(a, b\)"):
        load_image_folder(splits)
    write(tmp_path / "x.png")
    with pytest.raises(NotADirectoryError):
        load_image_folder(tmp_path / "x.png")


@pytest.mark.parametrize("names", ["Train Test", "training testing", "train valid", "TEST"])
def test_folders_that_are_named_like_splits_are_no_classes(folder, names):
    for name in names.split():
        write(folder / name / "DME" / "x.png")
        write(folder / name / "NORMAL" / "y.png")
    named = ", ".join(sorted({*names.split()} - {"train"}))
    with pytest.raises(ValueError, match=f"folders named {named}: rename folders of spl"):
        load_image_folder(folder)


def test_folders_that_archives_of_macos_contain_are_ignored(folder):
    write(folder / "__MACOSX" / "DME" / "._DME-7-1.png")
    assert load_image_folder(folder).target_names == ["DME", "NORMAL"]


def test_names_of_classes_are_compared_by_their_letters(tmp_path):
    """Two spellings of a letter (Unicode NFC and NFD) and blanks make no other class."""
    write(tmp_path / "train" / "dr\u00fcse" / "1.png")
    write(tmp_path / "train" / "normal" / "2.png")
    write(tmp_path / "test" / "dru\u0308se" / "3.png")
    write(tmp_path / "test" / "normal " / "4.png")
    scans = load_image_folder(tmp_path)
    assert scans.target_names == ["dr\u00fcse", "normal"]
    assert scans.train.target.tolist() == scans.test.target.tolist() == [0, 1]
    files = [tmp_path / "train" / "normal" / "2.png"] * 3
    table = {"file": files, "label": ["dr\u00fcse", "dru\u0308se", " normal"]}
    assert load_image_table(table).target_names == ["dr\u00fcse", "normal"]


def test_numbers_as_folders_are_in_the_order_of_a_table(tmp_path):
    for name in ("10", "9", "0"):
        write(tmp_path / name / "x.png")
    assert load_image_folder(tmp_path).target_names == ["0", "9", "10"]


@pytest.mark.parametrize("name", ["dr\udcfcse", "a\tb", "a\u200fb"])
def test_classes_whose_names_cannot_be_printed_are_refused_before_reading(folder, name):
    (folder / "DME" / "DME-7-1.png").write_bytes(b"no image")
    (folder / "NORMAL").rename(folder / name)
    with pytest.raises(
        ValueError, match=r"clinic has classes whose names contain .*: \S+;"
    ):
        load_image_folder(folder)


@pytest.mark.parametrize("found", [["7"], ("7", 8), b"7", Path("7")])
def test_a_patient_is_text_or_a_number(folder, found):
    with pytest.raises(TypeError, match=r"text or a number .* DME/DME-7-1\.png, it ret"):
        load_image_folder(folder, groups=lambda path: found)


def test_unreadable_images_are_named_or_left_out(folder):
    (folder / "DME" / "DME-7-2.png").write_bytes(b"broken")
    with pytest.raises(ValueError, match=r"DME-7-2\.png"):
        load_image_folder(folder)
    with pytest.warns(UserWarning, match="1 of 4 images are left out"):
        scans = load_image_folder(folder, on_error="skip", groups="kermany")
    assert scans.groups.tolist() == ["7", "8", "9"]
    assert len(scans.data) == len(scans.target) == len(scans.filenames) == 3


def table_of(folder):
    files = sorted(folder.rglob("*.png"))
    return {
        "file": [file.relative_to(folder).as_posix() for file in files],
        "label": [file.parent.name for file in files],
        "patient": [int(file.stem.split("-")[1]) for file in files],
        "part": ["train", "train", "test", "test"],
    }


def write_csv(path, columns, delimiter=","):
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_lists_images(folder, delimiter):
    path = write_csv(folder / "scans.csv", table_of(folder), delimiter)
    scans = load_image_table(path, group="patient")
    expected = load_image_folder(folder, groups="kermany")
    np.testing.assert_array_equal(scans.data, expected.data)
    for key in ("target", "groups", "filenames"):
        assert scans[key].tolist() == expected[key].tolist()
    assert (scans.target_names, scans.name) == (["DME", "NORMAL"], "scans")


def test_blanks_around_the_cells_of_a_csv_mean_nothing(folder):
    table = table_of(folder)
    padded = {f" {name} ": [f" {cell} " for cell in table[name]] for name in table}
    scans = load_image_table(write_csv(folder / "scans.csv", padded, ","), group="patient")
    assert scans.target_names == ["DME", "NORMAL"]
    assert scans.groups.tolist() == ["7", "7", "8", "9"]


def of_pyarrow(name):
    return lambda columns: getattr(pytest.importorskip("pyarrow"), name).from_pydict(
        columns
    )


@pytest.mark.parametrize(
    "frame",
    [dict, pd.DataFrame, pl.DataFrame, of_pyarrow("Table"), of_pyarrow("RecordBatch")],
    ids=["dict", "pandas", "polars", "pyarrow", "batch"],
)
def test_a_frame_lists_images(folder, frame):
    table = frame(table_of(folder))
    with pytest.warns(UserWarning, match="table has no images of NORMAL in train"):
        scans = load_image_table(table, group="patient", split="part", root=folder)
    assert scans.val is None
    assert scans.train.groups.tolist() == [7, 7]
    assert scans.test.target.tolist() == [0, 1]


def test_numbers_are_classes_in_their_order_and_files_may_be_listed_twice(folder):
    file = str(next(folder.rglob("*.png")))
    scans = load_image_table({"file": [file] * 3, "label": ["10", "2", "10"]})
    assert scans.target_names == ["2", "10"]
    assert scans.target.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("column", "argument"), [("file", {}), ("patient", {"group": "patient"})]
)
@pytest.mark.parametrize("missing", [None, "", " ", "N/A", float("nan"), pd.NA])
def test_missing_cells_are_refused_by_row(folder, column, argument, missing):
    table = table_of(folder)
    table[column][2] = missing
    with pytest.raises(ValueError, match=rf"'{column}' at 1 of 4 rows .*: 2$"):
        load_image_table(table, root=folder, **argument)


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({}, {"group": "who"}, r"no column 'who' \(group='who'\); its columns are file"),
        (
            {"part": ["train", "dev", "test", "test"]},
            {"split": "part"},
            "has dev in column",
        ),
        ({"label": ["a"] * 4}, {}, "only one class, a,"),
        ({"label": [1.0, 2.5, 1.0, 1.0]}, {}, "has 1.0, 2.5, .*; a class is text or a"),
        ({"label": [1, "1", 1, 1]}, {}, "both numbers and text in column 'label'"),
        ({"label": ["a"] * 3}, {}, "unequal lengths: 3 cells in 'label', and 4 in 'file'"),
        ({}, {"group": lambda path: path.name if "7" in path.name else 3}, "mixes groups"),
        ({"file": [], "label": []}, {}, "no rows"),
    ],
)
def test_tables_that_do_not_fit_are_refused(folder, changes, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_image_table({**table_of(folder), **changes}, root=folder, **arguments)


def test_paths_of_a_table_may_be_short_of_folders_and_suffixes(folder):
    table = table_of(folder)
    table["file"] = ["DME-7-1", "DME-7-2.png", "DME-8-1", "NORMAL/NORMAL-9-1.png"]
    scans = load_image_table(table, root=folder)
    assert scans.filenames[0] == str(folder / "DME" / "DME-7-1.png")
    assert scans.data[:, 0, 0].tolist() == [0, 10, 20, 30]
    write(folder / "NORMAL" / "DME-8-1.jpg")
    with pytest.raises(ValueError, match=r"2 images .* have the name DME-8-1 \("):
        load_image_table(table, root=folder)


def test_groups_of_a_table_may_be_found_in_its_paths(folder):
    table = table_of(folder)
    for group in ("kermany", r"-(?P<patient>\d)-", lambda path: path.name.split("-")[1]):
        scans = load_image_table(table, root=folder, group=group)
        assert scans.groups.tolist() == ["7", "7", "8", "9"]
    with pytest.raises(ValueError, match=r"no patient for 3 of 4 images"):
        load_image_table(table, root=folder, group=r"NORMAL-(?P<patient>\d)")


def test_a_frame_may_hold_images(folder):
    images = [np.full((9, 9), grey, np.uint8) for grey in (5, 6)]
    scans = load_image_table({"file": images, "label": ["a", "b"]})
    assert scans.data[:, 0, 0].tolist() == [5, 6]
    assert scans.filenames.tolist() == ["image 0", "image 1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("file,label\na.png\n", "row 0 has 1 cells"),
        ("file,file\na,b\n", "repeats a column"),
        ('file,label\n"a.png"x,b\n', "not a CSV file: line 2"),
    ],
)
def test_files_that_are_no_table_are_refused(tmp_path, text, message):
    path = tmp_path / "scans.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_image_table(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0", "not a CSV file: it is a PNG image"),
        (b'{"file": ["a.png"]}', "not a CSV file: it is a JSON file"),
        (b"<!DOCTYPE html><p>", "not a CSV file: it is a web page"),
        (b"PAR1\x15\x04", "it is a Parquet table; pandas.read_parquet reads it"),
        ("file,label\na.png,b\n".encode("utf-16"), "UTF-16; save it in UTF-8"),
    ],
)
def test_other_files_than_tables_are_told_by_their_content(tmp_path, content, message):
    path = tmp_path / "scans.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_image_table(path)


def test_folders_and_absent_files_are_no_tables(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder, not a CSV file"):
        load_image_table(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"absent\.csv"):
        load_image_table(tmp_path / "absent.csv")


CP1252 = "file,label,Patient\nDME-7-1,dr\u00fcse,M\u00fcller\nDME-7-2,b,c\n"


def test_a_table_in_utf8_keeps_its_letters(folder):
    (folder / "scans.csv").write_text(CP1252, encoding="utf-8-sig")
    scans = load_image_table(folder / "scans.csv", group="Patient")
    assert scans.target_names == ["b", "dr\u00fcse"]
    assert scans.groups.tolist() == ["M\u00fcller", "c"]


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        (
            CP1252,
            {},
            r"not in UTF-8: column 'label' contains dr\\udcfcse; save it in UTF-8",
        ),
        (
            CP1252.replace("dr\u00fcse", "a"),
            {"group": "Patient"},
            r"not in UTF-8: column 'Patient' contains M\\udcfcller",
        ),
        (
            CP1252.replace("label", "\u00c4nd"),
            {"label": "\u00c4nd"},
            r"no column '\u00c4nd' .*It is not in UTF-8; save it",
        ),
    ],
)
def test_a_table_in_another_encoding_is_refused(folder, text, arguments, message):
    (folder / "scans.csv").write_text(text, encoding="cp1252")
    with pytest.raises(ValueError, match=message):
        load_image_table(folder / "scans.csv", **arguments)


def test_a_path_in_a_table_may_be_in_any_encoding(folder):
    name = os.fsencode(folder) + b"/caf\xe9.png"
    os.rename(folder / "DME" / "DME-7-1.png", name)
    (folder / "scans.csv").write_bytes(b"file,label\ncaf\xe9.png,a\nDME-7-2.png,b\n")
    scans = load_image_table(folder / "scans.csv")
    assert os.fsencode(str(scans.filenames[0])) == name


def test_zero_bytes_are_no_text(folder):
    text = "file,label\nDME-7-1.png,a\nDME-7-2.png,b\n"
    (folder / "scans.csv").write_bytes(text.encode("utf-16-le"))
    with pytest.raises(ValueError, match="contains zero bytes, no text; save it in UTF-8"):
        load_image_table(folder / "scans.csv")


def test_what_spreadsheets_add_to_a_table_is_ignored(folder):
    text = "\nfile,label,,\nDME-7-1.png,a,,\n,,,\n\nDME-7-2.png,b,x,\n,,,\n"
    (folder / "scans.csv").write_text(text)
    assert load_image_table(folder / "scans.csv").target.tolist() == [0, 1]


def test_paths_of_a_table_may_be_of_windows(folder):
    table = table_of(folder)
    table["file"] = [file.replace("/", "\\") for file in table["file"]]
    expected = [str(folder / file) for file in table_of(folder)["file"]]
    assert load_image_table(table, root=folder).filenames.tolist() == expected


def test_blanks_around_the_cells_of_a_frame_mean_nothing(folder):
    table = table_of(folder)
    padded = {name: [f" {cell} " for cell in table[name]] for name in table}
    scans = load_image_table(pd.DataFrame(padded), root=folder, group="patient")
    assert (scans.target_names, scans.groups.tolist()) == (
        ["DME", "NORMAL"],
        ["7", "7", "8", "9"],
    )


def test_a_frame_with_two_columns_of_one_name_is_refused(folder):
    columns = [*table_of(folder).values()]
    frame = pd.DataFrame(
        zip(*columns, strict=True), columns=["file", "label", "label", "x"]
    )
    with pytest.raises(ValueError, match="the table has 2 columns named 'label'"):
        load_image_table(frame, root=folder)


def test_other_objects_and_missing_images_are_refused(tmp_path):
    with pytest.raises(TypeError, match="table must be"):
        load_image_table(3)
    with pytest.raises(TypeError, match=r"LazyFrame: pass table\.collect\(\)"):
        load_image_table(pl.LazyFrame({"file": ["a.png"], "label": ["a"]}))
    with pytest.raises(TypeError, match="groups must be None, 'kermany'"):
        load_image_table({"file": ["a", "b"], "label": ["a", "b"]}, group=np.array(["a"]))
    with pytest.raises(FileNotFoundError):
        load_image_table({"file": ["x.png", "x.png"], "label": "ab"}, root=tmp_path)


def test_real_scans_come_back_from_folders_and_from_a_table(data_folder, tmp_path):
    original = octsk.load_medmnist(data_folder / "octdl_dev.npz")
    root, columns = (
        tmp_path / "octdl",
        {"file": [], "label": [], "patient": [], "split": []},
    )
    order = {}
    for part in ("train", "val", "test"):
        scans = original[part]
        order[part] = np.argsort(scans.target, kind="stable")
        for i, (image, label, who) in enumerate(
            zip(scans.data, scans.target, scans.groups, strict=True)
        ):
            file = Path(part, f"class{label}", f"class{label}-p{who}-{i:04}.png")
            write(root / file)
            Image.fromarray(image).save(root / file)
            for key, cell in zip(columns, (file, label, who, part), strict=True):
                columns[key].append(cell)
    from_table = load_image_table(
        write_csv(root / "all.csv", columns), group="patient", split="split"
    )
    from_folder = load_image_folder(root, groups=lambda path: path.name.split("-")[1])
    for part, rows in order.items():
        np.testing.assert_array_equal(from_table[part].data, original[part].data)
        np.testing.assert_array_equal(from_table[part].target, original[part].target)
        np.testing.assert_array_equal(
            from_table[part].groups, original[part].groups.astype(str)
        )
        np.testing.assert_array_equal(from_folder[part].target, original[part].target[rows])
        assert sorted(from_folder[part].groups) == sorted(
            f"p{who}" for who in original[part].groups
        )
    assert len(from_folder.train.target_names) == len(np.unique(original.train.target))


def scans_of(groups, target):
    n = len(groups)
    data = np.arange(n).astype(np.uint8)[:, None, None].repeat(4, axis=1).repeat(4, axis=2)
    return Bunch(
        data=data,
        target=np.asarray(target),
        groups=np.asarray(groups),
        filenames=np.array([f"{i}.png" for i in range(n)]),
        target_names=["a", "b"],
        name="clinic",
    )


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_in_two_splits_and_each_has_its_share(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 80, 600)  # patients of several sizes
    patients_class = rng.random(80) < 0.3
    target = patients_class[groups].astype(int)
    scans = scans_of(groups, target)
    parts = split_by_group(scans, test=0.25, val=0.15, random_state=seed)
    held = [set(parts[name].groups) for name in ("train", "val", "test")]
    assert sum(map(len, held)) == len(set.union(*held)) == len(np.unique(groups))
    for name, share in {"train": 0.6, "val": 0.15, "test": 0.25}.items():
        part = parts[name]
        np.testing.assert_allclose(
            np.bincount(part.target) / np.bincount(target), share, atol=0.05
        )
        rows = [int(file.removesuffix(".png")) for file in part.filenames]
        assert rows == sorted(rows)
        np.testing.assert_array_equal(part.data[:, 0, 0], np.array(rows).astype(np.uint8))
        np.testing.assert_array_equal(part.target, target[rows])
        np.testing.assert_array_equal(part.groups, groups[rows])
        assert (part.split, part.name, part.target_names) == (name, "clinic", ["a", "b"])
    again = split_by_group(scans, test=0.25, val=0.15, random_state=seed)
    assert again.test.filenames.tolist() == parts.test.filenames.tolist()


def test_the_seed_decides_which_groups_go_where():
    scans = scans_of(np.arange(40), np.arange(40) % 2)
    tested = {tuple(split_by_group(scans, random_state=i).test.groups) for i in range(3)}
    assert len(tested) == 3


def test_a_share_of_none_gives_no_split():
    scans = scans_of(np.arange(10), np.arange(10) % 2)
    parts = split_by_group(scans, val=0, test=0.4, random_state=0)
    assert parts.val is None
    assert (len(parts.train.data), len(parts.test.data)) == (6, 4)


def test_splits_that_share_groups_are_put_together_first():
    scans = scans_of(np.arange(20) % 10, np.arange(20) % 2)
    halves = [
        {k: v[i::2] if isinstance(v, np.ndarray) else v for k, v in scans.items()}
        for i in (0, 1)
    ]
    dataset = Bunch(train=Bunch(**halves[0]), val=None, test=Bunch(**halves[1]))
    parts = split_by_group(dataset, val=0, test=0.4, random_state=0)
    assert not set(parts.train.groups) & set(parts.test.groups)
    files = [*parts.train.filenames, *parts.test.filenames]
    assert sorted(files) == sorted(scans.filenames)


def test_small_shares_of_few_groups_get_a_group():
    scans = scans_of(np.arange(5), [0, 0, 0, 0, 0])
    scans.target_names = None
    parts = split_by_group(scans, test=0.1, val=0.1, random_state=0)
    assert [len(parts[name].data) for name in ("train", "val", "test")] == [3, 1, 1]


def test_a_class_of_one_group_is_missing_with_a_warning():
    scans = scans_of([0, 1, 2, 3, 4], [0, 0, 0, 0, 1])
    with pytest.warns(UserWarning, match=r"has no images of b, which have too few groups"):
        split_by_group(scans, val=0, test=0.4, random_state=0)


@pytest.mark.parametrize(
    ("changes", "shares", "message"),
    [
        ({"groups": None}, {}, "dataset has no groups"),
        ({"groups": np.array([0, np.nan, 1, 2])}, {}, "dataset.groups has missing values"),
        ({"groups": np.arange(3)}, {}, "dataset.groups must have shape"),
        ({"groups": np.zeros(4)}, {}, "too few groups"),
        ({"data": None}, {}, "dataset has no data"),
        ({}, {"test": -0.1}, "test"),
        ({}, {"val": 1.0}, "val"),
        ({}, {"test": float("nan")}, "test"),
        ({}, {"test": 0.5, "val": 0.5}, "leave images to train on"),
    ],
)
def test_what_cannot_be_split_is_refused(changes, shares, message):
    scans = scans_of(np.arange(4), [0, 1, 0, 1])
    scans.update(changes)
    with pytest.raises(ValueError, match=message):
        split_by_group(scans, **shares)


def test_lists_and_columns_of_frames_are_split_too():
    scans = scans_of(np.arange(10) // 2, np.arange(10) % 2)
    scans.update(
        {key: scans[key].tolist() for key in ("data", "target", "groups")},
        filenames=pd.Series(scans.filenames),
        device=["a", "b"] * 5,
        target_names=[f"class {i}" for i in range(10)],
    )
    parts = split_by_group(scans, random_state=0)
    for part in (parts.train, parts.val, parts.test):
        rows = [int(file.removesuffix(".png")) for file in part.filenames]
        assert np.asarray(part.data)[:, 0, 0].tolist() == rows
        assert [*part.groups] == [row // 2 for row in rows]
        assert [*part.device] == ["ab"[row % 2] for row in rows]
        assert len(part.target_names) == 10


def test_other_objects_have_no_groups():
    with pytest.raises(TypeError, match="dataset must be a Bunch"):
        split_by_group([1, 2])


def test_real_patients_are_kept_apart(data_folder):
    original = octsk.load_medmnist(data_folder / "octdl_dev.npz")
    parts = split_by_group(original, test=0.2, val=0.1, random_state=0)
    sets = [set(parts[name].groups.tolist()) for name in ("train", "val", "test")]
    assert sum(map(len, sets)) == len(set.union(*sets))
    sizes = np.array([len(parts[name].data) for name in ("train", "val", "test")])
    np.testing.assert_allclose(sizes / sizes.sum(), [0.7, 0.1, 0.2], atol=0.03)


def varied(groups, target, first, **more):
    """A split of images that differ."""
    data = np.random.default_rng(first).integers(0, 255, (len(groups), 6, 6), np.uint8)
    return Bunch(data=data, target=np.array(target), groups=np.array(groups), **more)


@pytest.fixture
def apart():
    return Bunch(
        train=varied([1, 1, 2], [0, 1, 1], 0),
        val=None,
        test=varied([3, 4], [0, 1], 1, filenames=np.array(["x.png", "y.png"])),
    )


def test_nothing_is_found_in_splits_that_are_apart(apart):
    assert check_splits(apart) == []


def test_patients_and_images_in_two_splits_are_found(apart):
    apart.test.groups[0] = 2
    apart.test.data[1] = apart.train.data[2]
    assert check_splits(apart) == [
        "train and test share 1 group (patients): 2.",
        "1 image of test is also in train: y.png.",
    ]


def test_an_image_with_two_labels_is_found_in_one_split_and_in_two(apart):
    apart.train.data[1] = apart.train.data[0]
    assert check_splits(apart) == [
        "1 image occurs with different labels: image 0 of train."
    ]
    apart.test.data[1] = apart.train.data[0]
    assert check_splits(apart) == [
        "1 image of test is also in train: y.png.",
        "1 image occurs with different labels: image 0 of train.",
    ]


def test_missing_classes_and_constant_images_are_found(apart):
    apart.test.target[:] = 0
    apart.train.data[0] = 7
    assert check_splits(apart) == [
        "1 image of train has the same value in all pixels: image 0.",
        "test has no images of 1.",
    ]
    apart.test.target_names = ["a", "b", "c"]
    assert "test has no images of b, c." in check_splits(apart)


def test_labels_beyond_the_names_and_of_other_kinds(apart):
    apart.train.update(target=np.array([0, 9, 0]), target_names=["a", "b"])
    apart.test.update(target=["x", "y"], target_names=["a", "b"])
    assert check_splits(apart) == [
        "train has no images of b, x, y.",
        "test has no images of 0, 9.",
    ]
    apart.test.target = [0, 1, 1]
    with pytest.raises(ValueError, match=r"test.data has 2 images and test.target 3 ent"):
        check_splits(apart)


def test_only_the_first_few_are_named():
    train = varied(range(8), [0, 1] * 4, 0)
    found = check_splits(Bunch(train=train, test=train))
    assert found == [
        "train and test share 8 groups (patients): 0, 1, 2, 3, 4, and more.",
        "8 images of test are also in train: image 0, image 1, image 2, image 3, image 4, "
        "and more.",
    ]


def test_a_data_set_without_splits_is_refused(apart):
    with pytest.raises(ValueError, match="dataset has no splits"):
        check_splits(apart.train)
    with pytest.raises(TypeError, match="dataset must be a Bunch"):
        check_splits(None)


def test_a_copy_of_real_test_patients_in_training_is_found(data_folder):
    scans = octsk.load_medmnist(data_folder / "octdl_dev.npz")
    before = check_splits(scans)
    for key in ("data", "target", "groups"):
        scans.train[key] = np.concatenate([scans.train[key], scans.test[key]])
    new = [words for words in check_splits(scans) if words not in before]
    n = len(np.unique(scans.test.groups))
    assert any(words.startswith(f"train and test share {n} groups") for words in new)
    assert any(words.startswith("172 images of test are also in train") for words in new)


def test_almost_equal_images_are_found_on_request(apart):
    rng = np.random.default_rng(0)
    for part, n in ((apart.train, 3), (apart.test, 2)):
        part.data = rng.integers(0, 200, (n, 28, 28), np.uint8)
    apart.test.data[1] = apart.train.data[2] + 9
    assert check_splits(apart) == []
    [found] = check_splits(apart, near_duplicates=True)
    assert found == "1 image of test is almost equal to images of train: y.png."
    apart.test.data[1] = apart.train.data[2]
    [found] = check_splits(apart, near_duplicates=True)
    assert found == "1 image of test is also in train: y.png."


def test_near_duplicates_need_imagehash(apart, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagehash", None)
    with pytest.raises(ImportError, match=r"pip install 'octsk\[duplicates\]'"):
        check_splits(apart, near_duplicates=True)


def test_labels_may_be_text(apart):
    for part in (apart.train, apart.test):
        part.target = np.array(["a", "b"])[part.target]
    assert check_splits(apart) == []
    apart.test.target[:] = "a"
    assert check_splits(apart) == ["test has no images of b."]


def test_a_saved_data_set_comes_back(tmp_path):
    groups = np.array(["P1", "P1", "P2"], object)
    files = np.array([os.fsdecode(b"caf\xe9.png"), "b.png", "c.png"])
    train = varied(groups, [1, 0, 300], 0, filenames=files)
    test = varied([3, 4], [0, 1], 1)
    names = [f"class {i}" for i in range(301)]
    dataset = Bunch(train=train, val=None, test=test, target_names=names)
    loaded = octsk.load_medmnist(octsk.save_medmnist(dataset, tmp_path / "scans"))
    assert loaded.val is None
    assert loaded.target_names == names
    for part in ("train", "test"):
        for key in ("data", "target", "groups"):
            np.testing.assert_array_equal(
                loaded[part][key], dataset[part][key].astype(loaded[part][key].dtype)
            )
    assert loaded.train.filenames.tolist() == files.tolist()
    assert loaded.test.filenames is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": np.zeros((3, 6, 6))}, "train_images must be uint8"),
        ({"target": np.array(["a", "b", "b"])}, "train.target must be integers"),
        ({"groups": np.arange(2)}, "train_groups must have shape"),
        ({"groups": np.array(["a", "", "b"])}, "train_groups has missing values"),
        ({"filenames": np.arange(3)}, "train_filenames must be text"),
        ({"groups": np.array(["a", None, "b"])}, r"train\.groups has missing values"),
        ({"groups": np.array([1, "a", 2], object)}, r"train\.groups must be all text or"),
        ({"filenames": [None] * 3}, r"train\.filenames has missing values"),
    ],
)
def test_what_could_not_be_loaded_is_not_saved(apart, tmp_path, changes, message):
    apart.train.update(changes)
    with pytest.raises(ValueError, match=message):
        octsk.save_medmnist(apart, tmp_path / "scans.npz")
    assert not [*tmp_path.iterdir()]
