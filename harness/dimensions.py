"""The sixteen dimensions of VBench by name, in the order its tables print them.

Any judge may score them; whose numbers they are is told by the judge's name beside every table and figure.
"""

from __future__ import annotations

from typing import Final

SEMANTIC: Final = (
    "object_class",
    "multiple_objects",
    "human_action",
    "color",
    "spatial_relationship",
    "scene",
    "appearance_style",
    "temporal_style",
    "overall_consistency",
)
QUALITY: Final = (
    "subject_consistency",
    "background_consistency",
    "temporal_flickering",
    "motion_smoothness",
    "dynamic_degree",
    "aesthetic_quality",
    "imaging_quality",
)
