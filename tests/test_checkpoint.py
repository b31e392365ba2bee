"""Fits that go on after they were ended, and processes forked from TensorFlow's."""

import json
import os
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from helpers import TINY, toy_images
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

import octsk
from octsk import ResidualOCTNet, SmallOCTNet
from octsk.classifiers import BaseOCTNet
from octsk.training._callbacks import Onlooker
from octsk.training._checkpoint import describe_network

X, y = toy_images(60)

# All that a training draws or keeps from step to step.
RECIPE = dict(
    optimizer="adamw",
    learning_rate_schedule="cosine",
    warmup_fraction=0.2,
    ema_momentum=0.9,
    mixup=0.2,
    dropout=0.3,
)
SETTINGS = {
    "plain": {},
    "recipe": RECIPE,
    "stopped early": dict(
        early_stopping=True, n_iter_no_change=2, learning_rate=0.03, ema_momentum=0.5
    ),
    "nadam": dict(optimizer="nadam", augmentation=None, batch_size=16),
}


class Ended(Exception):  # noqa: N818
    """Stands for whatever ends a process."""


class EndAt(Onlooker):
    """Ends a fit before an epoch, or counts them."""

    def __init__(self, epoch=None):
        super().__init__()
        self.epoch = epoch
        self.seen = 0

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.epoch:
            raise Ended
        self.seen += 1


def net(folder=None, **params):
    return SmallOCTNet(**{**TINY, "epochs": 4, "checkpoint_dir": folder, **params})


def fit_and_end(net, epoch, *args, **kwargs):
    ending = clone(net).set_params(callbacks=EndAt(epoch))
    with pytest.raises(Ended):
        ending.fit(*args, **kwargs)


def fit_counting(net, *args, **kwargs):
    """Fit, and give the number of epochs that this took."""
    counter = EndAt()
    net.set_params(callbacks=counter).fit(*args, **kwargs)
    return counter.seen


def state(net):
    """Everything that a fit leaves, as bytes."""
    variables = [*net.model_.weights, *net.model_.optimizer.variables]
    return [net.history_, net.n_iter_, net.class_prior_.tobytes()] + [
        v.numpy().tobytes() for v in variables
    ]


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n != "plain")) for n in SETTINGS]
)
def test_a_fit_goes_on_to_the_same_weights(name, tmp_path):
    params = {"epochs": 30 if name == "stopped early" else 3, **SETTINGS[name]}
    whole = net(**params).fit(X, y)
    if name == "stopped early":
        assert 3 < whole.n_iter_ < 30
    fit_and_end(net(tmp_path, **params), 2, X, y)
    again = net(tmp_path, **params)
    assert fit_counting(again, X, y) == whole.n_iter_ - 2
    assert state(again) == state(whole)
    finished = net(tmp_path, **params)
    assert fit_counting(finished, X, y) == 0
    assert state(finished) == state(whole)


@pytest.mark.slow
def test_given_validation_images_and_weights(tmp_path):
    arguments = dict(sample_weight=np.arange(40.0), X_val=X[40:], y_val=y[40:])
    params = dict(early_stopping=True, class_weight="balanced", random_state=3)
    whole = net(**params).fit(X[:40], y[:40], **arguments)
    fit_and_end(net(tmp_path, **params), 2, X[:40], y[:40], **arguments)
    again = net(tmp_path, **params).fit(X[:40], y[:40], **arguments)
    assert state(again) == state(whole)


@pytest.mark.slow
def test_a_fit_without_a_seed_goes_on_with_the_one_it_drew(tmp_path):
    params = {**RECIPE, "random_state": None, "epochs": 2}
    fit_and_end(net(tmp_path, **params), 1, X, y)
    [path] = tmp_path.glob("*.npz")
    with np.load(path) as archive:
        seed = json.loads(str(archive["state"]))["seed"]
    again = net(tmp_path, **params)
    assert fit_counting(again, X, y) == 1
    assert (again.n_iter_, again._random_state) == (2, seed)
    # The next one is to be another, as without checkpoints.
    assert not list(tmp_path.glob("*.npz"))
    another = net(tmp_path, **params)
    assert fit_counting(another, X, y) == 2
    assert another._random_state != seed


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*encountered in:RuntimeWarning")
def test_a_fit_without_a_seed_that_diverged_leaves_no_checkpoint(tmp_path):
    # A rate beyond float32, since of large ones some seeds end with a finite loss.
    diverging = net(tmp_path, random_state=None, optimizer="sgd", learning_rate=1e39)
    with pytest.raises(ValueError, match="the training diverged"):
        diverging.fit(X, y)
    assert not list(tmp_path.glob("*.npz"))


def test_other_settings_and_other_images_are_other_fits(tmp_path):
    brief = net(tmp_path, epochs=1).fit(X, y)
    others = [
        (clone(brief).set_params(learning_rate=0.1), X, y),
        (clone(brief).set_params(random_state=1), X, y),
        (clone(brief).set_params(augmentation__rotation_range=5), X, y),
        (clone(brief), X[::-1], y[::-1]),
        (clone(brief), X, np.roll(y, 1)),
        (clone(brief), X, y + 1),
        (clone(brief), X / np.float32(255), y),
    ]
    assert [fit_counting(*other) for other in others] == [1] * len(others)
    assert len(list(tmp_path.glob("*.npz"))) == 1 + len(others)
    # What changes no weights, and a place in memory, are the same fit.
    same = net(str(tmp_path), epochs=1, class_prior="uniform", test_time_augmentation=True)
    assert fit_counting(same, np.asfortranarray(X), y.astype(np.int32)) == 0


@pytest.mark.slow
def test_folds_share_a_folder(tmp_path):
    folds = dict(cv=3, scoring="neg_log_loss")
    expected = cross_val_score(net(), X, y, **folds)
    fit_and_end(net(tmp_path), 2, X, y)
    for _ in range(2):
        found = cross_val_score(net(tmp_path), X, y, **folds)
        np.testing.assert_array_equal(found, expected)
    assert len(list(tmp_path.glob("*.npz"))) == 4


@pytest.mark.slow
def test_warm_start_tells_its_fits_apart(tmp_path):
    whole = net(warm_start=True).fit(X, y).fit(X, y)
    first = net(tmp_path, warm_start=True).fit(X, y)
    saved = tmp_path / "first.octsk"
    first.save(saved)
    # A file does not say where to write.
    assert octsk.load(saved).checkpoint_dir is None
    ending = octsk.load(saved).set_params(checkpoint_dir=tmp_path, callbacks=EndAt(6))
    with pytest.raises(Ended):
        ending.fit(X, y)
    again = octsk.load(saved).set_params(checkpoint_dir=tmp_path)
    assert fit_counting(again, X, y) == 2
    assert again.n_iter_ == 8
    assert state(again) == state(whole)


def test_partial_fit_writes_no_checkpoint(tmp_path):
    net(tmp_path, **RECIPE).partial_fit(X[:6], y[:6])
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_batch_normalization_and_products_in_bfloat16_go_on_too(tmp_path, monkeypatch):
    monkeypatch.setattr("octsk.training._network.has_fast_bfloat16", lambda: True)
    params = dict(filters=(4,), epochs=3, precision="bfloat16", random_state=0)
    whole = ResidualOCTNet(**params).fit(X, y)
    resumable = ResidualOCTNet(checkpoint_dir=tmp_path, **params)
    fit_and_end(resumable, 1, X, y)
    assert fit_counting(resumable, X, y) == 2
    assert state(resumable) == state(whole)


def test_callbacks_with_a_state_are_refused(tmp_path):
    import keras

    stateful = net(tmp_path, callbacks=keras.callbacks.ReduceLROnPlateau())
    with pytest.raises(
        ValueError, match="checkpoint_dir cannot be combined with callbacks"
    ):
        stateful.fit(X, y)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """The contents of a checkpoint, and its name."""
    folder = tmp_path_factory.mktemp("checkpoint")
    net(folder, **RECIPE, epochs=1).fit(X, y)
    [path] = folder.glob("*.npz")
    return path


@pytest.mark.parametrize("damage", ["cut off", "flipped", "no checkpoint"])
def test_damaged_checkpoint(damage, checkpoint, tmp_path):
    path = tmp_path / checkpoint.name
    contents = bytearray(checkpoint.read_bytes())
    if damage == "flipped":
        contents[len(contents) // 2] ^= 255
    path.write_bytes(
        {"cut off": contents[:-100], "no checkpoint": b"[]"}.get(damage, contents)
    )
    with pytest.raises(ValueError, match=r"checkpoint_dir: .* is damaged .* Remove it"):
        net(tmp_path, **RECIPE, epochs=1).fit(X, y)


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("weight_1", np.zeros(7), r"weight_1 is \[4\] but was \[7\]"),
        ("weight_1", np.array(list("abcd")), r"weight_1 is \[4\] but was 'no number'"),
        ("weight_99", np.zeros(7), r"weight_\d+ is None but was \[7\]"),
        ("weight_0", None, r"weight_0 is \[3, 3, 1, 4\] but was \[4\]"),
        ("optimizer_2", np.zeros(7), r"optimizer_2 is .* but was \[7\]"),
        ("best_3", np.zeros(7), r"best_3 is .* but was \[7\]"),
    ],
)
def test_checkpoint_with_arrays_of_another_network(name, array, words, tmp_path):
    stopping = net(tmp_path, epochs=1, early_stopping=True)
    stopping.fit(X, y)
    [path] = tmp_path.glob("*.npz")
    with np.load(path) as archive:
        arrays = {**archive, name: array}
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(ValueError, match=f"checkpoint_dir: .* is damaged: .*{words}"):
        clone(stopping).fit(X, y)


def test_checkpoint_of_other_versions_or_another_fit(checkpoint, tmp_path, monkeypatch):
    path = tmp_path / checkpoint.name
    shutil.copy(checkpoint, path)
    with monkeypatch.context() as patch:
        patch.setattr("octsk.training._checkpoint.__version__", "99.0")
        with pytest.raises(ValueError, match=r"octsk is '99.0' but was '\d.*Continue with"):
            net(tmp_path, **RECIPE, epochs=1).fit(X, y)
    # As if by a file that somebody has renamed.
    monkeypatch.setattr(
        "octsk.training._fit_estimator.describe_settings", lambda net: {"epochs": 5}
    )
    monkeypatch.setattr("octsk.training._checkpoint._file_name", lambda *_: checkpoint.name)
    with pytest.raises(ValueError, match=r"settings\.epochs is 5 but was 1"):
        net(tmp_path, **RECIPE).fit(X, y)


def own_net(activation, folder):
    """Return a net as a notebook has it whose cell was changed and run again."""

    def architecture(input_shape, n_classes, **_):
        layers = keras.layers
        hidden = layers.Dense(8, activation=activation)
        return keras.Sequential(
            [keras.Input(input_shape), layers.Flatten(), hidden, layers.Dense(n_classes)]
        )

    class OwnNet(BaseOCTNet, architecture=architecture):
        pass

    return OwnNet(epochs=1, random_state=0, checkpoint_dir=folder)


def test_changed_architecture_is_another_fit(tmp_path):
    relu = state(own_net("relu", tmp_path).fit(X, y))
    assert state(own_net("tanh", tmp_path).fit(X, y)) != relu
    assert len(list(tmp_path.glob("*.npz"))) == 2
    # Keras has numbered all layers anew meanwhile.
    assert fit_counting(own_net("relu", tmp_path), X, y) == 0


def test_names_of_layers_are_no_settings():
    def described(name):
        last = keras.layers.Softmax(name=name)
        layers = [keras.layers.Dense(3, activation="softmax"), last]
        return describe_network(keras.Sequential([keras.Input((2,)), *layers]))

    # Keras names the first one of a process like the activation.
    assert described("softmax") == described("softmax_1")


def test_layers_that_cannot_say_their_settings(tmp_path):
    class Silent(keras.layers.Layer):
        def __init__(self, given):
            super().__init__()

        def call(self, inputs):
            return inputs

    silent = own_net(Silent(object()), tmp_path)
    with pytest.raises(
        ValueError, match="layers of the architecture have a method get_config"
    ):
        silent.fit(X, y)


def test_checkpoint_dir_that_cannot_be(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(OSError, match="file"):
        net(path).fit(X, y)
    with pytest.raises(ValueError, match="'checkpoint_dir' parameter"):
        net(3).fit(X, y)


def test_nothing_is_pickled(checkpoint):
    with np.load(checkpoint, allow_pickle=False) as archive:
        assert {array.dtype.kind for array in archive.values()} <= set("Ufi")


# In a process of its own, where TensorFlow is loaded and not started, so that its children
# can start it: each is a training that takes little time to begin.
KILLER = """
import os, random, signal, sys, time
import numpy as np
from octsk.classifiers import BaseOCTNet
from octsk.training._callbacks import Onlooker
from test_checkpoint import SETTINGS, net, state
from helpers import toy_images

name, folder, n_kills = sys.argv[1], sys.argv[2], int(sys.argv[3])
X, y = toy_images(60)
params = {**SETTINGS[name], "epochs": 45}
if name == "stopped early":
    # The best epoch is the 12th, the last one the 37th.
    params |= dict(n_iter_no_change=25, random_state=1)


class Tell(Onlooker):
    def __init__(self, pipe):
        super().__init__()
        self.pipe = pipe

    def on_epoch_begin(self, epoch, logs=None):
        os.write(self.pipe, b".")


def die_at_array(n):
    # When it reads one more array of a checkpoint than so many.
    read, left = np.lib.npyio.NpzFile.__getitem__, iter(range(n))

    def read_or_die(archive, name):
        if next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)
        return read(archive, name)

    np.lib.npyio.NpzFile.__getitem__ = read_or_die


def start(checkpoint_dir, answer, n_arrays=None):
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            if n_arrays is not None:
                die_at_array(n_arrays)
            fitted = net(checkpoint_dir, callbacks=Tell(writes), **params).fit(X, y)
            with open(answer, "w") as file:
                file.write(repr(state(fitted)))
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writes)
    return pid, reads


def end(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


before = time.monotonic()
pid, reads = start(None, f"{folder}/whole")
begun = [time.monotonic() for _ in iter(lambda: os.read(reads, 1), b"")]
assert end(pid) == 0
start_up = begun[0] - before
an_epoch = (begun[-1] - begun[0]) / (len(begun) - 1)
rng = random.Random(os.urandom(8))
kills = 0
while kills < n_kills:
    pid, reads = start(f"{folder}/checkpoints", f"{folder}/killed")
    # At some moment of one of the next epochs: reading, training, validating, writing.
    for _ in range(rng.randint(1, 3)):
        assert os.read(reads, 1)
    time.sleep(rng.uniform(0, an_epoch))
    os.kill(pid, signal.SIGKILL)
    if end(pid) == 0:
        break
    kills += 1
    os.close(reads)
# Before the first of its epochs: as it starts, and as it reads the checkpoint.
for n_arrays in (None, 0, None, rng.randint(1, 5)):
    pid, reads = start(f"{folder}/checkpoints", f"{folder}/killed", n_arrays)
    if n_arrays is None:
        time.sleep(rng.uniform(0, start_up))
        os.kill(pid, signal.SIGKILL)
    kills += end(pid) == -signal.SIGKILL
    os.close(reads)
pid, reads = start(f"{folder}/checkpoints", f"{folder}/killed")
epochs = 0
while told := os.read(reads, 4096):
    epochs += len(told)
assert end(pid) == 0
print(kills, epochs, len(begun))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the test forks")
@pytest.mark.parametrize("name", ["plain", "recipe", "stopped early"])
def test_killed_fits_end_with_the_weights_of_an_uninterrupted_one(name, tmp_path):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path])}
    result = subprocess.run(
        [sys.executable, "-c", KILLER, name, str(tmp_path), "5"],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    kills, epochs, all_epochs = map(int, result.stdout.split())
    assert kills == 5 + 4
    assert 0 < epochs < all_epochs
    if name == "stopped early":
        assert all_epochs < 45
    assert (tmp_path / "killed").read_text() == (tmp_path / "whole").read_text()
    # What the killed ones left half-written is gone.
    assert not list((tmp_path / "checkpoints").glob(".*.npz"))


FORK = """
import os, sys
import octsk
from helpers import TINY, toy_images

X, y = toy_images(12)
net = octsk.SmallOCTNet(**TINY)
if sys.argv[1] != "before":
    net.fit(X, y)
    net.save("net.octsk")
work = {
    "before": lambda: net.fit(X, y),
    "fit": lambda: net.fit(X, y),
    "partial_fit": lambda: net.partial_fit(X, y),
    "predict": lambda: net.predict(X),
    "load": lambda: octsk.load("net.octsk"),
}
for name in sys.argv[1:]:
    pid = os.fork()
    if pid == 0:
        try:
            work[name]()
            print(name, "worked", flush=True)
        except RuntimeError as error:
            print(name, error, flush=True)
        os._exit(0)
    os.waitpid(pid, 0)
"""


def run_forking(folder, *names):
    result = subprocess.run(
        [sys.executable, "-c", FORK, *names],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the test forks")
def test_work_in_a_process_forked_after_tensorflow_had_started_is_refused(tmp_path):
    names = ["fit", "partial_fit", "predict", "load"]
    lines = run_forking(tmp_path, *names)
    for name, line in zip(names, lines, strict=True):
        assert line.startswith(f"{name} process ")
        assert 'multiprocessing.get_context("spawn")' in line
    # Loaded is not started.
    assert run_forking(tmp_path, "before") == ["before worked"]
