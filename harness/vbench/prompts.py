"""VBench's prompts: 946 entries, of which two are there twice with other dimensions, so 944 prompts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.errors import VBenchError
from harness.vbench.package import full_info

SAMPLES = 5
"""VBench scores samples 0 to 4 of each prompt."""
FLICKERING = "temporal_flickering"


@dataclass(frozen=True)
class VBenchPrompt:
    """One prompt, under whose name its videos are filed and found by VBench."""

    prompt: str
    dimensions: tuple[str, ...]
    """What its videos are scored for."""
    text: str
    """What a model is told: the prompt, or an extension of it."""
    samples: int | None = None
    """Where they are not the suite's."""


def vbench_prompts(dimensions: Sequence[str] | None = None) -> tuple[VBenchPrompt, ...]:
    """The prompts of these dimensions, or of all, in VBench's order; a prompt's other dimensions are left out.

    Raises:
        VBenchError: the package is not there.
    """
    found: dict[str, tuple[str, ...]] = {}
    for entry in full_info():
        wanted = [name for name in entry["dimension"] if dimensions is None or name in dimensions]
        if wanted:
            prompt = entry["prompt_en"]
            found[prompt] = tuple(dict.fromkeys((*found.get(prompt, ()), *wanted)))
    return tuple(VBenchPrompt(prompt, names, prompt) for prompt, names in found.items())


def auxiliary_information() -> dict[str, dict[str, Any]]:
    """What VBench's list says of its prompts beside their words, by prompt and dimension, such as the object to find.

    Raises:
        VBenchError: the package is not there.
    """
    found: dict[str, dict[str, Any]] = {}
    for entry in full_info():
        found.setdefault(entry["prompt_en"], {}).update(entry.get("auxiliary_info", {}))
    return found


def with_flickering_samples(prompts: Iterable[VBenchPrompt], samples: int) -> tuple[VBenchPrompt, ...]:
    """More samples of the prompts for temporal flickering, from which VBench's filter takes five that do not move."""
    return tuple(replace(prompt, samples=samples) if FLICKERING in prompt.dimensions else prompt for prompt in prompts)


def extended(prompts: Sequence[VBenchPrompt], path: Path) -> tuple[VBenchPrompt, ...]:
    """The prompts with what models are told instead, from a file; the videos' names stay.

    A `.json` file maps prompts to extensions. Any other holds a line for each of VBench's 946 entries, in its order,
    like VBench's own `prompts/augmented_prompts`; of a prompt that is there twice the first line counts.

    Raises:
        VBenchError: the file cannot be read, lacks a prompt, or extends two to the same text (their videos would be the
            same).
    """
    texts = _extensions(path)
    missing = [prompt.prompt for prompt in prompts if not texts.get(prompt.prompt, "").strip()]
    if missing:
        raise VBenchError(f"{path.name} extends {len(missing)} of {len(prompts)} prompts not, e.g. {missing[0]!r}")
    told: dict[str, str] = {}
    for prompt in prompts:
        first = told.setdefault(texts[prompt.prompt], prompt.prompt)
        if first != prompt.prompt:
            raise VBenchError(f"{path.name} extends {first!r} and {prompt.prompt!r} to the same text; change one")
    return tuple(replace(prompt, text=texts[prompt.prompt]) for prompt in prompts)


def _extensions(path: Path) -> Mapping[str, str]:
    known = [entry["prompt_en"] for entry in full_info()]
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return _mapping(path, json.loads(text), known)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise VBenchError(f"{path.name} cannot be read ({reason}); it is relative to the suite") from None
    lines = text.splitlines()
    if len(lines) != len(known):
        raise VBenchError(f"{path.name} has {len(lines)} lines; give one for each of VBench's {len(known)} entries")
    texts: dict[str, str] = {}
    for prompt, line in zip(known, lines, strict=True):
        texts.setdefault(prompt, line.strip())
    return texts


def _mapping(path: Path, data: Any, known: Sequence[str]) -> Mapping[str, str]:
    if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
        raise VBenchError(f"{path.name} is no mapping of prompts to texts; write {{prompt: extension}}")
    for prompt in data:
        if prompt not in known:
            raise VBenchError(f"{path.name} extends {prompt!r}, which VBench does not have; remove it")
    return data
