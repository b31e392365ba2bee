"""Training of classifiers with several seeds, and comparison with published results.

This package only uses scikit-learn's interface of estimators, so that it accepts any
classifier with ``predict_proba``. No model is chosen by its test score: all training runs
are reported.
"""

from octsk.benchmark._run import BenchmarkRun
from octsk.benchmark._runner import check_test_corruptible as check_test_corruptible
from octsk.benchmark._runner import clone_with_seed as clone_with_seed
from octsk.benchmark._runner import fit_timed as fit_timed
from octsk.benchmark._runner import run_benchmark
from octsk.published import PublishedResult, published_results, why_not_comparable

__all__ = [
    "BenchmarkRun",
    "PublishedResult",
    "published_results",
    "run_benchmark",
    "why_not_comparable",
]
