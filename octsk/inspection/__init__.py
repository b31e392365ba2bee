"""Which image regions drive a prediction: Grad-CAM and occlusion maps."""

from octsk.inspection._inspection import (
    ExplanationDisplay,
    grad_cam,
    occlusion_sensitivity,
)

__all__ = ["ExplanationDisplay", "grad_cam", "occlusion_sensitivity"]
