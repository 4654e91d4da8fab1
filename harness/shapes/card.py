"""The embedded model's card, written from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.dimensions import QUALITY, SEMANTIC

_TEXT = """\
---
license: apache-2.0
library_name: diffusers
pipeline_tag: text-to-video
---

# Shapes: a text-to-video model small enough to ship

A `diffusers.WanPipeline` with a 6.9 M parameter `WanTransformer3DModel` (12 blocks, width 192), a two-layer UMT5
encoder, and an autoencoder of its own class, trained from nothing on a procedural world of captioned clips: three
shapes, six colours, four directions, two speeds, four backgrounds, three styles, one object (two sizes) or two
of one shape (two relations); 12096 captions. 32x32 pixels, 9 frames. It exists so that acceleration methods really
accelerate and really degrade something without a download. It is of no other use.

## Use

```python
import harness.shapes.autoencoder  # diffusers loads a class of ours only once its module is imported
from diffusers import WanPipeline

pipeline = WanPipeline.from_pretrained("harness/shapes/model")
video = pipeline(
    "a red circle left of a blue circle moving up slowly on a gray background in vivid style",
    height=32, width=32, num_frames=9, num_inference_steps=50, guidance_scale={guidance}, max_sequence_length=24,
).frames[0]
```

Captions are exactly those of `harness.shapes.world.Scene.caption`; other words are unknown tokens.

## Training

`harness train shapes`, seed {seed}, on the CPU, resumable. Autoencoder: {autoencoder_steps} steps of
{autoencoder_batch} clips. Text encoder and transformer together by flow matching: {steps} steps of {batch} fresh
clips, Muon and AdamW, one caption in eight dropped for classifier-free guidance, averaged weights. One caption in
ten (by a hash of it) is held out of all training. Weights are stored in float16 and meant to be loaded as float32.
All hyper-parameters are in `training.json`. The shipped weights were trained in several sittings, the number of
steps being changed on the way. After 2000 steps a fourth shape, the cross, was dropped from the world, because the
autoencoder rounds small ones. After 4375 steps pairs of two shapes and of colours in either order were dropped: which
shape goes with which colour, and which object is first, was still guessed. The shipped weights are
the last ones, the average still holding the larger world's, whose decay was 0.999 then. So a fresh run gives a like
model and not these very weights.

The autoencoder is `harness.shapes.autoencoder.PatchAutoencoder`: every 4x8x8 patch becomes 32 numbers. A small
`AutoencoderKLWan` was tried first and reached 20 dB after seven minutes on two cores, without having learned
colour; this one reaches {psnr:.1f} dB on fresh clips.

## Quality

{prompts} held-out captions, seeds 0 to {last_seed}, guidance {guidance}, shift 3, judged by
`harness/metrics/shapes.py` (percent; its numbers are not VBench's):

{table}

The judge gives ground-truth clips at least 99
in each semantic dimension. Measured by `harness train shapes` (`--evaluate-only` repeats it) on {machine}, {date}.
"""


def model_card(
    evaluation: Mapping[str, Any], training: Mapping[str, Any], *, guidance: float, machine: str, date: str
) -> str:
    """Markdown with the table of all dimensions. `training` is what `training.json` holds."""
    autoencoder, denoiser = training["autoencoder"], training["denoiser"]
    return _TEXT.format(
        seed=denoiser["seed"],
        autoencoder_steps=autoencoder["steps"],
        autoencoder_batch=autoencoder["batch_size"],
        steps=denoiser["steps"],
        batch=denoiser["batch_size"],
        psnr=evaluation["reconstruction_psnr_db"],
        prompts=evaluation["prompts"],
        last_seed=evaluation["prompts"] - 1,
        guidance=guidance,
        table=score_table({f"{count} steps": scores for count, scores in evaluation["steps"].items()}),
        machine=machine,
        date=date,
    )


def score_table(columns: Mapping[str, Mapping[str, float]]) -> str:
    """Percent of every dimension, `{heading: {dimension: percent}}`, and the means of both groups, as Markdown."""
    lines = ["| dimension | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]

    def line(name: str, values: list[float]) -> str:
        return f"| {name} | " + " | ".join(f"{value:.1f}" for value in values) + " |"

    for group, names in (("semantic score", SEMANTIC), ("quality score", QUALITY)):
        per_column = [[scores[name] for name in names] for scores in columns.values()]
        lines.append(line(f"**{group}**", [sum(values) / len(values) for values in per_column]))
        lines += [line(name, [values[index] for values in per_column]) for index, name in enumerate(names)]
    return "\n".join(lines)
