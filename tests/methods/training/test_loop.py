"""The loop: seeded, resumable to the bit, averaged; each module learns from its own loss alone."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
import torch
from torch import nn

from methods.training.loop import LossValues, Trained, TrainingError, iteration_generator, train


def line(seed=0):
    torch.manual_seed(seed)
    return nn.Linear(3, 1)


def batches(generator):
    return torch.randn(8, 3, generator=generator)


def squared(modules, batch, generator, iteration):
    target = batch.sum(dim=1, keepdim=True) + 0.01 * torch.randn(len(batch), 1, generator=generator)
    loss = (modules["line"](batch) - target).square().mean()
    return LossValues({"line": loss}, {"double": 2 * loss.detach()})


def run(folder, loop_config, report=None, **changed):
    trained = Trained(line(), **{"learning_rate": 0.05, **changed})
    return train({"line": trained}, squared, batches, loop_config, folder, report)["line"]


def test_learns_and_reports(tmp_path, loop):
    seen = []
    found = run(tmp_path, loop(200, gradient_clip_norm=None), seen.append)
    torch.testing.assert_close(found.weight.detach(), torch.ones(1, 3), atol=0.05, rtol=0)
    assert [one.iteration for one in seen] == list(range(1, 201))
    assert seen[-1].losses["line"] < 0.01 * seen[0].losses["line"]
    assert seen[0].losses["double"] == pytest.approx(2 * seen[0].losses["line"])
    assert seen[-1].eta_s == 0
    assert seen[0].eta_s > 0
    assert all(later.spent_s >= before.spent_s for before, later in pairwise(seen))
    assert not found.training


def test_the_seed_decides(tmp_path, loop):
    first, again = (run(tmp_path / name, loop(3)).weight for name in ("a", "b"))
    other = run(tmp_path / "c", loop(3, seed=1)).weight
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_iterations_and_processes_draw_apart():
    draws = [
        torch.rand(1, generator=iteration_generator(*place)).item()
        for place in [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0)]
    ]
    assert len(set(draws)) == 4


@pytest.mark.parametrize("ema_decay", [None, 0.9])
def test_an_interrupted_training_goes_on_to_the_bit(tmp_path, loop, ema_decay):
    whole = run(tmp_path / "whole", loop(6), ema_decay=ema_decay)

    def interrupt(progress):
        if progress.iteration == 5:  # after the checkpoint of 4
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", loop(6), interrupt, ema_decay=ema_decay)
    seen = []
    resumed = run(tmp_path / "parts", loop(6), seen.append, ema_decay=ema_decay)
    assert [one.iteration for one in seen] == [5, 6]
    assert seen[0].spent_s > 0
    assert torch.equal(resumed.weight, whole.weight)
    assert torch.equal(resumed.bias, whole.bias)


def test_a_finished_training_is_read_and_may_be_made_longer(tmp_path, loop):
    seen = []
    run(tmp_path, loop(2))
    assert torch.equal(run(tmp_path, loop(2), seen.append).weight, run(tmp_path, loop(2), seen.append).weight)
    assert seen == []
    assert torch.equal(run(tmp_path, loop(4), seen.append).weight, run(tmp_path / "whole", loop(4)).weight)
    assert [one.iteration for one in seen] == [3, 4]


@pytest.mark.parametrize(("changed", "name"), [({"learning_rate": 0.1}, "trained"), ({}, "seed")])
def test_another_training_is_not_continued(tmp_path, loop, changed, name):
    run(tmp_path, loop(2))
    with pytest.raises(TrainingError, match=f"of a training with other {name}; give an empty folder"):
        run(tmp_path, loop(3, seed=0 if changed else 1), **changed)


def test_the_average_follows_its_decay(tmp_path, loop):
    weights = [line().weight.detach()]

    averages = []

    def watch(modules, batch, generator, iteration):
        if iteration:
            weights.append(modules["line"].weight.detach().clone())
        averages.append(modules["line.average"].weight.clone())
        return squared(modules, batch, generator, iteration)

    module = line()
    found = train({"line": Trained(module, 0.05, ema_decay=0.75)}, watch, batches, loop(3), tmp_path)["line"]
    weights.append(module.weight.detach())
    expected = weights[0]
    for seen, weight in zip(averages, weights[1:], strict=True):
        torch.testing.assert_close(seen, expected)
        expected = 0.75 * expected + 0.25 * weight
    torch.testing.assert_close(found.weight, expected)
    assert found is not module


class TestTwoPlayers:
    def losses(self, modules, batch, generator, iteration):
        """Each wants what the other makes to be far away; the second joins in the second iteration."""
        made = modules["one"](batch)
        judged = modules["two"](made.expand(-1, 3))
        minimized = {"one": judged.mean()}
        if iteration:
            minimized["two"] = -judged.mean()
        return LossValues(minimized, {})

    def test_each_learns_from_its_own_loss(self, tmp_path, loop):
        one, two = line(0), line(1)
        before = {name: module.weight.detach().clone() for name, module in (("one", one), ("two", two))}
        trained = {"one": Trained(one, 0.01), "two": Trained(two, 0.1)}
        train(trained, self.losses, batches, loop(1), tmp_path)
        assert not torch.equal(one.weight, before["one"])
        assert torch.equal(two.weight, before["two"])

    def test_both_step_after_both_gradients_are_known(self, tmp_path, loop):
        """AdamW's first step is the learning rate against the gradient's sign, whatever the other did before."""
        one, two = line(0), line(1)
        batch = batches(iteration_generator(0, 0, 0))
        made = one(batch)
        two(made.expand(-1, 3)).mean().backward()
        expected = (one.weight - 0.01 * one.weight.grad.sign(), two.weight + 0.1 * two.weight.grad.sign())
        one.zero_grad()
        two.zero_grad()
        trained = {"one": Trained(one, 0.01), "two": Trained(two, 0.1)}
        train(trained, lambda *given: self.losses(*given[:3], 1), batches, loop(1), tmp_path)
        torch.testing.assert_close(one.weight, expected[0], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(two.weight, expected[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"warmup_iterations": 2}, [0, 0.05, 0.1, 0.1, 0.1]),
        ({"cooldown_iterations": 4}, [0, 0.1, 0.1, 0.075, 0.05]),
    ],
)
def test_the_learning_rate_warms_up_and_cools_down(tmp_path, loop, config, expected):
    steps, last = [], [line().weight.detach().clone()]

    def constant(modules, batch, generator, iteration):
        steps.append((modules["line"].weight.detach() - last[0]).abs().max().item())
        last[0] = modules["line"].weight.detach().clone()
        return LossValues({"line": modules["line"].weight.sum()}, {})

    trained = {"line": Trained(line(), 0.1)}
    train(trained, constant, batches, loop(5, **config), tmp_path)
    assert steps == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("limit", "norm"), [(None, 5.0), (1.0, 5.0)])
def test_reports_the_norm_before_clipping(tmp_path, loop, limit, norm):
    seen = []

    def constant(modules, batch, generator, iteration):
        weight = modules["line"].weight[0]
        return LossValues({"line": 3 * weight[0] + 4 * weight[1]}, {})

    train({"line": Trained(line(), 0.1)}, constant, batches, loop(1, gradient_clip_norm=limit), tmp_path, seen.append)
    assert seen[0].gradient_norms == pytest.approx({"line": norm})


def test_bfloat16_is_of_activations_only(tmp_path, loop):
    types = []

    def watch(modules, batch, generator, iteration):
        types.append(modules["line"](batch).dtype)
        return squared(modules, batch, generator, iteration)

    for precision in ("bfloat16", "float32", "bfloat16"):  # rungs of one process differ in theirs
        found = train(
            {"line": Trained(line(), 0.1)}, watch, batches, loop(1, precision=precision), tmp_path / str(len(types))
        )
        assert found["line"].weight.dtype == torch.float32
    assert types == [torch.bfloat16, torch.float32, torch.bfloat16]


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        (lambda *_: LossValues({"line": torch.tensor(float("nan"))}, {}), "loss line is nan in iteration 0"),
        (lambda *_: LossValues({"other": torch.zeros(())}, {}), r"minimised for \['other'\]; modules are \['line'\]"),
        (lambda *_: LossValues({}, {"seen": torch.zeros(())}), "minimised for nothing"),
    ],
)
def test_refuses_losses_that_teach_nothing(tmp_path, loop, losses, message):
    with pytest.raises(TrainingError, match=message):
        train({"line": Trained(line(), 0.1)}, losses, batches, loop(1), tmp_path)


@pytest.mark.parametrize("name", ["iterations", "checkpoint_every"])
def test_refuses_impossible_lengths(loop, name):
    with pytest.raises(ValueError, match=f"{name} is 0; give at least 1"):
        dataclasses.replace(loop(1), **{name: 0})


def deep(seed=0):
    torch.manual_seed(seed)
    return nn.ModuleDict(
        {"first": nn.Linear(3, 6), "blocks": nn.ModuleList([nn.Linear(6, 6)]), "last": nn.Linear(6, 1)}
    )


def test_muon_trains_the_matrices_of_blocks_and_is_continued_to_the_bit(tmp_path, loop):
    def through(modules, batch, generator, iteration):
        net = modules["net"]
        loss = net["last"](net["blocks"][0](net["first"](batch))).square().mean()
        return LossValues({"net": loss}, {})

    def trained(folder, iterations, optimizer="muon"):
        net = deep()
        one = Trained(net, 0.01, blocks=net["blocks"])
        return train({"net": one}, through, batches, loop(iterations, optimizer=optimizer, checkpoint_every=2), folder)

    by_muon, by_adamw = (trained(tmp_path / name, 1, name)["net"].state_dict() for name in ("muon", "adamw"))
    for name, value in by_muon.items():
        assert torch.allclose(value, by_adamw[name], atol=1e-6) == (name != "blocks.0.weight"), name
    whole = trained(tmp_path / "whole", 4)["net"].state_dict()
    trained(tmp_path / "parts", 2)
    continued = trained(tmp_path / "parts", 4)["net"].state_dict()
    assert all(torch.equal(value, continued[name]) for name, value in whole.items())
    with pytest.raises(TrainingError, match="other optimizer"):
        trained(tmp_path / "parts", 6, "adamw")
