"""How good the ladder's teacher and rungs are; of the teacher: `python -m harness.shapes.ladder.evaluate FOLDER`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.discovery import load_method
from harness.shapes.evaluate import score_samples
from harness.shapes.ladder.model import FLOW_SHIFT, SAMPLING
from harness.shapes.prompts import held_out_prompts
from methods.base import Method
from methods.dcm import Dcm
from methods.disca import Disca
from methods.families.hunyuan_video import HunyuanVideo
from methods.fewer_steps import FewerSteps
from methods.predictor_only import PredictorOnly
from methods.students import dcm_rung, predictor_rung
from methods.students.rung import Rung

TEACHER_STEPS = (50, 20, 10)
STUDENT_STEPS: Mapping[str, Sequence[int]] = {"cfg_distilled": TEACHER_STEPS}
"""By kind; all others are few-step students."""
FEW_STEPS = (20, 10)
STEP_LISTS = (
    (0, 1, 2, 5, 9, 13, 17, 19),
    (0, 1, 2, 4, 6, 8, 11, 13, 15, 17, 19),
    (0, 1, 2, 3, 5, 7, 9, 11, 13, 15, 17, 18, 19),
)
"""Full steps of 20: N = 4, 3 and 2 of `methods/disca.py`."""
DCM_STEPS = (1.0, 0.88, 0.76, 0.38)
"""Where `methods/dcm.py` begins a step, as noise levels of a schedule without shift."""
INTERVAL = 4
"""From one full step to the next where a video has another number of steps."""


def load_pipeline(folder: Path) -> Any:
    """The teacher in float32 on the CPU."""
    return HunyuanVideo().load(str(folder), revision=None, dtype="float32", device="cpu")


def score_method(pipeline: Any, method: Method, captions: Sequence[str]) -> dict[str, float]:
    """Percent of each dimension, as `score_samples` gives it, with a method in force."""
    family, sampling = HunyuanVideo(), method.sampling(SAMPLING)
    arguments = {
        "true_cfg_scale": sampling.true_cfg_scale or 1.0,
        "guidance_scale": sampling.guidance_scale,
        "max_sequence_length": sampling.max_sequence_length,
    }
    with family.scheduled(pipeline, sampling), method.apply(pipeline, family) as applied:

        def fresh(**given: Any) -> Any:
            applied.reset()
            return pipeline(**given)

        return score_samples(fresh, captions, sampling.num_inference_steps, arguments)


def teacher_methods(steps: Sequence[int] = TEACHER_STEPS) -> dict[str, Method]:
    """How the teacher is sampled to be judged, by heading."""
    return {f"{count} steps": FewerSteps(num_inference_steps=count) for count in steps}


def rung_methods(folder: Path, rung: Rung, students: Mapping[str, Path]) -> dict[str, Method]:
    """How a rung is sampled to be judged, by heading. `students` are the folders of the others by `weights_sha256`.

    A predictor runs on the student it was trained for, or where that is none of `students` on the teacher.
    """
    weights, guidance = str(folder), SAMPLING.true_cfg_scale
    assert guidance is not None
    if rung.kind == dcm_rung.KIND:
        sigmas = tuple(FLOW_SHIFT * level / (1 + (FLOW_SHIFT - 1) * level) for level in DCM_STEPS)
        return {f"{len(sigmas)} steps": Dcm(weights, sigmas)}
    if rung.kind != predictor_rung.KIND:
        student = load_method(rung.kind)
        return {
            f"{count} steps": student(weights=weights, guidance_scale=guidance, num_inference_steps=count)  # type: ignore[call-arg]
            for count in STUDENT_STEPS.get(rung.kind, FEW_STEPS)
        }
    parent, steps = students.get(rung.parent), int(rung.provenance["settings"]["num_inference_steps"])
    lists = STEP_LISTS if steps == max(FEW_STEPS) else (tuple(range(0, steps, INTERVAL)),)
    return {
        f"{len(full)} of {steps} steps full": PredictorOnly(weights, steps, full)
        if parent is None
        else Disca(weights, str(parent), guidance, steps, full)
        for full in lists
    }


def score_methods(pipeline: Any, methods: Mapping[str, Method], prompts: int) -> dict[str, dict[str, float]]:
    """Percent of each dimension by heading, over held-out captions: `{"50 steps": {dimension: percent}}`."""
    captions = held_out_prompts(prompts)
    return {heading: score_method(pipeline, method, captions) for heading, method in methods.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description="Score the embedded ladder's teacher with the shapes judge.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--steps", type=int, nargs="+", default=TEACHER_STEPS)
    given = parser.parse_args(arguments)
    scores = score_methods(load_pipeline(given.folder), teacher_methods(given.steps), given.prompts)
    print(json.dumps(scores, indent=2))


if __name__ == "__main__":
    main()
