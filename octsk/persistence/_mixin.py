"""Methods of the estimators for saving, exporting and importing networks."""

from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from octsk.persistence import _octsk_file
from octsk.persistence._export import FORMATS, export


class PersistenceMixin:
    """Mixin for saving, exporting and importing the network of an estimator."""

    def save(self: Any, path, *, class_names=None, gate=None):
        """Save the fitted estimator to a file that :func:`octsk.load` reads.

        The file is a zip archive that contains the Keras model and a JSON text, but no
        pickles. Callbacks, `checkpoint_dir` and `init_from` are not saved. The file
        contains all weights, including those that came from `init_from`.

        Parameters
        ----------
        path : str or path-like
            The file to write, usually with the extension ``.octsk``. It is written
            completely or not at all. An existing file is replaced.
        class_names : sequence of str, default=None
            Human-readable class names in the order of `classes_`, which become the
            attribute `class_names_` of the loaded estimator. None saves the `class_names_`
            of this estimator.
        gate : NoveltyGate, default=None
            Fitted gate for unfamiliar images, which becomes the attribute `gate_` of the
            loaded estimator. None saves the `gate_` of this estimator.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator or the gate is not fitted.
        ValueError
            If the number of names is not the number of classes, or if the gate belongs to
            another estimator.

        Examples
        --------
        >>> from octsk import SmallOCTNet, make_oct_phantoms
        >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> clf = SmallOCTNet(filters=(4,), epochs=1, random_state=0).fit(X, y)
        >>> import octsk, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     clf.save(f"{folder}/small.octsk", class_names=["CNV", "DME", "D", "N"])
        ...     octsk.load(f"{folder}/small.octsk").class_names_
        ['CNV', 'DME', 'D', 'N']
        """
        check_is_fitted(self)
        names = self.class_names_ if class_names is None else [str(n) for n in class_names]
        if isinstance(class_names, str) or (
            names is not None and len(names) != len(self.classes_)
        ):
            raise ValueError(
                f"class_names must be {len(self.classes_)} names, one for each of the "
                f"classes {self.classes_.tolist()}; got {names}."
            )
        _octsk_file.save(self, path, names, self._encode_gate(gate))

    def export(self: Any, path, format="onnx"):
        """Export the fitted network, from pixels to probabilities, for use without octsk.

        The exported network takes a batch of uint8 pixels of shape ``(n, h, w, c)`` as
        `images` and returns the result of `predict_proba` as `probabilities`, of shape
        ``(n, n_classes)`` in the order of `classes_`. It includes the current values of
        `test_time_augmentation` and `class_prior`, but not the labels.

        Parameters
        ----------
        path : str or path-like
            The file to write, or for "saved_model" the folder, which must be new or empty.
            It is written completely or not at all. An existing file is replaced.
        format : {"onnx", "tflite", "saved_model"}, default="onnx"
            "onnx" is for ONNX Runtime and many other programs and needs
            ``octsk[export]``. "tflite" is TensorFlow Lite, now called LiteRT, for phones
            and embedded devices. "saved_model" is for TensorFlow Serving, with the
            signature "serve".

        Raises
        ------
        sklearn.exceptions.NotFittedError
            If the estimator is not fitted.
        ValueError
            If `format` is unknown.
        ImportError
            If `format` is "onnx" and tf2onnx is not installed.
        FileExistsError
            If the folder for "saved_model" already contains files.

        Examples
        --------
        >>> from octsk import SmallOCTNet, make_oct_phantoms
        >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> clf = SmallOCTNet(filters=(4,), epochs=1, random_state=0).fit(X, y)
        >>> import tempfile, tensorflow as tf
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     clf.export(f"{folder}/small", format="saved_model")
        ...     small = tf.saved_model.load(f"{folder}/small")
        >>> p = small.serve(X[:5, ..., None])["probabilities"].numpy()
        >>> bool(abs(p - clf.predict_proba(X[:5])).max() < 1e-5)
        True
        """
        check_is_fitted(self)
        if format not in FORMATS:
            raise ValueError(f"format must be one of {sorted(FORMATS)}, got {format!r}.")
        export(
            self.model_,
            path,
            format,
            mirrored=self.test_time_augmentation,
            log_prior_ratio=None if self.class_prior is None else self._log_prior_ratio(),
        )

    @classmethod
    def from_h5(cls, path, *, classes=None, image_shape=(28, 28, 1), **params):
        """Create a fitted estimator from a Keras 2 ``.h5`` file of the same network.

        Only the arrays are read from the file, in the order of the layers, and no code in
        it is run. The file may contain a whole model or only weights, and the model need
        not have a declared input shape, which the report's models lack.

        Parameters
        ----------
        path : str or path-like
            File written by ``model.save("….h5")`` or ``model.save_weights("….h5")``.
        classes : array-like, default=None
            Labels in the order of the network's outputs. None means 0, 1, 2 and so on.
        image_shape : tuple of (h, w, c), default=(28, 28, 1)
            Shape of the images that the network was trained on.
        **params : dict
            Constructor parameters, such as `filters` if it differs from the default.

        Returns
        -------
        estimator instance
            An estimator that can predict and can be trained further by `partial_fit`.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        IsADirectoryError
            If `path` is a folder.
        ValueError
            If the file is not a Keras ``.h5`` file or its arrays do not fit the network.

        Examples
        --------
        >>> from octsk import SmallOCTNet, make_oct_phantoms
        >>> X, y = make_oct_phantoms(64, random_state=0, return_X_y=True)
        >>> clf = SmallOCTNet(epochs=1, random_state=0).fit(X, y)
        >>> import tempfile, warnings
        >>> with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        ...     warnings.simplefilter("ignore")
        ...     clf.model_.save(f"{folder}/small.h5")  # Keras 2's layout
        ...     again = SmallOCTNet.from_h5(f"{folder}/small.h5")
        >>> bool((again.predict(X) == clf.predict(X)).all())
        True
        """
        estimator: Any = cls(**params)
        estimator._validate_params()
        weights = _octsk_file.read_h5_weights(path)
        n_classes = len(weights[-1])
        classes = np.arange(n_classes) if classes is None else np.asarray(classes)
        if classes.ndim != 1 or len(np.unique(classes)) != n_classes:
            raise ValueError(
                f"classes must be {n_classes} different labels, one for each output of the "
                f"network in {str(path)!r}; got {classes.tolist()}."
            )
        # scikit-learn sorts the classes, so the outputs of the network are sorted, too.
        order = np.argsort(classes)
        weights[-2:] = weights[-2][:, order], weights[-1][order]
        estimator.image_shape_ = tuple(int(n) for n in image_shape)
        if len(estimator.image_shape_) != 3:
            raise ValueError(f"image_shape must be (h, w, c), got {image_shape}.")
        estimator.n_features_in_ = int(np.prod(estimator.image_shape_))
        estimator._set_up(classes)
        expected = [tuple(w.shape) for w in estimator.model_.weights]
        found = [w.shape for w in weights]
        if found != expected:
            raise ValueError(
                f"the arrays in {str(path)!r} do not fit {estimator} on images of shape "
                f"{estimator.image_shape_}: they have the shapes {found}, but the network "
                f"needs {expected}."
            )
        estimator.model_.set_weights(weights)
        estimator.n_iter_ = 0
        return estimator
