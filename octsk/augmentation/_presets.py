"""Named settings of the augmenter."""

# "training" and "demonstration" are the two settings of the report (Ganser & Diaconescu
# 2021, augmentation table). "residual" is octsk's own, for ResidualOCTNet. Its parts were
# chosen by an ablation on OCTDL with patients kept together and a copy of the network in
# PyTorch, for accuracy on clean, corrupted and another device's images. The whole preset
# has not been measured yet (benchmarks/other_device.py).
PRESETS = {
    "training": dict(
        rotation_range=3.0,
        width_shift_range=0.2,
        height_shift_range=0.2,
        shear_range=0.001,
        zoom_range=0.1,
        horizontal_flip=False,
        fill_mode="nearest",
    ),
    "demonstration": dict(
        rotation_range=10.0,
        width_shift_range=0.1,
        height_shift_range=0.1,
        shear_range=0.1,
        zoom_range=0.2,
        horizontal_flip=True,
        fill_mode="nearest",
    ),
    "residual": dict(
        rotation_range=10.0,
        width_shift_range=0.2,
        height_shift_range=0.2,
        shear_range=0.0,
        zoom_range=0.3,
        horizontal_flip=True,
        fill_mode="nearest",
        amplitude_mix=1.0,
        random_erasing=0.25,
        speckle_noise=0.2,
        gaussian_noise=0.1,
        noise_fraction=0.15,
    ),
}
