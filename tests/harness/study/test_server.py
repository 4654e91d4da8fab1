"""The page over real sockets: what it tells, what it refuses, what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from simulated_rater import Rater, Served

from harness.store import Store
from harness.study.study import StudyOptions

Serve = Callable[..., Served]


def secrets_of(served: Served) -> list[bytes]:
    """Everything that would tell a rater what they look at."""
    rows = served.manifest.rows
    words = {row.row for row in rows} | {row.method for row in rows} | {cell for row in rows for cell in row.cell_ids}
    return [word.encode() for word in words] + [b"videos/", b"degraded", b"check"]


def test_nothing_a_browser_gets_names_a_method(serve: Serve) -> None:
    served = serve(StudyOptions(check_every=2))
    rater = Rater(served.port)
    assert rater.enter(name="Ada") == 204
    secrets = secrets_of(served)
    for _ in range(12):
        _, headers, page = rater.get("/compare")
        question = rater.question()
        assert question is not None
        told = [page, str(headers).encode()]
        for part in ("left", "right"):
            _, headers, video = rater.get(f"/video/{question[0]}/{part}")
            assert "ETag" not in headers
            assert "Last-Modified" not in headers
            assert headers["Content-Type"] == "video/mp4"
            told += [str(headers).encode(), video]
        for secret in secrets:
            assert not any(secret in text for text in told), secret
        assert rater.vote(question, "tie") == 204


def test_the_videos_are_the_two_that_the_vote_is_about(serve: Serve, store: Store) -> None:
    served = serve(StudyOptions(check_every=0))
    rater = Rater(served.port)
    rater.enter(name="Ada")
    question = rater.question()
    assert question is not None
    left, right = rater.video(question, "left"), rater.video(question, "right")
    rater.vote(question, "right")

    (vote,) = served.study.votes.record().votes
    cells = store.cells([vote.left_cell_id, vote.right_cell_id])
    paths = [cells[cell_id].video for cell_id in (vote.left_cell_id, vote.right_cell_id)]
    assert [Path(store.root, path or "").read_bytes() for path in paths] == [left, right]
    assert vote.choice == "right"
    assert cells[vote.left_cell_id].key.prompt == cells[vote.right_cell_id].key.prompt


def test_sides_are_drawn_by_lot(serve: Serve) -> None:
    served = serve(StudyOptions(questions=24, check_every=0))
    rater = Rater(served.port)
    rater.enter(name="Ada")
    for _ in range(24):
        question = rater.question()
        assert question is not None
        rater.vote(question, "left")
    order = {cell_id: number for number, row in enumerate(served.manifest.rows) for cell_id in row.cell_ids}
    swapped = [order[vote.left_cell_id] > order[vote.right_cell_id] for vote in served.study.votes.record().votes]
    # All on one side has a probability of 1e-7.
    assert 0 < sum(swapped) < 24


def test_a_check_shows_the_original_and_its_degraded_copy(serve: Serve, store: Store) -> None:
    served = serve(StudyOptions(check_every=1, questions=6))
    rater = Rater(served.port)
    rater.enter(name="Ada")
    for _ in range(6):
        question = rater.question()
        assert question is not None
        videos = {part: rater.video(question, part) for part in ("left", "right")}
        rater.vote(question, "left")
        vote = served.study.votes.record().votes[-1]
        assert vote.degraded is not None
        good = "right" if vote.degraded == "left" else "left"
        original = store.cells([vote.left_cell_id])[vote.left_cell_id]
        assert vote.left_cell_id == vote.right_cell_id
        assert original.key.method == "original"
        assert videos[good] == Path(store.root, original.video or "").read_bytes()
        assert videos[vote.degraded] != videos[good]
    assert rater.question() is None


def test_the_reference_is_the_original(serve: Serve, store: Store) -> None:
    served = serve(StudyOptions(check_every=0), reference=True)
    rater = Rater(served.port)
    rater.enter(name="Ada")
    question = rater.question()
    assert question is not None
    assert b"/reference" in rater.get("/compare")[2]
    assert b"original" not in rater.get("/compare")[2].lower()
    reference = rater.video(question, "reference")
    rater.vote(question, "tie")
    (vote,) = served.study.votes.record().votes
    asked = store.cells([vote.left_cell_id])[vote.left_cell_id]
    originals = store.cells(served.manifest.rows[0].cell_ids).values()
    (original,) = [cell for cell in originals if cell.prompt_index == asked.prompt_index]
    assert reference == Path(store.root, original.video or "").read_bytes()


def test_there_is_no_reference_unless_asked_for(serve: Serve) -> None:
    rater = Rater(serve().port)
    rater.enter(name="Ada")
    question = rater.question()
    assert question is not None
    assert rater.get(f"/video/{question[0]}/reference")[0] == 503


def test_parts_of_a_video_can_be_asked_for(serve: Serve) -> None:
    """Browsers seek, and some play nothing otherwise."""
    rater = Rater(serve().port)
    rater.enter(name="Ada")
    question = rater.question()
    assert question is not None
    whole = rater.video(question, "left")
    status, headers, part = rater.get(f"/video/{question[0]}/left", Range="bytes=10-19")
    assert (status, part) == (206, whole[10:20])
    assert headers["Content-Range"] == f"bytes 10-19/{len(whole)}"


def test_every_answer_carries_the_headers_that_keep_others_out(serve: Serve) -> None:
    rater = Rater(serve().port)
    for path in ("/", "/static/study.js", "/nowhere", "/compare"):
        _, headers, _ = rater.get(path)
        assert headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
    _, headers, _ = rater.post("/enter", {"name": "Ada"})
    assert "HttpOnly" in headers["Set-Cookie"]
    assert "SameSite=strict" in headers["Set-Cookie"]


def test_a_vote_needs_session_token_and_question(serve: Serve) -> None:
    served = serve()
    ada, grace = Rater(served.port), Rater(served.port)
    ada.enter(name="Ada")
    grace.enter(name="Grace")
    question, others = ada.question(), grace.question()
    assert question is not None
    assert others is not None
    body = {"question": question[0], "choice": "left"}

    assert Rater(served.port).vote(question, "left") == 401
    assert ada.post("/vote", body)[0] == 403
    assert ada.vote((question[0], others[1]), "left") == 403
    assert ada.vote((others[0], question[1]), "left") == 404
    assert ada.post("/vote", body, **{"X-Study-Token": question[1], "Origin": "http://evil.example"})[0] == 403
    assert ada.post("/vote", body, **{"X-Study-Token": question[1], "Sec-Fetch-Site": "cross-site"})[0] == 403
    assert ada.post("/vote", body, **{"X-Study-Token": question[1], "Host": "evil.example"})[0] == 421
    assert served.study.votes.record().votes == ()
    assert ada.vote(question, "left") == 204
    assert len(served.study.votes.record().votes) == 1


def test_videos_are_for_who_was_asked(serve: Serve) -> None:
    served = serve()
    ada, grace = Rater(served.port), Rater(served.port)
    ada.enter(name="Ada")
    grace.enter(name="Grace")
    question = ada.question()
    assert question is not None
    for other in (grace, Rater(served.port)):
        assert other.get(f"/video/{question[0]}/left")[0] == 404
    assert ada.get(f"/video/{question[0]}/left", **{"Sec-Fetch-Site": "cross-site"})[0] == 403


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"not json", 422),
        (b"[]", 422),
        (b"{}", 422),
        ({"name": ""}, 422),
        ({"name": "   "}, 422),
        ({"name": "a\x00b"}, 422),
        ({"name": "x" * 61}, 422),
        ({"name": 7}, 422),
        ({"name": "Ada", "admin": True}, 422),
        (b"x" * 5000, 413),
    ],
)
def test_bad_entries_are_one_line(serve: Serve, body: bytes | dict[str, object], status: int) -> None:
    found, headers, said = Rater(serve().port).post("/enter", body)
    assert found == status
    assert said.decode().count("\n") == 1
    assert "Traceback" not in said.decode()
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize("choice", ["both", "", None, 1])
def test_bad_votes_are_not_kept(serve: Serve, choice: object) -> None:
    served = serve()
    rater = Rater(served.port)
    rater.enter(name="Ada")
    question = rater.question()
    assert question is not None
    body = {"question": question[0], "choice": choice}
    assert rater.post("/vote", body, **{"X-Study-Token": question[1]})[0] == 422
    assert served.study.votes.record().votes == ()


@pytest.mark.parametrize(
    "path", ["/video/../x/left", "/video/x/middle", "/static/../server.py", "/docs", "/openapi.json"]
)
def test_paths_that_lead_nowhere(serve: Serve, path: str) -> None:
    rater = Rater(serve().port)
    rater.enter(name="Ada")
    assert rater.get(path)[0] in (404, 422)


def test_names_and_invitations_are_shown_as_text(serve: Serve) -> None:
    served = serve()
    page = Rater(served.port).get("/?invitation=%22%3E%3Cscript%3E")[2]
    assert b"<script>" not in page
    assert b"&lt;script&gt;" in page


def test_the_invited_enter_and_nobody_else(serve: Serve) -> None:
    served = serve()
    (invitation,) = served.study.votes.invite(1)
    assert Rater(served.port).enter(name="Ada") == 403
    assert Rater(served.port).enter(invitation="made up") == 403
    guest = Rater(served.port)
    assert invitation.encode() in guest.get(f"/?invitation={invitation}")[2]
    assert guest.enter(invitation=invitation) == 204
    assert guest.question() is not None


def test_without_a_session_one_is_sent_to_the_front_page(serve: Serve) -> None:
    status, headers, _ = Rater(serve().port).get("/compare")
    assert (status, headers["Location"]) == (303, "/")


def test_a_video_that_went_missing_is_told_without_its_name(serve: Serve, store: Store) -> None:
    rater = Rater(serve(StudyOptions(check_every=0)).port)
    rater.enter(name="Ada")
    question = rater.question()
    assert question is not None
    for path in Path(store.root, "videos").rglob("*.mp4"):
        path.unlink()
    status, _, said = rater.get(f"/video/{question[0]}/left")
    assert status == 503
    assert b"videos/" not in said
    assert rater.vote(question, "unplayable") == 204
    assert rater.question() not in (None, question)


def test_an_open_question_is_put_again_by_the_next_server(serve: Serve) -> None:
    """Even one on other rows: its videos are still there."""
    ada = Rater(serve(StudyOptions(check_every=0), rows=["original", "fewer_steps-10"]).port)
    ada.enter(name="Ada")
    before = ada.question()
    again = Rater(serve(StudyOptions(check_every=0), rows=["fewer_steps-25", "teacache-0.1"]).port, ada.headers)
    assert before is not None
    assert again.question() == before


def test_an_open_question_whose_videos_are_gone_is_replaced(serve: Serve, store: Store) -> None:
    served = serve(StudyOptions(check_every=0), rows=["original", "fewer_steps-10"])
    ada = Rater(served.port)
    ada.enter(name="Ada")
    before = ada.question()
    for cell_id in served.manifest.rows[0].cell_ids:
        store.remove(f"cells/{cell_id[:2]}/{cell_id}.json")
    again = Rater(serve(StudyOptions(check_every=0), rows=["fewer_steps-25", "teacache-0.1"]).port, ada.headers)
    assert before is not None
    assert again.question() not in (None, before)
    assert [vote.choice for vote in served.study.votes.record().votes] == ["unplayable"]


def test_progress(serve: Serve) -> None:
    served = serve(StudyOptions(questions=3, check_every=0))
    rater = Rater(served.port)
    rater.enter(name="Ada")
    for number in (1, 2, 3):
        assert f"{number} of 3".encode() in rater.get("/compare")[2]
        question = rater.question()
        assert question is not None
        rater.vote(question, "tie")
    assert b"All 3 answers are kept" in rater.get("/compare")[2]
