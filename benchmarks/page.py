"""How long report.html takes with thousands of videos, in headless Chromium, from disk.

Made up are the records and one small clip that stands for every video; the page, its files and its links are what
`harness report` writes. Each load is a fresh browser context, so that nothing is cached by it; the first one
also starts the browser's processes and is not counted.

    python benchmarks/page.py --videos 5000 --out docs/measurements/page.md
    python benchmarks/page.py --report runs/reports/quickstart --screenshots docs/page
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
import platform
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# Run as a script, methods.py beside this file would be found as the package `methods`; the made-up suite is in tests/.
sys.path[0] = str(Path(__file__).parents[1])

from playwright.sync_api import Browser, Page, sync_playwright

from reports.page.page import write_page
from reports.results import collect
from tests.reports.synthetic import ROWS, synthetic, video_bytes

LOADS = 5
SAMPLES = 2
PLAYABLE = "() => [...document.querySelectorAll('video')].every(video => video.readyState >= 2 && !video.seeking)"
DESKTOP, PHONE = (1280, 900), (390, 844)


def large_report(folder: Path, videos: int) -> tuple[int, float]:
    """Write the page of a suite of so many videos or a few more; how many, and the seconds from results to files."""
    source = synthetic(prompts=math.ceil(videos / (len(ROWS) * SAMPLES)), samples=SAMPLES)
    clip = video_bytes(0, 0, 0.0)
    source.files = {record.video: clip for record in source.done.values() if record.video is not None}
    results = collect(source, source.suite)
    started = time.perf_counter()
    write_page(results, source, folder)
    return len(source.files), time.perf_counter() - started


def milliseconds(page: Page, act: Any, done: str) -> float:
    """From an action to a state of the page."""
    started = time.perf_counter()
    act()
    page.wait_for_function(done)
    return 1000 * (time.perf_counter() - started)


def one_load(browser: Browser, address: str, last_line: int) -> dict[str, float]:
    """One reader's way through the page; milliseconds, but for what says otherwise."""
    requests: list[str] = []
    with browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}) as context:
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        found = {
            "open the table of videos": milliseconds(
                page,
                lambda: page.goto(f"{address}#view=videos"),
                "() => document.documentElement.dataset.ready && document.querySelectorAll('#videos tbody th').length",
            )
        }
        found["files read until then"] = float(len(requests))
        found["lines of the table that exist"] = float(page.locator("#videos tbody tr:not(.spacer)").count())
        found["sort by PSNR"] = milliseconds(
            page,
            lambda: page.locator("#videos").get_by_role("button", name="PSNR").click(),
            "() => document.querySelector('#videos th[data-name=psnr][aria-sort=ascending]')",
        )
        found["go to the last line"] = milliseconds(
            page,
            lambda: page.locator("#videos .scroller").evaluate("element => element.scrollTo(0, element.scrollHeight)"),
            f"() => document.querySelector('#videos tr[aria-rowindex=\"{last_line}\"]')",
        )
        found["open a comparison, all its videos ready"] = milliseconds(
            page,
            lambda: page.locator("#videos tbody th a").last.click(),
            f"() => document.querySelectorAll('.tile').length === {len(ROWS)} && ({PLAYABLE})()",
        )
        found["one frame on, in all of them"] = milliseconds(
            page, lambda: page.locator("#step-forward").click(), f"() => Number(scrub.value) === 1 && ({PLAYABLE})()"
        )
        found["MB of scripts' memory"] = page.evaluate("performance.memory.usedJSHeapSize") / 1e6
        found["videos read"] = float(len({url for url in requests if url.endswith(".mp4")}))
    return found


def table(loads: list[dict[str, float]]) -> list[str]:
    """Medians and ranges."""
    lines = ["| | median | lowest | highest |", "| :--- | ---: | ---: | ---: |"]
    for name in loads[0]:
        values = [load[name] for load in loads]
        counted = ("files", "lines", "videos", "MB")
        unit = "" if name.startswith(counted) else " ms"
        shown = [f"{value:.0f}{unit}" for value in (statistics.median(values), min(values), max(values))]
        lines.append(f"| {name} | {' | '.join(shown)} |")
    return lines


def measure(browser: Browser, videos: int) -> str:
    """The whole measurement as Markdown."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        count, seconds = large_report(folder, videos)
        data_bytes = sum(path.stat().st_size for path in (folder / "page" / "data").iterdir())
        address = (folder / "report.html").as_uri()
        loads = [one_load(browser, address, count + 1) for _ in range(LOADS + 1)][1:]
    lines = [
        f"# report.html with {count} videos",
        "",
        f"Written by `python benchmarks/page.py --videos {videos}` on {datetime.date.today().isoformat()}: "
        f"{platform.platform()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}, "
        f"Chromium {browser.version}. {LOADS} loads from disk, each in a fresh browser context.",
        "",
        *table(loads),
        "",
        f"Writing the page took {seconds:.1f} s, its data are {data_bytes / 1e6:.1f} MB.",
    ]
    return "\n".join(lines) + "\n"


def screenshots(browser: Browser, report: Path, folder: Path) -> None:
    """The three views on a desk, in the dark and on a phone."""
    folder.mkdir(parents=True, exist_ok=True)
    address = (report / "report.html").absolute().as_uri()
    compare = "#view=compare&prompt=1&frame=4"
    for name, size, scheme, fragment in (
        ("methods", DESKTOP, "light", "#view=methods"),
        ("videos-dark", DESKTOP, "dark", "#view=videos&sort=psnr&order=ascending"),
        ("compare", DESKTOP, "light", compare),
        ("difference-dark", DESKTOP, "dark", f"{compare}&difference=original&gain=6"),
        ("compare-phone", PHONE, "light", compare),
        ("videos-phone", PHONE, "light", "#view=videos"),
    ):
        viewport = {"width": size[0], "height": size[1]}
        with browser.new_context(viewport=viewport, color_scheme=scheme) as context:  # type: ignore[arg-type]
            page = context.new_page()
            page.goto(address + fragment)
            page.wait_for_selector("html[data-ready]")
            page.wait_for_function(PLAYABLE)
            page.screenshot(path=folder / f"{name}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=5000)
    parser.add_argument("--out", type=Path, help="Markdown file to write as well")
    parser.add_argument("--report", type=Path, help="folder of a report, for --screenshots")
    parser.add_argument("--screenshots", type=Path, help="folder for pictures of --report; nothing is measured then")
    options = parser.parse_args()
    if (options.report is None) != (options.screenshots is None):
        parser.error("--report and --screenshots go together")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        parser.error("none of chromium, chromium-browser and google-chrome is on the PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        if options.screenshots is not None:
            screenshots(browser, options.report, options.screenshots)
        else:
            text = measure(browser, options.videos)
            print(text, end="")
            if options.out is not None:
                options.out.write_text(text, encoding="utf-8")
        browser.close()


if __name__ == "__main__":
    main()
