"""What is priced without weights is what runs: the same method on a real tiny pipeline, measured."""

from __future__ import annotations

import pytest
import torch

from harness.cost.models import pipeline_architecture
from harness.cost.replay import MetaModel
from harness.discovery import discover_families, discover_methods
from harness.measure.flops import FlopMeter
from tests.conformance.matrix import tried
from tests.conftest import tiny_image

FAMILIES = discover_families()
METHODS = discover_methods()


@pytest.fixture(scope="module")
def meta_model(tiny_pipeline):
    """The tiny pipeline's architecture on the meta device, by family."""
    made = {}

    def get(family):
        if family.name not in made:
            architecture = pipeline_architecture(tiny_pipeline(family), family)
            made[family.name] = MetaModel(family, architecture, "float32")
        return made[family.name]

    yield get
    for model in made.values():
        model.close()


def generate(pipeline, family, sampling):
    # As many words as any text encoder takes: Latte's cross-attention costs by the length of the prompt.
    image = tiny_image(family) if family.needs_image else None
    prompt = "a red circle moves left" if not hasattr(pipeline, "text_encoder") else "a red circle moves left " * 30
    arguments = family.call_arguments(prompt, sampling, image)
    pipeline(**arguments, generator=torch.Generator().manual_seed(0), output_type="latent")


@pytest.mark.parametrize("method_name", METHODS)
@pytest.mark.parametrize("family_name", FAMILIES)
@torch.no_grad()
def test_a_price_is_what_a_video_takes(family_name, method_name, tiny_pipeline, meta_model, tmp_path):
    family, sampling = FAMILIES[family_name], FAMILIES[family_name].tiny_sampling()
    method = tried(METHODS[method_name], family)
    reason = method.unsupported(family)
    if reason is not None:
        pytest.skip(reason)
    pipeline = tiny_pipeline(family)
    method = METHODS[method_name].conformance_weights(family, pipeline, tmp_path) or method
    sampling = method.sampling(sampling)
    with FlopMeter(family.transformer(pipeline), family) as meter, family.scheduled(pipeline, sampling):
        generate(pipeline, family, sampling)
        full = meter.full_forward_flops()
        meter.reset()
        with method.apply(pipeline, family) as applied:
            generate(pipeline, family, sampling)
            decisions, held = applied.decisions(), applied.cache_bytes()
        measured = meter.denoiser_flops()

    priced = meta_model(family).replay(method, sampling, decisions if method.adaptive else None)

    said = [[(d.step_index, d.branch, d.action, d.level) for d in made] for made in (priced.decisions, decisions)]
    assert said[0] == said[1]
    assert priced.flops == measured
    assert priced.cache_bytes == held
    assert meta_model(family).full_call_flops(sampling) == full
