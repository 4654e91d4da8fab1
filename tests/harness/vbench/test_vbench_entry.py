"""`vbench:` in a suite: which dimensions are asked for, and of which there can be no question."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.dimensions import QUALITY
from harness.errors import SuiteError
from harness.suite import LoadedSuite, load_suite

SUITE = """\
models: {{tiny: {{family: wan, model: "tiny:some/hub"}}}}
prompts: {prompts}
methods: [{{method: original}}]
vbench: {vbench}
"""


def load(folder: Path, vbench: str, prompts: str = "[a red circle]") -> LoadedSuite:
    (folder / "small.yaml").write_text(SUITE.format(vbench=vbench, prompts=prompts))
    return load_suite(folder / "small.yaml")


def test_of_other_prompts_it_is_the_quality_that_is_asked(tmp_path: Path) -> None:
    assert load(tmp_path, "{dimensions: all}").vbench_dimensions == QUALITY
    assert load(tmp_path, "{}").vbench_dimensions == QUALITY
    some = load(tmp_path, "{dimensions: [imaging_quality, dynamic_degree]}")
    assert some.vbench_dimensions == ("dynamic_degree", "imaging_quality"), "in the order of VBench's tables"


def test_of_vbenchs_prompts_it_is_what_they_are_for(tmp_path: Path, wheel: Path) -> None:
    found = load(tmp_path, "{dimensions: all}", "{vbench: {dimensions: [color, temporal_flickering]}}")
    assert found.vbench_dimensions == ("temporal_flickering", "color")


def test_a_suite_that_does_not_ask_has_none(tmp_path: Path) -> None:
    assert load(tmp_path, "null").vbench_dimensions == ()


@pytest.mark.parametrize(
    ("vbench", "said"),
    [
        ("{dimensions: [scene]}", "small.yaml:4: vbench.dimensions: the suite's prompts are not for 'scene'"),
        ("{dimensions: [seen]}", "unknown dimension 'seen'; did you mean 'scene'?"),
        ("{dimension: all}", "vbench.dimension: unknown key; did you mean 'dimensions'?"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path: Path, vbench: str, said: str) -> None:
    with pytest.raises(SuiteError) as caught:
        load(tmp_path, vbench)
    assert said in str(caught.value)
