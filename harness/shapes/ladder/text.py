"""The ladder's tokenizers and text encoders: HunyuanVideo's classes over the world's few words.

`HunyuanVideoPipeline` wraps a prompt into a chat template, cuts the template's 95 tokens off what Llama makes of it,
and takes Llama's states from before its last two layers. Here the template is 95 times one token; Llama being causal,
its states are the same for every prompt, so that training computes them once a batch (`encode_prompts`).
"""

from __future__ import annotations

from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video import DEFAULT_PROMPT_TEMPLATE
from tokenizers import Regex, Tokenizer
from tokenizers.models import WordLevel
from tokenizers.normalizers import Replace, Sequence
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import TemplateProcessing
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, DynamicCache, LlamaConfig, LlamaModel, PreTrainedTokenizerFast

from harness.shapes.text import world_words

MAX_SEQUENCE_LENGTH = 19
"""Text tokens the denoiser is trained with, of the prompt and its end; the longest caption has as many."""

TEMPLATE_TOKENS: int = DEFAULT_PROMPT_TEMPLATE["crop_start"]
LAYERS_LEFT_OUT = 2
"""Layers of Llama behind the states that the pipeline takes: `num_hidden_layers_to_skip` there."""
CLIP_TOKENS = 77
"""Tokens the pipeline pads CLIP's prompts to."""

_PAD, _END, _UNKNOWN, _TEMPLATE = "<pad>", "</s>", "<unk>", "<template>"


def build_llama_tokenizer() -> PreTrainedTokenizerFast:
    """Each word one token; all that comes before the prompt in the pipeline's template is `<template>` 95 times.

    The end of the turn becomes `</s>`. Were `<|eot_id|>` itself a special token, texts would be split at it before
    they are normalised, and the first half of the template be taken for a prompt.
    """
    vocabulary = {token: index for index, token in enumerate([_PAD, _END, _UNKNOWN, _TEMPLATE, *world_words()])}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=_UNKNOWN))
    tokenizer.normalizer = Sequence(
        [Replace(Regex(r"^[\s\S]*<\|end_header_id\|>"), ""), Replace("<|eot_id|>", f" {_END}")]
    )
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = TemplateProcessing(
        single=[*[_TEMPLATE] * TEMPLATE_TOKENS, "$A"], special_tokens=[(_TEMPLATE, vocabulary[_TEMPLATE])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=_PAD,
        eos_token=_END,
        unk_token=_UNKNOWN,
        bos_token=_TEMPLATE,
        model_max_length=TEMPLATE_TOKENS + MAX_SEQUENCE_LENGTH,
        padding_side="right",
    )


def build_llama(vocab_size: int) -> LlamaModel:
    """An untrained Llama of width 128; two of its four layers are behind what the pipeline takes."""
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=2 + LAYERS_LEFT_OUT,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        initializer_range=128**-0.5,
        pad_token_id=0,
        bos_token_id=3,
        eos_token_id=1,
    )
    model = LlamaModel(config)
    # As large as a normalised state, so that words are told apart from the first step.
    nn.init.normal_(model.embed_tokens.weight)
    return model


def build_clip(vocab_size: int) -> CLIPTextModel:
    """An untrained CLIP text encoder of width 64 for the tokenizer of `harness.shapes.text`; it pools `</s>`."""
    config = CLIPTextConfig(
        vocab_size=vocab_size,
        hidden_size=64,
        intermediate_size=128,
        projection_dim=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=CLIP_TOKENS,
        bos_token_id=None,
        eos_token_id=1,
        pad_token_id=0,
    )
    model = CLIPTextModel(config)
    nn.init.normal_(model.embeddings.token_embedding.weight)
    return model


def llama_tokens(tokenizer: PreTrainedTokenizerFast, captions: list[str]) -> tuple[Tensor, Tensor]:
    """Ids and mask of captions in the pipeline's template, each `(batch, TEMPLATE_TOKENS + MAX_SEQUENCE_LENGTH)`."""
    encoded = tokenizer(
        [DEFAULT_PROMPT_TEMPLATE["template"].format(caption) for caption in captions],
        padding="max_length",
        max_length=TEMPLATE_TOKENS + MAX_SEQUENCE_LENGTH,
        truncation=True,
        return_tensors="pt",
    )
    return encoded.input_ids, encoded.attention_mask


def clip_tokens(tokenizer: PreTrainedTokenizerFast, captions: list[str]) -> Tensor:
    """Ids of captions, `(batch, MAX_SEQUENCE_LENGTH)`; the pipeline's longer padding is behind what CLIP pools."""
    encoded = tokenizer(
        captions, padding="max_length", max_length=MAX_SEQUENCE_LENGTH, truncation=True, return_tensors="pt"
    )
    ids: Tensor = encoded.input_ids
    return ids


def encode_prompts(llama: LlamaModel, token_ids: Tensor, token_mask: Tensor) -> Tensor:
    """What `HunyuanVideoPipeline` makes of `llama_tokens`: `(batch, MAX_SEQUENCE_LENGTH, 128)`.

    The template's keys and values are computed for one prompt and shared by all.
    """
    template = DynamicCache(config=llama.config)
    llama(input_ids=token_ids[:1, :TEMPLATE_TOKENS], past_key_values=template, use_cache=True)
    template.batch_repeat_interleave(len(token_ids))
    states: Tensor = llama(
        input_ids=token_ids[:, TEMPLATE_TOKENS:],
        attention_mask=token_mask,
        past_key_values=template,
        use_cache=True,
        output_hidden_states=True,
    ).hidden_states[-(LAYERS_LEFT_OUT + 1)]
    return states
