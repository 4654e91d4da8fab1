"""Packages that metrics need: those of the harness's own environment, and VBench's in theirs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from harness.doctor.requirement import Kind, Requirement, State, shown
from harness.vbench.own_scorer import OWN_DIMENSIONS
from harness.vbench.package import VERSION
from harness.vbench.scoring_environment import DETECTRON2_COMMIT, holds, how_to_make, scoring_python

OWN: Final = {
    "torchmetrics": ("psnr", "ssim"),
    "lpips": ("lpips",),
    "torchvision": ("lpips",),
    "torch-fidelity": ("fid", "sfid", "inception_score", "precision_recall"),
    "scipy": ("fid", "sfid", "shapes"),
}
"""By name of the distribution, the metrics that import it."""
DETECTRON2_USERS: Final = ("object_class", "multiple_objects", "color", "spatial_relationship")


def own_packages(asked: Collection[str]) -> Iterator[Requirement]:
    """Packages of these metrics in the harness's environment; `pip install` of the harness brings all of them."""
    for package, users in OWN.items():
        needed_by = tuple(name for name in users if name in asked)
        if needed_by:
            found = _version(package)
            state = State.READY if found is not None else State.MISSING
            name = package if found is None else f"{package} {found}"
            yield Requirement(needed_by, Kind.PACKAGE, name, state, "this environment", f"pip install {package}")


def scoring_packages(dimensions: tuple[str, ...]) -> Iterator[Requirement]:
    """Packages of VBench's scorers for these dimensions, in the environment of their own."""
    dimensions = tuple(name for name in dimensions if name not in OWN_DIMENSIONS)
    if not dimensions:
        return
    python = scoring_python()
    place = f"environment of {shown(python)}"
    state = State.READY if holds(python, "vbench", VERSION) else State.MISSING
    yield Requirement(dimensions, Kind.PACKAGE, f"vbench {VERSION}", state, place, how_to_make())
    users = tuple(name for name in DETECTRON2_USERS if name in dimensions)
    if users:
        state = State.READY if holds(python, "detectron2") else State.MISSING
        remedy = (
            f"get github.com/facebookresearch/detectron2 at commit {DETECTRON2_COMMIT} (it is in no registry), and put"
            " its folder detectron2, unbuilt, in the environment's site-packages"
        )
        yield Requirement(users, Kind.PACKAGE, f"detectron2 at {DETECTRON2_COMMIT}", state, place, remedy)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
