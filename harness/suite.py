"""The suite: one YAML file, read strictly.

Everything wrong with a file is said in one line each, with the file, the line, the key, the value and what to do.
Method configurations are checked against the method's own fields while planning, since that imports torch.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from yaml.constructor import ConstructorError

from harness.discovery import FAMILIES, METHODS, METRICS, SET_METRICS, names
from harness.errors import SuiteError, nearest
from harness.seeds import parse_seed_protocol
from harness.suite_cost import PlannedRow, Published, StatedCost, StrictModel

Scalar = bool | int | float | str
Location = tuple[int | str, ...]


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


class ModelEntry(StrictModel):
    """A pipeline: `model` is a hub id, or a folder written `./...`, `../...` or absolute (relative to the suite)."""

    family: str
    model: Annotated[str, Field(min_length=1)]
    revision: str | None = None
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    sampling: SamplingOverrides = SamplingOverrides()
    baseline: str | None = None
    """Label of the model whose original all rows of this one are compared with; its own where left out."""

    @field_validator("family")
    @classmethod
    def _known(cls, family: str) -> str:
        return _one_of("family", family, names(FAMILIES))


class PromptFile(StrictModel):
    """A text file with one prompt a line, relative to the suite."""

    file: str
    limit: Annotated[int, Field(ge=1)] | None = None
    images: Annotated[str, Field(min_length=1)] | None = None
    """Folder with an image `<prompt>.jpg` (or .jpeg, .png) for each prompt, relative to the suite. Only models that
    begin a video with an image look at it."""


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
        return _one_of("method", method, names(METHODS))

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
            _one_of("set metric", metric, names(SET_METRICS))
        return metrics


class FleetEntry(StrictModel):
    """How the suite wants to be run; none of it changes a video."""

    workers: Annotated[int, Field(ge=1)] | None = None
    cpus_per_worker: Annotated[int, Field(ge=1)] = 1
    gpus_per_worker: Annotated[float, Field(gt=0)] | None = None
    cell_timeout_s: Annotated[float, Field(gt=0)] | None = None
    max_attempts: Annotated[int, Field(ge=1)] = 3


class Suite(StrictModel):
    """Models x methods x prompts x samples, and what is measured on each."""

    suite: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    description: str = ""
    store: str = "runs"
    """Folder or fsspec URL the results go to, relative to the working directory."""
    models: Annotated[dict[str, ModelEntry], Field(min_length=1)]
    prompts: Annotated[list[str], Field(min_length=1)] | PromptFile
    samples: Annotated[int, Field(ge=1)] = 1
    seeds: str = "index"
    methods: Annotated[list[MethodEntry], Field(min_length=1)]
    planned: list[PlannedRow] = Field(default=[])
    """Rows nothing here can make yet: priced by `harness plan --cost`, never run."""
    metrics: list[str] = Field(default=[])
    image_set: ImageSetEntry | None = None
    fps: Annotated[float, Field(gt=0)] = 16
    """Frames per second of the video files."""
    fleet: FleetEntry = FleetEntry()

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
            _one_of("metric", metric, names(METRICS))
        if len(set(metrics)) < len(metrics):
            raise ValueError(f"metrics {metrics} names one twice; leave the second out")
        return metrics

    @field_validator("prompts")
    @classmethod
    def _prompts(cls, prompts: list[str] | PromptFile) -> list[str] | PromptFile:
        if isinstance(prompts, list):
            _check_prompts(prompts)
        return prompts

    @field_validator("prompts", mode="before")
    @classmethod
    def _prompts_kind(cls, prompts: Any) -> Any:
        if not isinstance(prompts, list | dict | PromptFile):
            raise ValueError(f"give a list of prompts, or a mapping with the key file, not {shown(prompts)}")
        return prompts


def _one_of(kind: str, name: str, known: tuple[str, ...]) -> str:
    if name not in known:
        raise ValueError(f"unknown {kind} {name!r}{nearest(name, known)}")
    return name


def _check_prompts(prompts: list[str]) -> None:
    seen: set[str] = set()
    for prompt in prompts:
        if not prompt.strip():
            raise ValueError("a prompt is empty; leave it out")
        if prompt in seen:
            raise ValueError(f"prompt {prompt!r} is there twice; use samples for more videos of one prompt")
        if "/" in prompt or "\0" in prompt:
            raise ValueError(f"prompt {prompt!r} has a '/', which a video's file name cannot have; rephrase it")
        seen.add(prompt)


class LoadedSuite(BaseModel):
    """A suite with where it came from."""

    model_config = ConfigDict(frozen=True)

    suite: Suite
    path: Path
    text: str
    prompts: tuple[str, ...]
    lines: dict[Location, int]
    """1-based line of every key and list item."""

    def where(self, *location: int | str) -> str:
        """`file:line: key` of a place in the file, to begin an error with."""
        return _where(self.path, self.lines, location)

    def resolve(self, path: str) -> Path:
        """A path of the suite, relative to the suite's own folder."""
        return (self.path.parent / path).resolve()


def load_suite(path: Path) -> LoadedSuite:
    """Read and check a suite file.

    Raises:
        SuiteError: with one line for each thing that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SuiteError(f"{path}: cannot be read ({reason}); give the path of a suite file") from None
    lines: dict[Location, int] = {}
    try:
        _collect_lines(path, yaml.compose(text, Loader=_Loader), (), lines)
        data = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise SuiteError(f"{path}{line}: not valid YAML: {problem}") from None
    except RecursionError:
        raise SuiteError(f"{path}: lists or mappings are nested too deeply, or in themselves; flatten them") from None
    if not isinstance(data, dict):
        raise SuiteError(f"{path}:1: a suite is a mapping of keys to values; see suites/suite.schema.json")
    data = {"suite": path.stem, **data}
    try:
        suite = Suite.model_validate(data)
    except ValidationError as error:
        raise SuiteError("\n".join(_explain(path, lines, data, error))) from None
    loaded = LoadedSuite(suite=suite, path=path, text=text, prompts=(), lines=lines)
    return loaded.model_copy(update={"prompts": _read_prompts(loaded)})


def _read_prompts(loaded: LoadedSuite) -> tuple[str, ...]:
    prompts = loaded.suite.prompts
    if isinstance(prompts, list):
        return tuple(prompts)
    path = loaded.resolve(prompts.file)
    where = loaded.where("prompts", "file")
    try:
        found = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise SuiteError(f"{where}: {prompts.file!r} cannot be read ({reason}); it is relative to the suite") from None
    if prompts.limit is not None and prompts.limit > len(found):
        where = loaded.where("prompts", "limit")
        raise SuiteError(f"{where}: {prompts.limit} prompts wanted, {path.name} has {len(found)}; lower the limit")
    found = found[: prompts.limit]
    try:
        _check_prompts(found)
    except ValueError as error:
        raise SuiteError(f"{where}: {path.name}: {error}") from None
    if not found:
        raise SuiteError(f"{where}: {path.name} has no prompts; put one on each line")
    return tuple(found)


class _Loader(yaml.SafeLoader):
    """PyYAML's own, but that a value which is not what it looks like (`2001-99-99`) is a YAML error with a line."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception:
            problem = f"{shown(node.value)} is no {node.tag.rpartition(':')[2]}; put it in quotes to make it text"
            raise ConstructorError(None, None, problem, node.start_mark) from None


def _collect_lines(path: Path, node: yaml.Node | None, at: Location, lines: dict[Location, int]) -> None:
    """Fill in the line of every key; a key given twice, which YAML loaders pass over in silence, is an error."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise SuiteError(f"{path}:{line}: a key is a list or a mapping; use plain text")
            place = (*at, key.value)
            if place in lines:
                raise SuiteError(f"{_where(path, {place: line}, place)}: given twice; keep one")
            lines[place] = line
            _collect_lines(path, key, place, lines)
            _collect_lines(path, value, place, lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[*at, index] = value.start_mark.line + 1
            _collect_lines(path, value, (*at, index), lines)
    elif isinstance(node, yaml.ScalarNode) and re.search("[\0\ud800-\udfff]", node.value):
        where = _where(path, lines, at)
        raise SuiteError(f"{where}: {shown(node.value)} holds a character that no file can hold; remove it")


def _where(path: Path, lines: dict[Location, int], location: Location) -> str:
    place = location
    while place and place not in lines:
        place = place[:-1]
    line = f":{lines[place]}" if place else ""
    key = ".".join(part if isinstance(part, str) and part.isprintable() else repr(part) for part in location)
    return f"{path}{line}: {key}" if key else f"{path}{line}"


def shown(value: Any) -> str:
    """A value as it stands in an error: on one line, and not the whole file."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]} ..."


def _explain(path: Path, lines: dict[Location, int], data: Any, error: ValidationError) -> list[str]:
    """One line for each finding, the value shown and the remedy added where pydantic has none."""
    said = []
    for finding in error.errors(include_url=False):
        if _is_other_branch(finding["loc"], data):
            continue
        kind, location = finding["type"], _place(finding["loc"], data)
        message = re.sub(r"^Value error, ", "", finding["msg"])
        if kind == "extra_forbidden":
            message = f"unknown key{nearest(str(location[-1]), _known_keys(location[:-1]))}"
        elif kind == "missing":
            location = (*location, finding["loc"][-1])
            message = "is missing; add it"
        elif kind == "invalid_key" or finding["loc"][-1] == "[key]":
            location = (*location[:-1], str(location[-1])) if location else ()  # YAML's text of it has the line
            message = f"a key is {shown(finding['input'])}; keys are text, so put it in quotes"
        elif kind in ("model_type", "dict_type"):
            message = f"give a mapping of keys to values, not {shown(finding['input'])}"
        elif kind == "too_short":
            message = "is empty; give at least one"
        elif kind != "value_error":
            message = f"{message[0].lower()}{message[1:]}, not {shown(finding['input'])}"
        said.append(f"{_where(path, lines, location)}: {message}")
    return list(dict.fromkeys(said))


def _is_other_branch(location: Location, data: Any) -> bool:
    """Whether a finding about `prompts` is of the way of giving them that the file does not use."""
    if location[:1] != ("prompts",) or len(location) < 2:
        return False
    return (location[1] == PromptFile.__name__) != isinstance(data.get("prompts"), dict)


def _place(location: Location, data: Any) -> Location:
    """A finding's place in the file: pydantic also names the tried branches of unions, which the file does not have."""
    place: Location = ()
    for part in location:
        if (isinstance(data, dict) and part in data) or (isinstance(data, list) and part in range(len(data))):
            data, place = data[part], (*place, part)  # type: ignore[index]
    return place


def _known_keys(location: Location) -> tuple[str, ...]:
    """Keys allowed at a place of the file."""
    model: type[BaseModel]
    match location:
        case ("prompts",):
            model = PromptFile
        case ("fleet",):
            model = FleetEntry
        case ("models", _):
            model = ModelEntry
        case ("models", _, "sampling"):
            model = SamplingOverrides
        case ("image_set",):
            model = ImageSetEntry
        case ("methods", _, "cost"):
            model = StatedCost
        case ("methods" | "planned", _, "published"):
            model = Published
        case ("planned", _):
            model = PlannedRow
        case _:
            model = Suite
    return tuple(model.model_fields)
