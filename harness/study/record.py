"""What a report needs to know of a study: one `VoteRecord` an answer, all of a suite's in one `StudyRecord`."""

from __future__ import annotations

from typing import Literal

from harness.records import SCHEMA_VERSION, Record

Side = Literal["left", "right"]
Choice = Literal["left", "tie", "right", "unplayable"]
"""`unplayable` is no vote: one of the videos did not play."""


class VoteRecord(Record):
    """One answer of one rater. The cells are those of two rows, of one prompt and sample."""

    rater: int
    """In the order of their first visit. Names stay in the file of votes."""
    left_cell_id: str
    right_cell_id: str
    degraded: Side | None = None
    """An attention check: both cells are the same, and this side showed a degraded copy of it."""
    choice: Choice
    answered_at: float
    """Unix time, seconds."""
    shown_s: float
    """Seconds between question and answer, by the server's clock."""


class StudyRecord(Record):
    """All answers given so far, in the order they came in."""

    schema_version: int = SCHEMA_VERSION
    suite: str
    reference_shown: bool
    """Whether raters saw the original's video beside the two."""
    votes: tuple[VoteRecord, ...]
