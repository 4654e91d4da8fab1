"""The page in a real browser: keys, mouse, phone width, and a video that does not play."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from simulated_rater import Served

from harness.store import Store
from harness.study.study import StudyOptions

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

Serve = Callable[..., Served]


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that fails the test if anything on it went wrong or asked another server."""
    wrong: list[str] = []
    with browser.new_context(viewport={"width": 1280, "height": 800}) as context:
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.on("request", lambda asked: wrong.append(asked.url) if "//127.0.0.1:" not in asked.url else None)
        yield page
    assert [text for text in wrong if "503" not in text] == []


def enter(page: Page, served: Served, name: str = "Ada") -> None:
    page.goto(f"http://127.0.0.1:{served.port}/")
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Begin").click()
    ready(page)


def ready(page: Page) -> str:
    """Wait until votes are taken; the question."""
    page.wait_for_selector("[data-choice=left]:enabled")
    return page.get_attribute("#compare", "data-question") or ""


def next_question(page: Page, before: str) -> None:
    page.wait_for_function("before => document.getElementById('compare')?.dataset.question !== before", arg=before)


def test_a_whole_session_with_keys_and_mouse(page: Page, serve: Serve) -> None:
    served = serve(StudyOptions(questions=6, check_every=0))
    enter(page, served)
    for act in (
        lambda: page.keyboard.press("ArrowLeft"),
        lambda: page.keyboard.press("ArrowDown"),
        lambda: page.keyboard.press("ArrowRight"),
        lambda: page.get_by_role("button", name="A is better").click(),
        lambda: page.get_by_role("button", name="No difference").click(),
        lambda: page.get_by_role("button", name="B is better").click(),
    ):
        before = ready(page)
        act()
        next_question(page, before)
    assert page.get_by_role("heading", name="Thank you").is_visible()
    choices = [vote.choice for vote in served.study.votes.record().votes]
    assert choices == ["left", "tie", "right"] * 2


def test_both_videos_play_in_step_and_again(page: Page, serve: Serve) -> None:
    enter(page, serve(StudyOptions(check_every=0)))
    ready(page)
    videos = "[...document.querySelectorAll('video')]"
    page.wait_for_function(f"() => {videos}.every(video => video.currentTime > 0.2)")
    first, second = page.evaluate(f"() => {videos}.map(video => video.currentTime)")
    assert abs(first - second) < 0.4
    page.wait_for_function(f"() => {videos}.every(video => video.ended)")
    page.wait_for_function(f"() => {videos}.every(video => !video.ended)")
    page.keyboard.press("Space")
    page.wait_for_function(f"() => {videos}.every(video => video.paused)")
    page.keyboard.press("r")
    page.wait_for_function(f"() => {videos}.every(video => !video.paused)")


def test_a_key_held_down_votes_once(page: Page, serve: Serve) -> None:
    served = serve(StudyOptions(check_every=0))
    enter(page, served)
    before = ready(page)
    for _ in range(5):
        page.keyboard.down("ArrowLeft")
    next_question(page, before)
    ready(page)
    assert len(served.study.votes.record().votes) == 1


def test_going_back_and_loading_again_changes_nothing(page: Page, serve: Serve) -> None:
    served = serve(StudyOptions(check_every=0))
    enter(page, served)
    before = ready(page)
    page.reload()
    assert ready(page) == before
    page.keyboard.press("ArrowRight")
    next_question(page, before)
    now = ready(page)
    page.go_back()
    page.goto(f"http://127.0.0.1:{served.port}/")
    assert ready(page) == now
    assert len(served.study.votes.record().votes) == 1


def test_a_server_that_is_away_loses_no_vote(page: Page, serve: Serve) -> None:
    served = serve(StudyOptions(check_every=0))
    enter(page, served)
    before = ready(page)
    page.route("**/vote", lambda route: route.fulfill(status=503, body="away"))
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("() => document.getElementById('message').textContent === 'away'")
    assert ready(page) == before
    page.unroute("**/vote")
    page.keyboard.press("ArrowLeft")
    next_question(page, before)
    assert [vote.choice for vote in served.study.votes.record().votes] == ["left"]


def test_a_video_that_does_not_play_can_be_passed_over(page: Page, serve: Serve, store: Store) -> None:
    served = serve(StudyOptions(check_every=0))
    for path in Path(store.root, "videos").rglob("*.mp4"):
        path.unlink()
    page.goto(f"http://127.0.0.1:{served.port}/")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Begin").click()
    page.wait_for_selector("#unplayable:enabled")
    assert page.locator("[data-choice=left]").is_disabled()
    before = page.get_attribute("#compare", "data-question") or ""
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="Show another pair").click()
    next_question(page, before)
    assert [vote.choice for vote in served.study.votes.record().votes] == ["unplayable"]


def test_another_page_cannot_vote_with_the_raters_cookie(page: Page, serve: Serve) -> None:
    """Of another port, which is another origin, but the same site: the browser does send the cookie along."""
    served = serve(StudyOptions(check_every=0))
    enter(page, served)
    # What a form sends as text reads as JSON, with the sign that forms put between name and value inside a string.
    name = f'{{"question": "{ready(page)}", "choice": "left", "filler": "'
    hostile = page.context.new_page()
    with other_server() as url:
        hostile.goto(url)
        with hostile.expect_navigation() as arrived:
            hostile.evaluate(
                """([url, name]) => {
                    const form = document.createElement("form");
                    Object.assign(form, { method: "post", enctype: "text/plain", action: url });
                    form.append(Object.assign(document.createElement("input"), { name, value: '"}' }));
                    document.body.append(form);
                    form.submit();
                }""",
                [f"http://127.0.0.1:{served.port}/vote", name],
            )
        assert arrived.value is not None
        assert arrived.value.status == 403
        assert "study_session" in arrived.value.request.all_headers()["cookie"]
    assert served.study.votes.record().votes == ()


@contextmanager
def other_server() -> Iterator[str]:
    """An empty page of this machine, under another port."""

    class Empty(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Empty) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("name", "width", "height"), [("desktop", 1280, 800), ("phone", 390, 844)])
def test_everything_is_in_view(
    page: Page, serve: Serve, pytestconfig: pytest.Config, name: str, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    enter(page, serve(StudyOptions(check_every=0), rows=["original", "fewer_steps-25", "teacache-0.1"]))
    ready(page)
    page.wait_for_function("() => [...document.querySelectorAll('video')].every(video => video.currentTime > 0.4)")
    page.keyboard.press("Space")
    for selector in (
        "video >> nth=0",
        "video >> nth=1",
        *(f"[data-choice={side}]" for side in ("left", "tie", "right")),
    ):
        box = page.locator(selector).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= height
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if (folder := pytestconfig.getoption("--screenshots")) is not None:
        page.screenshot(path=Path(folder) / f"study-{name}.png")
