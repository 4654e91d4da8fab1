"""Tiny pipelines that all tests share, made once a session for each family. Only who asks for them imports torch."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from torch import Tensor

    from methods.base import Sampling
    from methods.families.base import Family


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of the suites below."""
    parser.addoption("--matrix", metavar="FILE", help="write the method x family matrix of tests/conformance there")
    parser.addoption("--screenshots", metavar="FOLDER", help="write pictures of pages that browsers test there")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The slow ones first; otherwise in the order in which they were found."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """What collecting has imported stays: millions of objects that no collection of garbage need visit again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium. No longer than a module: while it lives, nothing else can run an event loop in this thread."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        pytest.skip("none of chromium, chromium-browser and google-chrome is on the PATH")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def tiny_pipeline() -> Callable[[Family], Any]:
    """The tiny pipeline of a family; whoever changes it restores it."""
    made: dict[str, Any] = {}

    def get(family: Family) -> Any:
        if family.name not in made:
            made[family.name] = family.tiny(0)
        return made[family.name]

    return get


def tiny_image(family: Family) -> Any:
    """A first frame, of the size the tiny pipeline makes."""
    import numpy as np
    from PIL import Image

    sampling = family.tiny_sampling()
    noise = np.random.default_rng(0).integers(0, 256, (sampling.height, sampling.width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


@pytest.fixture(scope="session")
def generate() -> Callable[..., Tensor]:
    """Make one video and return its latents, without the work of decoding them."""
    import torch

    def run(pipeline: Any, family: Family, sampling: Sampling | None = None, seed: int = 0, **extra: Any) -> Tensor:
        image = tiny_image(family) if family.needs_image else None
        arguments = family.call_arguments("a red circle moves left", sampling or family.tiny_sampling(), image)
        generator = torch.Generator().manual_seed(seed)
        with family.scheduled(pipeline, sampling or family.tiny_sampling()):
            output = pipeline(**arguments, generator=generator, output_type="latent", **extra)
        latents: Tensor = family.videos(output)
        return latents

    return run


@pytest.fixture(scope="session")
def attributes_of() -> Callable[[Any], dict[str, dict[str, int]]]:
    """Every instance attribute of every module below one, by identity: equal only if nothing was left behind."""

    def snapshot(module: Any) -> dict[str, dict[str, int]]:
        return {
            name: {attribute: id(value) for attribute, value in vars(child).items()}
            for name, child in module.named_modules()
        }

    return snapshot
