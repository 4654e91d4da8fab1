"""Training a rung from a configuration: the whole way, its end, and what is refused before it."""

from __future__ import annotations

import json
import shutil

import pytest

from harness.errors import ModelError
from harness.training import run as module
from harness.training.config import RungTrainingError
from harness.training.run import CHECKPOINTS, train_rung
from methods.families.wan import Wan
from methods.students.rung import read_card, state_digest
from methods.training.history import read_history

DISCA = {
    "student": "ladder/restricted_meanflow",
    "settings": {"mse_iterations": 2, "discriminator": {"num_layers": 2, "head_width": 8}},
}


def card(training, kind):
    return read_card(training.out, kinds=(kind,), family="wan")


@pytest.mark.usefixtures("clips")
def test_a_ladder_is_trained_rung_by_rung_on_clips_encoded_once(configure, tmp_path, tiny_wan):
    first = configure("cfg_distilled")
    assert train_rung(first)
    loaded = Wan().load(str(tiny_wan), revision=None, dtype="float32", device="cpu")
    assert card(first, "cfg_distilled").parent == state_digest(loaded.transformer.state_dict())
    second = configure("restricted_meanflow", teacher="ladder/cfg_distilled", storage_dtype="float16")
    assert train_rung(second)
    third = configure("disca", **DISCA)
    assert train_rung(third)
    assert card(second, "restricted_meanflow").parent == card(first, "cfg_distilled").weights_sha256
    assert card(third, "disca_predictor").parent == card(second, "restricted_meanflow").weights_sha256
    (encoded,) = (tmp_path / "ladder" / "encoded").iterdir()
    assert {path.name for path in encoded.iterdir()} == {"00000000.safetensors", "unconditional.safetensors"}
    history = read_history(third.out / CHECKPOINTS)
    assert [moment.iteration for moment in history] == [1, 2, 3, 4]
    assert set(history[-1].losses) == {"mse", "adversarial", "predictor", "discriminator"}


@pytest.mark.usefixtures("clips")
def test_a_rung_that_may_do_without_a_parent_is_trained_either_way(configure):
    settings = {"semantic_iterations": 2, "coherence_frames": 1, "learning_rate": 1e-4}
    alone = configure("dcm", settings=settings)
    assert train_rung(alone)
    first = configure("cfg_distilled")
    assert train_rung(first)
    taught = configure("dcm", settings=settings, teacher="ladder/cfg_distilled", out="ladder/taught")
    assert train_rung(taught)
    assert card(alone, "dcm").parent == card(first, "cfg_distilled").parent
    assert card(taught, "dcm").parent == card(first, "cfg_distilled").weights_sha256
    assert [moment.iteration for moment in read_history(alone.out / CHECKPOINTS)] == [1, 2, 3, 4]


@pytest.mark.usefixtures("clips")
def test_a_finished_training_is_left_alone_and_a_longer_one_goes_on(configure):
    training = configure("predictor_only")
    assert train_rung(training)
    before = (training.out / "rung.json").read_bytes()
    assert not train_rung(training)
    assert (training.out / "rung.json").read_bytes() == before
    longer = configure("predictor_only", loop={"iterations": 6})
    assert train_rung(longer)
    assert card(longer, "disca_predictor").provenance["iterations"] == 6
    assert [moment.iteration for moment in read_history(longer.out / CHECKPOINTS)] == [1, 2, 3, 4, 5, 6]


@pytest.mark.usefixtures("clips")
def test_an_interrupted_training_goes_on_to_the_same_weights(configure, monkeypatch):
    whole = configure("predictor_only", out="whole")
    train_rung(whole)
    training = configure("predictor_only")

    class Interrupted(module.History):
        def __call__(self, progress):
            super().__call__(progress)
            if progress.iteration == 3:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, "History", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_rung(training)
    assert not (training.out / "rung.json").exists()
    assert train_rung(training)
    assert card(training, "disca_predictor").weights_sha256 == card(whole, "disca_predictor").weights_sha256
    assert [moment.iteration for moment in read_history(training.out / CHECKPOINTS)] == [1, 2, 3, 4]


@pytest.mark.usefixtures("clips")
def test_another_training_in_the_folder_is_refused(configure):
    train_rung(configure("predictor_only"))
    with pytest.raises(RungTrainingError, match=r"holds a training with other batch_size, loop; give another folder"):
        train_rung(configure("predictor_only", data={"batch_size": 1}, loop={"seed": 1}))


@pytest.mark.usefixtures("clips")
@pytest.mark.parametrize(
    ("rung", "more", "expected"),
    [
        ("cfg_distilled", {"family": "latte"}, "family: latte cannot be trained: its noise schedule is not"),
        ("meanflow", {"teacher": "nowhere"}, "teacher: .*nowhere holds no rung.json"),
        ("cfg_distilled", {"model": "./nowhere"}, "model: './nowhere' is no pipeline folder"),
        ("cfg_distilled", {"settings": {"teacher_guidance": 6.0}}, "settings.teacher_guidance is 6.0, but"),
        ("cfg_distilled", {"data": {"num_frames": 6}}, "clips are of 6 frames, 32x32 pixels"),
        ("cfg_distilled", {"loop": {"warmup_iterations": 1}, "settings": {"learning_rate": 1e30}}, "loss .* is nan"),
    ],
)
def test_what_does_not_fit_is_said_in_a_line(rung, more, expected, configure):
    with pytest.raises(RungTrainingError, match=expected) as raised:
        train_rung(configure(rung, **more))
    assert "\n" not in str(raised.value)


@pytest.mark.usefixtures("clips")
def test_a_model_that_cannot_be_loaded_is_named(configure, tmp_path, tiny_wan):
    shutil.copytree(tiny_wan, tmp_path / "broken")
    index = tmp_path / "broken" / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": "LattePipeline"}))
    with pytest.raises(ModelError, match=r"'./broken' cannot be loaded"):
        train_rung(configure("cfg_distilled", model="./broken"))
