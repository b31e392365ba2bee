"""Names of parameters that may change when a study, benchmark or fit is continued.

All other parameters of the estimators must be the same as at the beginning.
"""

# These only affect the messages and files that a fit writes.
_FREE = {"checkpoint_dir", "verbose"}

# For studies. `steps` is ignored, since the parameters of each step of a pipeline are
# compared by their own names.
FREE_IN_STUDIES = _FREE | {"callbacks", "n_jobs", "steps"}

# For benchmarks, whose seeds replace `random_state`.
FREE_IN_BENCHMARKS = _FREE | {"random_state"}

# For fits with a checkpoint, which contains the seed and a hash of the weights in
# `init_from`. The other parameters do not affect the weights of a new fit.
FREE_IN_FITS = _FREE | {
    "callbacks",
    "class_prior",
    "init_from",
    "random_state",
    "test_time_augmentation",
    "warm_start",
}
