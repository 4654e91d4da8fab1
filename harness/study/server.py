"""The page of a study: enter, compare, done. It tells a browser neither method nor row nor file.

A question goes by a random name, its videos by that name and a side, and only the rater it was put to gets them. A vote
is in the file of votes before the answer that leads to the next pair leaves.
"""

from __future__ import annotations

import hmac
import logging
import unicodedata
from collections.abc import Collection
from contextlib import ExitStack
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import Cookie, FastAPI, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from harness.errors import HarnessError
from harness.study.guard import Guard
from harness.study.record import Choice
from harness.study.study import Part, Study

LOGGER = logging.getLogger(__name__)

SESSION: Final = "study_session"
SESSION_S: Final = 30 * 24 * 3600
NAME_CHARACTERS: Final = 60
SECRET_CHARACTERS: Final = 100
"""More than any of ours has."""

SessionCookie = Annotated[str | None, Cookie(alias=SESSION)]


class Entry(BaseModel):
    """What a rater enters with: a name or, where raters are invited, an invitation."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(max_length=NAME_CHARACTERS)] = ""
    invitation: Annotated[str, Field(max_length=SECRET_CHARACTERS)] = ""


class Answer(BaseModel):
    """A vote, or that a video does not play."""

    model_config = ConfigDict(extra="forbid")
    question: Annotated[str, Field(max_length=SECRET_CHARACTERS)]
    choice: Choice


def make_app(study: Study, hosts: Collection[str]) -> FastAPI:
    """The page of a study for browsers that call this server by one of `hosts` (`name:port`, see `Guard`)."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.add_middleware(Guard, hosts=hosts)
    app.mount("/static", StaticFiles(packages=[("harness.study", "static")]))
    app.add_exception_handler(StarletteHTTPException, _say_refused)
    app.add_exception_handler(RequestValidationError, _say_invalid)
    app.add_exception_handler(HarnessError, _say_failed)
    templates = Environment(
        loader=PackageLoader("harness.study"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )

    def page(name: str, **values: object) -> HTMLResponse:
        return HTMLResponse(templates.get_template(f"{name}.html").render(values))

    def signed_in(session: str | None) -> int | None:
        return study.votes.rater(session) if session else None

    @app.get("/")
    def front(session: SessionCookie = None, invitation: str = "") -> Response:
        if signed_in(session) is not None and not invitation:
            return RedirectResponse("/compare", HTTPStatus.SEE_OTHER)
        return page(
            "enter",
            invitation=invitation[:SECRET_CHARACTERS],
            invited_only=study.votes.invitation_needed(),
            questions=study.options.questions,
            name_characters=NAME_CHARACTERS,
        )

    @app.post("/enter", status_code=HTTPStatus.NO_CONTENT)
    def enter(entry: Entry) -> Response:
        session = _session_of(study, entry)
        response = Response(status_code=HTTPStatus.NO_CONTENT)
        response.set_cookie(SESSION, session, max_age=SESSION_S, httponly=True, samesite="strict")
        return response

    @app.get("/compare")
    def compare(session: SessionCookie = None) -> Response:
        rater = signed_in(session)
        if session is None or rater is None:
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        question = study.ask(rater)
        answered, total = study.progress(rater)
        if question is None:
            return page("done", answered=answered)
        return page(
            "compare",
            question=question.question,
            prompt=study.prompt(question),
            reference=study.votes.reference_shown,
            number=answered + 1,
            total=max(total, answered + 1),
            token=_token(session),
        )

    @app.post("/vote", status_code=HTTPStatus.NO_CONTENT)
    def vote(answer: Answer, session: SessionCookie = None, x_study_token: Annotated[str, Header()] = "") -> None:
        rater = signed_in(session)
        if session is None or rater is None:
            raise HTTPException(
                HTTPStatus.UNAUTHORIZED, "you have not entered, or long ago; open the study's first page"
            )
        if not hmac.compare_digest(x_study_token.encode(), _token(session).encode()):
            raise HTTPException(HTTPStatus.FORBIDDEN, "the vote does not come from this study's page; load it again")
        if not study.votes.answer(rater, answer.question, answer.choice):
            raise HTTPException(HTTPStatus.NOT_FOUND, "you were not asked this; load the page again")

    @app.get("/video/{question}/{part}")
    def video(question: str, part: Part, session: SessionCookie = None) -> Response:
        rater = signed_in(session)
        asked = study.votes.question(rater, question) if rater is not None else None
        if asked is None:
            raise HTTPException(HTTPStatus.NOT_FOUND, "there is no such video")
        with ExitStack() as opened:
            path = opened.enter_context(study.video(asked, part))
            # Sent after this function has returned; a copy of a remote file must live until then.
            return FileResponse(path, media_type="video/mp4", background=BackgroundTask(opened.pop_all().close))

    return app


def _session_of(study: Study, entry: Entry) -> str:
    """A new session's secret."""
    if study.votes.invitation_needed():
        session = study.votes.enter_invited(entry.invitation)
        if session is None:
            raise HTTPException(HTTPStatus.FORBIDDEN, "this study is for invited raters; use the link you were given")
        return session
    name = " ".join(unicodedata.normalize("NFC", entry.name).split())
    if not name or not name.isprintable():
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "give a name, in letters that can be shown")
    return study.votes.enter(name)


def _token(session: str) -> str:
    """What a page of this session knows and no other site can find out, since it cannot read the cookie."""
    return hmac.new(session.encode(), b"vote", "sha256").hexdigest()


def _say_refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, StarletteHTTPException)
    return PlainTextResponse(f"{error.detail}\n", error.status_code)


def _say_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return PlainTextResponse(f"{where}: {first['msg']}\n", HTTPStatus.UNPROCESSABLE_ENTITY)


def _say_failed(request: Request, error: Exception) -> Response:
    # Our errors name files, and a file's name may say which method made it.
    LOGGER.error("%s %s: %s", request.method, request.url.path, error)
    return PlainTextResponse("this cannot be shown or kept just now; try again\n", HTTPStatus.SERVICE_UNAVAILABLE)
