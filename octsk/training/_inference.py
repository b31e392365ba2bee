"""Compiled forward pass of a network."""

from functools import cached_property

import numpy as np

from octsk.training._layers import features_model
from octsk.training._process_checks import check_not_forked
from octsk.utils.tensorflow import check_eager, keras, tf
from octsk.utils.validation import to_batch, to_unit

# A forward pass processes as many pixels at a time as 256 images of 28 x 28 pixels have, so
# that its memory depends neither on the number of images nor on their size.
_FORWARD_PIXELS = 256 * 28 * 28


class Forward:
    """Forward pass of a model, compiled once for each dtype of the images."""

    def __init__(self, model):
        self._function = tf.function(lambda batch: model(to_unit(batch), training=False))
        self._model = model
        self._compiled = {}

    @cached_property
    def features(self):
        """Forward pass of the network without its head."""
        return Forward(features_model(self._model))

    @cached_property
    def logits_and_features(self):
        """Forward pass that returns the logits, followed by the features, in each row."""
        outputs = [self._model.outputs[0], features_model(self._model).outputs[0]]
        both = keras.ops.concatenate(outputs, axis=-1)
        return Forward(keras.Model(self._model.inputs, both))

    def __call__(self, batch):
        """Return the logits of a batch of uint8 or float32 pixels as a tensor."""
        if batch.dtype not in self._compiled:
            spec = tf.TensorSpec(self._model.input_shape, batch.dtype)
            self._compiled[batch.dtype] = self._function.get_concrete_function(spec)
        return self._compiled[batch.dtype](tf.constant(batch))


def logits(forward, images):
    """Return the outputs of a network for checked images, in parts of bounded size.

    Parameters
    ----------
    forward : Forward
        The forward pass of the model to the logits, to the features, or to both.
    images : ndarray of shape (n, h, w, c)
        Checked images.

    Returns
    -------
    ndarray of shape (n, n_outputs), float32
        The logits, the features, or both.
    """
    check_not_forked()
    check_eager()
    if len(images) == 1:
        # A matrix product sums a single row in another order than several rows. Therefore a
        # single image is doubled. Its logits are then bit-equal to those that it has among
        # other images on processors with AVX-512, and agree up to rounding on others.
        return logits(forward, np.repeat(images, 2, axis=0))[:1]
    size = max(2, _FORWARD_PIXELS // (images.shape[1] * images.shape[2]))
    # The parts have nearly equal sizes, so that none of them is a single image.
    parts = np.array_split(images, -(-len(images) // size))
    return np.concatenate([forward(to_batch(part)).numpy() for part in parts])
