"""Training the ladder's teacher: a few steps, stopped and continued, and the folder that comes out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import diffusers
import pytest
import torch
from diffusers import HunyuanVideoTransformer3DModel
from diffusers.models.embeddings import get_timestep_embedding

from harness.shapes.flow_matching import DenoiserTraining
from harness.shapes.ladder import train_teacher as module
from harness.shapes.ladder.model import (
    FASTEST_TIME,
    SAMPLING,
    Teacher,
    build_pipeline,
    embedded_autoencoder,
    slow_times,
)
from harness.shapes.ladder.train_teacher import TeacherTraining, averaged_teacher, main, train_teacher
from harness.shapes.ladder.train_text import TextTraining
from harness.shapes.train_autoencoder import clip_batch, reconstruction_psnr
from methods.families.hunyuan_video import HunyuanVideo

SMALL = TeacherTraining(
    clips=4,
    examples=4,
    text=TextTraining(steps=1, batch_size=2),
    denoiser=DenoiserTraining(steps=2, batch_size=2, checkpoint_every=1),
)

LADDER = Path(module.__file__).parent


@pytest.fixture(autouse=True)
def no_compiler(monkeypatch):
    monkeypatch.setattr(diffusers.HunyuanVideoTransformer3DModel, "compile", lambda self: None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """One step, then the second in a second call; both text encoders as they were before."""
    work = tmp_path_factory.mktemp("teacher")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diffusers.HunyuanVideoTransformer3DModel, "compile", lambda self: None)
        reports = []
        train_teacher(dataclasses.replace(SMALL, denoiser=dataclasses.replace(SMALL.denoiser, steps=1)), work, None)
        train_teacher(SMALL, work, lambda *said: reports.append(said))
    return work, reports


def test_training_continues_where_it_stopped_and_reports(trained):
    work, reports = trained
    assert [done for done, _, _ in reports] == [2]
    assert [line.split("\t")[0] for line in (work / "teacher" / "log.tsv").read_text().splitlines()] == ["1", "2"]
    # An untrained model says nothing, so the loss is that of noise minus data: about 2.
    assert 1.0 < reports[0][2] < 4.0


def test_the_output_is_trained_and_what_the_pipeline_leaves_out_is_not(trained):
    work, _ = trained
    torch.manual_seed(SMALL.denoiser.seed)
    before = Teacher().state_dict()
    after = torch.load(work / "teacher" / "checkpoint.pt", weights_only=True)["module"]
    assert not torch.equal(before["transformer.proj_out.weight"], after["transformer.proj_out.weight"])
    left_out = "text_encoder.layers.3.mlp.up_proj.weight"
    assert torch.equal(before[left_out], after[left_out])


def test_gradients_reach_words_and_blocks():
    torch.manual_seed(0)
    teacher = Teacher(z_dim=4)
    torch.nn.init.normal_(teacher.transformer.proj_out.weight)
    for block in teacher.transformer.transformer_blocks:
        torch.nn.init.normal_(block.norm1.linear.weight)
        torch.nn.init.normal_(block.norm1_context.linear.weight)
    latents = torch.randn(2, 4, 3, 4, 4)
    text = teacher.tokenize(["a small red circle", "a large blue square"])
    teacher(latents, torch.tensor([0.3, 0.8]), *text).pow(2).mean().backward()
    for name in (
        "text_encoder.embed_tokens.weight",
        "text_encoder.layers.1.self_attn.q_proj.weight",
        "text_encoder_2.embeddings.token_embedding.weight",
        "transformer.context_embedder.proj_in.weight",
        "transformer.transformer_blocks.3.attn.add_k_proj.weight",
    ):
        gradient = teacher.get_parameter(name).grad
        assert gradient is not None, name
        assert gradient.abs().max() > 0, name
    # The template's tokens too are trained, though encoded once for the batch.
    assert teacher.text_encoder.embed_tokens.weight.grad[teacher.tokenizer.bos_token_id].abs().max() > 0


def test_a_new_teacher_says_nothing():
    """Blocks start as the identity and the output at zero."""
    torch.manual_seed(0)
    teacher = Teacher(z_dim=4).eval()
    with torch.no_grad():
        velocity = teacher(torch.randn(1, 4, 3, 4, 4), torch.tensor([0.5]), *teacher.tokenize(["a red circle"]))
    assert not velocity.any()


def test_fast_sinusoids_of_time_stay_silent(trained):
    """The shipped teacher's and a trained one's; the slow ones are listened to."""
    shipped = HunyuanVideoTransformer3DModel.from_pretrained(LADDER / "model" / "transformer")
    teacher, _ = averaged_teacher(trained[0])
    for transformer in (shipped, teacher.transformer):
        weight = transformer.time_text_embed.timestep_embedder.linear_1.weight.float()
        heard = torch.tensor(slow_times(weight.shape[1])).bool()
        assert 0 < heard.sum() < len(heard)
        assert (weight[:, heard] != 0).all()
        assert not weight[:, ~heard].any()
    # As diffusers makes them: cosines first, the fastest one first.
    rates = get_timestep_embedding(torch.tensor([1.0]), len(heard), flip_sin_to_cos=True, downscale_freq_shift=0).acos()
    half = len(heard) // 2
    assert rates[0, :half][heard[:half]].max() <= FASTEST_TIME < rates[0, :half][~heard[:half]].min()


def test_the_autoencoder_has_normal_latents_and_loses_nothing():
    autoencoder = embedded_autoencoder()
    clips, _ = clip_batch(16, torch.Generator().manual_seed(0))
    with torch.no_grad():
        latents = autoencoder.encode(clips).latent_dist.mode()
    assert latents.mean(dim=(0, 2, 3, 4)).abs().max() < 0.3
    assert 0.6 < latents.std() < 1.4
    assert reconstruction_psnr(autoencoder, clips) > 28


def test_the_folder_is_a_pipeline_that_the_family_loads_and_samples(trained, tmp_path):
    work, _ = trained
    out = tmp_path / "pipeline"
    teacher, steps_done = averaged_teacher(work)
    assert steps_done == 2
    module.save_teacher(teacher, SMALL, steps_done, out)
    said = json.loads((out / "training.json").read_text())
    assert (said["steps_done"], said["clips"], said["denoiser"]["batch_size"]) == (2, 4, 2)
    family = HunyuanVideo()
    loaded = family.load(str(out), revision=None, dtype="float32", device="cpu")
    videos = []
    for pipeline in (build_pipeline(teacher.float(), embedded_autoencoder()), loaded):
        sampling = dataclasses.replace(SAMPLING, num_inference_steps=2)
        with family.scheduled(pipeline, sampling):
            assert pipeline.scheduler.config.shift == 3.0
            output = pipeline(
                **family.call_arguments("a small red circle", sampling),
                generator=torch.Generator().manual_seed(0),
                output_type="np",
            )
        videos.append(torch.from_numpy(family.videos(output)[0]))
    assert videos[0].shape == (9, 32, 32, 3)
    torch.testing.assert_close(videos[0], videos[1], atol=2e-2, rtol=0)
    assert (pipeline.vae_scale_factor_temporal, pipeline.vae_scale_factor_spatial) == (4, 8)
    assert family.branches(SAMPLING) == ("cond", "uncond")


def test_the_command_exports_what_has_been_trained_so_far(trained, capsys):
    work, _ = trained
    main(["--work", str(work), "--export-only"])
    assert capsys.readouterr().out.strip() == f"teacher: {work / 'pipeline'}"
    assert (work / "pipeline" / "model_index.json").is_file()
