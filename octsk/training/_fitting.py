"""What TensorFlow does: the batches, the fit of a model and its forward pass."""

# First, since it is what loads TensorFlow in silence.
from octsk.utils.tensorflow import (  # isort: split
    check_eager,
    float32_layers,
    keras,
    silent_about_retracing,
    tf,
)

import gc
import math
import os
import random
import threading
import weakref
from contextlib import contextmanager, nullcontext
from pathlib import Path

import numpy as np
from tensorflow.python.eager import context

from octsk.utils.validation import to_batch, to_unit

# Keras's steps per call: the cost of Python, paid once for many steps.
STEPS_PER_EXECUTION = 32

# Pixels gathered, scaled and warped at a time: 32 batches of 32 images of 28 x 28, and
# of larger images fewer, so that the memory in use does not depend on their size.
_PART_PIXELS = 32 * 32 * 28 * 28

# A forward pass takes as many pixels at a time as 256 images of 28 x 28 have, so that
# its memory depends neither on the number of images nor on their size.
_FORWARD_PIXELS = 256 * 28 * 28

# Networks are cycles of references, which Python collects late: a search over large ones
# would fill the memory. So they are collected each time that so many numbers (256 MB) have
# been put into new ones and their optimizers.
_COLLECTED_NUMBERS = 64 * 2**20

# TensorFlow keeps the kernel of each operation that it ran; those of a data set run once,
# and leave a megabyte a fit. So they are dropped each time that so many networks were made.
_NETWORKS_PER_CACHE = 32

# Trained networks that are kept for the next fit of their kind, see TwinPool: so many at
# most, since each has graphs of some MB, and so many bytes of weights and optimizer state.
_MAX_TWINS = 4
_MAX_TWIN_BYTES = 256 * 2**20

_forked = False


def _note_fork():
    global _forked
    # No public name of TensorFlow's tells whether it has started its threads, which a
    # forked process has not: it would wait for them for ever.
    _forked = context.context()._initialized


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_note_fork)


def check_not_forked():
    """Refuse to work in a process that was forked from one where TensorFlow had started.

    Raises
    ------
    RuntimeError
        If it was.
    """
    if _forked:
        raise RuntimeError(
            f"process {os.getpid()} was forked from one in which TensorFlow had started, "
            "and TensorFlow would hang in it. Start processes by another method: "
            'multiprocessing.get_context("spawn"), or joblib, whose own do well.'
        )


def check_settings():
    """Refuse to make or train a network where it would not be the documented one.

    Raises
    ------
    RuntimeError
        If the process was forked from one in which TensorFlow had started.
    ValueError
        If a global setting of TensorFlow or Keras forbids it.
    """
    check_not_forked()
    check_eager()
    if tf.distribute.has_strategy():
        raise ValueError(
            "octsk trains on one device and cannot make or train a network in the scope of "
            "a tf.distribute strategy. Call it outside of that scope."
        )
    if keras.config.floatx() != "float32":
        raise ValueError(
            "octsk computes in float32 and cannot make or train a network while Keras's "
            f"floatx is {keras.config.floatx()!r}. Call keras.config.set_floatx('float32') "
            "first."
        )


# Keras reads Python's global random state when it makes a layer without a seed (3.15).
_random_lock = threading.Lock()


@contextmanager
def seeded_layers(seed):
    """Let layers made inside, in this thread, take their seeds from `seed`, in float32.

    Keras draws them by ``random.randint``, whose state all threads of a process share:
    Dask's own thread, for one, would now and then draw a number in between. So the
    function gives this thread numbers of its own meanwhile, and others what it always
    gives.
    """
    check_settings()
    own, here = random.Random(seed), threading.get_ident()
    with _random_lock:
        # Under the lock: before, it might be another thread's function.
        shared = random.randint

        def randint(a, b):
            return (own.randint if threading.get_ident() == here else shared)(a, b)

        random.randint = randint
        try:
            with float32_layers():
                yield
        finally:
            random.randint = shared


def _count_numbers(model):
    """Return how many numbers a network and its optimizer hold."""
    variables = model.variables + model.optimizer.variables
    return sum(math.prod(v.shape) for v in variables)


class Garbage:
    """Has networks and kernels that nobody uses any more collected, now and then."""

    def __init__(self):
        self._numbers = 0
        self._networks = 0

    def add(self, model):
        """Count a new network, and the numbers in it and its optimizer."""
        self._networks += 1
        if self._networks % _NETWORKS_PER_CACHE == 0:
            context.context().clear_kernel_cache()
        self._numbers += _count_numbers(model)
        if self._numbers > _COLLECTED_NUMBERS:
            self._numbers = 0
            gc.collect()


garbage = Garbage()


def has_fast_bfloat16():
    """Say whether this machine trains faster in bfloat16 than in float32.

    x86 processors with AMX or AVX512-BF16 (which gains less) and ARM processors with the
    bf16 extension, as Linux names them, and GPUs from NVIDIA's Ampere on.
    ``python -m benchmarks.speed --parts precision`` measures it.
    """
    for gpu in tf.config.list_physical_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpu)
        if details.get("compute_capability", (0, 0)) >= (8, 0):
            return True
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return not {"amx_bf16", "avx512_bf16", "bf16"}.isdisjoint(flags)


def in_bfloat16(model):
    """Return a copy of an untrained model that multiplies in bfloat16.

    Its convolutions and dense layers do, the logits excepted. All else stays float32:
    TensorFlow's element-wise operations take longer in bfloat16 on CPUs, which is where
    Keras's "mixed_bfloat16" loses what the products gain.
    """
    products = (keras.layers.Conv2D, keras.layers.Dense)

    def copy(layer):
        config = layer.get_config()
        if isinstance(layer, products) and layer is not model.layers[-1]:
            config["dtype"] = "mixed_bfloat16"
        return type(layer).from_config(config)

    return keras.models.clone_model(model, clone_function=copy)


class Batches:
    """The batches of one set of images, epoch for epoch, for ``keras.Model.fit``.

    The images stay as they are, uint8 or memory-mapped; a few batches at a time are
    gathered, scaled and warped, in a thread of their own while the model trains.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c)
        Checked images.
    y : ndarray of shape (n,), int
        Class indices.
    sample_weight : ndarray of shape (n,) or None
        Weights in the loss.
    index : ndarray of int
        Which of the n images to use.
    batch_size : int
        Images in a batch.
    seed : int or None, default=None
        Seed of the order and of the augmentation, which both depend on the epoch too;
        None keeps the order of `index`.
    augmenter : OCTAugmenter or None, default=None
        What varies the images.
    n_classes : int or None, default=None
        Number of classes, for labels as shares of the classes; None for class indices.
    mixup : float, default=0.0
        Both parameters of the beta distribution that the shares of two mixed images are
        drawn from (Zhang et al. 2018); 0 mixes none. Needs `n_classes`.
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
        # tf.data takes no NumPy numbers.
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

        Each iteration over it is one epoch, the one that `epoch` says as the first batch
        is taken; one iteration at a time.
        """
        # TensorFlow keeps the function for as long as the process lives (2.21), and must
        # not keep the images with it; the data set does.
        this = weakref.proxy(self)
        specs = self._specs()

        def part(i):
            # TensorFlow optimises this graph anew for each epoch, so it is a small one,
            # and what prepares the images is called from Python.
            values = tf.numpy_function(
                lambda i: this._part(i), [i], [spec.dtype for spec in specs]
            )
            for value, spec in zip(values, specs, strict=True):
                value.set_shape(spec.shape)
            return tuple(values)

        # There is nothing to tune, and the end of an epoch would wait for the thread that
        # tunes, which sleeps for longer and longer: up to half of an epoch (2.21).
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
        """Return what a batch consists of."""
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
        """Return the `i`-th part of an epoch, some batches of it in one."""
        if i == 0:
            self._begin()
        size = self.batch_size * self._batches_per_part
        part = slice(i * size, (i + 1) * size)
        chosen = self._order[part]
        y = self.y[chosen]
        weight = None if self.sample_weight is None else self.sample_weight[chosen]
        # As graphs of data sets do, whatever else there is.
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
        """Draw the order and all else of an epoch."""
        if self.seed is None:
            return
        # A stream of its own for each epoch, whichever epochs ran before.
        rng = np.random.default_rng([self.seed, self.epoch])
        self._order = rng.permutation(self.index)
        n = len(self._order)
        if self.augmenter is not None:
            self._draws = self.augmenter.draw(n, self.images.shape[1:], rng)
        if self.mixup:
            self._share = rng.beta(self.mixup, self.mixup, n).astype(np.float32)


def _mix(x, y, weight, share):
    """Mix each image with the one before it, in random order, and their labels too."""

    def blend(values, share):
        return values * share + tf.roll(values, 1, axis=0) * (1 - share)

    x = blend(x, share[:, None, None, None])
    if weight is None:
        return x, blend(y, share[:, None]), None
    # The loss is that of both images, each with its own weight.
    mixed = blend(weight, share)
    return x, blend(y * weight[:, None], share[:, None]) / mixed[:, None], mixed


def _seed_random_layers(model, seed, epoch):
    """Let the random numbers of dropout depend on the seed and the epoch alone.

    Keras writes their state into no file and no pickle (3.15), so that a training that
    goes on after loading would go on otherwise, each time.
    """
    weights = {id(v) for v in model.weights}
    # Apart from the stream of the batches, which is [seed, epoch].
    rng = np.random.default_rng([seed, epoch, 1])
    for state in (v for v in model.variables if id(v) not in weights):
        state.assign(rng.integers(2**31, size=state.shape))


class _Epochs(keras.callbacks.Callback):
    """Tells the batches and the random layers which epoch it is."""

    def __init__(self, batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.epoch = epoch
        _seed_random_layers(self.model, self.batches.seed, epoch)


class Onlooker(keras.callbacks.Callback):
    """A callback that looks on, and changes the network not at all.

    Any other callback of an estimator has the steps executed one by one and the network
    compiled anew, which takes longer. An estimator works on copies of its callbacks; an
    onlooker stays the one it is, so that it can report to whoever sent it.
    """

    def __deepcopy__(self, memo):
        return self


class EpochCallback(Onlooker):
    """Calls a function after each epoch, when an estimator predicts as trained so far.

    Parameters
    ----------
    estimator : BaseOCTNet
        The estimator in training.
    function : callable
        Called with the number of epochs done; the training ends when it returns True.
    """

    def __init__(self, estimator, function):
        super().__init__()
        self.estimator = estimator
        self.function = function

    def on_epoch_end(self, epoch, logs=None):
        # The model in training may be a twin; the estimator predicts by its own.
        pairs = zip(self.model.weights, self.estimator.model_.weights, strict=True)
        for trained, own in pairs:
            own.assign(trained.value)
        self.estimator.n_iter_ = epoch + 1
        if self.function(epoch + 1):
            self.model.stop_training = True


class ProgressCallback(Onlooker):
    """Tells a display how far a training is, after each execution of steps.

    Parameters
    ----------
    display : object
        With methods ``steps(done, total)``, called now and then with the training steps
        done and those of all epochs, and ``epoch(done, total, logs)``, called after each
        epoch with Keras's logs.
    """

    def __init__(self, display):
        super().__init__()
        self.display = display
        self._epoch = 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        steps = self.params["steps"]
        # Keras counts an epoch's last execution as a full one.
        done = self._epoch * steps + min(batch + 1, steps)
        self.display.steps(done, self.params["epochs"] * steps)

    def on_epoch_end(self, epoch, logs=None):
        self.display.epoch(epoch + 1, self.params["epochs"], logs or {})


class CosineDecay(keras.callbacks.Callback):
    """Lets the learning rate rise, and fall to 0 along a cosine by the end of a fit.

    Set at every 32nd step, however many are executed at a time, so that neither the
    progress bar nor callbacks change a training.

    Parameters
    ----------
    epochs : int
        Epochs of the fit.
    warmup : float
        Share of the steps in which it rises from near 0.
    first_epoch : int
        Number of the first epoch of the fit.
    """

    def __init__(self, epochs, warmup, first_epoch):
        super().__init__()
        self.epochs = epochs
        self.warmup = warmup
        self.first_epoch = first_epoch

    def on_train_begin(self, logs=None):
        self._peak = float(self.model.optimizer.learning_rate.value)

    def on_epoch_begin(self, epoch, logs=None):
        self._step = (epoch - self.first_epoch) * self.params["steps"]

    def on_train_batch_begin(self, batch, logs=None):
        if batch % STEPS_PER_EXECUTION == 0:
            self.model.optimizer.learning_rate.assign(self._peak * self._factor(batch))

    def _factor(self, batch):
        total = self.epochs * self.params["steps"]
        # In the middle between this setting and the next one.
        held = min(STEPS_PER_EXECUTION, self.params["steps"] - batch)
        done = (self._step + batch + held / 2) / total
        if done < self.warmup:
            return done / self.warmup
        falling = min(1.0, (done - self.warmup) / (1 - self.warmup))
        return 0.5 * (1 + math.cos(math.pi * falling))

    def on_train_end(self, logs=None):
        self.model.optimizer.learning_rate.assign(self._peak)


class AveragedWeights(keras.callbacks.Callback):
    """Shows the moving average of the weights to all who look at the network.

    The optimizer keeps the average; validation and the callbacks after this one see it
    in the network, the training goes on from the weights themselves. (Keras 3.15's
    SwapEMAWeights loses the average where a training is stopped early.)
    """

    _trained = None

    def show(self):
        """Put the averages into the network, unless they are there."""
        if self._trained is None:
            variables = self.model.trainable_variables
            self._trained = [v.numpy() for v in variables]
            averages = self.model.optimizer._model_variables_moving_average
            for variable, average in zip(variables, averages, strict=True):
                variable.assign(average)

    def hide(self):
        """Put the weights back, unless they are there."""
        if self._trained is not None:
            for variable, own in zip(
                self.model.trainable_variables, self._trained, strict=True
            ):
                variable.assign(own)
            self._trained = None

    def on_test_begin(self, logs=None):
        self.show()

    def on_test_end(self, logs=None):
        self.hide()

    def on_epoch_end(self, epoch, logs=None):
        self.show()

    def on_epoch_begin(self, epoch, logs=None):
        self.hide()


class TwinPool:
    """Keeps compiled networks, so that a fit need not trace TensorFlow graphs again.

    Keras compiles the training step anew for each model, which takes longer than many a
    fit in a search. So a model is not trained itself: a twin, compiled once for all
    models of its kind, takes over its variables, is trained, and hands them back.

    Parameters
    ----------
    size : int, default=4
        Number of idle twins to keep at most, the last used ones.
    n_bytes : int, default=256 MB
        How large their variables may be together; a larger one is not kept at all.
    """

    def __init__(self, size=_MAX_TWINS, n_bytes=_MAX_TWIN_BYTES):
        self._size = size
        self._n_bytes = n_bytes
        self._lock = threading.Lock()
        self._idle = []

    @contextmanager
    def lend(self, kind, make):
        """Give a twin of a kind, an idle one or a new one by `make`, to one thread."""
        twin = self._take(kind) or make()
        yield twin
        # One whose training failed is not lent again: who knows what state it is in.
        with self._lock:
            self._idle.append((kind, twin))
            while len(self._idle) > self._size or self._idle_bytes() > self._n_bytes:
                del self._idle[0]

    def _idle_bytes(self):
        return 4 * sum(_count_numbers(twin) for _, twin in self._idle)

    def _take(self, kind):
        with self._lock:
            for i, (other, twin) in enumerate(self._idle):
                if other == kind:
                    del self._idle[i]
                    return twin
        return None


_twins = TwinPool()


def _copy_variables(source, target):
    """Copy weights, seeds of random layers and the optimizer's state."""
    pairs = zip(
        source.variables + source.optimizer.variables,
        target.variables + target.optimizer.variables,
        strict=True,
    )
    for ours, theirs in pairs:
        theirs.assign(ours.value)


def fit_model(
    model,
    train,
    validation,
    *,
    kind,
    make_twin,
    epochs,
    initial_epoch=0,
    callbacks=(),
    verbose=0,
):
    """Train a compiled model.

    Parameters
    ----------
    model : keras.Model
        Compiled model, its optimizer built.
    train, validation : Batches or None
        Sets of images; the validation set may be None.
    kind : object
        What all models that train by the same TensorFlow graph have equal; None for a
        model whose twin is not to be kept.
    make_twin : callable or None
        Returns another model of this kind, compiled, its optimizer built; None for a
        model to be trained without a twin.
    epochs : int
        Number of further epochs.
    initial_epoch : int, default=0
        Number of the first of them.
    callbacks : sequence of keras.callbacks.Callback, default=()
        Keras callbacks.
    verbose : {0, 1, 2}, default=0
        Keras's progress output.
    """
    check_settings()

    def fit(network):
        if network.train_function is None:
            _prepare(network, has_soft_labels=train.n_classes is not None)
        # Of many models fitted in one process TensorFlow takes the train functions, each
        # new and traced once, for one function (2.21; so named by Keras 3.15).
        with silent_about_retracing("TensorFlowTrainer._make_function"):
            network.fit(
                train.dataset(),
                validation_data=None if validation is None else validation.dataset(),
                # Without it Keras (3.15) makes two iterators for each epoch of training.
                steps_per_epoch=train.n_steps,
                epochs=initial_epoch + epochs,
                initial_epoch=initial_epoch,
                callbacks=[_Epochs(train), *callbacks],
                verbose=verbose,
                shuffle=False,  # the batches are in random order already
            )

    if make_twin is None:
        fit(model)
    else:
        lent = nullcontext(make_twin()) if kind is None else _twins.lend(kind, make_twin)
        try:
            with lent as twin:
                _copy_variables(model, twin)
                fit(twin)
                _copy_variables(twin, model)
        finally:
            for callback in callbacks:
                callback.set_model(model)


def _prepare(model, has_soft_labels):
    """Let TensorFlow (2.21) drop the graphs of a model's training along with the model.

    Otherwise it keeps them as long as the process lives, some MB a model.
    """
    # It keeps a graph in which variables are made: those of Keras's metrics, unless the
    # metrics have seen labels before.
    z = np.zeros((1, *model.output_shape[1:]), np.float32)
    model.compute_metrics(None, z if has_soft_labels else z[:, 0], z)
    # It keeps the gradient of a sum over devices, which Keras's optimizers (3.15) take of
    # one device, too. Instead they get the list of pairs as it is.
    if not tf.distribute.has_strategy():
        model.optimizer._all_reduce_sum_gradients = list


class Forward:
    """The forward pass of a model, compiled once for each dtype of its images."""

    def __init__(self, model):
        self._function = tf.function(lambda batch: model(to_unit(batch), training=False))
        self._shape = model.input_shape
        self._compiled = {}

    def __call__(self, batch):
        """Return the logits of a batch of uint8 or float32 pixels as a tensor."""
        if batch.dtype not in self._compiled:
            spec = tf.TensorSpec(self._shape, batch.dtype)
            self._compiled[batch.dtype] = self._function.get_concrete_function(spec)
        return self._compiled[batch.dtype](tf.constant(batch))


def logits(forward, images):
    """Return the logits of checked images, a bounded part of them at a time.

    Parameters
    ----------
    forward : Forward
        The model's forward pass.
    images : ndarray of shape (n, h, w, c)
        Checked images.

    Returns
    -------
    ndarray of shape (n, n_classes), float32
        The logits.
    """
    check_not_forked()
    check_eager()
    if len(images) == 1:
        # Matrix products of one row are summed in another order than those of more; a
        # pair makes an image's logits the same, bit for bit, alone and among others.
        return logits(forward, np.repeat(images, 2, axis=0))[:1]
    size = max(2, _FORWARD_PIXELS // (images.shape[1] * images.shape[2]))
    # Parts of nearly equal size, so that no part is a single image.
    parts = np.array_split(images, -(-len(images) // size))
    return np.concatenate([forward(to_batch(part)).numpy() for part in parts])
