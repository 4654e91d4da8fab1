"""A suite file, or a smaller variant of it under a name of its own: tiny models, fewer prompts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.errors import SuiteError
from harness.suite import LoadedSuite, load_suite
from harness.tiny import tiny_suite


def load_variant(path: Path, *, tiny: bool = False, first_prompts: int | None = None) -> LoadedSuite:
    """Read a suite and cut it down as asked; see `tiny_suite` and `only_first_prompts`.

    Raises:
        SuiteError: the file is wrong, or the suite has fewer prompts.
    """
    loaded = load_suite(path)
    if tiny:
        loaded = tiny_suite(loaded)
    return loaded if first_prompts is None else only_first_prompts(loaded, first_prompts)


def only_first_prompts(loaded: LoadedSuite, count: int) -> LoadedSuite:
    """The suite with its first `count` prompts and one sample of each.

    Its name ends in `-first<count>`, so that its plan and report never take the place of the whole suite's. The videos
    are the same cells, which the whole suite finds done.

    Raises:
        SuiteError: there are fewer prompts, or `count` is below 1.
    """
    if not 1 <= count <= len(loaded.prompts):
        raise SuiteError(
            f"{loaded.path}: --first-prompts is {count}, the suite has {len(loaded.prompts)}; give 1 to that many"
        )
    suite = loaded.suite
    changed = suite.model_copy(update={"suite": f"{suite.suite}-first{count}", "samples": 1})
    vbench = tuple(replace(prompt, samples=None) for prompt in loaded.vbench[:count])
    return loaded.model_copy(update={"suite": changed, "prompts": loaded.prompts[:count], "vbench": vbench})
