"""What can be asked about a suite: pairs of rows, and for each the videos of one prompt and sample side by side."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from harness.errors import StudyError, nearest
from harness.records import RowManifest, SuiteManifest

CHECK_VIDEOS = 8
"""Most videos that attention checks are made of; they are spread evenly over the prompts."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two videos of one prompt and sample, their rows in the suite's order."""

    first_cell_id: str
    second_cell_id: str


@dataclass(frozen=True, slots=True)
class RowPair:
    """Two rows of one model, and every comparison of them that can be shown."""

    first: str
    second: str
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """One finished cell as a rater meets it. `video` is a path in the store, `reference` the original's."""

    prompt: str
    video: str
    reference: str | None


@dataclass(frozen=True)
class StudyPlan:
    """Everything that may be asked, and the videos by cell id. `checks` are cells that attention checks are made of."""

    suite: str
    row_pairs: tuple[RowPair, ...]
    shown: Mapping[str, Shown]
    checks: tuple[str, ...]


def plan_study(
    manifest: SuiteManifest,
    videos: Mapping[str, str],
    *,
    rows: Sequence[str] = (),
    against: str | None = None,
    reference: bool = False,
) -> StudyPlan:
    """All pairs of rows of one model whose videos are there. `videos` are paths in the store by cell id.

    Without `rows` every row takes part; with `against` only pairs that this row is in. With `reference` the originals
    are shown beside each pair, and so are not asked about themselves.

    Raises:
        StudyError: a row is not in the suite, or no two rows have a video of the same prompt and sample.
    """
    for name in (*rows, *([against] if against is not None else [])):
        if name not in (known := [row.row for row in manifest.rows]):
            raise StudyError(f"suite {manifest.suite!r} has no row {name!r}{nearest(name, known)}")
    shown = _shown(manifest, videos, reference)
    taking_part = [
        row
        for row in manifest.rows
        if (not rows or row.row in rows or row.row == against) and not (reference and row.baseline is None)
    ]
    pairs = [
        RowPair(first.row, second.row, comparisons)
        for first, second in combinations(taking_part, 2)
        if first.model_label == second.model_label and (against is None or against in (first.row, second.row))
        if (comparisons := _comparisons(first, second, shown))
    ]
    if not pairs:
        with_video = [row.row for row in taking_part if any(cell_id in shown for cell_id in row.cell_ids)]
        raise StudyError(
            f"suite {manifest.suite!r} has no two rows to compare: with videos there are"
            f" {', '.join(map(repr, with_video)) or 'none'}; `harness run` it, or ask for other rows"
        )
    return StudyPlan(manifest.suite, tuple(pairs), shown, _checks(manifest, shown, pairs))


def _shown(manifest: SuiteManifest, videos: Mapping[str, str], reference: bool) -> dict[str, Shown]:
    """Finished cells; where references are shown, those that have one."""
    originals = {row.row: row.cell_ids for row in manifest.rows if row.baseline is None}
    shown = {}
    places = manifest.places()
    for row in manifest.rows:
        beside = originals.get(row.baseline or row.row, ())
        for position, cell_id in enumerate(row.cell_ids):
            original = videos.get(beside[position]) if reference and position < len(beside) else None
            if cell_id in videos and (original is not None or not reference):
                prompt = manifest.prompts[places[position][0]]
                shown[cell_id] = Shown(prompt, videos[cell_id], original)
    return shown


def _comparisons(first: RowManifest, second: RowManifest, shown: Collection[str]) -> tuple[Comparison, ...]:
    places = zip(first.cell_ids, second.cell_ids, strict=False)
    # Two settings may come to the very same video, about which there is nothing to ask.
    return tuple(Comparison(*ids) for ids in places if ids[0] != ids[1] and ids[0] in shown and ids[1] in shown)


def _checks(manifest: SuiteManifest, shown: Collection[str], pairs: Sequence[RowPair]) -> tuple[str, ...]:
    """Originals' videos, or where there are none those of the first row that is asked about."""
    row = next((row for row in manifest.rows if row.baseline is None and row.cell_ids), None)
    cell_ids = row.cell_ids if row is not None else [pair.first_cell_id for pair in pairs[0].comparisons]
    there = [cell_id for cell_id in cell_ids if cell_id in shown]
    step = max(1, len(there) // CHECK_VIDEOS)
    return tuple(there[::step][:CHECK_VIDEOS])
