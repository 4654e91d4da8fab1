"""Encoded clips: what is drawn is what the family says, shards are made once and never mixed up."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.training import encoded as module
from harness.training.clips import read_clip, read_metadata
from harness.training.config import RungTrainingError
from harness.training.encoded import EncodedClips, inputs_hash
from methods.families.wan import Wan

FAMILY = Wan()
SAMPLING = replace(FAMILY.tiny_sampling(), num_frames=5, negative_prompt="blue")


@pytest.fixture
def written(clips, tmp_path, tiny_pipeline, monkeypatch):
    """Three clips in two shards."""
    monkeypatch.setattr(module, "CLIPS_A_SHARD", 2)
    lines = read_metadata(clips, "text")
    made = EncodedClips(tmp_path / "encoded", "inputs", len(lines))
    said = []
    with torch.no_grad():
        made.write(tiny_pipeline(FAMILY), FAMILY, lines, SAMPLING, lambda done, count: said.append((done, count)))
    assert said == [(0, 3), (2, 3)]
    return made, lines


def test_a_batch_is_what_the_family_makes_of_clip_and_caption(written, tiny_pipeline):
    made, lines = written
    latents, cond, uncond = made.batches(8)(torch.Generator().manual_seed(0))
    chosen = torch.randint(3, (8,), generator=torch.Generator().manual_seed(0)).tolist()
    assert set(chosen) == {0, 1, 2}
    pipeline = tiny_pipeline(FAMILY)
    with torch.no_grad():
        for row, index in enumerate(chosen):
            expected = FAMILY.clean_latents(pipeline, read_clip(lines[index], SAMPLING))[0]
            torch.testing.assert_close(latents[row], expected)
            said = FAMILY.prompt_arguments(pipeline, lines[index].caption, SAMPLING)["encoder_hidden_states"][0]
            torch.testing.assert_close(cond["encoder_hidden_states"][row], said)
        unsaid = FAMILY.prompt_arguments(pipeline, "blue", SAMPLING)["encoder_hidden_states"]
    torch.testing.assert_close(uncond["encoder_hidden_states"], unsaid.expand(8, -1, -1))


def test_batches_are_in_float32_whatever_is_kept(written):
    made, _ = written
    for path in made.folder.glob("*.safetensors"):
        halves = {name: value.half() for name, value in load_file(path).items()}
        save_file(halves, path, {"inputs_hash": "inputs"})
    latents, cond, uncond = made.batches(2)(torch.Generator())
    assert {latents.dtype} | {value.dtype for value in (*cond.values(), *uncond.values())} == {torch.float32}


def test_only_what_is_missing_is_encoded(written, tiny_pipeline):
    made, lines = written
    assert made.missing() == []
    made._shard(2).unlink()
    before = made._shard(0).stat().st_mtime_ns
    said = []
    with torch.no_grad():
        made.write(tiny_pipeline(FAMILY), FAMILY, lines, SAMPLING, lambda done, count: said.append(done))
    assert said == [2]
    assert made._shard(0).stat().st_mtime_ns == before
    assert not list(made.folder.glob("*.tmp"))


def test_a_shard_of_other_inputs_is_refused(written):
    made, _ = written
    with pytest.raises(RungTrainingError, match="was made from other clips or by another model"):
        replace(made, inputs_hash="others").batches(1)(torch.Generator())


def test_a_damaged_shard_is_named(written):
    made, _ = written
    made._shard("unconditional").write_bytes(b"damaged")
    with pytest.raises(RungTrainingError, match=r"unconditional.safetensors cannot be read .* remove it"):
        made.batches(1)(torch.Generator())


def test_inputs_are_told_apart_by_pixels_captions_size_and_model(clips):
    lines = read_metadata(clips, "text")

    def of(lines=lines, sampling=SAMPLING, model="m"):
        return inputs_hash(lines, sampling, family="wan", model=model, dtype="float32")

    same = replace(SAMPLING, num_inference_steps=1, flow_shift=2.0)
    assert of() == of(sampling=same)
    others = [
        of(lines[:2]),
        of((replace(lines[0], caption="other"), *lines[1:])),
        of((replace(lines[0], path=lines[1].path), *lines[1:])),
        of(sampling=replace(SAMPLING, width=48)),
        of(sampling=replace(SAMPLING, negative_prompt="")),
        of(model="n"),
    ]
    assert len({of(), *others}) == len(others) + 1
