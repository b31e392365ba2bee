"""Checkpoints, from which an interrupted fit continues after its last complete epoch."""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import keras
import numpy as np

from octsk._version import __version__
from octsk.utils.files import atomic_write, lock_beside, remove_temporaries
from octsk.utils.free_params import FREE_IN_FITS
from octsk.utils.json import differences, jsonable

_FORMAT = 1

# Keys in the configuration of a network whose values are names of layers.
_NAMING = {"name", "keras_history", "input_layers", "output_layers"}

# Number of bytes of an array that are hashed at a time.
_PART_BYTES = 16 * 2**20


def describe_arrays(**arrays) -> dict[str, Any]:
    """Return the shape, dtype and hash of each array without copying it as a whole."""
    return {name: _facts(array) for name, array in arrays.items() if array is not None}


def describe_settings(estimator) -> dict[str, Any]:
    """Return the parameters that affect the fitted weights, as plain data."""
    settings = {
        name: jsonable(value)
        for name, value in estimator.get_params(deep=False).items()
        if name not in FREE_IN_FITS
    }
    if not isinstance(estimator.optimizer, str):
        config = estimator.optimizer.get_config()
        del config["name"]  # Keras numbers the optimizers
        settings["optimizer"] = {type(estimator.optimizer).__name__: jsonable(config)}
    return settings


def describe_network(model) -> str:
    """Return a hash of the layers and connections of a network, but not of their names.

    Raises
    ------
    ValueError
        If a layer has no `get_config`.
    """
    try:
        config = jsonable(model.get_config())
    except NotImplementedError as error:
        raise ValueError(
            "checkpoint_dir requires that all layers of the architecture have a method "
            f"get_config, which identifies the network ({error})."
        ) from error
    numbers = {name: f"#{i}" for i, name in enumerate(dict.fromkeys(_names(config)))}
    plain = json.dumps(_renamed(config, numbers), sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()


def _names(entry) -> Iterator[str]:
    if isinstance(entry, dict):
        if entry.get("class_name") == "DTypePolicy":
            return
        if isinstance(entry.get("name"), str):
            yield entry["name"]
        entry = entry.values()
    elif not isinstance(entry, list):
        return
    for inner in entry:
        yield from _names(inner)


def _renamed(entry, numbers, of_names=False):
    """Replace the names of layers by numbers, and omit seeds, which each fit draws."""
    if isinstance(entry, list):
        return [_renamed(item, numbers, of_names) for item in entry]
    if isinstance(entry, dict):
        kept = entry.keys() - {"seed", "seed_generator", "shared_object_id"}
        return {key: _renamed(entry[key], numbers, key in _NAMING) for key in kept}
    # An activation may have the same name as a layer.
    return numbers.get(entry, entry) if of_names and isinstance(entry, str) else entry


def describe_state(model) -> str:
    """Return a hash of a network's weights and its optimizer's state."""
    digest = hashlib.sha256()
    for variable in model.weights + model.optimizer.variables:
        digest.update(variable.numpy().tobytes())
    return digest.hexdigest()


@contextmanager
def open_checkpoint(folder, name: str, identity: dict, seed: int) -> Iterator["Checkpoint"]:
    """Yield the checkpoint of one fit, which is locked against other processes.

    Parameters
    ----------
    folder : str or path-like
        Folder of checkpoints, which is created if it does not exist.
    name : str
        Name of the estimator's class.
    identity : dict
        Everything that determines the weights after the fit, as plain data.
    seed : int
        Seed for a new fit. A fit that is continued keeps the seed in its checkpoint.

    Yields
    ------
    Checkpoint
        The checkpoint, which contains the state of the fit if there is a file.

    Raises
    ------
    ValueError
        If the file is damaged, or was written by another fit or by other versions of the
        libraries.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / _file_name(name, identity)
    with lock_beside(path):
        remove_temporaries(path)
        yield Checkpoint(path, identity, seed)


class Checkpoint(keras.callbacks.Callback):
    """State of a fit, which is written to a file after each epoch.

    It must come after all callbacks that change the state at the end of an epoch.

    Parameters
    ----------
    path : Path
        The file.
    identity : dict
        Everything that determines the weights after the fit.
    seed : int
        Seed for a new fit. A fit that is continued keeps the seed in its file.

    Attributes
    ----------
    seed : int
        Seed of the fit.
    epoch : int
        Number of completed epochs.
    history : dict of str to list of float
        Loss and metrics of these epochs.
    seconds_before : float
        Time in seconds that earlier processes spent on these epochs.
    stopped : bool
        Whether early stopping has ended the fit.
    """

    def __init__(self, path, identity, seed):
        super().__init__()
        self._path = path
        self._identity = identity
        self._versions = {
            "octsk": __version__,
            **{name: version(name) for name in ("keras", "numpy", "tensorflow")},
        }
        self.seed = seed
        self.seconds_before = 0.0
        self._begun = time.monotonic()
        self.epoch = 0
        self.history: dict[str, list[float]] = {}
        self.stopped = False
        self._arrays: dict[str, list[np.ndarray]] = {}
        self._early_stopping: dict[str, Any] | None = None
        if path.exists():
            self._read()

    def begin(self, model, first_epoch, averages, early_stopping):
        """Restore the state in the file, if any, into the network.

        Parameters
        ----------
        model : keras.Model
            The network, with a built optimizer.
        first_epoch : int
            Index of the first epoch of the fit.
        averages : AveragedWeights or None
            The callback that puts averages into the network at the end of an epoch.
        early_stopping : keras.callbacks.EarlyStopping or None
            The callback for early stopping.

        Raises
        ------
        ValueError
            If the arrays in the file do not fit the network and its optimizer.
        """
        self._first_epoch = first_epoch
        self._averages, self._stopping = averages, early_stopping
        if not self.epoch:
            return
        optimizer = model.optimizer
        # CosineDecay needs the learning rate from the beginning of the fit, which the state
        # of the optimizer would replace.
        rate = optimizer.learning_rate
        first = rate.numpy()
        self._check_fits("weight", model.weights)
        self._check_fits("optimizer", optimizer.variables)
        if self._early_stopping is not None:
            self._check_fits("best", model.weights)
        _assign(model.weights, self._arrays["weight"])
        _assign(optimizer.variables, self._arrays["optimizer"])
        if isinstance(rate, keras.Variable):
            rate.assign(first)

    def on_train_begin(self, logs=None):
        if self._early_stopping is not None:
            # EarlyStopping.on_train_begin, which was called before, has reset its state.
            vars(self._stopping).update(self._early_stopping)
            self._stopping.best_weights = self._arrays["best"]

    def on_epoch_end(self, epoch, logs=None):
        self.epoch = epoch + 1 - self._first_epoch
        for name, value in logs.items():
            self.history.setdefault(name, []).append(float(value))
        if self._averages is not None:
            self._averages.hide()
        self._arrays = {
            "weight": [v.numpy() for v in self.model.weights],
            "optimizer": [v.numpy() for v in self.model.optimizer.variables],
        }
        if self._averages is not None:
            self._averages.show()
        if self._stopping is not None:
            names = ("wait", "best", "best_epoch", "stopped_epoch")
            state = {name: getattr(self._stopping, name) for name in names}
            self._early_stopping = {**state, "best": float(state["best"])}
            self._arrays["best"] = self._stopping.best_weights
            self.stopped = self._stopping.stopped_epoch > 0
        self._write()

    def remove(self):
        """Remove the file of a completed fit."""
        self._path.unlink(missing_ok=True)

    def _check_fits(self, kind, variables):
        arrays = self._arrays.get(kind, [])
        found = {
            f"{kind}_{i}": list(array.shape) if array.dtype.kind in "biuf" else "no number"
            for i, array in enumerate(arrays)
        }
        needed = {f"{kind}_{i}": list(one.shape) for i, one in enumerate(variables)}
        if lines := differences(needed, found):
            raise ValueError(
                f"checkpoint_dir: {self._path} is damaged: its arrays do not fit the "
                f"network (the shape of {lines[0]}). Remove it to start again."
            )

    def _write(self):
        state = {
            "format": _FORMAT,
            "versions": self._versions,
            "identity": self._identity,
            "seed": self.seed,
            "epoch": self.epoch,
            "history": self.history,
            "stopped": self.stopped,
            "seconds": self.seconds_before + time.monotonic() - self._begun,
            "early_stopping": self._early_stopping,
        }
        contents: dict[str, Any] = {"state": np.array(json.dumps(state))}
        for kind, arrays in self._arrays.items():
            contents |= {f"{kind}_{i}": array for i, array in enumerate(arrays)}
        with atomic_write(self._path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **contents)

    def _read(self):
        try:
            # NumPy does not close a damaged file that it has opened itself.
            with (
                open(self._path, "rb") as file,
                np.load(file, allow_pickle=False) as archive,
            ):
                state = json.loads(str(archive["state"]))
                arrays: dict[str, list[np.ndarray]] = {}
                for name in archive.files:
                    if name != "state":
                        arrays.setdefault(name.partition("_")[0], []).append(archive[name])
            found = (state["format"], state["versions"], state["identity"])
            self.epoch, self.history = state["epoch"], state["history"]
            self.stopped, self._early_stopping = state["stopped"], state["early_stopping"]
            seed, self.seconds_before = state["seed"], state["seconds"]
        except Exception as error:
            # zipfile, zlib, NumPy and json raise many types of errors for damaged files.
            raise ValueError(
                f"checkpoint_dir: {self._path} is damaged or not a checkpoint "
                f"({type(error).__name__}: {error}). Remove it to start again."
            ) from error
        ours = {"format": _FORMAT, **self._versions, **self._identity}
        theirs = {"format": found[0], **found[1], **found[2]}
        if lines := differences(ours, theirs):
            raise ValueError(
                f"checkpoint_dir: {self._path} is the checkpoint of another training: "
                f"{'; '.join(lines)}. Continue with the original settings, or remove it to "
                "start again."
            )
        self.seed, self._arrays = seed, arrays


def _file_name(name, identity):
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return f"{name}-{digest[:16]}.npz"


def _facts(array) -> dict[str, Any]:
    array = np.asarray(array)
    if array.dtype.hasobject:
        array = array.astype(str)
    digest = hashlib.sha256()
    rows = max(1, _PART_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(array[start : start + rows].tobytes())
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.str,
        "sha256": digest.hexdigest(),
    }


def _assign(variables, arrays):
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)
