"""Whether models of the hub are in the local cache."""

from __future__ import annotations

from collections.abc import Iterator

from harness.doctor.hub import cache_folder, file_in_cache, lacking_components, snapshot
from harness.doctor.requirement import Kind, Requirement, State, shown
from harness.suite import LoadedSuite
from harness.tiny import is_tiny

BERT = "bert-base-uncased"
BERT_USERS = ("object_class", "multiple_objects", "color", "spatial_relationship", "scene")
"""GRiT takes its tokenizer, Tag2Text its weights too (VBench 0.1.5, vbench/third_party)."""


def pipelines(loaded: LoadedSuite) -> Iterator[Requirement]:
    """The suite's models that are of the hub; models in folders are looked at by planning, stand-ins need nothing."""
    labels: dict[tuple[str, str | None], tuple[str, ...]] = {}
    for label, entry in loaded.suite.models.items():
        if not is_tiny(entry.model) and not entry.model.startswith((".", "/")):
            key = (entry.model, entry.revision)
            labels[key] = (*labels.get(key, ()), label)
    for (model, revision), needed_by in labels.items():
        folder = snapshot(model, revision)
        lacks = lacking_components(folder) if folder is not None else []
        state = State.MISSING if folder is None else State.DAMAGED if lacks else State.READY
        name = model if revision is None else f"{model} at {revision}"
        remedy = f"hf download {model}" + (f" --revision {revision}" if revision is not None else "")
        detail = f"not whole: {', '.join(lacks)}" if lacks else None
        yield Requirement(needed_by, Kind.MODEL, name, state, shown(cache_folder()), remedy, detail=detail)


def text_models(dimensions: tuple[str, ...]) -> Iterator[Requirement]:
    """BERT, which two of VBench's models look for in the hub's cache."""
    users = tuple(name for name in BERT_USERS if name in dimensions)
    if users:
        there = all(file_in_cache(BERT, name) for name in ("config.json", "vocab.txt"))
        if "scene" in users:
            there = there and any(file_in_cache(BERT, name) for name in ("pytorch_model.bin", "model.safetensors"))
        state = State.READY if there else State.MISSING
        yield Requirement(users, Kind.MODEL, BERT, state, shown(cache_folder()), f"hf download {BERT}")
