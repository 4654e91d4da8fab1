"""What can be asked about a suite."""

from __future__ import annotations

import pytest

from harness.errors import StudyError
from harness.records import SuiteManifest
from harness.study.plan import CHECK_VIDEOS, Comparison, plan_study
from tests.reports.synthetic import ROWS, synthetic


def planned(prompts: int = 3, samples: int = 2) -> tuple[SuiteManifest, dict[str, str]]:
    source = synthetic(rows=ROWS[:4], prompts=prompts, samples=samples)
    return source.suite, {cell_id: record.video for cell_id, record in source.done.items() if record.video}


def test_all_pairs_of_rows_by_prompt_and_sample() -> None:
    manifest, videos = planned()
    plan = plan_study(manifest, videos)

    assert len(plan.row_pairs) == 6
    for pair in plan.row_pairs:
        rows = {row.row: row.cell_ids for row in manifest.rows}
        assert pair.comparisons == tuple(map(Comparison, rows[pair.first], rows[pair.second]))
    cell_id = manifest.rows[1].cell_ids[5]
    assert plan.shown[cell_id].prompt == manifest.prompts[2]
    assert plan.shown[cell_id].video == videos[cell_id]
    assert plan.shown[cell_id].reference is None


def test_a_video_that_is_not_there_is_not_asked_about() -> None:
    manifest, videos = planned()
    del videos[manifest.rows[1].cell_ids[0]]

    counts = {(pair.first, pair.second): len(pair.comparisons) for pair in plan_study(manifest, videos).row_pairs}

    assert counts["original", "fewer_steps-25"] == 5
    assert counts["original", "fewer_steps-10"] == 6


def test_rows_can_be_chosen() -> None:
    manifest, videos = planned()
    names = [row.row for row in manifest.rows]

    chosen = plan_study(manifest, videos, rows=names[1:3], against=names[3])
    assert [(pair.first, pair.second) for pair in chosen.row_pairs] == [(names[1], names[3]), (names[2], names[3])]
    against = plan_study(manifest, videos, against=names[3])
    assert [pair.first for pair in against.row_pairs] == names[:3]


def test_with_a_reference_the_original_is_shown_and_not_asked_about() -> None:
    manifest, videos = planned()
    plan = plan_study(manifest, videos, reference=True)

    assert all("original" not in (pair.first, pair.second) for pair in plan.row_pairs)
    for original, cell_id in zip(manifest.rows[0].cell_ids, manifest.rows[2].cell_ids, strict=True):
        assert plan.shown[cell_id].reference == videos[original]


def test_equal_videos_are_no_question() -> None:
    """Two settings of a method may come to one and the same cell."""
    manifest, videos = planned()
    twin = manifest.rows[1].model_copy(update={"row": "twin"})
    manifest = manifest.model_copy(update={"rows": (*manifest.rows, twin)})

    pairs = {(pair.first, pair.second) for pair in plan_study(manifest, videos).row_pairs}

    assert ("fewer_steps-25", "twin") not in pairs
    assert ("original", "twin") in pairs


def test_models_are_not_compared() -> None:
    manifest, videos = planned()
    other = manifest.rows[1].model_copy(update={"row": "elsewhere", "model_label": "large", "baseline": None})
    manifest = manifest.model_copy(update={"rows": (*manifest.rows, other)})
    assert all("elsewhere" not in (pair.first, pair.second) for pair in plan_study(manifest, videos).row_pairs)


def test_checks_are_originals_spread_over_the_prompts() -> None:
    manifest, videos = planned(prompts=20, samples=1)
    checks = plan_study(manifest, videos).checks

    assert len(checks) == CHECK_VIDEOS
    assert set(checks) <= set(manifest.rows[0].cell_ids)
    assert len(plan_study(*planned(prompts=2, samples=1)).checks) == 2


def test_without_an_original_checks_are_of_what_is_asked_about() -> None:
    manifest, videos = planned()
    for cell_id in manifest.rows[0].cell_ids:
        del videos[cell_id]
    assert set(plan_study(manifest, videos).checks) <= set(manifest.rows[1].cell_ids)


def test_an_unknown_row_names_the_nearest() -> None:
    manifest, videos = planned()
    with pytest.raises(StudyError, match=r"'teacache-1'; did you mean 'teacache-0\.1'\?"):
        plan_study(manifest, videos, rows=["teacache-1"])


def test_nothing_to_compare_says_which_rows_have_videos() -> None:
    manifest, videos = planned()
    only = {cell_id: videos[cell_id] for cell_id in manifest.rows[2].cell_ids}
    with pytest.raises(StudyError, match="with videos there are 'fewer_steps-10'"):
        plan_study(manifest, only)
