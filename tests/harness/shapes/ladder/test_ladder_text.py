"""The ladder's tokenizers give the pipeline what it cuts off, and training the states the pipeline makes."""

from __future__ import annotations

import itertools

import pytest
import torch
from transformers import AutoTokenizer

from harness.shapes.autoencoder import PatchAutoencoder
from harness.shapes.ladder.model import Teacher, build_pipeline
from harness.shapes.ladder.text import MAX_SEQUENCE_LENGTH, TEMPLATE_TOKENS, build_llama_tokenizer, llama_tokens
from harness.shapes.world import all_scenes


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    return Teacher(z_dim=4).eval()


def test_every_caption_fits_and_only_its_words_follow_the_template():
    tokenizer = build_llama_tokenizer()
    captions = [scene.caption for scene in itertools.islice(all_scenes(), 0, None, 499)]
    ids, mask = llama_tokens(tokenizer, captions)
    assert ids.shape == mask.shape == (len(captions), TEMPLATE_TOKENS + MAX_SEQUENCE_LENGTH)
    template, prompt = ids[:, :TEMPLATE_TOKENS], ids[:, TEMPLATE_TOKENS:]
    assert (template == tokenizer.bos_token_id).all()
    assert mask[:, :TEMPLATE_TOKENS].all()
    assert tokenizer.unk_token_id not in prompt
    # The words and the end of the turn are all that is not masked; the longest caption fills the room.
    assert [int(row.sum()) - TEMPLATE_TOKENS for row in mask] == [len(caption.split()) + 1 for caption in captions]
    assert int(mask.sum(1).max()) == TEMPLATE_TOKENS + MAX_SEQUENCE_LENGTH
    assert tokenizer.batch_decode(prompt, skip_special_tokens=True) == captions


def test_an_empty_caption_is_one_token():
    tokenizer = build_llama_tokenizer()
    ids, mask = llama_tokens(tokenizer, [""])
    assert int(mask.sum()) == TEMPLATE_TOKENS + 1
    assert ids[0, TEMPLATE_TOKENS] == tokenizer.eos_token_id


def test_the_tokenizer_survives_saving(tmp_path):
    tokenizer = build_llama_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    captions = [next(all_scenes()).caption, ""]
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert all(
        torch.equal(a, b)
        for a, b in zip(llama_tokens(loaded, captions), llama_tokens(tokenizer, captions), strict=True)
    )


def test_training_encodes_text_as_the_pipeline_does(teacher):
    scenes = list(itertools.islice(all_scenes(), 0, None, 2500))
    captions = [*(scene.caption for scene in scenes), ""]
    pipeline = build_pipeline(teacher, PatchAutoencoder(z_dim=4, width=8, encoder_depth=1, decoder_depth=1))
    with torch.no_grad():
        states, pooled, mask = pipeline.encode_prompt(captions, max_sequence_length=MAX_SEQUENCE_LENGTH)
        said = teacher.encode(*teacher.tokenize(captions))
    assert torch.equal(said["encoder_attention_mask"], mask.float())
    torch.testing.assert_close(said["pooled_projections"], pooled, atol=1e-4, rtol=1e-4)
    # Behind the end of a prompt is padding, which the transformer masks.
    real = mask.bool()
    torch.testing.assert_close(said["encoder_hidden_states"][real], states[real], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(states[0][real[0]][-1], states[-1][0], atol=1e-2)


def test_padding_does_not_reach_the_velocity(teacher):
    """So that training, with room for the longest caption, serves every `max_sequence_length` of sampling."""
    torch.manual_seed(1)
    torch.nn.init.normal_(teacher.transformer.proj_out.weight)
    for block in [*teacher.transformer.transformer_blocks]:
        torch.nn.init.normal_(block.norm1.linear.weight, std=0.1)
    latents, sigma = torch.randn(1, 4, 3, 4, 4), torch.tensor([0.5])
    text = teacher.tokenize(["a small red circle moving left slowly on a gray background in vivid style"])
    with torch.no_grad():
        said = teacher.encode(*text)
        first = teacher.transformer(latents, 1000 * sigma, **said, return_dict=False)[0]
        padding = said["encoder_attention_mask"] == 0
        said["encoder_hidden_states"][padding] = 7.0
        second = teacher.transformer(latents, 1000 * sigma, **said, return_dict=False)[0]
    assert padding.sum() == 4
    torch.testing.assert_close(first, second)
