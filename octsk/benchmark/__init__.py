"""Train classifiers over several seeds and compare them with published results.

Everything here uses estimators through scikit-learn's interface alone, so it works
with any classifier that has ``predict_proba``. Models are never chosen by test
score: every training run is reported.
"""

from octsk.benchmark._run import BenchmarkRun
from octsk.benchmark._runner import check_test_corruptible as check_test_corruptible
from octsk.benchmark._runner import clone_with_seed as clone_with_seed
from octsk.benchmark._runner import fit_timed as fit_timed
from octsk.benchmark._runner import run_benchmark
from octsk.evaluation import BenchmarkReport as BenchmarkReport
from octsk.evaluation import evaluate as evaluate
from octsk.published import PublishedResult, published_results, why_not_comparable

__all__ = [
    "BenchmarkRun",
    "PublishedResult",
    "published_results",
    "run_benchmark",
    "why_not_comparable",
]
