"""Every rung of the ladder, trained for one iteration on a teacher that knows nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.shapes.ladder.latents import ClipLatents
from harness.shapes.ladder.model import Teacher
from harness.shapes.ladder.rungs import RUNGS, LadderRung, train_rung
from methods.students.rung import CARD
from methods.training.history import read_history

ONE_STAGE = tuple(rung for rung in RUNGS if rung.name != "dcm")


@pytest.fixture(scope="module")
def ladder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rungs")
    torch.manual_seed(0)
    teacher = Teacher(z_dim=4).eval().requires_grad_(False)
    captions = ["a small red circle", "a large blue square"]
    clips = ClipLatents(torch.randn(2, 4, 3, 4, 4).half(), captions)
    loop = {"iterations": 1, "checkpoint_every": 1}
    trained = {rung.name: train_rung(short(rung, loop), teacher, clips, folder, None) for rung in ONE_STAGE}
    return folder, trained


def short(rung: LadderRung, loop: dict[str, int]) -> LadderRung:
    return replace(rung, loop=replace(rung.loop, **loop), batch_size=2)


def test_all_are_written_and_said_where_they_come_from(ladder):
    folder, trained = ladder
    for rung in ONE_STAGE:
        assert (folder / rung.name / CARD).is_file()
        assert [moment.iteration for moment in read_history(folder / rung.name / "training")] == [1]
    kinds = {name: rung.kind for name, rung in trained.items()}
    assert kinds["meanflow"] == "meanflow"
    assert kinds["restricted_meanflow_r02"] == kinds["restricted_meanflow_r04"] == "restricted_meanflow"
    assert len({trained[name].parent for name in ("disca", "disca_without_gan")}) == 1
    assert trained["disca"].parent != trained["disca_on_meanflow"].parent


def test_parents_come_first():
    seen: set[str] = set()
    for rung in RUNGS:
        assert rung.parent is None or rung.parent in seen
        seen.add(rung.name)


def test_dcm_is_given_both_of_its_stages(ladder):
    folder, _ = ladder
    dcm = next(rung for rung in RUNGS if rung.name == "dcm")
    teacher, clips = Teacher(z_dim=4).eval(), ClipLatents(torch.zeros(1, 4, 3, 4, 4), [""])
    with pytest.raises(ValueError, match=r"the loop has 2 iterations and the semantic stage takes 600"):
        train_rung(short(dcm, {"iterations": 2}), teacher, clips, folder, None)
    assert dcm.loop.iterations > 600


def test_what_is_distilled_needs_a_parent(ladder, tmp_path):
    meanflow = next(rung for rung in RUNGS if rung.name == "meanflow")
    with pytest.raises(ValueError, match="meanflow is distilled from a rung"):
        train_rung(
            replace(meanflow, parent=None),
            Teacher(z_dim=4),
            ClipLatents(torch.zeros(1, 4, 3, 4, 4), [""]),
            tmp_path,
            None,
        )
