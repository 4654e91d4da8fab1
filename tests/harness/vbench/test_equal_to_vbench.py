"""The same digits as `VBench.evaluate` of the real package, per video and in all, on random weights in its formats.

Needs VBench's environment (`harness doctor --install vbench`). Small models alone, unless HARNESS_VBENCH_ALL is set:
then every dimension that random weights can be written for, which takes 5 GB of disk and minutes.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from harness.vbench.package import VERSION
from harness.vbench.scoring_environment import INSTALL, holds, scoring_python

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
SMALL = ("temporal_flickering", "motion_smoothness", "dynamic_degree", "imaging_quality")
THREADS = {"OMP_NUM_THREADS": "1"}

pytestmark = pytest.mark.skipif(
    not holds(scoring_python(), "vbench", VERSION), reason=f"VBench's environment is not there; run `{INSTALL}`"
)


def test_every_score_is_vbenchs_to_the_last_digit(tmp_path: Path) -> None:
    everything = "HARNESS_VBENCH_ALL" in os.environ
    chosen = () if everything else SMALL
    environment = os.environ | THREADS
    made = [str(scoring_python()), str(BENCHMARKS / "vbench_random_weights.py"), str(tmp_path / "weights"), *chosen]
    subprocess.run(made, check=True, env=environment, capture_output=True)
    options = ["--weights", str(tmp_path / "weights"), "--videos", "2", "--frames", "4", "--size", "128x160"]
    options += [part for name in chosen for part in ("--dimension", name)]
    command = [sys.executable, str(BENCHMARKS / "vbench_scoring.py"), *options]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    compared = re.findall(r"^\| ([a-z_, ]+) \| [^|]+ \| [^|]+ \| [^|]+ \| yes \|$", ran.stdout, re.MULTILINE)
    names = {name for line in compared for name in line.split(", ")}
    assert names >= set(SMALL)
    assert len(names) == (11 if everything else len(SMALL))
