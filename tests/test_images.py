import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from sklearn.base import BaseEstimator
from sklearn.exceptions import DataConversionWarning

from octsk.utils.validation import (
    check_column,
    check_images,
    check_lengths,
    to_batch,
    to_unit,
    validate_images,
)


def grey(n=3, height=5, width=7):
    return np.arange(n * height * width, dtype=np.uint8).reshape(n, height, width)


@pytest.mark.parametrize(
    ("X", "shape"),
    [
        (grey(), (3, 5, 7, 1)),
        (grey()[..., None], (3, 5, 7, 1)),
        (np.zeros((2, 5, 7, 3), np.uint8), (2, 5, 7, 3)),
        (np.zeros((2, 5, 7, 4), np.uint8), (2, 5, 7, 4)),
        (np.zeros((2, 49), np.uint8), (2, 7, 7, 1)),
        (np.zeros((2, 3 * 49), np.uint8), (2, 7, 7, 3)),
        (grey().tolist(), (3, 5, 7, 1)),
        (list(grey()), (3, 5, 7, 1)),
    ],
)
def test_layouts(X, shape):
    images = check_images(X)
    assert images.shape == shape
    np.testing.assert_array_equal(images.ravel(), np.ravel(X))


def test_flattened_images_of_a_known_shape_need_not_be_square():
    X = np.arange(70).reshape(2, 35)
    images = check_images(X, image_shape=(5, 7, 1))
    np.testing.assert_array_equal(images[..., 0], X.reshape(2, 5, 7))


def read_only(X):
    X = X.copy()
    X.flags.writeable = False
    return X


def memory_mapped(X, path):
    np.save(path, X)
    return np.load(path, mmap_mode="r")


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
@pytest.mark.parametrize(
    "keep", ["C", "F", "every second", "reversed", "read-only", "memory-mapped"]
)
def test_pixels_are_not_copied(keep, dtype, tmp_path):
    X = grey(6).astype(dtype) if dtype != np.float32 else (grey(6) / 255).astype(dtype)
    X = {
        "C": lambda: X,
        "F": lambda: np.asfortranarray(X),
        "every second": lambda: X[::2, :, ::2],
        "reversed": lambda: X[:, :, ::-1],
        "read-only": lambda: read_only(X),
        "memory-mapped": lambda: memory_mapped(X, tmp_path / "X.npy"),
    }[keep]()
    images = check_images(X)
    assert np.shares_memory(images, X)
    assert images.dtype == dtype
    np.testing.assert_array_equal(images[..., 0], X)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_checking_takes_no_memory(dtype):
    X = np.zeros((2_000, 28, 28), dtype)
    tracemalloc.start()
    check_images(X)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < X.nbytes / 10


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", ">u2", "i4", ">i8", "u8"])
def test_integer_images_are_0_to_255(dtype):
    X = np.array([[[0, 1, 100, 127]]], dtype=dtype)
    batch = to_batch(check_images(X))
    assert batch.dtype == np.uint8
    np.testing.assert_array_equal(batch[..., 0], X)
    np.testing.assert_allclose(to_unit(batch)[..., 0], X / 255, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", ">f4"])
def test_float_images_are_0_to_1(dtype):
    X = np.array([[[0, 0.25, 0.5, 1]]], dtype=dtype)
    batch = to_batch(check_images(X))
    assert batch.dtype == np.float32
    assert batch.dtype.isnative
    np.testing.assert_array_equal(to_unit(batch)[..., 0], X)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_batches_of_these_dtypes_are_views(dtype):
    images = check_images(np.zeros((2, 3, 3), dtype))
    assert np.shares_memory(to_batch(images), images)


def test_objects_are_read_as_numbers():
    X = grey() / 255
    np.testing.assert_array_equal(check_images(X.astype(object)), check_images(X))


def test_floats_may_be_off_by_rounding_alone():
    check_images(np.full((1, 3, 3), 1 + 5e-7))
    check_images(np.full((1, 3, 3), -5e-7))
    for outside in (1.00001, -0.00001):
        with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
            check_images(np.full((1, 3, 3), outside))


WRONG = {
    "floats of 0 to 255": (
        grey() * 1.0,
        r"floats from 0 to 104.*Divide 0-255 images by 255",
    ),
    "negative": (
        grey() / -255,
        r"floats from -0.407843 to -0.*\[0, 1\]. Pass images as they were before",
    ),
    "16 bits": (
        np.full((1, 5, 5), 40_000, np.uint16),
        r"integers from 40000 to 40000.*\(X // 257\).astype\('uint8'\)",
    ),
    "256": (np.full((1, 5, 5), 256), "integers from 256 to 256; .* lie in 0 to 255"),
    "negative integers": (
        np.full((1, 5, 5), -1),
        "integers from -1 to -1; .*255. Shift and rescale them first.$",
    ),
    "bytes with a sign": (
        np.full((1, 5, 5), -1, np.int8),
        r"If bytes were read with a sign, X\.view\('uint8'\) mends it",
    ),
    "a data set": ({"data": grey()}, "got a dict; pass its 'data'"),
    "a path": ("scans.npz", "the path 'scans.npz'; octsk.load_image_files reads"),
    "bool": (grey() > 9, "dtype bool; images are uint8 .0 to 255. or float .0 to 1."),
    "complex": (grey() * 1j, "[Cc]omplex"),
    "text": (grey().astype(str), "X has dtype <U3"),
    "NaN": (np.where(grey() == 9, np.nan, 0.5), "X holds NaN"),
    "inf": (np.where(grey() == 9, np.inf, 0.5), "X holds infinite values"),
    "one number": (np.uint8(3), "X must be an array of images; got np.uint8.3."),
    "one row": (np.zeros(49, np.uint8), "X has one dimension"),
    "five dimensions": (
        grey()[..., None, None],
        r"X has 5 dimensions \(3, 5, 7, 1, 1\); images are \(n, h, w\)",
    ),
    "grey channel first": (
        np.zeros((2, 1, 28, 28), np.uint8),
        r"28 channels.*channels first: numpy.moveaxis\(X, 1, -1\)",
    ),
    "colour channels first": (np.zeros((2, 3, 28, 28), np.uint8), "moveaxis"),
    "five channels": (
        np.zeros((2, 28, 28, 5), np.uint8),
        "5 channels.*at most 4 channels.$",
    ),
    "not square": (
        np.zeros((2, 28 * 27), np.uint8),
        "756 features, which is no flattened square image.*not square as",
    ),
    "no image": (np.zeros((0, 28, 28), np.uint8), "0 sample"),
    "no row": (np.zeros((2, 0, 28), np.uint8), "shape 0 x 28 x 1: no pixels"),
    "no column, float": (np.zeros((2, 28, 0)), "shape 28 x 0 x 1: no pixels"),
    "ragged": ([[[0, 1]], [[0, 1], [2, 3]]], "inhomogeneous"),
}


@pytest.mark.parametrize(("X", "message"), WRONG.values(), ids=WRONG)
def test_what_is_no_image_array(X, message):
    with pytest.raises(ValueError, match=message):
        check_images(X)


def test_sparse_is_refused():
    with pytest.raises(TypeError, match="Sparse"):
        check_images(scipy.sparse.csr_array(np.eye(49)))


def test_errors_name_the_argument():
    with pytest.raises(ValueError, match=r"^X_val holds floats.*pass them as uint8"):
        check_images(grey() * 1.0, name="X_val")
    with pytest.raises(ValueError, match="X_val holds NaN"):
        check_images(np.full((1, 3, 3), np.nan), name="X_val")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (grey(3, 7, 5), "shape 7 x 5 x 1, but images of shape 5 x 7 x 1 are expected"),
        (np.zeros((3, 5, 7, 3), np.uint8), "shape 5 x 7 x 3, but"),
        (np.zeros((3, 36), np.uint8), "36 features, but .* shape 5 x 7 x 1 have 35"),
    ],
)
def test_other_shape_than_expected(X, message):
    with pytest.raises(ValueError, match=message):
        check_images(X, image_shape=(5, 7, 1))


class Anything(BaseEstimator):
    pass


@pytest.mark.parametrize(
    ("image_shape", "one"),
    [((5, 7, 1), (5, 7)), ((5, 7, 1), (5, 7, 1)), ((5, 7, 3), (5, 7, 3))],
)
def test_one_image_is_no_set(image_shape, one):
    estimator = Anything()
    validate_images(estimator, np.zeros((2, *image_shape), np.uint8), reset=True)
    with pytest.raises(ValueError, match=r"that of one image; .* X\[np.newaxis\]"):
        validate_images(estimator, np.zeros(one, np.uint8), reset=False)


def test_rows_of_colour_images_are_no_image():
    estimator = Anything()
    validate_images(estimator, np.zeros((2, 5, 7, 3), np.uint8), reset=True)
    # Five rows of seven numbers are no grey image either, where images are colour.
    with pytest.raises(ValueError, match=r"7 features.*expecting 105"):
        validate_images(estimator, np.zeros((5, 7), np.uint8), reset=False)


@pytest.mark.parametrize(
    "y", [[0, 1, 2], [0.0, 1.0], ["a", "b"], [b"a", b"b"], np.array(["a", "b"], object)]
)
def test_labels(y):
    np.testing.assert_array_equal(check_column(y), y)


def test_columns_of_labels():
    column = np.array([[0], [1]])
    with pytest.warns(DataConversionWarning):
        np.testing.assert_array_equal(check_column(column), [0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(check_column(column, warn=False), [0, 1])


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.eye(3), r"^t has shape \(3, 3\); .*One-hot rows .* by t\.argmax\(axis=1\)"),
        (np.eye(2), "One-hot"),
        (np.array([1j, 2]), "^t holds complex numbers"),
        ([1, 2j], "^t holds complex numbers"),
        ([1, "a"], "^t mixes labels of several kinds"),
        (np.array([1, "a"], object), "^t mixes labels of several kinds"),
        (["a", None], "^t mixes labels of several kinds"),
    ],
)
def test_what_are_no_labels(y, message):
    with pytest.raises(ValueError, match=message):
        check_column(y, "t")


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (grey(), [0, 1], "^X has 3 images and y 2 entries; each image needs one"),
        ("scans.npz", [0], "^X must be an array of images; got the path"),
        (3, [0], "^X must be an array of images; got 3"),
    ],
)
def test_a_label_for_each_image(X, y, message):
    check_lengths(grey(), [0, 1, 2])
    with pytest.raises(ValueError, match=message):
        check_lengths(X, y)


def test_shape_is_remembered():
    estimator = Anything()
    # Three images of 5 x 7: the second axis is not the number of features.
    validate_images(estimator, grey(), reset=True)
    assert estimator.image_shape_ == (5, 7, 1)
    assert estimator.n_features_in_ == 35
    assert validate_images(estimator, grey(9), reset=False).shape == (9, 5, 7, 1)
    flat = validate_images(estimator, grey().reshape(3, 35), reset=False)
    np.testing.assert_array_equal(flat[..., 0], grey())
    with pytest.raises(ValueError, match=r"36 features.*expecting 35"):
        validate_images(estimator, np.zeros((3, 36), np.uint8), reset=False)
    # scikit-learn's own validation accepts any width here.
    with pytest.raises(ValueError, match="shape 5 x 8 x 1"):
        validate_images(estimator, grey(3, 5, 8), reset=False)
    assert estimator.image_shape_ == (5, 7, 1)


def test_columns_of_a_data_frame_are_remembered():
    frame = pd.DataFrame(grey(4, 3, 3).reshape(4, 9), columns=[f"p{i}" for i in range(9)])
    estimator = Anything()
    images = validate_images(estimator, frame, reset=True)
    assert images.dtype == np.uint8
    assert images.shape == (4, 3, 3, 1)
    assert list(estimator.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="feature names"):
        validate_images(estimator, frame[frame.columns[::-1]], reset=False)
    validate_images(estimator, grey(), reset=True)
    assert not hasattr(estimator, "feature_names_in_")


def test_failed_check_leaves_the_estimator_alone():
    estimator = Anything()
    with pytest.raises(ValueError, match="must lie in"):
        validate_images(estimator, grey() * 1.0, reset=True)
    assert not vars(estimator)
