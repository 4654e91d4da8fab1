"""A model on one device, on two, and what its methods gain there."""

from __future__ import annotations

from dataclasses import replace

from reports.results import Results, collect
from reports.sheet import Line
from reports.tables import devices, discover
from tests.reports.synthetic import ROWS, MemorySource, change, synthetic, two_models

TWO = (ROWS[0], ROWS[5])


def spread(prompts: int = 4) -> MemorySource:
    """On two devices everything is 1.8 times as fast, and costs the FLOPs that it costs on one."""
    specs = tuple(replace(spec, name=f"other {spec.name}") for spec in TWO)
    other = synthetic(rows=specs, prompts=prompts, samples=1)
    for row in other.suite.rows:
        for cell_id in row.cell_ids:
            latency = other.done[cell_id].latency
            assert latency is not None
            change(other, cell_id, latency=latency.model_copy(update={"total_s": latency.total_s / 1.8}))
    return two_models(synthetic(rows=TWO, prompts=prompts, samples=1), other, devices=2)


def lines(results: Results) -> dict[tuple[str, str], Line]:
    (block,) = devices.sheet(results).blocks
    return {(line.name, line.cells[0].text): line for line in block.lines}


def test_scaling_speedup_and_what_is_kept_of_theory() -> None:
    source = spread()
    results = collect(source, source.suite)
    found = lines(results)
    fora = 'fora {"cache_interval": 3}'
    assert list(found) == [("original", "1"), ("original", "2"), (fora, "1"), (fora, "2")]
    numbers = {key: [cell.text for cell in line.cells][2:5] for key, line in found.items()}
    ratio, theory = (results.estimate("other fora-3", measure).value for measure in ("speedup", "flops_speedup"))
    assert ratio is not None
    assert theory is not None
    assert numbers["original", "1"] == ["-", "-", "-"]
    assert numbers["original", "2"] == ["1.80", "-", "-"]
    assert numbers[fora, "2"] == ["1.80", f"{ratio:.2f}", f"{ratio / theory:.2f}"]
    assert numbers[fora, "1"] == ["-", *numbers[fora, "2"][1:]]
    assert found[fora, "2"].cells[3].interval is not None


def test_a_row_without_its_original_or_its_cells_says_so() -> None:
    source = spread()
    rows = tuple(row for row in source.suite.rows if row.row != "other original")
    source.suite = source.suite.model_copy(update={"rows": rows})
    cells = lines(collect(source, source.suite))['fora {"cache_interval": 3}', "2"].cells
    assert cells[3].notes == ("No original of other fora-3 on as many devices.",)
    for row in rows:
        for cell_id in row.cell_ids:
            source.forget(cell_id)
    cells = lines(collect(source, source.suite))['fora {"cache_interval": 3}', "2"].cells
    assert cells[2].text == "n/a"


def test_only_suites_that_spread_videos_have_it() -> None:
    source = synthetic(rows=TWO, prompts=2)
    assert not devices.belongs(collect(source, source.suite))
    assert devices.belongs(collect(spread(), spread().suite))
    assert "devices" in discover()
