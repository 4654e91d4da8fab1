"""VBench's scorers on the machines of a cluster: an actor each, that has the scorer's own environment there.

An actor takes a GPU, or a core where the cluster has none, and begins when there is room: beside workers that leave
some, or once they have ended.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

from harness.doctor.needs import unavailable_dimensions
from harness.errors import HarnessError
from harness.ray_cluster import short
from harness.storage_faults import PATIENCE_S
from harness.store import Store
from harness.vbench.found import Answer
from harness.vbench.scorer_process import ScorerLostError
from harness.vbench.scoring import StoredScorer, open_scorer

_GOODBYE_S = 10.0
"""How long an actor may take to end its scorer before it is killed, and the scorer left to notice by itself."""


class ScorerActor:
    """One scorer. Thin on purpose: everything about scoring is in what it opens."""

    def __init__(self, store_root: str, checks: bool) -> None:
        """Keep what is needed to open it. `checks`: whether this machine's models are compared with their hashes."""
        self._store = Store(store_root, PATIENCE_S)
        self._checks = checks
        self._scorer: StoredScorer | None = None

    def open(self, dimensions: Sequence[str]) -> tuple[dict[str, str], dict[str, str]]:
        """Load the models on the GPU that Ray has given; returns versions and unavailable dimensions."""
        missing = unavailable_dimensions(dimensions) if self._checks else {}
        can = [name for name in dimensions if name not in missing]
        if not can:
            return {}, missing
        device = "cuda:0" if os.environ.get("CUDA_VISIBLE_DEVICES") else "cpu"
        self._scorer = open_scorer(self._store, can, device)
        return dict(self._scorer.versions), missing | dict(self._scorer.unavailable)

    def score(self, video: str, prompt: str, wanted: Mapping[str, Any]) -> Answer:
        """As `StoredScorer.score`."""
        if self._scorer is None:
            raise RuntimeError("the actor was given a video before its models were loaded")
        return self._scorer.score(video, prompt, wanted)

    def close(self) -> None:
        """End the scorer's process."""
        if self._scorer is not None:
            self._scorer.close()


class RayScorers:
    """Opens scorers as Ray actors."""

    def __init__(self, ray: Any, *, checks: bool = True) -> None:
        """Use an initialised `ray` module; without `checks` whatever models a machine has are taken."""
        self._ray = ray
        self._checks = checks
        self._class = ray.remote(ScorerActor)
        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus = sum(int(resources.get("GPU", 0)) for resources in alive)
        self._gpus = 1 if gpus else 0
        # Without GPUs one for each machine: a scorer's models use all cores there are.
        self.devices: list[str] = [f"scorer {number + 1}" for number in range(gpus or len(alive))]
        """Names of as many scorers as the cluster has room for."""

    def open(self, store: Store, dimensions: Sequence[str], device: str) -> StoredScorer:
        """A scorer that has loaded these dimensions, as soon as the cluster has room for it; `device` is its name.

        Raises:
            ScorerLostError: it could not be started, or died over it.
        """
        options = self._class.options(
            num_cpus=1, num_gpus=self._gpus, scheduling_strategy="SPREAD", max_restarts=0, max_task_retries=0
        )
        return _RayScorer(self._ray, options.remote(store.root, self._checks), dimensions)


class _RayScorer:
    def __init__(self, ray: Any, actor: Any, dimensions: Sequence[str]) -> None:
        self._ray, self._actor = ray, actor
        try:
            self.versions, self.unavailable = self._get(actor.open.remote(list(dimensions)))
        except BaseException:
            self.close()
            raise

    def score(self, video: str, prompt: str, wanted: Mapping[str, Any]) -> Answer:
        """As `StoredScorer.score`."""
        answer: Answer = self._get(self._actor.score.remote(video, prompt, dict(wanted)))
        return answer

    def close(self) -> None:
        """End the actor and, through it, the scorer's process."""
        with contextlib.suppress(self._ray.exceptions.RayError):  # it is busy or dead
            self._ray.get(self._actor.close.remote(), timeout=_GOODBYE_S)
        self._ray.kill(self._actor, no_restart=True)

    def _get(self, ref: Any) -> Any:
        try:
            return self._ray.get(ref)
        except self._ray.exceptions.RayTaskError as error:
            if isinstance(error.cause, HarnessError):
                raise error.cause from None
            raise ScorerLostError(f"the scorer failed: {short(error.cause)}") from None
        except self._ray.exceptions.RayError as error:
            raise ScorerLostError(f"the scorer was lost: {short(error)}") from None
