"""Diffusers' DiT pipeline with the sampler of the paper's repository."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import diffusers
import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor

# Not typed throughout; as Any, its gaps do not surface here.
_diffusers: Any = diffusers

REFERENCE_GUIDED_CHANNELS = 3


class ReferenceDiTPipeline(_diffusers.DiTPipeline):  # type: ignore[misc]  # diffusers is not followed
    """DiT (arXiv 2212.09748) as facebookresearch/DiT@29e4fa6 samples it: DDPM with learned variance, 3 channels guided.

    The sampler is the pipeline's scheduler: `RespacedDDPMScheduler` for the reference's. Any other of diffusers', with
    `guided_channels=None`, makes what `DiTPipeline` makes. Differences to that class, beside the guided channels: the
    learned variance goes to a scheduler that wants it, and latents are in float32 there; classes may be given by name
    or as digits; a step callback, latents as output and an initial noise are supported; the generator goes to the
    scheduler too.
    """

    _callback_tensor_inputs: ClassVar[list[str]] = ["latents"]

    @property
    def num_timesteps(self) -> int:
        """Steps of the run in progress."""
        return len(self.scheduler.timesteps)

    def class_index(self, label: int | str) -> int:
        """The index of a class given as index, digits or, where the model has them, as one of its names.

        Raises:
            ValueError: there is no such class.
        """
        count = self.transformer.config.num_embeds_ada_norm
        known = f"an index below {count}" + (f" or one of its {len(self.labels)} names" if self.labels else "")
        text = str(label).strip()
        index = int(text) if text.isdecimal() else self.labels.get(text)
        if index is None or index >= count:
            raise ValueError(f"class is {text!r}; this model knows {known}")
        return int(index)

    def prepare_latents(
        self, batch_size: int, generator: torch.Generator | None = None, latents: Tensor | None = None
    ) -> Tensor:
        """The initial noise, (batch, channels, height, width); `latents` if given."""
        if latents is not None:
            return latents.to(self._execution_device, self._latents_type)
        config = self.transformer.config
        shape = (batch_size, config.in_channels, config.sample_size, config.sample_size)
        noise: Tensor = randn_tensor(
            shape, generator=generator, device=self._execution_device, dtype=self._latents_type
        )
        return noise

    @torch.no_grad()
    def __call__(
        self,
        class_labels: int | str | Sequence[int | str],
        guidance_scale: float = 1.5,
        guided_channels: int | None = REFERENCE_GUIDED_CHANNELS,
        height: int | None = None,
        width: int | None = None,
        num_inference_steps: int = 250,
        generator: torch.Generator | None = None,
        latents: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable[..., dict[str, Tensor]] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> Any:
        """Make one image for each class.

        Args:
            class_labels: ImageNet classes, by index or name; see `class_index`.
            guidance_scale: weight of classifier-free guidance; none up to 1.
            guided_channels: how many of the latents' channels are guided, None for all. The others follow the class.
            height: in pixels; only what the model was trained for.
            width: likewise.
            num_inference_steps: steps, one call of the transformer each.
            generator: of the initial noise and that of each step.
            latents: initial noise, (batch, channels, height, width) in latents.
            output_type: `pil`, `np`, `pt` or `latent`.
            return_dict: whether an `ImagePipelineOutput` is returned, otherwise a tuple.
            callback_on_step_end: called after each step with pipeline, step, timestep and tensors; may replace latents.
            callback_on_step_end_tensor_inputs: names of the tensors it is given; there is only `latents`.

        Raises:
            ValueError: an unknown class, another size than the model's, or a sampler that the model lacks outputs for.
        """
        config = self.transformer.config
        given = [class_labels] if isinstance(class_labels, (int, str)) else list(class_labels)
        classes = [self.class_index(label) for label in given]
        channels = config.in_channels
        guided_channels = channels if guided_channels is None else guided_channels
        self._check(height, width, guided_channels)
        guided, device = guidance_scale > 1, self._execution_device
        nothing = [config.num_embeds_ada_norm] * len(classes) if guided else []
        labels = torch.tensor(classes + nothing, device=device)
        latents = self.prepare_latents(len(classes), generator, latents)
        self.scheduler.set_timesteps(num_inference_steps)
        accepted = inspect.signature(self.scheduler.step).parameters
        extra = {"generator": generator} if "generator" in accepted else {}
        for step, timestep in enumerate(self.progress_bar(self.scheduler.timesteps)):
            inputs = torch.cat([latents, latents]) if guided else latents
            inputs = self.scheduler.scale_model_input(inputs, timestep)
            prediction = self.transformer(
                hidden_states=inputs.to(self.transformer.dtype),
                timestep=timestep.to(device).expand(len(inputs)),
                class_labels=labels,
                return_dict=False,
            )[0].to(latents.dtype)
            if guided:
                prediction = guide(prediction, guidance_scale, guided_channels)
            if not self._takes_variance:
                prediction = prediction[:, :channels]
            latents = self.scheduler.step(prediction, timestep, latents, **extra).prev_sample
            if callback_on_step_end is not None:
                tensors = {name: {"latents": latents}[name] for name in callback_on_step_end_tensor_inputs}
                latents = callback_on_step_end(self, step, timestep, tensors).get("latents", latents)
        images = latents if output_type == "latent" else self._decode(latents, output_type)
        self.maybe_free_model_hooks()
        return _diffusers.ImagePipelineOutput(images=images) if return_dict else (images,)

    @property
    def _takes_variance(self) -> bool:
        """Whether the scheduler wants the model's learned variance beside the noise."""
        return self.scheduler.config.get("variance_type") in ("learned", "learned_range")

    @property
    def _latents_type(self) -> torch.dtype:
        return torch.float32 if self._takes_variance else self.transformer.dtype

    def _check(self, height: int | None, width: int | None, guided_channels: int) -> None:
        config = self.transformer.config
        side = config.sample_size * 2 ** (len(self.vae.config.block_out_channels) - 1)
        if (height or side, width or side) != (side, side):
            raise ValueError(f"height and width are {height} and {width}; this model makes {side} and {side}")
        if not 1 <= guided_channels <= config.in_channels:
            raise ValueError(f"guided_channels is {guided_channels}; give 1 to {config.in_channels}")
        if self._takes_variance and config.out_channels != 2 * config.in_channels:
            name = type(self.scheduler).__name__
            raise ValueError(f"{name} needs a learned variance, which this model does not predict; use DDIMScheduler")

    def _decode(self, latents: Tensor, output_type: str) -> Any:
        scaled = 1 / self.vae.config.scaling_factor * latents
        images = (self.vae.decode(scaled.to(self.vae.dtype)).sample / 2 + 0.5).clamp(0, 1)
        if output_type == "pt":
            return images
        array = images.cpu().permute(0, 2, 3, 1).float().numpy()
        return self.numpy_to_pil(array) if output_type == "pil" else array


def guide(prediction: Tensor, guidance_scale: float, guided_channels: int) -> Tensor:
    """Classifier-free guidance of a batch [cond, uncond] on the first channels; the others are those of cond."""
    cond, uncond = prediction.chunk(2)
    first, first_uncond = cond[:, :guided_channels], uncond[:, :guided_channels]
    guided = first_uncond + guidance_scale * (first - first_uncond)
    return torch.cat([guided, cond[:, guided_channels:]], dim=1)
