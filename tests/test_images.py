import re
import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from PIL import Image
from sklearn.base import BaseEstimator

from octsk.utils.validation import (
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
        r"floats from -0.407843 to -0.*\[0, 1\]. Pass the images before",
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
        r"If bytes were read as signed, X\.view\('uint8'\) corrects them",
    ),
    "a data set": ({"data": grey()}, "got a dict; pass its 'data'"),
    "a path": ("scans.npz", "the path 'scans.npz'; octsk.load_image_files reads"),
    "bool": (grey() > 9, "dtype bool; images must be uint8 .0 to 255. or float .0 to 1."),
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
        "756 features, which are not those of a flattened square image.*not square as",
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
    with pytest.raises(ValueError, match=r"that of a single image; pass X\[np.newaxis\]"):
        validate_images(estimator, np.zeros(one, np.uint8), reset=False)


def test_rows_of_colour_images_are_no_image():
    estimator = Anything()
    validate_images(estimator, np.zeros((2, 5, 7, 3), np.uint8), reset=True)
    # Five rows of seven numbers are no grey image either, where images are colour.
    with pytest.raises(ValueError, match=r"7 features.*expecting 105"):
        validate_images(estimator, np.zeros((5, 7), np.uint8), reset=False)


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


def of_pandas(rows, names):
    return pd.DataFrame(rows, columns=names)


def of_nullable_pandas(rows, names):
    return pd.DataFrame(rows, columns=names).astype("UInt8")


def of_polars(rows, names):
    return pytest.importorskip("polars").DataFrame(rows, schema=names)


def of_pyarrow(rows, names):
    return pytest.importorskip("pyarrow").table(list(rows.T), names=names)


def of_narwhals(rows, names):
    return pytest.importorskip("narwhals").from_native(of_polars(rows, names))


@pytest.mark.parametrize(
    "make", [of_pandas, of_nullable_pandas, of_polars, of_pyarrow, of_narwhals]
)
@pytest.mark.parametrize("name", ["X", "X_val"])
def test_data_frames_are_checked_as_scikit_learn_does(make, name):
    rows, names = grey(4, 3, 3).reshape(4, 9), [f"p{i}" for i in range(9)]
    estimator = Anything()
    validate_images(estimator, make(rows, names), reset=True)
    assert list(estimator.feature_names_in_) == names

    def check(X):
        return validate_images(estimator, X, reset=False, name=name)

    images = check(make(rows, names))
    assert images.dtype.kind in "iu"
    np.testing.assert_array_equal(images.reshape(4, 9), rows)
    with pytest.raises(
        ValueError, match="Feature names must be in the same order"
    ) as error:
        check(make(rows[:, ::-1].copy(), names[::-1]))
    assert str(error.value).startswith("X_val does not fit X") is (name == "X_val")
    with pytest.raises(ValueError, match="Feature names seen at fit time, yet now missing"):
        check(make(rows[:, 1:].copy(), names[1:]))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        check(rows)
    validate_images(estimator, rows, reset=True)
    with pytest.warns(UserWarning, match="Anything was fitted without feature names"):
        check(make(rows, names))


def test_numbered_columns_are_no_names():
    estimator = Anything()
    frame = pd.DataFrame(grey(4, 3, 3).reshape(4, 9))
    validate_images(estimator, frame, reset=True)
    assert not hasattr(estimator, "feature_names_in_")
    with pytest.raises(TypeError, match="Feature names are only supported if all"):
        validate_images(estimator, frame.rename(columns={0: "p0"}), reset=True)


def test_missing_pixels_of_a_data_frame_are_named():
    rows = pd.DataFrame(grey(4, 3, 3).reshape(4, 9)).astype("UInt8")
    rows.iloc[1, 2] = None
    with pytest.raises(ValueError, match="X holds NaN"):
        validate_images(Anything(), rows, reset=True)


class OtherFrame:
    """A data frame of a library that scikit-learn does not know."""

    columns = ("a", "b", "c", "d")
    shape = (2, 4)

    def __array__(self, dtype=None, copy=None):
        return np.zeros((2, 4), np.uint8)


def test_column_names_that_scikit_learn_does_not_check_are_refused():
    with pytest.raises(ValueError, match=r"OtherFrame, whose column names.*polars Da"):
        validate_images(Anything(), OtherFrame(), reset=True)


def items(module):
    """Return what is iterated over in pairs, as of a class of `module`."""
    pairs = [(image, np.array([i % 2])) for i, image in enumerate(grey(6))]
    return type("Set", (list,), {"__module__": module})(pairs)


def batches(module):
    parts = [(grey(6)[i : i + 2], np.array([0, 1])) for i in (0, 2, 4)]
    return type("Set", (list,), {"__module__": module})(parts)


def of_medmnist():
    members = {"__module__": "medmnist.dataset", "imgs": grey(6)}
    return type("OCTMNIST", (), {**members, "labels": np.arange(6)[:, None] % 2})()


def of_tensorflow(batched=True):
    import tensorflow as tf

    pairs = tf.data.Dataset.from_tensor_slices((grey(6), np.arange(6) % 2))
    return pairs.batch(4) if batched else pairs


def of_keras():
    import keras

    class Part(keras.utils.PyDataset):
        def __len__(self):
            return 3

        def __getitem__(self, i):
            return grey(6)[2 * i : 2 * i + 2], np.array([0, 1])

    return Part()


@pytest.mark.parametrize(
    ("make", "unbatched"),
    [
        (lambda: items("torch.utils.data.dataset"), False),
        (lambda: items("torchvision.datasets.mnist"), None),
        (lambda: batches("torch.utils.data.dataloader"), False),
        (of_medmnist, False),
        (of_tensorflow, False),
        (lambda: of_tensorflow(batched=False), True),
        (of_keras, False),
    ],
)
@pytest.mark.parametrize(
    "check", [check_images, lambda X: check_lengths(X, np.zeros(6))], ids=["X", "lengths"]
)
def test_data_sets_of_other_libraries_are_refused_with_what_to_do(make, unbatched, check):
    given = make()
    if unbatched is None:  # torchvision's have torch's as their base
        base = type("Dataset", (), {"__module__": "torch.utils.data.dataset"})
        given = type("MNIST", (type(given), base), {"__module__": "torchvision"})(given)
    with pytest.raises(ValueError, match=f"got a .*{type(given).__name__}") as error:
        check(given)
    words = str(error.value)
    if "imgs" in words:
        assert "Pass X.imgs as images and X.labels.ravel() as labels." in words
        return
    [recipe] = re.findall(r"X, y = .*\)\)(?=\.)", words.split(" Where")[0])
    variables = {"X": given, "np": np}
    exec(recipe.replace("concatenate", "stack") if unbatched else recipe, variables)
    np.testing.assert_array_equal(variables["X"], grey(6))
    np.testing.assert_array_equal(variables["y"], np.arange(6) % 2)


@pytest.mark.slow
def test_data_sets_of_pytorch_are_refused():
    torch = pytest.importorskip("torch")

    class Own(torch.utils.data.Dataset):
        def __len__(self):
            return 6

        def __getitem__(self, i):
            return torch.from_numpy(grey(6)[i]), i

    for given in (Own(), torch.utils.data.Subset(Own(), [0])):
        with pytest.raises(ValueError, match=r"Make arrays of its items"):
            check_images(given)
    with pytest.raises(ValueError, match=r"Make arrays of its batches"):
        check_images(torch.utils.data.DataLoader(Own()))
    with pytest.raises(ValueError, match=r"X cannot be converted to an array: .*detach"):
        check_images(torch.zeros(2, 3, 3, requires_grad=True))


def test_polars_lazy_frames_are_refused():
    frame = of_polars(grey(2, 3, 3).reshape(2, 9), [f"p{i}" for i in range(9)])
    with pytest.raises(ValueError, match=r"LazyFrame\. Pass X\.collect\(\)"):
        check_images(frame.lazy())


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pictures(mode):
    pictures = [Image.fromarray(image).convert(mode) for image in grey(3)]
    images = check_images(pictures)
    assert images.shape == (3, 5, 7, len(mode))
    np.testing.assert_array_equal(images[..., 0], grey(3))


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK", "HSV"])
def test_pictures_whose_numbers_are_no_grey_levels_or_colours(mode):
    pictures = [Image.fromarray(image) for image in grey(2)]
    pictures[1] = pictures[1].convert("RGB").convert(mode)
    with pytest.raises(ValueError, match=rf"X\[1\] is an image of Pillow's mode '{mode}'"):
        check_images(pictures)


def test_one_picture_is_no_set():
    with pytest.raises(ValueError, match=r"Pass a list of images, \[X\]"):
        check_images(Image.fromarray(grey()[0]))


def test_failed_check_leaves_the_estimator_alone():
    estimator = Anything()
    with pytest.raises(ValueError, match="must lie in"):
        validate_images(estimator, grey() * 1.0, reset=True)
    assert not vars(estimator)
