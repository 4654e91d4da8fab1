"""Rungs on disk: whole, of the right kind and family, and fitting the model, or refused."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from methods.students import rung as rungs
from methods.students.rung import (
    RungError,
    check_prefixes,
    load_strictly,
    read_any_card,
    read_card,
    read_tensors,
    state_digest,
)


@pytest.fixture
def written(tmp_path):
    tensors = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2, dtype=torch.bfloat16)}
    rung = rungs.write_rung(
        tmp_path, kind="meanflow", family="wan", parent="f" * 64, config={"x": 1}, provenance={}, tensors=tensors
    )
    return tmp_path, rung, tensors


def test_reads_what_was_written(written):
    folder, rung, tensors = written
    assert read_card(folder, kinds=("meanflow", "other"), family="wan") == rung
    found = read_tensors(folder, rung)
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], value) and found[name].dtype == value.dtype for name, value in tensors.items())


@pytest.mark.parametrize(
    ("kinds", "family", "message"),
    [
        (("cfg_distilled",), "wan", "of kind 'meanflow'; give one of kind cfg_distilled"),
        (("meanflow",), "hunyuan_video", "trained for wan, not for hunyuan_video"),
    ],
)
def test_another_kind_or_family_is_refused(written, kinds, family, message):
    with pytest.raises(RungError, match=message):
        read_card(written[0], kinds=kinds, family=family)


def test_a_folder_without_card_is_refused(tmp_path):
    with pytest.raises(RungError, match=r"holds no rung\.json; train"):
        read_card(tmp_path, kinds=("meanflow",), family="wan")


@pytest.mark.parametrize("change", [{"surprise": 1}, {"parent": None}])
def test_missing_and_unknown_fields_are_named(written, change):
    path = written[0] / "rung.json"
    card = json.loads(path.read_text()) | change
    card = {name: value for name, value in card.items() if value is not None}
    path.write_text(json.dumps(card))
    with pytest.raises(RungError, match=f"unknown fields \\['{next(iter(change))}'\\]"):
        read_card(written[0], kinds=("meanflow",), family="wan")


def test_changed_weights_are_refused(written):
    folder, rung, tensors = written
    rungs.save_file({name: value + 1 for name, value in tensors.items()}, folder / "weights.safetensors")
    with pytest.raises(RungError, match="copy the rung anew"):
        read_tensors(folder, rung)


def test_a_card_without_weights_is_refused(written):
    (written[0] / "weights.safetensors").unlink()
    with pytest.raises(RungError, match=r"holds no weights\.safetensors"):
        read_tensors(written[0], written[1])


def test_a_card_of_weights_that_were_never_there_says_where_they_are_from(written):
    folder, _, _ = written
    (folder / "weights.safetensors").unlink()
    card = json.loads((folder / "rung.json").read_text())
    (folder / "rung.json").write_text(
        json.dumps(card | {"weights_sha256": "", "provenance": {"obtain": "ask Tencent"}})
    )
    with pytest.raises(RungError, match=r"holds no weights\.safetensors; ask Tencent"):
        read_tensors(folder, read_any_card(folder))


def test_a_card_of_trained_weights_says_nothing_of_storage(written):
    assert "storage" not in json.loads((written[0] / "rung.json").read_text())


def test_a_rung_without_tensors_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="without weights"):
        rungs.write_rung(tmp_path, kind="a", family="wan", parent="", config={}, provenance={}, tensors={})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": None}, "missing bias, unknown none"),
        ({"scale": torch.ones(1)}, "missing none, unknown scale"),
        ({"weight": torch.ones(3, 2)}, r"weight has shape \(3, 2\), the model's is \(2, 3\)"),
    ],
)
def test_weights_that_do_not_fit_are_refused_and_nothing_is_loaded(change, message):
    module = nn.Linear(3, 2)
    before = state_digest(module.state_dict())
    state = {"weight": torch.zeros(2, 3), "bias": torch.zeros(2)} | change
    with pytest.raises(RungError, match=message):
        load_strictly(module, {name: value for name, value in state.items() if value is not None}, "here")
    assert state_digest(module.state_dict()) == before


def test_unknown_prefixes_are_named():
    with pytest.raises(RungError, match=r"unknown tensors other\.x; expected only conditioning, transformer"):
        check_prefixes(["transformer.a", "other.x"], ("transformer", "conditioning"), "here")


def test_the_digest_knows_values_names_types_and_shapes_but_no_order():
    state = {"a": torch.arange(4.0), "b": torch.ones(2)}
    assert state_digest(state) == state_digest(dict(reversed(state.items())))
    others = [
        state | {"a": torch.arange(4.0) + 1},
        state | {"a": torch.arange(4.0).reshape(2, 2)},
        state | {"a": torch.arange(4)},
        {"a": state["a"], "c": state["b"]},
    ]
    assert len({state_digest(one) for one in [state, *others]}) == 5


def test_the_digest_in_float32_is_that_of_the_values():
    state = {"a": torch.tensor([0.1, 3.0]), "count": torch.tensor(3)}
    halves = {name: value.half() if value.is_floating_point() else value for name, value in state.items()}
    whole = {name: value.float() if value.is_floating_point() else value for name, value in halves.items()}
    assert state_digest(halves, in_float32=True) == state_digest(whole, in_float32=True) == state_digest(whole)
    assert state_digest(halves) != state_digest(whole)
    assert state_digest(halves, in_float32=True) != state_digest(state, in_float32=True)
