"""Cards of the ladder's teacher and rungs, written from their folders and what the judge says of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from harness.environment import describe_environment
from harness.errors import ModelError, one_line
from harness.shapes.card import score_table
from harness.shapes.ladder.evaluate import load_pipeline, rung_methods, score_methods, teacher_methods
from harness.shapes.ladder.model import SAMPLING
from methods.base import MethodError
from methods.students.predictor_rung import KIND as PREDICTOR
from methods.students.rung import CARD, WEIGHTS, Rung, read_any_card, state_digest

TRAINING = "training.json"
"""What a teacher's folder says of its training."""

_TEACHER = """\
---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-video
---

# The ladder's teacher: a HunyuanVideo small enough to ship

A `diffusers.HunyuanVideoPipeline` with a {parameters:.1f} M parameter `HunyuanVideoTransformer3DModel` ({dual} dual and
{single} single blocks, width {width}) and tiny text encoders of its own classes, on the procedural world of
`harness/shapes/world.py`: 32x32 pixels, 9 frames. The autoencoder is the embedded model's (`harness/shapes/model`), its
latents' mean and spread folded into its weights. Guidance is a second call, `true_cfg_scale`. It exists to distil
students from (`harness/shapes/ladder/rungs`), and is of no other use.

## Training

`harness train ladder`. Weights are stored in float16 and meant to be loaded as float32. The shipped weights were
trained in three sittings, so a fresh run gives a like model and not these very weights: 2400 steps to the end of a
cool-down on 16 000 examples and 400 steps on 32 000, both at shift 2 and with text encoders that had not been trained
before, then 2200 steps as `training.json` says:

```json
{training}
```

## Quality

{quality}
"""

_RUNG = """\
---
license: apache-2.0
---

# {name}: a rung of the embedded ladder

| | |
|---|---|
{facts}

It runs on the pipeline `harness/shapes/ladder/model` and on no other. `harness train ladder` trains it, with these
settings:

```json
{settings}
```

## Quality

{quality}
"""

_QUALITY = """\
{prompts} held-out captions, seeds 0 to {last_seed}, guidance {guidance:g}, shift {shift:g}, judged by
`harness/metrics/shapes.py` (percent; its numbers are not VBench's):

{table}

Measured by `harness train ladder --evaluate-only` on {machine}, {date}."""


def write_cards(model: Path, rungs: Path, prompts: int = 128) -> tuple[Path, ...]:
    """Judge the teacher in `model` and every rung below `rungs`, and write each one's README.md; returns these.

    Raises:
        ModelError: a folder cannot be read, or a rung does not run on the teacher.
    """
    try:
        pipeline = load_pipeline(model)
        cards = {path.parent: read_any_card(path.parent) for path in sorted(rungs.glob(f"*/{CARD}"))}
        students = {rung.weights_sha256: folder for folder, rung in cards.items() if rung.kind != PREDICTOR}
        parents = {digest: folder.name for digest, folder in students.items()}
        parents[state_digest(pipeline.transformer.state_dict(), in_float32=True)] = "the teacher"
        said = quality(score_methods(pipeline, teacher_methods(), prompts), prompts)
        written = [_write(model, teacher_card(pipeline.transformer, (model / TRAINING).read_text("utf-8"), said))]
        for folder, rung in cards.items():
            said = quality(score_methods(pipeline, rung_methods(folder, rung, students), prompts), prompts)
            parent = parents.get(rung.parent, f"{rung.parent[:12]}, which is not here")
            size_bytes = (folder / WEIGHTS).stat().st_size
            written.append(_write(folder, rung_card(folder.name, rung, parent, size_bytes, said)))
    except (MethodError, OSError, ValueError) as error:
        raise ModelError(f"no cards for {model} and {rungs}: {one_line(error)}") from error
    return tuple(written)


def teacher_card(transformer: Any, training: str, said: str) -> str:
    """Markdown about a teacher; `training` is its `training.json`, `said` what `quality` gives."""
    config = transformer.config
    return _TEACHER.format(
        parameters=sum(parameter.numel() for parameter in transformer.parameters()) / 1e6,
        dual=config.num_layers,
        single=config.num_single_layers,
        width=config.num_attention_heads * config.attention_head_dim,
        training=training.strip(),
        quality=said,
    )


def rung_card(name: str, rung: Rung, parent: str, size_bytes: int, said: str) -> str:
    """Markdown about a rung; `parent` is what it was trained from, as it is called, `said` what `quality` gives."""
    return _RUNG.format(
        name=name,
        facts="\n".join(f"| {key} | {value} |" for key, value in _facts(rung, parent, size_bytes).items()),
        settings=json.dumps(rung.provenance.get("settings"), indent=2),
        quality=said,
    )


def quality(scores: Mapping[str, Mapping[str, float]], prompts: int) -> str:
    """The judge's percentages, `{heading: {dimension: percent}}`, and how they were measured, as Markdown."""
    environment = describe_environment("cpu")
    return _QUALITY.format(
        prompts=prompts,
        last_seed=prompts - 1,
        guidance=SAMPLING.true_cfg_scale,
        shift=SAMPLING.flow_shift,
        table=score_table(scores),
        machine=f"{environment['cpu_count']} cores of {environment['device_name']}, torch {torch.__version__}",
        date=datetime.now(UTC).date().isoformat(),
    )


def _facts(rung: Rung, parent: str, size_bytes: int) -> dict[str, str]:
    said, course, storage = rung.provenance, rung.provenance.get("course"), rung.storage
    facts = {"kind": rung.kind, "trained from": parent, "sha256 as trained": rung.weights_sha256[:12]}
    known = ("iterations", "sittings", "seed", "optimizer", "precision", "device", "torch")
    facts |= {key: str(said[key]) for key in known if key in said}
    if course is not None:
        facts["seconds"] = f"{course['seconds']:.0f}"
        for name, loss in course["losses"].items():
            facts[f"loss `{name}`"] = (
                f"{loss['first']:.4g} to {loss['last']:.4g} (means of the first and last {course['averaged_over']})"
            )
    facts["size"] = f"{size_bytes / 1e6:.2f} MB"
    if storage is not None:
        facts["kept as"] = (
            f"{storage.format}: off by {storage.rms_error:.2g} (root mean square) and at most {storage.max_error:.2g}, "
            f"of {storage.rounded_rms:.2g} that was rounded"
        )
    return facts


def _write(folder: Path, text: str) -> Path:
    path = folder / "README.md"
    path.write_text(text, encoding="utf-8")
    return path
