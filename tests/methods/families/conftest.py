"""What the tests of families share: the transformer's calls as a pipeline really makes them."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

Seen = tuple[str | None, dict[str, tuple[tuple[int, ...], Any]]]


def tensors_of(arguments: Any) -> dict[str, tuple[tuple[int, ...], Any]]:
    """Shapes and types of the tensors among arguments, by name."""
    return {name: (tuple(one.shape), one.dtype) for name, one in arguments.items() if isinstance(one, Tensor)}


@pytest.fixture
def seen_calls(generate, monkeypatch) -> Callable[..., list[Seen]]:
    """Generate one video and return cache context and tensor arguments of each call of the transformer."""

    def run(pipeline: Any, family: Any, sampling: Any) -> list[Seen]:
        transformer, calls, contexts = family.transformer(pipeline), [], [None]
        enter = getattr(transformer, "cache_context", None)  # DiT's has none

        @contextmanager
        def watched(name):
            contexts.append(name)
            with enter(name):
                yield
            contexts.pop()

        def record(module, args, kwargs):
            assert not args
            calls.append((contexts[-1], tensors_of(kwargs)))

        handle = transformer.register_forward_pre_hook(record, with_kwargs=True)
        try:
            with monkeypatch.context() as patch:
                if enter is not None:
                    patch.setattr(transformer, "cache_context", watched)
                generate(pipeline, family, sampling)
        finally:
            handle.remove()
        return calls

    return run


@pytest.fixture
def promised_calls() -> Callable[..., list[Seen]]:
    """The same of `Family.transformer_calls`, for all steps."""

    def run(pipeline: Any, family: Any, sampling: Any) -> list[Seen]:
        step = family.transformer_calls(family.transformer(pipeline), sampling)
        return [(call.context_name, tensors_of(call.arguments)) for call in step] * sampling.num_inference_steps

    return run


@pytest.fixture
def parameter_count() -> Callable[..., int]:
    """Parameters of one component of a published model, made on the meta device."""

    def count(family: Any, model: str, component: str) -> int:
        config = dict(family.architectures()[model][component])
        library = importlib.import_module(config.pop("_library", "diffusers"))
        made_by = getattr(library, config.pop("_class_name"))
        with torch.device("meta"):
            if library.__name__ == "transformers":
                module = made_by(made_by.config_class.from_dict(config))
            else:
                module = made_by.from_config(config)
        return sum(parameter.numel() for parameter in module.parameters())

    return count
