"""What the strict reader adds to YAML: numbers as in 1.2, and the keys that a place may have."""

from __future__ import annotations

import pytest
from pydantic import Field, ValidationError

from harness.errors import HarnessError
from harness.strict_yaml import explain, read_yaml
from harness.suite_cost import StrictModel


class Leaf(StrictModel):
    rate: float = 0.0


class Tree(StrictModel):
    leaf: Leaf | None = None
    leaves: list[Leaf] = Field(default=[])
    named: dict[str, Leaf] = Field(default={})


def complaint(tmp_path, text):
    """What is said about a file, without its folder."""
    path = tmp_path / "tree.yaml"
    path.write_text(text)
    file = read_yaml(path, what="tree", see="the forest", error=HarnessError)
    with pytest.raises(ValidationError) as raised:
        Tree.model_validate(file.data)
    return explain(file, raised.value.errors(include_url=False), Tree).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize("number", ["1e-5", "+1E5", "-3e2"])
def test_an_exponent_needs_no_point(number, tmp_path):
    path = tmp_path / "tree.yaml"
    path.write_text(f"rate: {number}\n")
    file = read_yaml(path, what="tree", see="the forest", error=HarnessError)
    assert file.data == {"rate": float(number)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("lef: {}", "tree.yaml:1: lef: unknown key; did you mean 'leaf'?"),
        ("leaf:\n  rat: 1", "tree.yaml:2: leaf.rat: unknown key; did you mean 'rate'?"),
        ("leaves:\n- rate: 1\n- xyz: 1", "tree.yaml:3: leaves.1.xyz: unknown key; known: rate"),
        ("named:\n  oak: {xyz: 1}", "tree.yaml:2: named.oak.xyz: unknown key; known: rate"),
    ],
)
def test_an_unknown_key_is_held_against_those_of_its_place(text, expected, tmp_path):
    assert complaint(tmp_path, text) == expected


def test_a_file_that_is_no_mapping_is_refused_as_the_caller_says(tmp_path):
    path = tmp_path / "tree.yaml"
    path.write_text("- 1\n")
    with pytest.raises(HarnessError, match="a tree is a mapping of keys to values; see the forest"):
        read_yaml(path, what="tree", see="the forest", error=HarnessError)
