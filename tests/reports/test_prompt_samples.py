"""Suites in which prompts have different numbers of samples: every number stands at its own prompt and sample."""

from __future__ import annotations

from harness.study.record import StudyRecord, VoteRecord
from reports.page.cells import columns, shards
from reports.page.index import index
from reports.results import Results, collect
from reports.study.preferences import preferences
from tests.reports.synthetic import ROWS, MemorySource, synthetic

SAMPLES = (2, 1, 3)
"""Of three prompts."""


def uneven() -> MemorySource:
    """Three samples of each prompt, those beyond `SAMPLES` never planned."""
    source = synthetic(rows=(ROWS[0], ROWS[5]), prompts=3, samples=3)
    kept = [3 * prompt + sample for prompt, count in enumerate(SAMPLES) for sample in range(count)]
    rows = tuple(
        row.model_copy(update={"cell_ids": tuple(row.cell_ids[at] for at in kept)}) for row in source.suite.rows
    )
    source.suite = source.suite.model_copy(update={"rows": rows, "prompt_samples": SAMPLES})
    return source


def results() -> Results:
    source = uneven()
    return collect(source, source.suite)


def test_places_are_those_the_cells_were_made_at() -> None:
    found = results()
    for line in found.cells.itertuples():
        record = found.frame.records[line.cell_id]
        assert (line.prompt_index, line.sample_index) == (record.prompt_index, record.sample_index)
    assert len(found.cells) == 2 * sum(SAMPLES)


def test_nothing_is_expected_beyond_what_was_planned() -> None:
    found = results()
    for measure in ("psnr", "color", "latency_s"):
        estimate = found.estimate("fora-3", measure)
        assert estimate.n == estimate.expected, measure
    # A third of the dimensions skips every other prompt, here the second.
    assert {found.estimate("fora-3", name).expected for name in ("psnr", "color")} == {6}
    assert {found.estimate("fora-3", name).expected for name in ("object_class", "multiple_objects")} <= {5, 6}


def test_the_page_has_each_cell_at_its_prompt_and_sample() -> None:
    found = results()
    said = index(found, [])
    assert (said["first_cells"], said["prompt_samples"]) == ([0, 2, 3], [2, 1, 3])
    (shard,) = shards(found, columns(found, ["psnr"]), {})
    assert [len(samples) for samples in shard["prompts"]] == list(SAMPLES)
    psnr = columns(found, ["psnr"])["psnr"][1]
    assert [cells[1]["values"]["psnr"] for samples in shard["prompts"] for cells in samples] == psnr


def test_votes_are_counted_at_the_prompt_of_their_videos() -> None:
    manifest = uneven().suite
    first, second = manifest.rows
    given = [
        VoteRecord(rater=0, left_cell_id=left, right_cell_id=right, choice="left", answered_at=0.0, shown_s=1.0)
        for left, right in zip(first.cell_ids, second.cell_ids, strict=True)
    ]
    votes = preferences(StudyRecord(suite=manifest.suite, reference_shown=False, votes=tuple(given)), manifest).votes
    assert list(zip(votes["prompt_index"], votes["sample_index"], strict=True)) == manifest.places()
