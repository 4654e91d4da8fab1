"""ViCLIP: how well a video goes with a text; loaded once for the two dimensions that ask this."""

from __future__ import annotations

from functools import cache

import torch
from vbench.temporal_style import get_text_features, get_vid_features
from vbench.third_party.ViCLIP.simple_tokenizer import SimpleTokenizer
from vbench.third_party.ViCLIP.viclip import ViCLIP
from vbench.utils import clip_transform

from .score import Score
from .video import Video
from .weights import weights

FRAMES = 8


class VideoAndText:
    """Cosine similarity of eight frames and the prompt."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._tokenizer = SimpleTokenizer(weights("ViCLIP/bpe_simple_vocab_16e6.txt.gz"))
        self._model = ViCLIP(tokenizer=self._tokenizer, pretrain=weights("ViCLIP/ViClip-InternVid-10M-FLT.pth"))
        self._model = self._model.to(device)
        self._transform = clip_transform(224)

    def score(self, video: Video) -> Score:
        """One number a video."""
        # Integers, other than for the other dimensions, so that resizing rounds.
        frames = torch.from_numpy(video.middle(FRAMES)).permute(0, 3, 1, 2)
        images = self._transform(frames).to(self._device)
        of_video = get_vid_features(self._model, images.unsqueeze(0))
        of_text = get_text_features(self._model, video.prompt, self._tokenizer)
        return Score(float((of_video @ of_text.T)[0][0].cpu()))


@cache
def video_and_text(device: torch.device) -> VideoAndText:
    """The one on this device."""
    return VideoAndText(device)
