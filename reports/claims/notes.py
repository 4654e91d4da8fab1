"""What people say of claims that do not hold here: kept in a file beside the document, by the claim's letter.

    claims:
      b:
        explanation: Why it may be so.
        attempt: What was done to remove it, and what came of it.

The latter may be left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import ReportError, nearest
from harness.strict_yaml import explain, read_yaml
from reports.claims.verdict import Outcome, Verdict


class Note(BaseModel):
    """Of one claim."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    explanation: Annotated[str, Field(min_length=1)]
    attempt: Annotated[str, Field(min_length=1)] | None = None


class Notes(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    claims: dict[str, Note]


def read_notes(path: Path) -> Mapping[str, Note]:
    """The notes by letter; none where there is no file.

    Raises:
        ReportError: it is no file of notes.
    """
    if not path.exists():
        return {}
    file = read_yaml(path, what="notes", see="reports/claims/notes.py", error=ReportError)
    try:
        return Notes.model_validate(file.data).claims
    except ValidationError as error:
        raise ReportError(explain(file, error.errors(include_url=False), Notes)) from None


def explained(verdicts: Mapping[str, Verdict], notes: Mapping[str, Note], where: str) -> dict[str, Verdict]:
    """The verdicts with their notes.

    Raises:
        ReportError: a note is of no claim, or explains why one does not hold that does. `where` names the notes.
    """
    told = dict(verdicts)
    for letter, note in notes.items():
        if letter not in told:
            raise ReportError(f"{where}: claims.{letter}: there is no such claim{nearest(letter, told)}")
        if told[letter].outcome is Outcome.HOLDS:
            raise ReportError(f"{where}: claims.{letter}: explains why the claim does not hold, but it does; remove it")
        told[letter] = replace(told[letter], explanation=note.explanation, attempt=note.attempt)
    return told
