"""`harness doctor`: parsing and wiring, as in `harness.cli`."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.errors import NeedError, SuiteError

if TYPE_CHECKING:
    from harness.doctor.requirement import Requirement


class Installable(StrEnum):
    """What `--install` can put in place."""

    VBENCH_PROMPTS = "vbench-prompts"
    VBENCH = "vbench"


def doctor(
    suite: Annotated[
        Path | None, typer.Argument(help="Suite file, e.g. suites/quickstart.yaml", show_default=False)
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="Results folder or URL; the suite's where left out")
    ] = None,
    fetch: Annotated[bool, typer.Option("--fetch", help="Download weight files that are missing or damaged")] = False,
    install: Annotated[
        Installable | None,
        typer.Option(
            "--install", help="vbench-prompts: VBench's prompts, 0.4 MB; vbench: its scorers' environment, 7 GB"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on standard output, nothing else")] = False,
) -> None:
    """List what a suite needs beside this repository, and whether it is here; exit code 1 if something lacks."""
    if install is not None:
        print(f"{install}: {_install(install)}", file=sys.stderr)
        if suite is None:
            return
    if suite is None:
        raise SuiteError("say which suite: harness doctor suites/quickstart.yaml")
    from harness.cli import _print_json, _print_table
    from harness.doctor.needs import requirements
    from harness.doctor.table import HEADER, json_object, lines, steps
    from harness.suite import load_suite

    loaded = load_suite(suite)
    found = requirements(loaded, store)
    if fetch and _fetch(found):
        found = requirements(loaded, store)
    if as_json:
        _print_json(json_object(found))
    else:
        _print_table(HEADER, list(lines(found)), whole=True)
        for number, step in enumerate(steps(found), start=1):
            print(f"{number}. {step}")
    if any(one.lacking for one in found):
        raise typer.Exit(1)


def _install(what: Installable) -> Path:
    """Put something in its place; where that is."""
    from harness.vbench.package import install_wheel
    from harness.vbench.scoring_environment import install_environment

    return install_wheel() if what is Installable.VBENCH_PROMPTS else install_environment()


def _fetch(found: tuple[Requirement, ...]) -> bool:
    """Download what can be, one after the other; whether there was anything. What fails is a warning."""
    from harness.doctor.fetch import fetch

    wanted = [one for one in found if one.lacking and one.weights is not None and one.path is not None]
    for one in wanted:
        assert one.weights is not None
        assert one.path is not None
        print(f"{one.weights.url} -> {one.place}", file=sys.stderr)
        try:
            checked = fetch(one.weights, one.path, _Shown())
        except NeedError as error:
            print(f"warning: {error}", file=sys.stderr)
        else:
            print("its hash is right" if checked else "no hash of it is published to check it by", file=sys.stderr)
    return bool(wanted)


class _Shown:
    """Says how far a download is, every tenth of it."""

    def __init__(self) -> None:
        self._tenths = 0

    def __call__(self, done: int, total: int | None) -> None:
        tenths = 10 * done // total if total else 0
        if tenths > self._tenths:
            self._tenths = tenths
            print(f"{10 * tenths:>5} %", file=sys.stderr)
