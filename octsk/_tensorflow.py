"""Start TensorFlow without what it always says at its start."""

import os
import sys
import tempfile


def start_tensorflow() -> None:
    """Load TensorFlow, and show what it wrote meanwhile only if that fails.

    TensorFlow 2.21 writes before its own log level counts. So stderr is set aside, unless
    the log level asks for everything.
    """
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0" or "tensorflow" in sys.modules:
        return
    with tempfile.TemporaryFile() as aside:
        stderr = os.dup(2)
        os.dup2(aside.fileno(), 2)
        try:
            # First, since it keeps a worker to its cores before TensorFlow starts.
            import octsk._training  # noqa: F401, I001
            import tensorflow as tf

            # Looks for graphics cards; where there is none it says so.
            tf.config.list_physical_devices()
        except Exception:
            aside.seek(0)
            os.write(stderr, aside.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
