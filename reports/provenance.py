"""The head of a report: what was measured, with which code, on what, when, and how often."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from harness.records import TINY_PREFIX, CellRecord
from reports.bootstrap import DRAWS, SEED
from reports.environments import Environment, different, distinct
from reports.markdown import escape, plural, table
from reports.results import Results

PACKAGES = ("torch", "diffusers", "transformers", "python")


def head(results: Results) -> list[str]:
    """A two-column table. Dates are those of the records, so that the same records give the same report."""
    manifest = results.manifest
    records = sorted(results.frame.records.values(), key=lambda record: record.started_at)
    environments, _ = different(record.environment for record in records)
    run = [row for row in manifest.rows if row.skip_reason is None]
    expected, generated = (sum(getattr(line, name) for line in results.ledger) for name in ("expected", "generated"))
    planned = f"{plural(len(run), 'row')} x {plural(len(manifest.prompts), 'prompt')} x {manifest.samples} per prompt"
    entries = [
        ("Suite", f"`{manifest.suite}`, hash `{manifest.suite_hash}`"),
        ("Cells", f"{generated} of {expected} generated ({planned})"),
        ("Commit", _listed(distinct(environments, "commit"), code=True)),
        ("Packages", _packages(environments)),
        ("Device", _listed(distinct(environments, "device"))),
        ("Generated", _dates(records)),
        ("Seeds", seed_protocol(results)),
        ("Judge", f"`{results.judge}`; its scores are not VBench's" if results.judge != "vbench" else "VBench"),
        ("Intervals", f"95 %, paired bootstrap over prompts, {DRAWS} draws, seed {SEED}"),
    ]
    stand_ins = list(dict.fromkeys(row.model for row in manifest.rows if row.model.startswith(TINY_PREFIX)))
    if stand_ins:
        entries.insert(1, ("Models", f"tiny random stand-ins, whose videos are noise: {_listed(stand_ins, code=True)}"))
    return table(["Provenance", ""], [[name, escape(text)] for name, text in entries], numbers=False)


def _listed(values: Sequence[str], code: bool = False) -> str:
    if not values:
        return "not recorded"
    return "; ".join(f"`{value}`" if code else value for value in values)


def _packages(environments: Sequence[Environment]) -> str:
    found = {package: distinct(environments, package) for package in PACKAGES}
    stated = [f"{package} {' and '.join(versions)}" for package, versions in found.items() if versions]
    return ", ".join(stated) or "not recorded"


def _dates(records: Sequence[CellRecord]) -> str:
    if not records:
        return "nothing yet"
    first, last = records[0].started_at, max(record.finished_at for record in records)
    begin, end = (datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M") for moment in (first, last))
    return f"{begin} to {end} UTC"


def seed_protocol(results: Results) -> str:
    """How seeds follow from prompt and sample, as the records show it, not as the suite claims it."""
    records = results.frame.records
    # Places are this suite's: a cell that two suites share has the record of whichever made it first.
    columns = (results.cells[name].tolist() for name in ("cell_id", "prompt_index", "sample_index"))
    done = [(cell_id, (prompt, sample)) for cell_id, prompt, sample in zip(*columns, strict=True) if cell_id in records]
    if not done:
        return "nothing generated yet"
    places = [place for _, place in done]
    seeds = [records[cell_id].key.seed for cell_id, _ in done]
    protocols = {
        "`index`: the seed is the sample index": [sample for _, sample in places],
        "`vbench-wan`: 100000 x prompt + sample": [100000 * prompt + sample for prompt, sample in places],
        f"`fixed:{seeds[0]}`: the same seed everywhere": [seeds[0]] * len(seeds),
    }
    for text, expected in protocols.items():
        if seeds == expected:
            return f"{text}; equal for every method"
    return "none of the named protocols; see the records"
