"""Noised latents and where their randomness comes from."""

from __future__ import annotations

import torch

from methods.training.flow import noise_like, noised, per_sample, uniform


def test_goes_from_the_data_to_the_noise_at_constant_velocity():
    data, noise = torch.full((3, 2, 1, 1, 1), 2.0), torch.full((3, 2, 1, 1, 1), -1.0)
    found = noised(data, noise, torch.tensor([0.0, 0.25, 1.0]))
    assert found[:, 0].flatten().tolist() == [2.0, 1.25, -1.0]
    step = (noised(data, noise, torch.full((3,), 0.5)) - noised(data, noise, torch.full((3,), 0.25))) / 0.25
    assert torch.equal(step, noise - data)


def test_scales_whole_samples():
    assert per_sample(torch.tensor([1.0, 2.0]), torch.ones(2, 4, 1, 3, 3)).shape == (2, 1, 1, 1, 1)


def test_draws_depend_on_the_generator_alone():
    def draws(seed):
        generator = torch.Generator().manual_seed(seed)
        return torch.cat([uniform(4, 1.0, 8.0, generator), noise_like(torch.empty(2, 2), generator).flatten()])

    assert torch.equal(draws(0), draws(0))
    assert not torch.equal(draws(0), draws(1))
    many = uniform(10_000, 1.0, 8.0, torch.Generator().manual_seed(0))
    assert 1 <= many.min() < 1.01
    assert 7.99 < many.max() < 8
