"""The estimators, and loading of saved ones."""

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
    run: Nadam, 5 epochs, batches of 32, and the training augmentation. The report states a
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
    It differs from :class:`MediumOCTNet` only in the optimizer, which is Adam. For a
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

    The network consists of residual blocks with batch normalization, and a global average
    pooling. For 28 x 28 grey images of four classes, it has 604,580 parameters and needs 52
    million multiply-adds, less than half as many as Medium. For images of 56 pixels or
    more, layers are added; see :func:`octsk.architectures.residual`. By default, the
    network is trained by AdamW with a warm-up and a cosine schedule, with balanced class
    weights and augmentation.

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


# The networks by short names. The first three are the names in the report.
NETS = {
    "small": SmallOCTNet,
    "medium": MediumOCTNet,
    "large": LargeOCTNet,
    "residual": ResidualOCTNet,
}


def load(path):
    """Load an estimator from a file written by its ``save``.

    The file is checked before it is read. Nothing in it is unpickled, and Keras loads the
    network in its safe mode.

    Parameters
    ----------
    path : str or path-like
        File written by an estimator's ``save``.

    Returns
    -------
    estimator instance
        The fitted estimator. It returns the same predictions as the saved one, and can be
        trained further by ``partial_fit``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    IsADirectoryError
        If `path` is a folder.
    ValueError
        If the file is not a complete octsk model, or if the class of the estimator has not
        been imported. For other kinds of files, such as pickles and Keras files, the
        message says what can read them.

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
    """Yield all subclasses of a class, including those defined by users."""
    for child in cls.__subclasses__():
        yield child
        yield from _subclasses(child)
