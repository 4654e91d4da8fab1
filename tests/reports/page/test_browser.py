"""The page in a real browser: clicks, keys, videos, and the three places it is opened from."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from harness.tracking_page import fill_page
from reports.page.page import write_page
from reports.results import collect
from tests.reports.page.shown import MARKUP, NO_MEMORY, shown
from tests.reports.synthetic import synthetic

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Frame, Locator, Page

Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = shown()
    return write_page(collect(source, source.suite), source, tmp_path_factory.mktemp("report")).parent


@pytest.fixture(scope="module")
def long_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """5 040 cells without videos."""
    source = synthetic(prompts=360, samples=2)
    return write_page(collect(source, source.suite), source, tmp_path_factory.mktemp("long")).parent


@pytest.fixture
def open_page(browser: Browser, folder: Path) -> Iterator[Open]:
    """Opens the page from disk; fails the test if a script failed or anything outside of the folder was asked for."""
    wrong: list[str] = []
    contexts = []

    def open_it(
        fragment: str = "",
        *,
        at: str | None = None,
        width: int = 1280,
        scheme: str = "light",
        asked: list[str] | None = None,
    ) -> Page:
        base = at or (folder / "report.html").as_uri()
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)

        def note(url: str) -> None:
            if asked is not None:
                asked.append(url)
            if not url.startswith((base.rpartition("/")[0], "blob:", "data:")):
                wrong.append(f"asked for {url}")

        page.on("request", lambda request: note(request.url))
        page.goto(base + fragment)
        page.wait_for_selector("html[data-ready]")
        return page

    yield open_it
    for context in contexts:
        context.close()
    assert wrong == []


def column(page: Page, section: str, number: int) -> list[str]:
    """The texts of one column of a table, lines that stand for others left out."""
    return page.locator(f"#{section} tbody tr:not(.spacer) > :nth-child({number})").all_inner_texts()


def times(page: Page | Frame) -> list[float]:
    """Where each video is, in seconds, once all that can be loaded are and none is on its way elsewhere."""
    page.wait_for_function(
        "() => [...document.querySelectorAll('video')].every(video => video.readyState >= 2 && !video.seeking)"
    )
    found: list[float] = page.evaluate("[...document.querySelectorAll('video')].map(video => video.currentTime)")
    return found


def middle_s(frame: int) -> float:
    """The middle of a frame of the synthetic videos: 9 frames, 8 a second."""
    return (frame + 0.5) / 8


def pixels(element: Locator, painted: Callable[[npt.NDArray[np.uint8]], bool]) -> npt.NDArray[np.uint8]:
    """What is on the screen once it is `painted`: a frame that a video has already is shown a moment later."""
    deadline = time.monotonic() + 20
    while True:
        seen = np.asarray(Image.open(io.BytesIO(element.screenshot())).convert("RGB"))
        if painted(seen):
            return seen
        assert time.monotonic() < deadline, f"after 20 s: mean {seen.mean():.1f}, brightest {seen.max()}"


def test_methods_are_sorted_and_searched(open_page: Open) -> None:
    page = open_page()
    assert page.title() == "synthetic: videos and scores"
    assert column(page, "methods", 1) == ["original", "exact", "fewer_steps-10", "fora-3"]
    heading = page.get_by_role("button", name="Speedup")
    heading.click()
    assert column(page, "methods", 1) == ["fewer_steps-10", "fora-3", "exact", "original"]
    heading.click()
    assert column(page, "methods", 1) == ["original", "exact", "fora-3", "fewer_steps-10"]
    assert page.locator("th[data-name=speedup]").get_attribute("aria-sort") == "ascending"
    page.get_by_label("Find").fill("teaCACHE")
    assert column(page, "methods", 1) == ["exact"]
    page.get_by_label("Find").fill("")
    page.locator("#methods .absent summary").click()
    assert NO_MEMORY in page.locator("#methods .absent").inner_text()


def test_videos_are_filtered_by_prompt_method_and_dimension(open_page: Open) -> None:
    page = open_page("#view=videos")
    count = page.locator("#videos .count")
    assert count.inner_text() == "40 of 40 videos"
    page.get_by_label("Prompt").fill("scene 2")
    page.wait_for_function("() => document.querySelector('#videos .count').textContent.startsWith('8 of')")
    page.locator("#videos").get_by_label("Method").select_option("row:fora-3")
    page.wait_for_function("() => document.querySelector('#videos .count').textContent.startsWith('2 of')")
    assert column(page, "videos", 4) == ["oom", "ok"]
    page.locator("#videos").get_by_label("Dimension").select_option("psnr")
    page.wait_for_function("() => document.querySelector('#videos .count').textContent.startsWith('1 of')")
    page.get_by_label("Prompt").fill("")
    page.locator("#videos").get_by_label("Method").select_option("")
    # Of 30 cells with an original two have no video, and one began with other noise.
    page.wait_for_function("() => document.querySelector('#videos .count').textContent.startsWith('27 of')")
    psnr_db = [float(text) for text in column(page, "videos", 6)]
    assert psnr_db == sorted(psnr_db)
    page.locator("#videos").get_by_role("button", name="PSNR").click()
    page.wait_for_function("() => document.querySelector('#videos th[aria-sort=descending]')")
    assert [float(text) for text in column(page, "videos", 6)] == sorted(psnr_db, reverse=True)


def test_the_address_restores_a_selection(open_page: Open) -> None:
    page = open_page("#view=videos&method=method:teacache&sort=latency_s&order=descending")
    assert page.locator("#videos .count").inner_text() == "10 of 40 videos"
    seconds = [float(text) for text in column(page, "videos", 5)]
    assert seconds == sorted(seconds, reverse=True)
    assert page.locator("#videos").get_by_label("Method").input_value() == "method:teacache"


def test_thousands_of_videos_are_not_loaded(open_page: Open, long_folder: Path) -> None:
    asked: list[str] = []
    page = open_page("#view=videos", at=(long_folder / "report.html").as_uri(), asked=asked)
    assert page.locator("#videos .count").inner_text() == "5,040 of 5,040 videos"
    assert page.locator("#videos tbody tr").count() < 80
    assert page.locator("#videos table").get_attribute("aria-rowcount") == "5041"
    page.locator("#videos .scroller").evaluate("element => element.scrollTo(0, element.scrollHeight)")
    page.wait_for_selector("#videos tr[aria-rowindex='5041']")
    assert page.locator("#videos tr[aria-rowindex='5041'] th").inner_text() == "a red circle moving left, scene 359"
    assert page.locator("#videos tbody tr").count() < 80
    assert not [url for url in asked if "prompts-" in url or url.endswith(".mp4")]
    assert not [
        url
        for url in asked
        if "values-" in url and not url.endswith(("latency_s.mjs", "psnr.mjs", "ssim.mjs", "status.mjs"))
    ]
    page.locator("#videos tr[aria-rowindex='5041'] a").click()
    page.wait_for_selector("#compare .tile")
    assert len([url for url in asked if "prompts-" in url]) == 1


def test_from_the_table_into_a_comparison_and_back(open_page: Open) -> None:
    page = open_page("#view=videos&sort=psnr&order=ascending")
    page.locator("#videos tbody th a").first.click()
    page.wait_for_selector("#compare .tile")
    assert page.locator("#place").inner_text() == "1 of 10, by PSNR"
    assert page.locator("#compare .tile").first.get_attribute("data-row") == "original"
    page.go_back()
    page.wait_for_selector("#videos:not([hidden])")
    assert page.locator("#videos th[data-name=psnr]").get_attribute("aria-sort") == "ascending"


def test_all_videos_show_the_same_frame(open_page: Open) -> None:
    page = open_page("#view=compare&prompt=1&sample=1")
    assert times(page) == pytest.approx([middle_s(0)] * 4, abs=0.01)
    for _ in range(3):
        page.get_by_role("button", name="One frame on").click()
    assert times(page) == pytest.approx([middle_s(3)] * 4, abs=0.01)
    page.get_by_role("button", name="One frame back").click()
    assert page.locator("#frame").inner_text() == "Frame 3 of 9"
    page.get_by_label("Frame", exact=True).fill("7")
    assert times(page) == pytest.approx([middle_s(7)] * 4, abs=0.01)
    assert "frame=7" in page.url


def test_videos_play_in_sync_begin_anew_and_stop_on_one_frame(open_page: Open) -> None:
    page = open_page("#view=compare&prompt=1")
    times(page)
    page.get_by_label("Speed").select_option("0.5")
    page.locator("#play").click()
    assert page.locator("#play").inner_text() == "Pause"
    seen: set[int] = set()
    apart_s: list[float] = []
    fell_back = False
    last = 0
    for _ in range(200):
        now: list[float] = page.evaluate("[...document.querySelectorAll('video')].map(video => video.currentTime)")
        frame = int(page.locator("#scrub").input_value())
        fell_back |= frame < last
        last = frame
        seen.add(frame)
        apart_s.append(max(now) - min(now))
        if fell_back and len(seen) == 9:
            break
        page.wait_for_timeout(40)
    assert fell_back
    # A busy machine may skip a frame, but not most of them.
    assert len(seen) >= 5
    assert np.median(apart_s) < 1 / 8
    page.keyboard.press("Escape")
    page.go_back()
    page.wait_for_selector("#compare:not([hidden])")
    assert page.locator("#play").inner_text() == "Play"
    stopped = int(page.locator("#scrub").input_value())
    assert times(page) == pytest.approx([middle_s(stopped)] * 4, abs=0.01)


def test_difference_is_black_where_videos_are_equal(open_page: Open) -> None:
    page = open_page("#view=compare&prompt=1&sample=1&frame=4")
    times(page)
    tiles = {name: page.locator(f".tile[data-row='{name}'] .stage") for name in ("original", "exact", "fewer_steps-10")}
    pixels(tiles["exact"], lambda seen: seen.max() > 150)
    other = tiles["fewer_steps-10"]
    plain = pixels(other, lambda seen: seen.max() > 150).mean()
    page.get_by_label("Difference from").select_option("original")
    page.wait_for_selector(".stage.difference")
    assert len(times(page)) == 4 + 3
    assert page.locator(".tile[data-row=original] .stage.difference").count() == 0
    inner = (slice(4, -4), slice(4, -4))
    pixels(tiles["exact"], lambda seen: seen[inner].max() <= 2)
    page.locator("#gain").fill("1")
    weak = pixels(other, lambda seen: 0 < seen[inner].mean() < 0.5 * plain)[inner].mean()
    page.locator("#gain").fill("12")
    pixels(other, lambda seen: seen[inner].mean() > 1.5 * weak)
    assert "difference=original" in page.url
    assert "gain=12" in page.url


def test_strips_tell_what_was_done_at_each_step(open_page: Open) -> None:
    page = open_page("#view=compare&prompt=1")
    strip = page.get_by_role("slider", name="What fora-3 did at each step")
    readout = page.locator(".tile[data-row=fora-3] .readout")
    assert readout.inner_text() == "9 calls: 4 computed, 1 partly computed, 1 predicted, 3 reused"
    kinds = [
        page.locator(f".tile[data-row=fora-3] rect.{name}").count()
        for name in ("compute", "partial", "predict", "reuse")
    ]
    assert kinds == [4, 1, 1, 3]
    strip.focus()
    page.keyboard.press("ArrowRight")
    assert readout.inner_text() == "Step 1: cond reused (distance 0.03123); uncond reused"
    page.keyboard.press("ArrowRight")
    assert strip.get_attribute("aria-valuetext") == "Step 2: cond predicted; uncond partly computed (block_10)"
    page.keyboard.press("End")
    assert readout.inner_text() == "Step 3: cond computed; uncond computed; uncond reused"
    assert page.locator("#frame").inner_text() == "Frame 1 of 9"
    other = page.locator(".tile[data-row=original] .strip svg").first
    box = other.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 5)
    assert page.locator(".tile[data-row=original] .readout").inner_text() == "Step 1: cond computed"
    assert readout.inner_text().startswith("Step 1:")


def test_scores_stand_beside_each_video(open_page: Open) -> None:
    page = open_page("#view=compare&prompt=0&sample=0")
    exact = page.locator(".tile[data-row=exact] .scores").first.inner_text().split("\n")
    assert exact[exact.index("PSNR") + 1] == "32.00 dB"
    assert page.locator(".tile[data-row=original] .scores").first.inner_text().count("PSNR") == 0
    assert "left out" in page.locator(".tile[data-row='fewer_steps-10'] .remark").inner_text()
    page.locator(".tile[data-row=exact] .more summary").click()
    page.wait_for_function("() => [...document.querySelectorAll('.more')].every(details => details.open)")
    assert "Object Class" in page.locator(".tile[data-row=original] .more").inner_text()


def test_what_is_absent_says_why(open_page: Open) -> None:
    page = open_page("#view=compare&prompt=2&sample=0")
    assert page.locator(".tile[data-row=fora-3] .stage").inner_text() == f"oom: {NO_MEMORY}"
    page.goto(page.url.replace("prompt=2&sample=0", "prompt=3&sample=1"))
    page.wait_for_function(
        "() => document.querySelector('.tile[data-row=fora-3] .stage')?.textContent === 'Not generated yet'"
    )
    page.goto(page.url.replace("prompt=3", "prompt=77"))
    page.wait_for_selector("#trouble:not([hidden])")
    assert "no sample 1 of prompt 77" in page.locator("#trouble").inner_text()


def test_a_copy_without_a_video_says_so(browser: Browser, folder: Path, tmp_path: Path) -> None:
    """From disk, where the browser itself complains about the file."""
    copied = tmp_path / "report.html"
    copied.write_text((folder / "report.html").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "data").symlink_to(folder / "page" / "data")
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(copied.as_uri() + "#view=compare")
        page.wait_for_function("() => document.querySelectorAll('.stage p').length === 4")
        assert "is not in this copy of the report" in page.locator(".stage p").first.inner_text()
        (tmp_path / "page" / "data").unlink()
        page.reload()
        page.wait_for_selector("#trouble:not([hidden])")
        assert "keep the folder page/ beside report.html" in page.locator("#trouble").inner_text()


def test_prompts_are_text_and_never_markup(open_page: Open) -> None:
    page = open_page("#view=compare&prompt=4")
    assert page.locator("#compare-heading").inner_text() == MARKUP
    page.locator("nav a[data-view=videos]").click()
    page.locator("#videos .scroller").evaluate("element => element.scrollTo(0, element.scrollHeight)")
    assert page.locator("#videos tbody tr:not(.spacer) th").last.inner_text() == MARKUP


def test_keys_do_what_their_list_says(open_page: Open) -> None:
    page = open_page("#view=compare&prompt=1&sample=0")
    times(page)
    page.keyboard.press("?")
    help_text = page.locator("dialog[open]").inner_text()
    for word in ("Space", "Play or pause", "One frame back", "Next comparison", "Difference"):
        assert word in help_text
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog:not([open])", state="attached")
    assert "view=compare" in page.url
    page.keyboard.press("ArrowRight")
    assert page.locator("#frame").inner_text() == "Frame 2 of 9"
    page.keyboard.press("End")
    assert page.locator("#frame").inner_text() == "Frame 9 of 9"
    page.keyboard.press("n")
    page.wait_for_function("() => location.hash.includes('sample=1')")
    page.wait_for_function("() => document.getElementById('place').textContent.startsWith('4 of 10')")
    page.keyboard.press("p")
    page.wait_for_function("() => document.getElementById('place').textContent.startsWith('3 of 10')")
    page.keyboard.press("d")
    page.wait_for_selector(".stage.difference")
    page.keyboard.press("+")
    assert page.locator("#gain-shown").inner_text() == "5"
    page.keyboard.press("d")
    page.wait_for_function("() => !document.querySelector('.stage.difference')")
    page.keyboard.press("Escape")
    page.wait_for_selector("#videos:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "videos-heading"
    page.keyboard.press("/")
    page.keyboard.type("mn?")
    page.wait_for_function("() => document.querySelector('#videos .count').textContent.startsWith('0 of')")
    assert "view=videos" in page.url


def test_rows_are_chosen_and_stay_in_the_address(open_page: Open) -> None:
    page = open_page("#view=compare&prompt=1&frame=5")
    page.locator("#row-choice summary").click()
    page.locator("#row-choice").get_by_label("exact").uncheck()
    page.wait_for_function("() => document.querySelectorAll('.tile').length === 3")
    again = open_page("#" + page.url.partition("#")[2])
    assert again.locator(".tile").evaluate_all("tiles => tiles.map(tile => tile.dataset.row)") == [
        "original",
        "fewer_steps-10",
        "fora-3",
    ]
    assert times(again) == pytest.approx([middle_s(5)] * 3, abs=0.01)


@pytest.mark.parametrize("view", ["methods", "videos", "compare"])
def test_nothing_sticks_out_of_a_phone(open_page: Open, view: str) -> None:
    page = open_page(f"#view={view}&difference=original", width=375)
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    if view == "videos":
        # The long table reckons with equally high lines.
        heights = page.locator("#videos tbody tr:not(.spacer)").evaluate_all("lines => lines.map(l => l.offsetHeight)")
        assert set(heights) == {34}
    if view == "compare":
        boxes = [page.locator(".tile").nth(number).bounding_box() for number in (0, 1)]
        assert boxes[0] is not None
        assert boxes[1] is not None
        assert boxes[0]["y"] == boxes[1]["y"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(open_page: Open, scheme: str) -> None:
    """WCAG 2.2: 4.5 to 1 for text (1.4.3), 3 to 1 for what is drawn (1.4.11)."""
    page = open_page("#view=compare", scheme=scheme)
    names = ("paper", "panel", "ink", "faint", "accent", "alarm", "compute", "partial", "predict", "reuse")
    read = "name => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim()"
    bright = {name: luminance(page.evaluate(read, name)) for name in names}
    assert (bright["paper"] > 0.5) == (scheme == "light")

    def contrast(one: str, other: str) -> float:
        low, high = sorted((bright[one], bright[other]))
        return (high + 0.05) / (low + 0.05)

    for name in ("ink", "faint", "accent", "alarm"):
        assert contrast(name, "paper") >= 4.5, name
    assert contrast("ink", "panel") >= 4.5
    for name in ("compute", "partial", "predict", "reuse"):
        assert contrast(name, "panel") >= 3, name


def luminance(color: str) -> float:
    """WCAG's relative luminance of `#rrggbb`."""
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return float(np.dot(linear, (0.2126, 0.7152, 0.0722)))


def test_every_control_has_a_name(open_page: Open) -> None:
    page = open_page("#view=compare&difference=original")
    snapshot = page.locator("body").aria_snapshot()
    for role in ("button", "link", "slider", "combobox", "searchbox", "checkbox"):
        nameless = [line for line in snapshot.splitlines() if line.strip().lstrip("- ").rstrip(":") == role]
        assert nameless == []
    assert 'slider "What exact did at each step"' in snapshot


class Quiet(SimpleHTTPRequestHandler):
    """A static server that, like Python's own, hands out whole files only."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class LikeMlflow(Quiet):
    """Hands out artifacts as MLflow does, and shows the page as its UI does."""

    # mlflow/server/js/src/experiment-tracking/components/artifact-view-components/ShowArtifactHtmlView (3.17).
    VIEW = """<!doctype html><link rel="icon" href="data:,"><body></body><script>
        fetch("/get-artifact?path=report%2Freport.html&run_uuid=4711").then(found => found.text()).then(text => {
            const frame = document.createElement("iframe");
            Object.assign(frame, {sandbox: "allow-scripts", width: 900, height: 700});
            frame.src = URL.createObjectURL(new Blob([text], {type: "text/html"}));
            document.body.append(frame);
        })</script>"""

    def do_GET(self) -> None:
        from mlflow.utils.mime_type_utils import _guess_mime_type

        asked = urlsplit(self.path)
        content, kind = self.VIEW.encode(), "text/html"
        if asked.path == "/get-artifact":
            query = parse_qs(asked.query)
            assert query["run_uuid"] == ["4711"]
            path = Path(self.directory) / query["path"][0]
            content, kind = path.read_bytes(), _guess_mime_type(path.name)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def serve(handler: type[SimpleHTTPRequestHandler], folder: Path) -> ThreadingHTTPServer:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    return server


def test_a_server_that_cannot_serve_parts_of_files_is_enough(open_page: Open, folder: Path) -> None:
    with serve(Quiet, folder) as server:
        page = open_page("#view=compare&prompt=1&frame=4", at=f"http://127.0.0.1:{server.server_port}/report.html")
        assert times(page) == pytest.approx([middle_s(4)] * 4, abs=0.01)
        page.keyboard.press("ArrowRight")
        assert times(page) == pytest.approx([middle_s(5)] * 4, abs=0.01)
        server.shutdown()


def test_mlflow_shows_it_in_its_artifact_view(browser: Browser, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    fill_page(tmp_path / "report", folder, "4711")
    with serve(LikeMlflow, tmp_path) as server, browser.new_context() as context:
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        frame = page.frame_locator("iframe")
        frame.get_by_role("link", name="Compare").click()
        frame.locator(".tile").first.wait_for()
        inside = page.frames[1]
        assert inside.url.startswith("blob:")
        inside.wait_for_function("() => [...document.querySelectorAll('video')].every(video => video.readyState >= 2)")
        frame.get_by_role("link", name="Next").click()
        frame.get_by_text("2 of 10").wait_for()
        frame.get_by_label("Difference from").select_option("original")
        frame.locator(".stage.difference").first.wait_for()
        assert wrong == []
        server.shutdown()
