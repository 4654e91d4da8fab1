"""Every method on a video whose tokens two processes share: the same video, the same decisions, half of the cache.

Two gloo processes of a CPU run all methods once on the tiny Wan; the tests look at what they found.
"""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from harness.discovery import discover_methods
from methods.base import Decision, Method
from methods.families.base import Family
from methods.families.wan import Wan
from methods.hooks.context_parallel import context_parallel, why_not

FAMILY = Wan()


@dataclass(frozen=True)
class Found:
    """A method alone and shared by two: videos, decisions, bytes of cache."""

    videos: tuple[Tensor, Tensor]
    decisions: tuple[tuple[Decision, ...], tuple[Decision, ...]]
    cache_bytes: tuple[int, int]


def chosen(method_type: type[Method], pipeline: object, folder: Path) -> Method | None:
    sampling = FAMILY.tiny_sampling()
    method = method_type.conformance_weights(FAMILY, pipeline, folder) or method_type.conformance_active(sampling)
    method = method or method_type.conformance_identity(sampling)
    usable = method is not None and method.unsupported(FAMILY) is None and method_type.one_device is None
    return method if usable else None


def run(rank: int, port: int, folder: str, found: Queue[tuple[str, object]]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=dist.TCPStore("127.0.0.1", port, 2, False), rank=rank, world_size=2)
    pipeline = FAMILY.tiny(0)
    transformer = FAMILY.transformer(pipeline)
    # An attention that knows nothing of ranks, of this model and of the process.
    transformer.set_attention_backend("_native_math")
    for name, method_type in discover_methods().items():
        method = chosen(method_type, pipeline, Path(folder, str(rank), name))
        if method is None:
            continue
        sampling = method.sampling(FAMILY.tiny_sampling())
        arguments = FAMILY.call_arguments("a red ball", sampling)

        @torch.no_grad()
        def call(arguments: dict[str, object] = arguments) -> Tensor:
            generator = torch.Generator().manual_seed(1)
            return torch.as_tensor(pipeline(**arguments, generator=generator, output_type="np").frames[0])

        with FAMILY.scheduled(pipeline, sampling), method.apply(pipeline, FAMILY) as applied:
            alone = call(), applied.decisions(), applied.cache_bytes()
            applied.reset()
            with context_parallel(transformer, 2, 1, "cpu"):
                shared = call(), applied.decisions(), applied.cache_bytes()
        if rank == 0:
            found.put((name, tuple(zip(alone, shared, strict=True))))
    if rank == 0:
        found.put(("", None))
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Found]:
    store = dist.TCPStore("127.0.0.1", 0, 2, True, wait_for_workers=False)
    context = multiprocessing.get_context("spawn")
    queue: Queue[tuple[str, object]] = context.Queue()
    folder = str(tmp_path_factory.mktemp("rungs"))
    ranks = [context.Process(target=run, args=(rank, store.port, folder, queue), daemon=True) for rank in range(2)]
    for rank in ranks:
        rank.start()
    results = {}
    while (result := queue.get(timeout=240))[0]:
        results[result[0]] = Found(*result[1])  # type: ignore[misc]
    for rank in ranks:
        rank.join(60)
    return results


def test_two_ranks_make_the_video_of_one(method_type: type[Method], found: dict[str, Found]) -> None:
    name = method_type.__module__.rpartition(".")[2]
    if name not in found:
        assert method_type.one_device or method_type.conformance_active(FAMILY.tiny_sampling()).unsupported(FAMILY)
        pytest.skip("not on several devices, or not on Wan")
    alone, shared = found[name].videos
    torch.testing.assert_close(shared, alone, rtol=1e-4, atol=1e-5)
    assert [(one.action, one.level) for one in found[name].decisions[1]] == [
        (one.action, one.level) for one in found[name].decisions[0]
    ]
    whole, half = found[name].cache_bytes
    assert half < whole or whole == 0


def test_families_that_can_be_spread_are_those_diffusers_has_a_plan_for(family: Family) -> None:
    transformer = family.transformer(family.tiny(0))
    assert family.context_parallel == (getattr(transformer, "_cp_plan", None) is not None)
    reason = why_not(transformer, 2, 1, "cpu")
    assert (reason is None) == family.context_parallel
    if reason is not None:
        assert type(transformer).__name__ in reason
