"""Measurements of ``benchmarks.speed``, each of which runs in a separate process."""

import gc
import importlib
import math
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._apart import peak_memory, use_one_core
from benchmarks._common import run_interleaved


def _phantoms(n, side=28):
    """Return `n` images. They repeat a few phantoms, as their content does not matter."""
    import octsk

    images, y = octsk.make_oct_phantoms(64, size=side, random_state=0, return_X_y=True)
    index = np.arange(n) % len(images)
    return images[index], y[index]


def _seconds(call: Callable[..., Any], *arguments) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


# --- Training ----------------------------------------------------------------------------


def arithmetic(net: str) -> dict[str, float]:
    """Count the operations of a network and measure the speed of matrix products.

    Returns
    -------
    dict
        ``operations`` is the number of multiplications and additions of a training step on
        one image. The backward pass takes twice as many as the forward pass. ``product`` is
        the number of operations per second in a product of two large float32 matrices, the
        fastest of several.
    """
    import tensorflow as tf

    from octsk.classifiers import NETS

    model = NETS[net]().initialize(*_phantoms(64)).model_
    forward = sum(
        2 * math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in model.layers
        if hasattr(layer, "kernel")
    )
    side = 2048
    matrix = tf.random.normal((side, side))
    best = min(_seconds(lambda: tf.matmul(matrix, matrix).numpy()) for _ in range(5))
    return {"operations": 3 * forward, "product": 2 * side**3 / best}


def precision(
    net: str, n: int, epochs: int, precision: str, seed: int, anywhere: bool
) -> dict[str, float]:
    """Train in a precision and measure on half as many held-out images.

    Parameters
    ----------
    anywhere : bool
        Whether to use bfloat16 even where octsk would fall back to float32.

    Returns
    -------
    dict
        ``seconds`` of an epoch after the first, and held-out ``accuracy`` and ``loss``.
    """
    from sklearn.metrics import log_loss

    import octsk
    from benchmarks.full_fit import new_clock, steady
    from octsk.classifiers import NETS
    from octsk.training import Onlooker, _network

    if anywhere:
        _network.has_fast_bfloat16 = lambda: True
    X, y = octsk.make_oct_phantoms(n + n // 2, random_state=0, return_X_y=True)
    clock = new_clock(Onlooker)
    clf = NETS[net](
        epochs=epochs, precision=precision, callbacks=clock, random_state=seed
    ).fit(X[:n], y[:n])
    probabilities = clf.predict_proba(X[n:])
    found = clf.classes_[probabilities.argmax(axis=1)]
    return {
        "seconds": steady(clock.training),
        "accuracy": float(np.mean(found == y[n:])),
        "loss": float(log_loss(y[n:], probabilities, labels=clf.classes_)),
    }


# --- Fixed cost of a fit -----------------------------------------------------------------


def fits(contender: str, n_fits: int, n: int) -> dict[str, Any]:
    """Fit Small repeatedly, and measure the memory after each fit.

    Returns
    -------
    dict
        ``seconds`` of each fit of one epoch, the seconds of the training ``steps`` of such
        a fit, and the resident ``memory`` in bytes after each fit.
    """
    make = {
        "octsk": _octsk_small,
        "octsk, augmented": partial(_octsk_small, augmentation=True),
        "scikeras": _scikeras_small,
    }[contender]
    X, y = _phantoms(n)
    if contender == "scikeras":
        X = X[..., np.newaxis] / np.float32(255)
    seconds, memory = [], []
    for _ in range(n_fits):
        seconds.append(_seconds(make(epochs=1).fit, X, y))
        gc.collect()
        memory.append(_memory("VmRSS"))
    # The time of the steps is that of the further epochs of a longer fit.
    longer = 21
    long = _seconds(make(epochs=longer).fit, X, y)
    short = _seconds(make(epochs=1).fit, X, y)
    steps = (long - short) / (longer - 1)
    return {"seconds": seconds, "steps": steps, "memory": memory}


def _octsk_small(**params):
    from octsk import SmallOCTNet

    return SmallOCTNet(**{"augmentation": None, "random_state": 0, **params})


def _scikeras_small(**params):
    from benchmarks._peers import scikeras_classifier

    return scikeras_classifier("small", 4, random_state=0, **params)


def _memory(name: str) -> int | None:
    """Return an entry of /proc/self/status in bytes, or None without /proc."""
    try:
        status = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        return None
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


# --- Prediction --------------------------------------------------------------------------


def prediction(n: int, n_single: int, repeats: int, folder: str) -> dict[str, Any]:
    """Predict single images and a batch of images with Small.

    Returns
    -------
    dict
        ``one`` contains the median seconds for a single image and ``batch`` the seconds for
        `n` images, for each contender and repeat.
    """
    import onnxruntime
    import tensorflow as tf

    from octsk.utils.validation import to_unit

    X, y = _phantoms(n)
    clf = _octsk_small(epochs=1).fit(X[:256], y[:256])
    clf.export(Path(folder, "small.onnx"))
    options = onnxruntime.SessionOptions()
    # Spinning threads would occupy the cores of the other contenders between calls.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(Path(folder, "small.onnx")), options)

    bare = tf.function(lambda images: clf.model_(to_unit(images), training=False))
    compiled = bare.get_concrete_function(tf.TensorSpec(clf.model_.input_shape, tf.uint8))

    def in_parts(call):
        """Call a contender on batches, as octsk does, so that memory stays bounded."""
        return lambda images: [
            call(part) for part in np.array_split(images, -(-len(images) // 256))
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
    for name in ("bare compiled model", "ONNX Runtime"):
        contenders[name] = in_parts(contenders[name])
    batches = {name: partial(_seconds, call, X) for name, call in contenders.items()}
    for call in contenders.values():
        call(X[:1])
        call(X[: min(n, 512)])
    return {
        "one": run_interleaved(ones, repeats),
        "batch": run_interleaved(batches, repeats),
    }


def prediction_peak(n: int, part: int) -> int | None:
    """Return the peak memory of loading `n` images and predicting the first `part`."""
    X, y = _phantoms(n)
    _octsk_small(epochs=1).fit(X[:256], y[:256]).predict_proba(X[:part])
    return peak_memory()


# --- Augmentation ------------------------------------------------------------------------


def augmentation_parts(n: int, repeats: int) -> dict[str, list[float]]:
    """Time the steps of octsk's augmentation on one core.

    Returns
    -------
    dict
        CPU seconds per image in each repeat for the whole input pipeline of a fit, the
        pipeline without augmentation, each step alone, and another way to warp images.
    """
    use_one_core()
    import tensorflow as tf

    from benchmarks.augmentation_speed import consumer
    from octsk import OCTAugmenter
    from octsk.training._batches import Batches
    from octsk.utils.validation import to_unit

    X, y = _phantoms(n)
    X = X[..., np.newaxis]
    augmenter = OCTAugmenter.from_preset("training")
    unit = to_unit(X[:1024])
    draws = augmenter.draw(n, X.shape[1:], np.random.default_rng(0))
    affine = np.pad(draws[:, :6], [(0, 0), (0, 2)])  # no perspective

    def epoch(augmenter):
        batches = Batches(
            X, y, None, index=np.arange(n), batch_size=32, seed=0, augmenter=augmenter
        )
        return consumer(batches.dataset())

    def in_parts(call, changes=draws):
        def one_pass():
            for start in range(0, n, len(unit)):
                part = changes[start : start + len(unit)]
                call(unit[: len(part)], part)

        return one_pass

    def by_op(images, affine):
        return tf.raw_ops.ImageProjectiveTransformV3(
            images=images,
            transforms=affine,
            output_shape=X.shape[1:3],
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="NEAREST",
        )

    calls = {
        "the whole": epoch(augmenter),
        "gathering, scaling, batching alone": epoch(None),
        "drawing alone": lambda: augmenter.draw(n, X.shape[1:], np.random.default_rng(0)),
        "scaling alone": in_parts(lambda images, draws: to_unit(X[: len(images)])),
        "warping alone": in_parts(augmenter.warp),
        "warping by TensorFlow's ImageProjectiveTransformV3": in_parts(by_op, affine),
    }
    for call in calls.values():
        call()  # graphs, first allocations
    return run_interleaved(
        {name: partial(_cpu_seconds, call, n) for name, call in calls.items()}, repeats
    )


def _cpu_seconds(call: Callable[[], Any], n: int) -> float:
    start = time.process_time()
    call()
    return (time.process_time() - start) / n


# --- Searches, starting, memory ----------------------------------------------------------


def search(n: int, epochs: int, repeats: int) -> dict[str, list[float]]:
    """Run a grid search of Small with one process and with two processes.

    Returns
    -------
    dict
        Seconds of each search. The first search with two processes, which includes their
        start, is separate.
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
    again = run_interleaved(turns, repeats)
    return {**again, "n_jobs=2, first": first["n_jobs=2"]}


def start() -> dict[str, float]:
    """Time the parts of a first fit in a process in which scikit-learn is loaded.

    The first fit of a process starts the threads and kernels of TensorFlow, and the first
    fit of each kind of network traces graphs. Both are measured as differences of fits.

    Returns
    -------
    dict
        Seconds of each part.
    """
    from octsk.utils.tensorflow import start_tensorflow

    parts = {"importing TensorFlow, which loads Keras": _seconds(start_tensorflow)}
    loading = partial(importlib.import_module, "octsk.classifiers")
    parts["importing scikeras, octsk's nets"] = _seconds(loading)
    X, y = _phantoms(64)

    def first_and_second(**params):
        return [_seconds(_octsk_small(epochs=1, **params).fit, X, y) for _ in range(2)]

    first, second = first_and_second()
    first_of_other, second_of_other = first_and_second(filters=(16, 32))
    augmented, augmented_again = first_and_second(augmentation=True)
    parts["starting threads and kernels, in the first fit"] = first - first_of_other
    parts["tracing, in the first fit of a kind"] = first_of_other - second_of_other
    parts["compiling the augmentation"] = augmented - augmented_again
    parts["every fit: network, two steps"] = second
    clf = _octsk_small(epochs=1).fit(X, y)
    parts["first prediction"] = _seconds(clf.predict, X[:1])
    return parts


def epoch(
    n: int, side: int = 28, batch_size: int = 32, augmentation: bool = True
) -> dict[str, Any]:
    """Train Small for two epochs.

    Returns
    -------
    dict
        ``seconds`` of the second epoch, its ``cpu`` seconds in all threads, and the
        ``peak`` memory of the process in bytes.
    """
    from benchmarks.full_fit import new_clock
    from octsk.training._callbacks import Onlooker

    X, y = _phantoms(n, side)
    clock = new_clock(Onlooker)
    _octsk_small(
        epochs=2, batch_size=batch_size, callbacks=clock, augmentation=augmentation
    ).fit(X, y)
    return {
        "seconds": clock.training[-1],
        "cpu": clock.training_cpu[-1],
        "peak": peak_memory(),
    }


def set_in_memory(n: int, part: int) -> dict[str, Any]:
    """Train Small on the first `part` of `n` images.

    Returns
    -------
    dict
        Size of the `n` images in ``bytes``, and the ``peak`` memory of the process.
    """
    X, y = _phantoms(n)
    _octsk_small(epochs=1, augmentation=True).fit(X[:part], y[:part])
    return {"bytes": X.nbytes, "peak": peak_memory()}


def memory_mapped(path: str, few: int, share: float) -> dict[str, Any]:
    """Train a very small network on all images of a mapped file under a memory limit.

    The network is first trained on `few` images, which allocates all memory that does not
    depend on their number. The private memory of the process is then limited to its current
    size plus `share` of the size of the images, and the network is trained on all images.

    Returns
    -------
    dict
        Number of images ``n``, their ``bytes``, the ``seconds`` of the training, the peak
        of private memory ``before`` and during it (``peak``), the ``limit`` in bytes, and
        whether a uint8 ``copy`` of the images was possible under the limit. Mapped pages of
        the file are not private memory, since Linux can reclaim them at any time.
    """
    from octsk import SmallOCTNet

    images = np.load(path, mmap_mode="r")
    y = np.arange(len(images)) % 4
    clf = SmallOCTNet(filters=(1,), dense_units=(4,), epochs=1, random_state=0)
    peak = _Peak()
    clf.fit(images[:few], y[:few])
    before = peak.stop()
    limit = _limit_memory(int(share * images.nbytes))
    peak = _Peak()
    seconds = _seconds(clf.fit, images, y)
    return {
        "n": len(images),
        "bytes": images.nbytes,
        "seconds": seconds,
        "before": before,
        "peak": peak.stop(),
        "limit": limit,
        "copy": _can_copy(images),
    }


def _limit_memory(further: int) -> int | None:
    """Limit private memory to `further` bytes beyond its size; return None if not Linux."""
    if sys.platform != "linux":
        return None
    import resource

    limit = _memory("VmData") + further
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    return limit


def _can_copy(images) -> bool:
    try:
        np.array(images)
    except MemoryError:
        return False
    return True


class _Peak:
    """Peak of the private resident memory of this process, sampled every 20 ms."""

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
    """Write `n_bytes` of images to an npy file and return the number of images."""
    few, _ = _phantoms(64, side)
    n = n_bytes // few[0].nbytes
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (n, side, side))
    for first in range(0, n, len(few)):
        images[first : first + len(few)] = few[: n - first]
    images.flush()
    os.sync()
    return n
