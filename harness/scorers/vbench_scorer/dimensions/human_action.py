"""Whether UMT recognises the action that the prompt names, among the 400 of Kinetics."""

from __future__ import annotations

from typing import Any

import torch
from timm.models import create_model
from vbench.human_action import CenterCrop, ClipToTensor, Compose, Normalize, Resize, build_dict

from ..score import Score
from ..video import Video
from ..weights import weights

FRAMES = 16
BEST = 5
CERTAIN = 0.85
"""An action counts among the five most likely that are as likely as this."""


class Scorer:
    """UMT ViT-L/16, 16 frames; 1 or 0."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._model = create_model(
            "vit_large_patch16_224",
            pretrained=False,
            num_classes=400,
            all_frames=FRAMES,
            tubelet_size=1,
            use_learnable_pos_emb=False,
            drop_path_rate=0.2,
            use_mean_pooling=True,
            init_scale=0.001,
        )
        file = weights("umt_model/l16_ptk710_ftk710_ftk400_f16_res224.pth")
        self._model.load_state_dict(torch.load(file, map_location="cpu"), strict=False)
        self._model = self._model.to(device).eval()
        self._actions = build_dict()
        normalized = Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225])
        scaled = [Resize(256, interpolation="bilinear"), CenterCrop(size=(224, 224))]
        self._transform = Compose([*scaled, ClipToTensor(), normalized])

    def score(self, video: Video, auxiliary: dict[str, Any] | None) -> Score:
        """The action is what follows `person is` in the prompt, up to a hyphen or an underscore."""
        action = video.prompt.lower().split("-")[0].split("person is ")[-1].split("_")[0]
        images = self._transform(video.middle(FRAMES)).unsqueeze(0).to(self._device)
        likely, actions = torch.topk(torch.sigmoid(self._model(images)), BEST, dim=1)
        named = [
            self._actions[str(number)]
            for number, chance in zip(actions.squeeze().tolist(), likely.squeeze().tolist(), strict=True)
            if round(chance, 4) >= CERTAIN
        ]
        return Score(float(action in named))
