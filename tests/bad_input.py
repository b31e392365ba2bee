"""The table of unusual and invalid input and of its results.

`test_bad_input.py` runs every row.
"""

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from sklearn.exceptions import NotFittedError as NotFitted


class Works(NamedTuple):
    """The call works, and `check` verifies the result."""

    words: str
    check: Callable[[Any, Any], bool]


class Fails(NamedTuple):
    """The call raises `error`, whose message contains the words."""

    error: type[BaseException]
    words: str


class Ends(NamedTuple):
    """The command ends with a one-line error that contains the words."""

    code: int
    words: str


class Case(NamedTuple):
    """A row: the input, the call and the result."""

    given: str
    call: Callable[[Any], Any]
    happens: Works | Fails | Ends
    slow: bool = False


Value, Type = ValueError, TypeError

# What comes out as it would with plain uint8 images and whole labels.
PROBA = Works("the same probabilities", lambda w, p: close(p, w.proba))
LABELS = Works("the same labels", lambda w, y: np.array_equal(y, w.labels))
TRAINED = Works(
    "the same training", lambda w, net: close(net.predict_proba(w.X), w.trained)
)
FIRST = Works("the probabilities of that image", lambda w, p: close(p, w.proba[:1]))
IMAGES = Works("the unchanged images", lambda w, X: same_pixels(X, w.X))
VARIED = Works("the same variants", lambda w, X: same_pixels(X, w.varied))
CORRUPTED = Works("the same corrupted images", lambda w, X: same_pixels(X, w.corrupt(w.X)))
MEASURED = Works(
    "the same report",
    lambda w, r: close(list(r.metrics.values()), list(w.report.metrics.values())),
)
SUMS = Works(
    "probabilities that sum to 1",
    lambda w, p: np.isfinite(p).all() and close(p.sum(axis=1), 1),
)


def same_pixels(a, b):
    """Compare images whatever their layout; floats to the half grey level they lack."""
    unit = [x / 255 if x.dtype.kind in "iu" else x for x in map(np.asarray, (a, b))]
    return np.allclose(unit[0].ravel(), unit[1].ravel(), atol=0.51 / 255, rtol=0)


def close(a, b):
    return np.allclose(a, b, rtol=1e-5, atol=1e-6)


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def flat(X):
    return X.reshape(len(X), -1)


def frame(X):
    import pandas as pd

    return pd.DataFrame(flat(X), columns=[f"p{i}" for i in range(X[0].size)])


def torch(X):
    import pytest

    return pytest.importorskip("torch").from_numpy(X.copy())


def tensorflow(X):
    import tensorflow as tf

    return tf.constant(X)


def dataset(X, y):
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((X, y)).batch(8)


def colour(X):
    return np.stack([X] * 3, axis=-1)


def sparse(X):
    return scipy.sparse.csr_array(flat(X))


def objects(X):
    images = np.empty(len(X), object)
    images[:] = list(X)
    return images


def series(y):
    import pandas as pd

    return pd.Series(y, index=np.arange(len(y))[::-1])


def mixed(y):
    y = y.astype(object)
    y[0] = "zero"
    return y


def pictures(X):
    from PIL import Image

    return [Image.fromarray(image) for image in X]


def with_pixel(X, value):
    X = X / 255
    X[1, 2, 3] = value
    return X


def masked(X):
    return np.ma.MaskedArray(X, mask=X > 200)


def ragged(X):
    images = np.empty(2, object)
    images[:] = [X[0], X[0][:5]]
    return images


def truncated(path):
    return changed(path, lambda data: data[: len(data) // 2])


def flipped(path, where=0.5):
    def flip(data):
        data[int(len(data) * where)] ^= 0x10
        return data

    return changed(path, flip)


def changed(path, change):
    new = path.with_name(f"changed-{path.name}")
    new.write_bytes(change(bytearray(path.read_bytes())))
    return new


# --------------------------------------------------------------------------------------
# Images: the same rows for all that takes images
# --------------------------------------------------------------------------------------

# fmt: off

ALIKE = [
    ("a list of arrays", lambda w: list(w.X)),
    ("nested lists", lambda w: w.X.tolist()),
    ("a tuple of Pillow images", lambda w: tuple(pictures(w.X))),
    ("an object array of arrays", lambda w: objects(w.X)),
    ("one channel, (n, h, w, 1)", lambda w: w.X[..., None]),
    ("flattened images", lambda w: flat(w.X)),
    ("a TensorFlow tensor", lambda w: tensorflow(w.X)),
    ("a PyTorch tensor", lambda w: torch(w.X)),
    ("float64 from 0 to 1", lambda w: w.X / 255),
    ("float32 from 0 to 1", lambda w: (w.X / 255).astype(np.float32)),
    ("big-endian floats", lambda w: (w.X / 255).astype(">f4")),
    ("int16 from 0 to 255", lambda w: w.X.astype(np.int16)),
    ("uint16 from 0 to 255", lambda w: w.X.astype(np.uint16)),
    ("Python numbers in an object array", lambda w: w.X.astype(object)),
    ("Fortran order", lambda w: np.asfortranarray(w.X)),
    ("a view that is not contiguous", lambda w: np.repeat(w.X, 2, axis=2)[:, :, ::2]),
    ("a view with negative strides", lambda w: w.X[:, ::-1].copy()[:, ::-1]),
    ("a read-only array", lambda w: read_only(w.X)),
    ("a memory-mapped array", lambda w: w.mapped),
]
REFUSED = [
    ("None", lambda w: None, Value, "X must be an array of images; got None"),
    ("a path", lambda w: "scan.png", Value, "octsk.load_image_files reads image files"),
    ("a data set, not its data", lambda w: {"data": w.X}, Value, "pass its 'data'"),
    ("a generator", lambda w: (x for x in w.X), Value, "got a generator; pass a list of its images"),
    ("a tf.data.Dataset", lambda w: dataset(w.X, w.y), Value, "Make arrays of its batches: X, y = map(np.concatenate, zip(*X.as_numpy_iterator()))"),
    ("a Pillow image", lambda w: pictures(w.X)[0], Value, "Pass a list of images, [X]"),
    ("Pillow images with a palette", lambda w: [image.convert("P") for image in pictures(w.X)], Value, "image.convert('L') makes them grey"),
    ("one flattened image", lambda w: w.X[0].ravel(), Value, "one image is (1, h, w)"),
    ("an empty list", lambda w: [], Value, "X has one dimension, (0,)"),
    ("no images, (0, h, w)", lambda w: w.X[:0], Value, "0 sample(s) (shape=(0, 12, 12))"),
    ("five axes", lambda w: w.X[..., None, None], Value, "X has 5 dimensions"),
    ("channels first, grey", lambda w: w.X[:, None], Value, "numpy.moveaxis(X, 1, -1) puts them last"),
    ("channels first, colour", lambda w: np.stack([w.X] * 3, 1), Value, "numpy.moveaxis(X, 1, -1) puts them last"),
    ("images of several sizes", lambda w: ragged(w.X), Value, "all images must have the same shape"),
    ("text", lambda w: w.X.astype(str), Value, "X has dtype <U3; images must be uint8 (0 to 255) or float (0 to 1)"),
    ("dates", lambda w: w.X.astype("M8[s]"), Value, "X has dtype datetime64[s]; images must be uint8 (0 to 255) or float (0 to 1)"),
    ("booleans", lambda w: w.X > 99, Value, "X has dtype bool; images must be uint8 (0 to 255) or float (0 to 1). Pass X * np.uint8(255)"),
    ("complex numbers", lambda w: w.X * 1j, Value, "Pass magnitudes, np.abs(X)"),
    ("a sparse matrix", lambda w: sparse(w.X), Type, "Sparse data was passed for X"),
    ("np.matrix", lambda w: np.matrix(flat(w.X)), Type, "convert to a numpy array"),
    ("a masked array", lambda w: masked(w.X), Value, "for example by X.filled(0)"),
    ("NaN", lambda w: with_pixel(w.X, np.nan), Value, "X holds NaN. Give these pixels a value"),
    ("infinity", lambda w: with_pixel(w.X, np.inf), Value, "X holds infinite values"),
    ("floats from 0 to 255", lambda w: w.X * 1.0, Value, "Divide 0-255 images by 255"),
    ("floats from -1 to 1", lambda w: w.X / 127.5 - 1, Value, "Pass the images before they are standardized"),
    ("16-bit integers", lambda w: w.X.astype("u2") * 257, Value, "Rescale deeper images, e.g. 16-bit ones by (X // 257).astype('uint8')"),
    ("bytes with a sign", lambda w: w.X.view("i1"), Value, "X.view('uint8') corrects them"),
]
# A network knows the size of its images, and so the shape of one.
OTHER_SIZE = [
    ("one image, (h, w)", lambda w: w.X[0], Value, "which is that of a single image; pass X[np.newaxis]"),
    ("images of another size", lambda w: w.X[:, 1:], Value, "images of shape 12 x 12 x 1 are expected, as in fit"),
    ("huge images", lambda w: w.huge, Value, "images of shape 12 x 12 x 1 are expected, as in fit"),
    ("height and width swapped", lambda w: w.X[:, :, 1:], Value, "images of shape 12 x 12 x 1 are expected, as in fit"),
    ("colour, in fit it was grey", lambda w: colour(w.X), Value, "images of shape 12 x 12 x 1 are expected, as in fit"),
    ("flattened, of another size", lambda w: flat(w.X[:, 1:]), Value, "X has 132 features, but"),
]


# What `evaluate` sees first is that images and labels differ in number.
BY_LENGTH = [
    ("one flattened image", lambda w: w.X[0].ravel(), Value, "X has 144 images and y 40 entries"),
    ("an empty list", lambda w: [], Value, "X has 0 images and y 40 entries"),
    ("no images, (0, h, w)", lambda w: w.X[:0], Value, "X has 0 images and y 40 entries"),
    ("images of several sizes", lambda w: ragged(w.X), Value, "X has 2 images and y 40 entries"),
    ("one image, (h, w)", lambda w: w.X[0], Value, "X has 12 images and y 40 entries"),
    ("huge images", lambda w: w.huge, Value, "X has 1 images and y 40 entries"),
]


def images(call, happens, refused=REFUSED, slow=False):
    """Rows of what is given as images to `call`."""
    return [
        Case(given, lambda w, make=make: call(w, make(w)), happens, slow or "Torch" in given)
        for given, make in ALIKE
    ] + [
        Case(given, lambda w, make=make: call(w, make(w)), Fails(error, words))
        for given, make, error, words in refused
    ]


def commands(command, *rows):
    """Rows of the words given to a command."""
    return [
        Case(f"{given}: `{words}`", lambda w, words=words: w.octsk(command, words), Ends(code, text), *slow)
        for given, words, code, text, *slow in rows
    ]


# --------------------------------------------------------------------------------------
# The table
# --------------------------------------------------------------------------------------

# What takes images.
TAKES_IMAGES = {
    "`predict_proba`": images(lambda w, X: w.net.predict_proba(X), PROBA, REFUSED + OTHER_SIZE),
    "`predict`": images(lambda w, X: w.net.predict(X), LABELS, REFUSED + OTHER_SIZE),
    "`fit`": images(lambda w, X: w.fit(X), TRAINED, slow=True),
    "`OCTAugmenter.transform`": images(lambda w, X: w.Augmenter().fit(w.X).transform(X), IMAGES, REFUSED + OTHER_SIZE),
    "`OCTAugmenter.fit_transform`": images(lambda w, X: w.Augmenter(random_state=0).fit_transform(X), VARIED),
    "`evaluate`": images(lambda w, X: w.evaluate(X=X), MEASURED, BY_LENGTH + [row for row in REFUSED + OTHER_SIZE if row[0] not in {row[0] for row in BY_LENGTH}]),
}

TABLE = {
    "`predict_proba`": [
        Case("one image, (1, h, w)", lambda w: w.net.predict_proba(w.X[:1]), FIRST),
        Case("more than a batch", lambda w: w.net.predict_proba(np.tile(w.X, (9, 1, 1)))[:40], PROBA),
        Case("black images", lambda w: w.net.predict_proba(w.X * 0), SUMS),
        Case("white images", lambda w: w.net.predict_proba(w.X | 255), SUMS),
        Case("floats slightly above 1 after rounding", lambda w: w.net.predict_proba(w.X / 255 + 5e-7), PROBA),
        Case("a data frame of flattened images", lambda w: w.framed.predict_proba(frame(w.X)), PROBA),
        Case("a data frame with its columns in another order", lambda w: w.framed.predict_proba(frame(w.X).iloc[:, ::-1]), Fails(Value, "Feature names must be in the same order")),
        Case("a net that is not fitted", lambda w: w.Net().predict_proba(w.X), Fails(NotFitted, "is not fitted yet")),
    ],
    "`fit`: images": [
        Case("one image, (h, w)", lambda w: w.fit(w.X[0]), Fails(Value, "X has 12 images and y 40 entries")),
        Case("one image", lambda w: w.fit(w.X[:1], w.y[:1]), Fails(Value, "y has only one class")),
        Case("images too small for the net", lambda w: w.fit(w.X[:, :1, :1]), Fails(Value, "too small for 1 convolutions")),
        Case("fewer images than a batch", lambda w: w.fit(w.X[:5], w.y[:5], batch_size=32), Works("trains", lambda w, net: net.n_iter_ == 1), slow=True),
        Case("as many classes as images", lambda w: w.fit(w.X, np.arange(40)), Works("trains with 40 classes", lambda w, net: len(net.classes_) == 40), slow=True),
        Case("constant images", lambda w: w.fit(w.X * 0).predict_proba(w.X * 0), SUMS, slow=True),
    ],
    "`fit`: labels": [
        Case("a list", lambda w: w.fit(y=w.y.tolist()), TRAINED, slow=True),
        Case("a column, (n, 1)", lambda w: w.fit(y=w.y[:, None]), Works("the same training, and a warning", TRAINED.check), slow=True),
        Case("a Series with another index", lambda w: w.fit(y=series(w.y)), TRAINED, slow=True),
        Case("a categorical Series", lambda w: w.fit(y=series(w.y).map(dict(enumerate("abc"))).astype("category")), Works("the same training; predicts the categories", lambda w, net: TRAINED.check(w, net) and net.classes_.tolist() == ["a", "b", "c"]), slow=True),
        Case("a TensorFlow tensor", lambda w: w.fit(y=tensorflow(w.y)), TRAINED, slow=True),
        Case("floats that are whole", lambda w: w.fit(y=w.y * 1.0), Works("the same training; predicts floats", lambda w, net: TRAINED.check(w, net) and net.classes_.dtype == float), slow=True),
        Case("booleans", lambda w: w.fit(y=w.y > 0), Works("predicts booleans", lambda w, net: net.predict(w.X).dtype == bool), slow=True),
        Case("text", lambda w: w.fit(y=np.array(list("abc"))[w.y]), Works("the same training; predicts text", lambda w, net: TRAINED.check(w, net) and set(net.predict(w.X)) <= set("abc")), slow=True),
        Case("None", lambda w: w.fit(y=None), Fails(Value, "requires y to be passed")),
        Case("no argument", lambda w: w.Net().fit(w.X), Fails(Value, "requires y to be passed")),
        Case("none beside a tf.data.Dataset", lambda w: w.Net().fit(dataset(w.X, w.y)), Fails(Value, "Make arrays of its batches: X, y = map(np.concatenate")),
        Case("one-hot rows", lambda w: w.fit(y=np.eye(3)[w.y]), Fails(Value, "Convert one-hot rows to labels by y.argmax(axis=1)")),
        Case("fractions", lambda w: w.fit(y=w.y + 0.5), Fails(Value, "Unknown label type: continuous")),
        Case("numbers and text", lambda w: w.fit(y=mixed(w.y)), Fails(Value, "y mixes labels of several kinds")),
        Case("numbers and text in a list", lambda w: w.fit(y=mixed(w.y).tolist()), Fails(Value, "y mixes labels of several kinds")),
        Case("NaN", lambda w: w.fit(y=np.where(w.y == 2, np.nan, w.y)), Fails(Value, "y has missing values (NaN, None or the like) at 13 of 40 positions (2, 5, 8, 11, 14, ...)")),
        Case("None among them", lambda w: w.fit(y=np.where(w.y == 2, None, w.y)), Fails(Value, "y has missing values (NaN, None or the like) at 13 of 40 positions")),
        Case("too few", lambda w: w.fit(y=w.y[:-1]), Fails(Value, "X has 40 images and y 39 entries")),
        Case("none at all", lambda w: w.fit(y=[]), Fails(Value, "X has 40 images and y 0 entries")),
        Case("one number", lambda w: w.fit(y=1), Fails(Value, "y should be a 1d array")),
        Case("one class", lambda w: w.fit(y=w.y * 0), Fails(Value, "y has only one class, [0]")),
        Case("complex numbers", lambda w: w.fit(y=w.y * 1j), Fails(Value, "y holds complex numbers; labels must be real numbers or text")),
        Case("a sparse matrix", lambda w: w.fit(y=sparse(w.y[:, None])), Fails(Type, "Sparse data was passed")),
    ],
    "`fit`: weights, groups and validation sets": [
        Case("too few weights", lambda w: w.fit(sample_weight=np.ones(39)), Fails(Value, "sample_weight.shape == (39,), expected (40,)")),
        Case("negative weights", lambda w: w.fit(sample_weight=-np.ones(40)), Fails(Value, "sample_weight must be a number of 0 or more for each image")),
        Case("a weight that is NaN", lambda w: w.fit(sample_weight=np.where(w.y, 1, np.nan)), Fails(Value, "sample_weight has missing values (NaN, None or the like) at 14 of 40 positions"), slow=True),
        Case("weights of text", lambda w: w.fit(sample_weight=["a"] * 40), Fails(Value, "sample_weight must be a number of 0 or more for each image"), slow=True),
        Case("weights that are all 0", lambda w: w.fit(sample_weight=np.zeros(40)), Fails(Value, "sample_weight")),  # scikit-learn 1.8 leaves that to octsk, whose words are others
        Case("X_val without y_val", lambda w: w.fit(X_val=w.X), Fails(Value, "X_val and y_val must be given together")),
        Case("X_val of another size", lambda w: w.fit(X_val=w.X[:, 1:], y_val=w.y), Fails(Value, "X_val holds images of shape 11 x 12 x 1")),
        Case("X_val from 0 to 255 as floats", lambda w: w.fit(X_val=w.X * 1.0, y_val=w.y), Fails(Value, "X_val holds floats from 0 to"), slow=True),
        Case("too short a y_val", lambda w: w.fit(X_val=w.X, y_val=w.y[1:]), Fails(Value, "X_val has 40 images and y_val 39 entries"), slow=True),
        Case("y_val with a class that y lacks", lambda w: w.fit(X_val=w.X, y_val=w.y + 1), Fails(Value, "y_val contains labels that are not classes of the network: [3]"), slow=True),
        Case("y_val one-hot", lambda w: w.fit(X_val=w.X, y_val=np.eye(3)[w.y]), Fails(Value, "Convert one-hot rows to labels by y_val.argmax(axis=1)"), slow=True),
        Case("y_val with a class missing", lambda w: w.fit(X_val=w.X[:3][w.y[:3] > 0], y_val=[1, 2]), TRAINED, slow=True),
        Case("too few groups", lambda w: w.fit(groups=[0], early_stopping=True), Fails(Value, "groups must have shape (40,), one group for each image; got (1,)"), slow=True),
        Case("groups of which some are None", lambda w: w.fit(groups=np.where(w.y == 2, None, "P1"), early_stopping=True), Fails(Value, "groups has missing values (NaN, None or the like) at 13 of 40 positions"), slow=True),
        Case("early stopping with a class of one image", lambda w: w.fit(y=w.y * 0 + (np.arange(40) == 0), early_stopping=True), Fails(Value, "early_stopping cannot hold out"), slow=True),
    ],
    "`fit`: parameters": [
        *[
            Case(f"`{name}={value!r}`", lambda w, params={name: value}: w.fit(**params), Fails(Value, words), *slow)
            for name, value, words, *slow in [
                ("optimizer", "warp", "optimizer must be one of"),
                ("optimizer", 3, "'optimizer' parameter"),
                ("epochs", -1, "'epochs' parameter"),
                ("epochs", 0, "'epochs' parameter"),
                ("epochs", 1.5, "'epochs' parameter"),
                ("epochs", "many", "'epochs' parameter"),
                ("batch_size", 0, "'batch_size' parameter"),
                ("learning_rate", -0.1, "'learning_rate' parameter"),
                ("learning_rate", float("nan"), "'learning_rate' parameter"),
                ("learning_rate", float("inf"), "'learning_rate' parameter"),
                ("learning_rate", "fast", "'learning_rate' parameter"),
                ("learning_rate_schedule", "step", "'learning_rate_schedule' parameter"),
                ("weight_decay", -1, "'weight_decay' parameter"),
                ("dropout", 1, "'dropout' parameter"),
                ("filters", 4, "'filters' parameter"),
                ("filters", (0,), "filters must be positive integers"),
                ("filters", (4.5,), "filters must be positive integers"),
                ("filters", ("a",), "filters must be positive integers"),
                ("filters", (2, 2, 2, 2, 2), "Pass fewer `filters` or larger images"),
                ("dense_units", (-1,), "dense_units must be positive integers"),
                ("dense_units", "8", "'dense_units' parameter of SmallOCTNet must be an array-like"),
                ("label_smoothing", 1, "'label_smoothing' parameter"),
                ("mixup", -1, "'mixup' parameter"),
                ("ema_momentum", 1, "'ema_momentum' parameter"),
                ("class_weight", "Balanced", "'class_weight' parameter"),
                ("class_weight", {9: 2}, "The classes, [0, 1, 2], are not in class_weight", True),
                ("class_weight", {0: -1}, "class_weight must hold a number of 0 or more for each class; got -1 for 0", True),
                ("class_prior", [0.5, 0.5], "class_prior must be None, 'uniform' or 3 shares", True),
                ("class_prior", [0.5, 0.5, 0.5], "class_prior must be None, 'uniform' or 3 shares", True),
                ("augmentation", "yes", "'augmentation' parameter"),
                ("early_stopping", 3, "'early_stopping' parameter"),
                ("validation_fraction", 2, "'validation_fraction' parameter"),
                ("n_iter_no_change", 0, "'n_iter_no_change' parameter"),
                ("callbacks", "print", "'callbacks' parameter"),
                ("callbacks", [print], "callbacks must be Keras callbacks", True),
                ("precision", "float64", "'precision' parameter"),
                ("init_from", 3, "init_from must be None, the path of a saved network"),
                ("freeze", "dense", "freeze must be None, 'features'"),
                ("freeze", ["dense_9"], "The layers with weights are ['conv2d', 'dense', 'dense_1']"),
                ("random_state", "a", "'random_state' parameter"),
                ("verbose", "yes", "'verbose' parameter"),
            ]
        ],
        Case("`filters=()`", lambda w: w.fit(filters=()).model_, Works("a net without convolutions", lambda w, model: len(model.weights) == 4), slow=True),
        Case("`init_from='none.octsk'`, a file that does not exist", lambda w: w.fit(init_from="none.octsk"), Fails(FileNotFoundError, "init_from: ")),
        Case("a parameter that does not exist", lambda w: w.Net(lr=1), Fails(Type, "unexpected keyword argument 'lr'")),
        Case("`set_params` of one that does not exist", lambda w: w.Net().set_params(lr=1), Fails(Value, "Invalid parameter 'lr'")),
        Case("a learning rate at which training diverges", lambda w: w.fit(learning_rate=1e30), Fails(Value, "the training diverged"), slow=True),
    ],
    "`partial_fit`": [
        Case("a label that the first call lacked", lambda w: w.copy().partial_fit(w.X, w.y + 1), Fails(Value, "y contains labels that are not classes of the network: [3]")),
        Case("images of another size", lambda w: w.copy().partial_fit(w.X[:, 1:], w.y), Fails(Value, "images of shape 12 x 12 x 1 are expected, as in fit"), slow=True),
        Case("other classes than at first", lambda w: w.copy().partial_fit(w.X, w.y, classes=[0, 1]), Fails(Value, "classes must stay those of the first call"), slow=True),
    ],
    "`OCTAugmenter.fit_transform`": [
        Case("one image of 16 x 16, (h, w)", lambda w: w.Augmenter().fit_transform(w.huge[0, :16, :16]), Works("taken for 16 flattened images, with a warning", lambda w, X: X.shape == (16, 16))),
        Case("black images", lambda w: w.Augmenter().fit_transform(w.X * 0), Works("black images", lambda w, X: not X.any())),
        *[
            Case(f"`{name}={value!r}`", lambda w, params={name: value}: w.Augmenter(**params).fit_transform(w.X), Fails(Value, f"'{name}' parameter"))
            for name, value in [
                ("rotation_range", 200), ("rotation_range", -5), ("width_shift_range", 2), ("zoom_range", 1), ("zoom_range", (0.9, 1.1)), ("shear_range", 90), ("brightness_range", float("nan")), ("fill_mode", "wrap"), ("horizontal_flip", "yes"), ("random_state", -1),
            ]
        ],
        Case("`n_copies=0`", lambda w: w.Augmenter(n_copies=0).fit_resample(w.X, w.y), Fails(Value, "'n_copies' parameter")),
        Case("a preset that does not exist", lambda w: w.Augmenter.from_preset("strong"), Fails(Value, "name must be one of")),
    ],
    "`OCTAugmenter.transform`": [
        Case("an augmenter that is not fitted", lambda w: w.Augmenter().transform(w.X), Fails(NotFitted, "is not fitted yet")),
        Case("an augmenter with `n_copies`, which has no `transform`", lambda w: w.Augmenter(n_copies=1).fit(w.X).transform(w.X), Fails(AttributeError, "has no attribute 'transform'")),
    ],
    "`OCTAugmenter.fit_resample`": [
        Case("`n_copies` of a class that is not there", lambda w: w.Augmenter(n_copies={9: 1}).fit_resample(w.X, w.y), Fails(Value, "n_copies names the class 9")),
        Case("`sampling_strategy='majority'`", lambda w: w.Augmenter(sampling_strategy="majority").fit_resample(w.X, w.y), Fails(Value, "'sampling_strategy' parameter")),
        Case("fewer images of a class than there are", lambda w: w.Augmenter(sampling_strategy={0: 1}).fit_resample(w.X, w.y), Fails(Value, "must be an int of at least")),
        Case("too few labels", lambda w: w.Augmenter(n_copies=1).fit_resample(w.X, w.y[1:]), Fails(Value, "X has 40 images and y 39 entries")),
        Case("one-hot labels", lambda w: w.Augmenter(n_copies=1).fit_resample(w.X, np.eye(3)[w.y]), Fails(Value, "Convert one-hot rows to labels by y.argmax(axis=1)")),
    ],
    "`evaluate`": [
        Case("a list of labels", lambda w: w.evaluate(y=w.y.tolist()), MEASURED),
        Case("labels as a Series", lambda w: w.evaluate(y=series(w.y)), MEASURED),
        Case("labels as floats", lambda w: w.evaluate(y=w.y * 1.0), MEASURED),
        Case("a column of labels, (n, 1)", lambda w: w.evaluate(y=w.y[:, None]), MEASURED),
        Case("labels of one class", lambda w: w.evaluate(X=w.X[w.y == 0], y=w.y[w.y == 0]), Works("the AUC is nan", lambda w, r: np.isnan(r.metrics["auc"]) and r.metrics["acc"] >= 0)),
        Case("one image", lambda w: w.evaluate(X=w.X[:1], y=w.y[:1]), Works("the AUC is nan", lambda w, r: np.isnan(r.metrics["auc"]) and r.n_samples == 1)),
        Case("too few labels", lambda w: w.evaluate(y=w.y[1:]), Fails(Value, "X has 40 images and y 39 entries")),
        Case("one-hot labels", lambda w: w.evaluate(y=np.eye(3)[w.y]), Fails(Value, "Convert one-hot rows to labels by y.argmax(axis=1)")),
        Case("labels of a class that was not trained", lambda w: w.evaluate(y=w.y + 1), Fails(Value, "y holds classes [3] that the estimator was not trained on")),
        Case("labels as text, trained on numbers", lambda w: w.evaluate(y=w.y.astype(str)), Fails(Value, "y holds classes ['0', '1', '2'] that the estimator was not trained on")),
        Case("labels that are NaN", lambda w: w.evaluate(y=np.where(w.y == 2, np.nan, w.y)), Fails(Value, "y has missing values (NaN, None or the like) at 13 of 40 positions")),
        Case("a net that is not fitted", lambda w: w.evaluate(w.Net()), Fails(NotFitted, "is not fitted yet")),
        Case("the class, not an estimator", lambda w: w.evaluate(w.Net), Fails(Type, "is a class, not an instance")),
        Case("the path of a model", lambda w: w.evaluate("model.octsk"), Fails(Type, "is not an estimator instance")),
        Case("a data set that is an array", lambda w: w.evaluate(dataset=w.X), Fails(Type, "dataset must be a Bunch")),
        Case("`split='all'`", lambda w: w.evaluate(split="all"), Fails(Value, "split must be 'train', 'val' or 'test'")),
        Case("groups of which some are NaN", lambda w: w.evaluate(groups=np.where(w.y == 2, np.nan, w.y)), Fails(Value, "groups has missing values (NaN, None or the like) at 13 of 40 positions")),
        Case("too few groups", lambda w: w.evaluate(groups=[1, 2]), Fails(Value, "groups must have shape (40,)")),
        Case("`confidence_level=95`", lambda w: w.evaluate(confidence_level=95), Fails(Value, "confidence_level must lie in (0, 1)")),
        Case("`n_resamples=1`", lambda w: w.evaluate(n_resamples=1), Fails(Value, "n_resamples must be at least 2")),
        Case("`random_state='a'`", lambda w: w.evaluate(random_state="a"), Fails(Value, "'a' cannot be used to seed")),
    ],
    "`OCTSearchCV`": [
        *[
            Case(given, lambda w, params=params: w.search(**params), Fails(error, words))
            for given, params, error, words in [
                ("a parameter that does not exist", dict(param_distributions={"lr": [1]}), Value, "Invalid parameter 'lr'"),
                ("nothing to vary", dict(param_distributions={}), Value, "param_distributions is empty"),
                ("a list, not a dict", dict(param_distributions=["epochs"]), Value, "'param_distributions' parameter"),
                ("no values to choose from", dict(param_distributions={"epochs": []}), Value, "must be an Optuna distribution or a list of values, got []"),
                ("one value, not a list", dict(param_distributions={"epochs": 3}), Value, "must be an Optuna distribution or a list of values, got 3"),
                ("`n_trials=0`", dict(n_trials=0), Value, "'n_trials' parameter"),
                ("`timeout=-1`", dict(timeout=-1), Value, "'timeout' parameter"),
                ("`cv=1`", dict(cv=1), Value, "'cv' parameter of OCTSearchCV must be an int in the range [2, inf)"),
                ("`cv='five'`", dict(cv="five"), Value, "'cv' parameter"),
                ("more folds than images of a class", dict(cv=30), Value, "n_splits=30 cannot be greater than the number of members in each class"),
                ("`scoring='best'`", dict(scoring="best"), Value, "'scoring' parameter"),
                ("`pruner='asha'`", dict(pruner="asha"), Value, "'pruner' parameter"),
                ("`cost='bytes'`", dict(cost="bytes"), Value, "'cost' parameter"),
                ("a cost and a pruner", dict(cost="fit_time", pruner="median"), Value, "Set only one of them"),
                ("several workers and no storage", dict(n_workers=2), Value, "set storage or study_name"),
                ("images with NaN", dict(X="nan"), Value, "X holds NaN"),
                ("images with NaN, and `error_score=nan`", dict(X="nan", error_score=np.nan), Value, "X holds NaN"),
                ("too few labels", dict(y="short"), Value, "inconsistent numbers of samples: [40, 39]"),
                ("one class", dict(y="one"), Value, "y has only one class"),
                ("an estimator that fails in each trial", dict(param_distributions={"optimizer": ["warp"]}), Value, "optimizer must be one of"),
            ]
        ],
        Case("the same study with other images", lambda w: (w.search(study_name="s", storage=w.folder / "s.journal"), w.search(study_name="s", storage=w.folder / "s.journal", X="other")), Fails(Value, "the study 's' was begun with other data or settings"), slow=True),
        Case("a class that is missing from a fold", lambda w: w.search(cv=[(np.flatnonzero(w.y < 2), np.flatnonzero(w.y == 2))]), Works("scores 0 on it, and a warning", lambda w, s: s.best_score_ == 0), slow=True),
    ],
    "`read_search_space`": [
        Case("a file that does not exist", lambda w: w.space(None), Fails(FileNotFoundError, "space.json")),
        Case("a folder", lambda w: w.read_search_space(w.folder), Fails(OSError, "is a folder, not a JSON file")),
        *[
            Case(f"`{text}`", lambda w, text=text: w.space(text), Fails(Value, "does not contain a search space"))
            for text in ["", "{", "[1]", "{}", "epochs: [1, 2]", '{"epochs": 3}', '{"epochs": {"type": "real", "low": 0, "high": 1}}', '{"epochs": {"type": "int", "low": 5, "high": 1}}']
        ],
        Case("a file that is no text", lambda w: w.read_search_space(w.model), Fails(Value, "does not contain a search space")),
    ],
    "`octsk.load`": [
        Case("a file that does not exist", lambda w: w.load("absent.octsk"), Fails(FileNotFoundError, "absent.octsk")),
        Case("a folder", lambda w: w.load(w.folder), Fails(IsADirectoryError, "is a folder, not an octsk model")),
        Case("an empty file", lambda w: w.load(changed(w.model, lambda data: b"")), Fails(Value, "cannot be loaded as an octsk model")),
        Case("a file cut off", lambda w: w.load(truncated(w.model)), Fails(Value, "cannot be loaded as an octsk model")),
        Case("a file with a flipped bit in its weights", lambda w: w.load(flipped(w.model, 0.6)), Fails(Value, "cannot be loaded as an octsk model")),
        Case("a file with a flipped bit in its description", lambda w: w.load(flipped(w.model, 0.02)), Fails(Value, "cannot be loaded as an octsk model")),
        Case("a file with a flipped bit in its directory", lambda w: w.load(flipped(w.model, 0.9999)), Fails(Value, "cannot be loaded as an octsk model")),
        Case("an npz file", lambda w: w.load(w.npz), Fails(Value, "cannot be loaded as an octsk model (it is an npz file")),
        Case("a `.keras` file", lambda w: w.load(w.keras), Fails(Value, "cannot be loaded as an octsk model (it is a Keras model; keras.saving.load_model")),
        Case("an `.h5` file", lambda w: w.load(w.h5), Fails(Value, "cannot be loaded as an octsk model (it is an HDF5 file; from_h5")),
        Case("text", lambda w: w.load(w.text), Fails(Value, "cannot be loaded as an octsk model")),
        Case("None", lambda w: w.load(None), Fails(Type, "os.PathLike object")),
        Case("a number", lambda w: w.load(3), Fails(Type, "os.PathLike object")),
    ],
    "`save`": [
        Case("into a folder that does not exist", lambda w: w.net.save(w.folder / "no" / "m.octsk"), Fails(FileNotFoundError, "m.octsk")),
        Case("onto a folder", lambda w: w.net.save(w.folder), Fails(IsADirectoryError, "Is a directory")),
        Case("too few class names", lambda w: w.net.save(w.folder / "m", class_names=["a"]), Fails(Value, "class_names must be 3 names")),
        Case("class names as one text", lambda w: w.net.save(w.folder / "m", class_names="abc"), Fails(Value, "class_names must be 3 names")),
        Case("a net that is not fitted", lambda w: w.Net().save(w.folder / "m"), Fails(NotFitted, "is not fitted yet")),
    ],
    "`from_h5`": [
        Case("the file of a network of this kind", lambda w: w.from_h5(w.h5).predict_proba(w.X), PROBA),
        Case("a file that Keras 3 wrote", lambda w: w.from_h5(w.h5_of_keras3).predict_proba(w.X), PROBA),
        Case("a file that does not exist", lambda w: w.from_h5("absent.h5"), Fails(FileNotFoundError, "absent.h5")),
        Case("a folder", lambda w: w.from_h5(w.folder), Fails(IsADirectoryError, "is a folder, not a Keras .h5 file")),
        Case("an empty file", lambda w: w.from_h5(changed(w.h5, lambda data: b"")), Fails(Value, "is not a Keras .h5 file")),
        Case("a file cut off", lambda w: w.from_h5(truncated(w.h5)), Fails(Value, "is not a Keras .h5 file")),
        Case("a file of octsk", lambda w: w.from_h5(w.model), Fails(Value, "is not a Keras .h5 file: it is a model that octsk saved")),
        Case("a `.keras` file", lambda w: w.from_h5(w.keras), Fails(Value, "is not a Keras .h5 file: it is a Keras model")),
        Case("an npz file", lambda w: w.from_h5(w.npz), Fails(Value, "is not a Keras .h5 file")),
        Case("an `.h5` file of something else", lambda w: w.from_h5(w.other_h5), Fails(Value, "is not a Keras .h5 file")),
        Case("a network of other sizes", lambda w: w.from_h5(w.h5, filters=(5,)), Fails(Value, "do not fit"), slow=True),
        Case("another size of images", lambda w: w.from_h5(w.h5, image_shape=(28, 28, 1)), Fails(Value, "do not fit"), slow=True),
        Case("`image_shape=(12, 12)`", lambda w: w.from_h5(w.h5, image_shape=(12, 12)), Fails(Value, "image_shape must be (h, w, c)")),
        Case("too few classes", lambda w: w.from_h5(w.h5, classes=[0, 1]), Fails(Value, "classes must be 3 different labels")),
        Case("a class twice", lambda w: w.from_h5(w.h5, classes=[0, 1, 1]), Fails(Value, "classes must be 3 different labels")),
        Case("a parameter that does not exist", lambda w: w.from_h5(w.h5, lr=1), Fails(Type, "unexpected keyword argument 'lr'")),
        Case("None", lambda w: w.from_h5(None), Fails(Type, "os.PathLike object")),
    ],
    "`load_medmnist`": [
        Case("a file that does not exist", lambda w: w.load_medmnist("absent.npz"), Fails(FileNotFoundError, "No such file or directory: 'absent.npz'")),
        Case("a folder", lambda w: w.load_medmnist(w.folder), Fails(IsADirectoryError, "is a folder, not an npz file")),
        Case("an empty file", lambda w: w.load_medmnist(changed(w.npz, lambda data: b"")), Fails(Value, "is not a whole npz file")),
        Case("a file cut off", lambda w: w.load_medmnist(truncated(w.npz)), Fails(Value, "is not a whole npz file")),
        Case("a file with a flipped bit in its images", lambda w: w.load_medmnist(flipped(w.npz, 0.3)), Fails(Value, "is not a whole npz file")),
        Case("a file with a flipped bit in its directory", lambda w: w.load_medmnist(flipped(w.npz, 0.95)), Fails(Value, "is not a whole npz file")),
        Case("text", lambda w: w.load_medmnist(w.text), Fails(Value, "is not a whole npz file")),
        Case("a model", lambda w: w.load_medmnist(w.model), Fails(Value, "it is a model that octsk saved; octsk.load reads it")),
        Case("None", lambda w: w.load_medmnist(None), Fails(Type, "os.PathLike object")),
        Case("`split='all'`", lambda w: w.load_medmnist(w.npz, split="all"), Fails(Value, "split must be 'train', 'val', 'test' or None")),
        Case("a split that the file lacks", lambda w: w.load_medmnist(w.pack(val_images=None, val_labels=None), split="val"), Fails(Value, "has no 'val' split; it has train, test")),
        Case("`return_X_y` without a split", lambda w: w.load_medmnist(w.npz, return_X_y=True), Fails(Value, "return_X_y=True needs split")),
        Case("`mmap='r'`", lambda w: w.load_medmnist(w.npz, mmap="r"), Fails(Value, "mmap must be None, True or False")),
        *[
            Case(given, lambda w, make=make: w.load_medmnist(w.pack(**make(w))), Fails(Value, words))
            for given, make, words in [
                ("no arrays of MedMNIST's", lambda w: dict(train_images=None, train_labels=None, val_images=None, val_labels=None, test_images=None, test_labels=None, images=w.X), "does not have MedMNIST's layout"),
                ("images without labels", lambda w: dict(train_labels=None), "has images but no labels for 'train'"),
                ("float images", lambda w: dict(train_images=w.X / 255), "train_images must be uint8 (0 to 255); it is float64"),
                ("16-bit images", lambda w: dict(train_images=w.X.astype("u2")), "train_images must be uint8"),
                ("channels first", lambda w: dict(train_images=np.stack([w.X] * 3, 1)), "train_images must have shape (n, h, w) or (n, h, w, 3)"),
                ("volumes", lambda w: dict(train_images=np.stack([w.X] * 9, 1)), "Volumes are not supported"),
                ("no images, (0, h, w)", lambda w: dict(train_images=w.X[:0], train_labels=w.y[:0]), "train_images is empty"),
                ("one image, (h, w)", lambda w: dict(train_images=w.X[0]), "train_images must have shape"),
                ("too few labels", lambda w: dict(train_labels=w.y[1:]), "train_labels must have shape (40,) or (40, 1)"),
                ("float labels", lambda w: dict(train_labels=w.y * 1.0), "train_labels must be integers; it is float64"),
                ("text labels", lambda w: dict(train_labels=w.y.astype(str)), "train_labels must be integers"),
                ("one-hot labels", lambda w: dict(train_labels=np.eye(3, dtype=int)[w.y]), "train_labels has 3 labels per image"),
                ("too few groups", lambda w: dict(train_groups=w.y[1:]), "train_groups must have shape (40,)"),
                ("groups of which one is empty", lambda w: dict(train_groups=np.where(np.arange(40) == 7, "", "P1")), "train_groups has missing values (NaN, None or the like) at 1 of 40 positions (7)"),
                ("splits of different sizes", lambda w: dict(test_images=w.X[:, 1:]), "the splits have images of different shapes"),
            ]
        ],
        Case("labels that start at 5", lambda w: w.load_medmnist(w.pack(train_labels=w.y + 5)).train.target, Works("the same labels as in the file", lambda w, y: np.array_equal(y, w.y + 5))),
        Case("Fortran-ordered images", lambda w: w.load_medmnist(w.pack(train_images=np.asfortranarray(w.X))).train.data, IMAGES),
        Case("Fortran-ordered images with `mmap=True`", lambda w: w.load_medmnist(w.pack(train_images=np.asfortranarray(w.X)), mmap=True), Fails(Value, "load it with mmap=False")),
    ],
    "`fetch_medmnist`": [
        Case("a set that does not exist", lambda w: w.fetch("octnist"), Fails(Value, "name must be one of")),
        Case("a set with several labels per image", lambda w: w.fetch("chestmnist"), Fails(Value, "several labels per image")),
        Case("`size=30`", lambda w: w.fetch(size=30), Fails(Value, "size must be one of 28, 64, 128, 224; got 30")),
        Case("`size='28'`", lambda w: w.fetch(size="28"), Fails(Value, "size must be one of 28, 64, 128, 224; got '28'")),
        Case("`mirror='ftp://a'`", lambda w: w.fetch(mirror="ftp://a"), Fails(Value, "mirror must be an https:// or http:// address")),
        Case("`n_retries=-1`", lambda w: w.fetch(n_retries=-1), Fails(Value, "n_retries must be a whole number")),
        Case("`delay=-1`", lambda w: w.fetch(delay=-1), Fails(Value, "delay must be 0 or more seconds")),
        Case("a data home that is a file", lambda w: w.fetch(data_home=w.text), Fails(OSError, "data_home")),
        Case("a file in the cache that is no npz file", lambda w: w.fetch(data_home=w.broken_home), Fails(Value, "is not a whole npz file")),
    ],
    "`load_image_files`": [
        Case("colour, transparent, 16-bit and palette files", lambda w: w.load_image_files(w.modes, size=12), Works("the same grey image from each", lambda w, X: len(X) == 5 and all(close(x, w.X[0]) for x in X))),
        Case("a file of one pixel", lambda w: w.load_image_files(w.picture("1", 0, (1, 1))), Works("a constant image", lambda w, X: X.shape == (1, 28, 28) and not X.any())),
        Case("a file that does not exist", lambda w: w.load_image_files("absent.png"), Fails(FileNotFoundError, "absent.png")),
        Case("a folder without images", lambda w: w.load_image_files(w.broken_home), Fails(Value, "no image file in")),
        Case("a folder among files", lambda w: w.load_image_files([w.scan, w.folder]), Fails(Value, "is a folder; pass it alone")),
        Case("an empty list", lambda w: w.load_image_files([]), Fails(Value, "paths is empty; it must contain")),
        Case("None", lambda w: w.load_image_files(None), Fails(Type, "paths must be a path")),
        Case("an array of images", lambda w: w.load_image_files(w.X, size=12), IMAGES),
        Case("floats from 0 to 1", lambda w: w.load_image_files(w.X / 255, size=12), IMAGES),
        Case("Pillow images", lambda w: w.load_image_files(pictures(w.X), size=12), IMAGES),
        Case("the bytes of a file", lambda w: w.load_image_files(w.scan.read_bytes()), Works("the same image", lambda w, X: np.array_equal(X, w.load_image_files(w.scan)))),
        Case("a number", lambda w: w.load_image_files(3), Fails(Type, "paths must be a path")),
        Case("a file open as text", lambda w: w.load_image_files(io.StringIO("text")), Fails(Value, "open it in binary mode")),
        Case("one file among many that is broken", lambda w: w.load_image_files([w.scan, truncated(w.scan)], on_error="skip"), Works("the others, and a warning", lambda w, X: len(X) == 1)),
        Case("nothing but broken files, and `on_error='skip'`", lambda w: w.load_image_files([truncated(w.scan), "absent.png"], on_error="skip"), Fails(Value, "2 of 2 image files cannot be read")),
        Case("`on_error='ignore'`", lambda w: w.load_image_files(w.scan, on_error="ignore"), Fails(Value, "on_error must be 'raise' or 'skip'")),
        Case("`bit_depth=17`", lambda w: w.load_image_files(w.scan, bit_depth=17), Fails(Value, "bit_depth must be None or 1 to 16")),
        Case("`bit_depth=12` for 16-bit pixels", lambda w: w.load_image_files(w.modes, bit_depth=12), Fails(Value, "bit_depth=12 does not fit images with pixels up to")),
        Case("an empty file", lambda w: w.load_image_files(changed(w.scan, lambda data: b"")), Fails(Value, "is not an image in PNG, JPEG, TIFF, BMP format")),
        Case("text called `.png`", lambda w: w.load_image_files(changed(w.scan, lambda data: b"hello")), Fails(Value, "is not an image in PNG")),
        Case("a PNG file cut off", lambda w: w.load_image_files(truncated(w.scan)), Fails(Value, "cannot be read as an image")),
        Case("a PNG file with a flipped bit", lambda w: w.load_image_files(flipped(w.scan)), Fails(Value, "cannot be read as an image")),
        Case("a JPEG file cut off", lambda w: w.load_image_files(truncated(w.jpeg)), Fails(Value, "cannot be read as an image")),
        Case("a GIF file", lambda w: w.load_image_files(w.gif), Fails(Value, "is not an image in PNG, JPEG, TIFF, BMP format")),
        Case("a TIFF file of several pages, in memory", lambda w: w.load_image_files(w.pages.read_bytes()), Fails(Value, "2 pages; save each as a file of its own")),
        Case("a TIFF file of floats", lambda w: w.load_image_files(w.picture("F", 0.5)), Fails(Value, "32-bit pixels have no defined range")),
        Case("`size=0`", lambda w: w.load_image_files(w.scan, size=0), Fails(Value, "size must be a whole number of pixels")),
        Case("`size=(28, 28)`", lambda w: w.load_image_files(w.scan, size=(28, 28)), Fails(Value, "size must be a whole number of pixels")),
        Case("`channels=2`", lambda w: w.load_image_files(w.scan, channels=2), Fails(Value, "channels must be 1 (grey) or 3 (RGB)")),
    ],
    "`make_oct_phantoms`": [
        Case("one image", lambda w: w.phantoms(1), Works("one image", lambda w, d: d.data.shape == (1, 28, 28))),
        Case("a class with weight 0", lambda w: w.phantoms(40, weights=[1, 0, 0, 1]), Works("no image of this class", lambda w, d: set(d.target) == {0, 3})),
        *[
            Case(f"`{given}`", lambda w, params=params: w.phantoms(**params), Fails(error, words))
            for given, params, error, words in [
                ("n_samples=0", dict(n_samples=0), Value, "n_samples == 0, must be >= 1"),
                ("n_samples=2.5", dict(n_samples=2.5), Type, "n_samples must be an instance of"),
                ("n_samples='9'", dict(n_samples="9"), Type, "n_samples must be an instance of"),
                ("size=4", dict(size=4), Value, "size == 4, must be >= 8"),
                ("size=(28, 28)", dict(size=(28, 28)), Type, "size must be an instance of"),
                ("weights=[1, 1, 1]", dict(weights=[1, 1, 1]), Value, "weights must be None or 4 non-negative numbers that are not all 0"),
                ("weights=[1, 1, 1, -1]", dict(weights=[1, 1, 1, -1]), Value, "weights must be None or 4 non-negative numbers that are not all 0"),
                ("weights=[0, 0, 0, 0]", dict(weights=[0] * 4), Value, "weights must be None or 4 non-negative numbers that are not all 0"),
                ("weights=[1, 1, 1, nan]", dict(weights=[1, 1, 1, np.nan]), Value, "weights must be None or 4 non-negative numbers that are not all 0"),
                ("weights='even'", dict(weights="even"), Value, "weights must be None or 4 non-negative numbers that are not all 0"),
                ("random_state='a'", dict(random_state="a"), Value, "'a' cannot be used to seed"),
            ]
        ],
    ],
    "`corrupt`": [
        Case("a memory-mapped array", lambda w: w.corrupt(w.mapped), CORRUPTED),
        Case("one channel, (n, h, w, 1)", lambda w: w.corrupt(w.X[..., None]), CORRUPTED),
        Case("flattened images", lambda w: w.corrupt(flat(w.X)), CORRUPTED),
        *[
            Case(given, lambda w, make=make: w.corrupt(make(w)), Fails(Value, words))
            for given, make, words in [
                ("floats from 0 to 1", lambda w: w.X / 255, "images has dtype float64, but images to corrupt must be uint8 (0 to 255)"),
                ("floats from 0 to 255", lambda w: w.X * 1.0, "images holds floats from 0 to"),
                ("int16 from 0 to 255", lambda w: w.X.astype(np.int16), "images has dtype int16, but images to corrupt must be uint8 (0 to 255)"),
                ("four channels", lambda w: np.stack([w.X] * 4, -1), "images has 4 channels, but images to corrupt must have 1 (grey) or 3 (colour)"),
                ("no images, (0, h, w)", lambda w: w.X[:0], "0 sample(s) (shape=(0, 12, 12))"),
                ("a path", lambda w: "scan.png", "images must be an array of images"),
            ]
        ],
        Case("`name='rain'`", lambda w: w.corrupt(name="rain"), Fails(Value, "name must be one of ['brightness', ")),
        Case("`severity=0`", lambda w: w.corrupt(severity=0), Fails(Value, "severity == 0, must be >= 1")),
        Case("`severity=6`", lambda w: w.corrupt(severity=6), Fails(Value, "severity == 6, must be <= 5")),
        Case("`severity=2.5`", lambda w: w.corrupt(severity=2.5), Fails(Type, "severity must be an instance of int")),
    ],
    "`run_benchmark` and its files": [
        Case("float images to corrupt", lambda w: w.run_benchmark({"train": {}, "test": {"data": w.X / 255}}, corruptions=True), Fails(Value, "dataset.test.data has dtype float64, but images to corrupt must be uint8")),
        Case("a data set without a test split", lambda w: w.run_benchmark(w.load_medmnist(w.pack(test_images=None, test_labels=None))), Fails(Value, "dataset must have a test split")),
        Case("arrays, not a data set", lambda w: w.run_benchmark(w.X), Fails(Type, "dataset must be a Bunch")),
        Case("no nets", lambda w: w.run_benchmark(w.load_medmnist(w.npz), nets={}), Fails(Value, "estimators must name at least one")),
        Case("no seeds", lambda w: w.run_benchmark(w.load_medmnist(w.npz), seeds=[]), Fails(Value, "seeds must be one or more different integers")),
        Case("`from_json` of a file that does not exist", lambda w: w.from_json(w.folder / "absent.json"), Fails(FileNotFoundError, "absent.json")),
        Case("`from_json` of a file that is no JSON", lambda w: w.from_json(w.text), Fails(Value, "is damaged or not a JSON file")),
        Case("`from_json` of another JSON file", lambda w: w.from_json(w.other_json), Fails(Value, "is not a benchmark report")),
        Case("`from_json` of a report cut off", lambda w: w.from_json(truncated(w.json)), Fails(Value, "is damaged or not a JSON file")),
    ],
    "`octsk benchmark`": [
        *commands(
            "benchmark",
            ('a file that does not exist', '--data absent.npz ', 1, 'absent.npz: No such file or directory'),
            ('a folder without splits or patients', '--data . ', 1, 'has no splits, and the patients'),
            ('a file that is no npz file', '--data notes.txt ', 1, 'notes.txt is not a whole npz file'),
            ('a file cut off', '--data cut.npz ', 1, 'cut.npz is not a whole npz file'),
            ('a model', '--data small.octsk ', 1, "it is a model that octsk saved; octsk.load reads it"),
            ('two sources of data', '--data clinic.npz --phantoms ', 2, 'are mutually exclusive'),
            ('a size for a file', '--data clinic.npz --size 64 ', 2, '--size cannot be used with an npz file'),
            ('a set that does not exist', '--dataset octnist ', 1, 'name must be one of'),
            ('a size that does not exist', '--dataset octmnist --size 30 ', 1, 'size must be one of 28, 64, 128, 224'),
            ('phantoms of 4 pixels', '--phantoms --size 4 ', 1, 'size == 4, must be >= 8'),
            ('a net that does not exist', '--data clinic.npz --net huge ', 2, "'huge' is not one of 'small', 'medium', 'large', 'residual'"),
            ('no epochs', '--data clinic.npz --epochs 0 ', 2, "'0' is neither a whole number from 1 on nor 'auto'"),
            ('a negative number of epochs', '--data clinic.npz --epochs -2 ', 2, "'-2' is neither a whole number from 1 on nor 'auto'"),
            ('epochs that are no number', '--data clinic.npz --epochs many ', 2, "'many' is neither a whole number from 1 on nor 'auto'"),
            ('batches of no images', '--data clinic.npz --batch-size 0 ', 2, "Invalid value for '--batch-size'"),
            ('a negative seed', '--data clinic.npz --seed -1 ', 2, "Invalid value for '--seed'"),
            ('an optimizer that does not exist', '--data clinic.npz --optimizer warp ', 1, 'optimizer must be one of'),
            ('class weights that do not exist', '--data clinic.npz --class-weight equal ', 2, "'equal' is not one of 'balanced'"),
            ('no seeds', '--data clinic.npz --seeds 0', 2, "Invalid value for '--seeds'"),
            ('an output folder with files in it', '--data clinic.npz --output scans', 1, 'scans already contains files'),
            ('an output folder that is a file', '--data clinic.npz --output notes.txt', 1, 'notes.txt is not a folder'),
            ('a file without a test split', '--data train.npz', 1, 'dataset must have a test split'),
            ('an option that does not exist', '--nosuch', 2, 'No such option: --nosuch'),
        ),
    ],
    "`octsk train`": [
        *commands(
            "train",
            ('a file that does not exist', '--data absent.npz -o m.octsk', 1, 'absent.npz: No such file or directory'),
            ('a folder without splits or patients', '--data . -o m.octsk', 1, 'has no splits, and the patients'),
            ('a file that is no npz file', '--data notes.txt -o m.octsk', 1, 'notes.txt is not a whole npz file'),
            ('a file cut off', '--data cut.npz -o m.octsk', 1, 'cut.npz is not a whole npz file'),
            ('a model', '--data small.octsk -o m.octsk', 1, "it is a model that octsk saved; octsk.load reads it"),
            ('two sources of data', '--data clinic.npz --phantoms -o m.octsk', 2, 'are mutually exclusive'),
            ('a size for a file', '--data clinic.npz --size 64 -o m.octsk', 2, '--size cannot be used with an npz file'),
            ('a set that does not exist', '--dataset octnist -o m.octsk', 1, 'name must be one of'),
            ('a size that does not exist', '--dataset octmnist --size 30 -o m.octsk', 1, 'size must be one of 28, 64, 128, 224'),
            ('phantoms of 4 pixels', '--phantoms --size 4 -o m.octsk', 1, 'size == 4, must be >= 8'),
            ('a net that does not exist', '--data clinic.npz --net huge -o m.octsk', 2, "'huge' is not one of 'small', 'medium', 'large', 'residual'"),
            ('no epochs', '--data clinic.npz --epochs 0 -o m.octsk', 2, "'0' is neither a whole number from 1 on nor 'auto'"),
            ('a negative number of epochs', '--data clinic.npz --epochs -2 -o m.octsk', 2, "'-2' is neither a whole number from 1 on nor 'auto'"),
            ('epochs that are no number', '--data clinic.npz --epochs many -o m.octsk', 2, "'many' is neither a whole number from 1 on nor 'auto'"),
            ('batches of no images', '--data clinic.npz --batch-size 0 -o m.octsk', 2, "Invalid value for '--batch-size'"),
            ('a negative seed', '--data clinic.npz --seed -1 -o m.octsk', 2, "Invalid value for '--seed'"),
            ('an optimizer that does not exist', '--data clinic.npz --optimizer warp -o m.octsk', 1, 'optimizer must be one of'),
            ('class weights that do not exist', '--data clinic.npz --class-weight equal -o m.octsk', 2, "'equal' is not one of 'balanced'"),
            ('no output', '--data clinic.npz', 2, "Missing option '--output'"),
            ('an output that is a folder', '--data clinic.npz -o scans', 2, 'is a directory'),
            ('an output in a file', '--data clinic.npz -o notes.txt/m.octsk', 1, 'notes.txt: File exists'),
            ('a file without a train split', '--data test.npz -o m.octsk', 1, "test.npz has no 'train' split; it has test"),
            ('one class', '--data one.npz -o m.octsk', 1, 'y has only one class'),
        ),
    ],
    "`octsk tune`": [
        *commands(
            "tune",
            ('a file that does not exist', '--data absent.npz ', 1, 'absent.npz: No such file or directory'),
            ('a folder without splits or patients', '--data . ', 1, 'has no splits, and the patients'),
            ('a file that is no npz file', '--data notes.txt ', 1, 'notes.txt is not a whole npz file'),
            ('a file cut off', '--data cut.npz ', 1, 'cut.npz is not a whole npz file'),
            ('a model', '--data small.octsk ', 1, "it is a model that octsk saved; octsk.load reads it"),
            ('two sources of data', '--data clinic.npz --phantoms ', 2, 'are mutually exclusive'),
            ('a size for a file', '--data clinic.npz --size 64 ', 2, '--size cannot be used with an npz file'),
            ('a set that does not exist', '--dataset octnist ', 1, 'name must be one of'),
            ('a size that does not exist', '--dataset octmnist --size 30 ', 1, 'size must be one of 28, 64, 128, 224'),
            ('phantoms of 4 pixels', '--phantoms --size 4 ', 1, 'size == 4, must be >= 8'),
            ('no trials', '--data clinic.npz --trials 0', 2, "Invalid value for '--trials'"),
            ('one fold', '--data clinic.npz --folds 1', 2, "Invalid value for '--folds'"),
            ('more folds than images of a class', '--data clinic.npz --folds 30 --trials 1 --storage s.journal', 1, 'n_splits=30 cannot be greater'),
            ('a search space that does not exist', '--data clinic.npz --search-space absent.json', 1, 'absent.json: No such file'),
            ('a search space that is no JSON', '--data clinic.npz --search-space notes.txt', 1, 'does not contain a search space'),
            ('a search space of a parameter that does not exist', '--data clinic.npz --search-space other.json --storage s.journal', 1, "'lr'"),
            ('a pruner that does not exist', '--data clinic.npz --pruner best', 2, "'best' is not one of 'median', 'hyperband'"),
            ('a pruner and a cost', '--data clinic.npz --pruner median --cost fit_time --storage s.journal', 1, 'Set only one of them'),
            ('a storage that is a folder', '--data clinic.npz --storage scans', 1, 'scans: Is a directory'),
            ('a storage that is another file', '--data clinic.npz --storage notes.txt', 1, 'is a file, but not an Optuna journal'),
            ('a storage in a database that does not exist', '--data clinic.npz --storage sqlite:////nowhere/s.db', 1, 'cannot be used: unable to open database file', True),
            ('a storage of an unknown kind', '--data clinic.npz --storage ftp://a/b', 1, "storage='ftp://a/b' needs a driver"),
        ),
    ],
    "`octsk evaluate`": [
        *commands(
            "evaluate",
            ('a file that does not exist', 'small.octsk --data absent.npz ', 1, 'absent.npz: No such file or directory'),
            ('an empty folder', 'small.octsk --data empty ', 1, 'no image file in the folders of empty'),
            ('a file that is no npz file', 'small.octsk --data notes.txt ', 1, 'notes.txt is not a whole npz file'),
            ('a file cut off', 'small.octsk --data cut.npz ', 1, 'cut.npz is not a whole npz file'),
            ('a model', 'small.octsk --data small.octsk ', 1, "it is a model that octsk saved; octsk.load reads it"),
            ('two sources of data', 'small.octsk --data clinic.npz --phantoms ', 2, 'are mutually exclusive'),
            ('a size for a file', 'small.octsk --data clinic.npz --size 64 ', 2, '--size cannot be used with an npz file'),
            ('a set that does not exist', 'small.octsk --dataset octnist ', 1, 'name must be one of'),
            ('a size that does not exist', 'small.octsk --dataset octmnist --size 30 ', 1, 'size must be one of 28, 64, 128, 224'),
            ('phantoms of 4 pixels', 'small.octsk --phantoms --size 4 ', 1, 'size == 4, must be >= 8'),
            ('a model that does not exist', 'absent.octsk --data clinic.npz', 1, 'absent.octsk: No such file or directory'),
            ('a folder as model', 'scans --data clinic.npz', 1, 'scans is a folder, not an octsk model: it holds images'),
            ('a model that is no model', 'clinic.npz --data clinic.npz', 1, 'cannot be loaded as an octsk model'),
            ('a model cut off', 'cut.octsk --data clinic.npz', 1, 'cannot be loaded as an octsk model'),
            ('images of another size', 'small.octsk --data large.npz', 1, 'images of shape 28 x 28 x 1 are expected', True),
            ('a split that the file lacks', 'small.octsk --data train.npz', 1, "has no 'test' split; it has train"),
            ('a split that does not exist', 'small.octsk --data clinic.npz --split all', 2, "'all' is not one of 'train', 'val', 'test'"),
            ('classes that the model does not know', 'small.octsk --data more.npz', 1, 'y holds classes [9]', True),
            ('an output that is a file', 'small.octsk --data clinic.npz -o notes.txt', 2, "'notes.txt' is a file"),
        ),
    ],
    "`octsk predict`": [
        *commands(
            "predict",
            ('no images', 'small.octsk', 2, "Missing argument 'INPUT"),
            ('a model that does not exist', 'absent.octsk scans', 1, 'absent.octsk: No such file or directory'),
            ('a model cut off', 'cut.octsk scans', 1, 'cannot be loaded as an octsk model'),
            ('a file that does not exist', 'small.octsk absent.png', 1, 'absent.png: No such file or directory', True),
            ('a folder that does not exist', 'small.octsk absent', 1, 'absent: No such file or directory', True),
            ('a folder without images', 'small.octsk empty', 1, 'no image file in empty', True),
            ('two folders', 'small.octsk scans scans', 1, 'scans is a folder; pass it alone', True),
            ('a file that is no image', 'small.octsk notes.txt', 1, 'notes.txt is not an image', True),
            ('an npz file that does not exist', 'small.octsk absent.npz', 1, 'absent.npz: No such file or directory', True),
            ('an npz file without images', 'small.octsk arrays.npz', 1, "has neither 'images' nor 'test_images'", True),
            ('an npz file cut off', 'small.octsk cut.npz', 1, 'cut.npz is not a whole npz file', True),
            ('an npz file and an image', 'small.octsk clinic.npz scans/a.png', 1, 'clinic.npz is not an image', True),
            ('images of another size', 'small.octsk large.npz', 1, 'images of shape 28 x 28 x 1 are expected', True),
            ('a split that the file lacks', 'small.octsk train.npz', 1, "neither 'images' nor 'test_images'", True),
            ('an output that is a folder', 'small.octsk scans -o scans', 2, 'is a directory'),
        ),
    ],
    "`octsk fetch`": [
        *commands(
            "fetch",
            ('a set that does not exist', 'octnist', 1, 'name must be one of'),
            ('a set with several labels per image', 'chestmnist', 1, 'several labels per image'),
            ('a size that does not exist', '--size 30', 1, 'size must be one of 28, 64, 128, 224'),
            ('a size that is no number', '--size big', 2, "Invalid value for '--size'"),
            ('a data home that is a file', '--data-home notes.txt', 1, 'error: data_home: the folder notes.txt cannot be created'),
            ('a file in the data home that is none', '--data-home broken', 1, 'is not a whole npz file'),
        ),
    ],
    "`octsk info`": [
        *commands(
            "info",
            ('an option that does not exist', '--nosuch', 2, 'No such option: --nosuch'),
            ('an argument', 'octmnist', 2, 'unexpected extra argument'),
            ('a data home that is a file', '--data-home notes.txt', 1, 'notes.txt: Not a directory'),
        ),
    ],
}
