"""A transformer's tokens spread over several processes while entered: diffusers' context parallelism.

Every rank holds the whole model and a part of each video's tokens; attention exchanges heads (Ulysses) or keys and
values (ring). Entered after a method was applied, so that its hooks on the first block lie within diffusers' splitting
one and see the rank's own tokens, in what they keep as in what they add it to. What an adaptive rule measures on them
goes through `over_ranks`, so that all ranks decide the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from diffusers import ContextParallelConfig, ParallelConfig
from diffusers.hooks.context_parallel import apply_context_parallel, remove_context_parallel
from diffusers.models import attention_dispatch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh

from methods.base import MethodError

# Not typed throughout; as Any, its gaps do not surface here.
_dispatch: Any = attention_dispatch

Ratio = Callable[[Tensor, Tensor], Tensor]
"""How two measured scalars are divided: `AppliedHooks.ratio` over all ranks, `torch.div` where there is one."""

RING_BACKEND = "_native_flash"
"""The attention of diffusers' that needs no further package and yields the log-sum-exp that ring attention adds up by;
only on CUDA, only in half precision."""


def why_not(transformer: nn.Module, ulysses: int, ring: int, device: str) -> str | None:
    """Why this transformer cannot be spread over `ulysses * ring` ranks, or None; tokens are only known in a call."""
    if getattr(transformer, "_cp_plan", None) is None:
        return f"diffusers has no plan for context parallelism of {type(transformer).__name__}"
    config: Any = transformer.config
    heads = int(config.num_attention_heads)
    if heads % ulysses:
        return f"{heads} attention heads cannot be shared by ulysses: {ulysses}; give a divisor"
    half = next(transformer.parameters()).dtype in (torch.bfloat16, torch.float16)
    if ring > 1 and not (half and device.startswith("cuda")):
        return "ring attention needs CUDA and dtype bfloat16 or float16; use ulysses"
    return None


@contextmanager
def context_parallel(transformer: nn.Module, ulysses: int, ring: int, device: str) -> Iterator[None]:
    """Spread the tokens of each call over the ranks of the process group in force; see the file.

    diffusers' `enable_parallelism` does the same on accelerators alone, and for good.

    Raises:
        MethodError: the tokens of a call cannot be shared equally.
    """
    model: Any = transformer
    config = ContextParallelConfig(ring_degree=ring, ulysses_degree=ulysses)
    kind = device.split(":")[0]
    mesh = init_device_mesh(kind, config.mesh_shape, mesh_dim_names=config.mesh_dim_names)
    config.setup(dist.get_rank(), dist.get_world_size(), torch.device(device), mesh)
    parallel = ParallelConfig(context_parallel_config=config)
    every: list[Any] = [getattr(module, "processor", None) for module in transformer.modules()]
    processors = [processor for processor in every if hasattr(processor, "_parallel_config")]
    backends = [processor._attention_backend for processor in processors]
    model._parallel_config = parallel
    for processor in processors:
        processor._parallel_config = parallel
        processor._attention_backend = _backend(processor._attention_backend, ring)
    apply_context_parallel(transformer, config, model._cp_plan)
    try:
        yield
    except AssertionError as error:
        if "divisible by mesh size" not in str(error):
            raise
        raise MethodError(
            f"the video's tokens cannot be shared equally by {ulysses * ring} ranks; use another size or fewer of them"
        ) from error
    finally:
        remove_context_parallel(transformer, model._cp_plan)
        model._parallel_config = None
        for processor, backend in zip(processors, backends, strict=True):
            processor._parallel_config, processor._attention_backend = None, backend


def _backend(own: Any, ring: int) -> Any:
    """The attention that would run, if it knows of ranks; the others would compute each rank's tokens by themselves.

    What would run is the processor's own or, without one, the process's: `set_attention_backend` sets both.
    """
    registry, name = _dispatch._AttentionBackendRegistry, _dispatch.AttentionBackendName
    chosen = registry.get_active_backend()[0] if own is None else name(own)
    if not registry._is_context_parallel_available(chosen) or (ring > 1 and chosen is name.NATIVE):
        return name(RING_BACKEND) if ring > 1 else name.NATIVE
    return chosen


def over_ranks(transformer: nn.Module, values: Tensor) -> Tensor:
    """The mean over all ranks of what each has measured on its tokens; `values` themselves where there is one rank.

    Ranks have equally many tokens, so a ratio of such means is that of the whole video. Tokens that all ranks hold
    give the same again, and the same on every rank: a decision by a threshold must not differ in the last bit.
    """
    group = _group(transformer)
    if group is None:
        return values
    # A new tensor in float32, whatever the model's type: sums of bfloat16 values would lose what is compared.
    summed = values.to(torch.float32, copy=True)
    dist.all_reduce(summed, group=group)
    return summed / dist.get_world_size(group)


def of_all_ranks(transformer: nn.Module, tokens: Tensor) -> Tensor:
    """The tokens `(batch, tokens, width)` of all ranks in their order; `tokens` themselves where there is one rank."""
    group = _group(transformer)
    if group is None:
        return tokens
    parts = [torch.empty_like(tokens) for _ in range(dist.get_world_size(group))]
    dist.all_gather(parts, tokens.contiguous(), group=group)
    return torch.cat(parts, dim=1)


def _group(transformer: nn.Module) -> Any:
    parallel: Any = getattr(transformer, "_parallel_config", None)
    return None if parallel is None else parallel.context_parallel_config._flattened_mesh.get_group()
