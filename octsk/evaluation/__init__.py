"""Evaluation of a fitted classifier on a set of images, and comparison of classifiers.

`__all__` lists the public names. The other names are used by higher packages of octsk.
"""

from octsk.evaluation._by_group import scores_of_groups as scores_of_groups
from octsk.evaluation._class_names import display_names as display_names
from octsk.evaluation._compare import compare
from octsk.evaluation._comparison_result import Comparison
from octsk.evaluation._doubt import ConformalClassifier, SelectiveClassifier
from octsk.evaluation._doubt_reports import AbstentionReport, PredictionSetReport
from octsk.evaluation._evaluate import check_dataset as check_dataset
from octsk.evaluation._evaluate import describe_split as describe_split
from octsk.evaluation._evaluate import evaluate
from octsk.evaluation._evaluate import evaluate_split as evaluate_split
from octsk.evaluation._evaluate import trained_on as trained_on
from octsk.evaluation._operating_point import OperatingPoint
from octsk.evaluation._read_reports import read_reports
from octsk.evaluation._report import BenchmarkReport
from octsk.evaluation._report_file import MAX_BYTES as MAX_BYTES
from octsk.evaluation._report_file import REPORT_FORMAT as REPORT_FORMAT
from octsk.evaluation._report_file import checked_rows as checked_rows
from octsk.evaluation._score_files import EVALUATION_FILE as EVALUATION_FILE
from octsk.evaluation._study import Study as Study
from octsk.evaluation._subgroups import subgroup_tables as subgroup_tables
from octsk.evaluation._threshold import PointRequest as PointRequest

__all__ = [
    "AbstentionReport",
    "BenchmarkReport",
    "Comparison",
    "ConformalClassifier",
    "OperatingPoint",
    "PredictionSetReport",
    "SelectiveClassifier",
    "compare",
    "evaluate",
    "read_reports",
]
