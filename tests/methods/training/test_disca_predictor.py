"""Training of the predictor: Algorithm 3's quantities, its two stages, and what is written."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch

from methods.disca import Disca
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.predictor_only import PredictorOnly
from methods.students.predictor import PredictorConfig, make_predictor
from methods.students.predictor_rung import read_predictor
from methods.students.random_rungs import write_random_student
from methods.students.rung import state_digest
from methods.students.student import read_student, velocity
from methods.training.disca_predictor import (
    DiscaPredictorTraining,
    PredictorLosses,
    draw_step,
    following,
    later,
    shifted_sigmas,
    stepped,
    train_disca_predictor,
)
from methods.training.discriminator import Discriminator, DiscriminatorConfig, discriminator_loss
from methods.training.predicted_model import Point, PredictedModel

FAMILIES = [Wan(), HunyuanVideo()]
SMALL = DiscriminatorConfig(num_layers=2, head_width=8)


@pytest.fixture
def student_folder(tmp_path):
    def of(family, transformer):
        write_random_student(tmp_path / "student", family, transformer)
        return tmp_path / "student"

    return of


@pytest.fixture
def model(student_folder):
    """A frozen student and a place to ask it at."""

    def of(family):
        transformer = family.tiny(0).transformer
        student = read_student(student_folder(family, transformer), family, transformer, kinds=("restricted_meanflow",))
        student.requires_grad_(False)
        return PredictedModel(
            family,
            student.transformer,
            lambda point: student(point.latents, point.t, point.arguments, r=point.r, guidance=point.guidance),
        )

    return of


def point_of(batches, family, t=0.6, r=0.5):
    generator = torch.Generator().manual_seed(0)
    latents, cond, _ = batches(family, family.tiny(0).transformer, batch=2)(generator)
    return Point(latents, torch.full((2,), t), torch.full((2,), r), cond, torch.full((2,), 4.0))


class TestQuantitiesOfAlgorithm3:
    def test_restricted_steps_are_no_longer_than_the_restriction(self):
        t, r = draw_step(DiscaPredictorTraining(restriction=0.2), 4000, torch.Generator().manual_seed(0))
        assert ((r >= 0) & (r <= t) & (t <= 1)).all()
        assert 0.19 < (t - r).max() <= 0.2
        assert t.mean() == pytest.approx(0.5, abs=0.02)

    def test_scheduled_steps_are_those_of_inference(self):
        config = DiscaPredictorTraining(steps="schedule", num_inference_steps=4, flow_shift=3.0)
        t, r = draw_step(config, 200, torch.Generator().manual_seed(0))
        sigmas = [1.0, 0.9, 0.75, 0.5, 0.0]
        assert shifted_sigmas(4, 3.0).tolist() == pytest.approx(sigmas)
        pairs = {(round(a, 4), round(b, 4)) for a, b in zip(t.tolist(), r.tolist(), strict=True)}
        assert pairs == set(pairwise(sigmas))

    def test_times_are_clipped_at_the_data(self):
        t, r, delta = torch.tensor([0.5, 0.1]), torch.tensor([0.4, 0.0]), torch.tensor([0.2, 0.2])
        nearer = later(t, r, delta)
        assert [value.tolist() for value in nearer] == [pytest.approx([0.3, 0]), pytest.approx([0.2, 0])]
        after = following(torch.tensor([0.3, 0.1]), torch.tensor([0.2, 0.04]))
        assert [value.tolist() for value in after] == [pytest.approx([0.2, 0.04]), pytest.approx([0.1, 0])]

    def test_a_step_along_the_true_velocity_stays_on_the_way(self):
        clean, noise = torch.randn(2, 2, 3)
        t, r = torch.tensor([0.7, 0.2]), torch.tensor([0.5, 0.0])
        at = [(1 - time[:, None]) * clean + time[:, None] * noise for time in (t, r)]
        assert torch.allclose(stepped(at[0], noise - clean, t, r), at[1], atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
class TestPredictedModel:
    def test_computes_as_without_hooks_and_leaves_none(self, family, model, batches):
        frozen, point = model(family), point_of(batches, family)
        expected = frozen._velocity(point)
        forwards = [block.forward for block in frozen.blocks]
        with frozen.installed():
            computed, tokens = frozen.compute(point)
            assert torch.equal(computed, expected)
            assert len(tokens) == len(family.block_streams)
        assert [block.forward for block in frozen.blocks] == forwards
        assert torch.equal(frozen._velocity(point), expected)

    def test_trains_what_inference_runs(self, family, model, batches):
        """Where the predictor returns what it was given, the velocity is that of the cached tokens."""
        frozen, point = model(family), point_of(batches, family)

        class Repeats(torch.nn.Module):
            def forward(self, cached, *args, **kwargs):
                return cached if len(cached) > 1 else cached[0]

        with frozen.installed():
            expected, tokens = frozen.compute(point)
            assert torch.equal(frozen.predict(Repeats(), tokens, point), expected)
            other = point_of(batches, family, t=0.3, r=0.2)
            assert not torch.equal(frozen.predict(Repeats(), tokens, other), frozen.compute(other)[0])

    def test_features_carry_gradient_to_where_they_were_asked(self, family, model, batches):
        frozen, point = model(family), point_of(batches, family)
        latents = point.latents.clone().requires_grad_(True)
        with frozen.installed():
            features = frozen.features(point.moved(latents, point.t, point.r), (0, len(frozen.blocks) - 1))
        assert len(features) == 2
        sum(value.square().sum() for value in features).backward()
        assert latents.grad.abs().sum() > 0


class TestLosses:
    @pytest.fixture
    def asked(self, model, batches):
        """Losses of one batch in an iteration, with the networks."""

        def ask(iteration, **changed):
            family = Wan()
            config = DiscaPredictorTraining(
                discriminator=changed.pop("discriminator", SMALL), mse_iterations=1, **changed
            )
            frozen = model(family)
            transformer = family.tiny(0).transformer
            predictor = make_predictor(family, transformer, PredictorConfig(), seed=0)
            torch.manual_seed(0)
            modules = {"predictor": predictor, "discriminator": Discriminator(predictor.width, SMALL).eval()}
            batch = batches(family, transformer)(torch.Generator().manual_seed(1))
            with frozen.installed():
                found = PredictorLosses(frozen, config, (1.0, 8.0))(
                    modules, batch, torch.Generator().manual_seed(2), iteration
                )
            return found, modules

        return ask

    def test_first_stage_is_the_squared_error_alone(self, asked):
        found, modules = asked(0)
        assert set(found.minimized) == {"predictor"}
        assert found.minimized["predictor"].item() == found.logged["mse"].item() > 0
        found.minimized["predictor"].backward()
        assert all(parameter.grad is not None for parameter in modules["predictor"].parameters())

    def test_second_stage_adds_what_the_discriminator_says(self, asked):
        found, _ = asked(1, adversarial_weight=0.5)
        expected = found.logged["mse"] + 0.5 * found.logged["adversarial"]
        assert found.minimized["predictor"].item() == pytest.approx(expected.item())
        assert found.logged["mse"].item() == pytest.approx(asked(0)[0].logged["mse"].item())

    def test_the_discriminators_loss_reaches_no_predictor(self, asked):
        found, modules = asked(1)
        found.minimized["discriminator"].backward()
        assert all(parameter.grad is None for parameter in modules["predictor"].parameters())
        assert any(parameter.grad is not None for parameter in modules["discriminator"].parameters())

    def test_without_discriminator_all_iterations_are_of_the_first_stage(self, asked):
        assert set(asked(5, discriminator=None)[0].minimized) == {"predictor"}

    def test_printed_signs_are_those_of_the_loss(self, asked):
        corrected = asked(1)[0].minimized["discriminator"].item()
        printed = asked(1, discriminator=DiscriminatorConfig(num_layers=2, head_width=8, signs="printed"))[0]
        # For scores within the hinges the two together are 4: 1 - real + 1 + fake, and 1 - fake + 1 + real.
        assert corrected + printed.minimized["discriminator"].item() == pytest.approx(4, abs=1e-4)
        assert corrected != printed.minimized["discriminator"].item()
        assert discriminator_loss([torch.zeros(1)], [torch.zeros(1)], "printed") == 2

    def test_batches_without_prompt_have_their_share(self, asked):
        assert asked(0)[0].logged["mse"] != asked(0, unconditional_share=1.0)[0].logged["mse"]


class TestTraining:
    @pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
    def test_lowers_the_error_and_writes_a_rung_that_runs(
        self, family, student_folder, batches, loop, generate, tmp_path
    ):
        pipeline = family.tiny(0)
        transformer = pipeline.transformer
        folder, errors = student_folder(family, transformer), []
        config = DiscaPredictorTraining(discriminator=SMALL, mse_iterations=20, learning_rate=3e-3)
        rung = train_disca_predictor(
            family,
            transformer,
            folder,
            batches(family, transformer),
            config,
            loop(22, checkpoint_every=11),
            tmp_path / "out",
            lambda progress: errors.append(progress.losses),
        )
        assert sum(loss["mse"] for loss in errors[15:20]) < 0.8 * sum(loss["mse"] for loss in errors[:5])
        assert set(errors[-1]) == {"predictor", "discriminator", "mse", "adversarial"}
        card = json.loads((tmp_path / "out" / "rung.json").read_text())
        assert card["config"] == {"predictor": {"num_blocks": 2, "fusion": "shared"}, "delta_max": 0.2}
        assert card["provenance"]["settings"]["discriminator"]["signs"] == "corrected"
        assert rung.kind == "disca_predictor"
        method = Disca(str(tmp_path / "out"), str(folder), 4.0, 6, (0, 1), beyond_delta_max="warn")
        with pytest.warns(UserWarning, match="beyond delta_max"), method.apply(pipeline, family):
            generate(pipeline, family, method.sampling(family.tiny_sampling()))

    def test_a_resumed_training_ends_as_an_unbroken_one(self, student_folder, batches, loop, tmp_path):
        family = Wan()
        transformer = family.tiny(0).transformer
        folder = student_folder(family, transformer)
        config = DiscaPredictorTraining(discriminator=SMALL, mse_iterations=2)

        def trained(out, *lengths):
            for iterations in lengths:
                rung = train_disca_predictor(
                    family, transformer, folder, batches(family, transformer), config, loop(iterations), tmp_path / out
                )
            return rung.weights_sha256

        assert trained("broken", 2, 4) == trained("whole", 4)

    def test_without_student_the_transformer_itself_is_predicted(self, batches, loop, generate, tmp_path):
        family = Wan()
        pipeline = family.tiny(0)
        before = state_digest(pipeline.transformer.state_dict())
        config = DiscaPredictorTraining(discriminator=None, steps="schedule", unconditional_share=0.5)
        rung = train_disca_predictor(
            family, pipeline.transformer, None, batches(family, pipeline.transformer), config, loop(2), tmp_path
        )
        assert rung.parent == before == state_digest(pipeline.transformer.state_dict())
        predictor, _ = read_predictor(tmp_path, family, pipeline.transformer)
        assert not any(parameter.requires_grad for parameter in predictor.parameters())
        method = PredictorOnly(str(tmp_path), 6, (0, 1, 2, 3, 4), beyond_delta_max="warn")
        with pytest.warns(UserWarning, match="beyond delta_max"), method.apply(pipeline, family):
            generate(pipeline, family, method.sampling(family.tiny_sampling()))

    def test_a_bare_transformer_is_asked_for_its_velocity(self, batches):
        family = Wan()
        transformer = family.tiny(0).transformer
        point = point_of(batches, family)
        with torch.no_grad():
            said = velocity(transformer, point.latents, point.t, point.arguments)
            assert torch.equal(
                said,
                transformer(hidden_states=point.latents, timestep=1000 * point.t, **point.arguments, return_dict=False)[
                    0
                ],
            )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": "any"}, "steps is 'any'; give restricted or schedule"),
        ({"delta_max": 0}, "delta_max is 0; give more than 0"),
        ({"restriction": 1.5}, "restriction is 1.5; give more than 0 and at most 1"),
        ({"unconditional_share": 2}, "unconditional_share is 2; give 0 to 1"),
        ({"mse_iterations": -1}, "mse_iterations is -1"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        DiscaPredictorTraining(**arguments)
