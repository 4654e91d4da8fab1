"""Tokenizers and encoders small enough to be made in code, for the families' tiny pipelines.

Weights are drawn from torch's global random state, which the caller seeds.
"""

from __future__ import annotations

from typing import Any

import transformers
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from tokenizers.processors import TemplateProcessing

# Not typed throughout; as Any, its gaps do not surface here.
_transformers: Any = transformers

_WORDS = ("a", "red", "green", "blue", "circle", "square", "moves", "left", "right", "on", "black")
_PAD, _END, _UNKNOWN, _BEGIN = "<pad>", "</s>", "<unk>", "<s>"
_VOCABULARY = {word: index for index, word in enumerate((_PAD, _END, _UNKNOWN, *_WORDS, _BEGIN))}
# A chat marker such as <|eot_id|> is one token, as in the tokenizers that have it.
_PIECES = r"<\|\w+\|>|\w+|[^\w\s]+"

VOCABULARY_SIZE = len(_VOCABULARY)
"""Tokens that the tokenizers made here know."""
PAD_TOKEN_ID, END_TOKEN_ID = _VOCABULARY[_PAD], _VOCABULARY[_END]


def tiny_tokenizer(leading: int = 0) -> Any:
    """A tokenizer like T5's that knows a dozen words: one token each, `</s>` at the end, `<pad>` is 0.

    `leading` copies of `<s>` come first, for pipelines that cut a fixed number of tokens of their template off.
    """
    tokenizer = Tokenizer(WordLevel(_VOCABULARY, unk_token=_UNKNOWN))
    tokenizer.pre_tokenizer = Split(Regex(_PIECES), behavior="removed", invert=True)
    tokenizer.post_processor = TemplateProcessing(
        single=[*[_BEGIN] * leading, "$A", _END], special_tokens=[(word, _VOCABULARY[word]) for word in (_BEGIN, _END)]
    )
    return _transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=_PAD, eos_token=_END, unk_token=_UNKNOWN, bos_token=_BEGIN
    )


def tiny_chat_tokenizer(leading: int) -> Any:
    """A tokenizer whose chat template leaves the system message out and puts `leading` copies of `<s>` there."""
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = f"{{{{ '{_BEGIN}' * {leading} + messages[-1]['content'] }}}}"
    return tokenizer


def tiny_umt5_encoder(width: int) -> Any:
    """A UMT5 encoder for `tiny_tokenizer` whose states are `width` wide."""
    config = _transformers.UMT5Config(
        vocab_size=VOCABULARY_SIZE, d_model=width, d_kv=8, d_ff=2 * width, num_layers=2, num_heads=2
    )
    return _transformers.UMT5EncoderModel(config).eval()


def tiny_t5_encoder(width: int, vocabulary_size: int = VOCABULARY_SIZE) -> Any:
    """A T5 encoder for `tiny_tokenizer` whose states are `width` wide."""
    config = _transformers.T5Config(
        vocab_size=vocabulary_size, d_model=width, d_kv=8, d_ff=2 * width, num_layers=2, num_heads=2
    )
    return _transformers.T5EncoderModel(config).eval()


def tiny_clip_text_encoder(width: int) -> Any:
    """A CLIP text encoder for `tiny_tokenizer`, 77 tokens long; it pools `</s>`."""
    config = _transformers.CLIPTextConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=None,
        eos_token_id=END_TOKEN_ID,
        pad_token_id=PAD_TOKEN_ID,
    )
    return _transformers.CLIPTextModel(config).eval()


def tiny_llama(width: int) -> Any:
    """A Llama for `tiny_tokenizer`, of three layers, since the last two are left out where it encodes prompts."""
    config = _transformers.LlamaConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=PAD_TOKEN_ID,
    )
    return _transformers.LlamaModel(config).eval()


def tiny_qwen(width: int) -> Any:
    """The language model of a Qwen2.5-VL for `tiny_chat_tokenizer`, of three layers as `tiny_llama`."""
    frequencies = width // 4
    config = _transformers.Qwen2_5_VLTextConfig(
        vocab_size=VOCABULARY_SIZE,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=PAD_TOKEN_ID,
        bos_token_id=None,
        eos_token_id=None,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 1e6,
            "mrope_section": [1, 1, frequencies - 2],
        },
    )
    return _transformers.Qwen2_5_VLTextModel(config).eval()
