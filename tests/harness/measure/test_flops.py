"""The meter counts what the counter counts, without being there when it matters."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness.measure.flops import FlopMeter, measure_call
from methods.families.wan import Wan


@pytest.fixture
def family():
    return Wan()


@pytest.fixture
def pipeline(tiny_pipeline, family):
    return tiny_pipeline(family)


class Loose(nn.Module):
    """A block that also multiplies by a matrix of its own, in no child."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(8, 8)
        self.members = nn.ModuleList([nn.Linear(8, 4)])
        self.matrix = nn.Parameter(torch.ones(8, 8))

    def forward(self, hidden):
        self.members[0](hidden)
        return self.linear(hidden) @ self.matrix


class Stack(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Loose(), Loose()])

    def forward(self, hidden, depth=2):
        for block in self.blocks[:depth]:
            hidden = block(hidden)
        return hidden @ hidden.T


LINEAR, MEMBER, MATRIX = 2 * 5 * 8 * 8, 2 * 5 * 8 * 4, 2 * 5 * 8 * 8
BLOCK = LINEAR + MEMBER + MATRIX
ROOT = 2 * 5 * 8 * 5


class TestOnWan:
    def test_first_and_later_videos_count_alike_and_truly(self, family, pipeline, generate):
        with FlopMeter(pipeline.transformer, family) as meter:
            counts = []
            for seed in range(2):
                meter.reset()
                generate(pipeline, family, seed=seed)
                counts.append(meter.denoiser_flops())
            assert meter.full_forward_flops() * 12 == counts[0]
        assert counts[0] == counts[1]
        inputs = {
            "hidden_states": torch.zeros(1, 4, 2, 4, 4),
            "timestep": torch.zeros(1),
            "encoder_hidden_states": torch.zeros(1, 8, 16),
        }
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            pipeline.transformer(**inputs)
        assert counter.get_total_flops() * 12 == counts[0]

    def test_does_not_change_the_video(self, family, pipeline, generate):
        expected = generate(pipeline, family)
        with FlopMeter(pipeline.transformer, family):
            assert torch.equal(generate(pipeline, family), expected)
            assert torch.equal(generate(pipeline, family), expected)

    def test_leaves_nothing_behind(self, family, pipeline, generate, attributes_of):
        generate(pipeline, family)
        before = attributes_of(pipeline.transformer)
        with FlopMeter(pipeline.transformer, family):
            generate(pipeline, family)
            assert attributes_of(pipeline.transformer) != before
        assert attributes_of(pipeline.transformer) == before

    @pytest.mark.parametrize("change", [{"height": 48}, {"num_frames": 9}, {"max_sequence_length": 16}])
    def test_a_new_shape_is_measured_anew(self, family, pipeline, generate, change):
        other = dataclasses.replace(family.tiny_sampling(), **change)
        with FlopMeter(pipeline.transformer, family) as fresh:
            generate(pipeline, family, other)
            expected, expected_full = fresh.denoiser_flops(), fresh.full_forward_flops()
        with FlopMeter(pipeline.transformer, family) as meter:
            generate(pipeline, family)
            before = meter.denoiser_flops()
            meter.reset()
            generate(pipeline, family, other)
            assert meter.denoiser_flops() == expected > before
            assert meter.full_forward_flops() == expected_full

    def test_all_its_operators_have_formulas(self, family, pipeline, generate):
        with FlopMeter(pipeline.transformer, family) as meter:
            generate(pipeline, family)
            assert meter.unseen_ops() == ()

    def test_text_encoder_and_autoencoder_are_measured_whole(self, family, pipeline):
        with torch.no_grad():
            latents = torch.zeros(1, 4, 2, 4, 4)
            frames, flops, unseen = measure_call(lambda: pipeline.vae.decode(latents, return_dict=False)[0])
            assert frames.shape == (1, 3, 5, 32, 32)
            assert flops > 1_000_000
            assert unseen == ()
            _, flops, unseen = measure_call(lambda: pipeline.encode_prompt("a red circle", max_sequence_length=8))
            assert flops > 10_000
            assert unseen == ()


class TestOnAnyModule:
    @torch.no_grad()
    def test_work_outside_of_children_is_counted(self, family):
        stack, hidden = Stack(), torch.ones(5, 8)
        with FlopMeter(stack, family) as meter:
            for _ in range(3):
                stack(hidden)
            assert meter.denoiser_flops() == 3 * (2 * BLOCK + ROOT)

    @torch.no_grad()
    def test_what_is_not_called_is_not_counted(self, family):
        stack, hidden = Stack(), torch.ones(5, 8)
        with FlopMeter(stack, family) as meter:
            stack(hidden)
            assert meter.full_forward_flops() == 2 * BLOCK + ROOT
            meter.reset()
            stack.blocks[1].linear.forward = lambda hidden: hidden
            stack(hidden)
            assert meter.denoiser_flops() == 2 * BLOCK + ROOT - LINEAR
            assert meter.full_forward_flops() == 2 * BLOCK + ROOT

    @torch.no_grad()
    def test_a_part_first_skipped_is_measured_when_it_first_runs(self, family):
        stack, hidden = Stack(), torch.ones(5, 8)
        with FlopMeter(stack, family) as meter:
            stack(hidden, depth=1)
            assert meter.denoiser_flops() == BLOCK + ROOT
            stack(hidden)
            assert meter.denoiser_flops() == 3 * BLOCK + 2 * ROOT
            assert meter.full_forward_flops() == 2 * BLOCK + ROOT

    @torch.no_grad()
    def test_known_parts_are_not_run_under_the_counter(self, family, monkeypatch):
        stack, hidden = Stack(), torch.ones(5, 8)
        with FlopMeter(stack, family) as meter:
            stack(hidden)

            def refuse(self):
                raise AssertionError("counted again")

            monkeypatch.setattr(FlopCounterMode, "__enter__", refuse)
            stack(hidden)
            assert meter.denoiser_flops() == 2 * (2 * BLOCK + ROOT)
            with pytest.raises(AssertionError, match="counted again"):
                stack(torch.ones(6, 8))

    @torch.no_grad()
    def test_a_part_that_failed_is_measured_the_next_time(self, family):
        stack = Stack()
        with FlopMeter(stack, family) as meter:
            with pytest.raises(RuntimeError):
                stack(torch.ones(5, 7))
            meter.reset()
            stack(torch.ones(5, 8))
            assert meter.denoiser_flops() == 2 * BLOCK + ROOT

    def test_before_any_call_there_is_no_full_cost(self, family):
        with FlopMeter(Stack(), family) as meter, pytest.raises(RuntimeError, match="generate a video first"):
            meter.full_forward_flops()

    def test_entering_twice_is_refused(self, family):
        with FlopMeter(Stack(), family) as meter, pytest.raises(RuntimeError, match="entered already"):
            meter.__enter__()

    def test_an_own_forward_comes_back(self, family):
        stack = Stack()

        def own(hidden):
            return hidden

        stack.blocks[0].linear.forward = own
        with FlopMeter(stack, family):
            assert stack.blocks[0].linear.forward is not own
        assert vars(stack.blocks[0].linear)["forward"] is own


class TestMeasureCall:
    def test_attention_on_this_device_is_counted(self):
        query = torch.randn(1, 2, 64, 16)
        # Two products of (64 x 16) and (16 x 64) or (64 x 64) and (64 x 16) for each of 2 heads.
        _, flops, unseen = measure_call(lambda: F.scaled_dot_product_attention(query, query, query))
        assert flops == 2 * (2 * 64 * 16 * 64) * 2
        assert unseen == ()

    def test_masked_attention_is_counted(self):
        query, mask = torch.randn(1, 2, 64, 16), torch.ones(64, 64, dtype=torch.bool)
        _, flops, unseen = measure_call(lambda: F.scaled_dot_product_attention(query, query, query, attn_mask=mask))
        assert flops == 2 * (2 * 64 * 16 * 64) * 2
        assert unseen == ()

    def test_convolutions_are_counted(self):
        layer = nn.Conv3d(3, 5, 3, padding=1)
        _, flops, unseen = measure_call(lambda: layer(torch.zeros(1, 3, 4, 6, 6)))
        assert flops == 2 * 5 * 3 * 27 * 4 * 6 * 6
        assert unseen == ()

    def test_operators_without_a_formula_are_named(self):
        result, flops, unseen = measure_call(lambda: torch.fft.rfft(torch.ones(16)))
        assert result.shape == (9,)
        assert flops == 0
        assert unseen == ("aten._fft_r2c",)

    def test_operators_of_other_libraries_are_named(self):
        library = torch.library.Library("meter_test", "DEF")
        library.define("attend(Tensor x) -> Tensor")
        library.impl("attend", lambda x: x.clone(), "CPU")
        _, _, unseen = measure_call(lambda: torch.ops.meter_test.attend(torch.ones(2)))
        assert unseen == ("meter_test.attend",)

    def test_plain_arithmetic_is_free_and_not_reported(self):
        x = torch.ones(4, 4)
        _, flops, unseen = measure_call(
            lambda: F.layer_norm(F.gelu(x + x), (4,)).softmax(0).sum() + torch.linalg.vector_norm(x)
        )
        assert flops == 0
        assert unseen == ()


class WithGuest(nn.Module):
    """A transformer that asks a child it was lent, if there is one, in place of its blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Loose(), Loose()])

    def forward(self, hidden):
        guest = getattr(self, "guest", None)
        if guest is not None:
            return guest(hidden)
        for block in self.blocks:
            hidden = block(hidden)
        return hidden


class TestGuests:
    """Children that a method lends the transformer while it is in force."""

    @pytest.fixture
    def stack(self):
        return WithGuest()

    @torch.no_grad()
    @pytest.mark.parametrize("first", ["without guest", "with guest"])
    def test_are_told_apart_from_calls_without_though_arguments_are_shaped_alike(self, stack, family, first):
        hidden, guest = torch.zeros(5, 8), nn.Linear(8, 8)
        with FlopMeter(stack, family) as meter:
            counts = {"without guest": [], "with guest": []}
            for _ in range(3):
                for state in counts if first == "without guest" else reversed(counts):
                    if state == "with guest":
                        stack.add_module("guest", guest)
                    meter.reset()
                    stack(hidden)
                    counts[state].append(meter.denoiser_flops())
                    stack._modules.pop("guest", None)
        assert counts == {"without guest": [2 * BLOCK] * 3, "with guest": [LINEAR] * 3}

    @torch.no_grad()
    def test_are_let_go_of(self, stack, family):
        hidden, guest = torch.zeros(5, 8), nn.Linear(8, 8)
        with FlopMeter(stack, family) as meter:
            stack.add_module("guest", guest)
            stack(hidden)
            assert "forward" in vars(guest)
            del stack._modules["guest"]
            stack(hidden)
            assert "forward" not in vars(guest)
            stack.add_module("guest", guest)
            meter.reset()
            stack(hidden)
            assert meter.denoiser_flops() == LINEAR
        assert "forward" not in vars(guest)
