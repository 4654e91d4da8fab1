import pytest
import torch

from methods.training.muon import Float32Muon, orthogonalized

DEFAULTS = torch.optim.Muon([torch.nn.Parameter(torch.zeros(2, 2))]).defaults


@pytest.mark.parametrize("shape", [(24, 24), (8, 40), (40, 8)])
def test_steps_are_those_of_torch_but_for_rounding(shape: tuple[int, int]) -> None:
    start = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    found = []
    for kind in (torch.optim.Muon, Float32Muon):
        parameters = [torch.nn.Parameter(one.clone()) for one in start]
        optimizer = kind(parameters, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
        generator = torch.Generator().manual_seed(1)
        for _ in range(3):
            for parameter in parameters:
                parameter.grad = torch.randn(shape, generator=generator)
            optimizer.step()
        found.append(torch.stack([parameter.detach() for parameter in parameters]) - start)
    theirs, ours = found
    assert (ours - theirs).norm() < 0.02 * theirs.norm()


@pytest.mark.parametrize("shape", [(6, 20), (20, 6)])
def test_directions_have_singular_values_near_one(shape: tuple[int, int]) -> None:
    matrices = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalized(matrices, DEFAULTS))
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.5


def test_a_closure_is_refused() -> None:
    with pytest.raises(ValueError, match="takes no closure"):
        Float32Muon([torch.nn.Parameter(torch.zeros(2, 2))]).step(lambda: 0.0)
