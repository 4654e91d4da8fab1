"""The command line as people and scripts use it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from harness.cli import app, main

ROOT = Path(__file__).parents[2]
QUICKSTART = ROOT / "suites" / "quickstart.yaml"

runner = CliRunner()


def run_main(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command, error handling included."""
    monkeypatch.setattr(sys, "argv", ["harness", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    code = (
        "import sys, harness.cli\n"
        "heavy = {'torch', 'diffusers', 'ray', 'mlflow', 'pandas', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_plan_prints_one_json_object_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run_main(monkeypatch, capsys, "plan", str(QUICKSTART), "--json")

    said = json.loads(out)
    assert code == 0
    assert set(said) == {"suite", "cells", "rows"}
    assert {"row", "family", "method", "config", "cells", "skip_reason"} == set(said["rows"][0])
    assert said["cells"] == sum(row["cells"] for row in said["rows"]) == 7 * 48


def test_the_plan_table_names_every_row(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run_main(monkeypatch, capsys, "plan", str(QUICKSTART))

    assert code == 0
    for row in ("original", "fewer_steps (num_inference_steps=10)", "teacache", "fora", "pab"):
        assert row in out


def test_the_plan_of_a_variant_is_named_after_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = run_main(monkeypatch, capsys, "plan", str(QUICKSTART), "--json", "--tiny", "--first-prompts", "2")

    assert code == 0
    assert (json.loads(out)["suite"], json.loads(out)["cells"]) == ("quickstart-tiny-first2", 7 * 2)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"methodz": []}, "did you mean 'methods'?"),
        ({"samples": 0}, "samples"),
        ({"metrics": ["psnrr"]}, "did you mean 'psnr'?"),
        ({"methods": [{"method": "teacahe"}]}, "did you mean 'teacache'?"),
        ({"methods": [{"method": "teacache", "rel_l1_tresh": 0.1}]}, "did you mean 'rel_l1_thresh'?"),
        ({"methods": [{"method": "fora", "cache_interval": 0}]}, "cache_interval"),
    ],
)
def test_a_bad_suite_is_one_line_and_exit_code_1(
    change: dict[str, object],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))
    data["models"]["shapes"]["model"] = str(ROOT / "harness" / "shapes" / "model")
    data["prompts"] = ["a prompt"]
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(data | change), encoding="utf-8")

    code, out, err = run_main(monkeypatch, capsys, "plan", str(path))

    assert code == 1
    assert out == ""
    assert err.startswith(f"error: {path}:")
    assert err.count("\n") == 1
    assert expected in err


def test_a_suite_in_a_store_may_be_called_like_a_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`harness report methods` in this repository means the suite, not the package."""
    (tmp_path / "methods").mkdir()
    monkeypatch.chdir(tmp_path)
    code, _, err = run_main(monkeypatch, capsys, "status", "methods", "--store", str(tmp_path / "runs"))
    assert code == 1
    assert "directory" not in err
    assert "methods" in err


@pytest.mark.parametrize("command", ["report", "status", "track"])
def test_asking_for_a_suite_that_never_ran_names_the_remedy(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run_main(monkeypatch, capsys, command, "nothing", "--store", str(tmp_path))

    assert code == 1
    assert "harness run" in err
    assert err.count("\n") == 1


def test_the_ui_without_anything_tracked_names_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    code, _, err = run_main(monkeypatch, capsys, "ui", "--store", str(tmp_path))

    assert code == 1
    assert "harness track" in err


def test_every_command_is_in_the_readme_and_every_command_there_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    known = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    groups = {group.name for group in app.registered_groups}
    mentioned = set(re.findall(r"^(?:eval \"\$\()?harness ([\w-]+)", readme, re.MULTILINE))

    assert mentioned <= known | groups
    assert known - mentioned <= {"schema"}


def test_the_committed_schema_is_current() -> None:
    printed = runner.invoke(app, ["schema"])

    assert printed.exit_code == 0
    assert json.loads(printed.stdout) == json.loads((ROOT / "suites" / "suite.schema.json").read_text(encoding="utf-8"))


def test_committed_suites_obey_the_schema() -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads((ROOT / "suites" / "suite.schema.json").read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema)
    suites = [path for path in (ROOT / "suites").glob("*.yaml") if not path.name.endswith(".example.yaml")]

    assert suites
    for path in suites:
        assert not list(validator.iter_errors(yaml.safe_load(path.read_text(encoding="utf-8")))), path
    broken = yaml.safe_load(QUICKSTART.read_text(encoding="utf-8"))
    broken["methods"][0]["method"] = "teacahe"
    assert list(validator.iter_errors(broken))


COST_SUITE = """\
models:
  tiny: {family: wan, model: "tiny:some/hub", sampling: {num_inference_steps: 4}}
prompts: [a red circle]
methods:
  - method: original
  - {method: fora, name: FORA, cache_interval: 2, published: {speedup: 2, source: a paper}}
  - {method: teacache, rel_l1_thresh: 0.1}
planned:
  - {name: Soon, models: [tiny], num_inference_steps: 4, full_steps: 1, reason: nobody has made it yet}
"""


def test_plan_prices_rows_and_shows_what_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "priced.yaml"
    path.write_text(COST_SUITE, encoding="utf-8")

    options = ("--cost", "--json", "--device-rate", "0.5", "--slots", "2")
    code, out, _ = run_main(monkeypatch, capsys, "plan", str(path), *options)

    said = json.loads(out)
    rows = {row["row"]: row for row in said["rows"]}
    keys = {"flops", "theoretical_speedup", "nfe", "full_steps", "cache_bytes", "published_flops", "basis"}
    assert code == 0
    assert keys < set(rows["original"])
    assert rows["original"]["nfe"] == 8
    assert rows["FORA"]["theoretical_speedup"] > 1
    assert rows["FORA"]["published_speedup"] == 2
    assert rows["Soon"]["skip_reason"] == "nobody has made it yet"
    assert rows["Soon"]["flops"] * 4 == rows["original"]["flops"]
    assert rows["teacache (rel_l1_thresh=0.1)"]["flops"] is None
    assert said["gpu_hours"] == pytest.approx(rows["original"]["gpu_hours"] + rows["FORA"]["gpu_hours"])
    assert said["ends_after"]["slots"] == 2
    assert said["gpu_hours"] * 3600 / 2 <= said["ends_after"]["lower_s"] <= said["ends_after"]["upper_s"]

    code, out, _ = run_main(monkeypatch, capsys, "plan", str(path), "--cost")
    assert code == 0
    assert "Soon: nobody has made it yet" in out
    assert re.search(r"^ FORA .* 2\.00 .* schedule", out, re.MULTILINE)

    code, out, _ = run_main(monkeypatch, capsys, "plan", str(path))
    assert code == 0
    assert re.search(r"Soon .*nobody has made it", out)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--device-rate", "1"), "add it"),
        (("--slots", "64"), "add it"),
        (("--cost", "--slots", "64"), "give --device-rate or --device-rate-from"),
        (("--cost", "--device-rate", "1", "--device-rate-from", "x"), "leave one out"),
    ],
)
def test_options_of_a_price_that_make_no_sense_are_refused(
    options: tuple[str, ...],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "priced.yaml"
    path.write_text(COST_SUITE, encoding="utf-8")

    code, _, err = run_main(monkeypatch, capsys, "plan", str(path), *options)

    assert code == 1
    assert expected in err
