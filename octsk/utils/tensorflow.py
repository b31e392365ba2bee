"""Import of TensorFlow and Keras without their routine messages.

The other modules import them from here: ``from octsk.utils.tensorflow import keras, tf``.
"""

import logging
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from octsk.utils.cores import is_bound, share_cores

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

__all__ = [
    "check_eager",
    "float32_layers",
    "keras",
    "silent_about_retracing",
    "start_tensorflow",
    "tf",
]

# Start of informational lines in TensorFlow 2.21 and 2.20, and two lines that go with them.
_INFORMATION = re.compile(
    r"I\d{4} |\d{4}-\d\d-\d\d [\d:.]+: I |WARNING: All log messages before absl::"
    "|To enable the following instructions"
)
# Messages about graphics cards, which are only relevant if there is one.
_OF_CARDS = re.compile(r"\S+ .*\b(cuda|cudart|gpu)\w*\.cc:\d+\]")
_CARDS = ("/dev/nvidiactl", "/dev/dxg")  # dxg: Linux within Windows


def __getattr__(name):
    if name not in ("keras", "tf"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    start_tensorflow()
    import tensorflow as tf

    globals()["tf"] = tf
    if name == "keras":
        import keras

        if keras.config.backend() != "tensorflow":
            raise _no_tensorflow(f"Keras has the backend {keras.config.backend()!r}")
        globals()["keras"] = keras
    return globals()[name]


def _no_tensorflow(what) -> ImportError:
    return ImportError(
        f"octsk needs TensorFlow as the backend of Keras: {what}. Keras takes its backend "
        "from the environment variable KERAS_BACKEND, else from ~/.keras/keras.json; set "
        "KERAS_BACKEND=tensorflow before anything imports Keras."
    )


def check_eager() -> None:
    """Raise an error where no values are computed, or no variables can be changed.

    Raises
    ------
    ValueError
        If TensorFlow's eager execution is off, or within ``keras.StatelessScope``.
    """
    start_tensorflow()
    import tensorflow as tf

    if not tf.executing_eagerly():
        raise ValueError(
            "octsk needs TensorFlow's eager execution. Call it outside of tf.function and "
            "of tf.Graph, and without tf.compat.v1.disable_eager_execution."
        )
    loaded = sys.modules.get("keras")
    if loaded is not None and loaded.src.backend.in_stateless_scope():
        raise ValueError(
            "octsk changes the variables of its networks, which Keras forbids within "
            "keras.StatelessScope. Call it outside of that scope."
        )


@contextmanager
def float32_layers() -> Iterator[None]:
    """Create the layers of this thread in float32 during the block.

    Otherwise they would use Keras's global dtype policy, such as "mixed_bfloat16". Keras
    keeps a policy for each thread, so other threads are not affected.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def start_tensorflow() -> None:
    """Import TensorFlow, and show only the warnings and errors that this writes.

    TensorFlow 2.21 writes messages before it reads its log level. Therefore its stderr is
    captured and filtered, unless the log level requests all messages. If no log level is
    set, TensorFlow only shows warnings and errors from then on.

    Raises
    ------
    ImportError
        If TensorFlow cannot be imported.
    """
    _share_cores()
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    silently = level != "0" and "tensorflow" not in sys.modules
    with _stderr_sifted() if silently else nullcontext():
        try:
            import tensorflow as tf
        except (ImportError, ValueError) as error:
            # TensorFlow imports Keras, whose configured backend may not be installed.
            raise _no_tensorflow(error) from error

        if is_bound():
            _let_threads_sleep()
        if silently and not _has_card():
            # Otherwise the first fit would write messages about missing graphics cards. If
            # there is one, this call would prevent forked processes from using it.
            tf.config.list_physical_devices()


# A process claims its cores once, before TensorFlow starts its threads.
_share_cores = cache(share_cores)


def _let_threads_sleep() -> None:
    """Let waiting threads sleep instead of spinning, since others may need the core."""
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.eager import context

    config = config_pb2.ConfigProto()
    config.experimental.disable_thread_spinning = True
    # TensorFlow 2.21 has no public function for this. The setting has no effect after
    # TensorFlow has started its threads.
    context.context()._config = config


@contextmanager
def silent_about_retracing(function: str) -> Iterator[None]:
    """Suppress TensorFlow's retracing warning for one function in this thread."""
    here = threading.get_ident()

    def is_shown(record: logging.LogRecord) -> bool:
        return record.thread != here or function not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_shown)
    try:
        yield
    finally:
        logger.removeFilter(is_shown)


@contextmanager
def _stderr_sifted() -> Iterator[None]:
    """Capture stderr, then write its relevant lines, or all lines after an error."""
    with tempfile.TemporaryFile() as aside:
        try:
            stderr = os.dup(2)
        except OSError:  # there is no stderr, as in a program without a console
            yield
            return
        os.dup2(aside.fileno(), 2)
        failed = True
        try:
            yield
            failed = False
        finally:
            if not getattr(sys.stderr, "closed", True):
                sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            aside.seek(0)
            for line in aside:
                if failed or _is_worth_reading(line.decode(errors="replace")):
                    os.write(2, line)


def _is_worth_reading(line: str) -> bool:
    if _INFORMATION.match(line):
        return False
    return _has_card() or not _OF_CARDS.match(line)


def _has_card() -> bool:
    return any(Path(path).exists() for path in _CARDS)
