"""The table of image sets: there only where it was asked for, with a reason wherever there is no number."""

from __future__ import annotations

from harness.records import SetScoreRecord, set_id_of
from reports.formats.markdown import render
from reports.report import _tables
from reports.results import collect
from reports.tables import image_set
from tests.reports.synthetic import MemorySource, synthetic


def scored(**fid: float) -> MemorySource:
    """The synthetic suite asking for FID, precision and recall, with these values of FID and no others."""
    source = synthetic()
    source.suite = source.suite.model_copy(update={"set_metrics": ("fid", "precision_recall")})
    for row in source.suite.rows:
        set_id = set_id_of(row.cell_ids)
        if row.row in fid:
            source.set_scored[set_id] = {
                "fid": SetScoreRecord(
                    set_id=set_id,
                    row=row.row,
                    metric="fid",
                    status="ok",
                    values={"fid": fid[row.row]},
                    images=len(row.cell_ids),
                    network="inception-v3-abc",
                    reference="imagenet.npz@123",
                    scored_at=0.0,
                )
            }
    return source


def lines(source: MemorySource) -> dict[str, list[str]]:
    """The rendered table by row name."""
    rendered = render(image_set.sheet(collect(source, source.suite))).splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in rendered if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows}


def test_a_suite_that_does_not_ask_has_no_such_section() -> None:
    """Not even the heading."""
    source = synthetic()
    assert not image_set.belongs(collect(source, source.suite))
    assert f"## {image_set.TITLE}" not in _tables(collect(source, source.suite))
    asking = scored()
    assert f"## {image_set.TITLE}" in _tables(collect(asking, asking.suite))


def test_columns_are_what_was_asked_for_and_the_best_method_is_bold() -> None:
    """The original does not compete."""
    table = lines(scored(original=1.0, pab=3.25, **{"fora-3": 5.0}))
    assert table["Method"] == ["FID ↓", "Precision ↑", "Recall ↑", "Images"]
    assert (table["original"][0], table["pab"][0], table["fora-3"][0]) == ("1.00", "**3.25**", "*5.00*")


def test_what_is_missing_says_why() -> None:
    """Nothing was scored, so a footnote names the command."""
    source = scored(original=1.0)
    assert lines(source)["pab"][:3] == ["n/a ¹"] * 3
    rendered = render(image_set.sheet(collect(source, source.suite))).splitlines()
    assert any(line.startswith("¹ Not scored yet: harness score.") for line in rendered)
    assert "Compared with imagenet.npz@123 (inception-v3-abc)." in rendered
