"""Adaptation of scikeras 0.13 to current scikit-learn."""

from typing import Any

from scikeras.wrappers import BaseWrapper, KerasClassifier
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.preprocessing import FunctionTransformer, LabelEncoder

# scikeras 0.13 defines `_more_tags` without `__sklearn_tags__`, which scikit-learn's checks
# reject since version 1.6. The method assigned here is the one that the class inherits
# anyway.
if "__sklearn_tags__" not in vars(BaseWrapper):
    BaseWrapper.__sklearn_tags__ = BaseEstimator.__sklearn_tags__


class MixinFirst(type):
    """Metaclass that puts ClassifierMixin before KerasClassifier among the bases.

    scikeras 0.13 defines ``KerasClassifier(BaseWrapper, ClassifierMixin)``, so the tags of
    the mixin have no effect. Therefore scikit-learn 1.7 or newer does not recognize the
    estimator as a classifier, and its cross-validation is not stratified. scikit-learn's
    checks require the right order too, and a class statement cannot change it.
    """

    def mro(cls):
        """Return the order in which attributes are looked up."""
        order = super().mro()
        order.remove(ClassifierMixin)
        order.insert(order.index(KerasClassifier), ClassifierMixin)
        return order


class AdaptedKerasClassifier(KerasClassifier, metaclass=MixinFirst):
    """KerasClassifier of scikeras 0.13 that follows the conventions of scikit-learn."""

    # scikeras 0.13 reads the parameter names from the __dict__ of an instance, so `clone`
    # fails for a subclass with its own __init__. scikit-learn reads them from the
    # signature.
    _get_param_names: Any = classmethod(BaseEstimator._get_param_names.__func__)

    # scikeras 0.13 ignores the display options of scikit-learn.
    __repr__ = BaseEstimator.__repr__

    # scikeras 0.13 chooses the encoder by the parameter `loss`, which octsk's networks do
    # not have.
    target_encoder = property(lambda self: LabelEncoder())

    # The output of scikeras 0.13's transformer would become a data frame under
    # `sklearn.set_config(transform_output="pandas")`.
    feature_encoder = property(
        lambda self: FunctionTransformer().set_output(transform="default")
    )

    # scikeras 0.13 sets the parameters one by one, and stores any "optimizer__*" as an
    # attribute.
    set_params = BaseEstimator.set_params
