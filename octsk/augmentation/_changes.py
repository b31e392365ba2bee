"""The random changes of an augmenter: how they are drawn and applied to images."""

from typing import Any

import numpy as np

from octsk.augmentation._acquisition import (
    add_noise,
    blur_and_erase,
    boxes,
    mix_amplitude,
)
from octsk.augmentation._warp import affine_transforms, warp_affine


class ChangesMixin:
    """Mixin that draws and applies the changes that the parameters describe."""

    def draw(self: Any, n, image_shape, rng):
        """Draw the random changes of `n` images.

        Row ``i`` depends only on the random state and ``i``, so the variants do not
        depend on how the images are split into batches.

        Parameters
        ----------
        n : int
            Number of images.
        image_shape : tuple of (h, w, c)
            Shape of an image.
        rng : numpy.random.Generator or numpy.random.RandomState
            Source of the random numbers.

        Returns
        -------
        ndarray of shape (n, 8) or (n, 20), float32
            One row for each image, as :meth:`warp` takes it: the six numbers of the affine
            transform, the contrast factor and the brightness offset, and, if any other
            change is on, twelve numbers for those.

        Examples
        --------
        >>> import numpy as np
        >>> from octsk import OCTAugmenter
        >>> X = np.tile(np.arange(0, 252, 9, dtype=np.uint8), (3, 28, 1))
        >>> OCTAugmenter().draw(3, (28, 28, 1), np.random.default_rng(0)).shape
        (3, 8)
        """
        u = rng.random((n, 23 if self._imitates_acquisition() else 9))
        # Scale columns 0 to 7 from [-1, 1] to the ranges of the parameters.
        spread = (2 * u[:, :8] - 1) * [
            self.rotation_range,
            self.width_shift_range * image_shape[1],
            self.height_shift_range * image_shape[0],
            self.shear_range,
            self.zoom_range,
            self.zoom_range,
            self.contrast_range,
            self.brightness_range,
        ]
        rotation, right, down, shear, zoom_w, zoom_h, contrast, brightness = spread.T
        flip = (u[:, 8] < 0.5) & self.horizontal_flip
        affine = affine_transforms(
            image_shape, rotation, right, down, shear, 1 + zoom_w, 1 + zoom_h, flip
        )
        draws = [affine, 1 + contrast, brightness]
        if self._imitates_acquisition():
            draws.append(self._acquisition(u[:, 9:], image_shape))
        return np.column_stack(draws).astype(np.float32)

    def _imitates_acquisition(self: Any):
        """Return whether any change besides geometry, contrast and brightness is on."""
        return bool(
            self.amplitude_mix
            or self.gamma_range
            or self.gaussian_blur
            or self.random_erasing
            or self.speckle_noise
            or self.gaussian_noise
        )

    def _acquisition(self: Any, u, image_shape):
        """Return the last 12 columns of `draw`, from an array of 14 columns in [0, 1)."""
        partner, share, gamma, blur, noisy, speckle, gaussian, seed, erased = u[:, :9].T
        noisy = noisy < self.noise_fraction
        columns = [
            partner,  # as a fraction of the number of images
            share * self.amplitude_mix,
            np.exp((2 * gamma - 1) * self.gamma_range),
            blur * self.gaussian_blur,
            boxes(image_shape, u[:, 9:], erased < self.random_erasing),
            speckle * self.speckle_noise * noisy,
            gaussian * self.gaussian_noise * noisy,
            seed,
        ]
        return np.column_stack(columns)

    def warp(self: Any, images, draws, partners=None):
        """Apply drawn changes to a batch of images.

        Parameters
        ----------
        images : tensorflow.Tensor of shape (n, h, w, c), float32
            Images with pixels in [0, 1].
        draws : array-like of shape (n, 8) or (n, 20), float32
            Random changes of these images from :meth:`draw`.
        partners : tensorflow.Tensor of shape (n, h, w, c), float32, default=None
            For each image, another one with which its amplitude spectrum is mixed. None
            chooses them from `images`.

        Returns
        -------
        tensorflow.Tensor of shape (n, h, w, c), float32
            The changed images, with pixels in [0, 1].

        Examples
        --------
        >>> import numpy as np
        >>> from octsk import OCTAugmenter
        >>> X = np.tile(np.arange(0, 252, 9, dtype=np.uint8), (3, 28, 1))
        >>> augmenter = OCTAugmenter()
        >>> draws = augmenter.draw(3, (28, 28, 1), np.random.default_rng(0))
        >>> augmenter.warp((X[..., None] / 255).astype(np.float32), draws).shape
        TensorShape([3, 28, 28, 1])
        """
        from octsk.utils.tensorflow import tf

        if self.amplitude_mix:
            if partners is None:
                n = tf.shape(images)[0]
                chosen = tf.cast(draws[:, 8] * tf.cast(n, tf.float32), tf.int32)
                partners = tf.gather(images, tf.minimum(chosen, n - 1))
            images = mix_amplitude(images, draws[:, 9], partners)
        images = warp_affine(images, draws[:, :6], self.fill_mode)
        if self.gamma_range:
            power = draws[:, 10, None, None, None]
            images = tf.clip_by_value(images, 0.0, 1.0) ** power
        if self.contrast_range or self.brightness_range:
            factor, offset = draws[:, 6, None, None, None], draws[:, 7, None, None, None]
            mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
            images = tf.clip_by_value((images - mean) * factor + mean + offset, 0.0, 1.0)
        if self.gaussian_blur or self.random_erasing:
            images = blur_and_erase(images, draws[:, 11:17])
        if self.speckle_noise or self.gaussian_noise:
            images = add_noise(images, draws[:, 17:])
        return images
