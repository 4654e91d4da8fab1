"""Where a generation's time goes, and that watching leaves no trace."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness.measure import stages as module
from harness.measure.clock import Clock
from harness.measure.stages import count_stages, first_steps, tensor_sha256, watch_stages
from methods.families.wan import Wan


@pytest.fixture
def family():
    return Wan()


@pytest.fixture
def pipeline(tiny_pipeline, family):
    return tiny_pipeline(family)


@pytest.fixture
def call(pipeline, family):
    def run(seed=0, **extra):
        arguments = family.call_arguments("a red circle moves left", family.tiny_sampling())
        with torch.no_grad():
            return pipeline(
                **arguments, generator=torch.Generator().manual_seed(seed), output_type="np", **extra
            ).frames

    return run


class FakeClock:
    """A clock whose time is the number of its mark."""

    def __init__(self):
        self.marks = 0

    def mark(self):
        self.marks += 1
        return self.marks - 1

    def seconds(self, start, end):
        return float(end - start)


def attributes(pipeline):
    """Instance attributes of the pipeline and its autoencoder: names, and what the watched names mean."""
    watched = pipeline.encode_prompt, pipeline.prepare_latents, pipeline.vae.decode, pipeline.scheduler.step
    return set(vars(pipeline)), set(vars(pipeline.vae)), watched


class TestWatch:
    def test_parts_lie_in_order_and_add_up_to_no_more_than_the_whole(self, pipeline, call, family):
        clock = Clock("cpu")
        with watch_stages(pipeline, clock) as stages:
            start = clock.mark()
            call()
            latency = stages.latency(start, clock.mark())
        assert len(latency.step_s) == family.tiny_sampling().num_inference_steps
        assert latency.denoise_s == pytest.approx(sum(latency.step_s))
        parts = latency.text_encode_s, latency.denoise_s, latency.decode_s
        assert min(*parts, *latency.step_s) > 0
        assert 0.8 * latency.total_s < sum(parts) <= latency.total_s

    def test_denoising_lasts_from_the_noise_to_the_last_step(self, pipeline, call):
        """On a counting clock: encode (1, 2), noise (3, 4), 6 steps (5..10), decode (11, 12), end 13."""
        clock = FakeClock()
        with watch_stages(pipeline, clock) as stages:
            start = clock.mark()
            call()
            latency = stages.latency(start, clock.mark())
        assert latency.step_s == (1.0,) * 6
        assert (latency.text_encode_s, latency.denoise_s, latency.decode_s, latency.total_s) == (1, 6, 1, 13)

    def test_noise_hash_is_the_seeds_and_nothing_elses(self, pipeline, call):
        def noise(seed):
            with watch_stages(pipeline, Clock("cpu")) as stages:
                call(seed)
            return stages.noise_sha256

        assert noise(0) == noise(0)
        assert noise(0) != noise(1)
        expected = torch.randn(1, 4, 2, 4, 4, generator=torch.Generator().manual_seed(0))
        assert noise(0) == tensor_sha256(expected) == hashlib.sha256(expected.numpy().tobytes()).hexdigest()

    def test_does_not_change_the_video(self, pipeline, call):
        expected = call()
        with watch_stages(pipeline, Clock("cpu")):
            assert (call() == expected).all()

    @pytest.mark.parametrize("watch", [lambda pipeline: watch_stages(pipeline, Clock("cpu")), count_stages])
    @pytest.mark.parametrize("fails", [False, True])
    def test_leaves_nothing_behind(self, pipeline, call, watch, fails):
        call()
        before = attributes(pipeline)
        with suppress(ZeroDivisionError), watch(pipeline):
            assert attributes(pipeline) != before
            if fails:
                raise ZeroDivisionError
            call()
        assert attributes(pipeline) == before

    def test_puts_back_a_wrapper_that_was_there(self, pipeline):
        """Another library may have wrapped `decode` on the instance."""
        own = pipeline.vae.decode
        object.__setattr__(pipeline.vae, "decode", own)
        try:
            with watch_stages(pipeline, Clock("cpu")):
                assert vars(pipeline.vae)["decode"] is not own
            assert vars(pipeline.vae)["decode"] is own
        finally:
            object.__delattr__(pipeline.vae, "decode")

    @pytest.mark.parametrize("vae", [{}, {"vae": None}, {"vae": nn.Identity()}])
    def test_a_pipeline_without_stages_has_only_a_total(self, vae):
        clock = FakeClock()
        with watch_stages(SimpleNamespace(**vae), clock) as stages:
            start = clock.mark()
            latency = stages.latency(start, clock.mark())
        assert stages.noise_sha256 is None
        assert (latency.total_s, latency.text_encode_s, latency.denoise_s, latency.decode_s) == (1, 0, 0, 0)

    def test_noise_may_come_with_other_tensors(self):
        """Some pipelines return a tuple from `prepare_latents`."""
        noise = torch.ones(2)
        pipeline = SimpleNamespace(prepare_latents=lambda: (noise, torch.zeros(1)))
        with watch_stages(pipeline, FakeClock()) as stages:
            pipeline.prepare_latents()
        assert stages.noise_sha256 == tensor_sha256(noise)


class TestCount:
    def test_equals_torchs_counter_around_the_same_calls(self, pipeline, call, family):
        with count_stages(pipeline) as found:
            call()
        (counted,) = found
        with torch.no_grad(), FlopCounterMode(display=False) as encode:
            pipeline.encode_prompt("a", "", True, max_sequence_length=family.tiny_sampling().max_sequence_length)
        with torch.no_grad(), FlopCounterMode(display=False) as decode:
            pipeline.vae.decode(torch.zeros(1, 4, 2, 4, 4))
        assert counted.text_encode == encode.get_total_flops() > 0
        assert counted.decode == decode.get_total_flops() > 0

    def test_names_operators_without_a_formula(self, monkeypatch):
        monkeypatch.setattr(module, "measure_call", lambda call: (call(), 5, ("aten._fft_r2c",)))
        pipeline = SimpleNamespace(encode_prompt=lambda: 1, vae=SimpleNamespace(decode=lambda: 2))
        with count_stages(pipeline) as found:
            assert (pipeline.encode_prompt(), pipeline.vae.decode()) == (1, 2)
        assert (found[0].text_encode, found[0].decode, found[0].unseen_ops) == (5, 5, ("aten._fft_r2c",))


def test_hash_of_a_tensor_does_not_depend_on_layout_or_type():
    tensor = torch.arange(6.0).reshape(2, 3)
    assert tensor_sha256(tensor.t().contiguous().t()) == tensor_sha256(tensor)
    assert tensor_sha256(tensor.to(torch.bfloat16)) == tensor_sha256(tensor)
    assert tensor_sha256(tensor + 1) != tensor_sha256(tensor)


class TestFirstSteps:
    def test_runs_the_beginning_of_the_schedule_and_no_more(self, pipeline, call, monkeypatch):
        timesteps, decoded = [], []
        step, decode = pipeline.scheduler.step, pipeline.vae.decode
        monkeypatch.setattr(
            pipeline.scheduler, "step", lambda *args, **kwargs: timesteps.append(args[1]) or step(*args, **kwargs)
        )
        monkeypatch.setattr(
            pipeline.vae, "decode", lambda *args, **kwargs: decoded.append(1) or decode(*args, **kwargs)
        )
        call()
        whole, made = list(timesteps), len(decoded)
        timesteps.clear()
        first_steps(pipeline, 2, call)
        assert timesteps == whole[:2]
        assert len(decoded) == made

    def test_leaves_nothing_behind(self, pipeline, call):
        expected, before = call(), attributes(pipeline)
        first_steps(pipeline, 2, call)
        assert attributes(pipeline) == before
        assert (call() == expected).all()

    def test_an_error_of_the_generation_is_raised(self, pipeline):
        def broken():
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            first_steps(pipeline, 2, broken)
