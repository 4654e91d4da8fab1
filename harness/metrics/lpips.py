"""Learned perceptual similarity against the original's video, by the `lpips` package with AlexNet.

The package ships the linear heads, the backbone is torchvision's. Nothing is downloaded here: the file must be in
torch's checkpoint folder, and its content is checked against the hash in its name, which torch does only while
downloading.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from harness.errors import MetricUnavailableError
from harness.metrics.base import Frames, Metric, check_same_shape

BACKBONE_FILE = "alexnet-owt-7be5be79.pth"
BACKBONE_URL = f"https://download.pytorch.org/models/{BACKBONE_FILE}"
FRAMES_AT_ONCE = 16


def checkpoint_folder() -> Path:
    """Where torchvision looks for weights: `$TORCH_HOME/hub/checkpoints`."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def check_backbone(folder: Path) -> None:
    """Make sure the backbone's weights are there and are the published ones.

    Raises:
        MetricUnavailableError: naming the file, its source and the folder to put it in.
    """
    path = folder / BACKBONE_FILE
    if not path.is_file():
        raise MetricUnavailableError(f"{BACKBONE_FILE} is missing: put it ({BACKBONE_URL}) in {_shown(folder)}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    expected = path.stem.rsplit("-", 1)[1]
    if not found.startswith(expected):
        raise MetricUnavailableError(
            f"{_shown(path)} has SHA-256 {found[:8]}..., its name says {expected}: replace it with {BACKBONE_URL}"
        )


def _shown(folder: Path) -> str:
    """A folder without the user's name, since reasons end up in reports."""
    home = Path.home()
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)


class Lpips(Metric):
    """LPIPS v0.1 (AlexNet), mean over frames; 0 is identical, lower is better."""

    values = ("lpips",)
    higher_is_better = False
    needs_reference = True

    def __init__(self) -> None:
        self._network: torch.nn.Module | None = None

    def _load(self) -> torch.nn.Module:
        check_backbone(checkpoint_folder())
        import lpips

        network: torch.nn.Module = lpips.LPIPS(net="alex", verbose=False).eval()
        return network

    @torch.no_grad()
    def score(self, frames: Frames, reference: Frames | None, prompt: str) -> dict[str, float | None]:
        if self._network is None:
            self._network = self._load()
        reference = check_same_shape(frames, reference)
        total = 0.0
        for start in range(0, len(frames), FRAMES_AT_ONCE):
            batch = [
                torch.from_numpy(part[start : start + FRAMES_AT_ONCE]).permute(0, 3, 1, 2).float() / 127.5 - 1
                for part in (frames, reference)
            ]
            total += float(self._network(*batch).sum())
        return {"lpips": total / len(frames)}
