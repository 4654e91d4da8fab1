"""Counts, rates and intervals from votes that are known."""

from __future__ import annotations

import json
import random

import pytest

from reports.study.results import PERCENT, json_object, study_results
from tests.reports.study.votes import by_strength, cast, study
from tests.reports.synthetic import ROWS, synthetic

MANIFEST = synthetic(rows=ROWS[:3], prompts=6, samples=1).suite
ORIGINAL, FEWER, FEWEST = (row.cell_ids for row in MANIFEST.rows)
TRUTH = {"original": 0.6, "fewer_steps-25": 0.3, "fewer_steps-10": -0.9}


def test_counts_and_rates() -> None:
    record = study(
        MANIFEST,
        cast(1, ORIGINAL[0], FEWER[0], "left"),
        cast(1, FEWER[1], ORIGINAL[1], "right"),
        cast(2, ORIGINAL[0], FEWER[0], "tie"),
        cast(2, FEWER[2], ORIGINAL[2], "left"),
        cast(2, FEWEST[2], FEWER[2], "left"),
    )
    results = study_results(record, MANIFEST)
    original, fewer, fewest = results.models["shapes"]
    assert (original.overall.won, original.overall.tied, original.overall.lost) == (2, 1, 1)
    assert original.overall.rate == 62.5
    assert (fewer.overall.won, fewer.overall.tied, fewer.overall.lost) == (1, 1, 3)
    assert set(original.against) == {"fewer_steps-25"}
    assert fewest.against["fewer_steps-25"].rate == 100
    assert (results.agreement.units, results.agreement.agreeing) == (1, 0.0)


def test_strengths_follow_the_truth_and_intervals_hold_them() -> None:
    results = study_results(by_strength(MANIFEST, TRUTH.__getitem__), MANIFEST)
    rows = results.models["shapes"]
    assert [row.row for row in sorted(rows, key=lambda row: -(row.strength or 0))] == list(TRUTH)
    for row in rows:
        assert row.strength is not None
        assert row.strength_interval is not None
        assert row.strength_interval.holds(row.strength)
        assert row.overall.interval is not None
        assert row.overall.interval.holds(row.overall.rate)
    assert sum(row.strength or 0 for row in rows) == pytest.approx(0, abs=1e-9)
    assert results.row("fewer_steps-10").overall.distinguishable  # type: ignore[union-attr]


def test_equal_votes_give_equal_results() -> None:
    record = by_strength(MANIFEST, TRUTH.__getitem__)
    assert json_object(study_results(record, MANIFEST)) == json_object(study_results(record, MANIFEST))


def test_intervals_know_that_votes_of_one_rater_are_alike() -> None:
    """Two raters who are each of one mind are two opinions, however often they say so."""
    minds = {1: "left", 2: "right", 3: "left", 4: "right"}
    alike = [cast(rater, ORIGINAL[n], FEWER[n], choice) for rater, choice in minds.items() for n in range(6)]  # type: ignore[arg-type]
    generator = random.Random(0)
    mixed = [vote.model_copy(update={"choice": generator.choice(["left", "right"])}) for vote in alike]

    def width(votes: list) -> float:  # type: ignore[type-arg]
        interval = study_results(study(MANIFEST, *votes), MANIFEST).models["shapes"][0].overall.interval
        assert interval is not None
        return interval.high - interval.low

    assert width(alike) > 1.3 * width(mixed)
    assert width(alike) == pytest.approx(PERCENT, abs=20)


def test_a_row_that_always_won_has_no_finite_strength() -> None:
    votes = [cast(1, ORIGINAL[n], FEWER[n], "left") for n in range(6)]
    original = study_results(study(MANIFEST, *votes), MANIFEST).models["shapes"][0]
    assert original.strength is None
    assert original.strength_interval is None
    assert original.overall.interval is None
    assert original.reason is not None
    assert original.overall.rate == 100


def test_one_prompt_gives_no_interval() -> None:
    votes = [cast(rater, ORIGINAL[0], FEWER[0], "left") for rater in (1, 2)]
    (original, _) = study_results(study(MANIFEST, *votes), MANIFEST).models["shapes"]
    assert original.overall.interval is None
    assert original.overall.distinguishable is None


def test_models_are_kept_apart() -> None:
    other = synthetic(rows=ROWS[3:5], prompts=6, samples=1).suite
    rows = tuple(row.model_copy(update={"model_label": "large"}) for row in other.rows)
    manifest = MANIFEST.model_copy(update={"rows": MANIFEST.rows + rows})
    votes = [cast(1, ORIGINAL[0], FEWER[0], "left"), cast(1, rows[0].cell_ids[0], rows[1].cell_ids[0], "right")]
    results = study_results(study(manifest, *votes), manifest)
    assert {model: [row.row for row in found] for model, found in results.models.items()} == {
        "shapes": ["original", "fewer_steps-25"],
        "large": ["teacache-0.1", "teacache-0.3"],
    }


def test_nobody_has_voted_yet() -> None:
    results = study_results(study(MANIFEST), MANIFEST)
    assert results.models == {}
    assert results.row("original") is None
    assert json.loads(json.dumps(json_object(results), allow_nan=False))["rows"] == []
