"""The scripts under benchmarks/, at a tiny scale."""

import importlib
import json
import subprocess

import numpy as np
import pytest
from helpers import TINY

import octsk
from benchmarks import _apart, _common, augmentation_speed, full_fit, report_rows, search
from octsk.classifiers import NETS

SCRIPTS = [augmentation_speed, full_fit, report_rows, search]


@pytest.fixture
def in_this_process(monkeypatch):
    """Let the scripts measure here: a process each would take a minute."""

    def call(target, **arguments):
        module, function = target.split(":")
        result = getattr(importlib.import_module(module), function)(**arguments)
        return json.loads(json.dumps(result))

    for module in (augmentation_speed, full_fit, search):
        monkeypatch.setattr(module, "run_apart", call)
    monkeypatch.setattr(augmentation_speed, "use_one_core", lambda: None)


# Keras's ImageDataGenerator takes a function from where SciPy no longer keeps it.
ignore_scipy_namespace = pytest.mark.filterwarnings(
    "ignore:Please import `affine_transform`:DeprecationWarning"
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_help(script, capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        script.main(["--help"])
    assert script.__doc__.splitlines()[0] in capsys.readouterr().out


# --- report_rows -------------------------------------------------------------------------


def test_rows_are_the_report_s():
    assert list(report_rows.ROWS) == [
        *map(str, range(1, 13)),
        *(f"P{i}" for i in range(1, 6)),
    ]
    for row, published in report_rows.ROWS.items():
        clf = report_rows._estimator(published)
        assert type(clf).__name__ == f"{published.settings['net']}OCTNet"
        epochs = report_rows.PRINTED_EPOCHS.get(row, {})
        assert {len(values) for values in epochs.values()} <= {clf.epochs}
    without = report_rows._estimator(report_rows.ROWS["11"])
    assert (without.optimizer, without.epochs, without.augmentation) == ("nadam", 5, False)


def test_list_trains_nothing(capsys):
    assert report_rows.main(["--list"]) is None
    lines = capsys.readouterr().out.splitlines()
    assert any(
        line.split() == ["7", "Medium", "Nadam", "5", "yes", "0.766"] for line in lines
    )


@pytest.fixture
def tiny_nets(monkeypatch):
    """Let the rows train a network that does so in a blink, for as many epochs."""

    def estimator(published):
        return octsk.SmallOCTNet(**{**TINY, "epochs": published.settings["epochs"]})

    monkeypatch.setattr(report_rows, "_estimator", estimator)


def test_rows_on_phantoms_stand_alone(tiny_nets, tmp_path, capsys):
    path = tmp_path / "rows.json"
    result = report_rows.main(
        [
            "--phantoms",
            "64",
            "--rows",
            "1",
            "P1",
            "--seeds",
            "0",
            "1",
            "--output",
            str(path),
        ]
    )
    assert [row["row"] for row in result["rows"]] == ["1", "P1"]
    assert [row["n_seeds"] for row in result["rows"]] == [2, 2]
    assert [one["seed"] for one in result["trainings"]] == [0, 1, 0, 1]
    accuracies = [one["metrics"]["acc"] for one in result["trainings"][:2]]
    assert result["rows"][0]["acc"]["mean"] == pytest.approx(np.mean(accuracies))
    assert result["rows"][0]["acc"]["std"] == pytest.approx(np.std(accuracies, ddof=1))
    assert not any("reported" in row for row in result["rows"])
    text = capsys.readouterr().out
    assert "SYNTHETIC" in text
    assert "reported ACC" not in text
    assert "Reason: the images are synthetic." in text
    assert len(result["trainings"][2]["history"]["val_accuracy"]) == 6
    assert json.loads(path.read_text())["rows"] == json.loads(json.dumps(result["rows"]))


def test_reported_stands_beside_measured_on_the_official_split(
    tiny_nets, monkeypatch, capsys
):
    monkeypatch.setattr("octsk.benchmark.why_not_comparable", lambda *args, **kwargs: None)
    # As if 32 of the phantoms were OCTMNIST: only the words are looked at.
    result = report_rows.main(["--phantoms", "32", "--rows", "P2", "12"])
    assert len(result["trainings"]) == 1  # one setting
    assert [row["reported"]["acc"] for row in result["rows"]] == [0.691, 0.761]
    assert result["rows"][0]["acc"] == result["rows"][1]["acc"]
    text = " ".join(capsys.readouterr().out.split())
    assert "reported ACC" in text
    assert "0.761 and 0.691 and 0.761" in text
    assert "P2 validation, reported 0.7755 0.8080 0.8285 0.8320 0.8177" in text
    assert "Reason" not in text


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--rows", "13"], "invalid choice: '13'"),
        (["--phantoms", "3"], "3 is less than 32"),
        (["--data", "no/such.npz"], "no/such.npz does not exist"),
    ],
)
def test_bad_argument_is_one_line(argv, words, capsys):
    with pytest.raises(SystemExit) as stopped:
        report_rows.main(argv)
    said = capsys.readouterr().err + str(stopped.value)
    assert words in said
    assert stopped.value.code != 0


# --- augmentation_speed ------------------------------------------------------------------


@ignore_scipy_namespace
@pytest.mark.parametrize("preset", ["training", "demonstration"])
def test_augmentation_speed(in_this_process, preset, tmp_path, capsys):
    path = tmp_path / "speed.json"
    result = augmentation_speed.main(
        ["--n", "64", "--repeats", "2", "--preset", preset, "--output", str(path)]
    )
    speeds = result["images_per_second"]
    assert list(speeds) == [*augmentation_speed.OURS, *augmentation_speed.THEIRS]
    assert all(len(values) == 2 and min(values) > 0 for values in speeds.values())
    ours, theirs = augmentation_speed.OURS[1], augmentation_speed.THEIRS[0]
    ratio = result["ratios"][ours][theirs]
    each = [a / b for a, b in zip(speeds[ours], speeds[theirs], strict=True)]
    assert (ratio["low"], ratio["high"]) == (min(each), max(each))
    assert f"{preset} settings" in capsys.readouterr().out
    assert json.loads(path.read_text())["ratios"] == result["ratios"]


# --- full_fit ----------------------------------------------------------------------------


@ignore_scipy_namespace
def test_full_fit(in_this_process, tmp_path, capsys):
    path = tmp_path / "fit.json"
    result = full_fit.main(["--n", "96", "--epochs", "2", "--output", str(path)])
    small = result["nets"]["small"]
    for name in full_fit.CONTENDERS:
        [fit] = small["fits"][name]
        assert len(fit["training"]) == len(fit["validation"]) == 2
        assert fit["array"] == 96 * 28 * 28
        assert small["epoch_seconds"][name] == [fit["training"][1]]
        assert fit["seconds"] > sum(fit["training"]) + sum(fit["validation"])
    ours, theirs = (small["epoch_seconds"][name][0] for name in full_fit.CONTENDERS)
    assert small["ratios"]["epoch"]["median"] == pytest.approx(theirs / ours)
    text = capsys.readouterr().out
    assert "small, 96 training images, epochs: 2" in text
    assert "SYNTHETIC" in text
    assert json.loads(path.read_text())["nets"]["small"]["ratios"] == small["ratios"]


def test_full_fit_networks_are_the_estimators():
    for net in full_fit.OPTIMIZERS:
        model = full_fit._report_model(net, (28, 28, 1), 4)
        ours = getattr(octsk.architectures, net)((28, 28, 1), 4)
        assert [w.shape for w in model.weights] == [w.shape for w in ours.weights]
        estimator = NETS[net]()
        assert estimator.optimizer == full_fit.OPTIMIZERS[net]
        assert estimator.batch_size == full_fit.BATCH_SIZE


# --- search ------------------------------------------------------------------------------


def test_search(in_this_process, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(search, "_net", lambda name, seed=0: octsk.SmallOCTNet(**TINY))
    monkeypatch.setattr(search, "WORKERS", {"one": (1, 1), "another": (1, 1)})
    path = tmp_path / "search.json"
    sizes = {"--n": 48, "--trials": 1, "--short-trials": 2, "--folds": 2, "--repeats": 1}
    files = {"--output": path, "--storage": tmp_path / "search.journal"}
    options = {**sizes, **files}.items()
    result = search.main([str(word) for option in options for word in option])
    assert result["data"]["synthetic"]
    assert (result["data"]["n"], result["data"]["patients"]) == (48, None)
    assert set(result["study"]["best_params"]) == set(
        octsk.search_space(octsk.SmallOCTNet(**TINY))
    )
    for who in ("default", "best"):
        assert len(result["study"][who]) == len(result["study"][f"new_{who}"][0]) == 2
    turns = result["workers"]["turns"]
    assert [turn["trials"] for turn in turns["one"] + turns["another"]] == [[2], [2]]
    ratio = turns["another"][0]["seconds"] / turns["one"][0]["seconds"]
    assert result["workers"]["ratios"]["one"]["median"] == pytest.approx(ratio)
    for measured in result["pruning"].values():
        assert len(measured["completed_seconds"]) + len(measured["pruned_seconds"]) == 2
    text = capsys.readouterr().out
    assert "SYNTHETIC" in text
    assert "defaults, and the best of 1 trials" in text
    assert json.loads(path.read_text())["study"] == result["study"]
    assert (tmp_path / "search.journal").is_file()


def test_search_keeps_patients_together():
    labels = np.arange(60) % 3
    data = {"images": np.zeros((60, 4, 4)), "labels": labels, "groups": np.arange(60) // 5}
    for train, test in search._folds(data, 3, seed=0):
        assert not set(data["groups"][train]) & set(data["groups"][test])


# --- what they share ---------------------------------------------------------------------


def test_run_apart_returns_what_the_function_returns():
    assert _apart.run_apart("statistics:mean", data=[1, 2]) == 1.5
    with pytest.raises(subprocess.CalledProcessError):
        _apart.run_apart("statistics:mean", data=[])


def test_peak_memory_is_the_process_s_own():
    here = _apart.peak_memory()
    if here is None:
        pytest.skip("peak memory is read from /proc, which is Linux's")
    block = np.ones(10_000_000)
    # A new Python without TensorFlow needs little, whatever this one has taken.
    assert 1e6 < _apart.run_apart("benchmarks._apart:peak_memory") < block.nbytes < here


def test_contenders_take_turns():
    calls = []
    contenders = {name: lambda name=name: calls.append(name) or len(calls) for name in "ab"}
    assert _common.interleaved(contenders, 2) == {"a": [1, 4], "b": [2, 3]}
    assert calls == ["a", "b", "b", "a"]


def test_phantoms_have_octmnist_s_shares():
    dataset = _common.phantoms(900)
    assert [len(dataset[split].target) for split in ("train", "val", "test")] == [
        900,
        100,
        100,
    ]
    shares = np.bincount(dataset.train.target) / 900
    np.testing.assert_allclose(shares, [0.3435, 0.1048, 0.0795, 0.4722], atol=1e-3)
    assert np.bincount(dataset.test.target).tolist() == [25] * 4
