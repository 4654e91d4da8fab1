"""The models of a suite: what to load, and what their results are filed under."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import SuiteError
from harness.parallel import Parallel
from harness.planning.facts import Facts, FamilyFacts
from harness.planning.rungs import model_rung
from harness.records import UNPINNED, canonical_hash
from harness.suite import LoadedSuite
from harness.suite_resources import demand_of
from harness.task import ModelSpec
from harness.tiny import is_tiny

if TYPE_CHECKING:
    from methods.base import Sampling

_FINGERPRINTED = frozenset({".json", ".safetensors", ".bin", ".pt", ".pth", ".txt", ".model"})


def model_of(loaded: LoadedSuite, label: str, facts: Facts) -> tuple[ModelSpec, FamilyFacts, str, Sampling]:
    """One of the suite's models: what to load, its family, fingerprint and sampling.

    Raises:
        SuiteError: the model's folder is missing, or the rung that runs in its place, or its family can run none,
            or no family that can be spread over devices.
    """
    entry = loaded.suite.models[label]
    family = facts.family(entry.family)
    model = entry.model
    fingerprint = entry.revision or UNPINNED
    if model.startswith((".", "/")):
        folder = loaded.resolve(model)
        if not (folder / "model_index.json").is_file():
            raise SuiteError(
                f"{loaded.where('models', label, 'model')}: {model!r} is no pipeline folder (no model_index.json in"
                f" {folder}); give a folder made by save_pretrained or a hub id"
            )
        model, fingerprint = str(folder), folder_fingerprint(folder)
    own: dict[str, Any] = {}
    if is_tiny(model):
        stand_in = facts.stand_in(entry.family, model)
        fingerprint, own = stand_in.fingerprint, stand_in.sizes
    default = replace(family.default_sampling, **own | entry.sampling.model_dump(exclude_none=True))
    rung = model_rung(loaded, label)
    if rung is not None:
        if not family.takes_conditions:
            where = loaded.where("models", label, "rung")
            raise SuiteError(f"{where}: {family.name} has no known place for what a student is told; remove the rung")
        identified = {"model": fingerprint, "rung": rung.card_hash, "guidance_scale": rung.guidance_scale}
        fingerprint = canonical_hash(identified)
        # As `StudentMethod.sampling` has it: one call a step, since the student is told the scale.
        default = replace(default, guidance_scale=1.0, true_cfg_scale=None)
    parallel = _parallel(loaded, label, family)
    ranks = 1 if parallel is None else parallel.ranks
    resources = demand_of(loaded.suite.resources, label, entry.family, ranks)
    spec = ModelSpec(label, entry.family, model, entry.revision, entry.dtype, rung, resources, parallel)
    return spec, family, fingerprint, default


def _parallel(loaded: LoadedSuite, label: str, family: FamilyFacts) -> Parallel | None:
    """Over how many devices a model's videos are spread; None for one, however it is written."""
    entry = loaded.suite.models[label].parallel
    if entry is None or (entry.ulysses, entry.ring) == (1, 1):
        return None
    if not family.context_parallel:
        where = loaded.where("models", label, "parallel")
        raise SuiteError(f"{where}: diffusers has no plan to spread {family.name} over devices; remove parallel")
    return Parallel(entry.ulysses, entry.ring)


def folder_fingerprint(folder: Path) -> str:
    """Hash over names and contents of a model folder's configuration and weight files."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.suffix in _FINGERPRINTED and path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def shown_model(spec: ModelSpec) -> str:
    """A hub id as it is; of a folder the end of its path, which says enough and names no machine; and of a rung too."""
    parts = [spec.model] if spec.rung is None else [spec.model, spec.rung.folder]
    return " with ".join("/".join(Path(part).parts[-2:]) if Path(part).is_absolute() else part for part in parts)
