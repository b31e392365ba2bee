"""Adaptation of scikeras 0.13 to current scikit-learn."""

from typing import Any

from scikeras.wrappers import BaseWrapper, KerasClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import FunctionTransformer, LabelEncoder

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

    # scikeras 0.13 sets parameters one by one and stores any "optimizer__*" as attributes.
    set_params = BaseEstimator.set_params
