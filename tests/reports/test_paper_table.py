"""Papers' tables rebuilt: ours beside the paper's, and why something is missing."""

from __future__ import annotations

from reports.published.disca import TABLE_7
from reports.results import collect
from reports.sheet import Block, Cell, Line, Sheet
from reports.tables import disca_table2, disca_table4, disca_table6, disca_table7, mixcache_table1, mixcache_table2
from tests.reports.paper_suite import ORIGINAL, paper_suite
from tests.reports.synthetic import MemorySource, synthetic

SHAPES = "harness/shapes/model"


def block(source: MemorySource, number: int = 1) -> Block:
    return disca_table7.sheet(collect(source, source.suite)).blocks[number]


def lines(found: Block, name: str) -> dict[str, Line]:
    return {line.cells[0].text: line for line in found.lines if line.name == name}


def column(found: Block, line: Line, title: str) -> Cell:
    titles = [heading.title for heading in found.headings]
    return line.cells[titles.index(title)]


def test_every_row_of_the_paper_in_its_order() -> None:
    source = paper_suite()
    sheet = disca_table7.sheet(collect(source, source.suite))
    names = [line.name for part in sheet.blocks for line in part.lines]
    assert tuple(dict.fromkeys(names)) == TABLE_7.row_names


def test_difference_from_the_published_value() -> None:
    source = paper_suite()
    results, found = collect(source, source.suite), block(source)
    pab = lines(found, "PAB (N=5)")
    assert list(pab) == ["ours", "paper", "difference"]
    measured = results.estimate("PAB (N=5)", "speedup").value
    assert measured is not None
    assert column(found, pab["ours"], "Speedup").text == f"{measured:.2f}"
    assert column(found, pab["paper"], "Speedup").text == "5.34"
    assert column(found, pab["difference"], "Speedup") == Cell(f"{100 * (measured / 5.34 - 1):+.1f}", unit="%")
    # 402 MB against 121.3 GB.
    assert column(found, pab["difference"], "Peak VRAM").text == f"{100 * (0.402 / 121.3 - 1):+.1f}"


def test_small_models_have_units_of_their_own() -> None:
    found = block(paper_suite())
    pab = lines(found, "PAB (N=5)")
    assert column(found, pab["ours"], "FLOPs") == Cell("78.43", rank=1, unit="G")
    assert column(found, pab["paper"], "FLOPs").unit == ""


def test_ranks_are_apart() -> None:
    """Ours among ours, the paper's among the paper's, originals in neither."""
    source = paper_suite()
    found = block(source)
    speed = {
        (line.name, line.cells[0].text): column(found, line, "Speedup").rank
        for line in found.lines
        if line.cells[0].text != "difference"
    }
    assert {place for place, rank in speed.items() if rank == 1} == {
        ("PAB (N=5)", "ours"),
        ("DisCa (R=0.2, N=2)", "paper"),
    }
    assert {place for place, rank in speed.items() if rank == 2} == {("FORA (N=3)", "ours"), ("PAB (N=5)", "paper")}
    first = block(source, 0)
    assert not any(cell.rank for line in lines(first, ORIGINAL).values() for cell in line.cells)


def test_rows_that_have_not_run_say_why() -> None:
    source = paper_suite()
    low, high = block(source), block(source, 2)
    told = {
        line.name: line.notes[0] for part in (low, high) for line in part.lines if line.notes and len(line.notes) == 1
    }
    assert told["TaylorSeer (N=3, O=1)"] == "Not run: taylorseer wants 3 steps."
    assert told["MeanFlow: 20 steps"] == "Not run: the weights are not public."
    assert told["FORA (N=6)"] == "Not generated yet."
    assert told["DisCa (R=0.2, N=2)"] == "Not in this suite."
    assert not lines(low, "PAB (N=5)")["ours"].notes


def test_denominators_stand_behind_measured_lines_alone() -> None:
    found = block(paper_suite())
    fora = lines(found, "FORA (N=3)")
    assert fora["ours"].denominators is not None
    assert fora["ours"].denominators.expected == 12
    assert fora["paper"].denominators is None
    assert lines(found, "TaylorSeer (N=3, O=1)")["paper"].denominators is None


def test_of_another_model_only_ratios_are_compared() -> None:
    source = paper_suite(model=SHAPES)
    sheet = disca_table7.sheet(collect(source, source.suite))
    difference = lines(sheet.blocks[1], "PAB (N=5)")["difference"]
    compared = {
        heading.title
        for heading, cell in zip(sheet.blocks[1].headings[1:], difference.cells[1:], strict=True)
        if cell.is_number
    }
    assert compared == {"Speedup", "Theoretical speedup"}
    assert f"Measured on {SHAPES}, which is not the paper's model: only ratios are compared." in sheet.remarks


def scores(sheet: Sheet) -> list[Cell]:
    difference = lines(sheet.blocks[1], "Delta-DiT (N=5)")["difference"]
    return [column(sheet.blocks[1], difference, title) for title in ("Semantic", "Quality", "Total")]


def test_scores_of_another_judge_are_not_compared() -> None:
    source = paper_suite()
    sheet = disca_table2.sheet(collect(source, source.suite))
    assert [cell.text for cell in scores(sheet)] == ["-", "-", "-"]
    assert "Scores of ours are by shapes, the paper's by VBench: they are not compared." in sheet.remarks


def test_scores_of_vbench_are_compared_in_points() -> None:
    source = paper_suite(judge="vbench")
    results = collect(source, source.suite)
    sheet = disca_table2.sheet(results)
    measured = results.estimate("Delta-DiT (N=5)", "total_score").value
    assert measured is not None
    assert scores(sheet)[2] == Cell(f"{measured - 73.3:+.1f}")
    assert not any("judge" in remark or "VBench: they" in remark for remark in sheet.remarks)


def test_not_distinguishable_from_the_original() -> None:
    """Delta-DiT does next to no damage in this suite, PAB does."""
    source = paper_suite()
    found = disca_table2.sheet(collect(source, source.suite)).blocks[1]
    assert column(found, lines(found, "Delta-DiT (N=5)")["ours"], "Total").undecided
    assert not column(found, lines(found, "PAB (N=5)")["ours"], "Total").undecided


def test_second_hand_columns_are_named() -> None:
    source = synthetic(prompts=1, samples=1)
    (remark,) = disca_table2.sheet(collect(source, source.suite)).remarks
    assert remark.startswith("The paper's Semantic, Quality, Total: second-hand (notes on the paper")


def test_contradictions_are_noted_where_they_are_printed() -> None:
    source = synthetic(prompts=1, samples=1)
    results = collect(source, source.suite)
    wan, *_, cog = mixcache_table1.sheet(results).blocks
    blockdance = lines(wan, "Wan 14B 480p: BlockDance 4")["paper"]
    assert column(wan, blockdance, "Speedup").notes == ("MixCache Table 1 has 1.29, but 900 s / 679 s is 1.33.",)
    assert cog.remarks[0].startswith("The paper's heading has 820 x 480, but")


def test_changes_as_printed() -> None:
    source = synthetic(prompts=1, samples=1)
    (found,) = disca_table6.sheet(collect(source, source.suite)).blocks
    scene = column(found, lines(found, "DisCa (R=0.2, N=4)")["paper"], "Scene")
    assert (scene.text, scene.change) == ("33.2", "-28.1%")


def test_what_only_papers_print() -> None:
    """No measure of ours stands in a column of the paper's own."""
    source = paper_suite()
    found = block(source)
    assert column(found, lines(found, "PAB (N=5)")["ours"], "Theoretical latency").text == "-"
    assert disca_table4.PAPER.columns[0].measure == "model_steps"


def test_a_row_that_shares_the_originals_name_alone_is_not_the_papers() -> None:
    """MixCache's Table 2 has a row `original`, as every suite has."""
    source = synthetic(prompts=1, samples=1)
    sheet = mixcache_table2.sheet(collect(source, source.suite))
    assert {line.cells[0].text for line in sheet.blocks[0].lines} == {"paper"}


def test_nothing_is_said_of_measurements_that_there_are_none_of() -> None:
    source = paper_suite(model=SHAPES)
    source.done.clear()
    source.scored.clear()
    sheet = disca_table2.sheet(collect(source, source.suite))
    assert not any("Measured on" in remark or "Scores of ours" in remark for remark in sheet.remarks)
    assert lines(sheet.blocks[1], "PAB (N=5)")["paper"].notes == ("Not generated yet.",)
