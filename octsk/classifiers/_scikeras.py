"""Adaptation of scikeras 0.13 to current scikit-learn."""

from scikeras.wrappers import BaseWrapper, KerasClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

# Since scikit-learn 1.6, its checks refuse an estimator with a base class that defines
# `_more_tags` and not `__sklearn_tags__`, as scikeras 0.13 does. The method that is set
# here is the one that the class inherits anyway.
if "__sklearn_tags__" not in vars(BaseWrapper):
    BaseWrapper.__sklearn_tags__ = BaseEstimator.__sklearn_tags__


class MixinFirst(type):
    """Metaclass that puts ClassifierMixin before KerasClassifier among the bases.

    scikeras 0.13 defines ``KerasClassifier(BaseWrapper, ClassifierMixin)``, so that the
    tags of the mixin never count. scikit-learn >= 1.7 then does not take the estimator for
    a classifier, and cross-validation is silently not stratified. A class statement cannot
    mend the order, which scikit-learn's checks look at as well.
    """

    def mro(cls):
        """Return the order in which attributes are looked up."""
        order = super().mro()
        order.remove(ClassifierMixin)
        order.insert(order.index(KerasClassifier), ClassifierMixin)
        return order
