"""The autoencoder: exact folding of patches, and the interface diffusers' pipelines expect."""

from __future__ import annotations

import pytest
import torch
from diffusers import ModelMixin

from harness.shapes.autoencoder import PatchAutoencoder, with_normal_latents


@pytest.fixture
def autoencoder():
    torch.manual_seed(0)
    return PatchAutoencoder(
        z_dim=6, width=16, encoder_depth=1, decoder_depth=1, latents_mean=(0.5,) * 6, latents_std=(2.0,) * 6
    ).eval()


@pytest.mark.parametrize("shape", [(2, 3, 9, 32, 32), (1, 3, 1, 8, 16), (1, 3, 5, 24, 8)])
def test_unpatchify_is_the_exact_inverse_of_patchify(autoencoder, shape):
    video = torch.randn(shape)
    patches = autoencoder.patchify(video)
    assert patches.shape == (shape[0], (shape[2] - 1) // 4 + 1, shape[3] // 8, shape[4] // 8, 3 * 4 * 8 * 8)
    assert torch.equal(autoencoder.unpatchify(patches), video)


def test_a_patch_holds_its_own_pixels_alone(autoencoder):
    video = torch.zeros(1, 3, 9, 16, 16)
    video[0, :, 5:9, 8:16, 0:8] = 1  # second later group, lower left
    touched = autoencoder.patchify(video).abs().sum(-1).nonzero().tolist()
    assert touched == [[0, 2, 1, 0]]


def test_the_first_frame_fills_a_group_so_that_time_is_causal(autoencoder):
    video = torch.randn(1, 3, 9, 8, 8)
    later = video.clone()
    later[:, :, 1:] += 1
    with torch.no_grad():
        first, second = (autoencoder.encode(part).latent_dist.mode() for part in (video, later))
    assert torch.equal(first[:, :, 0], second[:, :, 0])
    assert not torch.equal(first[:, :, 1], second[:, :, 1])


@pytest.mark.parametrize("shape", [(1, 3, 8, 8, 8), (1, 3, 9, 12, 8), (1, 3, 9, 8, 9)])
def test_another_size_is_refused_with_what_it_takes(autoencoder, shape):
    with pytest.raises(ValueError, match="needs 1 \\+ a multiple of 4 frames and sides that are multiples of 8"):
        autoencoder.encode(torch.zeros(shape))


def test_shapes_range_and_both_ways_of_returning(autoencoder):
    video = 5 * torch.randn(2, 3, 9, 32, 32)
    with torch.no_grad():
        posterior = autoencoder.encode(video).latent_dist
        latents = posterior.mode()
        assert latents.shape == (2, 6, 3, 4, 4)
        assert torch.equal(posterior.sample(), latents)
        assert torch.equal(autoencoder.encode(video, return_dict=False)[0].mode(), latents)
        decoded = autoencoder.decode(100 * latents).sample
        assert torch.equal(autoencoder.decode(100 * latents, return_dict=False)[0], decoded)
    assert decoded.shape == video.shape
    assert (decoded.min(), decoded.max()) == (-1, 1)


def test_saved_and_loaded_it_is_the_same(autoencoder, tmp_path):
    autoencoder.save_pretrained(tmp_path)
    loaded = PatchAutoencoder.from_pretrained(tmp_path)
    assert isinstance(loaded, ModelMixin)
    assert (loaded.config.z_dim, loaded.config.scale_factor_temporal, loaded.config.scale_factor_spatial) == (6, 4, 8)
    assert (list(loaded.config.latents_mean), list(loaded.config.latents_std)) == ([0.5] * 6, [2.0] * 6)
    assert (tmp_path / "diffusion_pytorch_model.safetensors").is_file()
    video = torch.randn(1, 3, 5, 8, 8)
    with torch.no_grad():
        assert torch.equal(loaded.decode(loaded.encode(video).latent_dist.mode()).sample, autoencoder.decode(
            autoencoder.encode(video).latent_dist.mode()).sample)  # fmt: skip


def test_normal_latents_are_the_scaled_ones_and_decode_to_the_same_video(autoencoder, tmp_path):
    torch.manual_seed(1)
    mean, std = torch.randn(6), 0.5 + torch.rand(6)
    autoencoder.register_to_config(latents_mean=mean.tolist(), latents_std=std.tolist())
    video = torch.randn(1, 3, 5, 8, 16)
    with_normal_latents(autoencoder).save_pretrained(tmp_path)
    normal = PatchAutoencoder.from_pretrained(tmp_path)
    shape = (1, 6, 1, 1, 1)
    with torch.no_grad():
        latents = autoencoder.encode(video).latent_dist.mode()
        expected = (latents - mean.reshape(shape)) / std.reshape(shape)
        torch.testing.assert_close(normal.encode(video).latent_dist.mode(), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(normal.decode(expected).sample, autoencoder.decode(latents).sample)
    assert (list(normal.config.latents_mean), list(normal.config.latents_std)) == ([0.0] * 6, [1.0] * 6)
    assert normal.config.scaling_factor == 1.0
    assert (normal.temporal_compression_ratio, normal.spatial_compression_ratio) == (4, 8)


def test_a_wan_pipeline_takes_it_and_comes_back_from_its_folder(autoencoder, tmp_path):
    """`WanPipeline.from_pretrained(path, vae=...)` and nothing else loads the embedded model."""
    import diffusers

    from methods.families.wan import Wan

    tiny = Wan().tiny(0)
    parts = {name: part for name, part in tiny.components.items() if name not in ("vae", "transformer")}
    transformer = diffusers.WanTransformer3DModel(
        patch_size=(1, 1, 1),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=6,
        out_channels=6,
        text_dim=16,
        freq_dim=32,
        ffn_dim=48,
        num_layers=1,
        rope_max_seq_len=32,
    )
    pipeline = diffusers.WanPipeline(**parts, vae=autoencoder, transformer=transformer)
    pipeline.save_pretrained(tmp_path)
    loaded = diffusers.WanPipeline.from_pretrained(tmp_path, vae=PatchAutoencoder.from_pretrained(tmp_path / "vae"))
    videos = []
    for each in (pipeline, loaded):
        each.set_progress_bar_config(disable=True)
        arguments = {"height": 32, "width": 32, "num_frames": 9, "num_inference_steps": 2, "max_sequence_length": 8}
        generator = torch.Generator().manual_seed(0)
        videos.append(
            torch.from_numpy(each("a red circle", generator=generator, output_type="np", **arguments).frames[0])
        )
    assert videos[0].shape == (9, 32, 32, 3)
    torch.testing.assert_close(*videos, atol=1e-4, rtol=0)
