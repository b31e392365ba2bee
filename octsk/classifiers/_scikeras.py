"""Adaptation of scikeras 0.13 to current scikit-learn."""

import copy
from typing import Any

import numpy as np
from scikeras.wrappers import BaseWrapper, KerasClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import FunctionTransformer, LabelEncoder

from octsk.augmentation import OCTAugmenter
from octsk.classifiers._keras_names import instead_of
from octsk.training import fresh

# scikeras 0.13 defines `_more_tags` without `__sklearn_tags__`, which the checks of
# scikit-learn refuse since 1.6. The method that is set here is the one that the class
# inherits anyway.
if "__sklearn_tags__" not in vars(BaseWrapper):
    BaseWrapper.__sklearn_tags__ = BaseEstimator.__sklearn_tags__


class MixinFirst(type):
    """Metaclass that puts ClassifierMixin before KerasClassifier among the bases.

    scikeras 0.13 defines ``KerasClassifier(BaseWrapper, ClassifierMixin)``, so that the
    tags of the mixin have no effect. scikit-learn since 1.7 then does not recognize the
    estimator as a classifier, and cross-validation is silently not stratified. A class
    statement cannot change the order, which the checks of scikit-learn verify as well.
    """

    def mro(cls):
        """Return the order in which attributes are looked up."""
        order = super().mro()
        order.remove(ClassifierMixin)
        order.insert(order.index(KerasClassifier), ClassifierMixin)
        return order


class AdaptedKerasClassifier(KerasClassifier, metaclass=MixinFirst):
    """KerasClassifier of scikeras 0.13 that follows the conventions of scikit-learn."""

    # scikeras 0.13 reads the names of the parameters from the instance's __dict__, so that
    # `clone` fails for a subclass with its own __init__. scikit-learn reads the signature.
    _get_param_names: Any = classmethod(BaseEstimator._get_param_names.__func__)

    # scikeras 0.13 ignores the display options of scikit-learn.
    __repr__ = BaseEstimator.__repr__

    # scikeras 0.13 chooses the encoder by a parameter `loss`, which the networks do not
    # have.
    target_encoder = property(lambda self: LabelEncoder())

    # scikeras 0.13 does not set the output of its transformer, which becomes a data frame
    # under `sklearn.set_config(transform_output="pandas")`.
    feature_encoder = property(
        lambda self: FunctionTransformer().set_output(transform="default")
    )

    def __sklearn_clone__(self):
        # scikit-learn would deep-copy the callbacks with everything that they hold.
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
            # The set_params of Keras's callbacks has another purpose.
            if inner and owner in values and not hasattr(values[owner], "get_params"):
                raise ValueError(
                    f"Invalid parameter {name!r}: {owner} is {values[owner]!r}, which has "
                    f"no parameters of its own. {instead_of(name, known)}".rstrip()
                )
        try:
            # scikeras 0.13 sets parameters one by one and stores any "optimizer__*".
            return BaseEstimator.set_params(self, **params)
        except ValueError as error:
            for name in params:
                if name.partition("__")[0] not in known and instead_of(name, known):
                    raise ValueError(f"{error} {instead_of(name, known)}") from None
            raise
