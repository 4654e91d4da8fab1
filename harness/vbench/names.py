"""Names of videos as VBench looks for them: `{prompt}-{index}.mp4`, to the letter."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory


def video_name(prompt: str, sample_index: int) -> str:
    """The only name under which VBench finds this video; `prompt` is its own, never an extension of it."""
    return f"{prompt}-{sample_index}.mp4"


def differing_in_case(prompts: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of prompts that share a name where a disk does not tell `A` from `a`; VBench has one such pair."""
    seen: dict[str, str] = {}
    pairs = []
    for prompt in prompts:
        first = seen.setdefault(prompt.casefold(), prompt)
        if first != prompt:
            pairs.append((first, prompt))
    return pairs


def tells_case_apart(folder: Path) -> bool:
    """Whether files in an existing folder may have names that differ in case alone; asked by writing one."""
    with TemporaryDirectory(dir=folder) as probe:
        (Path(probe) / "case").touch()
        return not (Path(probe) / "CASE").exists()
