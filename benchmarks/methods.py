"""Ours against diffusers' and cache-dit's: the same rule on the same random model, in turn, in one process.

For each pair: seconds per generation (latents as output), floating-point operations of the transformer, peak memory and
the largest difference between the two videos. A ratio below 1 means that ours is faster or smaller. `tiny` is the
conformance suite's pipeline, where hooks are most of the time; `mid` is wider and longer, where they should not matter.

    python benchmarks/methods.py --size tiny --size mid --repeats 5 --out docs/measurements/methods.md
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

if Path(sys.path[0]) == Path(__file__).parent:
    del sys.path[0]  # run as a script, methods.py beside this file would be found as the package `methods`

import diffusers
import torch
from diffusers import (
    FasterCacheConfig,
    FirstBlockCacheConfig,
    MagCacheConfig,
    PyramidAttentionBroadcastConfig,
    TaylorSeerCacheConfig,
)

from harness.discovery import load_family
from harness.environment import describe_environment
from harness.measure.flops import FlopMeter
from harness.measure.memory import PeakMemory
from methods.base import Method, Sampling
from methods.families.base import Family
from methods.fastercache import FasterCache
from methods.first_block_cache import FirstBlockCache
from methods.magcache import MagCache
from methods.pab import Pab
from methods.taylorseer import TaylorSeer

STEPS = 20
PROMPT = "a red circle moves left"
WAN_MODULES = [r"blocks\.\d+\.(attn1|attn2|ffn)"]


@dataclass(frozen=True)
class Pair:
    """One method, twice: `ours`, and what `theirs` enables on a pipeline."""

    name: str
    family: str
    ours: Method
    theirs: Callable[[Any], AbstractContextManager[None]]
    countable: bool = True
    """cache-dit ties modules into cycles that torch's counter cannot walk through."""


@contextmanager
def enabled(pipeline: Any, config: Any) -> Iterator[None]:
    """One of diffusers' own caches."""
    pipeline.transformer.enable_cache(config)
    try:
        yield
    finally:
        pipeline.transformer.disable_cache()


def by_diffusers(config: Callable[[Any], Any]) -> Callable[[Any], AbstractContextManager[None]]:
    """What enables a cache of diffusers; its configuration may need the pipeline."""
    return lambda pipeline: enabled(pipeline, config(pipeline))


@contextmanager
def dbcache(pipeline: Any, threshold: float) -> Iterator[None]:
    """cache-dit's DBCache with one leading block and none behind: its form of the first-block cache."""
    import cache_dit

    config = cache_dit.DBCacheConfig(
        Fn_compute_blocks=1, Bn_compute_blocks=0, residual_diff_threshold=threshold, max_warmup_steps=0
    )
    cache_dit.enable_cache(pipeline, cache_config=config)
    try:
        yield
    finally:
        cache_dit.disable_cache(pipeline)


def pairs() -> list[Pair]:
    """Everything that diffusers or cache-dit has in a form that follows the same schedule as ours."""
    ones = (1.0,) * STEPS
    taylor = {"cache_interval": 4, "disable_cache_before_step": 3, "max_order": 1}
    found = [
        Pair(
            f"taylorseer, diffusers ({family})",
            family,
            TaylorSeer(**taylor, schedule="diffusers"),
            by_diffusers(
                lambda pipeline, modules=modules: TaylorSeerCacheConfig(
                    **taylor, taylor_factors_dtype=torch.float32, **modules
                )
            ),
        )
        for family, modules in (
            ("wan", {"cache_identifiers": WAN_MODULES}),
            (
                "hunyuan_video",
                {
                    "cache_identifiers": [
                        r"transformer_blocks\.\d+\.(attn|ff|ff_context)",
                        r"single_transformer_blocks\.\d+\.proj_out",
                    ],
                    "skip_predict_identifiers": [r"single_transformer_blocks\.\d+\.(attn|proj_mlp)"],
                },
            ),
        )
    ]
    for family in ("wan", "hunyuan_video", "cogvideox"):
        found += [
            Pair(
                f"first_block_cache, diffusers ({family})",
                family,
                FirstBlockCache(threshold=0.1),
                by_diffusers(lambda pipeline: FirstBlockCacheConfig(threshold=0.1)),
            ),
            Pair(
                f"magcache, diffusers ({family})",
                family,
                MagCache(magcache_thresh=0.1, magcache_K=3, retention_ratio=0.2, mag_ratios=ones),
                by_diffusers(
                    lambda pipeline: MagCacheConfig(
                        threshold=0.1,
                        max_skip_steps=3,
                        retention_ratio=0.2,
                        num_inference_steps=STEPS,
                        mag_ratios=list(ones),
                    )
                ),
            ),
        ]
    found += [
        Pair(
            "pab, diffusers (cogvideox)",
            "cogvideox",
            Pab(block_skip_range=2, timestep_skip_range=(100, 800)),
            by_diffusers(
                lambda pipeline: PyramidAttentionBroadcastConfig(
                    spatial_attention_block_skip_range=2,
                    spatial_attention_timestep_skip_range=(100, 800),
                    spatial_attention_block_identifiers=("transformer_blocks",),
                    current_timestep_callback=lambda: pipeline.current_timestep,
                )
            ),
        ),
    ]
    found.append(
        Pair(
            "fastercache, diffusers (cogvideox)",
            "cogvideox",
            FasterCache(preset="diffusers"),
            by_diffusers(
                lambda pipeline: FasterCacheConfig(
                    tensor_format=load_family("cogvideox").latent_layout,
                    current_timestep_callback=lambda: pipeline.current_timestep,
                )
            ),
        )
    )
    try:
        import cache_dit  # noqa: F401
    except ImportError:
        print("cache-dit is not installed; its pairs are left out")
    else:
        found += [
            Pair(
                f"first_block_cache, cache-dit ({family})",
                family,
                FirstBlockCache(threshold=0.1),
                _dbcache,
                countable=False,
            )
            for family in ("wan", "cogvideox")
        ]
    return found


def _dbcache(pipeline: Any) -> AbstractContextManager[None]:
    return dbcache(pipeline, 0.1)


def build(family: Family, size: str, device: str) -> tuple[Any, Sampling]:
    """A random pipeline and what to ask of it."""
    pipeline, sampling = family.tiny(0), replace(family.tiny_sampling(), num_inference_steps=STEPS)
    if size == "mid":
        config = dict(pipeline.transformer.config)
        config |= {name: value for name, value in MID[family.name].items() if name in config}
        torch.manual_seed(0)
        pipeline.transformer = type(pipeline.transformer).from_config(config).eval()
        sampling = replace(sampling, height=sampling.height * 4, width=sampling.width * 4)
    return pipeline.to(device), sampling


MID: dict[str, dict[str, Any]] = {
    "wan": {"num_attention_heads": 8, "attention_head_dim": 64, "ffn_dim": 2048, "num_layers": 10},
    "hunyuan_video": {"num_attention_heads": 8, "num_layers": 4, "num_single_layers": 8},
    "cogvideox": {"num_attention_heads": 8, "attention_head_dim": 64, "num_layers": 10},
}
"""What is enlarged; everything else stays as in the tiny model."""


@dataclass
class Side:
    """What one of the two did."""

    seconds: list[float]
    flops: int | None
    peak_bytes: int
    latents: torch.Tensor


def measure(pair: Pair, size: str, repeats: int, device: str) -> dict[str, Any]:
    """Both sides in turn (A B, B A, ...), after a warm-up of each."""
    family = load_family(pair.family)
    pipeline, sampling = build(family, size, device)
    sides: dict[str, Side] = {}

    def generate() -> torch.Tensor:
        arguments = family.call_arguments(PROMPT, sampling)
        generator = torch.Generator(device).manual_seed(0)
        with family.scheduled(pipeline, sampling), torch.no_grad():
            return torch.as_tensor(family.videos(pipeline(**arguments, generator=generator, output_type="latent")))

    def once(side: str, count: bool) -> None:
        transformer = family.transformer(pipeline)
        with FlopMeter(transformer, family) if count and pair.countable else nullcontext() as meter:
            applying = pair.ours.apply(pipeline, family) if side == "ours" else pair.theirs(pipeline)
            with applying:
                memory = PeakMemory(device)
                memory.start()
                started = time.perf_counter()
                latents = generate()
                if device.startswith("cuda"):
                    torch.cuda.synchronize()
                elapsed = time.perf_counter() - started
                peak = memory.stop(0).peak_bytes
        if count:
            sides[side] = Side([], meter.denoiser_flops() if meter is not None else None, peak, latents)
        else:
            sides[side].seconds.append(elapsed)
            sides[side].peak_bytes = max(sides[side].peak_bytes, peak)

    for side in ("ours", "theirs"):
        once(side, count=True)
    for index in range(repeats):
        for side in ("ours", "theirs") if index % 2 == 0 else ("theirs", "ours"):
            once(side, count=False)
    ours, theirs = sides["ours"], sides["theirs"]
    return {
        "pair": pair.name,
        "size": size,
        "ours_s": statistics.median(ours.seconds),
        "theirs_s": statistics.median(theirs.seconds),
        "time_ratio": sum(ours.seconds) / sum(theirs.seconds),
        "flops_ratio": ours.flops / theirs.flops if ours.flops and theirs.flops else None,
        "ours_peak_mb": ours.peak_bytes / 1e6,
        "theirs_peak_mb": theirs.peak_bytes / 1e6,
        "max_difference": float((ours.latents.float() - theirs.latents.float()).abs().max()),
    }


def as_markdown(results: list[dict[str, Any]], device: str, repeats: int) -> str:
    """The table with what it was measured on."""
    environment = describe_environment(device)
    lines = [
        "# Our methods against diffusers' and cache-dit's",
        "",
        f"`benchmarks/methods.py`, {datetime.now(UTC).date().isoformat()}, {environment['device_name']}, "
        f"{torch.get_num_threads()} threads, {platform.system()}, torch {torch.__version__}, diffusers "
        f"{diffusers.__version__}; {STEPS} steps, {repeats} generations of each side in turn. Random weights: the rows "
        "say nothing about quality.",
        "",
        "| Pair | Size | Ours (s) | Theirs (s) | Time ratio | FLOPs ratio | Ours peak (MB) | Theirs peak (MB) | "
        "Largest difference |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for found in results:
        lines.append(
            f"| {found['pair']} | {found['size']} | {found['ours_s']:.3f} | {found['theirs_s']:.3f} | "
            f"{found['time_ratio']:.3f} | {number(found['flops_ratio'])} | {found['ours_peak_mb']:.1f} | "
            f"{found['theirs_peak_mb']:.1f} | {found['max_difference']:.2g} |"
        )
    return "\n".join(lines) + "\n"


def number(value: float | None) -> str:
    """Three decimals, or a dash where nothing was counted."""
    return "-" if value is None else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", action="append", choices=("tiny", "mid"), help="may be given twice; both if left out")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="", help="pairs whose name contains this")
    parser.add_argument("--device", default="cuda:0" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    options = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for pair in pairs():
        if options.only in pair.name:
            for size in options.size or ("tiny", "mid"):
                results.append(measure(pair, size, options.repeats, options.device))
                print(
                    {key: round(value, 4) if isinstance(value, float) else value for key, value in results[-1].items()}
                )
    text = as_markdown(results, options.device, options.repeats)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
