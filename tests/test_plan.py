"""Runs that go on after they were ended, and runs that are repeated from their JSON."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import TINY, toy_images
from sklearn.dummy import DummyClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch
from typer.testing import CliRunner

import octsk
from octsk import OCTAugmenter, SmallOCTNet
from octsk.benchmark import record as _record
from octsk.benchmark import run_benchmark
from octsk.benchmark.record import make_estimators, make_plan, read_record
from octsk.cli import _app as cli
from octsk.cli import benchmark
from octsk.training._callbacks import Onlooker
from octsk.utils.files import acquire_lock


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def dataset():
    def split(seed, n=30):
        X, y = toy_images(n, seed=seed)
        return Bunch(data=X, target=y)

    return Bunch(name="rows", synthetic=True, train=split(0), val=split(1), test=split(2))


@pytest.fixture(scope="module")
def clinic(tmp_path_factory):
    return write_npz(tmp_path_factory.mktemp("data") / "clinic.npz")


def write_npz(path, seed=0):
    arrays = {}
    for i, split in enumerate(("train", "val", "test")):
        X, y = toy_images(48, seed=seed + i)
        arrays |= {f"{split}_images": X, f"{split}_labels": y.astype(np.uint8)}
    np.savez(path, **arrays)
    return path


class Ended(BaseException):
    """Stands for whatever ends a process."""


class Watch(Onlooker):
    """Notes the epochs of a run, and ends it in one of them."""

    def __init__(self, end_at=None):
        super().__init__()
        self.end_at = end_at
        self.epochs = []

    def on_event(self, kind, *, seed, net, **info):
        self.title = (net, seed)
        if kind == "fit_start":
            info["estimator"].set_params(callbacks=self)
        elif kind == "fit_end":
            info["estimator"].set_params(callbacks=None)

    def on_epoch_begin(self, epoch, logs=None):
        if len(self.epochs) == self.end_at:
            raise Ended
        self.epochs.append((*self.title, epoch))


def test_resumed_run_removes_what_killed_writers_left(dataset, tmp_path):
    # Its folder then holds files of every kind.
    nets = {"net": SmallOCTNet(**TINY)}
    arguments = dict(seeds=[0], output_dir=tmp_path, resume=True)
    run_benchmark(nets, dataset, **arguments)
    [scores] = (tmp_path / "scores").glob("*.csv")
    before = {*tmp_path.rglob("*")}
    for name in (
        *(
            ".run-0123abcd.json",
            ".report-0123abcd.html",
            "reports/.net-seed0-0123abcd.json",
        ),
        *("models/.net-seed0-0123abcd.octsk", f"scores/.{scores.stem}-0123abcd.csv"),
    ):
        (tmp_path / name).write_text("half")
    folder = tmp_path / "models" / ".net-seed0-4567cdef.octsk"
    folder.mkdir()
    (folder / "model.keras").write_text("half")
    # Not octsk's.
    (tmp_path / ".notes-0123abcd.txt").touch()
    run_benchmark(nets, dataset, **arguments)
    assert {*tmp_path.rglob("*")} == before | {tmp_path / ".notes-0123abcd.txt"}


def figures(run):
    return [
        (r.name, r.seed, r.metrics, r.history, r.y_score.tolist(), r.params)
        for reports in run.reports.values()
        for r in reports
    ]


@pytest.mark.slow
def test_a_run_goes_on_from_the_last_epoch_of_the_training_under_way(dataset, tmp_path):
    nets = {"tiny": SmallOCTNet(**{**TINY, "epochs": 2})}
    whole = run_benchmark(nets, dataset, seeds=[0, 1])
    ended = Watch(end_at=3)
    with pytest.raises(Ended):
        run_benchmark(
            nets, dataset, seeds=[0, 1], output_dir=tmp_path, on_event=ended.on_event
        )
    assert ended.epochs == [("tiny", 0, 0), ("tiny", 0, 1), ("tiny", 1, 0)]
    rest = Watch()
    how = dict(output_dir=tmp_path, resume=True, on_event=rest.on_event)
    with pytest.raises(
        ValueError, match=r"another run: seeds is \[0, 2\] but was \[0, 1\]"
    ):
        run_benchmark(nets, dataset, seeds=[0, 2], **how)
    other = {"tiny": SmallOCTNet(**{**TINY, "epochs": 2, "learning_rate": 0.1})}
    with pytest.raises(ValueError, match=r"params.learning_rate is 0.1 but was None"):
        run_benchmark(other, dataset, seeds=[0, 1], **how)
    other_val = Bunch(data=dataset.val.data ^ 1, target=dataset.val.target)
    swapped = Bunch(**{**dataset, "val": other_val})
    with pytest.raises(ValueError, match=r"another run: data.sha256.val is "):
        run_benchmark(nets, swapped, seeds=[0, 1], **how)
    again = run_benchmark(nets, dataset, seeds=[0, 1], **how)
    assert rest.epochs == [("tiny", 1, 1)]
    assert figures(again) == figures(whole)
    np.testing.assert_array_equal(
        again.estimators["tiny"].predict_proba(dataset.test.data),
        whole.first.y_score,
    )
    assert not (tmp_path / "checkpoints").exists()
    # A run that is done is only read.
    assert figures(run_benchmark(nets, dataset, seeds=[0, 1], **how)) == figures(whole)
    assert rest.epochs == [("tiny", 1, 1)]


def test_a_run_that_came_to_nothing_leaves_nothing(dataset, tmp_path):
    nets = {"tiny": SmallOCTNet(**TINY)}
    with pytest.raises(Ended):
        run_benchmark(
            nets, dataset, output_dir=tmp_path / "run", on_event=Watch(end_at=0).on_event
        )
    assert not list((tmp_path / "run").iterdir())


def test_a_folder_of_other_files_is_not_gone_on_with(dataset, tmp_path):
    (tmp_path / "letter.txt").touch()
    with pytest.raises(FileExistsError, match="already contains files"):
        run_benchmark({"a": DummyClassifier()}, dataset, output_dir=tmp_path, resume=True)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(ValueError, match=r"run\.json is not the run\.json of a run"):
        run_benchmark({"a": DummyClassifier()}, dataset, output_dir=tmp_path, resume=True)


def test_a_run_is_one_processes_at_a_time(dataset, tmp_path):
    nets, how = {"dull": DummyClassifier()}, {"output_dir": tmp_path / "run"}
    with acquire_lock(tmp_path / "run.json"), pytest.raises(RuntimeError):
        raise RuntimeError
    asked = []

    def on_event(kind, **info):
        if kind == "fit_start":
            with pytest.raises(BlockingIOError, match="another process is using it"):
                run_benchmark(nets, dataset, resume=True, **how)
            asked.append(kind)

    run_benchmark(nets, dataset, on_event=on_event, **how)
    assert asked == ["fit_start"]
    run_benchmark(nets, dataset, resume=True, **how)
    assert not [*tmp_path.rglob("*.lock")]


def test_a_run_is_not_gone_on_with_by_another_version(dataset, tmp_path, monkeypatch):
    nets = {"dull": DummyClassifier()}
    run_benchmark(nets, dataset, output_dir=tmp_path)
    now = _record.environment()
    monkeypatch.setattr(
        _record, "environment", lambda: now | {"keras": "9.9", "cpu_count": 0}
    )
    message = f"another run: keras is '9.9' but was '{now['keras']}'"
    with pytest.raises(ValueError, match=message):
        run_benchmark(nets, dataset, output_dir=tmp_path, resume=True)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the parameter callbacks:UserWarning")
def test_nets_in_pipelines_and_callbacks_of_users(dataset, tmp_path):
    import keras

    nets = {
        "piped": make_pipeline("passthrough", SmallOCTNet(**TINY)),
        "watched": SmallOCTNet(**TINY, callbacks=keras.callbacks.TerminateOnNaN()),
    }
    checkpoints = []

    def on_event(kind, *, net, **info):
        if kind == "fit_end":
            checkpoints.append((net, len(list(tmp_path.glob("checkpoints/*.npz")))))

    run = run_benchmark(nets, dataset, output_dir=tmp_path, on_event=on_event)
    assert checkpoints == [("piped", 1), ("watched", 0)]
    with pytest.raises(ValueError, match="'piped' cannot be created"):
        make_estimators({"plan": run.plan})


def test_nets_are_made_again_with_all_parameters():
    nets = {
        "one": SmallOCTNet(
            filters=(4,),
            class_weight={0: 2.0, 1: 1.0},
            augmentation=OCTAugmenter(rotation_range=5, zoom_range=(0.9, 1.1)),
            epochs="auto",
        ),
        "two": octsk.ResidualOCTNet(mixup=0.2),
    }
    plan = json.loads(json.dumps(make_plan(nets, {}, [0])))
    again = make_estimators({"plan": plan})
    assert {name: repr(net) for name, net in again.items()} == {
        name: repr(net) for name, net in nets.items()
    }


def test_a_record_does_not_say_where_checkpoints_are_written(tmp_path):
    net = {"net": "SmallOCTNet", "params": {"checkpoint_dir": str(tmp_path), "epochs": 2}}
    made = make_estimators({"plan": {"nets": {"small": net}}})["small"]
    assert (made.checkpoint_dir, made.epochs) == (None, 2)


# --------------------------------------------------------------------------------------
# The command line
# --------------------------------------------------------------------------------------


def octsk_command(*words, code=0):
    result = CliRunner().invoke(cli.app, list(map(str, words)))
    assert result.exit_code == code, result.output
    return result


@pytest.mark.slow
def test_a_run_repeated_from_its_json_gives_the_same_figures(clinic, folder):
    options = ("--net", "small", "--epochs", 1, "--no-augmentation", "--seed", 3)
    options += ("--corruptions", "--quiet")
    octsk_command("benchmark", "--data", clinic, *options, "--output", "run")
    record = json.loads(Path("run/run.json").read_text())
    assert record["plan"]["data"]["file"] == "clinic.npz"
    assert str(clinic.parent) not in json.dumps(record)

    # Where the file lies, a record does not say.
    result = octsk_command("benchmark", "--from", "run/run.json", code=1)
    assert "used clinic.npz (SHA-256" in result.stderr
    other = write_npz(folder / "other.npz", seed=9)
    result = octsk_command("benchmark", "--from", "run/run.json", "--data", other, code=1)
    assert "the results cannot be the same" in result.stderr

    words = ("benchmark", "--from", "run/run.json", "--data", clinic)
    result = octsk_command(*words, "--output", "again")
    assert "All results are identical to those of run/run.json" in result.stdout
    again = json.loads(Path("again/run.json").read_text())
    assert again["plan"] == record["plan"]
    assert again["reports"][0]["metrics"] == record["reports"][0]["metrics"]

    record["reports"][0]["metrics"]["acc"] += 0.01
    row = record["reports"][0]["corruptions"][3]
    row["balanced_error"] = abs(row["balanced_error"] - 0.01)
    record["environment"]["keras"] = "1.0"
    Path("changed.json").write_text(json.dumps(record))
    words = ("benchmark", "--from", "changed.json", "--data", clinic, "--resume")
    # Of the same nets, seeds and data, so that what is done need not be done again.
    result = octsk_command(*words, "--output", "again", "--json", code=1)
    differences = json.loads(result.stdout)["differences"]
    assert [line.partition(" is ")[0] for line in differences] == [
        "small, seed 3: metrics.acc",
        "small, seed 3: corruptions.jpeg_compression, severity 3",
        "keras",
    ]


def test_report_that_a_run_lacks_is_named_and_not_printed(dataset):
    run = run_benchmark({"guess": DummyClassifier()}, dataset, seeds=[0])
    record = json.loads(json.dumps(run.to_dict()))
    assert _record.compare(record, run) == []
    record["reports"][0]["seed"] = 7
    assert _record.compare(record, run) == ["guess, seed 7: missing here"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume"], "--resume requires --output"),
        (["--from", "x.json", "--epochs", "3"], "--from takes the nets, options and seeds"),
        (["--from", "x.json", "--corruptions"], "--from takes the nets, options and seeds"),
    ],
)
def test_options_that_do_not_go_together(words, message):
    assert message in octsk_command("benchmark", *words, code=2).stderr


@pytest.fixture(scope="module")
def record(dataset):
    return json.dumps(run_benchmark({"tiny": DummyClassifier()}, dataset).to_dict())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda r: r.clear(), "it has no 'octsk_run'"),
        (lambda r: r.update(octsk_run=2), "it has format 2, not 1"),
        (lambda r: r.update(plan=[]), r"it\.plan is \[\], not of type dict"),
        (lambda r: r["plan"].pop("nets"), r"it\.plan has no 'nets'"),
        (lambda r: r["plan"].update(corruptions="y"), r"it\.plan\.corruptions is 'y', not"),
        (lambda r: r["plan"].update(nets={"a": 3}), r"it\.plan\.nets\.a is 3, not of type"),
        (lambda r: r["plan"].update(seeds=["0"]), r"it\.plan\.seeds\[0\] is '0', not of"),
        (lambda r: r["plan"]["data"].pop("sha256"), r"it\.plan\.data has no 'sha256'"),
        (lambda r: r["plan"]["data"].update(file=1), r"it\.plan\.data\.file is 1, not of"),
        (lambda r: r.update(reports=3), "its reports is 3, not of type list"),
        (lambda r: r["reports"][0].pop("metrics"), r"its reports\[0\] has no 'metrics'"),
        (lambda r: r.pop("environment"), "it has no 'environment'"),
    ],
)
def test_what_is_no_record(spoil, message, record):
    spoilt = json.loads(record)
    spoil(spoilt)
    Path("x.json").write_text(json.dumps(spoilt))
    with pytest.raises(
        ValueError, match=rf"x\.json is not the run\.json of a run: {message}"
    ):
        read_record(Path("x.json"))


@pytest.mark.parametrize(
    "net",
    [
        {"net": "SmallOCTNet", "params": {"epoch": 2}},
        {"net": "SmallOCTNet", "params": []},
        {"net": "SmallOCTNet"},
        {"net": "SmallOCTNet", "params": {"epochs": {"list": 3}}},
        {"net": "SmallOCTNet", "params": {"epochs": {}}},
    ],
)
def test_parameters_that_no_net_has(net):
    with pytest.raises(ValueError, match="not valid for SmallOCTNet"):
        make_estimators({"plan": {"nets": {"a": net}}})


@pytest.mark.parametrize("net", [{}, {"net": []}, {"net": "OneOfTheirs", "params": {}}])
def test_nets_that_are_not_ours(net):
    with pytest.raises(ValueError, match="'a' cannot be created from its JSON: it is"):
        make_estimators({"plan": {"nets": {"a": net}}})


@pytest.mark.parametrize("size", [20_000, [28, 30], None])
def test_scans_that_are_not_drawn_unasked(size):
    data = {"name": "oct-phantoms", "size": size, "synthetic": True, "file": None}
    with pytest.raises(ValueError, match="sizes up to 224 are drawn: pass them as"):
        benchmark._source_of({"plan": {"data": data}}, "run.json")


def test_a_run_killed_at_its_very_beginning_can_begin(dataset, tmp_path):
    for name in (".run.json.lock", ".run-0123abcd.json"):
        (tmp_path / name).touch()
    nets = {"dull": DummyClassifier()}
    run = run_benchmark(nets, dataset, output_dir=tmp_path, resume=True)
    assert len(run.reports["dull"]) == 1


def test_what_the_command_cannot_repeat(record):
    Path("x.json").write_text("[]")
    result = octsk_command("benchmark", "--from", "x.json", code=1)
    assert "x.json is not the run.json of a run" in result.stderr
    begun = json.loads(record)
    del begun["reports"]
    Path("x.json").write_text(json.dumps(begun))
    result = octsk_command("benchmark", "--from", "x.json", code=1)
    assert "has not ended" in result.stderr


def test_source_of_sets_that_can_be_had_anywhere():
    def source(**data):
        return benchmark._source_of({"plan": {"data": data}}, "run.json")

    phantoms = dict(name="oct-phantoms", size=64, synthetic=True, file=None)
    assert source(**phantoms) == (True, None, 64)
    octmnist = dict(name="octmnist", size=28, synthetic=False, file="octmnist.npz")
    assert source(**octmnist) == (False, "octmnist", 28)


def script(*words):
    """Start the real thing in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from octsk.cli import main; main()", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def kill_after(process, words):
    """Kill the process some time after it has said so."""
    said = ""
    while words not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_killed_training_goes_on(clinic, folder):
    words = ("train", "--data", clinic, "--epochs", 20)
    octsk_command(*words, "--output", "whole.octsk")
    kill_after(script(*words, "--output", "killed.octsk"), "epoch 3/20")
    assert not Path("killed.octsk").exists()
    again = (*words, "--output", "killed.octsk")
    result = octsk_command(*again, code=1)
    assert "killed.octsk.checkpoint contains an interrupted training" in result.stderr
    result = octsk_command(*again, "--resume", "--batch-size", 8, code=1)
    assert "batch_size is 8 but was 32" in result.stderr
    result = octsk_command(*again, "--resume")
    assert "epoch 20/20" in result.stderr
    assert "epoch 2/20" not in result.stderr
    whole, killed = octsk.load("whole.octsk"), octsk.load("killed.octsk")
    assert killed.history_ == whole.history_
    for one, other in zip(
        killed.model_.get_weights(), whole.model_.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    assert not Path("killed.octsk.checkpoint").exists()
    assert os.listdir(folder).count("killed.octsk") == 1


@pytest.mark.slow
def test_killed_benchmark_goes_on(clinic):
    words = ("benchmark", "--data", clinic, "--epochs", 20, "--seeds", 2)
    octsk_command(*words, "--output", "whole")
    kill_after(script(*words, "--output", "killed"), "seed 1 (2 of 2), epoch 3/20")
    result = octsk_command(*words, "--output", "killed", "--resume")
    assert "seed 0 (1 of 2), epoch" not in result.stderr
    assert "seed 1 (2 of 2), epoch 2/20" not in result.stderr
    assert "seed 1 (2 of 2), epoch 20/20" in result.stderr
    whole, killed = (
        json.loads(Path(run, "run.json").read_text())["reports"]
        for run in ("whole", "killed")
    )
    for one, other in zip(whole, killed, strict=True):
        for name in ("metrics", "intervals", "history", "params"):
            assert one[name] == other[name]
    assert not Path("killed/checkpoints").exists()
