"""Labels, groups and weights: what is missing is never taken for a value."""

import decimal
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers import TINY, toy_images
from sklearn.exceptions import DataConversionWarning

import octsk
from octsk.datasets._shared_groups import shared_groups
from octsk.metrics import bootstrap_interval, medmnist_accuracy
from octsk.utils.columns import check_column, check_groups


@pytest.mark.parametrize(
    "y", [[0, 1, 2], [0.0, 1.0], ["a", "b"], [b"a", b"b"], np.array(["a", "b"], object)]
)
def test_labels(y):
    np.testing.assert_array_equal(check_column(y), y)


def test_columns_of_labels():
    column = np.array([[0], [1]])
    with pytest.warns(DataConversionWarning):
        np.testing.assert_array_equal(check_column(column), [0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(check_column(column, warn=False), [0, 1])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            np.eye(3),
            r"^t has shape \(3, 3\); .*Convert one-hot rows .* by t\.argmax\(axis=1\)",
        ),
        (np.eye(2), "Convert one-hot rows"),
        (np.array([1j, 2]), "^t holds complex numbers"),
        ([1, 2j], "^t holds complex numbers"),
        ([1, "a"], "^t mixes labels of several kinds"),
        (np.array([1, "a"], object), "^t mixes labels of several kinds"),
        (["a", None], "^t has missing values"),
    ],
)
def test_what_are_no_labels(y, message):
    with pytest.raises(ValueError, match=message):
        check_column(y, "t")


def of_polars(values):
    return pytest.importorskip("polars").Series(values)


def of_pyarrow(values):
    return pytest.importorskip("pyarrow").chunked_array([values[:1], values[1:]])


def of_pandas(dtype):
    return lambda values: pd.Series(values, dtype=dtype)


@pytest.mark.parametrize(
    ("make", "values"),
    [
        (of_polars, [2, 1]),
        (of_polars, ["b", "a"]),
        (of_pyarrow, [2, 1]),
        (of_pyarrow, ["b", "a"]),
        (of_pandas("Int64"), [2, 1]),
        (of_pandas("boolean"), [True, False]),
        (of_pandas("string"), ["b", "a"]),
        (of_pandas("category"), ["b", "a"]),
        (of_pandas("category"), [2, 1]),
    ],
)
def test_columns_of_data_frame_libraries_keep_their_kind(make, values):
    column = check_column(make(values))
    assert column.tolist() == values
    assert type(column.tolist()[0]) is type(values[0])


# Of three entries the second is missing.
MISSING = {
    "NaN": np.array([0, np.nan, 1]),
    "NaN in a list": [0, float("nan"), 1],
    "NaN among text in a list": ["a", float("nan"), "b"],
    "None": [0, None, 1],
    "None among text": np.array(["a", None, "b"], object),
    "NaT": np.array(["2020", "NaT", "2021"], "M8[Y]"),
    "decimal NaN": [decimal.Decimal(1), decimal.Decimal("NaN"), decimal.Decimal(2)],
    "pandas.NA": np.array([0, pd.NA, 1], object),
    "pandas Int64": pd.Series([0, None, 1], dtype="Int64"),
    "pandas string": pd.Series(["a", None, "b"], dtype="string"),
    "pandas category": pd.Series(["a", None, "b"], dtype="category"),
    "pandas dates": pd.Series([pd.Timestamp(0), pd.NaT, pd.Timestamp(1)]),
    "masked": np.ma.MaskedArray([0, 1, 2], mask=[False, True, False]),
    "polars": lambda: of_polars(["a", None, "b"]),
    "polars, numbers": lambda: of_polars([0, None, 1]),
    "pyarrow": lambda: of_pyarrow(["a", None, "b"]),
}


def one_missing(name):
    return rf"^{name} has missing values .* at 1 of 3 positions \(1\)\. "


@pytest.mark.parametrize("values", MISSING.values(), ids=MISSING)
def test_missing_labels_and_groups_are_refused(values):
    values = values() if callable(values) else values
    with pytest.raises(ValueError, match=one_missing("y")):
        check_column(values)
    with pytest.raises(ValueError, match=one_missing("groups")):
        check_groups(values, 3)


@pytest.mark.parametrize(
    "text", ["", "  ", "nan", "NaN", "NaT", "None", "<NA>", "N/A", " NULL", "#N/A"]
)
@pytest.mark.parametrize("dtype", [object, str, bytes])
def test_missing_groups_that_became_text_are_refused(text, dtype):
    groups = np.array(["a", text, "b"]).astype(dtype)
    if dtype is not object:
        # As a label it may be the name of a class.
        assert len(check_column(groups)) == 3
    with pytest.raises(ValueError, match=one_missing("groups")):
        check_groups(groups, 3)


def test_first_missing_places_are_said():
    groups = np.where(np.arange(60) % 3 == 1, np.nan, 5)
    with pytest.raises(
        ValueError, match=r"20 of 60 positions \(1, 4, 7, 10, 13, \.\.\.\)\. L"
    ):
        check_groups(groups, 60)


@pytest.mark.parametrize(
    "groups",
    [
        [7, 2, 7],
        np.array([[7], [2], [7]]),
        ["b", "a", "b"],
        [["b"], ["a"], ["b"]],
        pd.Series(["b", "a", "b"], index=[5, 5, 5], dtype="category"),
        pd.DataFrame({"patient": [7, 2, 7]}),
        [True, False, True],
    ],
)
def test_groups_are_numbered(groups):
    assert check_groups(groups, 3).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([1, 2], r"^groups must have shape \(3,\), one group for each image; got \(2,\)"),
        (np.zeros((3, 2)), r"^groups must have shape \(3,\)"),
        (7, r"^groups must have shape \(3,\)"),
        (np.array([1, "a", 2], object), "^groups mixes groups of several kinds"),
        ([1, "1", 2], "^groups mixes groups of several kinds"),
    ],
)
def test_what_are_no_groups(groups, message):
    with pytest.raises(ValueError, match=message):
        check_groups(groups, 3)


# --- All that takes them ------------------------------------------------------------------

X, y = toy_images(60)
PATIENTS = np.where(np.arange(60) % 20 == 3, np.nan, np.arange(60) // 3)
REFUSED = r"groups has missing values .* at 3 of 60 positions \(3, 23, 43\)\. Leave"


@pytest.fixture(scope="module")
def net():
    return octsk.SmallOCTNet(**TINY).initialize(X, y)


def test_early_stopping():
    with pytest.raises(ValueError, match=f"^{REFUSED}"):
        octsk.SmallOCTNet(**TINY, early_stopping=True).fit(X, y, groups=PATIENTS)


def test_search():
    from sklearn.model_selection import GroupKFold

    search = octsk.OCTSearchCV(octsk.SmallOCTNet(**TINY), n_trials=1, cv=GroupKFold(2))
    with pytest.raises(ValueError, match=f"^{REFUSED}"):
        search.fit(X, y, groups=PATIENTS)


def test_interval():
    with pytest.raises(ValueError, match=f"^{REFUSED}"):
        bootstrap_interval("acc", y, np.eye(3)[y], groups=PATIENTS)


def test_evaluation_does_not_predict_before(net, monkeypatch):
    monkeypatch.setattr(octsk.SmallOCTNet, "predict_proba", None)
    dataset = octsk.make_oct_phantoms(8)
    dataset.update(data=X, target=y, groups=PATIENTS)
    for given in (dict(groups=PATIENTS), dict(dataset=dataset)):
        with pytest.raises(ValueError, match=f"^{REFUSED}"):
            octsk.evaluate(net, X, y, **given)


def test_benchmark_does_not_train_before(net, monkeypatch):
    monkeypatch.setattr(octsk.SmallOCTNet, "fit", None)
    part = dict(data=X, target=y, groups=PATIENTS)
    with pytest.raises(ValueError, match=r"^groups of the test split has missing values"):
        octsk.benchmark.run_benchmark({"net": net}, dict(train=part, test=part))


@pytest.mark.parametrize("groups", [PATIENTS, PATIENTS.astype(str)])
def test_file_of_a_data_set(groups, tmp_path):
    path = tmp_path / "own.npz"
    np.savez(path, test_images=X, test_labels=y, test_groups=groups)
    with pytest.raises(ValueError, match=r"own.npz: test_groups has missing values"):
        octsk.load_medmnist(path)


def test_weights():
    for missing in (np.nan, None, pd.NA):
        weight = [missing, *np.ones(59)]
        with pytest.raises(
            ValueError,
            match=r"^sample_weight has missing values .* 1 of 60 positions \(0\)\. Give",
        ):
            octsk.SmallOCTNet(**TINY).fit(X, y, sample_weight=weight)


def test_labels_of_all_that_takes_them(net):
    labels = np.where(y == 2, None, y)
    with pytest.raises(ValueError, match=r"^y has missing values .* 20 of 60"):
        net.fit(X, labels)
    with pytest.raises(ValueError, match=r"^y_val has missing values .* 20 of 60"):
        octsk.SmallOCTNet(**TINY).fit(X, y, X_val=X, y_val=labels)
    with pytest.raises(ValueError, match=r"^y has missing values .* 20 of 60"):
        octsk.evaluate(net, X, labels)
    with pytest.raises(ValueError, match=r"^y_true has missing values .* 20 of 60"):
        medmnist_accuracy(labels, np.eye(3)[y], labels=[0, 1, 2])
    with pytest.raises(ValueError, match=r"^target has missing values .* 20 of 60"):
        octsk.grad_cam(net, X, target=labels)
    with pytest.raises(ValueError, match=r"^classes has missing values"):
        octsk.SmallOCTNet(**TINY).partial_fit(X, y, classes=[0, 1, 2, None])


def test_missing_groups_are_not_shared_by_splits():
    parts = [dict(groups=np.array(["nan", "", name, "P1"])) for name in ("a", "b")]
    shared = shared_groups(dict(train=parts[0], test=parts[1]))
    assert shared == {("train", "test"): ["P1"]}


@pytest.mark.parametrize(
    "other",
    [["7", "8"], [" 7", "x"], [7.0, 9.5], [[7], [8]], np.array([7, None], object)],
    ids=["text", "blanks", "floats", "column", "objects"],
)
def test_a_group_is_the_same_as_number_and_as_text(other):
    dataset = dict(train=dict(groups=np.array([5, 7])), test=dict(groups=other))
    assert shared_groups(dataset) == {("train", "test"): [7]}
