"""Tiny stand-ins for big models: a suite runs end to end without a download, on a processor, in seconds a video.

A stand-in is a randomly initialised pipeline of the same diffusers classes with as many blocks as the model it stands
for, so that schedules and block numbers mean what they mean there. Its videos are noise: it says whether a suite runs,
how often each method computes and that records come out whole, and nothing about quality or speed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import SuiteError
from harness.records import TINY_PREFIX, canonical_hash
from harness.suite import LoadedSuite, ModelEntry

if TYPE_CHECKING:
    from methods.families.base import Family

_SEED_MARK = "@seed"
"""Ends the id of further stand-ins for one model, with the seed of their weights; of the first it is 0 and left out."""
VERSION = 1
"""Raise it when stand-ins are made differently by other code than their family's, which cells know the hash of."""
SIZES = ("height", "width", "num_frames", "max_sequence_length")
"""What of the sampling is the stand-in's own: steps, guidance and shift stay the suite's."""


def is_tiny(model: str) -> bool:
    """Whether a model id is a stand-in's."""
    return model.startswith(TINY_PREFIX)


def tiny_suite(loaded: LoadedSuite) -> LoadedSuite:
    """The suite with a stand-in, in float32 and on any machine, for every model.

    Its name ends in `-tiny`, its text says so first.

    Labels that differ only in size would become one, so a model named again gets a stand-in with other weights.

    Raises:
        SuiteError: a model runs a trained student.
    """
    suite = loaded.suite
    models: dict[str, ModelEntry] = {}
    seeds: Counter[str] = Counter()
    for label, entry in suite.models.items():
        if entry.rung is not None:
            where = loaded.where("models", label, "rung")
            raise SuiteError(f"{where}: trained weights fit no tiny stand-in; run the suite without --tiny")
        models[label] = _tiny_entry(entry, seeds[entry.model])
        seeds[entry.model] += 1
    name = f"{suite.suite}-tiny"
    said = f"# {name}: every model below was replaced by a tiny random one of its class; its videos are noise.\n"
    changed = suite.model_copy(update={"suite": name, "models": models, "resources": {}})
    return loaded.model_copy(update={"suite": changed, "text": said + loaded.text})


def tiny_sizes(family: Family) -> dict[str, int | None]:
    """The sizes of the family's tiny sampling by field of `Sampling`."""
    sampling = asdict(family.tiny_sampling())
    return {name: sampling[name] for name in SIZES}


def tiny_fingerprint(family: Family, model: str) -> str:
    """What stands for a content hash: seed, version and the architecture whose depth the stand-in has."""
    like, seed = _like(family, model)
    architecture = family.architectures()[like]["transformer"] if like is not None else None
    depth = canonical_hash(architecture)[:12] if architecture is not None else "own-depth"
    return f"tiny-v{VERSION}-seed{seed}-{depth}"


def tiny_pipeline(family: Family, model: str, device: str) -> Any:
    """The stand-in for `tiny:<model>`; of a model not among the family's architectures, at the family's tiny depth."""
    like, seed = _like(family, model)
    return family.tiny(seed, like=like).to(device)


def _tiny_entry(entry: ModelEntry, seed: int) -> ModelEntry:
    sampling = entry.sampling.model_copy(update=dict.fromkeys(SIZES))
    # Of a folder the end of its path: records name no machine.
    model = "/".join(Path(entry.model).parts[-2:]) if entry.model.startswith((".", "/")) else entry.model
    mark = f"{_SEED_MARK}{seed}" if seed else ""
    stand_in = entry.model if is_tiny(entry.model) else f"{TINY_PREFIX}{model}{mark}"
    own = {"model": stand_in, "revision": None, "dtype": "float32", "sampling": sampling, "parallel": None}
    return entry.model_copy(update=own)


def _like(family: Family, model: str) -> tuple[str | None, int]:
    """The architecture whose depth a stand-in has, None for the family's tiny depth, and its seed."""
    name, _, seed = model.removeprefix(TINY_PREFIX).partition(_SEED_MARK)
    return name if name in family.architectures() else None, int(seed or 0)
