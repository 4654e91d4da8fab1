"""Everything that a suite needs, found without loading a model or asking the network."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Final

from harness.dimensions import QUALITY, SEMANTIC
from harness.doctor.models import pipelines, text_models
from harness.doctor.packages import own_packages, scoring_packages
from harness.doctor.requirement import Kind, Requirement, State, shown
from harness.doctor.weights import WeightFile, check, weight_files
from harness.errors import NeedError
from harness.suite import LoadedSuite
from harness.vbench.names import differing_in_case, tells_case_apart

VIDEOS: Final = "videos"
"""Stands for what every row's videos need, whatever is measured on them."""
UNPLACED: Final = "wherever $INCEPTION_WEIGHTS or the suite (image_set.inception_weights) says"


def requirements(loaded: LoadedSuite, store: str | None = None) -> tuple[Requirement, ...]:
    """One for each thing; `store` is where results go instead of the suite's own."""
    asked, dimensions = metrics_of(loaded), dimensions_of(loaded)
    return (
        *pipelines(loaded),
        *own_packages(asked),
        *_weights((*asked, *dimensions), _inception(loaded)),
        *_reference(loaded),
        *scoring_packages(dimensions),
        *text_models(dimensions),
        *_disk(loaded, store or loaded.suite.store),
    )


def metrics_of(loaded: LoadedSuite) -> tuple[str, ...]:
    """Metrics that a run of the suite computes, those of sets of images included."""
    image_set = loaded.suite.image_set
    return (*loaded.suite.metrics, *(image_set.metrics if image_set is not None else ()))


def dimensions_of(loaded: LoadedSuite) -> tuple[str, ...]:
    """VBench's dimensions that the suite has its videos scored for; where it does not say so, for which its prompts
    are, since VBench's own command then scores them."""
    if loaded.suite.vbench is not None:
        return loaded.vbench_dimensions
    there = {name for prompt in loaded.vbench for name in prompt.dimensions}
    return tuple(name for name in QUALITY + SEMANTIC if name in there)


def refuse_lacking(found: Sequence[Requirement], loaded: LoadedSuite, labels: Collection[str]) -> None:
    """Refuse to run without what the models of these labels, and the metrics, need.

    Raises:
        NeedError: with a line for each thing that is not there.
    """
    needing = {*metrics_of(loaded), *labels, VIDEOS, *loaded.vbench_dimensions}
    lacking = [one for one in found if one.lacking and not needing.isdisjoint(one.needed_by)]
    if lacking:
        lines = [f"{one.users}: {one.name} is {one.state}: {one.step}" for one in lacking]
        lines.append(f"see `harness doctor {loaded.path}`; --allow-missing runs without, those columns are unavailable")
        raise NeedError("\n".join(lines))


def unavailable_dimensions(dimensions: Sequence[str]) -> dict[str, str]:
    """What is missing on this machine, or damaged, for each of these dimensions that VBench cannot score on it."""
    asked = tuple(dimensions)
    lacking: dict[str, list[str]] = {}
    for one in (*_weights(asked, None), *scoring_packages(asked), *text_models(asked)):
        for name in one.needed_by if one.lacking else ():
            lacking.setdefault(name, []).append(f"{one.name} is {one.state}")
    return {name: "; ".join(reasons) for name, reasons in lacking.items()}


def _weights(asked: Collection[str], inception: Path | None) -> Iterator[Requirement]:
    for weights in weight_files():
        needed_by = tuple(name for name in weights.needed_by if name in asked)
        if needed_by:
            yield weight_requirement(weights, needed_by, weights.place(inception=inception))


def weight_requirement(weights: WeightFile, needed_by: tuple[str, ...], path: Path | None) -> Requirement:
    """A weight file as it is on this machine; without a path nothing says where it lies."""
    state, detail = State.MISSING, None
    if path is not None and path.is_file():
        try:
            state = State.READY if check(path, weights) else State.UNCHECKED
        except NeedError as error:
            state, detail = State.DAMAGED, str(error)
    return Requirement(
        needed_by=needed_by,
        kind=Kind.FILE,
        name=weights.name,
        state=state,
        place=shown(path) if path is not None else UNPLACED,
        remedy=_remedy(weights),
        bytes=weights.bytes,
        about_bytes=weights.about_bytes,
        detail=detail,
        weights=weights,
        path=path,
    )


def _remedy(weights: WeightFile) -> str:
    return f"get {weights.url}" + (f" and take {weights.zip_member} out of it" if weights.zip_member else "")


def _inception(loaded: LoadedSuite) -> Path | None:
    entry = loaded.suite.image_set
    named = entry.inception_weights if entry is not None else None
    return loaded.resolve(named) if named is not None else None


def _reference(loaded: LoadedSuite) -> Iterator[Requirement]:
    entry = loaded.suite.image_set
    if entry is not None and entry.reference is not None:
        path = loaded.resolve(entry.reference)
        state = State.UNCHECKED if path.is_file() else State.MISSING
        remedy = "take a reference batch in ADM's format"
        yield Requirement(tuple(entry.metrics), Kind.FILE, Path(entry.reference).name, state, shown(path), remedy)


def _disk(loaded: LoadedSuite, store: str) -> Iterator[Requirement]:
    """Whether the store's disk keeps apart what differs in case alone, where the suite has such prompts."""
    alike = differing_in_case(loaded.prompts)
    if not alike or "://" in store:
        return
    folder = next(path for path in (Path(store).resolve(), *Path(store).resolve().parents) if path.is_dir())
    try:
        state = State.READY if tells_case_apart(folder) else State.MISSING
    except OSError:  # nothing may be written there, which the run will say
        state = State.UNCHECKED
    name = f"file names that differ in case ({alike[0][0]!r}, {alike[0][1]!r})"
    yield Requirement((VIDEOS,), Kind.DISK, name, state, shown(folder), "keep the store on another disk (--store)")
