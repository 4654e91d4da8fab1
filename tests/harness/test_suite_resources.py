"""What a suite says of machines: read strictly, the model before its family, and nothing where it says nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SuiteError
from harness.resources import Resources
from harness.suite import load_suite
from harness.suite_resources import demand_of

SUITE = """\
suite: mixed
models:
  small: {family: wan, model: some/hub}
  large: {family: wan, model: another/hub}
  other: {family: hunyuan_video, model: a/third}
prompts: [a red circle]
methods: [{method: original}]
resources:
  wan: {gpus: 1, memory_gb: 64}
  large: {gpus: 2, cpus: 8, labels: ["accelerator_type:H200"]}
"""


def demands(path: Path, text: str) -> dict[str, Resources]:
    path.write_text(text, encoding="utf-8")
    suite = load_suite(path).suite
    return {label: demand_of(suite.resources, label, entry.family) for label, entry in suite.models.items()}


def test_a_models_own_entry_replaces_its_familys(tmp_path: Path) -> None:
    assert demands(tmp_path / "mixed.yaml", SUITE) == {
        "small": Resources(gpus=1.0, memory_bytes=64_000_000_000),
        "large": Resources(cpus=8, gpus=2.0, labels=frozenset({"accelerator_type:H200"})),
        "other": Resources(),
    }


def test_a_suite_that_says_nothing_needs_nothing_special(tmp_path: Path) -> None:
    assert set(demands(tmp_path / "mixed.yaml", SUITE.partition("resources:")[0]).values()) == {Resources()}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("  wan: {gpus", "  wann: {gpus", r"resources: unknown model or family 'wann'; did you mean 'wan'"),
        ("  wan: {gpus", "  latte: {gpus", r"resources: unknown model or family 'latte'"),
        ("memory_gb: 64", "memory: 64", r"mixed.yaml:9: resources.wan.memory: unknown key.*memory_gb"),
        ("gpus: 2,", "gpus: 0,", r"mixed.yaml:10: resources.large.gpus: .*greater than 0, not 0"),
        ('["accelerator_type:H200"]', "[]", r"mixed.yaml:10: resources.large.labels: is empty"),
        ('["accelerator_type:H200"]', "H200", r"mixed.yaml:10: resources.large.labels: .*list, not 'H200'"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    with pytest.raises(SuiteError, match=complaint):
        demands(tmp_path / "mixed.yaml", SUITE.replace(old, new))
