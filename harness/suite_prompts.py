"""The prompts of a suite: listed in it, in a file beside it, or VBench's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from harness.dimensions import QUALITY, SEMANTIC
from harness.errors import SuiteError, VBenchError
from harness.strict_yaml import Location, one_of
from harness.suite_cost import StrictModel
from harness.vbench.prompts import VBenchPrompt, extended, vbench_prompts, with_flickering_samples

if TYPE_CHECKING:
    from harness.suite import LoadedSuite


def _known_dimensions(dimensions: Literal["all"] | list[str]) -> Literal["all"] | list[str]:
    for dimension in dimensions if isinstance(dimensions, list) else ():
        one_of("dimension", dimension, QUALITY + SEMANTIC)
    return dimensions


Dimensions = Annotated[Literal["all"] | Annotated[list[str], Field(min_length=1)], AfterValidator(_known_dimensions)]
"""All of VBench's dimensions that there are prompts for, or some by name."""


class PromptFile(StrictModel):
    """A text file with one prompt a line, relative to the suite."""

    file: str
    limit: Annotated[int, Field(ge=1)] | None = None
    images: Annotated[str, Field(min_length=1)] | None = None
    """Folder with an image `<prompt>.jpg` (or .jpeg, .png) for each prompt, relative to the suite. Only models that
    begin a video with an image look at it."""


class VBenchSelection(StrictModel):
    """Which of VBench's prompts, read from its package (`harness doctor --install vbench-prompts`)."""

    dimensions: Dimensions = "all"
    """Only the prompts of these."""
    flickering_samples: Annotated[int, Field(ge=1)] | None = None
    """Samples of the prompts for temporal flickering, e.g. 25, of which VBench's filter keeps 5 static ones; those of
    all where left out."""
    extended: Annotated[str, Field(min_length=1)] | None = None
    """File of what models are told instead, relative to the suite: JSON {prompt: extension}, or a line for each entry
    of VBench's list. Videos are named by the prompts all the same."""


class VBenchSource(StrictModel):
    """VBench's own prompts."""

    vbench: VBenchSelection


def check_prompts(prompts: list[str]) -> None:
    """Refuse what no video can be named by. ValueError."""
    seen: set[str] = set()
    for prompt in prompts:
        if not prompt.strip():
            raise ValueError("a prompt is empty; leave it out")
        if prompt in seen:
            raise ValueError(f"prompt {prompt!r} is there twice; use samples for more videos of one prompt")
        if "/" in prompt or "\0" in prompt:
            raise ValueError(f"prompt {prompt!r} has a '/', which a video's file name cannot have; rephrase it")
        seen.add(prompt)


def read_prompts(loaded: LoadedSuite, prompts: list[str] | PromptFile) -> tuple[str, ...]:
    """The prompts of a list, or of a file. SuiteError where the file cannot be read or holds what is no prompt."""
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
        check_prompts(found)
    except ValueError as error:
        raise SuiteError(f"{where}: {path.name}: {error}") from None
    if not found:
        raise SuiteError(f"{where}: {path.name} has no prompts; put one on each line")
    return tuple(found)


def read_vbench_prompts(loaded: LoadedSuite, selection: VBenchSelection) -> tuple[VBenchPrompt, ...]:
    """VBench's prompts as they are selected. SuiteError where its package or the file of extensions will not do."""
    try:
        found = vbench_prompts(None if selection.dimensions == "all" else selection.dimensions)
    except VBenchError as error:
        raise SuiteError(f"{loaded.where('prompts', 'vbench')}: {error}") from None
    if selection.flickering_samples is not None:
        found = with_flickering_samples(found, selection.flickering_samples)
    if selection.extended is None:
        return found
    try:
        return extended(found, loaded.resolve(selection.extended))
    except VBenchError as error:
        raise SuiteError(f"{loaded.where('prompts', 'vbench', 'extended')}: {error}") from None


def is_other_branch(location: Location, data: Any) -> bool:
    """Whether a finding about `prompts` is of a way of giving them that the file does not use."""
    if location[:1] != ("prompts",) or len(location) < 2:
        return False
    given = data.get("prompts")
    if not isinstance(given, dict):
        return location[1] in (PromptFile.__name__, VBenchSource.__name__)
    return location[1] != (VBenchSource if "vbench" in given else PromptFile).__name__
