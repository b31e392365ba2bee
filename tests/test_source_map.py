"""The table of the source files of MedMNIST's images."""

import numpy as np
import pytest

import octsk

SIZES = {"train": 6, "val": 2, "test": 4}
NAMES = {
    "train": [f"{name}-{i // 2}-{i}" for i, name in enumerate(["CNV", "DRUSEN"] * 3)],
    "val": ["DME-1-7.jpeg", "OCT/NORMAL-9-1.jpeg"],
    "test": [f"NORMAL-10{i}-1" for i in range(4)],
}


@pytest.fixture
def home(tmp_path):
    """A folder with a small file in the place of OCTMNIST."""
    arrays = {}
    for split, n in SIZES.items():
        arrays[f"{split}_images"] = np.zeros((n, 28, 28), np.uint8)
        arrays[f"{split}_labels"] = np.arange(n)[:, np.newaxis] % 4
    np.savez(tmp_path / "octmnist.npz", **arrays)
    return tmp_path


def write_map(home, names=NAMES, header="split,index,image_id", separator=","):
    rows = [
        (split, i, name) for split, found in names.items() for i, name in enumerate(found)
    ]
    # In any order.
    lines = [header, *(separator.join(map(str, row)) for row in reversed(rows))]
    path = home / "map.csv"
    path.write_text("\n".join(lines), "utf-8")
    return path


def fetch(home, path, **options):
    with pytest.warns(UserWarning, match="not the published file"):
        return octsk.fetch_medmnist("octmnist", data_home=home, source_map=path, **options)


def test_files_and_patients(home):
    with pytest.warns(UserWarning, match=r"train and val share 1 \(1\)"):
        dataset = fetch(home, write_map(home))
    for split, names in NAMES.items():
        assert dataset[split].filenames.tolist() == names
    assert dataset.train.groups.tolist() == ["0", "0", "1", "1", "2", "2"]
    assert dataset.val.groups.tolist() == ["1", "9"]
    assert dataset.shared_groups == {("train", "val"): ["1"]}


def test_one_split_knows_of_the_others(home):
    with pytest.warns(UserWarning, match="train and val share 1"):
        test = fetch(home, write_map(home), split="test")
    assert test.groups.tolist() == ["100", "101", "102", "103"]
    assert test.shared_groups == {("train", "val"): ["1"]}


@pytest.mark.parametrize(
    ("header", "separator"), [("Split;idx;Filename", ";"), ("subset\tindex\tfile", "\t")]
)
def test_other_names_of_columns(home, header, separator):
    with pytest.warns(UserWarning, match="train and val share 1"):
        dataset = fetch(home, write_map(home, header=header, separator=separator))
    assert dataset.val.filenames.tolist() == NAMES["val"]


def test_names_without_patients(home):
    names = {**NAMES, "val": ["train-112-8-sagittal-028", "NORMAL-9-1.jpeg"]}
    with pytest.warns(
        UserWarning, match=r"1 names in .*map\.csv do not have the form CLASS-patient"
    ):
        dataset = fetch(home, write_map(home, names))
    assert dataset.train.groups is dataset.val.groups is None
    assert dataset.val.filenames.tolist() == names["val"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "columns for split, index and file name .* its columns are missing"),
        ("split,index\ntrain,0", "its columns are split, index$"),
        ("split,index,image_id\nfold,0,a", "line 2: the split must be train, val or test"),
        ("split,index,image_id\ntrain,-1,a", "line 2: the index must be a whole number"),
        ("split,index,image_id\ntrain,0", "line 2: it has only 2 cells"),
        ("split,index,image_id\ntrain,0,", "line 2: the file name is empty"),
        ("split,index,image_id\ntrain,0,a\ntrain,0,b", "line 3: there are two rows for"),
        (
            "split,index,image_id\ntrain,0,a\ntrain,1,b",
            "has 2 file names for train, but the data set has 6 images, of which 4 have "
            "none, such as image 2; is it the table of octmnist",
        ),
    ],
)
def test_other_tables(home, content, message):
    path = home / "map.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match=rf"map\.csv .*{message}"):
        fetch(home, path)


def test_other_files_are_told_by_their_content(home):
    path = home / "map.csv"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0")
    with pytest.raises(ValueError, match=r"map\.csv is not a table .*: it is a PNG image"):
        fetch(home, path)


def test_a_table_of_more_images(home):
    path = write_map(home, {**NAMES, "val": ["A-1-1", "B-2-1", "C-3-1"]})
    with pytest.raises(ValueError, match=r"3 file names for val, but .* 2 images"):
        fetch(home, path)


def test_no_table(home):
    with pytest.raises(FileNotFoundError, match=r"none\.csv"):
        fetch(home, home / "none.csv")
