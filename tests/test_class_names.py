"""Classes of a data set and of a classifier, matched by name or mapped."""

import csv
import json

import numpy as np
import pytest
from helpers import toy_images
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from octsk.evaluation import BenchmarkReport, evaluate

NAMES = ["CNV", "DME", "drusen", "normal"]


class Oracle(ClassifierMixin, BaseEstimator):
    """Gives each image the class that its first pixel holds, most of the time."""

    def __init__(self, names=None, noise=0.0):
        self.names = names
        self.noise = noise

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        self.class_names_ = self.names
        return self

    def predict_proba(self, X):
        rng = np.random.default_rng(0)
        logits = 3 * np.eye(len(self.classes_))[X[:, 0, 0].astype(int)]
        logits += self.noise * rng.normal(size=logits.shape)
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)


def _images(codes):
    data = np.zeros((len(codes), 4, 4), dtype=np.uint8)
    data[:, 0, 0] = codes
    return data


def _oracle(names=NAMES, labels=range(4), noise=0.0):
    labels = np.array(labels)
    return Oracle(names, noise).fit(_images(np.arange(len(labels))), labels)


def _set(order, codes, **facts):
    """A data set with names in an order of its own, of images with these true classes."""
    label = {NAMES.index(name): k for k, name in enumerate(order)}
    target = np.array([label[code] for code in codes])
    return Bunch(data=_images(codes), target=target, target_names=list(order), **facts)


CODES = np.repeat([0, 1, 2, 3], [9, 7, 6, 8])


@pytest.mark.parametrize("order", [NAMES, NAMES[::-1], NAMES[1:] + NAMES[:1]])
@pytest.mark.parametrize("kind", ["labels", "names"])
def test_labels_follow_the_order_of_the_model(order, kind):
    data = _set(order, CODES)
    y = data.target if kind == "labels" else np.array(order)[data.target]
    report = evaluate(_oracle(), data.data, y, dataset=data, n_resamples=20)
    assert report.class_names == NAMES
    assert report.metrics["acc"] == 1
    assert report.confusion_matrix.diagonal().tolist() == [9, 7, 6, 8]
    assert report.label_columns == [NAMES.index(name) for name in order]
    assert "not compared" not in str(report)


def test_names_in_a_pipeline_and_of_text_classes():
    data = _set(NAMES[::-1], CODES)
    piped = make_pipeline("passthrough", _oracle())
    assert evaluate(piped, data.data, data.target, dataset=data).metrics["acc"] == 1
    text = _oracle(None, NAMES)
    assert evaluate(text, data.data, data.target, dataset=data).metrics["acc"] == 1


def test_a_data_set_may_have_fewer_or_more_names():
    fewer = _set(["normal", "CNV"], np.repeat([3, 0], [5, 4]))
    report = evaluate(_oracle(), fewer.data, fewer.target, dataset=fewer)
    assert (report.metrics["acc"], report.class_names) == (1, NAMES)
    more = _set(NAMES[::-1], CODES)
    more.target_names = [*more.target_names, "macular hole"]
    report = evaluate(_oracle(), more.data, more.target, dataset=more)
    assert report.metrics["acc"] == 1


@pytest.mark.parametrize(
    "names", [["CNV", "DME", "AMD", "normal"], ["cnv", *NAMES[1:]], ["CNV", "CNV", *"ab"]]
)
def test_other_names_are_refused_with_both_lists(names):
    data = _set(NAMES, CODES)
    net = _oracle(names)
    with pytest.raises(ValueError, match="have different names") as refused:
        evaluate(net, data.data, data.target, dataset=data)
    assert str(NAMES) in str(refused.value)
    assert str(names) in str(refused.value)


@pytest.mark.parametrize(
    ("ours", "theirs", "who"),
    [
        (None, NAMES[::-1], "the classifier has none"),
        (NAMES, None, "the data set has none"),
        (None, None, "neither the classifier nor the data set has any"),
    ],
)
def test_missing_names_are_said_to_be_not_compared(ours, theirs, who):
    data = Bunch(data=_images(CODES), target=CODES, target_names=theirs)
    report = evaluate(_oracle(ours), data.data, CODES, dataset=data)
    assert report.remarks == [
        f"Class names were not compared: {who}. The labels (0, 1, 2, 3) were taken to mean "
        "the same classes."
    ]
    assert report.remarks[0] in " ".join(str(report).split())
    assert report.class_names == (ours or theirs or list("0123"))


# -- other classes ----------------------------------------------------------------------

# AMD is CNV or drusen; a hole is nothing that the net knows.
EXTERNAL = ["AMD", "DME", "NO", "hole"]
TRUE = np.repeat([0, 2, 1, 3, 1], [5, 4, 6, 7, 3])
TARGET = np.repeat([0, 0, 1, 2, 3], [5, 4, 6, 7, 3])
CLASS_MAP = {"AMD": ["CNV", "drusen"], "NO": "normal"}


def _external(**facts):
    return Bunch(data=_images(TRUE), target=TARGET, target_names=EXTERNAL, **facts)


def test_mapped_classes_sum_their_probabilities(tmp_path):
    data = _external(groups=np.arange(25), filenames=[f"{i}.png" for i in range(25)])
    net = _oracle(noise=2.0)
    with pytest.warns(UserWarning, match=r"LEFT OUT of all results.*hole \(3 images\)"):
        report = evaluate(net, data.data, TARGET, dataset=data, class_map=CLASS_MAP)
    assert report.class_names == ["AMD", "DME", "NO"]
    score = net.predict_proba(data.data)[:22]
    summed = np.column_stack([score[:, 0] + score[:, 2], score[:, 1], score[:, 3]])
    np.testing.assert_allclose(report.y_score, summed)
    expected = accuracy_score(TARGET[:22], summed.argmax(axis=1))
    assert report.metrics["acc"] == pytest.approx(expected)
    area = roc_auc_score(TARGET[:22], summed, multi_class="ovr")
    assert report.metrics["auc"] == pytest.approx(area)
    assert (report.n_samples, report.left_out) == (22, {"hole": 3})
    assert report.filenames == [f"{i}.png" for i in range(22)]
    text = " ".join(str(report).split())
    assert "AMD = CNV + drusen; NO = normal; DME = DME." in text
    assert "no such class: hole (3 images)." in text
    assert report.not_comparable == "the classes were mapped to others"
    report.to_json(tmp_path / "report.json")
    again = BenchmarkReport.from_json(tmp_path / "report.json")
    assert (again.left_out, again.remarks) == (report.left_out, report.remarks)
    assert again.image_index == list(range(22))


def test_several_classes_that_are_one_to_the_classifier():
    target = np.repeat([0, 1, 2], [5, 4, 6])
    data = Bunch(
        data=_images(np.repeat([0, 1], [9, 6])),
        target=target,
        target_names=["wet", "dry", "healthy"],
    )
    net = _oracle(["AMD", "normal"], range(2))
    class_map = {"wet": "AMD", "dry": ["AMD"], "healthy": ["normal"]}
    report = evaluate(net, data.data, target, dataset=data, class_map=class_map)
    assert report.class_names == ["AMD", "healthy"]
    assert report.confusion_matrix.tolist() == [[9, 0], [0, 6]]


def test_a_class_that_nothing_maps_to_counts_as_wrong():
    data = Bunch(
        data=_images(np.repeat([0, 1], [9, 6])),
        target=np.repeat([0, 1], [9, 6]),
        target_names=["normal", "DME"],
    )
    class_map = {"normal": "CNV"}
    report = evaluate(_oracle(), data.data, data.target, dataset=data, class_map=class_map)
    assert report.class_names == ["normal", "DME", "drusen", "normal (unmapped)"]
    assert "mapped to drusen, normal: predictions of it are wrong" in report.remarks[1]


@pytest.mark.parametrize(
    ("class_map", "message"),
    [
        ({}, "class_map must map classes of the data set"),
        ("AMD=CNV", "class_map must map classes of the data set"),
        ({"RVO": "CNV"}, r"'RVO', which the data set does not have; it has \['AMD', 'DME'"),
        (
            {"AMD": "amd"},
            r"'AMD' to \['amd'\], which must be one or more different classes",
        ),
        ({"AMD": []}, r"to \[\], which must be"),
        ({"AMD": None}, r"to \[None\], which must be"),
        ({"AMD": ["CNV", "CNV"]}, "must be one or more different classes"),
        ({"AMD": ["CNV", "DME"]}, "'DME' stands for 'AMD' and for 'DME'"),
        ({"AMD": ["CNV", "drusen"], "NO": ["CNV"]}, "'CNV' stands for 'AMD' and for 'NO'"),
    ],
)
def test_impossible_maps(class_map, message):
    data = _external()
    with pytest.raises(ValueError, match=message):
        evaluate(_oracle(), data.data, TARGET, dataset=data, class_map=class_map)


def test_a_map_that_leaves_nothing():
    data = Bunch(data=_images(CODES), target=CODES % 1, target_names=["x", "y"])
    with pytest.raises(
        ValueError, match=r"maps none of the classes of the images, \['x'\]"
    ):
        evaluate(_oracle(), data.data, data.target, dataset=data, class_map={"y": "CNV"})


# -- what is known of each image --------------------------------------------------------


def test_names_of_files_and_groups_are_in_all_files(tmp_path):
    files = [f"=scan{i}\x1b.png" for i in range(30)]
    data = _set(NAMES, CODES, groups=np.arange(30) // 2, filenames=np.array(files))
    report = evaluate(_oracle(noise=2), data.data, data.target, dataset=data)
    report.to_json(tmp_path / "report.json")
    values = json.loads((tmp_path / "report.json").read_text())
    assert values["filenames"] == files
    assert values["groups"] == (np.arange(30) // 2).tolist()
    assert values["class_names"] == NAMES
    assert "filenames" not in report.to_dict(scores=False)
    again = BenchmarkReport.from_json(tmp_path / "report.json")
    again.to_csv(tmp_path / "scores.csv")
    with open(tmp_path / "scores.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("image", "file", "group", "true", "predicted"),
        *(f"p_{name}" for name in NAMES),
    ]
    assert rows[7]["file"] == r"'=scan7\x1b.png"
    assert (rows[7]["image"], rows[7]["group"], rows[10]["true"]) == ("7", "3", "DME")
    p = np.array([[float(row[f"p_{name}"]) for name in NAMES] for row in rows])
    np.testing.assert_allclose(p, report.y_score, rtol=1e-7)
    assert [row["predicted"] for row in rows] == [NAMES[k] for k in p.argmax(axis=1)]


def test_a_report_whose_names_do_not_fit_is_damaged(tmp_path):
    X, y = toy_images()
    report = evaluate(_oracle(None, range(3)), np.minimum(X, 2), y, groups=np.arange(60))
    report.to_json(tmp_path / "report.json")
    values = json.loads((tmp_path / "report.json").read_text())
    (tmp_path / "report.json").write_text(json.dumps({**values, "groups": [1, 2]}))
    with pytest.raises(ValueError, match="its groups do not have one entry for each image"):
        BenchmarkReport.from_json(tmp_path / "report.json")


def test_filenames_must_be_one_for_each_image():
    data = _set(NAMES, CODES, filenames=["a.png"])
    with pytest.raises(
        ValueError, match="filenames must have one entry for each of the 30"
    ):
        evaluate(_oracle(), data.data, data.target, dataset=data)


def test_equal_class_names_are_refused():
    net = _oracle(["CNV", "DME", "DME", "normal"])
    codes = np.arange(8) % 4
    with pytest.raises(ValueError, match=r"class names must differ .*'DME', 'DME'"):
        evaluate(net, _images(codes), codes)
