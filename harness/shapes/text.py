"""The embedded model's tokenizer and text encoder: real transformers classes over the world's few words."""

from __future__ import annotations

import re

from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from harness.shapes.world import BACKGROUNDS, COLORS, MOTIONS, RELATIONS, SHAPES, SIZES, SPEEDS, STYLES

MAX_SEQUENCE_LENGTH = 24
"""Text tokens the denoiser was trained with; the longest caption has 19."""


def world_words() -> list[str]:
    """All words of all captions, sorted."""
    phrases = [
        *SHAPES, *COLORS, *MOTIONS, *SPEEDS, *SIZES, *RELATIONS, *BACKGROUNDS, *STYLES,
        "a moving on background in style",
    ]  # fmt: skip
    return sorted({word for phrase in phrases for word in re.split(r"\s+", phrase)})


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word, `</s>` at the end, as T5's tokenizers do."""
    vocabulary = {token: index for index, token in enumerate(["<pad>", "</s>", "<unk>", *world_words()])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", vocabulary["</s>"])])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        model_max_length=MAX_SEQUENCE_LENGTH,
        padding_side="right",
    )


def build_text_encoder(vocab_size: int) -> UMT5EncoderModel:
    """An untrained two-layer UMT5 encoder; it is trained together with the denoiser."""
    config = UMT5Config(
        vocab_size=vocab_size,
        d_model=128,
        d_kv=32,
        d_ff=256,
        num_layers=2,
        num_heads=4,
        relative_attention_num_buckets=16,
        relative_attention_max_distance=32,
        dropout_rate=0.0,
        pad_token_id=0,
        eos_token_id=1,
    )
    return UMT5EncoderModel(config)
