"""The prompt lists that ship are those of the code, and what is calibrated on is never evaluated on."""

from __future__ import annotations

from pathlib import Path

from harness.shapes.prompts import calibration_prompts, held_out_prompts

PROMPTS = Path(__file__).parents[3] / "suites" / "prompts"


def lines(name):
    return (PROMPTS / name).read_text(encoding="utf-8").splitlines()


def test_the_committed_lists_are_current():
    assert lines("shapes_heldout.txt") == held_out_prompts(128)
    assert lines("shapes_calibration.txt") == calibration_prompts(100)


def test_no_prompt_is_in_both():
    assert not set(calibration_prompts(100)) & set(held_out_prompts(128))


def test_any_beginning_is_balanced():
    first = calibration_prompts(8)
    assert sum(" above " in prompt or " left of " in prompt for prompt in first) == 4
