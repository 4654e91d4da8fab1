"""The suite: one YAML file, read strictly.

Everything wrong with a file is said in one line each, with the file, the line, the key, the value and what to do.
Method configurations are checked against the method's own fields while planning, since that imports torch.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from harness.dimensions import QUALITY, SEMANTIC
from harness.discovery import FAMILIES, METHODS, METRICS, SET_METRICS, names
from harness.errors import SuiteError
from harness.seeds import parse_seed_protocol
from harness.strict_yaml import Location, explain, one_of, read_yaml, shown, where_in
from harness.suite_cost import PlannedRow, Published, StatedCost, StrictModel
from harness.suite_prompts import (
    Dimensions,
    PromptFile,
    VBenchSource,
    check_prompts,
    is_other_branch,
    read_prompts,
    read_vbench_prompts,
)
from harness.suite_resources import ResourcesEntry
from harness.vbench.prompts import VBenchPrompt

Scalar = bool | int | float | str


class SamplingOverrides(StrictModel):
    """What differs from the family's published sampling. Sizes in pixels, `num_frames` counts decoded frames."""

    num_inference_steps: Annotated[int, Field(ge=1)] | None = None
    guidance_scale: Annotated[float, Field(ge=0)] | None = None
    height: Annotated[int, Field(ge=8)] | None = None
    width: Annotated[int, Field(ge=8)] | None = None
    num_frames: Annotated[int, Field(ge=1)] | None = None
    flow_shift: Annotated[float, Field(gt=0)] | None = None
    max_sequence_length: Annotated[int, Field(ge=1)] | None = None
    negative_prompt: str | None = None
    true_cfg_scale: Annotated[float, Field(ge=1)] | None = None


class RungEntry(StrictModel):
    """A trained student that runs in the place of a pipeline's own transformer, under every method of the model."""

    weights: Annotated[str, Field(min_length=1)]
    """Folder of the rung, relative to the suite."""
    guidance_scale: Annotated[float, Field(gt=0)]
    """What the student is told, on the scale of classifier-free guidance (1 is none); a step is one call."""


class ParallelEntry(StrictModel):
    """Degrees of diffusers' context parallelism; `ulysses * ring` devices make a video."""

    ulysses: Annotated[int, Field(ge=1)] = 1
    ring: Annotated[int, Field(ge=1)] = 1


class ModelEntry(StrictModel):
    """A pipeline: `model` is a hub id, or a folder written `./...`, `../...` or absolute (relative to the suite)."""

    family: str
    model: Annotated[str, Field(min_length=1)]
    revision: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    sampling: SamplingOverrides = SamplingOverrides()
    rung: RungEntry | None = None
    parallel: ParallelEntry | None = None
    """Each video on several devices of one machine; a model of its own in every table, with an original of its own."""
    fps: Annotated[float, Field(gt=0)] | None = None
    """Frames per second of its videos; the suite's where left out."""
    baseline: str | None = None
    """Label of the model whose original all rows of this one are compared with; its own where left out."""

    @field_validator("family")
    @classmethod
    def _known(cls, family: str) -> str:
        return one_of("family", family, names(FAMILIES))


class MethodEntry(BaseModel):
    """One method; every other key is one of its fields. A list of values makes one row for each (a sweep)."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    method: str
    name: Annotated[str, Field(min_length=1)] | None = None
    """Row name, where the automatic one will not do."""
    models: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Labels of the models it runs on; all where left out."""
    cost: StatedCost | None = None
    """What an adaptive method is priced by where there is no recorded trace."""
    calibration_file: Annotated[str, Field(min_length=1)] | None = None
    """What `harness calibrate` wrote, relative to the suite; its fields hold where the suite gives none of a name."""
    published: Published | None = None

    @field_validator("models", mode="before")
    @classmethod
    def _tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("method")
    @classmethod
    def _known(cls, method: str) -> str:
        return one_of("method", method, names(METHODS))

    @property
    def config(self) -> dict[str, Any]:
        """The method's fields as written, lists not yet expanded."""
        return dict(self.model_extra or {})


class ImageSetEntry(StrictModel):
    """Metrics of all images of a row together, for models that make images; paths are relative to the suite."""

    metrics: Annotated[list[str], Field(min_length=1)]
    reference: Annotated[str, Field(min_length=1)] | None = None
    """What FID, sFID, precision and recall compare with: an npz file in the format of ADM's reference batches."""
    inception_weights: Annotated[str, Field(min_length=1)] | None = None
    """torch-fidelity's weights of Inception v3; where left out, $INCEPTION_WEIGHTS names the file."""

    @field_validator("metrics")
    @classmethod
    def _known(cls, metrics: list[str]) -> list[str]:
        for metric in metrics:
            one_of("set metric", metric, names(SET_METRICS))
        return metrics


class VBenchEntry(StrictModel):
    """Scores of VBench's own models, made once the videos are there."""

    dimensions: Dimensions = "all"
    """Of VBench's prompts all that they are for; of others those of quality, which look at the video alone."""


class FleetEntry(StrictModel):
    """How the suite wants to be run; none of it changes a video."""

    workers: Annotated[int, Field(ge=1)] | None = None
    cpus_per_worker: Annotated[int, Field(ge=1)] = 1
    gpus_per_worker: Annotated[float, Field(gt=0)] | None = None
    cell_timeout_s: Annotated[float, Field(gt=0)] | None = None
    max_attempts: Annotated[int, Field(ge=1)] = 3
    keep_reference_frames: bool = True
    """Whether an original's lossless frames stay once all rows compared with them are scored. A row added later needs
    them; without them the originals are made again, and must come out bit for bit."""


class Suite(StrictModel):
    """Models x methods x prompts x samples, and what is measured on each."""

    suite: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    description: str = ""
    store: str = "runs"
    """Folder or fsspec URL the results go to, relative to the working directory."""
    models: Annotated[dict[str, ModelEntry], Field(min_length=1)]
    prompts: Annotated[list[str], Field(min_length=1)] | PromptFile | VBenchSource
    samples: Annotated[int, Field(ge=1)] = 1
    seeds: str = "index"
    methods: Annotated[list[MethodEntry], Field(min_length=1)]
    planned: list[PlannedRow] = Field(default=[])
    """Rows nothing here can make yet: priced by `harness plan --cost`, never run."""
    metrics: list[str] = Field(default=[])
    image_set: ImageSetEntry | None = None
    vbench: VBenchEntry | None = None
    fps: Annotated[float, Field(gt=0)] = 16
    """Frames per second of the video files."""
    fleet: FleetEntry = FleetEntry()
    resources: dict[str, ResourcesEntry] = Field(default={})
    """What the workers of a model need, by its label, or by the family of several."""

    @field_validator("resources")
    @classmethod
    def _of_models(cls, resources: dict[str, ResourcesEntry], info: ValidationInfo) -> dict[str, ResourcesEntry]:
        models = info.data.get("models", {})
        for name in resources if models else ():
            one_of("model or family", name, (*models, *sorted({entry.family for entry in models.values()})))
        return resources

    @field_validator("seeds")
    @classmethod
    def _protocol(cls, seeds: str, info: ValidationInfo) -> str:
        try:
            parse_seed_protocol(seeds)
        except SuiteError as error:
            raise ValueError(str(error)) from None
        samples = info.data.get("samples", 1)
        if samples > 1 and seeds.startswith("fixed:"):
            raise ValueError(f"samples is {samples} with seeds {seeds!r}: all would be one video; use seeds: index")
        return seeds

    @field_validator("metrics")
    @classmethod
    def _metrics(cls, metrics: list[str]) -> list[str]:
        for metric in metrics:
            one_of("metric", metric, names(METRICS))
        if len(set(metrics)) < len(metrics):
            raise ValueError(f"metrics {metrics} names one twice; leave the second out")
        return metrics

    @field_validator("prompts")
    @classmethod
    def _prompts(cls, prompts: list[str] | PromptFile | VBenchSource) -> list[str] | PromptFile | VBenchSource:
        if isinstance(prompts, list):
            check_prompts(prompts)
        return prompts

    @field_validator("prompts", mode="before")
    @classmethod
    def _prompts_kind(cls, prompts: Any) -> Any:
        if not isinstance(prompts, list | dict | PromptFile | VBenchSource):
            raise ValueError(f"give a list of prompts, or a mapping with the key file or vbench, not {shown(prompts)}")
        return prompts


class LoadedSuite(BaseModel):
    """A suite with where it came from."""

    model_config = ConfigDict(frozen=True)

    suite: Suite
    path: Path
    text: str
    prompts: tuple[str, ...]
    lines: dict[Location, int]
    """1-based line of every key and list item."""
    vbench: tuple[VBenchPrompt, ...] = ()
    """One for each of the prompts, where they are VBench's."""

    def text_of(self, prompt_index: int) -> str:
        """What a model is told: the prompt itself, or its extension."""
        return self.vbench[prompt_index].text if self.vbench else self.prompts[prompt_index]

    def samples_of(self, prompt_index: int) -> int:
        """How many videos there are of a prompt in each row."""
        own = self.vbench[prompt_index].samples if self.vbench else None
        return self.suite.samples if own is None else own

    @property
    def vbench_dimensions(self) -> tuple[str, ...]:
        """What VBench is to score the videos for, in its tables' order; nothing where the suite does not ask for it."""
        if self.suite.vbench is None:
            return ()
        asked = self.suite.vbench.dimensions
        return self._scorable if asked == "all" else tuple(name for name in self._scorable if name in asked)

    @property
    def _scorable(self) -> tuple[str, ...]:
        """The dimensions of VBench that the suite's prompts are for."""
        there = {name for prompt in self.vbench for name in prompt.dimensions} if self.vbench else set(QUALITY)
        return tuple(name for name in QUALITY + SEMANTIC if name in there)

    def check_dimensions(self) -> None:
        """Refuse dimensions that the suite's prompts say nothing about. SuiteError."""
        asked = self.suite.vbench.dimensions if self.suite.vbench is not None else "all"
        for name in asked if asked != "all" else ():
            if name not in self._scorable:
                where, known = self.where("vbench", "dimensions"), ", ".join(self._scorable)
                raise SuiteError(
                    f"{where}: the suite's prompts are not for {name!r}, which VBench asks; they are for {known}"
                )

    def where(self, *location: int | str) -> str:
        """`file:line: key` of a place in the file, to begin an error with."""
        return where_in(self.path, self.lines, location)

    def resolve(self, path: str) -> Path:
        """A path of the suite, relative to the suite's own folder."""
        return (self.path.parent / path).resolve()


def load_suite(path: Path) -> LoadedSuite:
    """Read and check a suite file.

    Raises:
        SuiteError: with one line for each thing that is wrong.
    """
    file = read_yaml(path, what="suite", see="suites/suite.schema.json", error=SuiteError)
    file = replace(file, data={"suite": path.stem, **file.data})
    try:
        suite = Suite.model_validate(file.data)
    except ValidationError as error:
        findings = error.errors(include_url=False)
        findings = [finding for finding in findings if not is_other_branch(finding["loc"], file.data)]
        raise SuiteError(explain(file, findings, Suite)) from None
    loaded = LoadedSuite(suite=suite, path=path, text=file.text, prompts=(), lines=file.lines)
    if isinstance(suite.prompts, VBenchSource):
        vbench = read_vbench_prompts(loaded, suite.prompts.vbench)
        loaded = loaded.model_copy(update={"prompts": tuple(entry.prompt for entry in vbench), "vbench": vbench})
    else:
        loaded = loaded.model_copy(update={"prompts": read_prompts(loaded, suite.prompts)})
    loaded.check_dimensions()
    return loaded
