"""Which image regions drive a prediction, and which labels are doubtful.

The maps help to understand what a network has learned. They do not locate lesions: see
the user guide.
"""

from octsk.inspection._display import ExplanationDisplay
from octsk.inspection._grad_cam import grad_cam
from octsk.inspection._grad_cam import has_convolutions as has_convolutions
from octsk.inspection._label_issues import LabelIssues, find_label_issues
from octsk.inspection._occlusion import occlusion_sensitivity

__all__ = [
    "ExplanationDisplay",
    "LabelIssues",
    "find_label_issues",
    "grad_cam",
    "occlusion_sensitivity",
]
