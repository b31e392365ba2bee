"""Batches of images for training, which are scaled and augmented anew in each epoch."""

import weakref

import numpy as np

from octsk.utils.tensorflow import tf
from octsk.utils.validation import to_batch, to_unit

# Number of pixels that are gathered, scaled and warped at a time: 32 batches of 32 images
# of 28 x 28 pixels, or fewer batches of larger images, so that the memory in use does not
# depend on the size of the images.
_PART_PIXELS = 32 * 32 * 28 * 28


class Batches:
    """Batches of a set of images for ``keras.Model.fit``, drawn anew in each epoch.

    The images are never copied as a whole, so they can be memory-mapped. While the model
    trains, another thread gathers, scales and augments a few batches at a time.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c)
        Checked images.
    y : ndarray of shape (n,), int
        Class indices.
    sample_weight : ndarray of shape (n,) or None
        Weights in the loss.
    index : ndarray of int
        Indices of the images to use.
    batch_size : int
        Number of images in a batch.
    seed : int or None, default=None
        Seed of the order of the images, the augmentation and mixup. Together with the
        number of the epoch, it determines all of them. With None, the images are yielded
        in the order of `index` and without changes.
    augmenter : OCTAugmenter or None, default=None
        Augmenter that changes the images, if any.
    n_classes : int or None, default=None
        Number of classes, for labels that are class proportions. None yields class indices
        as labels.
    mixup : float, default=0.0
        Both parameters of the beta distribution from which the weights of two mixed images
        are drawn [1]_. 0 disables mixing. Requires `n_classes`.

    References
    ----------
    .. [1] H. Zhang, M. Cisse, Y. N. Dauphin, D. Lopez-Paz, "mixup: Beyond Empirical Risk
       Minimization", ICLR 2018.
    """

    def __init__(
        self,
        images,
        y,
        sample_weight,
        *,
        index,
        batch_size,
        seed=None,
        augmenter=None,
        n_classes=None,
        mixup=0.0,
    ):
        self.images = images
        self.y = y
        self.sample_weight = sample_weight
        self.index = index
        # tf.data does not accept NumPy numbers.
        self.batch_size = int(batch_size)
        self.seed = seed
        self.augmenter = augmenter
        self.n_classes = n_classes
        self.mixup = mixup
        self.epoch = 0
        self._order, self._draws, self._share = index, None, None
        pixels = self.batch_size * images.shape[1] * images.shape[2]
        self._batches_per_part = max(1, _PART_PIXELS // pixels)

    @property
    def n_steps(self):
        """Number of batches in an epoch."""
        return -(-len(self.index) // self.batch_size)

    def dataset(self):
        """Return a ``tf.data.Dataset`` of (x, y) or (x, y, sample_weight) batches.

        Each iteration yields one epoch, whose number is the value of the attribute `epoch`
        when the first batch is requested. There must be only one iteration at a time.
        """
        # TensorFlow 2.21 keeps the function `part` until the process ends. It has only a
        # weak reference to this object, so that it does not keep the images in memory as
        # well. The data set has a strong one.
        this = weakref.proxy(self)
        specs = self._specs()

        def part(i):
            # TensorFlow optimizes this graph anew in each epoch. To keep it small, it only
            # calls a Python function, which prepares the images.
            values = tf.numpy_function(
                lambda i: this._part(i), [i], [spec.dtype for spec in specs]
            )
            for value, spec in zip(values, specs, strict=True):
                value.set_shape(spec.shape)
            return tuple(values)

        # Disable autotuning. In TensorFlow 2.21, the end of an epoch waits for the tuning
        # thread, which sleeps longer and longer, up to half of the time of an epoch.
        options = tf.data.Options()
        options.autotune.enabled = False
        dataset = (
            tf.data.Dataset.range(-(-self.n_steps // self._batches_per_part))
            .map(part)
            .rebatch(self.batch_size)
            .apply(tf.data.experimental.assert_cardinality(self.n_steps))
            .prefetch(2 * self._batches_per_part)
            .with_options(options)
        )
        dataset.batches = self
        return dataset

    def _specs(self):
        """Return the tensor specifications of a batch."""
        specs = [
            tf.TensorSpec((None, *self.images.shape[1:]), tf.float32),
            tf.TensorSpec((None,), tf.int64)
            if self.n_classes is None
            else tf.TensorSpec((None, self.n_classes), tf.float32),
        ]
        if self.sample_weight is not None:
            specs.append(tf.TensorSpec((None,), tf.float32))
        return specs

    def _part(self, i):
        """Return the `i`-th part of an epoch, which concatenates several batches."""
        if i == 0:
            self._begin()
        size = self.batch_size * self._batches_per_part
        part = slice(i * size, (i + 1) * size)
        chosen = self._order[part]
        y = self.y[chosen]
        weight = None if self.sample_weight is None else self.sample_weight[chosen]
        # The graphs of data sets run on the CPU, even if there is a GPU.
        with tf.device("CPU:0"):
            x = to_unit(to_batch(self.images[chosen]))
            if self._draws is not None:
                x = self.augmenter.warp(x, self._draws[part])
            if self.n_classes is not None:
                y = tf.one_hot(y, self.n_classes)
            if self._share is not None:
                x, y, weight = _mix(x, y, weight, self._share[part])
        return (x, y) if weight is None else (x, y, weight)

    def _begin(self):
        """Draw the order of the images and the other random numbers of an epoch."""
        if self.seed is None:
            return
        # Each epoch has its own stream, which does not depend on earlier epochs.
        rng = np.random.default_rng([self.seed, self.epoch])
        self._order = rng.permutation(self.index)
        n = len(self._order)
        if self.augmenter is not None:
            self._draws = self.augmenter.draw(n, self.images.shape[1:], rng)
        if self.mixup:
            self._share = rng.beta(self.mixup, self.mixup, n).astype(np.float32)


def _mix(x, y, weight, share):
    """Mix each image and its label with those of the preceding image in the part."""

    def blend(values, share):
        return values * share + tf.roll(values, 1, axis=0) * (1 - share)

    x = blend(x, share[:, None, None, None])
    if weight is None:
        return x, blend(y, share[:, None]), None
    # The loss is the sum of the losses for both labels, each with the weight of its image.
    mixed = blend(weight, share)
    return x, blend(y * weight[:, None], share[:, None]) / mixed[:, None], mixed
