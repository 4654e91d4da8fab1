"""A training's progress where there is no terminal, and on one."""

from __future__ import annotations

import io

from rich.console import Console

from harness.training.progress import TrainingProgress
from methods.training.loop import Progress


def at(iteration, eta_s=0.0):
    return Progress(iteration, 100, {"student": 0.25}, {}, 1.0, eta_s)


def test_lines_come_now_and_then_and_at_the_end():
    out, now = io.StringIO(), [0.0]
    with TrainingProgress("meanflow", Console(file=out, width=200), clock=lambda: now[0]) as progress:
        for iteration, seconds in ((1, 0.0), (2, 1.0), (3, 20.0), (100, 21.0)):
            now[0] = seconds
            progress(at(iteration, eta_s=65.0 if iteration < 100 else 0.0))
    assert out.getvalue().splitlines() == [
        "meanflow: iteration 1 of 100: student 0.25, 1:05 left",
        "meanflow: iteration 3 of 100: student 0.25, 1:05 left",
        "meanflow: iteration 100 of 100: student 0.25",
    ]


def test_encoding_is_said_as_seldom():
    out, now = io.StringIO(), [0.0]
    progress = TrainingProgress("meanflow", Console(file=out, width=200), clock=lambda: now[0])
    for done, seconds in ((0, 0.0), (64, 1.0), (128, 16.0)):
        now[0] = seconds
        progress.encoding(done, 200)
    assert out.getvalue().splitlines() == ["meanflow: 0 of 200 clips encoded", "meanflow: 128 of 200 clips encoded"]


def test_a_terminal_has_a_bar():
    out = io.StringIO()
    with TrainingProgress("meanflow", Console(file=out, width=120, force_terminal=True)) as progress:
        progress(at(40, eta_s=5.0))
    assert "40/100" in out.getvalue()
    assert "0:05 left" in out.getvalue()
