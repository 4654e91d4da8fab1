"""What was done at each step."""

from __future__ import annotations

from harness.records import DecisionRecord
from reports.decisions import COLUMNS, kind_of, ordered_kinds, step_frame, step_kinds
from reports.results import collect
from tests.reports.synthetic import change, synthetic


def decision(step: int, branch: str, action: str, level: str | None = None) -> DecisionRecord:
    """One call's."""
    return DecisionRecord(step_index=step, branch=branch, action=action, level=level)


def test_a_level_names_the_kind_unless_the_call_was_computed() -> None:
    """A method may say at which level it works also where it computed."""
    assert kind_of(decision(0, "cond", "reuse", "step")) == "step"
    assert kind_of(decision(0, "cond", "compute", "step")) == "computed"
    assert kind_of(decision(0, "cond", "reuse")) == "stack reused"


def test_a_step_is_computed_only_if_every_call_of_it_was() -> None:
    """The first call that was not decides what the step is called."""
    kinds = step_kinds(
        [
            decision(0, "cond", "compute"),
            decision(0, "uncond", "compute"),
            decision(1, "cond", "compute"),
            decision(1, "uncond", "reuse", "cfg"),
            decision(2, "cond", "partial", "block_10"),
            decision(2, "uncond", "reuse", "cfg"),
        ]
    )
    assert kinds == {0: "computed", 1: "cfg", 2: "block_10"}


def test_the_frame_has_a_line_per_step_of_each_finished_video() -> None:
    """A video that is not there has none."""
    source = synthetic(prompts=2, samples=1)
    source.forget(source.suite.rows[0].cell_ids[0])
    results = collect(source, source.suite)
    frame = results.steps
    records = results.frame.records
    assert len(frame) == sum(len({d.step_index for d in record.decisions}) for record in records.values())
    assert set(frame["cell_id"]) == set(records)
    assert ordered_kinds(frame)[0] == "computed"


def test_every_line_says_what_its_record_says() -> None:
    """Also of steps that were not timed, and where videos share their decisions."""
    source = synthetic(prompts=2, samples=1)
    steps = (decision(0, "cond", "compute"), decision(1, "cond", "reuse"), decision(2, "cond", "partial", "block_10"))
    for at, cell_id in enumerate(source.done):
        latency = source.done[cell_id].latency.model_copy(update={"step_s": (0.5, 0.25 + at)})  # type: ignore[union-attr]
        change(source, cell_id, latency=latency, decisions=steps if at % 2 else steps[:2])
    results = collect(source, source.suite)
    expected = []
    for row in source.suite.rows:
        for cell_id in row.cell_ids:
            record = source.done[cell_id]
            seconds = dict(enumerate(record.latency.step_s))  # type: ignore[union-attr]
            for step, kind in step_kinds(record.decisions).items():
                expected.append((row.row, cell_id, step, kind, seconds.get(step, -1.0)))
    assert [tuple(line) for line in results.steps.fillna({"step_s": -1.0}).to_numpy().tolist()] == expected


def test_nothing_finished_gives_no_lines() -> None:
    source = synthetic(prompts=1, samples=1)
    frame = step_frame(collect(source, source.suite).cells, {})
    assert frame.empty
    assert tuple(frame.columns) == COLUMNS
    assert ordered_kinds(frame) == []
