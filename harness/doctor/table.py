"""What `harness doctor` prints: what is needed and whether it is there, then what to do, a line for each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.doctor.requirement import Requirement

HEADER = ("state", "what", "size", "needed by", "where")


def lines(found: Sequence[Requirement]) -> list[tuple[str, ...]]:
    """A line for each requirement, what is lacking first."""
    ordered = sorted(found, key=lambda one: not one.lacking)
    return [(one.state, f"{one.kind}: {one.name}", one.size, one.users, one.place) for one in ordered]


def steps(found: Sequence[Requirement]) -> list[str]:
    """What to do about what is lacking, equal steps once."""
    said = []
    for one in found:
        if one.lacking:
            wrong = f" ({one.detail})" if one.detail is not None else ""
            said.append(f"{one.name}{wrong}: {one.step}")
    return list(dict.fromkeys(said))


def json_object(found: Sequence[Requirement]) -> dict[str, Any]:
    """For scripts: unknown sizes and hashes are null."""
    return {
        "complete": not any(one.lacking for one in found),
        "requirements": [
            {
                "kind": one.kind,
                "name": one.name,
                "needed_by": list(one.needed_by),
                "state": one.state,
                "detail": one.detail,
                "bytes": one.bytes,
                "about_bytes": one.about_bytes,
                "place": one.place,
                "url": one.weights.url if one.weights is not None else None,
                "sha256": one.weights.sha256 if one.weights is not None else None,
                "remedy": one.remedy,
            }
            for one in found
        ],
    }
