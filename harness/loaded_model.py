"""A model of a suite, loaded: its pipeline, and in the place of its transformer the student that the suite names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import harness.shapes.autoencoder  # noqa: F401  # diffusers loads only classes whose module is imported already
from harness.errors import ModelError, one_line
from harness.planning.rungs import rung_hash
from harness.task import ModelSpec
from harness.tiny import is_tiny, tiny_pipeline
from methods.base import MethodError
from methods.families.base import Family
from methods.students.in_force import StudentSource, student_in_force
from methods.students.predictor_rung import STUDENT_KINDS


@contextmanager
def loaded_model(family: Family, spec: ModelSpec, device: str) -> Iterator[Any]:
    """The pipeline; on leaving, its own transformer is back.

    Raises:
        ModelError: the pipeline cannot be loaded, or its student has changed since it was planned or does not fit.
    """
    with ExitStack() as student:
        try:
            pipeline = _pipeline(family, spec, device)
            source = student_source(spec)
            if source is not None:
                student.enter_context(student_in_force(pipeline, family, source))
        except (OSError, ValueError, ImportError, MethodError) as error:
            raise ModelError(f"model {spec.model!r} ({spec.label}) cannot be loaded: {one_line(error)}") from error
        yield pipeline


def student_source(spec: ModelSpec) -> StudentSource | None:
    """The student that a model runs, None where it is the pipeline alone.

    Raises:
        ModelError: what is in its folder is not what was planned.
    """
    if spec.rung is None:
        return None
    check_rung(spec.rung.folder, spec.rung.card_hash)
    return StudentSource(Path(spec.rung.folder), STUDENT_KINDS, spec.rung.guidance_scale)


def check_rung(folder: str, planned: str) -> None:
    """Refuse a rung whose hash is not the planned one.

    Raises:
        ModelError: it is not.
    """
    if rung_hash(folder) != planned:
        raise ModelError(f"rung {folder} has changed since the suite was planned; plan it again")


def _pipeline(family: Family, spec: ModelSpec, device: str) -> Any:
    if is_tiny(spec.model):
        return tiny_pipeline(family, spec.model, device)
    return family.load(spec.model, revision=spec.revision, dtype=spec.dtype, device=device)
