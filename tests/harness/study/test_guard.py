"""Who is let in."""

from __future__ import annotations

import pytest

from harness.errors import StudyError
from harness.study.guard import BODY_BYTES, refusal
from harness.study.serve import Address

HOSTS = Address.of("127.0.0.1", 8000).hosts
OWN = {"host": "127.0.0.1:8000", "origin": "http://127.0.0.1:8000", "content-length": "20"}


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "LOCALHOST:8000", "[::1]:8000", "localhost"])
def test_our_own_names(host: str) -> None:
    assert refusal("GET", "/", {"host": host}, HOSTS) is None


@pytest.mark.parametrize(
    "host", ["evil.example:8000", "127.0.0.1:8001", "localhost.evil.example", "", "127.0.0.1:8000.evil.example"]
)
def test_other_names_are_misdirected(host: str) -> None:
    """DNS rebinding: the browser believes that evil.example is this machine, and says so."""
    refused = refusal("GET", "/", {"host": host}, HOSTS)
    assert refused is not None
    assert refused.status == 421


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, None),
        ({"sec-fetch-site": "same-origin"}, None),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "http://localhost:8000"}, 403),
        ({"origin": None}, 403),
        ({"origin": None, "sec-fetch-site": "same-origin"}, None),
        ({"content-length": None}, 413),
        ({"content-length": str(BODY_BYTES + 1)}, 413),
        ({"content-length": "-1"}, 413),
    ],
)
def test_changes_come_from_our_own_page(changes: dict[str, str | None], status: int | None) -> None:
    headers = {name: value for name, value in (OWN | changes).items() if value is not None}
    refused = refusal("POST", "/vote", headers, HOSTS)
    assert (refused.status if refused else None) == status


def test_a_link_elsewhere_may_lead_here_but_no_page_elsewhere_shows_our_videos() -> None:
    headers = {"host": "127.0.0.1:8000", "sec-fetch-site": "cross-site"}
    assert refusal("GET", "/", headers, HOSTS) is None
    refused = refusal("GET", "/video/abc/left", headers, HOSTS)
    assert refused is not None
    assert refused.status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods(method: str) -> None:
    refused = refusal(method, "/", OWN, HOSTS)
    assert refused is not None
    assert refused.status == 405


def test_addresses() -> None:
    assert Address.of("127.0.0.1", 80).local
    assert Address.of("localhost", 80).local
    assert Address.of("::1", 80).local
    everywhere = Address.of("0.0.0.0", 8000, ["lab.example"])
    assert not everywhere.local
    assert everywhere.hosts == {"lab.example:8000", "lab.example"}
    assert everywhere.url == "http://lab.example:8000/"
    assert Address.of("10.0.0.7", 8000).url == "http://10.0.0.7:8000/"
    assert Address.of("fd00::7", 8000).url == "http://[fd00::7]:8000/"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "lab.example", "300.1.1.1"])
def test_addresses_that_do_not_say_how_they_are_called(host: str) -> None:
    with pytest.raises(StudyError, match="--name"):
        Address.of(host, 8000)


def test_others_need_an_invitation() -> None:
    Address.of("127.0.0.1", 8000).require_invitations(invited=False)
    Address.of("10.0.0.7", 8000).require_invitations(invited=True)
    with pytest.raises(StudyError, match="--invite"):
        Address.of("10.0.0.7", 8000).require_invitations(invited=False)
