"""The report's head."""

from __future__ import annotations

from reports.provenance import head, seed_protocol
from reports.results import collect
from tests.reports.synthetic import MemorySource, change, synthetic


def reseeded(rule: str) -> MemorySource:
    """The synthetic suite with other seeds."""
    source = synthetic()
    for cell_id, record in list(source.done.items()):
        seed = {"vbench-wan": 100000 * record.prompt_index + record.sample_index, "fixed": 7}.get(
            rule, record.prompt_index
        )
        change(source, cell_id, key=record.key.model_copy(update={"seed": seed}))
    return source


def protocol(source: MemorySource) -> str:
    """What the head says about it."""
    return seed_protocol(collect(source, source.suite))


def test_seed_protocols_are_recognised() -> None:
    """From the seeds really used."""
    assert protocol(synthetic()).startswith("`index`")
    assert protocol(reseeded("vbench-wan")).startswith("`vbench-wan`")
    assert protocol(reseeded("fixed")).startswith("`fixed:7`")
    assert protocol(reseeded("odd")).startswith("none of the named")


def test_places_are_this_suites() -> None:
    """A cell made by another suite carries that suite's prompt index."""
    source = reseeded("vbench-wan")
    for cell_id in list(source.done):
        change(source, cell_id, prompt_index=99)
    assert protocol(source).startswith("`vbench-wan`")


def test_stand_ins_are_named_as_such() -> None:
    """A number of a tiny random model must not pass for the model's."""
    source = synthetic()
    assert not any("stand-ins" in line for line in head(collect(source, source.suite)))
    rows = tuple(row.model_copy(update={"model": "tiny:some/model"}) for row in source.suite.rows)
    tiny = source.suite.model_copy(update={"rows": rows})
    (line,) = (line for line in head(collect(source, tiny)) if "stand-ins" in line)
    assert "whose videos are noise: `tiny:some/model`" in line
