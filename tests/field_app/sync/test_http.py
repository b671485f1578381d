"""The transport: what counts as an answer of the case system, and what is named otherwise."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from field_app.sync import http
from field_app.sync.errors import Interrupted, NoConnection, NotACaseSystem, NotTheAgency, SyncFault
from field_app.sync.http import HttpCaseSystem
from field_app.sync.machine import State
from referral.port import Refused, SyncRequest
from referral.problems import ProblemCode
from tests.field_app.sync.rig import NOON, Rig, memory_rig
from tests.support.http_front import Front, serve
from tests.support.memory_case_system import MemoryCaseSystem
from tests.support.tls import certificate

PORTAL = b"<html><title>Welcome to the Wi-Fi</title>"
REQUEST = SyncRequest(nonce="00" * 16)


@pytest.fixture
def server() -> MemoryCaseSystem:
    return MemoryCaseSystem(now=NOON)


@pytest.fixture
def front(server: MemoryCaseSystem) -> Iterator[Front]:
    with serve(server) as made:
        yield made


@pytest.fixture
def carrier(front: Front) -> Iterator[HttpCaseSystem]:
    made = HttpCaseSystem(front.url, monotonic=time.monotonic)
    yield made
    made.close()


@pytest.fixture
def rig(tmp_path: Path, server: MemoryCaseSystem, carrier: HttpCaseSystem) -> Iterator[Rig]:
    made = memory_rig(tmp_path, server, carrier)
    yield made
    made.store.close()


@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (200, "text/html", PORTAL),
        (200, "application/json", b"not json"),
        (200, "application/json", b"{}"),
        (200, "application/json", b"[]"),
        (200, "application/json", b'{"ok": true}'),
        (200, "", b""),
        (204, "application/json", b""),
        (302, "text/html", b""),
        (307, "application/json", b"{}"),
        (401, "text/html", PORTAL),
        (403, "text/html", PORTAL),
        (404, "text/html", PORTAL),
        (511, "text/html", PORTAL),
    ],
)
def test_a_captive_portal_is_no_case_system_and_nothing_counts_as_sent(
    rig: Rig, front: Front, status: int, kind: str, body: bytes
) -> None:
    op_id = rig.save()
    front.answers(status, kind, body, Location="http://portal.invalid/")
    result = rig.round()
    assert (result.problem, rig.state(op_id)) == (ProblemCode.NOT_A_CASE_SYSTEM, State.WAITING)
    assert len(front.seen) == 1  # no redirect was followed
    front.instead = lambda path: None
    assert rig.sync().accepted == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, ProblemCode.RATE_LIMITED),
        (502, ProblemCode.BUSY),
        (503, ProblemCode.BUSY),
        (504, ProblemCode.BUSY),
        (500, ProblemCode.INTERNAL),
        (413, ProblemCode.TOO_LARGE),
    ],
)
def test_a_proxy_of_the_agency_may_speak_for_it(
    carrier: HttpCaseSystem, front: Front, status: int, code: ProblemCode
) -> None:
    front.answers(status, "text/html", PORTAL, Retry_After="7")
    with pytest.raises(Refused) as refused:
        carrier.sync("token", REQUEST)
    assert (refused.value.code, refused.value.retry_after_s) == (code, 7)


def test_a_signed_answer_of_the_wrong_content_type_counts_for_nothing(rig: Rig, front: Front) -> None:
    op_id = rig.save()
    front.content_type = "text/html"
    assert rig.round().problem is ProblemCode.NOT_A_CASE_SYSTEM
    assert rig.state(op_id) is State.WAITING


def test_a_problem_document_is_a_refusal_with_its_wait(carrier: HttpCaseSystem, front: Front) -> None:
    front.answers(
        503,
        "application/problem+json; charset=utf-8",
        b'{"code": "busy"}',
        Date="Mon, 02 Mar 2026 12:00:00 GMT",
        Retry_After="Mon, 02 Mar 2026 12:01:00 GMT",
    )
    with pytest.raises(Refused) as refused:
        carrier.sync("token", REQUEST)
    assert (refused.value.code, refused.value.retry_after_s) == (ProblemCode.BUSY, 60)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (500, b'{"code": "from_the_future"}', ProblemCode.INTERNAL),
        (409, b'{"code": "from_the_future"}', ProblemCode.BUSY),
        (400, b"{}", ProblemCode.BUSY),
        (400, b"nonsense", ProblemCode.BUSY),
        (400, b'{"code": ["busy"]}', ProblemCode.BUSY),
    ],
)
def test_a_refusal_of_a_newer_case_system_is_retried(
    carrier: HttpCaseSystem, front: Front, status: int, body: bytes, code: ProblemCode
) -> None:
    front.answers(status, "application/problem+json", body)
    with pytest.raises(Refused) as refused:
        carrier.sync("token", REQUEST)
    assert refused.value.code is code


def test_nobody_there_is_no_connection(carrier: HttpCaseSystem) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = HttpCaseSystem(f"http://127.0.0.1:{taken.getsockname()[1]}", monotonic=time.monotonic)
        with pytest.raises(NoConnection) as fault:
            nobody.sync("token", REQUEST)
    assert not isinstance(fault.value, Interrupted)
    nobody.close()


def test_a_cut_answer_is_an_interrupted_exchange(carrier: HttpCaseSystem, front: Front) -> None:
    front.answers(200, "application/json", b'{"epoch": "e1"', Content_Length="9999", Connection="close")
    with pytest.raises(Interrupted):
        carrier.sync("token", REQUEST)


def test_an_answer_has_a_largest_size(carrier: HttpCaseSystem, front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_LIMIT", 1000)
    front.answers(200, "application/json", b'"' + b"x" * 2000 + b'"')
    with pytest.raises(Interrupted, match="too large"):
        carrier.sync("token", REQUEST)


def test_a_broken_encoding_is_no_case_system(carrier: HttpCaseSystem, front: Front) -> None:
    front.answers(200, "application/json", b"not gzip at all", Content_Encoding="gzip")
    with pytest.raises(NotACaseSystem):
        carrier.sync("token", REQUEST)


def test_an_answer_has_a_longest_time(front: Front) -> None:
    hours = iter(range(0, 10**6, 3600))
    slow = HttpCaseSystem(front.url, monotonic=lambda: next(hours))
    front.answers(200, "application/json", b'{"epoch": "e1"}')
    with pytest.raises(Interrupted, match="too long"):
        slow.sync("token", REQUEST)
    slow.close()


def test_a_connection_is_kept_and_every_body_that_it_pays_for_is_gzipped(rig: Rig, front: Front) -> None:
    for _ in range(3):
        rig.save()
        assert rig.round().problem is None
    assert front.connections == 1
    assert all(request["content-encoding"] == "gzip" for request in front.seen), "one referral alone"
    rig.save_many(20)
    rig.round()
    assert front.seen[-1]["content-encoding"] == "gzip"
    assert front.seen[0]["content-type"] == "application/json"
    assert front.seen[0]["authorization"] == f"Bearer {rig.read_token}"


def test_a_kept_connection_that_was_closed_is_opened_anew(rig: Rig, server: MemoryCaseSystem, front: Front) -> None:
    op_id = rig.save()
    server.lose_replies = 1
    assert rig.round().problem is None
    assert rig.state(op_id) is State.ACCEPTED
    assert len(server.applied) == 1


def test_no_token_of_the_machine_is_sent(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, carrier: HttpCaseSystem
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with pytest.raises(Refused):
        carrier.sync("ours", REQUEST)
    assert front.seen[-1]["authorization"] == "Bearer ours"


def test_tokens_and_bodies_are_in_no_log_and_no_error(
    carrier: HttpCaseSystem, front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    front.answers(200, "text/html", b"what-the-portal-said")
    with pytest.raises(SyncFault) as fault:
        carrier.sync("the-secret-token", REQUEST)
    for text in (caplog.text, str(fault.value), repr(fault.value)):
        assert "the-secret-token" not in text
        assert REQUEST.nonce not in text
        assert "what-the-portal-said" not in text


def test_one_referral_on_a_warm_connection_is_one_round_trip(rig: Rig, front: Front) -> None:
    rig.round()
    before = len(front.seen)
    rig.save()
    rig.sync()
    assert (len(front.seen) - before, front.connections) == (1, 1)


# ---------------------------------------------------------------------------------------------------- TLS
def test_over_tls_with_a_trusted_certificate(server: MemoryCaseSystem, tmp_path: Path) -> None:
    pair = certificate(tmp_path, "ours")
    with serve(server, pair) as front:
        carrier = HttpCaseSystem(front.url, monotonic=time.monotonic, ca_file=str(pair[0]))
        rig = memory_rig(tmp_path, server, carrier)
        rig.save()
        assert rig.sync().accepted == 1
        rig.store.close()
        carrier.close()


def test_an_untrusted_certificate_is_not_the_agency(server: MemoryCaseSystem, tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path, "ours"), certificate(tmp_path, "theirs")
    with serve(server, theirs) as front:
        carrier = HttpCaseSystem(front.url, monotonic=time.monotonic, ca_file=str(ours[0]))
        with pytest.raises(NotTheAgency):
            carrier.sync("token", REQUEST)
        carrier.close()
    assert server.requests == []


def test_plain_http_where_tls_was_expected_is_no_case_system(front: Front) -> None:
    carrier = HttpCaseSystem(front.url.replace("http://", "https://"), monotonic=time.monotonic)
    with pytest.raises(NotACaseSystem):
        carrier.sync("token", REQUEST)
    carrier.close()
