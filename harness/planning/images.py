"""Which images the models of a suite begin their videos with."""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import ImageError, SuiteError
from harness.images import NOISE, FirstFrame, find_first_frames
from harness.suite import LoadedSuite
from harness.suite_prompts import PromptFile
from harness.task import ModelSpec
from harness.tiny import is_tiny


def planned_first_frames(
    loaded: LoadedSuite, models: Mapping[str, ModelSpec]
) -> dict[str, tuple[FirstFrame, ...] | str]:
    """The image of each prompt, or why there are none, by label; `models` are those that need images.

    A tiny stand-in gets noise, so that it runs without anyone's images. Missing files make no error but a reason, since
    a row without them still has a price.

    Raises:
        SuiteError: a model needs images, and the suite names no folder of them.
    """
    prompts = loaded.suite.prompts
    folder = prompts.images if isinstance(prompts, PromptFile) else None
    found: dict[str, tuple[FirstFrame, ...] | str] = {}
    from_folder: tuple[FirstFrame, ...] | str | None = None
    for label, spec in models.items():
        if is_tiny(spec.model):
            found[label] = (FirstFrame(NOISE, NOISE),) * len(loaded.prompts)
            continue
        if folder is None:
            raise SuiteError(
                f"{loaded.where('models', label, 'family')}: {spec.family} begins a video with an image; give prompts:"
                " {file: FILE, images: FOLDER}, with an image FOLDER/<prompt>.jpg for each"
            )
        if from_folder is None:
            from_folder = _from_folder(loaded, folder)
        found[label] = from_folder
    return found


def _from_folder(loaded: LoadedSuite, folder: str) -> tuple[FirstFrame, ...] | str:
    try:
        return find_first_frames(loaded.resolve(folder), folder, loaded.prompts)
    except ImageError as error:
        return str(error)
