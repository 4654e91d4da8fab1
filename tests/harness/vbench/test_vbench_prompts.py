"""VBench's prompts: the real list where its package is there, and what is made of a small one."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from harness.dimensions import QUALITY, SEMANTIC
from harness.errors import VBenchError
from harness.vbench.names import differing_in_case, video_name
from harness.vbench.package import INSTALL, full_info, wheel_path
from harness.vbench.prompts import extended, vbench_prompts, with_flickering_samples

needs_package = pytest.mark.skipif(not wheel_path().is_file(), reason=f"VBench's wheel is not there: {INSTALL}")


@needs_package
class TestRealList:
    def test_946_entries_are_944_prompts(self) -> None:
        assert len(full_info()) == 946
        assert len(vbench_prompts()) == len({prompt.prompt for prompt in vbench_prompts()}) == 944

    def test_each_dimension_has_as_many_as_its_paper_says(self) -> None:
        counts = Counter(name for prompt in vbench_prompts() for name in prompt.dimensions)
        assert set(counts) == {*QUALITY, *SEMANTIC}
        assert (counts["temporal_flickering"], counts["human_action"], counts["scene"]) == (75, 100, 86)

    def test_one_pair_differs_in_case_and_one_prompt_is_not_ascii(self) -> None:
        names = [prompt.prompt for prompt in vbench_prompts()]
        assert differing_in_case(names) == [("a fantasy landscape", "A fantasy landscape")]
        assert [name for name in names if not name.isascii()] == [name for name in names if "façades" in name]

    def test_every_name_fits_a_file_system(self) -> None:
        names = [video_name(prompt.prompt, 24) for prompt in vbench_prompts()]
        assert max(len(name.encode()) for name in names) <= 255
        assert not any("/" in name for name in names)

    def test_25_samples_for_temporal_flickering_are_6220_videos(self) -> None:
        more = with_flickering_samples(vbench_prompts(), 25)
        assert sum(prompt.samples or 5 for prompt in more) == 6220


def test_a_prompt_that_is_there_twice_has_the_dimensions_of_both(wheel: Path) -> None:
    found = {prompt.prompt: prompt.dimensions for prompt in vbench_prompts()}
    assert list(found) == ["a red car", "a still life", "the bund, oil painting", "A Red Car"]
    assert found["the bund, oil painting"] == ("appearance_style", "overall_consistency", "aesthetic_quality")


def test_only_the_dimensions_asked_for_are_left(wheel: Path) -> None:
    found = vbench_prompts(["aesthetic_quality"])
    assert [(prompt.prompt, prompt.dimensions) for prompt in found] == [
        ("A Red Car", ("aesthetic_quality",)),
        ("the bund, oil painting", ("aesthetic_quality",)),
    ]


def test_only_prompts_for_flickering_get_more_samples(wheel: Path) -> None:
    assert [prompt.samples for prompt in with_flickering_samples(vbench_prompts(), 25)] == [None, 25, None, None]


class TestExtensions:
    def test_a_mapping_changes_what_is_told_and_no_name(self, wheel: Path, tmp_path: Path) -> None:
        path = tmp_path / "extended.json"
        path.write_text(json.dumps({prompt.prompt: f"{prompt.prompt}, at dawn" for prompt in vbench_prompts()}))
        found = extended(vbench_prompts(), path)
        assert (found[0].prompt, found[0].text) == ("a red car", "a red car, at dawn")
        assert [prompt.prompt for prompt in found] == [prompt.prompt for prompt in vbench_prompts()]

    def test_lines_are_those_of_the_entries_and_the_first_of_two_counts(self, wheel: Path, tmp_path: Path) -> None:
        path = tmp_path / "extended.txt"
        path.write_text("car\nlife\nfirst\nCAR\nsecond\n")
        assert [prompt.text for prompt in extended(vbench_prompts(), path)] == ["car", "life", "first", "CAR"]

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("e.txt", "one\ntwo\n", "has 2 lines; give one for each of VBench's 5 entries"),
            ("e.txt", "car\n\nfirst\nCAR\nsecond\n", "extends 1 of 4 prompts not, e.g. 'a still life'"),
            ("e.txt", "car\nlife\nfirst\ncar\nx\n", "extends 'a red car' and 'A Red Car' to the same text"),
            ("e.json", '{"a blue car": "x"}', "extends 'a blue car', which VBench does not have"),
            ("e.json", '{"a red car": "x"}', "extends 3 of 4 prompts not"),
            ("e.json", '["a red car"]', "is no mapping"),
            ("e.json", "{", "cannot be read"),
            ("gone.json", None, "cannot be read"),
        ],
    )
    def test_what_is_wrong_with_a_file_is_one_line(
        self, wheel: Path, tmp_path: Path, name: str, content: str | None, said: str
    ) -> None:
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(VBenchError) as caught:
            extended(vbench_prompts(), tmp_path / name)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)
