"""The leaderboard's submission: a zip of results as VBench writes them, checked before anybody uploads it.

The leaderboard (Vchitect/VBench_Leaderboard, app.py) and Vchitect/VBench@5ebbf0b, scripts/cal_final_score.py, unpack it
and read every JSON mapping, at the top or one folder below: `{dimension: [value, ...]}`. A dimension that they do not
find counts as 0 there; of one that is there twice the value read last counts. Here both are refused.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from harness.dimensions import QUALITY, SEMANTIC
from harness.errors import VBenchError
from harness.vbench.scores import VBenchScores, vbench_scores

DIMENSIONS: Final = QUALITY + SEMANTIC
RESULTS_ENDING: Final = "_eval_results.json"
"""Ends the names of VBench's result files."""
MEMBER: Final = f"vbench{RESULTS_ENDING}"
ZIP_NAME: Final = "eval_results.zip"


@dataclass(frozen=True)
class DimensionResult:
    """What VBench found of one dimension."""

    value: float
    """Raw, as VBench prints it."""
    videos: tuple[Mapping[str, Any], ...]
    """VBench's entry for each video; of `video_path` the name alone, so that no machine is named."""

    def __post_init__(self) -> None:
        """Leave folders out of the videos' paths."""
        object.__setattr__(self, "videos", tuple(_named(video) for video in self.videos))

    @property
    def names(self) -> set[str]:
        """File names of the videos that have a result."""
        return {str(video["video_path"]) for video in self.videos}


def _named(video: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**video, "video_path": PurePosixPath(str(video["video_path"])).name}


def read_results(folder: Path) -> dict[str, DimensionResult]:
    """What VBench's command wrote into a folder, by dimension.

    Raises:
        VBenchError: no results are there, a file is none, or a dimension is there twice.
    """
    found: dict[str, DimensionResult] = {}
    paths = sorted(folder.glob(f"*{RESULTS_ENDING}"))
    if not paths:
        raise VBenchError(f"{folder} holds no *{RESULTS_ENDING}; give the folder that VBench wrote its results into")
    for path in paths:
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            results = {name: DimensionResult(float(value), tuple(videos)) for name, (value, videos) in data.items()}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise VBenchError(f"{path} is no file of VBench's results ({error}); score the folder again") from None
        for name, result in results.items():
            if name in found:
                raise VBenchError(f"{path}: {name} is in another file of {folder} too; keep one of them")
            found[name] = result
    return found


def check_results(results: Mapping[str, DimensionResult], expected: Mapping[str, Sequence[str]]) -> None:
    """Make sure that the results are of all sixteen dimensions, and of exactly the `expected` videos of each.

    `color` may lack videos, since VBench leaves out those in which it finds no object.

    Raises:
        VBenchError: with a line for each thing wrong.
    """
    wrong = [f"{name} is missing; score it, or it counts as 0 there" for name in DIMENSIONS if name not in results]
    for name, result in results.items():
        if name not in DIMENSIONS:
            wrong.append(f"{name} is no dimension of VBench; remove its file")
            continue
        if not math.isfinite(result.value):
            wrong.append(f"{name} is {result.value}; its videos were not found, so stage them again")
        wanted = set(expected[name])
        missing, strange = wanted - result.names, result.names - wanted
        if len(result.videos) != len(result.names):
            wrong.append(f"{name} has two results of one video; score it again")
        if strange:
            wrong.append(f"{name} has results of {len(strange)} other videos, e.g. {min(strange)!r}; stage them anew")
        if missing and not (name == "color" and result.names):
            wrong.append(f"{name} has no result of {len(missing)} of {len(wanted)} videos, e.g. {min(missing)!r}")
    if wrong:
        raise VBenchError("\n".join(wrong))


def write_submission(results: Mapping[str, DimensionResult], path: Path) -> VBenchScores:
    """Write the zip, and give the scores that the leaderboard reads out of it.

    Raises:
        VBenchError: what is in the zip does not give the same sixteen values; see `read_submission`.
    """
    content = {name: [results[name].value, list(results[name].videos)] for name in DIMENSIONS}
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as target:
        # A fixed date, so that the same results give the same file.
        member = zipfile.ZipInfo(MEMBER, (1980, 1, 1, 0, 0, 0))
        target.writestr(member, json.dumps(content, indent=4, allow_nan=False), zipfile.ZIP_DEFLATED)
    return vbench_scores(read_submission(path))


def read_submission(path: Path) -> dict[str, float]:
    """A zip's raw values by dimension, found where the leaderboard looks for them.

    Raises:
        VBenchError: it is no zip, holds what the leaderboard cannot read, or lacks or repeats a dimension.
    """
    values: dict[str, float] = {}
    try:
        with zipfile.ZipFile(path) as source:
            for member in source.namelist():
                parts = PurePosixPath(member).parts
                if not member.endswith(".json") or len(parts) > 2 or parts[0].startswith((".", "__")):
                    continue
                data = json.loads(source.read(member))
                for key, result in data.items() if isinstance(data, dict) else ():
                    name = key.replace(" ", "_")
                    if name in values:
                        raise VBenchError(f"{path}: {name} is there twice; keep one")
                    values[name] = float(result[0])
    except (OSError, ValueError, TypeError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise VBenchError(f"{path} is no submission ({error}); write it again") from None
    missing = [name for name in DIMENSIONS if name not in values]
    if missing:
        raise VBenchError(f"{path} lacks {', '.join(missing)}, which the leaderboard takes for 0")
    return values
