"""Named settings of the augmenter."""

# "training" and "demonstration" are the two settings in the augmentation table of the
# report (Ganser & Diaconescu 2021). "residual" was chosen for ResidualOCTNet. It contains
# no noise, which reduced the accuracy on clean scans. Nor does it contain mixed spectra,
# erased boxes or wider shifts and zoom, all of which reduced the accuracy on chest X-rays.
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
        width_shift_range=0.1,
        height_shift_range=0.1,
        shear_range=0.0,
        zoom_range=0.15,
        horizontal_flip=True,
        fill_mode="nearest",
    ),
}
