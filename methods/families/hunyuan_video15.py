"""HunyuanVideo 1.5 text-to-video (diffusers `HunyuanVideo15Pipeline`)."""

from __future__ import annotations

from typing import Any, ClassVar

from methods.base import Sampling
from methods.families.parts.hunyuan_video15 import HunyuanVideo15Family


class HunyuanVideo15(HunyuanVideo15Family):
    """HunyuanVideo 1.5 T2V; see `HunyuanVideo15Family`.

    Steps, guidance and shift are those of Tencent-Hunyuan/HunyuanVideo-1.5's 480p T2V model.
    """

    name: ClassVar[str] = "hunyuan_video15"
    pipeline_class: ClassVar[str] = "HunyuanVideo15Pipeline"
    default_sampling: ClassVar[Sampling] = Sampling(
        num_inference_steps=50, guidance_scale=6.0, height=480, width=848, num_frames=121, flow_shift=5.0
    )

    def call_arguments(self, prompt: str, sampling: Sampling, image: Any = None) -> dict[str, Any]:
        """See `Family.call_arguments`."""
        size = {"height": sampling.height, "width": sampling.width}
        return super().call_arguments(prompt, sampling) | size
