"""Base class of the estimators: parameters, training and prediction."""

# This import comes first, since scikeras would load TensorFlow with its messages.
from octsk.utils.tensorflow import keras  # isort: split

import os
from numbers import Integral, Real

import numpy as np
from scipy.special import softmax
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions

from octsk.augmentation import OCTAugmenter
from octsk.classifiers import _validation as validation
from octsk.classifiers._keras_names import refuse_arguments, refuse_hooks
from octsk.classifiers._parameters import ParametersMixin, document, with_defaults
from octsk.classifiers._scikeras import AdaptedKerasClassifier
from octsk.classifiers._transfer import TransferMixin, start_from
from octsk.persistence import PersistenceMixin
from octsk.training import (
    Forward,
    TrainingData,
    compile_network,
    network_arguments,
    network_kind,
    resolve_params,
    train,
)
from octsk.utils.validation import validate_images


class BaseOCTNet(PersistenceMixin, ParametersMixin, TransferMixin, AdaptedKerasClassifier):
    """Base class of the estimators, without an architecture.

    A subclass passes two arguments in its class statement: `architecture` is a function
    that takes the input shape and the number of classes and returns a Keras model whose
    outputs are logits, and `defaults` contains the default values that differ from those of
    this class. ``{parameters}`` in its docstring is replaced by the shared documentation.
    """

    # Preset of the augmenter that augmentation=True selects.
    _preset = "training"

    # Parameters that are passed to the architecture.
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
        # Checked by check_init_from and check_freeze, whose messages are more specific.
        "init_from": "no_validation",
        "freeze": "no_validation",
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
        init_from=None,
        freeze=None,
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
        self.init_from = init_from
        self.freeze = freeze
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
            cls.__init__ = with_defaults(cls.__init__, defaults)  # type: ignore[method-assign]
        document(cls)

    # --- Training ----------------------------------------------------------------------

    def fit(
        self, X, y=None, sample_weight=None, X_val=None, y_val=None, groups=None, **unknown
    ):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images: integers from 0 to 255 or floats from 0 to 1. uint8 arrays, including
            memory-mapped ones, are never copied as a whole.
        y : array-like of shape (n,)
            Class labels of any type.
        sample_weight : array-like of shape (n,), default=None
            Weights in the loss. Images of weight 0 are left out.
        X_val : array-like with images of the same shape, default=None
            Images for validation after each epoch. They are never augmented.
        y_val : array-like of shape (n_val,), default=None
            Class labels of `X_val`.
        groups : array-like of shape (n,), default=None
            Group of each image, such as its patient. No group may be missing. With
            `early_stopping`, whole groups are held out.

        Returns
        -------
        estimator instance
            The fitted estimator itself.

        Raises
        ------
        ValueError
            If a parameter, the images or the labels are not as described.
        TypeError
            If an argument is unknown, such as Keras's `validation_data`.

        Notes
        -----
        If an exception ends the training, such as the KeyboardInterrupt of Ctrl-C or
        ``optuna.TrialPruned`` raised by a callback, the estimator keeps the state after
        the last complete epoch, and the exception is raised again. Weights and optimizer
        are those after this epoch (with `early_stopping`, the weights are those of the
        best epoch), `history_` and `n_iter_` contain complete epochs only, and
        `interrupted_` is True. An epoch is complete when all callbacks have processed its
        end. If no epoch is complete, the estimator is not fitted or, in further training,
        stays as it was.

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
        further = self.warm_start and self.initialized_
        if further:
            X, y = self._check_further(X, y)
        else:
            X, y = self._initialize(X, y)
        self._train(X, y, sample_weight, X_val, y_val, groups, further=further, is_fit=True)
        return self

    def partial_fit(self, X, y=None, classes=None, sample_weight=None, **unknown):
        """Train for one more epoch from the current state of the network and optimizer.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images, as in `fit`.
        y : array-like of shape (n,)
            Class labels.
        classes : array-like, default=None
            All class labels, which the first call needs if `y` does not contain all of
            them. None means those of `y`.
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
        X, y = self._check_further(X, y)
        self._train(X, y, sample_weight, None, None, None, further=True, is_fit=False)
        return self

    def initialize(self, X, y):
        """Build the network without training it, to inspect it or to load weights.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images, as in `fit`, which determine the input shape.
        y : array-like of shape (n,)
            Class labels, which must contain all classes.

        Returns
        -------
        estimator instance
            The estimator itself, which counts as fitted.

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

    def _initialize(self, X, y, classes=None):
        """Check images and labels, and build the network for them."""
        X, y = self._check_data(X, y, reset=True)
        self._set_up(y if classes is None else classes)
        return X, y

    def _check_further(self, X, y):
        """Check images and labels for further training of the existing network."""
        X, y = self._check_data(X, y, reset=False)
        validation.check_known_labels(y, self.classes_, "y")
        validation.check_can_continue(self)
        return X, y

    def _check_data(self, X, y, *, reset):
        # X is checked first, since its error explains how to convert data sets of other
        # libraries that contain both images and labels.
        X = self._check_images(X, reset=reset)
        return X, validation.check_labels(X, y)

    def _check_images(self, X, *, reset):
        return validate_images(self, X, reset=reset)

    def _set_up(self, y):
        """Build the untrained network for images of `image_shape_` and the labels y."""
        source = validation.check_init_from(self)
        validation.check_freeze(self.freeze)
        self._random_state = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.target_encoder_ = validation.check_classes(self.target_encoder, y)
        self.classes_ = self.target_encoder_.classes_
        self.class_names_ = self.class_prior_ = self.gate_ = None
        self.interrupted_ = False
        self.__dict__.pop("n_iter_", None)
        self.model_ = compile_network(self)
        start_from(self, source)
        self._forward = Forward(self.model_)
        self._model_kind = network_kind(self)
        self._made_with = network_arguments(self)
        self.history_: dict[str, list[float]] = {"loss": []}

    def _train(self, X, y, sample_weight, X_val, y_val, groups, *, further, is_fit):
        """Check the remaining arguments of `fit`, and train the network in `model_`."""
        self.gate_ = None  # it was fitted to the previous weights
        sample_weight = validation.check_sample_weight(sample_weight, X)
        X_val, y_val = validation.check_validation_set(self, X_val, y_val)
        if self.class_prior is not None:
            validation.check_class_prior(self.class_prior, self.classes_)
        y = self.target_encoder_.transform(y)
        data = TrainingData(X, y, sample_weight, X_val, y_val, groups)
        train(self, data, further=further, is_fit=is_fit)

    def _augmenter(self):
        return validation.check_augmentation(self.augmentation, self._preset)

    def _resolved_params(self):
        return resolve_params(self)

    # --- Prediction --------------------------------------------------------------------

    def predict(self, X):
        """Return the most probable class of each image.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images of the same shape as in `fit`.

        Returns
        -------
        ndarray of shape (n,)
            Class labels.

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
        """Return the probability of each class, which is the softmax of the logits.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images of the same shape as in `fit`.

        Returns
        -------
        ndarray of shape (n, n_classes), float64
            Probabilities in the order of `classes_`. Each row sums to 1.

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
        return self._probabilities(self._outputs(X))

    def decision_function(self, X):
        """Return the logits.

        Parameters
        ----------
        X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
            Images of the same shape as in `fit`.

        Returns
        -------
        ndarray of shape (n, n_classes) or (n,), float64
            The logits. For two classes, the difference of the second logit and the first,
            as scikit-learn's classifiers return it.

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
        return self._shifted(self._outputs(X))

    def _probabilities(self, outputs):
        return softmax(self._shifted(outputs), axis=1)

    def _shifted(self, z):
        return z if self.class_prior is None else z + self._log_prior_ratio()

    def _log_prior_ratio(self):
        """Return the shift of the logits from `class_prior_` to `class_prior`."""
        if self.class_prior_ is None:
            raise ValueError(
                "class_prior requires the class proportions in training, which are unknown "
                "for a network that octsk has not trained; set class_prior=None."
            )
        if isinstance(self.class_prior, str):
            self._validate_params()
        prior = validation.check_class_prior(self.class_prior, self.classes_)
        # The logit of a class that had no weight in training is not shifted.
        seen = self.class_prior_ > 0
        ratio = np.ones(len(self.classes_))
        ratio[seen] = prior[seen] / prior[seen].sum() / self.class_prior_[seen]
        return np.log(ratio)

    # --- Tags and state ----------------------------------------------------------------

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    def __sklearn_is_fitted__(self):
        # fit sets n_iter_ at its end, whereas a fit that fails may have set model_.
        return hasattr(self, "n_iter_")

    def __getstate__(self):
        # Compiled functions and some architectures cannot be pickled. They are left out of
        # a new dictionary, since the state may be the estimator's own __dict__.
        left_out = ("_forward", "_model_kind")
        state = super().__getstate__().items()
        return {name: value for name, value in state if name not in left_out}
