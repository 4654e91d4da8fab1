"""The discriminator: its losses' signs, its heads, and where features are taken from."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from methods.training.discriminator import (
    Discriminator,
    DiscriminatorConfig,
    discriminator_loss,
    predictor_adversarial_loss,
    tapped,
    tapped_depths,
)


def gradient(loss, scores):
    return [value.item() for value in torch.autograd.grad(loss, scores)]


def test_corrected_signs_pull_apart_and_the_predictor_pulls_the_other_way():
    real, fake = torch.zeros((), requires_grad=True), torch.zeros((), requires_grad=True)
    # A gradient's sign is against the direction of learning.
    assert gradient(discriminator_loss([real], [fake], "corrected"), [real, fake]) == [-1, 1]
    assert gradient(predictor_adversarial_loss([fake]), [fake]) == [-1]


def test_printed_signs_reward_both_networks_for_the_same():
    real, fake = torch.zeros((), requires_grad=True), torch.zeros((), requires_grad=True)
    assert gradient(discriminator_loss([real], [fake], "printed"), [real, fake]) == [1, -1]


def test_hinges_by_hand():
    real, fake = [torch.tensor([2.0, 0.5])], [torch.tensor([-2.0, 0.5])]
    assert discriminator_loss(real, fake, "corrected").item() == pytest.approx(0.25 + 0.75)
    assert discriminator_loss(real, fake, "printed").item() == pytest.approx(1.75 + 2.25)
    assert predictor_adversarial_loss(fake).item() == pytest.approx(1.75)


def test_layers_weigh_alike_however_many_scores_they_have():
    assert predictor_adversarial_loss([torch.ones(100), torch.zeros(1)]).item() == pytest.approx(0.5)


@pytest.mark.parametrize(("pooling", "shape"), [("tokens", (2, 5)), ("video", (2,))])
def test_a_score_for_each_layer(pooling, shape):
    judge = Discriminator(8, DiscriminatorConfig(num_layers=3, pooling=pooling))
    scores = judge([torch.randn(2, 5, 8) for _ in range(3)])
    assert [score.shape for score in scores] == [shape] * 3


def test_every_layer_with_weights_has_spectral_norm():
    judge = Discriminator(8, DiscriminatorConfig(num_layers=2)).eval()
    linear = [module for module in judge.modules() if isinstance(module, nn.Linear)]
    assert len(linear) == 4
    assert all(is_parametrized(module, "weight") for module in linear)
    judge.train()
    for _ in range(30):
        judge([torch.randn(1, 2, 8)] * 2)
    for module in linear:
        assert torch.linalg.matrix_norm(module.weight, 2).item() == pytest.approx(1, rel=1e-2)


def test_scale_of_features_does_not_count():
    judge = Discriminator(8, DiscriminatorConfig(num_layers=1)).eval()
    features = torch.randn(1, 3, 8)
    assert torch.allclose(judge([features])[0], judge([1000 * features])[0], atol=1e-4)


@pytest.mark.parametrize(
    ("blocks", "layers", "depths"), [(12, 4, (2, 5, 8, 11)), (60, 4, (14, 29, 44, 59)), (3, 3, (0, 1, 2)), (5, 1, (4,))]
)
def test_features_are_from_evenly_spread_depths_with_the_last(blocks, layers, depths):
    assert tapped_depths(blocks, layers) == depths


def test_more_layers_than_blocks_are_refused():
    with pytest.raises(ValueError, match="num_layers of the discriminator is 4 but there are 3 blocks"):
        tapped_depths(3, 4)


def test_the_first_stream_is_tapped_and_no_hook_stays():
    class Two(nn.Module):
        def forward(self, video, text):
            return video + 1, text

    block, single = Two(), nn.Identity()
    with tapped([block, single]) as features:
        single(block(torch.zeros(2), torch.ones(2))[0])
    assert [value.tolist() for value in features] == [[1, 1], [1, 1]]
    assert not block._forward_hooks
    assert not single._forward_hooks


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_layers": 0}, "num_layers of the discriminator is 0; give at least 1"),
        ({"head_width": 0}, "head_width of the discriminator is 0"),
        ({"pooling": "max"}, "pooling of the discriminator is 'max'; give tokens or video"),
        ({"signs": "right"}, "signs of the discriminator is 'right'; give corrected or printed"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiscriminatorConfig(**arguments)
