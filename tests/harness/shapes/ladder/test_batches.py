"""What the rungs above the teacher are trained on."""

from __future__ import annotations

import torch

from harness.shapes.ladder.batches import conditioned_batches
from harness.shapes.ladder.latents import ClipLatents
from harness.shapes.ladder.model import Teacher


def test_a_batch_has_the_text_of_its_captions_and_the_empty_one():
    torch.manual_seed(0)
    teacher = Teacher(z_dim=4).eval()
    captions = ["a small red circle", "a large blue square", "a small green triangle"]
    clips = ClipLatents(torch.arange(3.0).reshape(3, 1, 1, 1, 1).expand(3, 4, 3, 4, 4).half(), captions)
    draw = conditioned_batches(teacher, clips, batch_size=5)
    latents, said, unsaid = draw(torch.Generator().manual_seed(0))
    assert latents.shape == (5, 4, 3, 4, 4)
    chosen = [captions[int(value)] for value in latents[:, 0, 0, 0, 0]]
    assert len(set(chosen)) > 1
    with torch.no_grad():
        for arguments, texts in ((said, chosen), (unsaid, [""] * 5)):
            for name, expected in teacher.encode(*teacher.tokenize(texts)).items():
                torch.testing.assert_close(arguments[name], expected, atol=1e-4, rtol=1e-4)
                assert not arguments[name].requires_grad
        # With these arguments and no others the transformer runs.
        velocity = teacher.transformer(latents, torch.full((5,), 500.0), **unsaid, return_dict=False)[0]
    assert velocity.shape == latents.shape
