"""The octsk command, run in this process; where that would not show it, as a script."""

import contextlib
import csv
import hashlib
import importlib
import io
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner
from volume_files import write_dicom

import octsk
from octsk.cli import _app as cli
from octsk.cli import _inputs, _options, _output, _run_folder, info
from octsk.cli._progress import TrainingDisplay
from octsk.datasets import DownloadError
from octsk.datasets._medmnist_sets import REGISTRY
from octsk.utils.tensorflow import start_tensorflow

COMMANDS = [
    "benchmark",
    "tune",
    "train",
    "evaluate",
    "compare",
    "predict",
    "import",
    "check",
    "fetch",
    "info",
]
OCT_CLASSES = [
    "choroidal neovascularization",
    "diabetic macular edema",
    "drusen",
    "normal",
]

# Trains in a moment, unlike the default for data of one's own.
SOON = ("--net", "small", "--epochs", 1)

# The command shows them as lines of its own, which the tests look at.
pytestmark = pytest.mark.filterwarnings("default::UserWarning")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder to work in, no colours, and a set of phantoms that is soon drawn."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "OCTSK_DATA", "OCTSK_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_inputs, "PHANTOMS", {"train": 96, "val": 32, "test": 32})
    return tmp_path


def octsk_command(*words, code=0):
    """Run the command in this process."""
    result = CliRunner().invoke(cli.app, list(map(str, words)))
    assert result.exit_code == code, result.output
    return result


def error_line(*words, code=1):
    """Run a command that must fail; give its error, which must be one line."""
    result = octsk_command(*words, code=code)
    [line] = result.stderr.splitlines()
    assert line.startswith("octsk: error: ")
    return line.removeprefix("octsk: error: ")


def script(*words, **kwargs):
    """Start the real thing in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from octsk.cli import main; main()", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A script run in the background may hand its children Ctrl-C as ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        **kwargs,
    )


def write_npz(path, *, splits=("train", "val", "test"), n=48, size=28):
    arrays = {}
    for seed, split in enumerate(splits):
        scans = octsk.make_oct_phantoms(n, size=size, random_state=seed)
        arrays[f"{split}_images"] = scans.data
        arrays[f"{split}_labels"] = scans.target[:, np.newaxis].astype(np.uint8)
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="session")
def clinic(tmp_path_factory):
    """A file in MedMNIST's layout whose classes have no names."""
    return write_npz(tmp_path_factory.mktemp("data") / "clinic.npz")


@pytest.fixture(scope="session")
def named(tmp_path_factory):
    """One whose classes have names: its file name is that of a MedMNIST set."""
    return write_npz(tmp_path_factory.mktemp("data") / "octmnist.npz")


@pytest.fixture(scope="session")
def model(tmp_path_factory, named):
    path = tmp_path_factory.mktemp("model") / "small.octsk"
    words = ("--epochs", 1, "--seed", 3, "--no-gate")
    octsk_command("train", "--data", named, *words, "--output", path)
    return path


# --------------------------------------------------------------------------------------
# Help, version, errors
# --------------------------------------------------------------------------------------


def test_help_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from octsk.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'numpy', 'matplotlib', 'optuna'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "--help"], capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    assert all(f"\n  {command} " in result.stdout for command in COMMANDS)


def test_no_command_is_help():
    assert octsk_command().output == octsk_command("--help").output


def test_version():
    version = f"octsk {octsk.__version__}\n"
    assert octsk_command("--version").output == version
    as_module = [sys.executable, "-m", "octsk", "--version"]
    assert subprocess.run(as_module, capture_output=True, text=True).stdout == version


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_an_example_that_it_understands(command):
    text = octsk_command(command, "--help").output
    examples = re.findall(rf"^    octsk {command} ?(.*)", text, re.M)
    assert examples
    program = typer.main.get_command(cli.app).commands[command]
    for example in examples:
        program.make_context(command, example.split())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nosuch"], "nosuch"),
        (["--nosuch"], "--nosuch"),
        (["benchmark", "--net", "huge"], "'huge' is not one of 'small', 'medium'"),
        (["benchmark", "--epochs", "0"], "--epochs"),
        (["train", "-o", "m", "--epochs", "many"], "'many' is neither a whole number"),
        (["benchmark", "--data", "x.npz", "--phantoms"], "are mutually exclusive"),
        (["evaluate", "x.octsk", "--dataset", "a", "--phantoms"], "are mutually exclusive"),
        (["train", "--data", "x.npz", "--size", "64", "-o", "m"], "--size cannot be used"),
        (["train", "--data", "x.npz"], "--output"),
        (["tune", "--pruner", "best"], "'--pruner': 'best' is not one of 'median', 'hyper"),
        (["tune", "--net", "resnet"], "Invalid value for '--net': 'resnet' is not one of"),
        (["tune", "--seed", "1.5"], "Invalid value for '--seed': '1.5' is not a"),
        (["tune", "--timeout", "long"], "'--timeout': 'long' is not a"),
        (["predict", "x.octsk"], "INPUT"),
    ],
)
def test_wrong_arguments(words, message):
    assert message in error_line(*words, code=2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["benchmark", "--data", "absent.npz"], "absent.npz: No such file"),
        (["fetch", "nosuch"], "name must be one of"),
        (["fetch", "--size", "30"], "size must be one of 28, 64"),
        (["predict", "absent.octsk", "x.png"], "absent.octsk: No such file"),
    ],
)
def test_errors_of_the_library(words, message):
    assert message in error_line(*words)


def test_file_that_is_no_model(clinic):
    assert str(clinic) in error_line("predict", clinic, "x.png")


def test_unforeseen_error_says_its_kind_and_how_to_see_more(monkeypatch, clinic):
    def broken(*args, **kwargs):
        raise ZeroDivisionError("two\nlines")

    monkeypatch.setattr(octsk, "load_medmnist", broken)
    line = error_line("benchmark", "--data", clinic)
    assert line == "ZeroDivisionError: two lines (octsk --debug shows where)"
    result = CliRunner().invoke(cli.app, ["--debug", "benchmark", "--data", str(clinic)])
    assert isinstance(result.exception, ZeroDivisionError)


def test_warning_is_one_line_and_filters_are_left_alone(monkeypatch):
    def warn(*args, **kwargs):
        warnings.warn("of\nsomething", UserWarning, stacklevel=1)
        raise ValueError("end")

    monkeypatch.setattr(octsk, "fetch_medmnist", warn)
    before = warnings.showwarning
    result = octsk_command("fetch", code=1)
    assert result.stderr == "octsk: warning: of something\noctsk: error: end\n"
    assert warnings.showwarning is before


def test_program_without_a_console(clinic, folder, monkeypatch):
    # As pythonw and services have it.
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    words = f"octsk train --data {clinic} --net small --epochs 1 -o net.octsk"
    monkeypatch.setattr(sys, "argv", words.split())
    for code in (None, 1):  # the second time there is such a file
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == code
    assert octsk.load(folder / "net.octsk").n_iter_ == 1


def test_reader_of_a_pipe_that_goes_away_is_no_error(clinic, model):
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        [sys.executable, "-c", "from octsk.cli import main; main()", "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
    )
    os.close(writing)
    assert (process.returncode, process.stderr) == (1, "")


# --------------------------------------------------------------------------------------
# benchmark
# --------------------------------------------------------------------------------------


def test_benchmark_writes_a_run_folder(clinic):
    result = octsk_command(
        "benchmark", "--data", clinic, "--net", "small", "--epochs", 1, "--seeds", 2
    )
    [run] = Path("octsk-runs").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{6}-clinic", run.name)
    assert {path.name for path in run.iterdir()} == {
        *("models", "reports", "scores"),
        *("run.json", "report.html", "report.txt", "benchmark.png"),
    }
    assert (run / "benchmark.png").read_bytes().startswith(b"\x89PNG")
    assert (
        len(list((run / "scores" / "medmnist").glob("clinic_test_*@small-seed*.csv"))) == 2
    )
    record = json.loads((run / "run.json").read_text())
    assert record["seeds"] == [0, 1]
    assert record["reports"][0]["params"]["epochs"] == 1
    # The display's callback is none of the net's parameters.
    assert record["reports"][0]["params"]["callbacks"] is None
    assert octsk.load(run / "models" / "small-seed1.octsk").random_state == 1
    out = result.stdout
    assert "clinic, 28 px: 48 for training, 48 for validation, 48 for testing" in out
    assert (run / "report.txt").read_text() in out + "\n"
    assert " ± " in out
    assert "Published results: none are comparable" in out
    assert str(run) in out
    assert "\x1b" not in result.output


def test_benchmark_says_what_more_would_show_and_how_far_it_is(clinic):
    result = octsk_command("benchmark", "--data", clinic, "--net", "small", "--epochs", 2)
    before_results = result.stdout.split("Measured on")[0]
    assert "--seeds 5 shows mean and standard deviation" in before_results
    assert "--net medium" in before_results
    first, second, end = result.stderr.splitlines()
    assert re.fullmatch(
        r"small, seed 0, epoch 1/2: loss \d\.\d+, accuracy \d\.\d+, "
        r"validation accuracy \d\.\d+; \d+ s left",
        first,
    )
    assert second.startswith("small, seed 0, epoch 2/2: ")
    assert "left" not in second
    assert end.startswith("small, seed 0: ACC ")


def test_benchmark_options_reach_the_nets(clinic):
    octsk_command(
        *("benchmark", "--data", clinic, "--net", "small", "--net", "residual"),
        *("--epochs", 1, "--batch-size", 16, "--optimizer", "sgd", "--seed", 7),
        *("--no-augmentation", "--class-weight", "balanced", "--output", "run"),
    )
    for name in ("small", "residual"):
        report = json.loads(Path(f"run/reports/{name}-seed7.json").read_text())
        params = report["params"]
        assert report["estimator"] == f"{name.title()}OCTNet"
        assert [params[key] for key in ("epochs", "batch_size", "optimizer")] == [
            1,
            16,
            "sgd",
        ]
        assert params["augmentation"] is False
        assert params["class_weight"] == "balanced"
        assert params["random_state"] == 7


def test_defaults_are_the_nets_own():
    net = _inputs.make_net(_options.Net.MEDIUM, epochs=None, augmentation=None)
    assert net.get_params() == octsk.MediumOCTNet().get_params()


def test_octmnist_at_hand_is_found_and_published_results_stand_beside(folder, monkeypatch):
    rng = np.random.default_rng(0)
    arrays = {}
    for split, n in {"train": 32, "test": 1000}.items():
        arrays[f"{split}_images"] = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        arrays[f"{split}_labels"] = np.arange(n)[:, np.newaxis] % 4
    np.savez(folder / "octmnist.npz", **arrays)
    md5 = hashlib.md5((folder / "octmnist.npz").read_bytes()).hexdigest()
    monkeypatch.setitem(REGISTRY["octmnist"].md5, 28, md5)
    monkeypatch.setenv("OCTSK_DATA", str(folder))
    result = octsk_command("benchmark", "--epochs", 1)
    assert "octmnist, 28 px: 32 for training, 1,000 for testing" in result.stdout
    assert "Published: MedMNIST's benchmark of octmnist" in result.stdout
    assert re.search(
        r"^  ResNet-18 \(28\) +28 +0.758 +0.951 +0.743 +0.943$", result.stdout, re.M
    )
    assert "warning" not in result.stderr


def test_phantoms_are_plainly_synthetic():
    result = octsk_command("benchmark", "--phantoms", "--size", 32, "--epochs", 1)
    assert result.stdout.startswith("*** SYNTHETIC DATA")
    assert "oct-phantoms (SYNTHETIC), 32 px: 96 for training" in result.stdout
    assert "Published results: none are comparable" in result.stdout
    assert "ResNet" not in result.stdout


def test_epochs_can_be_left_to_the_number_of_images():
    program = typer.main.get_command(cli.app).commands["train"]
    given = program.make_context("train", ["-o", "m", "--epochs", "auto"]).params["epochs"]
    assert _inputs.make_net(_options.Net.SMALL, epochs=given).epochs == "auto"


def test_splits_of_phantoms_share_no_image():
    out = _output.Output(as_json=False, quiet=True)
    phantoms = _inputs.draw_phantoms(28, out)
    images = np.concatenate([phantoms[split].data for split in ("train", "val", "test")])
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) == 96 + 32 + 32
    # Evaluated alone, the test split is the one that benchmark does not train on.
    assert np.array_equal(_inputs.draw_phantoms(28, out, "test").data, phantoms.test.data)


@pytest.fixture
def offline(monkeypatch):
    """No network: each download fails, and is counted."""
    calls = []

    def fail(name, **kwargs):
        calls.append((name, kwargs))
        raise DownloadError(f"{name}.npz could not be downloaded (no connection)")

    monkeypatch.setattr(octsk, "fetch_medmnist", fail)
    return calls


def test_without_octmnist_the_benchmark_runs_on_phantoms_and_says_so(offline):
    result = octsk_command("benchmark", "--epochs", 1)
    [(name, settings)] = offline
    assert (name, settings["size"], settings["n_retries"]) == ("octmnist", 28, 1)
    first, second, *_ = result.stderr.splitlines()
    assert first == ("octsk: warning: octmnist.npz could not be downloaded (no connection)")
    assert "synthetic" in second
    assert "*** SYNTHETIC DATA" in result.stdout
    assert "ResNet" not in result.stdout


def test_set_asked_for_by_name_has_no_stand_in(offline):
    line = error_line("benchmark", "--dataset", "pneumoniamnist")
    assert line.startswith("pneumoniamnist.npz could not be downloaded")
    assert not Path("octsk-runs").exists()


def test_failed_benchmark_leaves_no_folder(clinic):
    result = octsk_command(
        *("benchmark", "--data", clinic, "--optimizer", "warp", "-o", "run"), code=1
    )
    assert "octsk: error: optimizer must be one of" in result.stderr
    assert not Path("run").exists()


def test_folder_with_files_is_not_written_to(clinic):
    Path("run").mkdir()
    Path("run", "mine.txt").touch()
    result = octsk_command("benchmark", "--data", clinic, "-o", "run", code=1)
    assert "run already contains files" in result.stderr
    assert os.listdir("run") == ["mine.txt"]


def test_runs_begun_in_the_same_second_have_folders_of_their_own():
    assert [_run_folder._new_folder("a").name for _ in range(3)] == ["a", "a-2", "a-3"]


@pytest.mark.parametrize("finished", [0, 1])
def test_interruption(clinic, monkeypatch, finished):
    fit = octsk.SmallOCTNet.fit
    trainings = []

    def interrupted(self, *args, **kwargs):
        if len(trainings) == finished:
            raise KeyboardInterrupt
        trainings.append(self)
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(octsk.SmallOCTNet, "fit", interrupted)
    result = octsk_command(
        *(
            "benchmark",
            "--data",
            clinic,
            "--net",
            "small",
            "--epochs",
            1,
            "--seeds",
            2,
            "-o",
            "run",
        ),
        code=130,
    )
    last = result.stderr.splitlines()[-1]
    if finished:
        assert last == (
            "octsk: interrupted: finished trainings are in run; "
            "continue with --resume --output run"
        )
        assert octsk.load("run/models/small-seed0.octsk").predict([[[0] * 28] * 28]).shape
    else:
        assert last == "octsk: interrupted"
        assert not Path("run").exists()


@pytest.mark.slow
def test_ctrl_c_ends_the_script_at_once(clinic, folder):
    process = script(
        "benchmark", "--data", clinic, "--net", "small", "--epochs", 100_000, "-o", "run"
    )
    while "epoch 2/" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - start < 30
    # Epochs may have ended meanwhile; nothing else is said.
    said = [line for line in errors.splitlines() if ", epoch " not in line]
    assert said == [
        "octsk: interrupted: finished trainings are in run; "
        "continue with --resume --output run"
    ]
    assert (folder / "run" / "run.json").exists()


# --------------------------------------------------------------------------------------
# tune
# --------------------------------------------------------------------------------------


@pytest.fixture
def space(folder):
    """A search space of small nets that are soon trained."""
    path = folder / "space.json"
    path.write_text('{"filters": [[2]], "epochs": [1], "optimizer": ["adam", "nadam"]}')
    return path


def tune_words(clinic, space, trials, **options):
    words = ["tune", "--data", clinic, "--search-space", space, "--folds", 2]
    words += ["--net", "small", "--trials", trials, "--storage", "study.journal"]
    return words + [word for k, v in options.items() for word in (f"--{k}", v)]


def test_tune_writes_a_report_and_goes_on(clinic, space):
    result = octsk_command(*tune_words(clinic, space, 1))
    [run] = Path("octsk-runs").iterdir()
    assert re.fullmatch(r"\d{4}-\d\d-\d\d-\d{6}-tune-small-clinic-28", run.name)
    assert {path.name for path in run.iterdir()} >= {
        *("report.txt", "tuning.json", "trials.csv", "history.png", "parallel.png"),
        *("report.html", "model.octsk", "model_card.md", "benchmark"),
    }
    out = result.stdout
    assert (run / "report.txt").read_text(encoding="utf-8") in out + "\n"
    assert re.search(r"^study +small-clinic-28 in study.journal$", out, re.M)
    assert "\n  optuna-dashboard study.journal\n" in out
    assert re.search(r"^  default +0\.\d{3} .*\n  tuned +0\.\d{3} ", out, re.M)
    first, *_ = result.stderr.splitlines()
    assert re.fullmatch(
        r"trial 0: balanced accuracy (0\.\d{3}); 1 of 1, best \1 \(trial 0\)", first
    )
    assert octsk.load(run / "model.octsk").filters == [2]

    result = octsk_command(*tune_words(clinic, space, 2, output="second"))
    assert result.stderr.startswith("already done: 1 of 2 trials, best 0.")
    assert "\ntrial 1: balanced accuracy 0." in result.stderr
    assert "2: 2 completed" in Path("second", "report.txt").read_text(encoding="utf-8")


def test_tune_errors_are_told_before_the_search(clinic, space, monkeypatch):
    monkeypatch.setattr(octsk.OCTSearchCV, "fit", lambda *_: pytest.fail("was begun"))
    words = tune_words(clinic, space, 1)
    space.write_text("{}")
    assert "does not contain a search space" in error_line(*words)
    space.write_text('{"filters": [[2]]}')
    Path("mine").mkdir()
    Path("mine", "own.txt").touch()
    result = octsk_command(*words, "--output", "mine", code=1)
    assert "mine already contains files" in result.stderr


def test_tune_passes_corruptions_on(clinic, space, monkeypatch):
    def fail(*args, corruptions, **kwargs):
        raise ValueError(f"corruptions is {corruptions}")

    monkeypatch.setattr(octsk.tuning, "tune", fail)
    words = tune_words(clinic, space, 1)
    assert "corruptions is False" in error_line(*words)
    assert "corruptions is True" in error_line(*words, "--corruptions")


def test_password_of_a_database_is_not_shown(clinic, space, monkeypatch):
    def fail(*args, **kwargs):
        raise ValueError("end")

    monkeypatch.setattr(octsk.tuning, "tune", fail)
    url = "postgresql+psycopg://me:secret@host/studies"
    result = octsk_command("tune", "--data", clinic, "--storage", url, code=1)
    assert "secret" not in result.output
    assert "optuna-dashboard 'postgresql+psycopg://***@host/studies'" in result.stdout
    assert re.search(r"^study .* in postgresql\+psycopg://\*\*\*@host", result.stdout, re.M)
    # The address in the wrong place, and in an error.
    assert "(postgresql+psycopg://***@host/studies)" in error_line("tune", url, code=2)

    def fail_with(*args, **kwargs):
        raise RuntimeError(f"no login at {url}")

    monkeypatch.setattr(octsk.tuning, "tune", fail_with)
    result = octsk_command("tune", "--data", clinic, "--storage", url, code=1)
    assert "no login at postgresql+psycopg://***@host/studies" in result.stderr
    assert "secret" not in result.output


def test_tune_keeps_the_best_at_ctrl_c(clinic, space, monkeypatch):
    fit = octsk.SmallOCTNet.fit
    fits = []

    def interrupted(self, *args, **kwargs):
        fits.append(self)
        if len(fits) == 3:
            raise KeyboardInterrupt
        return fit(self, *args, **kwargs)

    monkeypatch.setattr(octsk.SmallOCTNet, "fit", interrupted)
    result = octsk_command(*tune_words(clinic, space, 9, output="run"))
    assert "octsk: warning: the search was interrupted; it continues with" in result.stderr
    assert octsk.load("run/model.octsk").predict([[[0] * 28] * 28]).shape == (1,)


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_tune_by_workers_killed_goes_on(clinic, space, folder, end):
    words = tune_words(clinic, space, 1000, workers=2, output="run")
    process = script(*words, start_new_session=True)
    try:
        while not (line := process.stderr.readline()).startswith("trial 2"):
            assert line, process.stdout.read()
        process.send_signal(end)
        _, errors = process.communicate(timeout=60)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == (143 if end == signal.SIGTERM else -9)
    assert "Traceback" not in errors
    assert not Path("run").exists()
    words[words.index(1000)] = 12
    result = octsk_command(*words)
    assert "already done: " in result.stderr
    assert "12 completed" in result.stdout


@pytest.mark.slow
def test_dashboard_opens_on_the_study(clinic, space, folder):
    pytest.importorskip("optuna_dashboard")
    out = octsk_command(*tune_words(clinic, space, 1)).stdout
    _, *arguments = shlex.split(re.search(r"^  (optuna-dashboard .*)$", out, re.M)[1])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [Path(sys.executable).with_name("optuna-dashboard"), *arguments, f"--port={port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{port}/api/studies"
        for _ in range(120):
            with contextlib.suppress(OSError):
                studies = json.load(urllib.request.urlopen(address))["study_summaries"]
                break
            time.sleep(0.5)
    finally:
        server.kill()
        server.wait()
    assert [study["study_name"] for study in studies] == ["small-clinic-28"]


# --------------------------------------------------------------------------------------
# train, evaluate, predict
# --------------------------------------------------------------------------------------


def test_train_gives_what_the_library_would(model, named):
    data = octsk.load_medmnist(named)
    net = octsk.SmallOCTNet(epochs=1, random_state=3).fit(
        data.train.data, data.train.target
    )
    saved = octsk.load(model)
    assert np.array_equal(
        saved.predict_proba(data.test.data), net.predict_proba(data.test.data)
    )
    assert "val_accuracy" in saved.history_
    assert saved.class_names_ == OCT_CLASSES


def test_train_on_classes_without_names_and_without_val_split(folder):
    data = write_npz(folder / "only.npz", splits=["train"], n=24)
    out = folder / "new" / "folder" / "m.octsk"
    result = octsk_command("train", "--data", data, *SOON, "-o", out)
    assert "only, 28 px: 24 for training\n" in result.stdout
    assert octsk.load(out).class_names_ is None


def test_train_without_train_split_is_told_before_tensorflow_starts(folder, monkeypatch):
    monkeypatch.setattr(_inputs, "start_tensorflow", lambda: pytest.fail("was started"))
    data = write_npz(folder / "rest.npz", splits=["val", "test"], n=8)
    line = error_line("train", "--data", data, "-o", "m.octsk")
    assert line == f"{data} has no 'train' split; it has val, test"


def test_train_writes_nothing_when_it_fails(clinic, folder):
    octsk_command("train", "--data", clinic, "--optimizer", "x", "-o", "m.octsk", code=1)
    assert list(folder.iterdir()) == []


def test_evaluate(model, clinic, folder):
    result = octsk_command("evaluate", model, "--data", clinic, "-o", "report")
    data = octsk.load_medmnist(clinic, split="test")
    report = octsk.evaluate(octsk.load(model), data.data, data.target, dataset=data)
    saved = json.loads((folder / "report" / "report.json").read_text())
    assert saved["metrics"]["acc"] == report.metrics["acc"]
    assert (saved["seed"], saved["data"]["split"]) == (3, "test")
    # The file has no names for its classes, so they are what the net was trained on.
    assert saved["class_names"] == OCT_CLASSES
    assert (folder / "report" / "report.txt").read_text() in result.stdout
    [scores] = (folder / "report").glob("clinic_test_*@SmallOCTNet-seed3.csv")
    assert len(scores.read_text().splitlines()) == 48
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    assert f"{report.metrics['balanced_accuracy']:.3f}" in page
    assert str(Path("report", "report.html")) in result.stdout
    card = (folder / "report" / "model_card.md").read_text(encoding="utf-8")
    assert 'octsk.load("small.octsk")' in card


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_evaluate_a_file_whose_name_is_not_utf8(model, clinic, folder):
    data = os.fsdecode(b"M\xfcller\x1b[2J.npz")
    Path(data).write_bytes(clinic.read_bytes())
    result = octsk_command("evaluate", model, "--data", data, "-o", "report")
    assert r"M\udcfcller\x1b[2J" in result.stdout
    assert "\x1b" not in result.output
    files = {path.name for path in Path("report").iterdir()}
    assert files >= {"report.json", "report.txt", "report.html", "model_card.md"}
    for name in files:
        assert "udcfc" in Path("report", name).read_text("utf-8") or name.endswith("csv")


def test_evaluate_on_another_split(model, clinic):
    result = octsk_command("evaluate", model, "--data", clinic, "--split", "val")
    assert "clinic, val split" in result.stdout


def test_evaluate_on_phantoms(model):
    result = octsk_command("evaluate", model, "--phantoms")
    assert "*** SYNTHETIC DATA ***" in result.stdout
    assert "32 images" in result.stdout


def test_evaluate_on_images_of_another_size(model, folder):
    data = write_npz(folder / "large.npz", splits=["test"], size=32, n=8)
    assert "28 x 28 x 1 are expected" in error_line("evaluate", model, "--data", data)


def predictions(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def scans(folder):
    """A folder of image files of different sizes, and a file that is none."""
    images = octsk.make_oct_phantoms(3, size=120, random_state=5).data
    (folder / "scans").mkdir()
    for name, image in zip(["b.png", "a.jpeg", "c.tif"], images, strict=True):
        Image.fromarray(image).crop((0, 0, 120, 100)).save(folder / "scans" / name)
    (folder / "scans" / "notes.txt").touch()
    return folder / "scans"


def test_predict_a_folder(model, scans):
    rows = predictions(octsk_command("predict", model, scans).stdout)
    net = octsk.load(model)
    expected = net.predict_proba(octsk.load_image_files(scans))
    assert [row["image"] for row in rows] == [
        str(scans / name) for name in ("a.jpeg", "b.png", "c.tif")
    ]
    for row, probabilities in zip(rows, expected, strict=True):
        found = [float(row[f"p_{name}"]) for name in OCT_CLASSES]
        assert found == pytest.approx(probabilities, rel=1e-5)
        assert row["label"] == str(probabilities.argmax())
        assert row["class"] == OCT_CLASSES[probabilities.argmax()]


def test_predict_files_in_their_order(model, scans):
    words = [scans / "c.tif", scans / "a.jpeg"]
    rows = predictions(octsk_command("predict", model, *words).stdout)
    assert [row["image"] for row in rows] == list(map(str, words))


def test_predict_volumes(model, folder):
    pixels = octsk.make_oct_phantoms(5, random_state=5).data
    write_dicom(folder / "eye.dcm", pixels[:3])
    Image.fromarray(pixels[3]).save(folder / "one.png")
    pages = [Image.fromarray(page) for page in pixels[3:]]
    pages[0].save(folder / "two.tif", save_all=True, append_images=pages[1:])
    files = ["eye.dcm", "one.png", "two.tif"]
    expected = octsk.load(model).predict_proba(pixels[[0, 1, 2, 3, 3, 4]])

    rows = predictions(octsk_command("predict", model, *files).stdout)
    assert [(row["image"], row["eye"], row["frame"]) for row in rows] == [
        *(("eye.dcm", "L", str(i)) for i in range(3)),
        ("one.png", "", ""),
        *(("two.tif", "", str(i)) for i in range(2)),
    ]
    found = [[float(row[f"p_{name}"]) for name in OCT_CLASSES] for row in rows]
    np.testing.assert_allclose(found, expected, rtol=1e-5)

    rows = predictions(octsk_command("predict", model, *files, "--level", "volume").stdout)
    assert [(row["image"], row["scans"]) for row in rows] == list(
        zip(files, "312", strict=True)
    )
    means = [expected[:3].mean(axis=0), expected[3], expected[4:].mean(axis=0)]
    found = [[float(row[f"p_{name}"]) for name in OCT_CLASSES] for row in rows]
    np.testing.assert_allclose(found, means, rtol=1e-5)
    assert [row["class"] for row in rows] == [OCT_CLASSES[one.argmax()] for one in means]

    # A folder, with a volume that cannot be read.
    (folder / "some").mkdir()
    for name in files:
        (folder / name).rename(folder / "some" / name)
    (folder / "some" / "broken.vol").write_bytes(b"HSF-OCT-103")
    result = octsk_command("predict", model, folder / "some", code=1)
    assert len(predictions(result.stdout)) == 6
    assert "broken.vol cannot be read as a Heidelberg .vol file" in result.stderr


def test_predict_to_a_file(model, scans, folder):
    printed = octsk_command("predict", model, scans).stdout
    result = octsk_command("predict", model, scans, "-o", "new/predictions.csv")
    assert (folder / "new" / "predictions.csv").read_text() == printed
    assert result.stdout == "Predictions: new/predictions.csv\n"


@pytest.mark.parametrize("split", ["val", "test"])
def test_predict_a_split_of_an_npz_file(model, clinic, split):
    rows = predictions(octsk_command("predict", model, clinic, "--split", split).stdout)
    X, _ = octsk.load_medmnist(clinic, split=split, return_X_y=True)
    assert [int(row["image"]) for row in rows] == list(range(48))
    assert [int(row["label"]) for row in rows] == octsk.load(model).predict(X).tolist()


def test_predict_images_without_labels(model, folder):
    images = octsk.make_oct_phantoms(5, random_state=1).data
    np.savez(folder / "unlabelled.npz", images=images)
    rows = predictions(octsk_command("predict", model, "unlabelled.npz").stdout)
    assert [int(row["label"]) for row in rows] == octsk.load(model).predict(images).tolist()


def test_predict_from_an_npz_file_without_images(model, folder):
    np.savez(folder / "other.npz", scans=np.zeros((2, 28, 28), np.uint8))
    line = error_line("predict", model, "other.npz")
    assert "neither 'images' nor 'test_images', but ['scans']" in line


def test_predict_names_files_that_it_cannot_read(model, scans):
    good = octsk_command("predict", model, scans).stdout
    (scans / "d.png").write_bytes(b"no image")
    (scans / "e.png").write_bytes((scans / "b.png").read_bytes()[:99])
    result = octsk_command("predict", model, scans, "-o", "out.csv", code=1)
    assert Path("out.csv").read_text() == good
    assert result.stdout == "Predictions: out.csv\n"
    first, second = result.stderr.splitlines()
    assert first.startswith(f"octsk: error: {scans / 'd.png'} is not an image")
    assert second.startswith(f"octsk: error: {scans / 'e.png'} cannot be read")
    printed = json.loads(octsk_command("predict", model, scans, "--json", code=1).stdout)
    assert len(printed["predictions"]) == 3
    names = [error["image"] for error in printed["errors"]]
    assert names == [str(scans / "d.png"), str(scans / "e.png")]
    assert "not an image" in printed["errors"][0]["error"]


def test_predict_without_any_readable_file_writes_nothing(model, folder):
    for name in ("a.png", "b.png"):
        (folder / name).write_bytes(b"no image")
    line = error_line("predict", model, "a.png", "absent.png", "b.png", "-o", "out.csv")
    for name in ("a.png is not", "absent.png: No such file", "b.png is not"):
        assert name in line
    assert not (folder / "out.csv").exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_predict_files_whose_names_are_not_utf8(model, scans, folder):
    name = b"M\xfcller.png"
    os.rename(scans / "b.png", os.fsencode(scans) + b"/" + name)
    octsk_command("predict", model, scans, "-o", "out.csv")
    assert os.fsencode(scans) + b"/" + name in (folder / "out.csv").read_bytes()
    printed = json.loads(octsk_command("predict", model, scans, "--json").stdout)
    assert os.fsencode(printed["predictions"][0]["image"]).endswith(name)
    command = [sys.executable, "-c", "from octsk.cli import main; main()", "predict"]
    real = subprocess.run([*command, model, scans], capture_output=True, timeout=120)
    assert (real.returncode, real.stderr) == (0, b"")
    assert real.stdout == (folder / "out.csv").read_bytes()
    # Broken, and its name would clear the screen.
    os.rename(os.fsencode(scans) + b"/" + name, os.fsencode(scans) + b"/\xfc\x1b[2J.png")
    (scans / "\udcfc\x1b[2J.png").write_bytes(b"no image")
    result = octsk_command("predict", model, scans, code=1)
    assert r"scans/\udcfc\x1b[2J.png is not an image" in result.stderr
    assert "\x1b" not in result.output


def test_predict_takes_a_depth_and_warns_of_what_it_assumes(model, folder):
    Image.fromarray(np.full((30, 30), 4000, np.uint16)).save("deep.png")
    assumed = octsk_command("predict", model, "deep.png")
    assert "are read as 12-bit images" in assumed.stderr
    told = octsk_command("predict", model, "deep.png", "--bit-depth", 12)
    assert told.stdout == assumed.stdout
    assert told.stderr == ""
    dark = octsk_command("predict", model, "deep.png", "--bit-depth", 16)
    assert dark.stdout != assumed.stdout


def test_classes_without_names_are_called_by_their_labels(clinic, folder):
    octsk_command("train", "--data", clinic, *SOON, "--no-gate", "-o", "m.octsk")
    rows = predictions(octsk_command("predict", "m.octsk", clinic).stdout)
    assert list(rows[0]) == ["image", "label", "class", "p_0", "p_1", "p_2", "p_3"]
    assert all(row["label"] == row["class"] for row in rows)


# --------------------------------------------------------------------------------------
# Outputs replace no input, and nothing unasked
# --------------------------------------------------------------------------------------


@pytest.fixture
def no_tensorflow(monkeypatch):
    """What is refused is refused before any work."""
    monkeypatch.setattr(_inputs, "start_tensorflow", lambda: pytest.fail("was started"))


@pytest.mark.usefixtures("no_tensorflow")
@pytest.mark.parametrize("overwrite", [[], ["--overwrite"]])
@pytest.mark.parametrize(
    ("words", "given"),
    [
        ("train --data own.npz -o own.npz", "own.npz"),
        ("train --data own.npz -o sub/../own.npz", "own.npz"),
        ("train --data own.npz -o soft.npz", "own.npz"),
        ("train --data soft.npz -o hard.npz", "soft.npz"),
        (
            "train --dataset octmnist --data-home . -o octmnist.npz --overwrite",
            "octmnist.npz",
        ),
        ("predict own.npz scans -o own.npz", "own.npz"),
        ("predict m scans -o scans/a.png", "scans/a.png"),
        ("predict m scans/b.png scans/a.png -o hard.png", "scans/a.png"),
        ("predict m own.npz -o own.npz", "own.npz"),
        ("evaluate report.txt --data own.npz -o .", None),
        ("evaluate old/report.txt --data own.npz -o old", "old/report.txt"),
        ("evaluate m --data old/report.txt -o old", "old/report.txt"),
        ("tune --data own.npz --storage own.npz", "own.npz"),
        ("tune --data own.npz --search-space s.json --storage s.json", "s.json"),
        ("benchmark --resume --from run/run.json -o run", "run/run.json"),
        ("benchmark --resume --from soft.json -o run", "soft.json"),
    ],
)
def test_no_output_replaces_an_input(folder, clinic, scans, words, given, overwrite):
    for file in ("own.npz", "octmnist.npz"):
        Path(file).write_bytes(clinic.read_bytes())
    for name in ("old", "run"):
        Path(name).mkdir()
    for file in ("m", "s.json", "scans/a.png", "old/report.txt", "run/run.json"):
        Path(file).write_text("mine")
    Path("soft.npz").symlink_to("own.npz")
    Path("soft.json").symlink_to("run/run.json")
    Path("hard.npz").hardlink_to("own.npz")
    Path("hard.png").hardlink_to("scans/a.png")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    command = words.split()[0]
    asked = overwrite if command in ("train", "evaluate", "predict") else []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = octsk_command(*words.split(), *asked, code=1)
    last = result.stderr.splitlines()[-1]
    if given is None:
        assert ". already contains files" in last
    else:
        assert f"is the input {given}, which is never replaced" in last
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert after == before


@pytest.mark.usefixtures("no_tensorflow")
@pytest.mark.parametrize(
    "words",
    [
        "train --data {data} -o there",
        "train --data {data} -o there --resume",
        "predict absent {data} -o there",
        "predict absent {data} -o link",
        "evaluate absent --data {data} -o old",
    ],
)
def test_what_is_there_is_replaced_only_when_asked(clinic, words):
    Path("there").write_text("mine")
    Path("link").symlink_to("there")
    Path("old").mkdir()
    Path("old", "report.json").write_text("mine")
    line = error_line(*words.format(data=clinic).split())
    assert line.endswith(" exists; choose another file, or replace it with --overwrite")
    assert Path("there").read_text() == Path("old", "report.json").read_text() == "mine"


def test_a_file_created_during_the_training_stays(clinic, monkeypatch):
    train = TrainingDisplay.train

    def train_slowly(*args):
        train(*args)
        Path("m.octsk").write_text("mine")

    words = ("train", "--data", clinic, *SOON, "--quiet", "-o", "m.octsk")
    with monkeypatch.context() as patch:
        patch.setattr(TrainingDisplay, "train", train_slowly)
        assert "another program created m.octsk during the training" in error_line(*words)
    assert Path("m.octsk").read_text() == "mine"
    # As the message says, the training is kept.
    Path("m.octsk").unlink()
    octsk_command(*words, "--resume")
    assert octsk.load("m.octsk").history_["loss"]
    assert not Path("m.octsk.checkpoint").exists()


def test_a_file_created_during_the_prediction_stays(clinic, model, monkeypatch):
    predict = octsk.SmallOCTNet.predict_proba

    def predict_slowly(*args):
        Path("p.csv").write_text("mine")
        return predict(*args)

    monkeypatch.setattr(octsk.SmallOCTNet, "predict_proba", predict_slowly)
    assert "p.csv exists" in error_line("predict", model, clinic, "-o", "p.csv")
    assert Path("p.csv").read_text() == "mine"


def test_overwrite_replaces_a_model_and_predictions(clinic, model):
    for name in ("m.octsk", "p.csv"):
        Path(name).write_text("mine")
    words = ["--data", clinic, *SOON, "-o", "m.octsk", "--overwrite"]
    octsk_command("train", *words)
    assert octsk.load("m.octsk").epochs == 1
    octsk_command("predict", model, clinic, "-o", "p.csv", "--overwrite")
    assert len(predictions(Path("p.csv").read_text())) == 48


@pytest.mark.parametrize("resume", [[], ["--resume"]])
def test_folder_of_checkpoints_that_is_none(clinic, resume):
    Path("m.octsk.checkpoint").mkdir()
    Path("m.octsk.checkpoint", "notes.txt").write_text("mine")
    words = ("train", "--data", clinic, "--epochs", 1, "--quiet", "-o", "m.octsk", *resume)
    line = error_line(*words)
    assert (
        "m.octsk.checkpoint contains files that were not written by a training (notes.txt)"
        in line
    )
    assert Path("m.octsk.checkpoint", "notes.txt").read_text() == "mine"


def test_folder_of_an_evaluation_holds_one_evaluation(clinic, model, monkeypatch):
    octsk_command("evaluate", model, "--data", clinic, "-o", "e", "--quiet")
    first = {path.name for path in Path("e").iterdir()}
    words = "--output e --split val --overwrite"
    again = ("evaluate", model, "--data", clinic, *words.split())
    with monkeypatch.context() as patch:
        patch.setattr(octsk.reporting, "model_card", lambda *_, **__: 1 / 0)
        assert "ZeroDivisionError" in error_line(*again, "--quiet")
    # Whole, and the old one still.
    assert {path.name for path in Path("e").iterdir()} == first
    assert json.loads(Path("e", "report.json").read_text())["data"]["split"] == "test"
    octsk_command(*again, "--quiet")
    assert json.loads(Path("e", "report.json").read_text())["data"]["split"] == "val"
    [scores] = Path("e").glob("*@*.csv")
    assert "_val_" in scores.name
    assert len(list(Path("e").iterdir())) == len(first) == 6
    Path("e", "notes.txt").touch()
    assert "e already contains files (notes.txt)" in error_line(*again)


def test_evaluation_that_fails_leaves_nothing(clinic, model, monkeypatch):
    monkeypatch.setattr(octsk.reporting, "html_report", lambda *_, **__: 1 / 0)
    octsk_command("evaluate", model, "--data", clinic, "-o", "new/e", "--quiet", code=1)
    assert not Path("new", "e").exists()
    Path("empty").mkdir()
    octsk_command("evaluate", model, "--data", clinic, "-o", "empty", "--quiet", code=1)
    assert list(Path("empty").iterdir()) == []


def test_data_whose_file_name_is_no_text_are_evaluated(clinic, model, folder):
    data = folder / os.fsdecode(b"caf\xe9\x1b[2J\n.npz")
    data.write_bytes(clinic.read_bytes())
    result = octsk_command("evaluate", model, "--data", data, "-o", "e")
    assert r"caf\udce9\x1b[2J\n, test split" in result.stdout
    assert "\x1b" not in result.output
    assert len(list(Path("e").iterdir())) == 6
    assert r"caf\udce9\x1b[2J\n" in Path("e", "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("target", ["/dev/null", "fifo"])
def test_streams_are_written_to(clinic, model, folder, target):
    received = []
    if target == "fifo":
        os.mkfifo("fifo")
        path = folder / "fifo"
        read = lambda: received.extend(path.read_bytes() for _ in range(2))  # noqa: E731
        reader = threading.Thread(target=read)
        reader.start()
    octsk_command("train", "--data", clinic, *SOON, "-o", target)
    octsk_command("predict", model, clinic, "-o", target)
    if target == "fifo":
        reader.join()
        trained, predicted = received
        Path("m.octsk").write_bytes(trained)
        assert octsk.load("m.octsk").epochs == 1
        assert len(predictions(predicted.decode())) == 48
        os.remove("m.octsk")
    assert [path.name for path in folder.iterdir()] == [target][: target == "fifo"]


@pytest.mark.slow
def test_standard_output_gets_the_file_alone(clinic, model):
    training = ("train", "--data", clinic, *SOON)
    for command in (("predict", model, clinic), training):
        with open("out", "wb") as out:
            code = "from octsk.cli import main; main()"
            words = [sys.executable, "-c", code, *command, "-o", "/dev/stdout"]
            subprocess.run(
                list(map(str, words)), stdout=out, stderr=subprocess.PIPE, check=True
            )
        if command[0] == "predict":
            assert len(predictions(Path("out").read_text())) == 48
        else:
            assert octsk.load("out").epochs == 1


def test_a_spreadsheet_computes_nothing_of_predictions(model, scans):
    os.rename(scans / "b.png", "=cmd().png")
    os.rename(scans / "c.tif", "-1.tif")
    words = ("predict", model, "=cmd().png", "./-1.tif")
    assert [row["image"] for row in predictions(octsk_command(*words).stdout)] == [
        "'=cmd().png",
        "'-1.tif",
    ]
    # Machines get the names as they are.
    rows = document(*words)["predictions"]
    assert [row["image"] for row in rows] == ["=cmd().png", "-1.tif"]


def test_patients_on_both_sides_are_told_once(clinic, model, folder):
    with np.load(clinic) as file:
        arrays = dict(file)
    groups = {f"{split}_groups": np.arange(48) for split in ("train", "test")}
    np.savez("leak.npz", **arrays, **groups)
    words = "train and test share 48 (0, 1, 2, 3, 4, ...)"
    note = "NOT INDEPENDENT: 48 of the patients in the test split"
    for command in (
        ("evaluate", model, "--data", "leak.npz"),
        ("benchmark", "--data", "leak.npz", *SOON),
    ):
        result = octsk_command(*command)
        assert result.stderr.count(words) == 1
        assert note in " ".join(result.stdout.split())
    training = octsk_command("train", "--data", "leak.npz", "-o", "m", *SOON)
    assert words in training.stderr


def test_settings_are_said_as_they_are(clinic):
    words = [
        "--net",
        "small",
        "--epochs",
        "auto",
        "--optimizer",
        "sgd",
        "-o",
        "m",
        "--json",
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("octsk.training._fit_estimator._AUTO_EPOCHS", 10)
        result = octsk_command("train", "--data", clinic, *words)
    assert "sgd, 2 epochs (auto), batches of 32, learning rate 0.01" in result.stderr
    printed = json.loads(result.stdout)
    assert printed["params"]["learning_rate"] is None
    resolved = {"learning_rate": 0.01, "weight_decay": 0.0, "epochs": 2}
    assert printed["resolved_params"] == resolved


# --------------------------------------------------------------------------------------
# fetch, info, colours
# --------------------------------------------------------------------------------------


def test_fetch_takes_a_file_that_is_there(named):
    result = octsk_command("fetch", "octmnist", "--data-home", named.parent)
    assert result.stdout.endswith(f"File: {named}\n")
    assert "not intended for clinical use" in result.stdout
    assert result.stderr.startswith(f"octsk: warning: {named} is used as it is")


def test_data_home_can_come_from_the_environment(named, monkeypatch):
    monkeypatch.setenv("OCTSK_DATA", str(named.parent))
    assert str(named) in octsk_command("fetch").stdout


def test_terminated_download_leaves_what_the_next_one_goes_on_from(folder):
    asked, released = threading.Event(), threading.Event()

    class Stalling(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "1000000")
            self.end_headers()
            self.wfile.write(bytes(100_000))
            self.wfile.flush()
            asked.set()
            released.wait(60)

        def log_message(self, *args):
            pass

    home = folder / "data"
    with ThreadingHTTPServer(("127.0.0.1", 0), Stalling) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        mirror = f"http://127.0.0.1:{server.server_port}"
        process = script(
            *("fetch", "--data-home", home),
            env={**os.environ, "OCTSK_MIRROR": mirror, "NO_PROXY": "127.0.0.1"},
        )
        assert asked.wait(60)
        part = home / ".octmnist.npz.part"
        while not (part.exists() and part.stat().st_size):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
        released.set()
        server.shutdown()
    assert process.returncode == 143
    assert errors.endswith("octsk: terminated\n")
    assert "Traceback" not in errors
    assert list(home.glob("*.npz")) == []
    assert 0 < part.stat().st_size <= 100_000


def test_info_without_a_home(monkeypatch):
    pwd = pytest.importorskip("pwd")
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    result = octsk_command("info")
    assert "the environment variable OCTSK_DATA" in result.stderr
    assert re.search(r"^data sets +none yet", result.stdout, re.M)


def test_info_lists_no_temporary_files(folder, monkeypatch):
    monkeypatch.setattr(info, "start_tensorflow", lambda: None)
    (folder / "octmnist.npz").write_bytes(b"")
    (folder / ".octmnist-abcdefgh.npz").write_bytes(b"")
    out = octsk_command("info", "--data-home", folder).stdout
    assert re.search(r"^data sets +octmnist.npz \(0.0 MB\)$", out, re.M)


def test_info(named):
    out = octsk_command("info", "--data-home", named.parent).stdout
    assert re.search(rf"^octsk +{re.escape(octsk.__version__)}$", out, re.M)
    assert re.search(r"^data sets +octmnist.npz \(\d+\.\d MB\)$", out, re.M)
    assert re.search(r"^devices .*CPU:0", out, re.M)
    assert re.search(r"^small +257,700  adam, 6 epochs", out, re.M)
    assert re.search(r"^medium +7,704,196  nadam, 5 epochs", out, re.M)


# --------------------------------------------------------------------------------------
# JSON, quiet, colours, completion
# --------------------------------------------------------------------------------------


def document(*words):
    """Run a command with --json; give what it printed, which must be JSON alone."""
    return json.loads(octsk_command(*words, "--json").stdout)


@pytest.mark.slow
def test_json_of_benchmark(clinic):
    result = octsk_command(*("benchmark", "--data", clinic, *SOON, "-o", "run", "--json"))
    printed = json.loads(result.stdout)
    assert printed.pop("folder") == "run"
    assert printed == json.loads(Path("run", "run.json").read_text())
    # What people read goes where it does not disturb.
    assert "clinic, 28 px: 48 for training" in result.stderr
    assert "epoch 1/1" in result.stderr


@pytest.mark.slow
def test_json_of_tune(clinic, space):
    printed = document(*tune_words(clinic, space, 1, output="run"), "--quiet")
    assert printed.pop("folder") == "run"
    assert printed == json.loads(Path("run", "tuning.json").read_text())


def test_json_of_train(named):
    printed = document("train", "--data", named, "--epochs", 1, "-o", "m.octsk")
    net = octsk.load(printed["model"])
    assert printed["history"] == net.history_
    assert printed["params"]["epochs"] == 1
    assert printed["classes"] == net.classes_.tolist()
    assert printed["data"]["target_names"] == OCT_CLASSES
    assert printed["data"]["sha256"] == hashlib.sha256(named.read_bytes()).hexdigest()


def test_json_of_evaluate(model, clinic):
    printed = document("evaluate", model, "--data", clinic, "-o", "report")
    saved = json.loads(Path("report", "report.json").read_text())
    of_each_image = {
        *("y_true", "y_score", "filenames", "groups", "image_index", "unfamiliar")
    }
    assert set(saved) - set(printed) == {"octsk_report", *of_each_image}
    for name in ("metrics", "intervals", "confusion_matrix", "data"):
        assert printed[name] == saved[name]


@pytest.mark.parametrize("output", [[], ["-o", "p.csv"]])
def test_json_of_predict(model, clinic, output):
    printed = document("predict", model, clinic, *output)
    X, _ = octsk.load_medmnist(clinic, split="test", return_X_y=True)
    net = octsk.load(model)
    assert printed["classes"] == OCT_CLASSES
    rows = printed["predictions"]
    assert [row["image"] for row in rows] == list(map(str, range(48)))
    assert [row["label"] for row in rows] == net.predict(X).tolist()
    assert [row["class"] for row in rows] == [OCT_CLASSES[k] for k in net.predict(X)]
    assert np.array_equal([row["probabilities"] for row in rows], net.predict_proba(X))
    assert Path("p.csv").exists() == bool(output)


def test_json_of_fetch(named):
    printed = document("fetch", "octmnist", "--data-home", named.parent)
    assert printed["file"] == str(named)
    assert (printed["name"], printed["size"], printed["official"]) == (
        "octmnist",
        28,
        False,
    )


@pytest.mark.slow
def test_json_of_info(named):
    printed = document("info", "--data-home", named.parent)
    assert printed["data_sets"] == {"octmnist.npz": named.stat().st_size}
    assert printed["environment"]["octsk"] == octsk.__version__
    assert "CPU:0" in printed["devices"]
    assert set(printed["nets"]) == {"small", "medium", "large", "residual"}
    assert printed["nets"]["residual"]["n_parameters"] == 604_580
    assert printed["nets"]["medium"]["params"]["epochs"] == 5


def test_json_has_no_words_on_an_error():
    result = octsk_command("predict", "absent.octsk", "x.png", "--json", code=1)
    assert result.stdout == ""
    assert result.stderr == "octsk: error: absent.octsk: No such file or directory\n"


@pytest.mark.slow
def test_quiet_benchmark_prints_its_tables_alone(clinic):
    run = octsk_command(*("benchmark", "--data", clinic, *SOON, "-o", "run", "--quiet"))
    assert run.stderr == ""
    assert run.stdout == Path("run", "report.txt").read_text()


def test_quiet_says_only_the_result(clinic, model, named):
    train = ("train", "--data", clinic, *SOON, "-o", "m.octsk", "--quiet")
    assert octsk_command(*train).output == ""
    assert Path("m.octsk").exists()
    evaluated = octsk_command(
        "evaluate", model, "--data", clinic, "-o", "report", "--quiet"
    )
    assert evaluated.stderr == ""
    assert evaluated.stdout == Path("report", "report.txt").read_text()
    predict = ("predict", model, clinic, "--quiet")
    assert len(predictions(octsk_command(*predict).stdout)) == 48
    assert octsk_command(*predict, "-o", "p.csv").output == ""
    # That a file is not the published one is no chatter.
    fetched = octsk_command("fetch", "--data-home", named.parent, "--quiet")
    assert fetched.stdout == f"File: {named}\n"
    assert fetched.stderr.startswith("octsk: warning: ")


def test_colours_only_where_they_are_wanted(model, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    evaluate = ("evaluate", model, "--phantoms")
    assert "\x1b" not in octsk_command(*evaluate).output
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1;37;41m***" in octsk_command(*evaluate).stdout
    assert "\x1b" not in octsk_command(*evaluate, "--json").stdout
    monkeypatch.setenv("NO_COLOR", "1")
    # Bold is no colour.
    assert "\x1b[1m***" in (out := octsk_command(*evaluate).stdout)
    assert not re.search(r"\x1b\[[\d;]*[34]\d", out)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("octsk be", ["benchmark"]),
        ("octsk train --net ", ["small", "medium", "large", "residual"]),
        ("octsk predict --js", ["--json"]),
    ],
)
def test_shell_completes_commands_options_and_values(words, expected):
    code = (
        "import atexit, sys\n"
        "from octsk.cli import main\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'numpy'}\n"
        "atexit.register(lambda: print(*sorted(heavy & set(sys.modules))))\n"
        "main()\n"
    )
    asked = {
        "_OCTSK_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **asked},
        capture_output=True,
        text=True,
        timeout=60,
    )
    *found, heavy = result.stdout.splitlines()
    assert (found, heavy) == (expected, "")


@pytest.mark.slow
def test_tensorflow_says_nothing_at_its_start(model, clinic):
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    process = script("predict", model, clinic, env=environment)
    out, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert len(predictions(out)) == 48


def test_start_of_tensorflow_that_fails_is_told_whole(monkeypatch, capfd):
    class Broken:
        def find_spec(self, name, path=None, target=None):
            if name == "tensorflow":
                os.write(2, b"the driver is broken\n")
                raise ImportError("no tensorflow")

    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(ImportError, match="no tensorflow"):
        start_tensorflow()
    os.write(2, b"and stderr is back\n")
    assert capfd.readouterr().err == "the driver is broken\nand stderr is back\n"


# --------------------------------------------------------------------------------------
# Classes of the data and of the net
# --------------------------------------------------------------------------------------


def _with_class_names(path, clinic, names, order=range(4), **arrays):
    """Write the scans of the clinic with class names, and labels in this order."""
    with np.load(clinic) as file:
        held = dict(file)
    for split in ("train", "val", "test"):
        held[f"{split}_labels"] = np.argsort(order)[held[f"{split}_labels"]]
    np.savez(path, class_names=np.array(names)[[*order]], **held, **arrays)
    return path


def test_evaluate_puts_permuted_class_names_in_the_order_of_the_net(model, clinic, folder):
    names = octsk.load(model).class_names_
    figures = []
    for order in ([0, 1, 2, 3], [2, 0, 3, 1]):
        data = _with_class_names("own.npz", clinic, names, order)
        report = document("evaluate", model, "--data", data)
        assert report["class_names"] == names
        assert report["remarks"] == []
        figures.append((report["metrics"], report["confusion_matrix"]))
    assert figures[0] == figures[1]


def test_evaluate_refuses_or_maps_other_class_names(model, clinic, folder):
    names = octsk.load(model).class_names_
    own = ["wet AMD", "dry AMD", "normal", "hole"]
    data = _with_class_names("own.npz", clinic, own)
    message = error_line("evaluate", model, "--data", data)
    assert f"the data set has {own}, the classifier has {names}" in message
    words = (
        *("--map", f"wet AMD={names[0]}+{names[1]}", "--map", f"normal={names[3]}"),
        *("--map", "dry AMD=drusen", "-o", "external", "--quiet"),
    )
    result = octsk_command("evaluate", model, "--data", data, *words)
    assert "warning: LEFT OUT of all results" in result.stderr
    report = json.loads(Path("external/report.json").read_text())
    assert report["class_names"] == ["wet AMD", "dry AMD", "normal"]
    assert report["left_out"] == {"hole": 12}
    assert not [*Path("external").glob("*@*.csv")]
    assert "hole (12 images)" in Path("external/report.html").read_text()
    assert "must be THEIRS=OURS" in error_line(
        "evaluate", model, "--data", data, "--map", "AMD", code=2
    )


# --------------------------------------------------------------------------------------
# What a clinical study asks
# --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def study(tmp_path_factory, clinic):
    """A file with patients of two scans, devices and class names."""
    path = tmp_path_factory.mktemp("study") / "study.npz"
    with np.load(clinic) as file:
        held = dict(file)
    for k, split in enumerate(("train", "val", "test")):
        held[f"{split}_groups"] = 100 * k + np.arange(48) // 2
        held[f"{split}_labels"] = np.repeat(held[f"{split}_labels"][::2], 2)
        held[f"{split}_device"] = np.array(["A", "B"])[np.arange(48) // 24]
    np.savez(path, class_names=np.array(OCT_CLASSES), **held)
    return path


def test_evaluate_as_a_clinical_study(model, study, folder):
    positive = OCT_CLASSES[:2]
    words = [word for name in positive for word in ("--positive", name)]
    result = octsk_command(
        *("evaluate", model, "--data", study, *words, "--specificity", 0.9),
        *("--prevalence", 0.1, "--level", "group", "--aggregate", "max", "--by", "device"),
        *("-o", "study"),
    )
    assert "Operating point" in result.stdout
    assert "chosen on 24 validation patients" in " ".join(result.stdout.split())
    values = json.loads(Path("study/report.json").read_text())
    data = octsk.load_medmnist(study)
    report = octsk.evaluate(
        octsk.load(model),
        data.test.data,
        data.test.target,
        dataset=data,
        positive=positive,
        specificity=0.9,
        prevalence=0.1,
        level="group",
        aggregate="max",
        by={"device": np.array(["A", "B"])[np.arange(48) // 24]},
    )
    expected = report.to_dict()
    for name in ("operating_point", "by_group", "subgroups", "metrics", "groups"):
        assert values[name] == expected[name]
    page = Path("study/report.html").read_text(encoding="utf-8")
    assert all(f"<h3>{title}</h3>" in page for title in ("Operating point", "Subgroups"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--specificity", 0.9], "specificity requires positive, the positive classes"),
        (["--positive", "x"], "positive must hold classes among"),
        (["--positive", "drusen", "--specificity", 95], "must be a number between 0 and 1"),
        (["--by", "site"], "has no column 'site' with one value for each of the 48 images"),
        (["--by", "images"], "has no column 'images' with one value"),
    ],
)
def test_impossible_studies(model, study, words, message):
    assert message in error_line("evaluate", model, "--data", study, *words)


def test_a_threshold_needs_a_validation_split(model, folder):
    data = write_npz(folder / "only.npz", splits=["test"])
    words = ("--positive", "drusen", "--sensitivity", 0.9)
    assert "has no 'val' split" in error_line("evaluate", model, "--data", data, *words)
    label = ("evaluate", model, "--data", data, "--positive", 2, "--threshold", 0.3)
    assert document(*label)["operating_point"]["positive"] == ["drusen"]


def test_tensorflow_starts_without_packages_that_commands_do_not_use(monkeypatch):
    monkeypatch.setattr(_inputs, "_UNUSED_BY_KERAS", ("wave",))
    monkeypatch.delitem(sys.modules, "wave", raising=False)

    def start():
        with pytest.raises(ImportError):
            importlib.import_module("wave")
        raise ImportError("started")

    monkeypatch.setattr(_inputs, "start_tensorflow", start)
    with pytest.raises(ImportError, match="started"):
        _inputs.make_net("small")
    assert "wave" not in sys.modules
    assert importlib.import_module("wave").__name__ == "wave"
