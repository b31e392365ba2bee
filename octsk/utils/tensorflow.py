"""TensorFlow and Keras, loaded without what they always say at their start.

All of octsk has them from here: ``from octsk.utils.tensorflow import keras, tf``.
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

__all__ = ["keras", "silent_about_retracing", "start_tensorflow", "tf"]

# Informations, as TensorFlow 2.21 and 2.20 mark them, with what follows two of them.
_INFORMATION = re.compile(
    r"I\d{4} |\d{4}-\d\d-\d\d [\d:.]+: I |WARNING: All log messages before absl::"
    "|To enable the following instructions"
)
# What its parts for graphics cards say, right where there is such a card.
_OF_CARDS = re.compile(r"\S+ .*\b(cuda|cudart|gpu)\w*\.cc:\d+\]")
_CARDS = ("/dev/nvidiactl", "/dev/dxg")  # dxg: Linux within Windows


def __getattr__(name):
    if name not in ("keras", "tf"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    start_tensorflow()
    import keras
    import tensorflow as tf

    globals().update(keras=keras, tf=tf)
    return globals()[name]


def start_tensorflow() -> None:
    """Load TensorFlow, and show of what it writes meanwhile what is no mere information.

    TensorFlow 2.21 writes before its own log level counts. So stderr is set aside, unless
    the log level asks for everything. Without a log level, TensorFlow is to show warnings
    and errors from now on.
    """
    _share_cores()
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    silently = level != "0" and "tensorflow" not in sys.modules
    with _stderr_sifted() if silently else nullcontext():
        import tensorflow as tf

        if is_bound():
            _let_threads_sleep()
        if silently and not _has_card():
            # Or the first fit would say so. With a card, a fork could not use it any more.
            tf.config.list_physical_devices()


# Once: a process claims its cores before TensorFlow starts its threads.
_share_cores = cache(share_cores)


def _let_threads_sleep() -> None:
    """Have threads that wait for work sleep, and not spin where others need the core."""
    from tensorflow.core.protobuf import config_pb2
    from tensorflow.python.eager import context

    config = config_pb2.ConfigProto()
    config.experimental.disable_thread_spinning = True
    # TensorFlow 2.21 has no public way to it. Of no effect once its threads have started.
    context.context()._config = config


@contextmanager
def silent_about_retracing(function: str) -> Iterator[None]:
    """Keep TensorFlow from warning of retracing, of one function and in this thread."""
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
    """Set stderr aside, and then write to it what is worth reading; all, after an error."""
    with tempfile.TemporaryFile() as aside:
        try:
            stderr = os.dup(2)
        except OSError:  # there is none, as in a program without a console
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
