"""Export of trained networks for use without octsk: ONNX, TFLite, SavedModel."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager

from octsk.utils.files import FULL, atomic_folder, atomic_write, temporary_folder
from octsk.utils.tensorflow import check_eager, keras, tf
from octsk.utils.validation import to_unit

# Names of the input and the output of an exported network.
_IMAGES, _PROBABILITIES = "images", "probabilities"


def export(model, path, format, *, mirrored, log_prior_ratio):
    """Export a network that maps uint8 pixels to probabilities; see ``BaseOCTNet.export``.

    Parameters
    ----------
    model : keras.Model
        Network that maps pixels in [0, 1] to logits.
    path : str or path-like
        The file or folder to write.
    format : {"onnx", "tflite", "saved_model"}
        Format of the file or folder.
    mirrored : bool
        Whether to average the logits of each image and its mirror image.
    log_prior_ratio : ndarray of shape (n_classes,) or None
        Numbers to add to the logits. None adds nothing.

    Raises
    ------
    ImportError
        If `format` is "onnx" and tf2onnx is not installed.
    OSError
        If the file or folder cannot be written.
    """
    check_eager()
    signature = [tf.TensorSpec(model.input_shape, tf.uint8, name=_IMAGES)]

    @tf.function(input_signature=signature)
    def probabilities(images):
        batch = to_unit(images)
        if mirrored:
            batch = tf.concat([batch, batch[:, :, ::-1]], axis=0)
        z = model(batch, training=False)
        if mirrored:
            z = tf.add_n(tf.split(z, 2)) / 2
        if log_prior_ratio is not None:
            z += tf.constant(log_prior_ratio, z.dtype)
        return {_PROBABILITIES: tf.nn.softmax(z)}

    with _settings_kept():
        FORMATS[format](model, probabilities, path)


@contextmanager
def _settings_kept() -> Iterator[None]:
    """Restore the settings of the process that the converters change.

    tf2onnx sets TensorFlow's log level in the environment, which child processes inherit.
    absl, through which TensorFlow's converter writes messages, adds a handler to the root
    logger.
    """
    loggers = [logging.getLogger(name) for name in (None, "absl", "tensorflow")]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    log_level = os.environ.get("TF_CPP_MIN_LOG_LEVEL")
    try:
        yield
    finally:
        for logger, level, handlers in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers
        if log_level is None:
            os.environ.pop("TF_CPP_MIN_LOG_LEVEL", None)
        else:
            os.environ["TF_CPP_MIN_LOG_LEVEL"] = log_level


def _write_onnx(model, probabilities, path):
    try:
        import tf2onnx
    except ImportError as error:
        raise ImportError(
            "tf2onnx is needed to export to ONNX; install it with: pip install "
            '"octsk[export]"'
        ) from error
    with atomic_write(path) as temporary:
        tf2onnx.convert.from_function(
            probabilities, probabilities.input_signature, output_path=str(temporary)
        )


def _write_tflite(model, probabilities, path):
    # The converter only finds the variables of a Keras 3 model if it reads a SavedModel.
    with atomic_write(path) as temporary, temporary_folder(temporary) as folder:
        with _errors_of_the_system(path):
            _save(model, probabilities, folder)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(folder))
        temporary.write_bytes(converter.convert())


def _write_saved_model(model, probabilities, path):
    with atomic_folder(path) as temporary, _errors_of_the_system(path):
        _save(model, probabilities, temporary)


@contextmanager
def _errors_of_the_system(path) -> Iterator[None]:
    """Convert TensorFlow's error about a full disk to an OSError."""
    try:
        yield
    except tf.errors.OpError as error:
        # The error contains the system's message, but not its error number.
        for number in FULL:
            if os.strerror(number) in error.message:
                raise OSError(number, os.strerror(number), str(path)) from error
        raise


def _save(model, probabilities, folder):
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", probabilities)
    archive.write_out(folder, verbose=False)


FORMATS = {
    "onnx": _write_onnx,
    "tflite": _write_tflite,
    "saved_model": _write_saved_model,
}
