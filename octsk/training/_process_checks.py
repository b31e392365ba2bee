"""Checks of process-wide settings before networks are built and trained."""

# This import comes first, since it loads TensorFlow without its messages.
from octsk.utils.tensorflow import check_eager, float32_layers, keras, tf  # isort: split

import os
import random
import threading
from contextlib import contextmanager

from tensorflow.python.eager import context, record

_forked = False


def _note_fork():
    global _forked
    # There is no public way to know whether TensorFlow has started its threads. A forked
    # process does not have them and would wait for them forever.
    _forked = context.context()._initialized


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_note_fork)


def check_not_forked():
    """Raise an error in a process that was forked after TensorFlow had started.

    Raises
    ------
    RuntimeError
        If the process was forked after TensorFlow had started.
    """
    if _forked:
        raise RuntimeError(
            f"process {os.getpid()} was forked from one in which TensorFlow had started, "
            "and TensorFlow would hang in it. Start processes by another method: "
            'multiprocessing.get_context("spawn"), or joblib with its default backend.'
        )


def check_settings():
    """Raise an error if global settings would change how networks are built or trained.

    Raises
    ------
    RuntimeError
        If the process was forked after TensorFlow had started.
    ValueError
        If a global setting of TensorFlow or Keras is not supported.
    """
    check_not_forked()
    check_eager()
    if tf.distribute.has_strategy():
        raise ValueError(
            "octsk trains on one device and cannot build or train a network in the scope "
            "of a tf.distribute strategy. Call it outside of that scope."
        )
    if keras.config.floatx() != "float32":
        raise ValueError(
            "octsk computes in float32 and cannot build or train a network while Keras's "
            f"floatx is {keras.config.floatx()!r}. Call keras.config.set_floatx('float32') "
            "first."
        )
    for name in ("max_epochs", "max_steps_per_epoch"):
        # Older versions of Keras have no such settings.
        limit = getattr(keras.config, name, lambda: None)()
        if limit is not None:
            raise ValueError(
                f"Keras's {name} is {limit}, which would end trainings early and leave no "
                f"trace in the results. Call keras.config.set_{name}(None), and do not set "
                f"the environment variable KERAS_{name.upper()}."
            )


def check_not_recorded():
    """Raise an error while TensorFlow records operations to differentiate them.

    Raises
    ------
    ValueError
        If a gradient tape or a forward accumulator is active in this thread.
    """
    # TensorFlow 2.21 has no public function for this.
    if record.could_possibly_record():
        raise ValueError(
            "octsk cannot train a network within tf.GradientTape or "
            "tf.autodiff.ForwardAccumulator. Call fit outside of them."
        )


# Held while random.randint is replaced: Keras 3.15 calls it for each layer without a seed.
# A custom architecture may load a network, which takes the lock a second time.
_random_lock = threading.RLock()


@contextmanager
def seeded_layers(seed):
    """Create layers of this thread in float32, with seeds derived from `seed`.

    Keras draws the seeds of layers by ``random.randint``, whose state is shared by all
    threads of a process. Another thread, for example one of Dask, may draw a number in
    between. Therefore, during the block, the function returns numbers from a separate
    stream in this thread, and the usual numbers in all others.
    """
    check_settings()
    own, here = random.Random(seed), threading.get_ident()
    with _random_lock:
        # Without the lock, this might be the replacement made by another thread.
        shared = random.randint

        def randint(a, b):
            return (own.randint if threading.get_ident() == here else shared)(a, b)

        random.randint = randint
        try:
            with float32_layers():
                yield
        finally:
            random.randint = shared
