"""What a suite needs: found without its models, and refused before a run begins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.dimensions import QUALITY, SEMANTIC
from harness.doctor import needs
from harness.doctor.needs import refuse_lacking, requirements, unavailable_dimensions
from harness.doctor.requirement import Kind, Requirement, State, shown
from harness.doctor.table import json_object, lines, steps
from harness.errors import NeedError
from harness.suite import LoadedSuite, VBenchEntry, load_suite
from harness.vbench import package
from tests.harness.vbench.small_wheel import write_wheel

SUITE = """\
models:
  wan: {family: wan, model: some/hub}
  other: {family: wan, model: some/hub}
prompts: [a red circle]
methods: [{method: original}]
metrics: [psnr, lpips]
"""
IMAGES = """\
models: {dit: {family: dit, model: "tiny:some/hub"}}
prompts: [a red circle]
methods: [{method: original}]
image_set: {metrics: [fid], reference: reference.npz, inception_weights: inception.pth}
"""


@pytest.fixture(autouse=True)
def _nothing_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any weights."""
    for name in ("TORCH_HOME", "VBENCH_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setattr("harness.doctor.hub.cache_folder", lambda: tmp_path / "hub")


@pytest.fixture
def suite(tmp_path: Path) -> Callable[[str], LoadedSuite]:
    def load(text: str) -> LoadedSuite:
        (tmp_path / "small.yaml").write_text(text)
        return load_suite(tmp_path / "small.yaml")

    return load


@pytest.fixture
def vbench(suite: Callable[[str], LoadedSuite], monkeypatch: pytest.MonkeyPatch) -> LoadedSuite:
    monkeypatch.setattr(package, "WHEEL_SHA256", write_wheel(package.wheel_path()))
    return suite(SUITE.replace("[a red circle]", "{vbench: {dimensions: all}}"))


def by_name(found: tuple[Requirement, ...]) -> dict[str, Requirement]:
    return {one.name: one for one in found}


def test_a_model_that_two_labels_share_is_asked_for_once(suite) -> None:
    (model,) = [one for one in requirements(suite(SUITE)) if one.kind is Kind.MODEL]
    assert (model.name, model.needed_by, model.state) == ("some/hub", ("wan", "other"), State.MISSING)
    assert model.remedy == "hf download some/hub"


def test_stand_ins_and_folders_need_no_model(suite) -> None:
    text = SUITE.replace("model: some/hub", "model: 'tiny:some/hub'", 1).replace("model: some/hub", "model: ./folder")
    assert not [one for one in requirements(suite(text)) if one.kind is Kind.MODEL]


def test_weights_go_from_missing_to_damaged_to_unchecked_to_ready(suite, tmp_path: Path, monkeypatch) -> None:
    def state() -> State:
        return by_name(requirements(suite(SUITE)))["AlexNet, backbone of LPIPS"].state

    assert state() is State.MISSING
    path = tmp_path / "TORCH_HOME" / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not AlexNet")
    assert state() is State.DAMAGED
    monkeypatch.setattr(needs, "check", lambda path, weights: False)
    assert state() is State.UNCHECKED
    monkeypatch.setattr(needs, "check", lambda path, weights: True)
    assert state() is State.READY


def test_metrics_of_image_sets_need_what_the_suite_names(suite, tmp_path: Path) -> None:
    found = by_name(requirements(suite(IMAGES)))
    assert found["Inception v3 of FID"].path == tmp_path / "inception.pth"
    assert found["reference.npz"].state is State.MISSING
    (tmp_path / "reference.npz").touch()
    assert by_name(requirements(suite(IMAGES)))["reference.npz"].state is State.UNCHECKED


def test_inceptions_place_may_be_unsaid(suite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INCEPTION_WEIGHTS", raising=False)
    found = by_name(requirements(suite(IMAGES.replace(", inception_weights: inception.pth", ""))))
    assert "$INCEPTION_WEIGHTS" in found["Inception v3 of FID"].place
    assert found["Inception v3 of FID"].path is None


def test_vbenchs_prompts_need_what_their_dimensions_do(vbench: LoadedSuite) -> None:
    found = by_name(requirements(vbench))
    assert found["CLIP ViT-B/32"].needed_by == ("appearance_style",)
    assert found["GRiT ViT-B"].needed_by == ("color",)
    assert found["detectron2 at 02b5c4e"].needed_by == found["bert-base-uncased"].needed_by == ("color",)
    assert "overall_consistency" in found["vbench 0.1.5"].needed_by
    assert "temporal_flickering" not in found["vbench 0.1.5"].needed_by, "it is scored without VBench's environment"
    assert "Tag2Text, Swin-B" not in found


def test_a_dimension_is_unavailable_for_every_thing_that_it_lacks(suite, monkeypatch: pytest.MonkeyPatch) -> None:
    assert unavailable_dimensions(suite(SUITE).vbench_dimensions) == {}
    asking = suite(SUITE + "vbench: {dimensions: [temporal_flickering, motion_smoothness]}\n").vbench_dimensions
    assert unavailable_dimensions(asking) == {"motion_smoothness": "AMT-S is missing; vbench 0.1.5 is missing"}
    monkeypatch.setattr("harness.doctor.packages.holds", lambda *asked: True)
    assert unavailable_dimensions(asking) == {"motion_smoothness": "AMT-S is missing"}


def test_prompts_that_differ_in_case_need_a_disk_that_tells_them_apart(
    vbench: LoadedSuite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def disk(store: str) -> list[Requirement]:
        return [one for one in requirements(vbench, store) if one.kind is Kind.DISK]

    assert [one.state for one in disk(str(tmp_path / "not" / "yet"))] == [State.READY]
    assert disk("s3://bucket/runs") == []
    monkeypatch.setattr(needs, "tells_case_apart", lambda folder: False)
    (one,) = disk(str(tmp_path))
    assert one.state is State.MISSING
    with pytest.raises(NeedError, match="differ in case"):
        refuse_lacking([one], vbench, ())


class TestRefusing:
    def test_says_each_thing_in_a_line_and_both_ways_out(self, suite) -> None:
        loaded = suite(SUITE)
        with pytest.raises(NeedError) as caught:
            refuse_lacking(requirements(loaded), loaded, ["wan"])
        said = str(caught.value).splitlines()
        assert len(said) == 3
        assert "some/hub is missing: hf download some/hub" in said[0]
        assert "alexnet-owt-7be5be79.pth" in said[1]
        assert "harness doctor" in said[2]
        assert "--allow-missing" in said[2]

    def test_is_only_for_models_that_rows_run_on(self, suite) -> None:
        loaded = suite(SUITE.replace(", lpips", ""))
        refuse_lacking(requirements(loaded), loaded, [])

    def test_leaves_dimensions_alone_that_are_scored_elsewhere(self, vbench: LoadedSuite) -> None:
        found = [one for one in requirements(vbench) if {*QUALITY, *SEMANTIC} & {*one.needed_by}]
        assert found
        refuse_lacking(found, vbench, ["wan"])
        scored_here = vbench.suite.model_copy(update={"vbench": VBenchEntry()})
        with pytest.raises(NeedError, match=r"AMT-S|CLIP"):
            refuse_lacking(found, vbench.model_copy(update={"suite": scored_here}), ["wan"])


class TestShowing:
    def test_what_is_lacking_comes_first_with_its_size_and_place(self, suite) -> None:
        found = requirements(suite(SUITE))
        states = [line[0] for line in lines(found)]
        assert states == sorted(states, key=lambda state: state != "missing")
        alexnet = next(line for line in lines(found) if "AlexNet" in line[1])
        assert alexnet[2:4] == ("~244 MB", "lpips")

    def test_steps_say_what_to_do_about_it_once(self, suite) -> None:
        found = requirements(suite(SUITE))
        assert len(steps((*found, *found))) == 2
        assert all("torchmetrics" not in step for step in steps(found))

    def test_json_has_null_for_what_is_not_known(self, suite) -> None:
        said = json_object(requirements(suite(SUITE)))
        assert not said["complete"]
        (alexnet,) = [one for one in said["requirements"] if one["sha256"] == "7be5be79"]
        assert alexnet["bytes"] is None
        assert alexnet["url"].startswith("https://download.pytorch.org/")

    def test_paths_name_no_user(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/somebody")
        assert shown(Path("/home/somebody/.cache/a")) == "~/.cache/a"
        assert shown(Path("/data/a")) == "/data/a"

    @pytest.mark.parametrize(
        ("exact", "about", "said"),
        [(1356917, None, "1.36 MB"), (None, 932e6, "~932 MB"), (None, 1.71e9, "~1.71 GB"), (None, None, "unknown")],
    )
    def test_sizes(self, exact: int | None, about: float | None, said: str) -> None:
        one = Requirement(
            ("scene",), Kind.FILE, "A", State.MISSING, "there", "get it", exact, int(about) if about else None
        )
        assert one.size == said
