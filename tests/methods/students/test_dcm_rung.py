"""A DCM rung's card and tensors."""

from __future__ import annotations

import json

import pytest
import torch

from methods.students.dcm_rung import DualExpertConfig, write_dcm
from methods.students.detail_expert import DetailConfig
from methods.students.rung import RungError, read_card, read_tensors

CONFIG = DualExpertConfig(904, None, DetailConfig(rank=8, alpha=16.0))


def written(folder, dtype=None):
    semantic, detail = ({"weight": torch.full((2,), value)} for value in (0.5, 0.25))
    return write_dcm(folder, semantic, detail, CONFIG, family="wan", parent="p", provenance={}, dtype=dtype)


def test_says_what_its_experts_are(tmp_path):
    written(tmp_path)
    assert DualExpertConfig.of(read_card(tmp_path, kinds=("dcm",), family="wan")) == CONFIG


def test_holds_both_experts_in_the_type_asked_for(tmp_path):
    tensors = read_tensors(tmp_path, written(tmp_path, torch.bfloat16))
    assert {name: value.dtype for name, value in tensors.items()} == {
        "semantic.weight": torch.bfloat16,
        "detail.weight": torch.bfloat16,
    }


@pytest.mark.parametrize(
    "config", [{}, {"switch_timestep": 904}, {"switch_timestep": 904, "detail": {"rank": 0, "alpha": 1.0}}]
)
def test_a_card_that_does_not_say_is_refused(tmp_path, config):
    written(tmp_path)
    path = tmp_path / "rung.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"config": config}))
    with pytest.raises(RungError, match=r"rung\.json of a dcm does not say what its experts are"):
        DualExpertConfig.of(read_card(tmp_path, kinds=("dcm",), family="wan"))
