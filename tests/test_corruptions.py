"""Corruptions of images, and what nets are measured to do on them."""

import itertools
import json
import sys

import numpy as np
import pytest
from helpers import toy_images
from sklearn.dummy import DummyClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import Bunch

import octsk
from octsk.benchmark import run_benchmark
from octsk.benchmark.record import compare, read_record
from octsk.corruptions import _BATCH, CORRUPTIONS, corrupt
from octsk.evaluation import BenchmarkReport
from octsk.reporting import _pictures, html_report
from octsk.tuning import tune


@pytest.fixture(scope="module")
def scans():
    return octsk.make_oct_phantoms(40, random_state=0).data


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_corruptions_grow_with_severity(name, scans):
    corrupted = [corrupt(scans, name, severity) for severity in range(1, 6)]
    changes = [np.abs(images - scans.astype(float)).mean() for images in corrupted]
    assert all(less < more for less, more in itertools.pairwise(changes))
    assert 0 < changes[0] < changes[4] / 1.5
    assert corrupted[0].shape == scans.shape
    assert corrupted[0].dtype == np.uint8
    np.testing.assert_array_equal(corrupt(scans, name, 3), corrupted[2])


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_corruptions_of_colour_images(name, scans):
    colour = np.stack([scans[:4]] * 3, axis=-1)
    changed = corrupt(colour, name, 4)
    assert changed.shape == colour.shape
    if "noise" not in name and name != "jpeg_compression":
        grey = corrupt(scans[:4], name, 4)
        np.testing.assert_allclose(changed[..., 1].astype(float), grey, atol=1)


@pytest.mark.parametrize("name", ["gaussian_noise", "speckle_noise", "shot_noise"])
def test_noise_is_as_strong_as_stated(name):
    grey = np.full((50, 28, 28), 102, dtype=np.uint8)
    parameter = CORRUPTIONS[name].severities[2]
    stated = {
        "gaussian_noise": parameter,
        "speckle_noise": 0.4 * parameter,
        "shot_noise": np.sqrt(0.4 / parameter),
    }
    deviation = np.std(corrupt(grey, name, 3) / 255)
    assert deviation == pytest.approx(stated[name], rel=0.03)


@pytest.mark.parametrize("name", ["gaussian_blur", "defocus_blur", "motion_blur"])
def test_blur_keeps_the_light(name):
    point = np.zeros((6, 29, 29), dtype=np.uint8)
    point[:, 14, 14] = 255
    spread = corrupt(point, name, 5).astype(float)
    # Rounding: many pixels of little light.
    np.testing.assert_allclose(spread.sum(axis=(1, 2)), 255, rtol=0.05)
    assert spread.max() < 100


def test_images_of_a_large_set_are_corrupted_as_in_a_small_one(scans):
    few = scans[:32]
    many = np.tile(few, (1 + _BATCH // 32, 1, 1))
    for name in ("gaussian_noise", "shot_noise", "motion_blur"):
        changed = corrupt(many, name, 2)
        np.testing.assert_array_equal(changed[:32], corrupt(few, name, 2))
        # What is random goes on in the next batch, and does not begin anew.
        assert (changed[_BATCH:] != changed[:32]).any()


@pytest.mark.parametrize("shape", [(40, 28, 28, 1), (40, 784)])
def test_layouts_are_kept(shape, scans):
    changed = corrupt(scans.reshape(shape), "pixelate", 5)
    assert changed.shape == shape
    np.testing.assert_array_equal(
        changed.reshape(scans.shape), corrupt(scans, "pixelate", 5)
    )


def test_images_of_one_pixel():
    dot = np.full((1, 1, 1), 7, np.uint8)
    assert corrupt(dot, "pixelate", 5).tolist() == [[[7]]]


def test_without_scikit_image_it_is_said_before_a_training(monkeypatch, toys):
    monkeypatch.setitem(sys.modules, "skimage.util", None)
    with pytest.raises(ImportError, match=r'pip install "octsk\[corruptions\]"'):
        run_benchmark({"never fitted": None}, toys, corruptions=True)


def test_without_test_images_it_is_said_before_a_search(toys):
    search = octsk.OCTSearchCV(Flat(), {"max_depth": [1]}, n_trials=1)
    with pytest.raises(ValueError, match="needs a test split, and 'toys' has none"):
        tune(search, Bunch(**toys | {"test": None}), corruptions=True)
    floats = Bunch(data=toys.test.data / 255, target=toys.test.target)
    with pytest.raises(ValueError, match=r"dataset\.test\.data has dtype float64"):
        tune(search, Bunch(**toys | {"test": floats}), corruptions=True)


# --- in a benchmark ---------------------------------------------------------------------


class Flat(DecisionTreeClassifier):
    def fit(self, X, y):
        return super().fit(X.reshape(len(X), -1), y)

    def predict_proba(self, X):
        return super().predict_proba(X.reshape(len(X), -1))


@pytest.fixture(scope="module")
def toys():
    X, y = toy_images(45)
    # One grey level off, since the same image in two splits is warned of.
    train, test = Bunch(data=X, target=y), Bunch(data=X[:15] ^ 1, target=y[:15])
    return Bunch(name="toys", size=12, synthetic=True, train=train, val=None, test=test)


NETS = {"flat": Flat(), "guess": DummyClassifier()}


@pytest.fixture(scope="module")
def run(toys):
    return run_benchmark(NETS, toys, seeds=[0, 1], corruptions=True)


def test_each_net_is_measured_under_each_corruption(run, toys):
    rows = run.corruptions()
    assert len(rows) == 2 * 2 * (1 + 10 * 5)
    assert octsk.CorruptionDisplay(rows).corruptions == list(CORRUPTIONS)
    clean = [row["balanced_error"] for row in rows if row["severity"] == 0]
    reports = [report for net in NETS for report in run.reports[net]]
    assert clean == pytest.approx([1 - r.metrics["balanced_accuracy"] for r in reports])
    [row] = [
        row["balanced_error"]
        for row in run.reports["flat"][0].corruptions
        if (row["corruption"], row["severity"]) == ("contrast_down", 4)
    ]
    report = octsk.evaluate(
        Flat().fit(toys.train.data, toys.train.target),
        corrupt(toys.test.data, "contrast_down", 4),
        toys.test.target,
    )
    assert row == pytest.approx(1 - report.metrics["balanced_accuracy"])
    assert row > clean[0]


def test_a_search_has_them_too(toys):
    guess = DummyClassifier()
    search = octsk.OCTSearchCV(guess, {"strategy": ["prior"]}, n_trials=1, cv=2)
    found = tune(search, toys, corruptions=True)
    rows = found.benchmark.corruptions()
    assert {row["net"] for row in rows} == {"default", "tuned"}
    assert "Balanced error on corrupted images" in str(found)
    assert ">Corrupted images<" in html_report(found)


@pytest.mark.pictures
def test_page_and_table_show_them(run, monkeypatch):
    for name in [name for name in vars(_pictures) if name.startswith("of_")]:
        if name != "of_corruptions":
            monkeypatch.setattr(_pictures, name, lambda *args: [])
    html = html_report(run)
    assert html.count("<img") == 1
    assert "Lines of flat, guess over severities 0 to 5 of jpeg compression" in html
    lines = str(run).partition("Balanced error on corrupted images")[2].splitlines()
    assert lines[1].split() == ["images", "flat", "guess"]
    assert lines[2].startswith("  original ")
    noise = [r for r in run.corruptions() if r["corruption"] == "shot_noise"]
    mean = np.mean([r["balanced_error"] for r in noise if r["net"] == "flat"])
    [line] = [line for line in lines if "shot noise" in line]
    assert f"{mean:.3f} ±" in line
    assert '<th scope="row">shot noise</th><td>' + f"{mean:.3f} ±" in html


def test_run_without_them_says_nothing_of_them(toys):
    run = run_benchmark({"guess": DummyClassifier()}, toys)
    assert run.corruptions() == []
    assert "orrupt" not in str(run) + html_report(run)


def test_record_outlasts_an_interruption_and_is_compared(run, toys, tmp_path):
    def stop_at_last(kind, **info):
        if kind == "fit_start" and info["index"] == 3:
            raise KeyboardInterrupt

    how = dict(seeds=[0, 1], output_dir=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run_benchmark(NETS, toys, corruptions=True, on_event=stop_at_last, **how)
    with pytest.raises(ValueError, match="another run: corruptions is False but was True"):
        run_benchmark(NETS, toys, resume=True, **how)
    again = run_benchmark(NETS, toys, corruptions=True, resume=True, **how)
    assert again.corruptions() == run.corruptions()
    record = read_record(tmp_path / "run.json", ended=True)
    rows = [row for report in record["reports"] for row in report["corruptions"]]
    assert rows == run.corruptions()
    assert compare(record, run) == []
    record["reports"][3]["corruptions"][8]["balanced_error"] = 0.0
    assert compare(record, run)[0].startswith(
        "guess, seed 1: corruptions.pixelate, severity 3 is 0.6"
    )


def test_a_report_without_its_rows_is_not_gone_on_with(tmp_path, toys):
    how = dict(corruptions=True, output_dir=tmp_path)
    run_benchmark({"guess": DummyClassifier()}, toys, **how)
    path = tmp_path / "reports" / "guess-seed0.json"
    report = json.loads(path.read_text())
    for rows in (None, report["corruptions"][:1]):
        path.write_text(json.dumps(report | {"corruptions": rows}))
        with pytest.raises(ValueError, match=r"guess-seed0\.json lacks errors"):
            run_benchmark({"guess": DummyClassifier()}, toys, resume=True, **how)


SPOILT = [
    3,
    [3],
    [{}],
    [dict(net="a", corruption="b", severity=9, balanced_error=0.5, seed=0)],
    [dict(net="a", corruption="b", severity=1, balanced_error=float("nan"), seed=0)],
    [dict(net="a", corruption="\x1b[2J", severity=1, balanced_error=0.5, seed=0)],
    [dict(net="a", corruption=["b"], severity=1, balanced_error=0.5, seed=0)],
]


@pytest.mark.parametrize("rows", SPOILT, ids=str)
def test_spoilt_rows_of_a_file_are_refused(rows, run, tmp_path):
    words = "its corruptions are not rows of errors"
    record = run.to_dict()
    record["reports"][1]["corruptions"] = rows
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(ValueError, match=f"is not the run.json of a run: {words}"):
        read_record(tmp_path / "run.json")
    path = tmp_path / "report.json"
    run.first.to_json(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"corruptions": rows}))
    with pytest.raises(ValueError, match=f"damaged benchmark report.*{words}"):
        BenchmarkReport.from_json(path)


def test_files_of_older_versions_have_none(run, tmp_path):
    record = run.to_dict()
    del record["plan"]["corruptions"]
    for report in record["reports"]:
        del report["corruptions"]
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert read_record(tmp_path / "run.json", ended=True) == record
    path = tmp_path / "report.json"
    run.first.to_json(path)
    values = json.loads(path.read_text())
    del values["corruptions"]
    path.write_text(json.dumps(values))
    assert BenchmarkReport.from_json(path).corruptions is None
