"""Models of the Hugging Face hub in the local cache; the hub itself is not asked."""

from __future__ import annotations

import json
from pathlib import Path

WEIGHTS = (".safetensors", ".bin")


def cache_folder() -> Path:
    """Where the hub's own library keeps what it downloads (`$HF_HUB_CACHE`, below `$HF_HOME`)."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def file_in_cache(model: str, name: str, revision: str | None = None) -> Path | None:
    """A file of a model in the cache, None where it is not there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(model, name, cache_dir=cache_folder(), revision=revision)
    return Path(found) if isinstance(found, str) else None


def snapshot(model: str, revision: str | None) -> Path | None:
    """The folder of a pipeline in the cache, None where there is none."""
    index = file_in_cache(model, "model_index.json", revision)
    return index.parent if index is not None else None


def lacking_components(pipeline: Path) -> list[str]:
    """Which components of a pipeline's folder are not there, or not whole."""
    try:
        index = json.loads((pipeline / "model_index.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ["model_index.json"]
    # A component is [library, class]; [null, null] stands for one that the pipeline does without.
    named = [name for name, value in index.items() if isinstance(value, list) and value and value[0] is not None]
    return [name for name in named if not _whole(pipeline / name)]


def _whole(component: Path) -> bool:
    """Whether a component has files; a model's its weights, and all parts of them."""
    # A link whose target is gone is a file that is not there.
    there = {path.name for path in component.glob("*") if path.is_file()}
    if "config.json" in there and not any(name.endswith(WEIGHTS) for name in there):
        return False
    for name in there:
        if name.endswith(".index.json"):
            try:
                parts = json.loads((component / name).read_text(encoding="utf-8"))["weight_map"].values()
            except (OSError, ValueError, KeyError, AttributeError):
                return False
            if not set(parts) <= there:
                return False
    return bool(there)
