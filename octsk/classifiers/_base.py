"""Base class of the estimators, on top of scikeras."""

# First, since scikeras loads TensorFlow too, and aloud.
from octsk.utils.tensorflow import keras  # isort: split

import copy
import functools
import inspect
import math
import os
import sys
import warnings
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
from scikeras.wrappers import KerasClassifier
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.model_selection import StratifiedGroupKFold, train_test_split
from sklearn.preprocessing import FunctionTransformer, LabelEncoder
from sklearn.utils import check_array, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from octsk.augmentation import OCTAugmenter
from octsk.classifiers._keras_names import instead_of, refuse_arguments, refuse_hooks
from octsk.classifiers._scikeras import MixinFirst
from octsk.persistence import _files
from octsk.persistence._export import FORMATS, export
from octsk.training._batches import Batches
from octsk.training._callbacks import (
    STEPS_PER_EXECUTION,
    AveragedWeights,
    CosineDecay,
    Onlooker,
)
from octsk.training._checkpoint import (
    describe_arrays,
    describe_network,
    describe_settings,
    describe_state,
    open_checkpoint,
)
from octsk.training._fitting import fit_model
from octsk.training._fresh import fresh
from octsk.training._inference import Forward, logits
from octsk.training._memory import warn_of_memory
from octsk.training._model_pool import garbage
from octsk.training._precision import has_fast_bfloat16, in_bfloat16
from octsk.training._settings import check_not_forked, seeded_layers
from octsk.training._weights import balance, class_shares, loss_weights, without_ones
from octsk.training._whole_epochs import WholeEpochs
from octsk.utils.columns import check_column, check_groups, check_known
from octsk.utils.json import jsonable
from octsk.utils.validation import check_lengths, validate_images

OPTIMIZERS = {
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "ftrl",
    "lion",
    "nadam",
    "rmsprop",
    "sgd",
}

# Passes of epochs="auto" are this over the root of the number of images, so that steps
# grow with that root: chosen so that OCTMNIST's 97,477 have 10.
_AUTO_EPOCHS = 3000

# The parameters of all estimators; each one's own defaults are filled in.
_PARAMETERS = """filters : sequence of int, default={filters}
        Filters of each 3 x 3 convolution, with 2 x 2 max-pooling between every two; of
        ResidualOCTNet, of each residual block.
    dense_units : sequence of int, default={dense_units}
        Units of each hidden dense layer.
    dropout : float in [0, 1), default={dropout}
        Share of the units of each hidden dense layer, of ResidualOCTNet of the means too,
        dropped in training.
    optimizer : str or keras.optimizers.Optimizer, default={optimizer!r}
        Name of a Keras optimizer, such as "adam", "nadam", "sgd" or "rmsprop", or an
        optimizer; each fit uses a fresh copy of it.
    learning_rate : float, default={learning_rate}
        Learning rate; None takes the optimizer's own.
    learning_rate_schedule : None or "cosine", default={learning_rate_schedule!r}
        None keeps the learning rate as it is. With "cosine" it rises to `learning_rate`
        in the first `warmup_fraction` of the steps of a `fit`, and then falls along half
        a cosine wave to 0 at their end; `partial_fit` trains at `learning_rate`. It
        overrules callbacks that set the learning rate.
    warmup_fraction : float in [0, 1), default={warmup_fraction}
        Share of the steps with a rising learning rate; with a schedule only.
    weight_decay : float, default={weight_decay}
        Decoupled weight decay: each step takes this many times the learning rate off
        each weight. None takes the optimizer's own, which only AdamW has.
    epochs : int or "auto", default={epochs!r}
        Passes over the training images; the most there are with `early_stopping`. "auto"
        makes fewer of them the more images there are, ``3000 / sqrt(n)`` rounded up: 10
        for the 97,477 of OCTMNIST, 44 for 4,708, 99 for 924.
    batch_size : int, default={batch_size}
        Images in a training step. Large images may need a smaller one: a warning says so
        where a fit may take more than half of the available memory.
    augmentation : None, bool or OCTAugmenter, default={augmentation}
        Random changes of the training images, drawn anew in each epoch. True means
        ``OCTAugmenter.from_preset({preset!r})``. Never applied to validation images or in
        prediction.
    mixup : float, default={mixup}
        Above 0, training images are mixed in pairs and their labels with them, by shares
        from a beta distribution with both parameters of this size; 0.2 is usual.
    label_smoothing : float in [0, 1), default={label_smoothing}
        Share of each label that is spread over all classes in the loss.
    ema_momentum : float in (0, 1), default={ema_momentum}
        Momentum of an exponential moving average of the weights over the steps, which
        takes the place of the weights in validation and after training. None for none.
        A further training begins from the average: not for many calls of `partial_fit`.
    class_weight : None, "balanced" or dict, default={class_weight!r}
        Weights of the classes in the loss, as in scikit-learn. "balanced" makes them
        inversely proportional to the summed sample weights of the classes among the
        images that train, which leaves out those of weight 0 and those held out. They
        also weight the validation loss, where "balanced" goes by the validation images.
    class_prior : None, "uniform" or array-like of shape (n_classes,), default=None
        Shares of the classes, in the order of `classes_`, among the images to predict:
        the logits are moved by the logarithm of their ratio to `class_prior_`. None
        leaves them. It can be set after `fit`.
    test_time_augmentation : bool, default={test_time_augmentation}
        Whether to predict from the mean of the logits of an image and its mirror image.
        It can be set after `fit`.
    early_stopping : bool, default=False
        Whether to stop when the validation loss has not improved for `n_iter_no_change`
        epochs, and to keep the weights of the best epoch. Validation images are those
        given to `fit`, else a stratified `validation_fraction` of the training images.
    validation_fraction : float in (0, 1), default={validation_fraction}
        Share of the training images held out by `early_stopping`; with groups, one of
        ``round(1 / validation_fraction)`` parts, at least 2.
    n_iter_no_change : int, default={n_iter_no_change}
        Epochs without improvement that `early_stopping` waits for.
    callbacks : keras.callbacks.Callback or list of them, default=None
        Callbacks for training. Each fit trains with copies, which it keeps in
        `callbacks_`, so that none begins with the state of the fit before; `clone` makes
        such copies, too. A copy has lists, tuples, dicts, sets, NumPy arrays, random
        generators and nested callbacks of its own. Everything else that a callback holds
        is shared with the copy, such as a file, a lock, a logger, an Optuna trial or a
        model. A class can define ``__deepcopy__`` to be copied in another way.
    precision : {{"float32", "bfloat16"}}, default="float32"
        What training computes products in. bfloat16 takes less time on x86 processors
        with AMX or AVX512-BF16, ARM processors with the bf16 extension and GPUs from
        NVIDIA's Ampere on. Elsewhere a warning says that float32 is used. Weights,
        prediction and saved files are float32 always.
    checkpoint_dir : str or path-like, default=None
        Folder in which `fit` keeps a file of its own after each epoch. Where the process
        ends before the fit does, the same call with the same data goes on from the last
        whole epoch and comes to the same weights. After a fit with a seed the file stays,
        and the same call returns at once. Not with callbacks that have a state.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights and the optimizer state of the fit before.
        What the optimizer is made of (`optimizer`, `learning_rate`, `weight_decay`,
        `ema_momentum`), set in between, waits for a fresh fit.
    random_state : int, RandomState instance or None, default=None
        Seed of the initial weights, the order of the images, the augmentation, the
        dropout and the validation split. With an int, two fits on the same machine give
        the same network; the global random states are not touched.
    verbose : int, default=0
        Keras's progress output: 0 silent, 1 a progress bar in a terminal or a notebook
        and lines in a file or a log, 2 a line for each epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    model_ : keras.Model
        The trained Keras model: pixels in [0, 1] to logits.
    history_ : dict of str to list of float
        "loss" and "accuracy", with validation images also "val_loss" and
        "val_accuracy": one value for each epoch since the weights were initialised.
    n_iter_ : int
        Number of these epochs.
    class_prior_ : ndarray of shape (n_classes,) or None
        Shares of the classes in training, as the class weights and sample weights made
        them; those of all trainings of the network by octsk, by their epochs. None
        before the first.
    class_names_ : list of str or None
        What people call the classes, in the order of `classes_`, after loading a file
        that was saved with them.
    image_shape_ : tuple of (h, w, c)
        Shape of an image.
    n_features_in_ : int
        Number of pixel values in an image, ``h * w * c``.
    feature_names_in_ : ndarray of str
        Column names, where `X` was a data frame of flattened images.
    callbacks_ : list of keras.callbacks.Callback
        The callbacks of the last fit.
    interrupted_ : bool
        Whether an exception ended the last training early, such as the KeyboardInterrupt
        of Ctrl-C or an exception raised by a callback. The estimator is then fitted by
        the epochs that were complete."""


class BaseOCTNet(KerasClassifier, metaclass=MixinFirst):
    """Base class of the estimators, without a network and defaults.

    A subclass is a few lines: its architecture, a function of the input shape and the
    number of classes that returns a Keras model giving logits, and the defaults in which
    it differs, both in the class statement. ``{parameters}`` in its docstring stands for
    what all estimators document alike.
    """

    # The augmenter's settings that augmentation=True stands for.
    _preset = "training"

    # The constructor parameters that are the architecture's arguments.
    _architecture_params = ("filters", "dense_units", "dropout")

    _parameter_constraints: dict = {
        "filters": ["array-like"],
        "dense_units": ["array-like"],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "optimizer": [str, keras.optimizers.Optimizer],
        "learning_rate": [None, Interval(Real, 0, None, closed="neither")],
        "learning_rate_schedule": [None, StrOptions({"cosine"})],
        "warmup_fraction": [Interval(Real, 0, 1, closed="left")],
        "weight_decay": [None, Interval(Real, 0, None, closed="left")],
        "epochs": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "augmentation": [None, "boolean", OCTAugmenter],
        "mixup": [Interval(Real, 0, None, closed="left")],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "ema_momentum": [None, Interval(Real, 0, 1, closed="neither")],
        "class_weight": [None, dict, StrOptions({"balanced"})],
        "class_prior": [None, StrOptions({"uniform"}), "array-like"],
        "test_time_augmentation": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "callbacks": [None, list, tuple, keras.callbacks.Callback],
        "precision": [StrOptions({"float32", "bfloat16"})],
        "checkpoint_dir": [None, str, os.PathLike],
        "warm_start": ["boolean"],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        *,
        filters=(128, 512, 1024),
        dense_units=(256, 128),
        dropout=0.0,
        optimizer="nadam",
        learning_rate=None,
        learning_rate_schedule=None,
        warmup_fraction=0.0,
        weight_decay=None,
        epochs=5,
        batch_size=32,
        augmentation=True,
        mixup=0.0,
        label_smoothing=0.0,
        ema_momentum=None,
        class_weight=None,
        class_prior=None,
        test_time_augmentation=False,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=5,
        callbacks=None,
        precision="float32",
        checkpoint_dir=None,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.filters = filters
        self.dense_units = dense_units
        self.dropout = dropout
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.warmup_fraction = warmup_fraction
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.augmentation = augmentation
        self.mixup = mixup
        self.label_smoothing = label_smoothing
        self.ema_momentum = ema_momentum
        self.class_weight = class_weight
        self.class_prior = class_prior
        self.test_time_augmentation = test_time_augmentation
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.callbacks = callbacks
        self.precision = precision
        self.checkpoint_dir = checkpoint_dir
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def __init_subclass__(cls, *, architecture=None, defaults=None, preset=None, **kwargs):
        super().__init_subclass__(**kwargs)
        refuse_hooks(cls)
        if preset is not None:
            cls._preset = preset
        if architecture is not None:
            cls._architecture = staticmethod(architecture)
        if defaults is not None:
            cls.__init__ = _with_defaults(cls.__init__, defaults)  # type: ignore[method-assign]
        if cls.__doc__ and "{parameters}" in cls.__doc__:
            signature = inspect.signature(cls.__init__).parameters.values()
            defaults = {p.name: p.default for p in signature if p.name != "self"}
            parameters = _PARAMETERS.format(preset=cls._preset, **defaults)
            cls.__doc__ = cls.__doc__.replace("{parameters}", parameters)

    # --- Where scikeras 0.13 does not fit today's scikit-learn -------------------------
    # scikeras reads parameter names from the instance's __dict__, so that a subclass with
    # an __init__ of its own cannot be cloned; scikit-learn reads the signature.
    _get_param_names: Any = classmethod(BaseEstimator._get_param_names.__func__)
    # scikeras prints parameters as they are in memory and knows no display options.
    __repr__ = BaseEstimator.__repr__
    # scikeras's own need a parameter `loss`.
    target_encoder = property(lambda self: LabelEncoder())
    # Identity, also where a user has set pandas output for all transformers.
    feature_encoder = property(
        lambda self: FunctionTransformer().set_output(transform="default")
    )

    def __sklearn_clone__(self):
        # By itself scikit-learn would copy callbacks with all that they hold.
        bare = copy.copy(self)
        bare.callbacks = None
        cloned = BaseEstimator.__sklearn_clone__(bare)
        cloned.callbacks = fresh(self.callbacks)
        return cloned

    def set_params(self, **params):
        """Set parameters, including ``augmentation__...`` parameters of the augmenter.

        Parameters
        ----------
        **params : dict
            Parameter names and values. With ``augmentation=True``, setting a parameter
            of the augmenter puts an :class:`~octsk.OCTAugmenter` in its place.

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
            # Keras's callbacks have a set_params, which is for something else.
            if inner and owner in values and not hasattr(values[owner], "get_params"):
                raise ValueError(
                    f"Invalid parameter {name!r}: {owner} is {values[owner]!r}, which has "
                    f"no parameters of its own. {instead_of(name, known)}".rstrip()
                )
        try:
            # scikeras sets parameters one by one and stores "optimizer__*" unasked.
            return BaseEstimator.set_params(self, **params)
        except ValueError as error:
            for name in params:
                if name.partition("__")[0] not in known and instead_of(name, known):
                    raise ValueError(f"{error} {instead_of(name, known)}") from None
            raise

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def __sklearn_is_fitted__(self):
        # Set at the end of fit: one that failed leaves an untrained network behind.
        return hasattr(self, "n_iter_")

    def __getstate__(self):
        state = super().__getstate__()
        # A compiled function: not to be pickled, made again at the next prediction.
        state.pop("_forward", None)
        # It holds the architecture, which may be a function that cannot be pickled.
        state.pop("_model_kind", None)
        return state

    # --- Fitting -----------------------------------------------------------------------

    def fit(
        self,
        X,
        y=None,
        sample_weight=None,
        X_val=None,
        y_val=None,
        groups=None,
        **unknown,
    ):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images, integers 0 to 255 or floats 0 to 1. uint8 arrays, memory-mapped ones
            too, are used as they are and never copied as a whole.
        y : array-like of shape (n,)
            Labels of any kind.
        sample_weight : array-like of shape (n,), default=None
            Weights in the loss; images of weight 0 are left out.
        X_val : array-like with images of the same shape, default=None
            Images to validate on after each epoch; never augmented.
        y_val : array-like, default=None
            Their labels.
        groups : array-like of shape (n,), default=None
            The group of each image, such as its patient; none may be missing. With
            `early_stopping`, images are held out by whole groups.

        Returns
        -------
        estimator instance
            The fitted estimator itself.

        Raises
        ------
        ValueError
            If a parameter, the images or the labels are not as described.
        TypeError
            If there is no such argument, such as Keras's `validation_data`.

        Notes
        -----
        If an exception ends the training, be it the KeyboardInterrupt of Ctrl-C or one
        that a callback raises, such as ``optuna.TrialPruned``, it is raised again after
        the estimator was fitted by the epochs that were complete: the weights and the
        state of the optimizer are those after the last of them (with `early_stopping`,
        the weights of the best), `history_` and `n_iter_` count these epochs alone, and
        `interrupted_` is True. An epoch is complete when all callbacks have seen its end.
        If there is none, the estimator is not fitted or, in further training, as it was.

        Examples
        --------
        >>> from octsk import SmallOCTNet, make_oct_phantoms
        >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> clf = SmallOCTNet(filters=(4,), epochs=2, random_state=0)
        >>> clf.fit(X[:48], y[:48], X_val=X[48:], y_val=y[48:]).n_iter_
        2
        >>> sorted(clf.history_)
        ['accuracy', 'loss', 'val_accuracy', 'val_loss']
        """
        refuse_arguments(self, "fit", unknown)
        self._validate_params()
        warm = self.warm_start and self.initialized_
        self._fit(
            X,
            y,
            sample_weight,
            warm_start=self.warm_start,
            epochs=self.epochs,
            initial_epoch=self.current_epoch if warm else 0,
            X_val=X_val,
            y_val=y_val,
            groups=groups,
            whole=True,
            goes_on=warm,
        )
        return self

    def partial_fit(self, X, y=None, classes=None, sample_weight=None, **unknown):
        """Train one further epoch from the current state of network and optimizer.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images, as in `fit`.
        y : array-like of shape (n,)
            Labels.
        classes : array-like, default=None
            All labels there are, for the first call when `y` lacks some. None takes
            those of `y`.
        sample_weight : array-like of shape (n,), default=None
            Weights in the loss.

        Returns
        -------
        estimator instance
            The fitted estimator itself.

        Raises
        ------
        ValueError
            If a parameter, the images or the labels are not as described.

        Examples
        --------
        >>> from octsk import SmallOCTNet, make_oct_phantoms
        >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> clf = SmallOCTNet(filters=(4,), random_state=0)
        >>> for _ in range(3):
        ...     clf = clf.partial_fit(X, y)
        >>> clf.n_iter_
        3
        """
        refuse_arguments(self, "partial_fit", unknown)
        self._validate_params()
        if not self.initialized_:
            self._initialize(X, y, classes)
        elif classes is not None and not np.array_equal(np.unique(classes), self.classes_):
            raise ValueError(
                f"classes must stay those of the first call, {self.classes_.tolist()}; got "
                f"{np.unique(classes).tolist()}."
            )
        self._fit(
            X,
            y,
            sample_weight,
            warm_start=True,
            epochs=1,
            initial_epoch=self.current_epoch,
        )
        return self

    def initialize(self, X, y):
        """Build the untrained network, to inspect it or to load weights into it.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images, as in `fit`; for their shape.
        y : array-like of shape (n,)
            All labels there are.

        Returns
        -------
        estimator instance
            The estimator itself, taken for fitted.

        Raises
        ------
        ValueError
            If a parameter, the images or the labels are not as described.

        Examples
        --------
        >>> from octsk import SmallOCTNet, make_oct_phantoms
        >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> SmallOCTNet().initialize(X, y).model_.count_params()
        257700
        """
        self._validate_params()
        self._initialize(X, y)
        self.n_iter_ = 0
        return self

    def _initialize(self, X, y=None, classes=None):
        X, y = self._validate_data(X, y, reset=True)
        self._set_up(y if classes is None else classes)
        return X, y

    def _set_up(self, y):
        """Build the untrained network for images of `image_shape_` and the labels y."""
        check_known(y, "classes", "Each class needs a label.")
        # scikeras copies a RandomState, so that a second fit repeats the first;
        # scikit-learn draws from it.
        self._random_state = int(check_random_state(self.random_state).randint(2**31 - 1))
        # scikeras chooses the encoder by the loss; here class indices are what it takes.
        self.target_encoder_ = self.target_encoder.fit(y)
        self.feature_encoder_ = self.feature_encoder
        self.classes_ = self.target_encoder_.classes_
        if len(self.classes_) < 2:
            raise ValueError(
                f"y holds one class, {self.classes_.tolist()}; a classifier needs at least "
                "2 classes."
            )
        self.class_names_ = None
        self.class_prior_ = None
        self.interrupted_ = False
        self.__dict__.pop("n_iter_", None)
        self.model_ = self._build_keras_model()
        self.history_: dict[str, list[float]] = {"loss": []}

    def _validate_data(self, X=None, y=None, reset=False, y_numeric=False):
        # scikeras stores the second axis, an image's height, as n_features_in_, and does
        # not check values.
        # First X: of a data set that yields images and labels it says how to get both.
        X = self._check_images(X, reset=reset)
        if y is None:
            raise ValueError(
                f"This {type(self).__name__} estimator requires y to be passed, but the "
                "target y is None."
            )
        y = _check_labels(X, y)
        if not reset:
            self._check_goes_on(y)
        return X, y

    def _check_goes_on(self, y):
        """Check that the existing network can be trained further on labels `y`."""
        self._check_known_labels(y, "y")
        made_with, now = self._made_with, self._architecture_arguments()
        if made_with != now:
            raise ValueError(
                f"the network was made with {made_with} and cannot go on with {now}; fit "
                "anew, without warm_start."
            )
        compiled, wanted = self.model_.loss, self._loss()
        if (type(compiled), compiled.get_config()) != (type(wanted), wanted.get_config()):
            raise ValueError(
                f"label_smoothing={self.label_smoothing} and mixup={self.mixup} need "
                "another loss than the network was made with; fit anew, without warm_start."
            )

    def _check_known_labels(self, y, name):
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"{name} holds labels that the network was not made for: "
                f"{unknown.tolist()}; its classes are {self.classes_.tolist()}."
            )

    def _check_images(self, X, *, reset):
        return validate_images(self, X, reset=reset)

    @staticmethod
    def _validate_sample_weight(X, y, sample_weight):
        # scikeras drops images of weight 0 by copying all others; they are left out by
        # their index instead, see _fit_keras_model.
        hint = "Give these images a weight; a weight of 0 leaves an image out."
        check_known(sample_weight, "sample_weight", hint)
        try:
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=np.float32, ensure_non_negative=True
            )
        except ValueError as error:
            raise ValueError(
                f"sample_weight must be a number of 0 or more for each image: {error}"
            ) from error
        return X, y, sample_weight

    def _build_keras_model(self):
        model = self._compiled_model()
        self._forward = Forward(model)
        self._model_kind = self._kind()
        self._made_with = self._architecture_arguments()
        return model

    def _compiled_model(self, reduced=False, like=None):
        """Return the compiled network, with the optimizer of `like` if given."""
        own = getattr(self._architecture, "__module__", None) == "octsk.architectures"
        if keras.config.image_data_format() != "channels_last" and not own:
            raise ValueError(
                "octsk's images are (n, h, w, c), but Keras's image_data_format is "
                "'channels_first', which the layers of an architecture of your own follow. "
                "Call keras.config.set_image_data_format('channels_last') first."
            )
        with seeded_layers(self._random_state):
            model = self._architecture(
                self.image_shape_, len(self.classes_), **self._architecture_arguments()
            )
            if reduced:
                model = in_bfloat16(model)
        model.compile(
            optimizer=_copy(like.optimizer) if like else self._fresh_optimizer(),
            loss=self._loss(),
            metrics=["accuracy"],
            # XLA takes twice as long as oneDNN for these networks on CPUs.
            jit_compile=False,
            steps_per_execution=self._steps_per_execution(),
        )
        model.optimizer.build(model.trainable_variables)
        garbage.add(model)
        return model

    def _has_soft_labels(self):
        return bool(self.mixup or self.label_smoothing)

    def _loss(self):
        # The first one's labels are class indices, the other's shares of the classes.
        if not self._has_soft_labels():
            return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=float(self.label_smoothing)
        )

    def _fresh_optimizer(self):
        """Return a new optimizer, since each network needs its own state."""
        optimizer = _optimizer(self.optimizer)
        config = optimizer.get_config()
        if self.learning_rate is not None:
            config["learning_rate"] = float(self.learning_rate)
        if self.weight_decay is not None:
            config["weight_decay"] = float(self.weight_decay)
        if self.ema_momentum is not None:
            config |= {"use_ema": True, "ema_momentum": float(self.ema_momentum)}
        if self.learning_rate_schedule and not isinstance(config["learning_rate"], float):
            raise ValueError(
                f"learning_rate_schedule={self.learning_rate_schedule!r} needs an "
                f"optimizer with a plain learning rate; that of {self.optimizer!r} has a "
                "schedule."
            )
        return _copy(optimizer, config)

    def _resolved_params(self):
        """Return the resolved values of parameters that are None or "auto"."""
        try:
            config = self._fresh_optimizer().get_config()
        except ValueError:  # set to what no fit would take
            return {}
        rate = config["learning_rate"]
        own = {
            # A float32 there. A schedule is a dictionary of its class and settings.
            "learning_rate": float(str(np.float32(rate)))
            if isinstance(rate, float)
            else f"{rate['class_name']}, a schedule",
            "weight_decay": config.get("weight_decay") or 0.0,
        }
        if config.get("use_ema"):
            own["ema_momentum"] = config["ema_momentum"]
        resolved = {k: v for k, v in own.items() if getattr(self, k) is None}
        if self.epochs == "auto" and getattr(self, "n_iter_", 0):
            resolved["epochs"] = self.n_iter_
        return resolved

    def _keras_verbose(self):
        if sys.stdout is None or getattr(sys.stdout, "closed", False):
            return 0  # a program without a console, where Keras's output would be an error
        # Keras's bar is drawn over itself again and again, whatever it is drawn on.
        drawn_over = sys.stdout.isatty()
        if self.verbose == 1 and not (drawn_over or "ipykernel" in sys.modules):
            return 2
        return int(self.verbose)

    def _steps_per_execution(self):
        if self._keras_verbose() == 1:
            return 1  # Keras's progress bar counts an execution as so many full steps
        # Callbacks of the user may want to see each step.
        return STEPS_PER_EXECUTION if self._callbacks_look_on() else 1

    def _callbacks_look_on(self):
        return all(isinstance(c, Onlooker) for c in self._given_callbacks())

    def _architecture_arguments(self):
        # Lists and Python's numbers: two arrays have no plain answer to being equal.
        return {
            name: np.asarray(getattr(self, name)).tolist()
            for name in self._architecture_params
        }

    def _kind(self):
        """Return what determines the TensorFlow graph of a training step; see ModelPool."""
        optimizer = self._fresh_optimizer()
        config = optimizer.get_config()
        del config["name"]  # Keras numbers them
        if isinstance(config["learning_rate"], float):
            # A variable of the optimizer and no part of the graph, unlike a schedule.
            del config["learning_rate"]
        return (
            self._architecture,
            self._architecture_arguments(),
            self.image_shape_,
            len(self.classes_),
            type(optimizer),
            config,
            self._loss().get_config(),
        )

    def _twin(self):
        """Return the arguments of `fit_model` for a twin that trains for `model_`."""
        reduced = self._reduces_precision()
        # A callback of the user may change the network that it is given for good.
        watched = self._steps_per_execution() == 1
        # Made from parameters that were set since, or loaded: twins would be others.
        changed = getattr(self, "_model_kind", None) != self._kind()
        make = partial(
            self._compiled_model, reduced=reduced, like=self.model_ if changed else None
        )
        if watched or changed:
            return {"kind": None, "make_twin": make if reduced else None}
        return {"kind": (*self._model_kind, reduced), "make_twin": make}

    def _reduces_precision(self):
        if self.precision == "float32":
            return False
        if not has_fast_bfloat16():
            warnings.warn(
                "precision='bfloat16': this machine has neither AMX, AVX512-BF16, ARM's "
                "bf16 extension nor a GPU for it, and would train no faster; float32 is "
                "used.",
                RuntimeWarning,
                stacklevel=2,
            )
            return False
        return True

    def _fit_keras_model(self, X, y, *, whole=False, goes_on=False, **kwargs):
        """Train from the checkpoint if there is one; `whole` is for `fit` only."""
        if not (whole and self.checkpoint_dir is not None):
            self._train(X, y, scheduled=whole, **kwargs)
            return
        question = self._question(X, y, goes_on, **kwargs)
        name = type(self).__name__
        with open_checkpoint(
            self.checkpoint_dir, name, question, self._random_state
        ) as checkpoint:
            self._random_state = checkpoint.seed
            self._seconds_before = checkpoint.seconds_before
            try:
                self._train(X, y, scheduled=True, checkpoint=checkpoint, **kwargs)
            except ValueError:  # such as a training that diverged
                self._draw_again(checkpoint)
                raise
            self._draw_again(checkpoint)

    def _draw_again(self, checkpoint):
        """Draw a new seed for each call if none is given."""
        if self.random_state is None:
            checkpoint.remove()

    def _question(
        self,
        X,
        y,
        goes_on,
        sample_weight,
        X_val,
        y_val,
        groups,
        **_,
    ):
        """Return everything that determines the fitted weights, as plain data."""
        if not self._callbacks_look_on():
            raise ValueError(
                "checkpoint_dir does not go with callbacks, whose state no checkpoint "
                f"holds; got callbacks={self.callbacks!r}. Set one of them to None."
            )
        held_out = {}
        if X_val is not None or y_val is not None:
            validation = self._validation_batches(X_val, y_val)
            held_out = {"X_val": validation.images, "y_val": validation.y}
        elif self.early_stopping:
            held_out = {"groups": groups}
        return {
            "class": f"{type(self).__module__}.{type(self).__qualname__}",
            "settings": describe_settings(self),
            "seed": None if self.random_state is None else self._random_state,
            "network": describe_network(self.model_),
            "classes": jsonable(self.classes_),
            "weights before": describe_state(self.model_) if goes_on else None,
            "data": describe_arrays(X=X, y=y, sample_weight=sample_weight, **held_out),
        }

    def _train(
        self,
        X,
        y,
        sample_weight,
        warm_start,
        epochs,
        initial_epoch,
        X_val=None,
        y_val=None,
        groups=None,
        scheduled=False,
        checkpoint=None,
    ):
        check_not_forked()
        train, validation = self._image_sets(X, y, sample_weight, X_val, y_val, groups)
        # For reports: of each class, the images that train.
        self._trained_on = np.bincount(y[train.index], minlength=len(self.classes_))
        if epochs == "auto":
            epochs = auto_epochs(len(train.index))
        before = self.class_prior_
        shares = class_shares(y, train.sample_weight, train.index, len(self.classes_))
        # Callbacks may predict in training.
        self.class_prior_ = self._class_prior_after(before, shares, epochs)
        if self.class_prior is not None:
            self._log_prior_ratio()  # checks it
        recipe = []
        if scheduled and self.learning_rate_schedule is not None:
            recipe.append(CosineDecay(epochs, self.warmup_fraction, initial_epoch))
        averages = None
        if self.model_.optimizer.use_ema:
            averages = AveragedWeights()
            # First, so that all others see the averages.
            recipe.append(averages)
        self.callbacks_ = self._fresh_callbacks()
        stopping = self.callbacks_[-1] if self.early_stopping else None
        last, done = [], 0
        if checkpoint is not None:
            checkpoint.begin(self.model_, initial_epoch, averages, stopping)
            last, done = [checkpoint], checkpoint.epoch
            if checkpoint.stopped:
                epochs = done
        warn_of_memory(
            self.model_, self.image_shape_, min(self.batch_size, len(train.index))
        )
        whole = WholeEpochs(
            self.model_,
            checkpoint.history if checkpoint else {},
            scheduled=scheduled and self.learning_rate_schedule is not None,
            stopping=stopping,
        )
        self.interrupted_ = False
        was_fitted = hasattr(self, "n_iter_")
        try:
            fit_model(
                self.model_,
                train,
                validation,
                **self._twin(),
                epochs=epochs - done,
                initial_epoch=initial_epoch + done,
                callbacks=[*recipe, *self.callbacks_, *last, whole],
                verbose=self._keras_verbose(),
            )
        except BaseException:
            self._keep_whole_epochs(whole, before, shares, was_fitted)
            raise
        self._check_trained(whole.history["loss"])
        self._record(whole.history, before, shares)

    def _image_sets(self, X, y, sample_weight, X_val, y_val, groups):
        """Return the training images and the validation images, which may be None."""
        weight = self._loss_weights(y, sample_weight)
        index = np.arange(len(X)) if weight is None else np.flatnonzero(weight)
        if not len(index):
            raise ValueError(
                "sample_weight and class_weight leave no image a weight other than 0: "
                "nothing to train on."
            )
        augmenter = self._augmenter()
        validation = None
        if X_val is not None or y_val is not None:
            validation = self._validation_batches(X_val, y_val)
        elif self.early_stopping:
            index, held_out = self._split(index, y, groups)
            validation = self._batches(X, y, weight, held_out)
        train = self._batches(
            X,
            y,
            weight,
            index,
            seed=self._random_state,
            augmenter=augmenter,
            mixup=float(self.mixup),
        )
        return train, validation

    def _keep_whole_epochs(self, whole, before, shares, was_fitted):
        """After an interruption, set the fitted state to the complete epochs."""
        self.class_prior_ = before
        # A callback may have set it.
        self.__dict__.pop("n_iter_", None)
        if not (whole.history or was_fitted):
            return
        whole.restore(self.model_)
        if self._is_finite():
            self._record(whole.history, before, shares)
            self.interrupted_ = True

    def _record(self, history, before, shares):
        """Set the fitted attributes after a training with this history."""
        if history:
            n_epochs = len(history["loss"])
            self.class_prior_ = self._class_prior_after(before, shares, n_epochs)
        for name, values in history.items():
            self.history_[name] = self.history_.get(name, []) + values
        self.n_iter_ = len(self.history_["loss"])

    def _augmenter(self):
        """Return the checked augmenter of the training images, or None."""
        if not isinstance(self.augmentation, OCTAugmenter):
            # NumPy's booleans, of a grid's array say, are True without being it.
            return OCTAugmenter.from_preset(self._preset) if self.augmentation else None
        self.augmentation._validate_params()
        if hasattr(self.augmentation, "fit_resample"):
            raise ValueError(
                f"augmentation={self.augmentation} is a resampler; n_copies must be None, "
                "and sampling_strategy too, for changes on the fly."
            )
        return self.augmentation

    def _check_trained(self, losses):
        """Raise an error if the network predicts only NaN."""
        # Early stopping may have put back the weights from before it diverged.
        lost = not self.early_stopping and not np.isfinite(losses[-1])
        if lost or not self._is_finite():
            self.__dict__.pop("n_iter_", None)
            optimizer = self.model_.optimizer
            advice = f"a learning_rate below {float(optimizer.learning_rate):.3g}"
            if isinstance(optimizer, keras.optimizers.Adafactor):
                # Squares of its default, 1e-30, are 0 in float32 (Keras 3.15).
                advice = (
                    "Keras's Adafactor divides 0 by 0 where a gradient is 0, and "
                    "optimizer=keras.optimizers.Adafactor(epsilon_1=1e-15)"
                )
            raise ValueError(
                f"the training diverged, its loss is {losses[-1]}; {advice} may help."
            )

    def _is_finite(self):
        return all(np.isfinite(w).all() for w in self.model_.get_weights())

    def _loss_weights(self, y, sample_weight):
        return loss_weights(y, sample_weight, self.class_weight, self.classes_)

    def _class_prior_after(self, before, shares, epochs):
        """Return the shares of the classes in training after `epochs` more."""
        if before is None:
            return shares
        done = len(self.history_["loss"])
        return (done * before + epochs * shares) / (done + epochs)

    def _validation_batches(self, X_val, y_val):
        if X_val is None or y_val is None:
            raise ValueError("X_val and y_val must be given together; one is None.")
        X_val = validate_images(self, X_val, reset=False, name="X_val")
        y_val = _check_labels(X_val, y_val, "X_val", "y_val")
        self._check_known_labels(y_val, "y_val")
        y_val = self.target_encoder_.transform(y_val)
        weight = self._loss_weights(y_val, None)
        index = np.arange(len(X_val)) if weight is None else np.flatnonzero(weight)
        if not len(index):
            raise ValueError(
                "class_weight gives all images of X_val weight 0: nothing to validate on."
            )
        return self._batches(X_val, y_val, weight, index)

    def _batches(self, X, y, weight, index, **kwargs):
        if self.class_weight == "balanced":
            weight = balance(y, weight, index)
        return Batches(
            X,
            y,
            without_ones(weight, index),
            index=index,
            batch_size=self.batch_size,
            n_classes=len(self.classes_) if self._has_soft_labels() else None,
            **kwargs,
        )

    def _split(self, index, y, groups):
        """Hold out a stratified share of the images for early stopping."""
        if groups is not None:
            groups = check_groups(groups, len(y))
        try:
            if groups is not None:
                return self._split_groups(index, y, groups)
            return train_test_split(
                index,
                test_size=float(self.validation_fraction),
                stratify=y[index],
                random_state=self._random_state,
            )
        except ValueError as error:
            raise ValueError(
                f"early_stopping cannot hold out validation_fraction="
                f"{self.validation_fraction} of {len(index)} images, stratified ({error}). "
                "Pass X_val and y_val, or another fraction."
            ) from error

    def _split_groups(self, index, y, groups):
        n_folds = max(2, round(1 / self.validation_fraction))
        folds = StratifiedGroupKFold(n_folds, shuffle=True, random_state=self._random_state)
        kept, held_out = next(folds.split(index, y[index], groups[index]))
        # Which not all versions of scikit-learn say themselves.
        if not (len(kept) and len(held_out)):
            raise ValueError(f"too few groups for {n_folds} folds")
        return index[kept], index[held_out]

    def _given_callbacks(self):
        given = self.callbacks if self.callbacks is not None else []
        return [given] if isinstance(given, keras.callbacks.Callback) else list(given)

    def _fresh_callbacks(self):
        given = self._given_callbacks()
        for callback in given:
            if not isinstance(callback, keras.callbacks.Callback):
                raise ValueError(
                    "callbacks must be Keras callbacks (keras.callbacks.Callback "
                    f"instances), got {callback!r}."
                )
        callbacks = fresh(given)
        if self.early_stopping:
            callbacks.append(
                keras.callbacks.EarlyStopping(
                    monitor="val_loss",
                    patience=self.n_iter_no_change,
                    restore_best_weights=True,
                )
            )
        return callbacks

    # --- Prediction --------------------------------------------------------------------

    def predict(self, X):
        """Return the most probable class of each image.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images of the shape seen in `fit`.

        Returns
        -------
        ndarray of shape (n,)
            Labels, of the kind given to `fit`.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If the images are not as described.

        Examples
        --------
        >>> from octsk import SmallOCTNet, make_oct_phantoms
        >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> clf = SmallOCTNet(filters=(4,), epochs=1, random_state=0).fit(X, y)
        >>> clf.predict(X[:5]).shape
        (5,)
        """
        indices = self._logits(X).argmax(axis=1)
        return self.classes_[indices]

    def predict_proba(self, X):
        """Return the probability of each class: the softmax of the logits.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images of the shape seen in `fit`.

        Returns
        -------
        ndarray of shape (n, n_classes), float64
            Probabilities in the order of `classes_`; each row sums to 1.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If the images are not as described.

        Examples
        --------
        >>> from octsk import SmallOCTNet, make_oct_phantoms
        >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> clf = SmallOCTNet(filters=(4,), epochs=1, random_state=0).fit(X, y)
        >>> clf.predict_proba(X[:5]).sum(axis=1).round(6).tolist()
        [1.0, 1.0, 1.0, 1.0, 1.0]
        """
        return softmax(self._logits(X), axis=1)

    def decision_function(self, X):
        """Return the logits.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images of the shape seen in `fit`.

        Returns
        -------
        ndarray of shape (n, n_classes) or (n,), float64
            The logits; for two classes, as everywhere in scikit-learn, one number: the
            second logit less the first.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If the images are not as described.

        Examples
        --------
        >>> from octsk import SmallOCTNet, make_oct_phantoms
        >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> clf = SmallOCTNet(filters=(4,), epochs=1, random_state=0).fit(X, y)
        >>> clf.decision_function(X[:5]).shape
        (5, 4)
        >>> clf.fit(X, y == 3).decision_function(X[:5]).shape
        (5,)
        """
        z = self._logits(X)
        return z[:, 1] - z[:, 0] if z.shape[1] == 2 else z

    def _logits(self, X):
        check_is_fitted(self)
        images = self._check_images(X, reset=False)
        if not hasattr(self, "_forward"):
            self._forward = Forward(self.model_)
        # In float64, so that rows of probabilities, also CalibratedClassifierCV's, sum to 1
        # as closely as scikit-learn's scorers ask.
        z = logits(self._forward, images).astype(np.float64)
        if self.test_time_augmentation:
            z = (z + logits(self._forward, images[:, :, ::-1])) / 2  # the mirror images
        return z if self.class_prior is None else z + self._log_prior_ratio()

    def _log_prior_ratio(self):
        """Return the shift of the logits from the training shares to `class_prior`."""
        if self.class_prior_ is None:
            raise ValueError(
                "class_prior needs the shares of the classes in training, which are not "
                "known for a network that octsk has not trained; set class_prior=None."
            )
        n_classes = len(self.classes_)
        if isinstance(self.class_prior, str):
            self._validate_params()
            prior = np.full(n_classes, 1 / n_classes)
        else:
            prior = check_array(
                self.class_prior, ensure_2d=False, dtype=float, input_name="class_prior"
            )
        if (
            prior.shape != (n_classes,)
            or prior.min() <= 0
            or not np.isclose(prior.sum(), 1)
        ):
            raise ValueError(
                f"class_prior must be None, 'uniform' or {n_classes} shares above 0 that "
                f"sum to 1, one for each of the classes {self.classes_.tolist()}; got "
                f"{self.class_prior!r}."
            )
        # A class that had no weight in training stays as improbable as the network has it.
        seen = self.class_prior_ > 0
        ratio = np.ones(n_classes)
        ratio[seen] = prior[seen] / prior[seen].sum() / self.class_prior_[seen]
        return np.log(ratio)

    # --- Files -------------------------------------------------------------------------

    def save(self, path, *, class_names=None):
        """Save the fitted estimator to a file that :func:`octsk.load` reads.

        The file is a zip archive of the Keras model and a JSON text: no pickle inside.
        Callbacks and `checkpoint_dir` do not come back.

        Parameters
        ----------
        path : str or path-like
            The file to write, by custom with the ending ``.octsk``. It is there whole or
            not at all. An existing file is replaced.
        class_names : sequence of str, default=None
            What people call the classes, in the order of `classes_`. The loaded estimator
            has them as `class_names_`; None passes on what this one has there.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If there are not as many names as classes.

        Examples
        --------
        >>> from octsk import SmallOCTNet, make_oct_phantoms
        >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> clf = SmallOCTNet(filters=(4,), epochs=1, random_state=0).fit(X, y)
        >>> import octsk, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     clf.save(f"{folder}/small.octsk", class_names=["CNV", "DME", "D", "N"])
        ...     octsk.load(f"{folder}/small.octsk").class_names_
        ['CNV', 'DME', 'D', 'N']
        """
        check_is_fitted(self)
        names = self.class_names_ if class_names is None else [str(n) for n in class_names]
        if isinstance(class_names, str) or (
            names is not None and len(names) != len(self.classes_)
        ):
            raise ValueError(
                f"class_names must be {len(self.classes_)} names, one for each of the "
                f"classes {self.classes_.tolist()}; got {names}."
            )
        _files.save(self, path, names)

    def export(self, path, format="onnx"):
        """Export the fitted network, from pixels to probabilities, for use without octsk.

        The exported network takes a batch of any number of uint8 pixels, shape
        ``(n, h, w, c)``, as `images`, and gives what `predict_proba` does as
        `probabilities`, shape ``(n, n_classes)``, in the order of `classes_`:
        `test_time_augmentation` and `class_prior` as they are set now included. The
        labels are not in it.

        Parameters
        ----------
        path : str or path-like
            The file to write; for "saved_model" a folder, which must be new or empty. It
            is there whole or not at all. An existing file is replaced.
        format : {"onnx", "tflite", "saved_model"}, default="onnx"
            ONNX, for ONNX Runtime and many others (needs ``octsk[export]``); TensorFlow
            Lite, now called LiteRT, for phones and boards; TensorFlow's SavedModel, for
            TensorFlow Serving, whose signature is "serve".

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If there is no such format.
        ImportError
            If tf2onnx, which "onnx" needs, is not installed.
        FileExistsError
            If the folder for "saved_model" holds files already.

        Examples
        --------
        >>> from octsk import SmallOCTNet, make_oct_phantoms
        >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> clf = SmallOCTNet(filters=(4,), epochs=1, random_state=0).fit(X, y)
        >>> import tempfile, tensorflow as tf
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     clf.export(f"{folder}/small", format="saved_model")
        ...     small = tf.saved_model.load(f"{folder}/small")
        >>> p = small.serve(X[:5, ..., None])["probabilities"].numpy()
        >>> bool(abs(p - clf.predict_proba(X[:5])).max() < 1e-5)
        True
        """
        check_is_fitted(self)
        if format not in FORMATS:
            raise ValueError(f"format must be one of {sorted(FORMATS)}, got {format!r}.")
        export(
            self.model_,
            path,
            format,
            mirrored=self.test_time_augmentation,
            log_prior_ratio=None if self.class_prior is None else self._log_prior_ratio(),
        )

    @classmethod
    def from_h5(cls, path, *, classes=None, image_shape=(28, 28, 1), **params):
        """Create a fitted estimator from a Keras 2 ``.h5`` file of the same network.

        Only arrays are read from the file, by layer order, and nothing in it is run; so a
        whole model and a weights-only file will do, saved with or without a declared
        input shape. (The report's own models could not be loaded as models, since their
        first convolution had none.)

        Parameters
        ----------
        path : str or path-like
            File written by ``model.save("….h5")`` or ``model.save_weights("….h5")``.
        classes : array-like, default=None
            Labels in the order of the network's outputs; None takes 0, 1, 2, ...
        image_shape : tuple of (h, w, c), default=(28, 28, 1)
            Shape of the images that the network was trained on.
        **params : dict
            Constructor parameters, such as `filters` where they are not the defaults.

        Returns
        -------
        estimator instance
            Ready to predict, or to be trained further by `partial_fit`.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        IsADirectoryError
            If it is a folder.
        ValueError
            If the file is not a Keras ``.h5`` file or its arrays do not fit the network.

        Examples
        --------
        >>> from octsk import SmallOCTNet, make_oct_phantoms
        >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> clf = SmallOCTNet(epochs=1, random_state=0).fit(X, y)
        >>> import tempfile, warnings
        >>> with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     clf.model_.save(f"{folder}/small.h5")  # Keras 2's layout
        ...     again = SmallOCTNet.from_h5(f"{folder}/small.h5")
        >>> bool((again.predict(X) == clf.predict(X)).all())
        True
        """
        estimator = cls(**params)
        estimator._validate_params()
        weights = _files.read_h5_weights(path)
        n_classes = len(weights[-1])
        classes = np.arange(n_classes) if classes is None else np.asarray(classes)
        if classes.ndim != 1 or len(np.unique(classes)) != n_classes:
            raise ValueError(
                f"classes must be {n_classes} different labels, one for each output of the "
                f"network in {str(path)!r}; got {classes.tolist()}."
            )
        # scikit-learn keeps classes sorted; so are the outputs of the network then.
        order = np.argsort(classes)
        weights[-2:] = weights[-2][:, order], weights[-1][order]
        estimator.image_shape_ = tuple(int(n) for n in image_shape)
        if len(estimator.image_shape_) != 3:
            raise ValueError(f"image_shape must be (h, w, c), got {image_shape}.")
        estimator.n_features_in_ = int(np.prod(estimator.image_shape_))
        estimator._set_up(classes)
        expected = [tuple(w.shape) for w in estimator.model_.weights]
        found = [w.shape for w in weights]
        if found != expected:
            raise ValueError(
                f"the arrays in {str(path)!r} do not fit {estimator} on images of shape "
                f"{estimator.image_shape_}: it has {found}, the network {expected}."
            )
        estimator.model_.set_weights(weights)
        estimator.n_iter_ = 0
        return estimator


def _with_defaults(init, defaults):
    """Return a constructor with other defaults and a matching signature."""
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


def _check_labels(X, y, X_name="X", name="y"):
    y = check_column(y, name)
    check_lengths(X, y, X_name, name)
    check_array(y, ensure_2d=False, dtype=None, input_name=name)
    check_classification_targets(y)
    return y


def auto_epochs(n):
    """Return the epochs of a net with ``epochs="auto"`` on `n` training images."""
    return math.ceil(_AUTO_EPOCHS / math.sqrt(n))


def _copy(optimizer, config=None):
    """Return a new optimizer of the same kind."""
    return type(optimizer).from_config(config or optimizer.get_config())


def _optimizer(optimizer):
    if not isinstance(optimizer, str):
        return optimizer
    if optimizer.lower() not in OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {sorted(OPTIMIZERS)} or a Keras optimizer, got "
            f"{optimizer!r}."
        )
    return keras.optimizers.get(optimizer)
