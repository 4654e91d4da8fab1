"""The reference sampler of DiT against its formulas, worked out on their own in double precision."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch
from diffusers import DDIMScheduler

from methods.families.parts.respaced_ddpm import RespacedDDPMScheduler, space_timesteps


class TestSpacing:
    def test_250_of_1000_are_the_nearest_to_even_spacing(self):
        assert space_timesteps(1000, 250) == [round(Fraction(999 * i, 249)) for i in range(250)]

    @pytest.mark.parametrize(
        ("steps", "expected"), [(1, [0]), (2, [0, 999]), (3, [0, 500, 999]), (5, [0, 250, 500, 749, 999])]
    )
    def test_few(self, steps, expected):
        assert space_timesteps(1000, steps) == expected

    def test_all(self):
        assert space_timesteps(1000, 1000) == list(range(1000))

    @pytest.mark.parametrize("steps", [0, 1001])
    def test_impossible_numbers_are_refused(self, steps):
        with pytest.raises(ValueError, match=f"num_inference_steps is {steps}; give 1 to 1000"):
            space_timesteps(1000, steps)


def expected_step(timesteps, index, sample, output):
    """Mean and log variance of x_{t-1} given x_t for entry `index` of ascending `timesteps`.

    The posterior of DDPM (arXiv 2006.11239, equations 6 and 7) on a chain that has only these timesteps, its betas from
    arXiv 2102.09672, section 4, and its variance from there, equation 15.
    """
    alpha_bar = torch.cumprod(1 - torch.linspace(0.0001, 0.02, 1000, dtype=torch.float64), dim=0)
    here = alpha_bar[timesteps[index]].item()
    before = alpha_bar[timesteps[index - 1]].item() if index else 1.0
    noise, position = output.chunk(2, dim=1)
    beta = 1 - here / before
    start = (sample - (1 - here) ** 0.5 * noise) / here**0.5
    mean = before**0.5 * beta / (1 - here) * start + (1 - beta) ** 0.5 * (1 - before) / (1 - here) * sample
    upper, lower = torch.tensor([beta, beta * (1 - before) / (1 - here)], dtype=torch.float64).log()
    share = (position + 1) / 2
    return mean, share * upper + (1 - share) * lower


@pytest.fixture
def scheduler():
    made = RespacedDDPMScheduler()
    made.set_timesteps(250)
    return made


class TestStep:
    def test_every_step_of_250_draws_from_the_posterior(self, scheduler):
        timesteps = space_timesteps(1000, 250)
        assert scheduler.timesteps.tolist() == timesteps[::-1]
        generator = torch.Generator().manual_seed(0)
        for index in reversed(range(250)):
            sample = torch.randn(2, 4, 2, 2, generator=generator, dtype=torch.float64)
            output = torch.randn(2, 8, 2, 2, generator=generator, dtype=torch.float64)
            mean, log_variance = expected_step(timesteps, index, sample, output)
            noise = torch.randn(2, 4, 2, 2, generator=torch.Generator().manual_seed(index), dtype=torch.float64)
            made = scheduler.step(
                output, scheduler.timesteps[249 - index], sample, generator=torch.Generator().manual_seed(index)
            ).prev_sample
            expected = mean + (0.5 * log_variance).exp() * noise if index else mean
            torch.testing.assert_close(made, expected, rtol=1e-9, atol=1e-10)

    def test_in_single_precision_it_is_as_good_as_that(self, scheduler):
        timesteps = space_timesteps(1000, 250)
        sample, output = torch.randn(2, 1, 8, 2, 2, generator=torch.Generator().manual_seed(0))
        mean, _ = expected_step(timesteps, 1, sample[:, :4].double(), output.double())
        made = scheduler.step(output, scheduler.timesteps[248], sample[:, :4], generator=torch.Generator())
        assert made.prev_sample.dtype == torch.float32
        noise = torch.randn(1, 4, 2, 2, generator=torch.Generator())
        _, log_variance = expected_step(timesteps, 1, sample[:, :4].double(), output.double())
        expected = mean + (0.5 * log_variance).exp() * noise
        torch.testing.assert_close(made.prev_sample.double(), expected, rtol=1e-5, atol=1e-6)


class TestLike:
    def test_takes_the_models_betas(self):
        made = RespacedDDPMScheduler.like(DDIMScheduler(beta_start=0.001, beta_end=0.01).config)
        assert made.betas[0].item() == pytest.approx(0.001)
        assert made.betas[-1].item() == pytest.approx(0.01)
        assert made.betas.dtype == torch.float64
        assert made.config.variance_type == "learned_range"
        assert not made.config.clip_sample

    @pytest.mark.parametrize("change", [{"beta_schedule": "scaled_linear"}, {"prediction_type": "v_prediction"}])
    def test_other_training_is_refused(self, change):
        (name,) = change
        with pytest.raises(ValueError, match=f"{name} is '{change[name]}' in the model's scheduler"):
            RespacedDDPMScheduler.like(DDIMScheduler(**change).config)
