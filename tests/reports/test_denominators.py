"""The ledger (`reports/ledger.py`): counts per row and what is left out."""

from __future__ import annotations

from reports.frame import cell_frame
from reports.ledger import denominators, exclusions
from tests.reports.synthetic import ENVIRONMENT, change, synthetic, troubled


def test_counts() -> None:
    """Expected, generated, failed and scored, by metric; fidelity does not apply to originals."""
    source = troubled()
    ledger = {line.row: line for line in denominators(source.suite, cell_frame(source, source.suite))}
    fora = ledger["fora-3"]
    assert (fora.expected, fora.generated, fora.failed, fora.decoded, fora.answered) == (12, 10, 1, 10, 10)
    assert fora.scored == {"psnr": 10, "ssim": 10, "lpips": 0, "shapes": 10}
    assert ledger["original"].scored == {"shapes": 12}
    assert ledger["original"].complete
    assert not fora.complete


def test_unavailable_is_an_answer_but_not_a_score() -> None:
    """Missing weights do not keep a suite unfinished; a failed metric does."""
    source = synthetic()
    row = source.suite.rows[1]
    score = source.scored[row.cell_ids[0]]["ssim"]
    source.scored[row.cell_ids[0]]["ssim"] = score.model_copy(update={"status": "failed", "values": {}})
    line = denominators(source.suite, cell_frame(source, source.suite))[1]
    assert line.answered == 11
    assert line.scored["lpips"] == 0


def test_timings_come_from_the_commonest_environment() -> None:
    """The minority is left out, whoever it is, and the commit does not matter."""
    source = synthetic()
    original = source.suite.rows[0]
    change(source, original.cell_ids[0], environment={**ENVIRONMENT, "threads": 2})
    change(source, original.cell_ids[1], environment={**ENVIRONMENT, "commit": "fffffff"})
    left_out = exclusions(source.suite, cell_frame(source, source.suite))
    assert [exclusion.cell_id for exclusion in left_out] == [original.cell_ids[0]]
    assert "2 threads" in left_out[0].reason


def test_a_model_is_not_timed_against_another_ones_original_on_another_machine() -> None:
    """Each model is timed on one machine alone, and still the two are not compared."""
    source = synthetic()
    first, *others = source.suite.rows
    distilled = tuple(row.model_copy(update={"model_label": "distilled"}) for row in others)
    source.suite = source.suite.model_copy(update={"rows": (first, *distilled)})
    assert not exclusions(source.suite, cell_frame(source, source.suite))
    for cell_id in first.cell_ids:
        change(source, cell_id, environment={**ENVIRONMENT, "device_name": "Other CPU"})
    left_out = exclusions(source.suite, cell_frame(source, source.suite))
    assert [exclusion.cell_id for exclusion in left_out] == list(first.cell_ids)
    assert "timed on Other CPU" in left_out[0].reason
    assert "while this table's timings are from Test CPU" in left_out[0].reason
