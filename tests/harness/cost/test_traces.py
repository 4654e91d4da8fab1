"""Traces that adaptive methods are priced by."""

from __future__ import annotations

import json

import pytest

from harness.cost.models import UnpricedError
from harness.cost.traces import basis_of_file, full_step_indices, in_turn, recorded_basis, stated_basis, stated_trace
from harness.records import DecisionRecord


@pytest.mark.parametrize(("steps", "full", "expected"), [(10, 1, (0,)), (10, 3, (0, 3, 6)), (5, 5, (0, 1, 2, 3, 4))])
def test_full_steps_are_spread_evenly_from_the_first_on(steps, full, expected):
    assert full_step_indices(steps, full) == expected


@pytest.mark.parametrize("full", range(1, 51))
def test_there_are_as_many_full_steps_as_stated(full):
    indices = full_step_indices(50, full)
    assert len(set(indices)) == full
    assert indices[0] == 0
    assert indices[-1] < 50


def test_without_levels_cached_steps_reuse_every_branch():
    trace = stated_trace(4, ("cond", "uncond"), 2)
    assert [(d.step_index, d.branch, d.action, d.level) for d in trace] == [
        (0, "cond", "compute", None),
        (0, "uncond", "compute", None),
        (1, "cond", "reuse", None),
        (1, "uncond", "reuse", None),
        (2, "cond", "compute", None),
        (2, "uncond", "compute", None),
        (3, "cond", "reuse", None),
        (3, "uncond", "reuse", None),
    ]


def test_levels_take_turns_and_only_step_reuses_the_conditional_call():
    assert in_turn({"step": 3, "cfg": 1, "block_20": 2}) == ["step", "cfg", "block_20", "step", "block_20", "step"]
    trace = stated_trace(4, ("cond", "uncond"), 1, {"step": 1, "cfg": 1, "block_2": 1})
    assert [(d.branch, d.action, d.level) for d in trace[2:]] == [
        ("cond", "reuse", "step"),
        ("uncond", "reuse", "step"),
        ("cond", "partial", "cfg"),
        ("uncond", "reuse", "cfg"),
        ("cond", "partial", "block_2"),
        ("uncond", "reuse", "block_2"),
    ]


def test_levels_have_to_be_of_all_cached_steps():
    with pytest.raises(UnpricedError, match=r"levels has 3 steps; 10 - 6 = 4 are cached"):
        stated_trace(10, ("both",), 6, {"step": 3})


@pytest.mark.parametrize("full", [0, 11])
def test_more_full_steps_than_steps_are_refused(full):
    with pytest.raises(UnpricedError, match="give 1 to 10"):
        stated_trace(10, ("both",), full)


def test_a_fraction_lies_between_its_neighbours():
    basis = stated_basis(50, ("cond",), 19.25, None)
    assert [part.weight for part in basis.traces] == [0.75, 0.25]
    assert [sum(d.action == "compute" for d in part.trace) for part in basis.traces] == [19, 20]
    assert basis.said == "stated full steps: 19.25"
    assert len(stated_basis(50, ("cond",), 19.0, None).traces) == 1
    assert len(stated_basis(50, ("cond",), 50.0, None).traces) == 1


def record(step, action, distance=None):
    return DecisionRecord(step_index=step, branch="cond", action=action, distance=distance)


def test_equal_recorded_videos_are_replayed_once():
    first = [record(0, "compute"), record(1, "reuse", 0.1)]
    again = [record(0, "compute"), record(1, "reuse", 0.2)]
    other = [record(0, "compute"), record(1, "compute", 0.9)]
    basis = recorded_basis([first, again, other])
    assert [part.weight for part in basis.traces] == pytest.approx([2 / 3, 1 / 3])
    assert basis.said == "recorded trace of 3 videos"
    with pytest.raises(UnpricedError, match="no decisions"):
        recorded_basis([])


def test_a_file_holds_one_video_or_several(tmp_path):
    path = tmp_path / "trace.json"
    video = [record(0, "compute").model_dump(), record(1, "reuse").model_dump()]
    path.write_text(json.dumps(video))
    assert basis_of_file(path).said == "recorded trace of 1 video"
    path.write_text(json.dumps([video, video]))
    assert basis_of_file(path).said == "recorded trace of 2 videos"
    for text in ("[1]", "{", '[{"step": 1}]'):
        path.write_text(text)
        with pytest.raises(UnpricedError, match="holds no list of decisions"):
            basis_of_file(path)
    with pytest.raises(UnpricedError, match="cannot be read"):
        basis_of_file(tmp_path / "none.json")
