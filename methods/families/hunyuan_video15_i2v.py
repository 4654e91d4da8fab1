"""HunyuanVideo 1.5 image-to-video (diffusers `HunyuanVideo15ImageToVideoPipeline`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import transformers
from torch import nn

from methods.base import Sampling
from methods.families.base import TransformerCall
from methods.families.parts.hunyuan_video15 import TINY_WIDTH, HunyuanVideo15Family

# Not typed throughout; as Any, its gaps do not surface here.
_transformers: Any = transformers


class HunyuanVideo15I2V(HunyuanVideo15Family):
    """HunyuanVideo 1.5 I2V; see `HunyuanVideo15Family`.

    The first frame is in the latents' extra channels and, as SigLIP's tokens, in the text stream. Step-distilled
    models (`use_meanflow`) also take the timestep at which the step ends, `timestep_r`; they are meant for guidance 1,
    shift 7 and 8 or 12 steps. Steps, guidance and shift here are those of Tencent-Hunyuan/HunyuanVideo-1.5's 480p I2V
    model.
    """

    name: ClassVar[str] = "hunyuan_video15_i2v"
    pipeline_class: ClassVar[str] = "HunyuanVideo15ImageToVideoPipeline"
    needs_image: ClassVar[bool] = True
    default_sampling: ClassVar[Sampling] = Sampling(
        num_inference_steps=50, guidance_scale=6.0, height=480, width=848, num_frames=121, flow_shift=5.0
    )

    def tiny_image_components(self) -> Mapping[str, Any]:
        """An image encoder of 27 x 27 patches, as many as the real one has."""
        side, patch = 54, 2
        config = _transformers.SiglipVisionConfig(
            hidden_size=TINY_WIDTH,
            intermediate_size=2 * TINY_WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            image_size=side,
            patch_size=patch,
        )
        return {
            "image_encoder": _transformers.SiglipVisionModel(config).eval(),
            "feature_extractor": _transformers.SiglipImageProcessor(size={"height": side, "width": side}),
        }

    def call_arguments(self, prompt: str, sampling: Sampling, image: Any = None) -> dict[str, Any]:
        """See `Family.call_arguments`. The image is resized to cover the video's size, and what sticks out cut off.

        Raises:
            ValueError: there is no image.
        """
        if image is None:
            raise ValueError(f"{self.name} begins with an image and was given none; give a PIL image")
        return super().call_arguments(prompt, sampling) | {"image": _covering(image, sampling.width, sampling.height)}

    def transformer_calls(self, transformer: nn.Module, sampling: Sampling) -> Sequence[TransformerCall]:
        """See `Family.transformer_calls` and `HunyuanVideo15Family`'s; with MeanFlow, `timestep_r` beside them."""
        calls = super().transformer_calls(transformer, sampling)
        config: Any = transformer.config
        if not config.use_meanflow:
            return calls
        return [
            TransformerCall(
                call.context_name,
                {**call.arguments, "timestep_r": call.arguments["timestep"].new_empty(1)},
            )
            for call in calls
        ]

    @contextmanager
    def scheduled(self, pipeline: Any, sampling: Sampling) -> Iterator[None]:
        """See `HunyuanVideo15Family.scheduled`.

        Raises:
            ValueError: as there; or the pipeline, which takes the size from the image's shape and the model's target
                size, would make another one than `sampling` asks for.
        """
        asked = sampling.height, sampling.width
        made = pipeline.video_processor.calculate_default_height_width(*asked, pipeline.target_size)
        if tuple(made) != asked:
            raise ValueError(
                f"size is {asked[0]} x {asked[1]} (height x width); of that shape the model, of target size "
                f"{pipeline.target_size}, makes {made[0]} x {made[1]}, so give that"
            )
        with super().scheduled(pipeline, sampling):
            yield


def _covering(image: Any, width: int, height: int) -> Any:
    """The middle of an image, resized so that it just covers this size in pixels."""
    scale = max(width / image.width, height / image.height)
    resized = image.resize((max(width, round(image.width * scale)), max(height, round(image.height * scale))))
    left, top = (resized.width - width) // 2, (resized.height - height) // 2
    return resized.crop((left, top, left + width, top + height))
