"""One exchange to the letter: what is sent, how long it may last, how large it may be, and what a refusal says."""

from __future__ import annotations

import gzip
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from field_app.sync import http
from field_app.sync.enrol import enrol, invitation
from field_app.sync.errors import Interrupted, NoConnection, NotACaseSystem
from field_app.sync.http import HttpCaseSystem
from referral.port import Refused, SyncRequest
from referral.problems import ProblemCode
from tests.field_app.sync.rig import NOON
from tests.support.http_front import Front, serve
from tests.support.memory_case_system import MemoryCaseSystem

CODE = "7K429QXM3TRA"
REQUEST = SyncRequest(nonce="00" * 16)
HTML = b"<html>"


@pytest.fixture
def front() -> Iterator[Front]:
    with serve(MemoryCaseSystem(now=NOON, codes={CODE})) as made:
        yield made


@pytest.fixture
def carrier(front: Front) -> Iterator[HttpCaseSystem]:
    made = HttpCaseSystem(front.url, monotonic=time.monotonic)
    yield made
    made.close()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[requests.PreparedRequest, dict[str, Any]]]:
    """What goes down to the wire, with the patience it was given."""
    told: list[tuple[requests.PreparedRequest, dict[str, Any]]] = []
    send = HTTPAdapter.send

    def spy(self: HTTPAdapter, request: requests.PreparedRequest, **named: Any) -> requests.Response:
        told.append((request, named))
        return send(self, request, **named)

    monkeypatch.setattr(HTTPAdapter, "send", spy)
    return told


def refused(carrier: HttpCaseSystem) -> Refused:
    with pytest.raises(Refused) as told:
        carrier.sync("token", REQUEST)
    return told.value


# ---------------------------------------------------------------------------------------------------- what is sent
def test_a_request_says_who_asks_and_what_it_understands(carrier: HttpCaseSystem, front: Front) -> None:
    refused(carrier)
    told = front.seen[-1]
    assert told["user-agent"] == "lead-field"
    assert told["accept-encoding"] == "gzip"
    assert told["accept"] == "application/json, application/problem+json"
    assert told["content-type"] == "application/json"


def test_an_enrolment_goes_without_a_token_and_understands_a_newer_answer(
    carrier: HttpCaseSystem, front: Front
) -> None:
    front.wire = lambda document: document | {"weather": "sunny"}
    asked = invitation(front.url, CODE)
    made = enrol(carrier, asked, app="x", platform="linux", random_bytes=random.Random(1).randbytes)
    assert made.enrolment.append_token
    assert "authorization" not in front.seen[-1]


def test_what_answers_an_enrolment_with_something_else_is_no_case_system(carrier: HttpCaseSystem, front: Front) -> None:
    front.answers(200, "application/json", b"{}")
    asked = invitation(front.url, CODE)
    with pytest.raises(NotACaseSystem, match=r"^the answer is not an enrolment$"):
        enrol(carrier, asked, app="x", platform="linux", random_bytes=random.Random(1).randbytes)


@pytest.mark.parametrize(("letters", "packed"), [(253, False), (254, True)])
def test_a_body_is_packed_from_256_bytes_on(
    carrier: HttpCaseSystem,
    front: Front,
    letters: int,
    packed: bool,
    sent: list[tuple[requests.PreparedRequest, dict[str, Any]]],
) -> None:
    with pytest.raises((Refused, NotACaseSystem)):
        carrier._post("/v1/sync", "token", "x" * letters)
    assert ("content-encoding" in front.seen[-1]) is packed
    plain = b'"' + b"x" * letters + b'"'
    assert sent[-1][0].body == (gzip.compress(plain, 6, mtime=0) if packed else plain), "the same bytes at each try"


def test_an_exchange_is_given_patience_and_is_read_as_it_comes(
    carrier: HttpCaseSystem, sent: list[tuple[requests.PreparedRequest, dict[str, Any]]]
) -> None:
    refused(carrier)
    assert sent[-1][1]["timeout"] == (10.0, 30.0)
    assert sent[-1][1]["stream"] is True


@pytest.mark.parametrize("error", [requests.ReadTimeout("30 s"), requests.ConnectionError("x")])
def test_only_a_kept_connection_that_was_closed_is_tried_again_at_once(
    carrier: HttpCaseSystem, monkeypatch: pytest.MonkeyPatch, error: requests.RequestException
) -> None:
    seen: list[str] = []

    def fail(self: HTTPAdapter, request: requests.PreparedRequest, **named: Any) -> requests.Response:
        seen.append(request.path_url)
        raise error

    monkeypatch.setattr(HTTPAdapter, "send", fail)
    with pytest.raises(NoConnection):
        carrier.sync("token", REQUEST)
    assert seen == ["/v1/sync"]


# ---------------------------------------------------------------------------------------------------- how much, how long
def test_an_answer_of_the_largest_size_is_read(
    carrier: HttpCaseSystem, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ANSWER_LIMIT", 1000)
    front.answers(200, "application/json", b'"' + b"x" * 998 + b'"')
    with pytest.raises(NotACaseSystem, match=r"^the answer is not a case system's$"):
        carrier.sync("token", REQUEST)
    front.answers(200, "application/json", b'"' + b"x" * 999 + b'"')
    with pytest.raises(Interrupted, match=r"^the answer is too large$"):
        carrier.sync("token", REQUEST)


def test_the_size_is_that_of_all_parts_together(
    carrier: HttpCaseSystem, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ANSWER_LIMIT", 100_000)
    front.answers(200, "application/json", b'"' + b"x" * 130_000 + b'"')
    with pytest.raises(Interrupted, match=r"^the answer is too large$"):
        carrier.sync("token", REQUEST)


@pytest.mark.parametrize(("lasts", "too_long"), [(180.0, False), (180.1, True)])
def test_three_minutes_are_not_too_long(front: Front, lasts: float, too_long: bool) -> None:
    moments = iter([0.0])
    slow = HttpCaseSystem(front.url, monotonic=lambda: next(moments, lasts))
    front.answers(200, "application/json", b"[]")
    with pytest.raises(Interrupted if too_long else NotACaseSystem) as told:
        slow.sync("token", REQUEST)
    assert str(told.value) == ("the answer took too long" if too_long else "the answer is not a case system's")
    slow.close()


# ---------------------------------------------------------------------------------------------------- what it says
def test_the_words_after_the_content_type_do_not_matter(carrier: HttpCaseSystem, front: Front) -> None:
    front.content_type = "Application/JSON ; charset=utf-8"
    asked = invitation(front.url, CODE)
    assert enrol(carrier, asked, app="x", platform="linux", random_bytes=random.Random(1).randbytes).device_id


@pytest.mark.parametrize(
    ("status", "kind", "body", "sentence"),
    [
        (200, "application/json", b"nonsense", "the answer is not JSON"),
        (200, "application/json", b"{}", "the answer is not a case system's"),
        (200, "text/html", HTML, "something else answered, with status 200"),
        (200, None, b"{}", "something else answered, with status 200"),
        (404, "text/html", HTML, "something else answered, with status 404"),
    ],
)
def test_what_is_no_answer_is_said_in_a_sentence(
    carrier: HttpCaseSystem, front: Front, status: int, kind: str | None, body: bytes, sentence: str
) -> None:
    front.answers(status, kind, body)
    with pytest.raises(NotACaseSystem) as told:
        carrier.sync("token", REQUEST)
    assert str(told.value) == sentence


def test_a_code_of_the_future_keeps_its_wait(carrier: HttpCaseSystem, front: Front) -> None:
    front.answers(409, "application/problem+json", b'{"code": "from_the_future"}', Retry_After="11")
    told = refused(carrier)
    assert (told.code, told.retry_after_s) == (ProblemCode.BUSY, 11)


@pytest.mark.parametrize(
    ("date", "wait"),
    [
        (None, 3600),  # nobody knows when that is: the longest wait
        ("Mon, 02 Mar 2026 14:00:00 +0200", 60),
        ("Mon, 02 Mar 2026 12:00:00 -0000", 60),
        ("Mon, 02 Mar 2026 12:00:30 GMT", 30),
    ],
)
def test_a_wait_until_a_date_counts_from_the_date_of_the_answer(
    carrier: HttpCaseSystem, front: Front, date: str | None, wait: int
) -> None:
    dated = {} if date is None else {"Date": date}
    front.answers(
        503,
        "application/problem+json",
        b'{"code": "busy"}',
        Retry_After="Mon, 02 Mar 2026 12:01:00 GMT",
        **dated,
    )
    assert refused(carrier).retry_after_s == wait
