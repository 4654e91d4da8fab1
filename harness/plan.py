"""A suite becomes rows and cells: lazily, purely, without loading a model.

Neither weights, Ray nor MLflow are imported; torch is where methods and families must be asked (see `planning.facts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.calibrate.use import UsedCalibration, used_calibration
from harness.discovery import code_hash
from harness.errors import SuiteError, nearest
from harness.images import FirstFrame
from harness.planning.configured import ConfiguredMethod
from harness.planning.facts import Facts
from harness.planning.images import planned_first_frames
from harness.planning.models import model_of, shown_model
from harness.planning.remembered import Remembered
from harness.planning.row import Row
from harness.planning.rungs import identity, misfit, missing_weights, rung_folders, with_rungs
from harness.planning.stated import (
    StatedRow,
    baseline_names,
    check_baselines,
    check_statements,
    row_label,
    stated_rows,
)
from harness.planning.variants import row_name
from harness.records import CellKey, RowManifest, StatedRowManifest, SuiteManifest, canonical_hash
from harness.seeds import seed_of
from harness.suite import LoadedSuite
from harness.task import CellTask, ModelSpec

if TYPE_CHECKING:
    from methods.base import Sampling

ORIGINAL = "original"
STUDENT = "methods.students.in_force"
"""What computes beside the method where a model runs a rung."""
MAX_NAME_BYTES = 240
"""Of a video's file name without its ending; file systems take 255."""


@dataclass(frozen=True)
class Plan:
    """Rows with everything needed to make their cells."""

    loaded: LoadedSuite
    rows: tuple[Row, ...]
    stated: tuple[StatedRow, ...] = ()
    """Rows that nothing makes yet."""

    @property
    def cells(self) -> int:
        """Cells of all rows that can run."""
        return self.cells_a_row * sum(row.skip_reason is None for row in self.rows)

    @property
    def cells_a_row(self) -> int:
        """Samples of all prompts."""
        return sum(self.loaded.samples_of(index) for index in range(len(self.loaded.prompts)))

    def cell_key(self, row: Row, prompt_index: int, sample_index: int) -> CellKey:
        """Everything that determines one video."""
        seed = seed_of(self.loaded.suite.seeds, prompt_index=prompt_index, sample_index=sample_index)
        return CellKey(
            family=row.model.family,
            model=row.key_model,
            model_fingerprint=row.fingerprint,
            dtype=row.model.dtype,
            method=row.method_name,
            config=row.config,
            code=row.code,
            sampling=row.plain_sampling,
            prompt=self.loaded.text_of(prompt_index),
            seed=seed,
            image=row.first_frames[prompt_index].sha256 if row.first_frames else None,
            parallel=_degrees(row.model),
        )

    def tasks(self) -> Iterator[CellTask]:
        """Every cell, row by row; originals come first where the suite lists them first."""
        suite = self.loaded.suite
        by_name = {row.name: row for row in self.rows}
        references: dict[tuple[str, int, int], str] = {}
        for row in self.rows:
            if row.skip_reason is not None:
                continue
            folder = f"videos/{_slug(row.name)}-{row.row_key[:8]}"
            fps = suite.models[row.model.label].fps or suite.fps
            baseline = by_name[row.baseline] if row.baseline is not None else None
            for prompt_index, sample_index in self.places():
                key = self.cell_key(row, prompt_index, sample_index)
                cell_id, reference = key.cell_id, None
                if baseline is not None:
                    place = (baseline.name, prompt_index, sample_index)
                    if place not in references:
                        references[place] = self.cell_key(baseline, prompt_index, sample_index).cell_id
                    reference = references[place]
                yield CellTask(
                    cell_id=cell_id,
                    key=key,
                    model=row.model,
                    suite=suite.suite,
                    row=row.name,
                    row_key=row.row_key,
                    row_index=row.index,
                    prompt_index=prompt_index,
                    sample_index=sample_index,
                    video=f"{folder}/{_file_name(self.loaded.prompts[prompt_index], sample_index)}.mp4",
                    reference_cell_id=reference,
                    metrics=tuple(suite.metrics),
                    fps=fps,
                    expected_cost=row.expected_cost,
                    keep_lossless=suite.image_set is not None,
                    drop_reference=suite.image_set is None and not suite.fleet.keep_reference_frames,
                    first_frame=row.first_frames[prompt_index] if row.first_frames else None,
                    rungs=tuple(rung_folders(row.configured).items()),
                )

    def manifest(self) -> SuiteManifest:
        """The plan as it is written to the store: the denominator of every table."""
        loaded, suite = self.loaded, self.loaded.suite
        told = [loaded.text_of(index) for index in range(len(loaded.prompts))]
        samples = tuple(loaded.samples_of(index) for index in range(len(loaded.prompts)))
        return SuiteManifest(
            suite=suite.suite,
            suite_hash=canonical_hash(suite.model_dump(mode="json") | {"prompts": told}),
            suite_yaml=loaded.text,
            prompts=loaded.prompts,
            prompt_dimensions=tuple(prompt.dimensions for prompt in loaded.vbench),
            samples=max(samples),
            prompt_samples=samples if len(set(samples)) > 1 else (),
            metrics=tuple(suite.metrics),
            set_metrics=tuple(suite.image_set.metrics) if suite.image_set is not None else (),
            vbench_dimensions=loaded.vbench_dimensions,
            rows=tuple(self._row_manifest(row) for row in self.rows),
            planned=tuple(StatedRowManifest(row=row.name, reason=row.stated.reason) for row in self.stated),
        )

    def _row_manifest(self, row: Row) -> RowManifest:
        runs = row.skip_reason is None
        return RowManifest(
            row=row.name,
            row_key=row.row_key,
            model_label=row.model.label,
            model=shown_model(row.model),
            family=row.model.family,
            method=row.method_name,
            config=row.config,
            sampling=row.sampling.as_plain(),
            baseline=row.baseline,
            skip_reason=row.skip_reason,
            devices=row.model.resources.ranks,
            cell_ids=tuple(self.cell_key(row, *place).cell_id for place in self.places()) if runs else (),
        )

    def places(self) -> Iterator[tuple[int, int]]:
        """Prompt and sample of each cell of a row, in the order of a manifest's `cell_ids`."""
        for prompt_index in range(len(self.loaded.prompts)):
            yield from ((prompt_index, sample_index) for sample_index in range(self.loaded.samples_of(prompt_index)))


def make_plan(loaded: LoadedSuite, remembered: Remembered | None = None) -> Plan:
    """Expand a suite. What is `remembered` of methods and families is not asked again, and makes no other plan.

    Raises:
        SuiteError: a method's field is unknown or has a wrong value, a label or a row is there twice, a folder is
            missing.
    """
    suite = loaded.suite
    facts = Facts(remembered)
    models = {label: model_of(loaded, label, facts) for label in suite.models}
    samplings = {label: (spec, default) for label, (spec, _, _, default) in models.items()}
    check_baselines(loaded, {label: default for label, (_, default) in samplings.items()})
    frames = planned_first_frames(
        loaded, {label: spec for label, (spec, family, _, _) in models.items() if family.needs_image}
    )
    rows: list[Row] = []
    for index, entry in enumerate(suite.methods):
        for label in entry.models or ():
            if label not in models:
                where = loaded.where("methods", index, "models")
                raise SuiteError(f"{where}: unknown model {label!r}{nearest(label, models)}")
        calibration = used_calibration(loaded, index, entry)
        configured = [
            (given, with_rungs(loaded, index, method))
            for given, method in facts.configured(loaded, index, entry, calibration)
        ]
        labels = [label for label in models if entry.models is None or label in entry.models]
        check_statements(loaded, index, entry, [method for _, method in configured], len(configured) * len(labels))
        for label in labels:
            spec, _, fingerprint, default = models[label]
            prefix = row_label(entry.models, entry.name is not None, label, several=len(models) > 1)
            for given, method in configured:
                name = row_name(entry, given, len(configured), prefix)
                row = _row(facts, len(rows), name, spec, fingerprint, default, method)
                row = _with_first_frames(row, frames.get(label))
                rows.append(replace(row, cost=entry.cost, published=entry.published))
                _refuse_calibration(loaded, calibration, rows[-1])
                _refuse_duplicate(loaded, index, rows)
    originals = {row.model.label: row.name for row in reversed(rows) if row.method_name == ORIGINAL}
    baselines = baseline_names(loaded, originals)
    paired = [
        replace(row, baseline=None if row.name == baselines[row.model.label] else baselines[row.model.label])
        for row in rows
    ]
    stated = tuple(stated_rows(loaded, samplings, baselines))
    names = [row.name for row in rows]
    for extra in stated:
        if extra.name in names:
            raise SuiteError(f"{loaded.where('planned')}: a second row is called {extra.name!r}; give it another name")
        names.append(extra.name)
    return Plan(loaded, tuple(paired), stated)


def _row(
    facts: Facts,
    index: int,
    name: str,
    spec: ModelSpec,
    fingerprint: str,
    default: Sampling,
    method: ConfiguredMethod,
) -> Row:
    config = identity(method)
    pairing = facts.pairing(method, config, spec.family, default)
    sampling = pairing.sampling
    identified: dict[str, Any] = {
        "family": spec.family,
        "fingerprint": fingerprint,
        "dtype": spec.dtype,
        "method": method.name,
        "config": config,
        "sampling": sampling.as_plain(),
    }
    if spec.parallel is not None:
        identified["parallel"] = _degrees(spec)
    alone = method.one_device if spec.parallel is not None else None
    reason = pairing.unsupported or misfit(method, spec.rung) or alone
    return Row(
        name=name,
        row_key=canonical_hash(identified),
        index=index,
        model=spec,
        fingerprint=fingerprint,
        configured=method,
        config=config,
        sampling=sampling,
        code=code_hash(method.name, spec.family, *([STUDENT] if spec.rung is not None else [])),
        baseline=None,
        skip_reason=reason or missing_weights(method, spec.rung),
        supported=reason is None,
        expected_cost=sampling.num_inference_steps / default.num_inference_steps,
    )


def _degrees(spec: ModelSpec) -> dict[str, int] | None:
    return None if spec.parallel is None else asdict(spec.parallel)


def _with_first_frames(row: Row, frames: tuple[FirstFrame, ...] | str | None) -> Row:
    """The row with its images; where they are missing it has no cells, and says why."""
    if isinstance(frames, str):
        return replace(row, skip_reason=row.skip_reason or frames)
    return row if frames is None else replace(row, first_frames=frames)


def _refuse_calibration(loaded: LoadedSuite, calibration: UsedCalibration | None, row: Row) -> None:
    if calibration is not None:
        calibration.check(
            loaded,
            label=row.model.label,
            family=row.model.family,
            model=shown_model(row.model),
            fingerprint=row.fingerprint,
            sampling=row.sampling.as_plain(),
        )


def _refuse_duplicate(loaded: LoadedSuite, index: int, rows: list[Row]) -> None:
    new, where = rows[-1], loaded.where("methods", index)
    for row in rows[:-1]:
        if row.row_key == new.row_key:
            raise SuiteError(f"{where}: row {new.name!r} is the same as row {row.name!r}; keep one")
        if row.name == new.name:
            raise SuiteError(f"{where}: a second row is called {new.name!r}; give it a name of its own")


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9.=-]+", "_", name).strip("_")[:100]


def _file_name(prompt: str, sample_index: int) -> str:
    """`{prompt}-{index}`, as VBench expects; of a prompt too long for a file system, its beginning and its hash."""
    name = f"{prompt}-{sample_index}"
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    tail = f"~{canonical_hash(prompt)[:12]}-{sample_index}"
    return prompt.encode()[: MAX_NAME_BYTES - len(tail)].decode(errors="ignore") + tail
