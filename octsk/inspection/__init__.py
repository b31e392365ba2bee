"""Maps of the image regions that drive a prediction, and detection of doubtful labels.

The maps help to understand what a network has learned. They do not locate lesions, as the
user guide explains.
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
