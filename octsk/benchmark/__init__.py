"""Train classifiers over several seeds and compare them with published results.

Everything here uses estimators through scikit-learn's interface alone, so it works
with any classifier that has ``predict_proba``. Models are never chosen by test
score: every training run is reported.
"""

from octsk.benchmark._benchmark import BenchmarkRun, evaluate, run_benchmark
from octsk.evaluation._report import BenchmarkReport
from octsk.published import PublishedResult, published_results, why_not_comparable

__all__ = [
    "BenchmarkReport",
    "BenchmarkRun",
    "PublishedResult",
    "evaluate",
    "published_results",
    "run_benchmark",
    "why_not_comparable",
]
