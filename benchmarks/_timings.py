"""What ``benchmarks.speed`` measures, each function in a process of its own."""

import gc
import importlib
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._apart import peak_memory
from benchmarks._common import interleaved


def _phantoms(n, side=28):
    """Return `n` images, few of them different: what is on them takes no time."""
    import octsk

    images, y = octsk.make_oct_phantoms(64, size=side, random_state=0, return_X_y=True)
    index = np.arange(n) % len(images)
    return images[index], y[index]


def _seconds(call: Callable[..., Any], *arguments) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


# --- Fixed cost of a fit -----------------------------------------------------------------


def fits(contender: str, n_fits: int, n: int) -> dict[str, Any]:
    """Fit Small so many times, without augmentation, and look at the memory meanwhile.

    Returns
    -------
    dict
        ``seconds`` of each fit of one epoch, ``steps`` the seconds that the training steps
        of such a fit take, ``memory`` the bytes resident after each fit.
    """
    make = {"octsk": _octsk_small, "scikeras": _scikeras_small}[contender]
    X, y = _phantoms(n)
    if contender == "scikeras":
        X = X[..., np.newaxis] / np.float32(255)
    seconds, memory = [], []
    for _ in range(n_fits):
        seconds.append(_seconds(make(epochs=1).fit, X, y))
        gc.collect()
        memory.append(_memory("VmRSS"))
    # Of a longer fit, what the further epochs take.
    longer = 21
    long = _seconds(make(epochs=longer).fit, X, y)
    short = _seconds(make(epochs=1).fit, X, y)
    steps = (long - short) / (longer - 1)
    return {"seconds": seconds, "steps": steps, "memory": memory}


def _octsk_small(**params):
    from octsk import SmallOCTNet

    return SmallOCTNet(augmentation=None, random_state=0, **params)


def _scikeras_small(**params):
    from benchmarks._peers import scikeras_classifier

    return scikeras_classifier("small", 4, random_state=0, **params)


def _memory(name: str) -> int | None:
    """Return a line of what Linux tells of this process's memory, in bytes."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


# --- Prediction --------------------------------------------------------------------------


def prediction(n: int, n_single: int, repeats: int, folder: str) -> dict[str, Any]:
    """Predict one image, and many, with Small.

    Returns
    -------
    dict
        ``one``: per contender the median seconds of one image, one value a repeat;
        ``batch``: seconds of `n` images, and ``peaks`` of memory after few and after all.
    """
    import onnxruntime
    import tensorflow as tf

    from octsk._images import to_unit

    X, y = _phantoms(n)
    clf = _octsk_small(epochs=1).fit(X[:256], y[:256])
    clf.export(Path(folder, "small.onnx"))
    options = onnxruntime.SessionOptions()
    # Its threads would wait for the next call on the cores that the others compute on.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(Path(folder, "small.onnx")), options)

    bare = tf.function(lambda images: clf.model_(to_unit(images), training=False))
    compiled = bare.get_concrete_function(tf.TensorSpec(clf.model_.input_shape, tf.uint8))

    def in_parts(images):
        return [
            compiled(tf.constant(part))
            for part in np.array_split(images, -(-len(images) // 256))
        ]

    contenders = {
        "octsk": clf.predict_proba,
        "bare compiled model": lambda images: compiled(tf.constant(images)).numpy(),
        "Keras's predict": lambda images: clf.model_.predict(
            images / np.float32(255), batch_size=256, verbose=0
        ),
        "ONNX Runtime": lambda images: session.run(None, {"images": images}),
    }
    X = X[..., np.newaxis]

    def median_of_single(call):
        images = (X[i : i + 1] for i in range(n_single))
        return float(np.median([_seconds(call, image) for image in images]))

    ones = {name: partial(median_of_single, call) for name, call in contenders.items()}
    contenders["bare compiled model"] = in_parts
    batches = {name: partial(_seconds, call, X) for name, call in contenders.items()}
    for call in contenders.values():
        call(X[:1])
        call(X[: min(n, 512)])
    peak = peak_memory()
    clf.predict_proba(X)
    peaks = [peak, peak_memory()]
    return {
        "one": interleaved(ones, repeats),
        "batch": interleaved(batches, repeats),
        "peaks": peaks,
    }


# --- Searches, starting, memory ----------------------------------------------------------


def search(n: int, epochs: int, repeats: int) -> dict[str, list[float]]:
    """Run a grid search of Small with one process and with two.

    Returns
    -------
    dict
        Seconds of each search; of two processes, ``first`` is one with their start.
    """
    from sklearn.model_selection import GridSearchCV

    X, y = _phantoms(n)

    def seconds(n_jobs):
        grid = {"learning_rate": [3e-4, 1e-3]}
        clf = _octsk_small(epochs=epochs)
        search = GridSearchCV(clf, grid, cv=3, n_jobs=n_jobs, refit=False)
        return _seconds(search.fit, X, y)

    turns = {"serial": lambda: seconds(1), "n_jobs=2": lambda: seconds(2)}
    first = {name: [turn()] for name, turn in turns.items()}
    again = interleaved(turns, repeats)
    return {**again, "n_jobs=2, first": first["n_jobs=2"]}


def start() -> dict[str, float]:
    """Take apart the time until a first fit is done, scikit-learn being loaded.

    Returns
    -------
    dict
        Seconds of each part.
    """
    loading = partial(importlib.import_module, "octsk.classifiers")
    parts = {"TensorFlow, Keras, scikeras": _seconds(loading)}
    X, y = _phantoms(64)
    clf = _octsk_small(epochs=1)
    parts["making the network"] = _seconds(clf.initialize, X, y)
    parts["first fit: graphs and two steps"] = _seconds(clf.fit, X, y)
    parts["second fit"] = _seconds(_octsk_small(epochs=1).fit, X, y)
    parts["first prediction"] = _seconds(clf.predict, X[:1])
    return parts


def epoch(n: int, side: int, batch_size: int) -> dict[str, Any]:
    """Train Small for two epochs: ``seconds`` of the second, ``peak`` bytes of memory."""
    from benchmarks.full_fit import new_clock
    from octsk import SmallOCTNet
    from octsk._training import Onlooker

    X, y = _phantoms(n, side)
    clock = new_clock(Onlooker)
    SmallOCTNet(epochs=2, batch_size=batch_size, callbacks=clock, random_state=0).fit(X, y)
    return {"seconds": clock.training[-1], "peak": peak_memory()}


def memory_mapped(path: str, n: int) -> dict[str, Any]:
    """Train a very small net for an epoch on the first `n` images of a mapped file.

    Returns
    -------
    dict
        ``bytes`` of these images, ``seconds``, and ``peak``: the largest memory of the
        process's own. Pages of the file that Linux holds for it are not its own; it takes
        them back when it needs memory.
    """
    from octsk import SmallOCTNet

    images = np.load(path, mmap_mode="r")[:n]
    y = np.arange(n) % 4
    clf = SmallOCTNet(filters=(1,), dense_units=(4,), epochs=1, random_state=0)
    peak = _Peak()
    seconds = _seconds(lambda: clf.fit(images, y))
    return {"bytes": images.nbytes, "seconds": seconds, "peak": peak.stop()}


class _Peak:
    """Looks every 20 ms at how much memory of its own this process has resident."""

    def __init__(self):
        self._peak: int | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while not self._stopped.wait(0.02):
            now = _memory("RssAnon")
            if now is None:
                return
            self._peak = max(now, self._peak or 0)

    def stop(self):
        self._stopped.set()
        self._thread.join()
        return self._peak


def write_images(path: str, n_bytes: int, side: int) -> int:
    """Write as many images as have so many bytes to an npy file; return their number."""
    few, _ = _phantoms(64, side)
    n = n_bytes // few[0].nbytes
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (n, side, side))
    for first in range(0, n, len(few)):
        images[first : first + len(few)] = few[: n - first]
    images.flush()
    os.sync()
    return n
