"""Estimators with the documentation, architecture and defaults of each network."""

from octsk import architectures, persistence
from octsk.classifiers._base import BaseOCTNet


class SmallOCTNet(
    BaseOCTNet,
    architecture=architectures.small,
    defaults=dict(filters=(32, 32), dense_units=(64,), optimizer="adam", epochs=6),
):
    """Small network of the 2021 report as a scikit-learn classifier.

    The network has two convolutions and one hidden dense layer, and 257,700 parameters for
    28 x 28 grey images of four classes. The defaults are those of the report's listing:
    Adam, 6 epochs, batches of 32, and the training augmentation.

    Parameters
    ----------
    {parameters}

    See Also
    --------
    MediumOCTNet : The report's best network.
    octsk.architectures.small : The network alone, as a Keras model.

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021.

    Examples
    --------
    >>> from octsk import SmallOCTNet, make_oct_phantoms
    >>> X, y = make_oct_phantoms(128, random_state=0, return_X_y=True)
    >>> clf = SmallOCTNet(epochs=1, random_state=0).fit(X, y)
    >>> clf.predict_proba(X[:2]).shape
    (2, 4)
    """


class MediumOCTNet(
    BaseOCTNet,
    architecture=architectures.medium,
    defaults=dict(
        filters=(128, 512, 1024), dense_units=(256, 128), optimizer="nadam", epochs=5
    ),
):
    """Medium network of the 2021 report, its best one, as a scikit-learn classifier.

    The network has three convolutions and two hidden dense layers, and 7,704,196 parameters
    for 28 x 28 grey images of four classes. The defaults are those of the report's best
    run: Nadam, 5 epochs, batches of 32, and the training augmentation. The report gives a
    test accuracy of 0.766 on OCTMNIST.

    Parameters
    ----------
    {parameters}

    See Also
    --------
    SmallOCTNet : A network with a thirtieth of the parameters.
    octsk.architectures.medium : The network alone, as a Keras model.

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021.

    Examples
    --------
    >>> from octsk import MediumOCTNet
    >>> clf = MediumOCTNet(class_weight="balanced")
    >>> clf.set_params(augmentation__rotation_range=5).optimizer
    'nadam'
    """


class LargeOCTNet(
    BaseOCTNet,
    architecture=architectures.large,
    defaults=dict(
        filters=(128, 512, 1024), dense_units=(256, 128), optimizer="adam", epochs=5
    ),
):
    """Large network of the 2021 report, which is identical to Medium, as a classifier.

    The text of the report describes Large as a larger network that overfits earlier than
    Medium, but its printed code and summary are those of Medium, layer for layer. This
    estimator follows the printed code, so that the result in the report can be reproduced.
    It differs from :class:`MediumOCTNet` only in the optimizer (Adam, 5 epochs). For a
    network that is larger than Medium, pass more `filters` or `dense_units`.

    Parameters
    ----------
    {parameters}

    See Also
    --------
    MediumOCTNet : The same network with the settings of the report's best run.
    octsk.architectures.large : The network alone, as a Keras model.

    References
    ----------
    L. Ganser, R. Diaconescu, "Retinal OCT Scan Classification: Beating the MedMNIST
    Benchmark", University College Freiburg, 2021.

    Examples
    --------
    >>> from octsk import LargeOCTNet
    >>> larger = LargeOCTNet(filters=(128, 512, 2048), dense_units=(512, 128))
    >>> larger.epochs
    5
    """


class ResidualOCTNet(
    BaseOCTNet,
    architecture=architectures.residual,
    defaults=dict(
        filters=(32, 64, 128, 128),
        dense_units=(),
        optimizer="adamw",
        learning_rate=2e-3,
        learning_rate_schedule="cosine",
        warmup_fraction=0.1,
        weight_decay=0.05,
        epochs="auto",
        label_smoothing=0.05,
        class_weight="balanced",
        test_time_augmentation=True,
    ),
    preset="residual",
):
    """Residual network with a modern training recipe as a scikit-learn classifier.

    The network consists of residual blocks with batch normalization and a global average
    pooling. For 28 x 28 grey images of four classes, it has 604,580 parameters and takes 52
    million multiply-adds, less than half of Medium's. It adds layers for images of 56
    pixels or more, see :func:`octsk.architectures.residual`. By default, it is trained by
    AdamW with warm-up, a cosine schedule, balanced classes and augmentation.

    Parameters
    ----------
    {parameters}

    See Also
    --------
    MediumOCTNet : The report's best network.
    octsk.architectures.residual : The network alone, as a Keras model.

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image Recognition", CVPR
    2016, pp. 770-778.

    I. Loshchilov, F. Hutter, "Decoupled Weight Decay Regularization", ICLR 2019.

    Examples
    --------
    >>> from octsk import ResidualOCTNet, make_oct_phantoms
    >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
    >>> clf = ResidualOCTNet(filters=(4, 8), epochs=2, random_state=0).fit(X, y)
    >>> clf.predict_proba(X[:2]).shape
    (2, 4)
    """


# The networks by their short names, which are those of the report where it has them.
NETS = {
    "small": SmallOCTNet,
    "medium": MediumOCTNet,
    "large": LargeOCTNet,
    "residual": ResidualOCTNet,
}


def load(path):
    """Load an estimator from a file written by its ``save``.

    Nothing is unpickled, and the safe mode of Keras is on.

    Parameters
    ----------
    path : str or path-like
        File written by an estimator's ``save``.

    Returns
    -------
    estimator instance
        The fitted estimator. Its predictions are those of the saved one, and it can be
        trained further by ``partial_fit``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    IsADirectoryError
        If it is a folder.
    ValueError
        If the file is not a complete octsk model, or if the class of the estimator is not
        imported. For other kinds of files, such as pickles and files of Keras, the message
        says what can read them.

    Examples
    --------
    >>> import octsk, tempfile, pathlib
    >>> data = octsk.make_oct_phantoms(64, random_state=0)
    >>> clf = octsk.SmallOCTNet(epochs=1, random_state=0).fit(data.data, data.target)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "small.octsk"
    ...     clf.save(path)
    ...     again = octsk.load(path)
    >>> bool((again.predict(data.data) == clf.predict(data.data)).all())
    True
    """
    return persistence.load(path, _subclasses(BaseOCTNet))


def _subclasses(cls):
    """Return all estimator classes, including those defined by users."""
    for child in cls.__subclasses__():
        yield child
        yield from _subclasses(child)
