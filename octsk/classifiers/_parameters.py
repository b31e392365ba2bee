"""Parameters that all estimators share: their documentation, defaults and accessors."""

import copy
import functools
import inspect
import random
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from octsk.augmentation import OCTAugmenter
from octsk.classifiers._keras_names import instead_of
from octsk.training import fresh

# Sections in the docstrings of all estimators. `document` inserts the defaults of each.
_SECTIONS = """filters : sequence of int, default={filters}
        Number of filters of each 3 x 3 convolution, with a 2 x 2 max-pooling between
        consecutive ones. For ResidualOCTNet, number of filters of each residual block.
    dense_units : sequence of int, default={dense_units}
        Number of units of each hidden dense layer.
    dropout : float in [0, 1), default={dropout}
        Fraction of the units of each hidden dense layer that is dropped in training. For
        ResidualOCTNet, also the dropped fraction of the pooled features.
    optimizer : str or keras.optimizers.Optimizer, default={optimizer!r}
        Name of a Keras optimizer, such as "adam", "nadam", "sgd" or "rmsprop", or an
        optimizer instance. Each fit uses a new copy of the instance.
    learning_rate : float, default={learning_rate}
        Learning rate. None means the optimizer's default.
    learning_rate_schedule : None or "cosine", default={learning_rate_schedule!r}
        If None, the learning rate is constant. If "cosine", it rises to `learning_rate`
        during the first `warmup_fraction` of the steps of a `fit` and then falls to 0
        along half a cosine wave. `partial_fit` always uses `learning_rate`. The schedule
        takes precedence over callbacks that set the learning rate.
    warmup_fraction : float in [0, 1), default={warmup_fraction}
        Fraction of the steps during which the learning rate rises. Only used with a
        schedule.
    weight_decay : float, default={weight_decay}
        Decoupled weight decay: each step reduces each weight by this factor times the
        learning rate. None means the optimizer's default, which is 0 except for AdamW.
    epochs : int or "auto", default={epochs!r}
        Number of passes over the training images, or with `early_stopping` their maximum
        number. "auto" means ``3000 / sqrt(n)``, rounded up, for `n` training images. This
        is 10 for the 97,477 images of OCTMNIST, 44 for 4,708 images and 99 for 924 images.
    batch_size : int, default={batch_size}
        Number of images in a training step. Large images may require a smaller value:
        `fit` warns if training may need more than half of the available memory.
    augmentation : None, bool or OCTAugmenter, default={augmentation}
        Random transformations of the training images, drawn anew in each epoch. True
        means ``OCTAugmenter.from_preset({preset!r})``. Images for validation and
        prediction are never augmented.
    mixup : float, default={mixup}
        If greater than 0, pairs of training images and their labels are mixed, with
        weights drawn from a beta distribution that has this value as both parameters. A
        common value is 0.2.
    label_smoothing : float in [0, 1), default={label_smoothing}
        Fraction of each label that the loss distributes evenly over all classes.
    ema_momentum : float in (0, 1), default={ema_momentum}
        Momentum of an exponential moving average of the weights over the training steps.
        The average replaces the weights during validation and after training. None
        disables averaging. Further training starts from the average, so averaging is not
        suited to many calls of `partial_fit`.
    class_weight : None, "balanced" or dict, default={class_weight!r}
        Weights of the classes in the loss, as in scikit-learn. "balanced" weights are
        inversely proportional to the sum of the sample weights of each class. They are
        computed from the training images, without those of weight 0 and those held out for
        validation. The loss on the validation images is weighted as well; its "balanced"
        weights are computed from the validation images.
    class_prior : None, "uniform" or array-like of shape (n_classes,), default=None
        Expected proportions of the classes among the images to predict, in the order of
        `classes_`. The logits are shifted by the logarithm of the ratio of these
        proportions to `class_prior_`. None leaves the logits unchanged. This parameter
        can be set after `fit`.
    test_time_augmentation : bool, default={test_time_augmentation}
        Whether predictions average the logits of each image and its mirror image. This
        parameter can be set after `fit`.
    early_stopping : bool, default=False
        Whether to stop when the validation loss has not improved for `n_iter_no_change`
        epochs, and to restore the weights of the best epoch. The validation images are
        those passed to `fit`, or else a stratified `validation_fraction` of the training
        images.
    validation_fraction : float in (0, 1), default={validation_fraction}
        Fraction of the training images that `early_stopping` holds out. If `groups` are
        passed to `fit`, one of ``max(2, round(1 / validation_fraction))`` folds of whole
        groups is held out.
    n_iter_no_change : int, default={n_iter_no_change}
        Number of epochs without improvement after which `early_stopping` stops.
    callbacks : keras.callbacks.Callback or list of them, default=None
        Callbacks for training. Each fit uses new copies, so that no callback starts with
        the state of an earlier fit, and stores them in `callbacks_`. `clone` creates such
        copies as well. A copy has its own lists, tuples, dicts, sets, NumPy arrays, random
        generators and nested callbacks. It shares all other objects with the original,
        such as a file, a lock, a logger, an Optuna trial or a model. A callback class can
        define ``__deepcopy__`` to change how its instances are copied.
    precision : {{"float32", "bfloat16"}}, default="float32"
        Data type of the matrix products and convolutions in training. bfloat16 is faster
        on x86 processors with AMX or AVX512-BF16, on ARM processors with the bf16
        extension, and on NVIDIA GPUs since Ampere. On other hardware, a warning is issued
        and float32 is used. Weights, predictions and saved files are always float32.
    checkpoint_dir : str or path-like, default=None
        Directory in which `fit` saves its state after each epoch. If the process is
        killed, the same call with the same data continues after the last complete epoch
        and yields the same weights. With an int as `random_state`, the file is kept after
        the fit, so that the same call returns at once. This parameter cannot be combined
        with callbacks, whose state is not saved.
    warm_start : bool, default=False
        Whether `fit` continues from the weights and the optimizer state of the previous
        fit. Changes of the parameters that define the optimizer (`optimizer`,
        `learning_rate`, `weight_decay`, `ema_momentum`) only take effect in a fit without
        warm start.
    init_from : str, path-like or fitted network, default=None
        Network from which training starts: a file written by `save`, or a fitted network.
        Its weights replace the initial weights of all layers that have the same name and
        the same weight shapes in both networks. The classes, the image size and the number
        of channels may differ. A fit with `warm_start` and later calls of `partial_fit` do
        not read the weights again. `clone` shares a fitted network with the original. To
        vary this parameter in a search, pass paths or
        ``sklearn.frozen.FrozenEstimator(network)``.
    freeze : None, "features" or list of str, default=None
        Layers whose weights are not changed by training. "features" means all layers
        except the last one, the head. The number at the end of a layer's name counts the
        layers of its type from the input on: "conv2d", "conv2d_1", "conv2d_2" and so on.
        Frozen batch normalization uses its stored mean and variance.
    random_state : int, RandomState instance or None, default=None
        Seed for the initial weights, the order of the images, the augmentation, the
        dropout and the validation split. With an int, repeated fits on the same machine
        yield the same network. The global random states are not changed.
    verbose : int, default=0
        Verbosity of Keras: 0 is silent, 1 shows a progress bar in a terminal or notebook
        and one line per epoch elsewhere, 2 shows one line per epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Sorted class labels.
    model_ : keras.Model
        The trained Keras model, which maps pixels in [0, 1] to logits.
    history_ : dict of str to list of float
        "loss" and "accuracy", and "val_loss" and "val_accuracy" if there are validation
        images, with one value per epoch since the weights were initialized.
    n_iter_ : int
        Number of epochs since the weights were initialized.
    class_prior_ : ndarray of shape (n_classes,) or None
        Proportions of the classes in training after applying class weights and sample
        weights, averaged over all epochs for which octsk has trained the network. None
        before the first training.
    class_names_ : list of str or None
        Human-readable class names in the order of `classes_`, if the estimator was loaded
        from a file that contains them.
    gate_ : NoveltyGate or None
        Gate for unfamiliar images, if the estimator was loaded from a file that contains
        one. Further training removes it.
    n_weights_transferred_ : int
        Number of weights that were copied from `init_from`. 0 if it is None.
    image_shape_ : tuple of (h, w, c)
        Shape of an image.
    n_features_in_ : int
        Number of pixel values in an image, ``h * w * c``.
    feature_names_in_ : ndarray of str
        Column names, if `X` was a data frame of flattened images.
    callbacks_ : list of keras.callbacks.Callback
        The callbacks of the last fit.
    interrupted_ : bool
        Whether an exception ended the last training early, such as the KeyboardInterrupt
        of Ctrl-C or an exception raised by a callback. If so, the estimator has the state
        after the last complete epoch."""


def document(cls):
    """Replace ``{parameters}`` in a docstring by the sections that all estimators share."""
    if cls.__doc__ and "{parameters}" in cls.__doc__:
        signature = inspect.signature(cls.__init__).parameters.values()
        defaults = {p.name: p.default for p in signature if p.name != "self"}
        sections = _SECTIONS.format(preset=cls._preset, **defaults)
        cls.__doc__ = cls.__doc__.replace("{parameters}", sections)


def with_defaults(init, defaults):
    """Return a constructor with other default values and a matching signature."""
    signature = inspect.signature(init)
    parameters = [
        p.replace(default=defaults.get(name, p.default))
        for name, p in signature.parameters.items()
    ]

    @functools.wraps(init)
    def constructor(self, **params):
        for name in params.keys() - signature.parameters.keys():
            instead = instead_of(name, signature.parameters)
            raise TypeError(
                f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                f"{name!r}{instead and f'. {instead}'}"
            )
        init(self, **{**defaults, **params})

    constructor.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    return constructor


class ParametersMixin(BaseEstimator):
    """Mixin for getting, setting and cloning parameters."""

    def get_params(self: Any, deep=True):
        """Return the parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of the augmenter as ``augmentation__...``.
            The parameters of a network in `init_from` are never included, since only its
            weights are used.

        Returns
        -------
        dict
            Parameter names and values.

        Examples
        --------
        >>> from octsk import SmallOCTNet
        >>> SmallOCTNet().get_params()["epochs"]
        6
        """
        params = super().get_params(deep=False)
        for name, value in list(params.items()) if deep else ():
            if name != "init_from" and isinstance(value, BaseEstimator):
                params |= {f"{name}__{k}": v for k, v in value.get_params().items()}
        return params

    def set_params(self: Any, **params):
        """Set parameters, including ``augmentation__...`` parameters of the augmenter.

        Parameters
        ----------
        **params : dict
            Parameter names and values. If ``augmentation=True`` and a parameter of the
            augmenter is set, `augmentation` becomes an :class:`~octsk.OCTAugmenter`.

        Returns
        -------
        estimator instance
            The estimator itself.

        Raises
        ------
        ValueError
            If there is no such parameter.

        Examples
        --------
        >>> from octsk import SmallOCTNet
        >>> SmallOCTNet().set_params(epochs=2, augmentation__rotation_range=5)
        SmallOCTNet(augmentation=OCTAugmenter(rotation_range=5), epochs=2)
        """
        nested = any(name.startswith("augmentation__") for name in params)
        given = params.get("augmentation", self.augmentation)
        if nested and isinstance(given, bool | np.bool) and given:
            params["augmentation"] = OCTAugmenter.from_preset(self._preset)
        known = self.get_params(deep=False)
        values = {**known, **params}
        for name in params:
            owner, _, inner = name.partition("__")
            if not inner or owner not in values:
                continue
            # Keras's callbacks have a method set_params for another purpose, but no
            # get_params.
            if owner == "init_from" or not hasattr(values[owner], "get_params"):
                raise ValueError(
                    f"Invalid parameter {name!r}: {owner} is {values[owner]!r}, which has "
                    f"no parameters that can be set. {instead_of(name, known)}".rstrip()
                )
        try:
            return super().set_params(**params)
        except ValueError as error:
            for name in params:
                if name.partition("__")[0] not in known and instead_of(name, known):
                    raise ValueError(f"{error} {instead_of(name, known)}") from None
            raise

    def __sklearn_clone__(self: Any):
        # scikit-learn would copy the callbacks with all objects in them, and would replace
        # a fitted network in init_from by an unfitted one.
        bare = copy.copy(self)
        bare.callbacks = bare.init_from = None
        cloned = super(ParametersMixin, bare).__sklearn_clone__()
        cloned.callbacks = fresh(self.callbacks)
        cloned.init_from = self.init_from
        return cloned

    def __deepcopy__(self: Any, memo):
        # `fresh` copies the callbacks, which may contain objects that cannot be copied,
        # such as a lock. They come last, since they may refer to the network.
        copied = memo[id(self)] = _new(type(self))
        state = self.__getstate__()
        names = [name for name in ("callbacks", "callbacks_") if name in state]
        held = {name: state.pop(name) for name in names}
        copied.__setstate__(copy.deepcopy(state, memo) | fresh(held, memo))
        return copied

    def __reduce__(self: Any):
        return _new, (type(self),), self.__getstate__()

    def __setstate__(self: Any, state):
        # When Keras makes the layers of a copied or unpickled network, it draws seeds from
        # Python's global random state.
        if before := vars(self).pop("_random_before", None):
            random.setstate(before)
        vars(self).update(state)


def _new(cls):
    """Return a new instance without attributes, whose state is set next."""
    made = object.__new__(cls)
    made._random_before = random.getstate()
    return made
