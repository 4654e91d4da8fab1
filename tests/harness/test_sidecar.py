"""Records as bytes: what is damaged is noticed, what is older is read, what is newer is left alone."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import pytest
from fake_worker import make_record, make_score, make_task
from pydantic import ValidationError

from harness import records
from harness.records import SCHEMA_VERSION, CellRecord, DecisionRecord, ScoreRecord
from harness.sidecar import _STEPS, DamagedError, NewerSchemaError, dump, load
from harness.store import Store

OLD = Path(__file__).parent / "schema_1"
"""Written by the last harness of schema 1."""


def test_records_come_back_and_people_can_read_them() -> None:
    record = make_record(make_task("ein Bär"))
    assert load(dump(record), CellRecord) == record
    fields = json.loads(dump(record))
    assert list(fields)[:2] == ["sha256", "schema_version"]
    assert fields["key"]["prompt"] == "ein Bär"
    score = make_score(make_task("ok"), value=math.inf)
    assert load(dump(score), ScoreRecord) == score


def test_equal_decisions_are_read_as_one_object() -> None:
    plain = DecisionRecord(step_index=3, branch="cond", action="reuse", level="block_2")
    record = make_record(make_task("ok")).model_copy(update={"decisions": (plain, plain)})
    one, other = load(dump(record), CellRecord), load(dump(record), CellRecord)
    assert one == other == record
    assert one.decisions[0] is one.decisions[1]
    assert one.decisions is other.decisions
    far = plain.model_copy(update={"distance": 0.25})
    record = record.model_copy(update={"decisions": (plain, far, plain)})
    assert load(dump(record), CellRecord).decisions == (plain, far, plain)


def test_known_decisions_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "_MOST_TEXTS", 3)
    for step in range(10):
        decisions = (DecisionRecord(step_index=step, branch="cond", action="reuse"),)
        record = make_record(make_task("ok")).model_copy(update={"decisions": decisions})
        assert load(dump(record), CellRecord).decisions == decisions
        assert len(records._KNOWN_TEXTS) <= 3


@pytest.mark.parametrize("last", ["decisions", "worker"])
@pytest.mark.parametrize("indent", [1, None])
@pytest.mark.parametrize("calls", [0, 2])
def test_records_laid_out_by_another_hand_are_read(last: str, indent: int | None, calls: int) -> None:
    decisions = tuple(DecisionRecord(step_index=step, branch="cond", action="reuse") for step in range(calls))
    record = make_record(make_task("ok")).model_copy(update={"decisions": decisions})
    fields = record.model_dump(mode="json")
    body = json.dumps({**fields, last: fields.pop(last)}, indent=indent).encode().removeprefix(b"{").lstrip(b"\n")
    data = b'{\n "sha256": "' + hashlib.sha256(body).hexdigest().encode() + b'",\n' + body
    assert load(data, CellRecord) == record


@pytest.mark.parametrize(
    "wrong",
    [
        {"step_index": "first", "branch": "cond", "action": "reuse", "distance": None, "level": None},
        {"step_index": 0, "branch": "cond", "action": "reuse", "distance": None, "mood": None},
        {"step_index": 0, "branch": ["cond"], "action": "reuse", "distance": None, "level": None},
        {"branch": "cond", "action": "reuse"},
        [0, "cond", "reuse", None, None],
        "later",
    ],
)
def test_what_is_no_decision_is_refused(wrong: object) -> None:
    fields = make_record(make_task("ok")).model_dump(mode="json")
    with pytest.raises(ValidationError, match="decisions"):
        CellRecord.model_validate({**fields, "decisions": [wrong]})


def test_no_flipped_bit_goes_unnoticed() -> None:
    data = dump(make_record(make_task("ok")))
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        with pytest.raises((DamagedError, NewerSchemaError)):
            load(bytes(flipped), CellRecord)


def test_no_shortened_record_goes_unnoticed() -> None:
    data = dump(make_record(make_task("ok")))
    for length in range(len(data)):
        with pytest.raises(DamagedError):
            load(data[:length], CellRecord)


def test_every_version_has_a_way_to_this_one() -> None:
    assert set(_STEPS) == set(range(1, SCHEMA_VERSION))


def test_records_of_schema_1_are_read() -> None:
    cell = load((OLD / "cell.json").read_bytes(), CellRecord)
    assert cell.schema_version == SCHEMA_VERSION
    assert (cell.attempt, cell.key.prompt, cell.worker) == (2, "ein Bär", "head:4711")
    assert cell.latency is not None
    assert cell.latency.step_s == (0.75, 0.75)
    assert cell.decisions[0].distance == 0.1
    assert cell.video_bytes is None
    assert cell.cell_id == cell.key.cell_id
    score = load((OLD / "score.json").read_bytes(), ScoreRecord)
    assert score.values == {"psnr": math.inf}


def test_a_store_of_schema_1_is_resumed(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    task = make_task("ein Bär")
    for kind, name in (("cell", f"cells/{{}}/{task.cell_id}"), ("score", f"scores/{{}}/{task.cell_id}.psnr")):
        store.replace(f"{name.format(task.cell_id[:2])}.json", (OLD / f"{kind}.json").read_bytes())
    assert store.cells([task.cell_id])[task.cell_id].attempt == 2
    assert not store.write_cell(make_record(task, attempt=3))
    assert store.scores([task.cell_id])[task.cell_id]["psnr"].values == {"psnr": math.inf}
    assert store.names("corrupt") == []


def test_an_old_record_that_is_damaged_is_damaged() -> None:
    fields = json.loads((OLD / "cell.json").read_bytes())
    del fields["key"]
    with pytest.raises(DamagedError, match="Field required"):
        load(json.dumps(fields).encode(), CellRecord)


def test_a_record_of_this_version_needs_its_checksum() -> None:
    fields = json.loads(dump(make_record(make_task("ok"))))
    del fields["sha256"]
    with pytest.raises(DamagedError, match="checksum is missing"):
        load(json.dumps(fields).encode(), CellRecord)


@pytest.mark.parametrize("version", [SCHEMA_VERSION + 1, "2b"])
def test_a_later_version_is_named(version: object) -> None:
    with pytest.raises(NewerSchemaError) as told:
        load(json.dumps({"schema_version": version, "cell_id": "x"}).encode(), CellRecord)
    assert told.value.version == version
