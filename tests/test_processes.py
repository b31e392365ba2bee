"""Processes that octsk starts: they import nothing from the working folder by accident."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from test_cli import write_npz

import octsk
from octsk.utils.processes import (
    outside_working_folder,
    standard_streams,
    starting_processes,
)

# What such processes import: of Python, of others, of Python's own start.
PLANTED = [
    *(
        "json",
        "random",
        "pickle",
        "signal",
        "logging",
        "csv",
        "tempfile",
        "multiprocessing",
    ),
    *("numpy", "sklearn", "scipy", "joblib", "keras", "tensorflow", "optuna", "h5py"),
    *("sitecustomize", "usercustomize"),
]

PLANT = """
import os, sys
with open({marks!r}, "a") as file:
    print({name!r}, sys.orig_argv, file=file)
"""


@pytest.fixture
def hostile(tmp_path, monkeypatch):
    """A working folder with modules that must not be run, and what tells that they were."""
    folder, marks = tmp_path / "hostile", tmp_path / "marks"
    folder.mkdir()
    for name in PLANTED:
        (folder / f"{name}.py").write_text(PLANT.format(marks=str(marks), name=name))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    return marks


def run(*words, **kwargs):
    done = subprocess.run(
        [sys.executable, *map(str, words)], capture_output=True, text=True, **kwargs
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# Of the console script: it lies in a folder of its own.
CONSOLE = "from octsk.cli import main\nmain()"


@pytest.mark.slow
@pytest.mark.parametrize("start", ["console script", "-m"])
def test_command_with_workers_and_without_standard_streams(start, hostile, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "octsk").write_text(CONSOLE)
    (tmp_path / "space.json").write_text('{"filters": [[2]], "epochs": [1]}')
    data = write_npz(tmp_path / "clinic.npz", splits=["train"], n=24)
    command = ["-m", "octsk"] if start == "-m" else [tmp_path / "bin" / "octsk"]
    options = ["--search-space", tmp_path / "space.json", "--storage", "study.journal"]
    options += ["--trials", 2, "--folds", 2, "--workers", 2, "--output", "out"]
    words = [sys.executable, *command, "tune", "--data", data, *options]
    # As a service manager does it: the numbers of the streams are free.
    shell = ["sh", "-c", '"$@" <&- >&- 2>&-', "sh"] if start == "-m" else []
    done = subprocess.run([*shell, *map(str, words)], capture_output=not shell, text=True)
    assert done.returncode == 0, done.stderr
    assert not hostile.exists(), hostile.read_text()
    assert octsk.load("out/model.octsk").filters == [2]
    assert Path("out", "report.html").exists()


# A user's own: its classes lie in it, in a module beside it, and, of a notebook or `-c`,
# in the working folder.
SCRIPT = """
import numpy as np, os, sys
import octsk
from sklearn.tree import DecisionTreeClassifier
from {module} import Tree

class OwnTree(Tree):
    pass

{after}
X, y = np.random.default_rng(0).random((24, 4)), np.arange(24) % 2
if __name__ == "__main__":
    path = sys.path[:]
    for how in (dict(n_workers=2), dict(n_jobs=2)):
        octsk.OCTSearchCV(
            OwnTree(), {{"max_depth": [1, 2]}}, n_trials=2, cv=2, **how,
            storage="study.journal", study_name=f"{{how}}",
        ).fit(X, y)
    assert path == sys.path and "PYTHONSAFEPATH" not in os.environ
    print("done")
"""
TREE = """
from sklearn.tree import DecisionTreeClassifier
class Tree(DecisionTreeClassifier):
    pass
"""


@pytest.mark.slow
def test_search_of_a_script_with_a_module_beside_it(hostile, tmp_path):
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "trees.py").write_text(TREE)
    script = tmp_path / "beside" / "script.py"
    script.write_text(SCRIPT.format(module="trees", after=""))
    assert run(script) == "done\n"
    assert not hostile.exists(), hostile.read_text()


@pytest.mark.slow
def test_search_of_a_notebook_with_a_module_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trees.py").write_text(TREE)
    # What has come into the folder since the notebook imported all that it needs.
    plant = "import octsk.model_selection.study\n" + "".join(
        f"open('{name}.py', 'w').write({PLANT.format(marks='marks', name=name)!r})\n"
        for name in PLANTED
    )
    assert run("-c", SCRIPT.format(module="trees", after=plant)) == "done\n"
    assert not Path("marks").exists(), Path("marks").read_text()


READ = """
import os, sys
from octsk.persistence._h5_check import read_h5_names
os.chdir("hostile")
print(*read_h5_names(sys.argv[1]))
"""


def test_reader_of_h5_files(hostile, tmp_path):
    import h5py

    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.attrs["layer_names"] = [b"dense"]
        file.create_group("dense").attrs["weight_names"] = [b"kernel"]
        file["dense/kernel"] = np.zeros(2)
    (tmp_path / "script.py").write_text(READ)
    for words in (["script.py"], ["-c", READ]):
        assert "kernel" in run(*words, tmp_path / "model.h5", cwd=tmp_path)
    assert not hostile.exists(), hostile.read_text()


def test_working_folder_is_told_from_others(tmp_path, monkeypatch):
    others = [str(tmp_path / "other"), *sys.path]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), f"{tmp_path}/.", *others])
    assert outside_working_folder() == others
    # A script's own folder, where Python found what it has imported.
    script = type(sys)("__main__")
    script.__file__ = str(tmp_path / "script.py")
    monkeypatch.setitem(sys.modules, "__main__", script)
    assert str(tmp_path) in outside_working_folder()
    monkeypatch.chdir(tmp_path.parent)
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path.parent), *others])
    assert outside_working_folder() == [str(tmp_path), *others]
    # The clone of octsk that is worked at.
    clone = Path(octsk.__file__).parent.parent
    monkeypatch.chdir(clone)
    assert str(clone) in outside_working_folder() or str(clone) not in sys.path


def test_what_workers_inherit(tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    monkeypatch.chdir(tmp_path)
    before = ["", *sys.path]
    monkeypatch.setattr(sys, "path", before[:])
    entered, left = threading.Event(), threading.Event()

    def search():
        with starting_processes():
            entered.set()
            left.wait(60)

    other = threading.Thread(target=search)
    with starting_processes():
        assert sys.path == [*before[1:], ""]
        assert os.environ["PYTHONSAFEPATH"] == "1"
        other.start()
        entered.wait(60)
    # The other search still starts workers.
    assert os.environ["PYTHONSAFEPATH"] == "1"
    left.set()
    other.join()
    assert sys.path == before
    assert "PYTHONSAFEPATH" not in os.environ
    with starting_processes():
        sys.path.append("more")
    assert sorted(sys.path) == sorted([*before, "more"])
    monkeypatch.setenv("PYTHONSAFEPATH", "mine")
    with starting_processes():
        pass
    assert os.environ["PYTHONSAFEPATH"] == "mine"


# --- Programs without a console ----------------------------------------------------------


def test_standard_streams(monkeypatch):
    with standard_streams():
        assert sys.stdout is not None
    before = sys.stdout
    monkeypatch.setattr(sys, "stderr", None)
    with standard_streams():
        assert sys.stdout is before
        assert sys.stderr.write("nobody reads this")
        assert os.get_inheritable(sys.stderr.fileno())
    assert sys.stderr is None


CLOSED = """
import os, sys
{close}
import numpy as np
import octsk
from sklearn.tree import DecisionTreeClassifier
X, y = np.random.default_rng(0).random((24, 4)), np.arange(24) % 2
if __name__ == "__main__":
    for how in (dict(n_workers=2), dict(n_jobs=2), dict(verbose=1)):
        octsk.OCTSearchCV(
            DecisionTreeClassifier(), {{"max_depth": [1, 2]}}, n_trials=2, cv=2, **how,
            storage="study.journal", study_name=f"{{how}}",
        ).fit(X, y)
    open("done", "w").close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("closed", [True, False])
def test_search_without_standard_streams(closed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    close = "" if closed else "sys.stdin = sys.stdout = sys.stderr = None"
    Path("script.py").write_text(CLOSED.format(close=close))
    words = [sys.executable, "script.py"]
    # As a service manager does it: the numbers are free.
    shell = ["sh", "-c", '"$@" <&- >&- 2>&-', "sh", *words]
    assert subprocess.run(shell if closed else words).returncode == 0
    assert Path("done").exists()
    records = Path("study.journal").read_bytes().splitlines()
    assert all(record.startswith(b'{"op_code"') for record in records)
