"""Parameters of estimators by name that may differ between two parts of one computation.

A study, a benchmark or a fit that is continued must have the parameters that it was begun
with, except for these.
"""

# They change nothing but the messages and files that a fit writes.
_FREE = {"checkpoint_dir", "verbose"}

# In a search. The parameters of the `steps` of a pipeline have names of their own.
FREE_IN_STUDIES = _FREE | {"callbacks", "n_jobs", "steps"}

# In a benchmark, whose seeds replace `random_state`.
FREE_IN_BENCHMARKS = _FREE | {"random_state"}

# In a fit that continues from a checkpoint, which holds the state of its random numbers.
# The weights of `init_from` are described instead of its name. The others change the
# predictions of a fitted net only, or nothing.
FREE_IN_FITS = _FREE | {
    "callbacks",
    "class_prior",
    "init_from",
    "random_state",
    "test_time_augmentation",
    "warm_start",
}
