"""Every caption can be read by the tokenizer, and comes back from it."""

from __future__ import annotations

import itertools

import torch

from harness.shapes.text import MAX_SEQUENCE_LENGTH, build_text_encoder, build_tokenizer
from harness.shapes.world import all_scenes


def test_every_word_of_the_world_has_its_token_and_captions_fit():
    tokenizer = build_tokenizer()
    captions = [scene.caption for scene in itertools.islice(all_scenes(), 0, None, 499)]
    encoded = tokenizer(captions).input_ids
    assert tokenizer.unk_token_id not in {token for ids in encoded for token in ids}
    assert max(map(len, encoded)) <= MAX_SEQUENCE_LENGTH
    assert {ids[-1] for ids in encoded} == {tokenizer.eos_token_id}
    assert tokenizer.batch_decode(encoded, skip_special_tokens=True) == captions


def test_tokens_do_not_depend_on_the_process():
    """The order of the vocabulary is fixed; a shipped checkpoint means the same words tomorrow."""
    assert build_tokenizer().get_vocab() == build_tokenizer().get_vocab()
    vocabulary = sorted(build_tokenizer().get_vocab(), key=build_tokenizer().get_vocab().get)
    assert vocabulary[:3] == ["<pad>", "</s>", "<unk>"]
    assert vocabulary[3:] == sorted(vocabulary[3:])


def test_a_word_of_another_world_is_unknown_not_an_error():
    tokenizer = build_tokenizer()
    assert tokenizer("a purple circle").input_ids[1] == tokenizer.unk_token_id


def test_survives_saving(tmp_path):
    from transformers import AutoTokenizer

    tokenizer = build_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    caption = next(all_scenes()).caption
    arguments = {"padding": "max_length", "max_length": MAX_SEQUENCE_LENGTH}
    assert AutoTokenizer.from_pretrained(tmp_path)(caption, **arguments) == tokenizer(caption, **arguments)


def test_encoder_gives_a_vector_a_token_and_ignores_padding():
    tokenizer = build_tokenizer()
    encoder = build_text_encoder(len(tokenizer)).eval()
    caption = next(all_scenes()).caption
    with torch.no_grad():
        short = tokenizer(caption, return_tensors="pt")
        long = tokenizer(caption, padding="max_length", max_length=MAX_SEQUENCE_LENGTH, return_tensors="pt")
        first = encoder(short.input_ids, short.attention_mask).last_hidden_state
        second = encoder(long.input_ids, long.attention_mask).last_hidden_state
    assert first.shape == (1, short.input_ids.shape[1], 128)
    torch.testing.assert_close(first, second[:, : first.shape[1]], atol=1e-5, rtol=1e-4)
