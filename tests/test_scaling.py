"""Searches on engines that others make, each with a real one started here."""

import gc
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import numpy as np
import optuna
import pytest
from helpers import TINY, toy_images
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.tree import DecisionTreeClassifier

import octsk
from octsk import OCTSearchCV

pytestmark = [
    pytest.mark.slow,
    # Dask's processes leave pipes, and SQLAlchemy connections, to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def collected():
    """Have connections that nobody closed collected here, and not in a later test."""
    yield
    gc.collect()


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def write_npz(path):
    arrays = {}
    for seed, split in enumerate(("train", "test")):
        scans = octsk.make_oct_phantoms(48, random_state=seed)
        arrays[f"{split}_images"] = scans.data
        arrays[f"{split}_labels"] = scans.target[:, np.newaxis].astype(np.uint8)
    np.savez(path, **arrays)
    return path


# --- PostgreSQL --------------------------------------------------------------------------

_SERVERS = [
    *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
    *os.environ["PATH"].split(os.pathsep),
]


def postgres_user():
    """Return who may run a server, which root may not: None for this user."""
    pwd = pytest.importorskip("pwd")  # no such thing on Windows
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        pytest.skip("PostgreSQL does not run as root, and there is no user postgres")


@pytest.fixture(scope="module")
def postgres():
    """The URL of an empty database of a server that runs for these tests."""
    pytest.importorskip("psycopg")
    # Debian keeps the server's programs off the path.
    initdb = shutil.which("initdb", path=os.pathsep.join(_SERVERS))
    if not initdb:
        pytest.skip("no PostgreSQL server (Debian: apt-get install postgresql)")
    programs, user, port = Path(initdb).parent, postgres_user(), free_port()
    with tempfile.TemporaryDirectory() as folder:
        if user:
            shutil.chown(folder, user)
        as_user = dict(user=user, cwd=folder, stdout=subprocess.DEVNULL)
        command = [programs / "initdb", "-D", "db", "-U", "octsk", "-A", "trust", "-N"]
        subprocess.run([*command, "--locale=C", "--encoding=UTF8"], check=True, **as_user)
        command = [programs / "postgres", "-D", "db", "-k", folder, "-p", str(port)]
        server = subprocess.Popen(command, stderr=subprocess.DEVNULL, **as_user)
        ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        while subprocess.run(ready).returncode:
            assert server.poll() is None
            time.sleep(0.2)
        yield f"postgresql+psycopg://octsk@127.0.0.1:{port}/postgres"
        server.send_signal(signal.SIGINT)  # or it would wait for its clients
        server.wait()


def tune(folder, postgres, trials, output):
    """Start the command, as on a machine of its own."""
    words = ["tune", "--data", folder / "clinic.npz", "--net", "small"]
    words += ["--storage", postgres]
    words += ["--search-space", folder / "space.json", "--trials", trials, "--folds", 2]
    return subprocess.Popen(
        [
            *(sys.executable, "-c", "from octsk.cli import main; main()"),
            *map(str, [*words, "--output", folder / output]),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_machines_share_a_study_in_postgresql(postgres, tmp_path):
    write_npz(tmp_path / "clinic.npz")
    (tmp_path / "space.json").write_text('{"filters": [[2]], "learning_rate": [0.1, 0.2]}')
    # At the same moment, on a database without tables.
    first, second, third = (tune(tmp_path, postgres, 10, str(i)) for i in range(3))
    try:
        assert "trial " in third.stderr.readline()
        third.kill()
        for machine in (first, second):
            _, errors = machine.communicate(timeout=300)
            assert machine.returncode == 0, errors
    finally:
        for machine in (first, second, third):
            machine.kill()
            machine.wait()
    study = optuna.load_study(study_name="small-clinic-28", storage=postgres)
    done = [t for t in study.trials if t.state.name == "COMPLETE"]
    # Some that begin at the same moment may all take the last place.
    assert 10 <= len(done) <= 12
    processes = [trial.user_attrs["process"]["pid"] for trial in done]
    assert min(processes.count(machine.pid) for machine in (first, second)) >= 2
    for output in "01":
        record = json.loads((tmp_path / output / "tuning.json").read_text())
        assert record["study_name"] == "small-clinic-28"
        assert len(record["trials"]) >= 10


def test_studies_of_real_images_in_postgresql(postgres, real_images, request):
    X, y, groups, cv = real_images
    search = OCTSearchCV(
        octsk.SmallOCTNet(**TINY),
        {"learning_rate": [0.001, 0.01, 0.1]},
        n_trials=4,
        n_workers=2,
        cv=cv,
        random_state=0,
        storage=postgres,
        study_name=request.node.name,
    ).fit(X, y, **groups)
    # Two that begin at the same moment may both take the last place.
    assert 4 <= len(search.cv_results_["trial"]) <= 5
    assert 0 < search.best_score_ <= 1


def test_machine_that_slept_finds_its_connections_closed(postgres):
    import psycopg

    closed = []

    def scoring(estimator, X, y):
        with psycopg.connect(postgres.replace("+psycopg", "")) as connection:
            others = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
            closed.extend(
                connection.execute(
                    f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
                ).fetchall()
            )
        return estimator.score(X, y)

    X, y = toy_images(n=24)
    search = OCTSearchCV(
        DecisionTreeClassifier(random_state=0),
        {"max_depth": [1, 2, 3]},
        n_trials=3,
        cv=2,
        scoring=scoring,
        storage=postgres,
        study_name="slept",
    ).fit(X.reshape(24, -1), y)
    assert closed
    assert list(search.cv_results_["trial"]) == [0, 1, 2]


def test_database_that_cannot_be_had():
    url = f"postgresql+psycopg://me:secret@127.0.0.1:{free_port()}/studies"
    search = OCTSearchCV(octsk.SmallOCTNet(**TINY), storage=url)
    X, y = octsk.make_oct_phantoms(24, random_state=0, return_X_y=True)
    with pytest.raises(OSError, match=re.escape("://***@127.0.0.1")) as raised:
        search.fit(X, y)
    assert "secret" not in str(raised.value)


def test_name_of_a_user_who_is_turned_away_is_not_shown(postgres):
    url = postgres.replace("octsk@", "stranger:secret@")
    X, y = toy_images(n=24)
    search = OCTSearchCV(DecisionTreeClassifier(), {"max_depth": [1]}, storage=url)
    with pytest.raises(ConnectionError, match=r'role "\*\*\*" does not exist') as raised:
        search.fit(X.reshape(24, -1), y)
    told = "".join(traceback.format_exception(raised.value))
    assert "stranger" not in told
    assert "secret" not in told


# --- Dask --------------------------------------------------------------------------------


def test_grid_search_on_dask(real_images):
    distributed = pytest.importorskip("distributed")
    import joblib

    X, y, groups, cv = real_images
    search = GridSearchCV(
        octsk.SmallOCTNet(**TINY),
        {"optimizer": ["adam", "nadam"], "learning_rate": [0.001, 0.01]},
        scoring={
            "score": lambda net, X, y: net.predict_proba(X)[:, 0].sum(),
            "process": lambda *_: os.getpid(),
        },
        refit="score",
        cv=cv,
    )
    serial = clone(search).fit(X, y, **groups).cv_results_
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    )
    with cluster, distributed.Client(cluster), joblib.parallel_config(backend="dask"):
        search.fit(X, y, **groups)
    results = search.cv_results_
    processes = np.ravel([results[f"split{fold}_test_process"] for fold in range(2)])
    assert len(np.unique(processes)) == 2
    assert os.getpid() not in processes
    np.testing.assert_array_equal(results["mean_test_score"], serial["mean_test_score"])
    assert search.predict(X).shape == y.shape
