"""Validation of images and their conversion to one layout."""

import warnings
from collections.abc import Iterator, Mapping
from math import isqrt
from numbers import Real
from os import PathLike

import numpy as np
import scipy.sparse
from sklearn.utils import check_array
from sklearn.utils.validation import _get_feature_names, _num_samples, validate_data

# Grey scans have one channel, colour scans three, and stacks of en-face maps up to four.
MAX_CHANNELS = 4
# Advice on converting data sets of other libraries to arrays, by the module of their class
# or a base class. The libraries need not be installed, so isinstance cannot be used.
_RECIPES = {
    "medmnist": "Pass {name}.imgs as images and {name}.labels.ravel() as labels.",
    "torch.utils.data.dataloader": "Make arrays of its batches: X, y = map(np.concatenate, "
    "zip(*{name})).",
    "torch.utils.data": "Make arrays of its items: X, y = map(np.stack, zip(*("
    "(np.asarray(image), np.ravel(label)[0]) for image, label in {name}))).",
    "tensorflow.python.data": "Make arrays of its batches: X, y = map(np.concatenate, "
    "zip(*{name}.as_numpy_iterator())). If it has no batches, use np.stack.",
    "keras": "Make arrays of its batches: X, y = map(np.concatenate, zip(*({name}[i] for i "
    "in range(len({name}))))).",
    "polars.lazyframe": "Pass {name}.collect().",
    "PIL": "Pass a list of images, [{name}].",
}
# Floats may exceed [0, 1] by a rounding error, for example after resizing.
_TOLERANCE = 1e-6


def check_images(X, *, name="X", image_shape=None, estimator=None):
    """Check an array of images once and return it as ``(n, h, w, c)``.

    The pixels are neither copied nor converted if NumPy can avoid it: for a uint8 array,
    memory-mapped or not, the result is a view.

    Parameters
    ----------
    X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
        Images: integers from 0 to 255 or floats from 0 to 1. Flattened images are assumed
        to be square unless `image_shape` is passed.
    name : str, default="X"
        Name of the argument in error messages.
    image_shape : tuple of (h, w, c), default=None
        Required shape of an image; None accepts any.
    estimator : object, default=None
        Estimator to name in error messages.

    Returns
    -------
    ndarray of shape (n, h, w, c)
        The images, as uint8, another integer type with values from 0 to 255, or floats from
        0 to 1.

    Raises
    ------
    ValueError
        If `X` is not an array of images, or if its shape or values are not as described.
    TypeError
        If `X` is a sparse matrix or ``numpy.matrix``.
    """
    X = as_array(X, name)
    if not _is_plain(X):
        X = check_array(
            X,
            dtype="numeric",
            allow_nd=True,
            ensure_all_finite=False,  # _check_values checks this
            input_name=name,
            estimator=estimator,
        )
    images = _to_nhwc(X, name, image_shape)
    if image_shape is not None and images.shape[1:] != tuple(image_shape):
        raise ValueError(
            f"{name} holds images of shape {_shape(images.shape[1:])}, but images of "
            f"shape {_shape(image_shape)} are expected, as in fit."
        )
    _check_values(images, name)
    return images


def validate_images(estimator, X, *, reset, name="X"):
    """Check the images given to an estimator, as scikit-learn's ``validate_data`` does.

    Parameters
    ----------
    estimator : estimator instance
        Estimator that receives the images. If `reset` is True, its attributes
        ``image_shape_`` and ``n_features_in_`` are set (and ``feature_names_in_`` for a
        data frame of flattened images). Otherwise, `X` must agree with them.
    X : array-like of shape (n, h, w), (n, h, w, c) or (n, h * w * c)
        Images, see :func:`check_images`.
    reset : bool
        Whether the images are those of a fit.
    name : str, default="X"
        Name of the argument in error messages.

    Returns
    -------
    ndarray of shape (n, h, w, c)
        The images, not copied.
    """
    X = as_array(X, name)
    shape = getattr(X, "shape", ())
    if not reset and shape in _shapes_of_one(estimator.image_shape_):
        raise ValueError(
            f"{name} has shape {shape}, which is that of a single image; pass "
            f"{name}[np.newaxis]."
        )
    if len(shape) == 2:
        X = _validate_rows(estimator, X, reset, name)
    elif reset and hasattr(estimator, "feature_names_in_"):
        del estimator.feature_names_in_
    images = check_images(
        X,
        name=name,
        image_shape=None if reset else estimator.image_shape_,
        estimator=estimator,
    )
    if reset:
        estimator.image_shape_ = images.shape[1:]
        # validate_data would set it to the length of the second axis, which is the height
        # of images, and later accept any width (scikit-learn 1.9).
        estimator.n_features_in_ = int(np.prod(images.shape[1:]))
    return images


def _validate_rows(estimator, X, reset, name):
    """Check the names and number of the columns of a data frame as scikit-learn does."""
    names = list(getattr(X, "column_names", getattr(X, "columns", ())))
    is_known = _get_feature_names(X) is not None
    if names and all(isinstance(column, str) for column in names) and not is_known:
        raise ValueError(
            f"{name} is a {type(X).__module__}.{type(X).__name__}, whose column names "
            "scikit-learn does not check. Pass a pandas or polars DataFrame, a pyarrow "
            f"Table, or, to ignore the names, np.asarray({name})."
        )
    kinds = {getattr(dtype, "kind", None) for dtype in getattr(X, "dtypes", ())}
    try:
        rows = validate_data(
            estimator, X, reset=reset, dtype="numeric", ensure_all_finite=False
        )
    except ValueError as error:
        if name == "X":
            raise
        raise ValueError(f"{name} does not fit X. {error}") from error
    # scikit-learn converts integers in pandas's nullable columns to floats.
    if kinds and kinds <= {"i", "u"} and rows.dtype.kind == "f" and np.isfinite(rows).all():
        rows = rows.astype(np.int64)
    return rows


def check_lengths(X, y, name="X", y_name="y"):
    """Check that there is one label per image."""
    check_is_array(X, name)
    if isinstance(X, str | PathLike | Mapping) or not hasattr(X, "__len__"):
        raise ValueError(f"{name} must be an array of images; got {_what(X)}")
    n, n_labels = _num_samples(X), _num_samples(y)
    if n != n_labels:
        raise ValueError(
            f"{name} has {n} images and {y_name} {n_labels} entries; each image needs one."
        )


def check_share(name, value) -> float:
    """Check that a value is a number between 0 and 1, excluding both."""
    if not isinstance(value, Real) or not 0 < float(value) < 1:
        raise ValueError(f"{name} must be a number between 0 and 1, got {value!r}.")
    return float(value)


def check_is_array(X, name):
    """Raise an error for a data set of another library, which says how to convert it."""
    if hasattr(X, "__array__"):
        return
    modules = [cls.__module__ for cls in type(X).__mro__]
    for start, recipe in _RECIPES.items():
        if any(module.startswith(start) for module in modules):
            raise ValueError(
                f"{name} must be an array of images; got a {modules[0]}."
                f"{type(X).__name__}. {recipe.format(name=name)}"
            )


def _check_pictures(images, name):
    """Raise an error for Pillow images whose pixels are not grey levels or RGB colours."""
    for i, image in enumerate(images):
        mode = getattr(image, "mode", "L") if hasattr(image, "getbands") else "L"
        # Modes I and F have more grey levels, whose range is checked later.
        if mode not in ("L", "RGB") and mode[0] not in "IF":
            raise ValueError(
                f"{name}[{i}] is an image of Pillow's mode {mode!r}. Convert the images: "
                "image.convert('L') makes them grey, image.convert('RGB') colour."
            )


def as_array(X, name):
    """Return X as a numeric array; leave data frames and sparse matrices unchanged."""
    check_is_array(X, name)
    if hasattr(X, "to_native"):
        X = X.to_native()  # a narwhals data frame
    if scipy.sparse.issparse(X) or isinstance(X, np.matrix) or hasattr(X, "columns"):
        return X  # scikit-learn converts them or raises an error
    if isinstance(X, np.ma.MaskedArray) and np.ma.is_masked(X):
        raise ValueError(
            f"{name} is a masked array, but networks do not support masks; give the masked "
            f"pixels a value, for example by {name}.filled(0)."
        )
    if isinstance(X, list | tuple) or getattr(getattr(X, "dtype", 0), "hasobject", False):
        _check_pictures(X, name)
    try:
        array = np.asarray(X)
        if array.dtype == object and array.ndim:
            # tolist keeps integers, and converts nested arrays to further axes.
            numbers = np.asarray(array.tolist())
            array = numbers if numbers.dtype.kind in "iuf" else array
    except (TypeError, RuntimeError) as error:  # raised by PyTorch, for example
        raise ValueError(f"{name} cannot be converted to an array: {error}") from error
    except ValueError as error:
        raise ValueError(
            f"{name} cannot be converted to one array ({error}); all images must have the "
            "same shape. octsk.load_image_files reads files and resizes the images."
        ) from error
    if array.ndim == 0:
        raise ValueError(f"{name} must be an array of images; got {_what(X)}")
    if array.ndim == 1:
        raise ValueError(
            f"{name} has one dimension, {array.shape}. Reshape your data: images are "
            "(n, h, w), (n, h, w, c) or flattened (n, h * w), one image is (1, h, w)."
        )
    if array.dtype.kind == "c":
        raise ValueError(
            f"Complex data not supported: {name} has dtype {array.dtype}. Pass magnitudes, "
            f"np.abs({name}), in 0 to 1."
        )
    if array.dtype.kind not in "iufO":
        hint = f" Pass {name} * np.uint8(255)." if array.dtype.kind == "b" else ""
        raise ValueError(
            f"{name} has dtype {array.dtype}; images must be uint8 (0 to 255) or float (0 "
            f"to 1).{hint}"
        )
    return array


def _is_plain(X):
    """Return whether check_array would return X, which takes it longer for one image."""
    return type(X) is np.ndarray and X.ndim in (3, 4) and len(X) and X.dtype.kind in "iuf"


def _what(X):
    if isinstance(X, Mapping) and "data" in X:
        return f"a {type(X).__name__}; pass its 'data'."
    if isinstance(X, str | PathLike):
        return f"the path {str(X)!r}; octsk.load_image_files reads image files."
    if isinstance(X, Iterator):
        return f"a {type(X).__name__}; pass a list of its images."
    return f"{X!r:.60}."


def _shapes_of_one(image_shape):
    """Return the shapes of a single image that a user may pass instead of a set."""
    return [image_shape, image_shape[:2]] if image_shape[2] == 1 else [image_shape]


def _shape(shape):
    return " x ".join(str(int(n)) for n in shape)


def _to_nhwc(X, name, image_shape):
    if X.ndim == 2:
        shape = image_shape or _square_shape(X.shape[1], name)
        if image_shape is None and X.shape[0] == X.shape[1]:
            warnings.warn(
                f"{name} has shape {X.shape} and is taken for {len(X)} flattened images of "
                f"{_shape(shape)}; if it is a single image, pass {name}[np.newaxis].",
                stacklevel=2,
            )
        if X.shape[1] != np.prod(shape):
            raise ValueError(
                f"{name} has {X.shape[1]} features, but flattened images of shape "
                f"{_shape(shape)} have {np.prod(shape)}."
            )
        return X.reshape(len(X), *shape)
    if X.ndim == 3:
        return X[..., np.newaxis]
    if X.ndim != 4:
        raise ValueError(
            f"{name} has {X.ndim} dimensions {X.shape}; images are (n, h, w), "
            "(n, h, w, c) or flattened (n, h * w)."
        )
    if X.shape[3] > MAX_CHANNELS:
        hint = (
            f" It looks like channels first: numpy.moveaxis({name}, 1, -1) puts them last."
            if X.shape[1] <= MAX_CHANNELS
            else ""
        )
        raise ValueError(
            f"{name} has shape {X.shape} and thus {X.shape[3]} channels; images are "
            f"(n, h, w, c) with at most {MAX_CHANNELS} channels.{hint}"
        )
    return X


def _square_shape(n_features, name):
    """Return the shape of a square grey or colour image with this number of features."""
    for channels in (1, 3):
        side = isqrt(n_features // channels)
        if side * side * channels == n_features:
            return side, side, channels
    raise ValueError(
        f"{name} has {n_features} features, which are not those of a flattened square "
        "image (h * w or h * w * 3 values); pass images that are not square as (n, h, w) "
        "or (n, h, w, c). For a tool that only accepts two axes, restore their shape in a "
        "pipeline: "
        "make_pipeline(FunctionTransformer(np.reshape, kw_args={'shape': (-1, h, w)}), "
        "net)."
    )


def _check_values(images, name):
    if images.size == 0:
        raise ValueError(
            f"{name} holds images of shape {_shape(images.shape[1:])}: no pixels."
        )
    if images.dtype == np.uint8:
        return
    low, high = images.min(), images.max()
    if images.dtype.kind in "iu":
        _check_integers(low, high, images.dtype, name)
    else:
        _check_floats(low, high, name)


def _check_integers(low, high, dtype, name):
    if low < 0 or high > 255:
        hint = (
            f"Rescale deeper images, e.g. 16-bit ones by ({name} // 257).astype('uint8') "
            f"and 12-bit ones by ({name} // 16).astype('uint8')."
            if low >= 0
            else f"If bytes were read as signed, {name}.view('uint8') corrects them."
            if dtype == np.int8
            else "Shift and rescale them first."
        )
        raise ValueError(
            f"{name} holds integers from {low} to {high}; integer images must lie in 0 to "
            f"255. {hint}"
        )


def _check_floats(low, high, name):
    if not np.isfinite([low, high]).all():
        what = "NaN" if np.isnan(low) else "infinite values"
        raise ValueError(
            f"{name} holds {what}. Give these pixels a value, or leave these images out."
        )
    if not (low >= -_TOLERANCE and high <= 1 + _TOLERANCE):
        hint = (
            "Divide 0-255 images by 255, or pass them as uint8."
            if low >= 0
            else "Pass the images before they are standardized, or shift and rescale them."
        )
        raise ValueError(
            f"{name} holds floats from {low:.6g} to {high:.6g}; float images must lie in "
            f"[0, 1]. {hint}"
        )


def to_batch(images):
    """Convert a few checked images to the dtype in which they are passed to TensorFlow.

    Integers become uint8, which TensorFlow scales (see :func:`to_unit`), and floats
    become float32.
    """
    return images.astype(np.float32 if images.dtype.kind == "f" else np.uint8, copy=False)


def to_unit(batch):
    """Convert a batch of uint8 or float32 pixels to a float32 tensor in [0, 1]."""
    from octsk.utils.tensorflow import tf

    batch = tf.convert_to_tensor(batch)
    if batch.dtype == tf.uint8:
        return tf.cast(batch, tf.float32) / 255.0
    return batch
