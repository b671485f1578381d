"""Bad input over real HTTP: whatever is sent gets an answer with a stable code, is in the audit trail, and loses nothing."""

from __future__ import annotations

import gzip
import json
import os
import socket
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
import pytest
from sqlalchemy import select

from case_system import audit
from case_system.http import BODY_LIMIT, INFLATED_LIMIT
from case_system.storage import KEPT_ASIDE
from case_system.store import schema
from case_system.streams import Streams
from referral.envelope import AgencyPrivateKey
from referral.operations import SCHEMA, Create, Op, Reason
from referral.port import BATCH_ITEMS, Outcome
from referral.problems import ProblemCode
from tests.support.agency import Agency
from tests.support.device import Device, arrest
from tests.support.http_system import HttpSystem
from tests.support.loopback import loopback
from tests.support.waiting import until

NAME = "Zebedee Quillfeather"


@dataclass
class Town:
    """A case system on a port, and an officer's device that speaks to it."""

    agency: Agency
    officer: Device
    http: httpx.Client

    @property
    def signed_in(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.officer.enrolment.read_token}"}

    def trail(self) -> list[dict[str, Any]]:
        """The audit rows of refusals."""
        rows = self.agency.rows(select(schema.audit).order_by(schema.audit.c.n))
        head = self.agency.rows(select(schema.ledger))[0]
        assert audit.verify(rows, head["audit_n"], head["audit_hash"]).bad_row is None
        words = ("sync", "enrol", "stream", "request", "envelope")
        return [row for row in rows if row["action"] in words]

    def still_works(self) -> None:
        """A good referral passes and all that was sent before is there."""
        (receipt,) = self.officer.send(self.officer.create(arrest()))
        assert receipt.outcome is Outcome.ACCEPTED


@pytest.fixture
def town(agency: Agency) -> Iterator[Town]:
    with loopback(agency.service, Streams()) as address:
        officer = agency.device("o1")
        system = HttpSystem(address)
        officer.system = system
        yield Town(agency, officer, system.client)
        system.client.close()


def nested(depth: int) -> bytes:
    return b'{"nonce":"n","new":' + b"[" * depth + b"]" * depth + b"}"


def sync(**members: Any) -> bytes:
    return json.dumps({"nonce": "00" * 16} | members).encode()


BEAT = {"waiting": 1, "stored": 0, "needs_attention": 0, "app": "test"}
REQUESTS: dict[str, tuple[bytes, dict[str, str], int, str]] = {
    "no body": (b"", {}, 400, "malformed"),
    "not JSON": (b"{", {}, 400, "malformed"),
    "not UTF-8": (b'{"nonce":"\xff"}', {}, 400, "malformed"),
    "a list": (b"[]", {}, 400, "malformed"),
    "a name twice": (b'{"nonce":"n","nonce":"m"}', {}, 400, "malformed"),
    "not a number": (b'{"nonce":"n","new":NaN}', {}, 400, "malformed"),
    "no finite number": (b'{"nonce":"n","new":1e400}', {}, 400, "malformed"),
    "half a surrogate pair": (b'{"nonce":"n","new":"\\ud800"}', {}, 400, "malformed"),
    "half a pair as a name": (b'{"nonce":"n","\\ud800":1}', {}, 400, "malformed"),
    "many digits": (b'{"nonce":"n","new":' + b"9" * 5000 + b"}", {}, 400, "malformed"),
    "deep": (nested(100), {}, 400, "malformed"),
    "very deep": (nested(200_000), {}, 400, "malformed"),
    "nothing in it": (b"{}", {}, 422, "missing_answer"),
    "an empty nonce": (sync(nonce=""), {}, 422, "invalid_value"),
    "a long nonce": (sync(nonce="n" * 65), {}, 422, "too_long"),
    "control characters": (sync(pack="\0"), {}, 422, "invalid_value"),
    "a number for text": (sync(nonce=7), {}, 422, "invalid_value"),
    "text for a number": (sync(generation="7"), {}, 422, "invalid_value"),
    "a huge number": (sync(generation=2**63), {}, 422, "invalid_value"),
    "no base64": (sync(envelopes=["?"]), {}, 422, "invalid_value"),
    "a heartbeat without counts": (sync(heartbeat={}), {}, 422, "missing_answer"),
    "a long app name": (sync(heartbeat=BEAT | {"app": "x" * 81}), {}, 422, "too_long"),
    "no time": (sync(receipts={"n": 0, "hash": "", "since": "2026-13-01T00:00:00Z"}), {}, 422, "invalid_value"),
    "too many envelopes": (sync(envelopes=["AA=="] * (BATCH_ITEMS + 1)), {}, 413, "too_large"),
    "too long": (b" " * (BODY_LIMIT + 1), {}, 413, "too_large"),
    "too long unpacked": (gzip.compress(b" " * (INFLATED_LIMIT + 1)), {"Content-Encoding": "gzip"}, 413, "too_large"),
    "not gzip": (b"{}", {"Content-Encoding": "gzip"}, 400, "malformed"),
    "gzip cut off": (gzip.compress(sync())[:-5], {"Content-Encoding": "gzip"}, 400, "malformed"),
    "another encoding": (sync(), {"Content-Encoding": "br"}, 400, "malformed"),
}


def test_a_bad_request_is_answered_audited_and_loses_nothing(town: Town) -> None:
    for kind, (content, headers, status, code) in REQUESTS.items():
        before = len(town.trail())
        answer = town.http.post("/v1/sync", content=content, headers=town.signed_in | headers)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), kind
        assert (answer.json()["code"], answer.json()["status"]) == (code, status), kind
        (row,) = town.trail()[before:]
        assert (row["action"], row["outcome"], row["actor"]) == ("sync", code, "o1"), kind
        assert (row["device_id"], row["object_id"]) == (town.officer.device_id, None), kind
        town.agency.clock.go(hours=1)
    town.still_works()


def test_what_a_mad_clock_says_does_not_keep_a_device_from_sending(town: Town) -> None:
    beat = BEAT | {"oldest_unsent_s": 2**52, "clock_offset_ms": -(2**52)}
    for waiting, kept in ((2**52, (2**31 - 1, 2**31 - 1)), (-7, (None, 0))):
        answer = town.http.post("/v1/sync", content=sync(heartbeat=beat | {"waiting": waiting}), headers=town.signed_in)
        assert answer.status_code == 200
        (device,) = town.agency.rows(select(schema.devices))
        assert (device["oldest_unsent_s"], device["waiting"]) == kept


def test_who_is_not_known_is_answered_and_audited_as_unknown(town: Town) -> None:
    for path, headers in (("/v1/sync", {}), ("/v1/sync", {"Authorization": f"Bearer {NAME}"}), (f"/{NAME}", {})):
        answer = town.http.post(path, content=sync(), headers=headers)
        assert answer.json()["code"] in ("not_signed_in", "not_found")
    answer = town.http.put("/v1/sync", content=sync())
    assert (answer.status_code, answer.json()["code"], answer.headers["allow"]) == (405, "method_not_allowed", "POST")
    assert town.http.post("/v1/sync/", content=sync()).status_code == 404  # nobody is sent elsewhere
    told = {(row["actor"], row["action"], row["outcome"], row["object_id"]) for row in town.trail()}
    assert told == {
        ("unknown", "sync", "not_signed_in", None),
        ("unknown", "request", "not_found", None),
        ("unknown", "sync", "method_not_allowed", None),
        ("unknown", "request", "not_found", None),
    }


def test_a_used_code_enrols_nobody_and_bad_enrolments_are_audited(town: Town) -> None:
    body = {"code": "0" * 12, "device_id": "0" * 32, "device_key": "", "proof": "", "app": "x", "platform": "y"}
    assert town.http.post("/v1/enrol", json=body).json()["code"] == "code_not_valid"
    assert town.http.post("/v1/enrol", json=body | {"code": 7}).json()["code"] == "invalid_value"
    assert town.http.post("/v1/enrol", json=body | {"app": "x\0"}).json()["code"] == "invalid_value"
    assert [(row["actor"], row["action"]) for row in town.trail()] == [("unknown", "enrol")] * 2


def bad_envelopes(town: Town, other: Device) -> dict[str, tuple[bytes, Outcome, str]]:
    officer, good = town.officer, town.officer.create(arrest())
    refused, stored = Outcome.REFUSED, Outcome.STORED

    def signed(payload: bytes, **how: Any) -> bytes:
        return officer.seal_bytes(payload, **how)

    def told(**members: Any) -> bytes:
        wire = {"op": "create", "referral_id": "r1", "nonce": "n", "made_at": "2026-03-03T07:10:00Z", "made_by": "o1"}
        referral = {"kind": "social_contact", "willing": "yes"}
        return json.dumps(wire | {"body": {"referral": referral | members.pop("answers", {})}} | members).encode()

    foreign = AgencyPrivateKey.generate().public()
    elsewhere = bytearray(good)
    elsewhere[1:9] = b"elsewher"
    return {
        "nothing": (b"", refused, "malformed"),
        "random bytes": (os.urandom(300), refused, "device_mismatch"),
        "too long": (b"\1" * 40_000, refused, "malformed"),
        "cut in the header": (good[:50], refused, "malformed"),
        "cut in the middle": (good[:200], refused, "bad_signature"),
        "cut by a byte": (good[:-1], refused, "bad_signature"),
        "longer by a byte": (good + b"\0", refused, "bad_signature"),
        "a flipped bit": (good[:150] + bytes([good[150] ^ 1]) + good[151:], refused, "bad_signature"),
        "another number": (good[:17] + os.urandom(16) + good[33:], refused, "bad_signature"),
        "another device's": (other.create(arrest()), refused, "device_mismatch"),
        "another agency's": (bytes(elsewhere), refused, "bad_signature"),
        "for another key": (signed(told(), agency=foreign), stored, "unknown_key"),
        "of a newer app": (signed(told(), schema=SCHEMA + 1), stored, "unknown_version"),
        "an unknown step": (signed(told(op="fly")), stored, "unknown_version"),
        "not JSON": (signed(b"\0\1"), refused, "malformed"),
        "half a surrogate pair": (signed(told(answers={"new": "\ud800"})), refused, "malformed"),
        "no finite number": (signed(told().replace(b'"yes"', b'"yes","new":1e999')), refused, "malformed"),
        "deep": (signed(told().replace(b'"yes"', b'"yes","new":' + b"[" * 90 + b"]" * 90)), refused, "malformed"),
        "no referral's id": (signed(told(referral_id="a b")), refused, "invalid_value"),
        "a huge base": (signed(told(base=2**40)), refused, "invalid_value"),
        "a strange nonce": (signed(told(nonce="\0")), refused, "invalid_value"),
        "a long pack name": (signed(told(answers={"pack": "p" * 81})), refused, "too_long"),
        "made by another": (signed(told(made_by="o2")), refused, "not_permitted"),
        "another role's": (officer.reason(Op.ACCEPT, "r9", base=0), stored, "referral_unknown"),
    }


def test_every_bad_envelope_has_its_code_and_the_good_ones_around_it_pass(town: Town) -> None:
    officer, other = town.officer, town.agency.device("o2")
    cases = bad_envelopes(town, other)
    for kind, (raw, outcome, code) in cases.items():
        before, after = officer.create(arrest()), officer.create(arrest())
        first = officer.send(before, raw, after)
        told = [(receipt.outcome, receipt.code) for receipt in first]
        accepted = (Outcome.ACCEPTED, None)
        assert told == [accepted, (outcome, ProblemCode(code)), accepted], kind
        again = officer.send(before, raw, after)  # replayed: the same answer, applied once
        assert [(r.outcome, r.code, r.receipt) for r in again] == [(r.outcome, r.code, r.receipt) for r in first], kind
    assert len(town.agency.rows(select(schema.referrals.c.referral_id))) == 2 * len(cases)
    assert {row["outcome"] for row in town.trail()} == {"malformed", "bad_signature", "device_mismatch"}
    town.agency.service.note_rest()
    counts = {row["outcome"]: row["object_id"] for row in town.trail() if row["object_id"]}
    assert counts["bad_signature"] == "11_more"  # six kinds, twice each


def test_a_clock_that_is_far_off_makes_no_fault(town: Town) -> None:
    wire = {"op": "create", "referral_id": "r1", "nonce": "n", "made_at": "9999-12-31T23:59:59Z", "made_by": "o1",
            "offset_ms": 2**53 - 1, "body": {"referral": {"kind": "social_contact", "willing": "yes"}}}  # fmt: skip
    (receipt,) = town.officer.send(town.officer.seal_bytes(json.dumps(wire).encode()))
    assert receipt.outcome is Outcome.ACCEPTED
    (row,) = town.agency.rows(select(schema.referrals.c.recorded_at))
    assert row["recorded_at"].astimezone(ZoneInfo("Asia/Tokyo")).year == 9998, "it has no local form on a page"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_moment_that_has_no_local_form_is_refused_and_stops_no_rule(town: Town, moment: str) -> None:
    """Found by T9 (case 9690): it stopped the rules of eligibility, and would have stopped every page that shows it."""
    officer, told = town.officer, arrest("r1")
    (_, receipt) = officer.send(officer.create(told), officer.amend("r1", 1, occurred_at=moment))
    assert (receipt.outcome, receipt.code) == (Outcome.NEEDS_ATTENTION, ProblemCode.NOT_POSSIBLE_NOW)


def test_steps_out_of_order_wait_for_their_turn(town: Town) -> None:
    officer, told = town.officer, arrest()
    create, second = officer.create(told), officer.amend(told.referral_id, 1, language="es")
    third = officer.amend(told.referral_id, 2, incident_number="26-1")
    results = officer.send(third, second, create)
    assert [r.outcome for r in results] == [Outcome.ACCEPTED] * 3
    assert officer.pull().referrals[told.referral_id].revision == 3


def test_other_bytes_under_one_number_are_kept_aside_but_not_without_end(town: Town) -> None:
    officer, number = town.officer, os.urandom(16)
    officer.send(officer.seal(officer.operation(Op.CREATE, "r1", Create(referral=arrest("r1"))), op_id=number))
    forged = [
        officer.seal(officer.operation(Op.CREATE, "r1", Create(referral=arrest("r1"))), op_id=number) for _ in range(20)
    ]
    results = officer.send(*forged)
    assert {(r.outcome, r.code) for r in results} == {(Outcome.REFUSED, ProblemCode.OTHER_BYTES)}
    assert len(town.agency.rows(select(schema.quarantine))) == KEPT_ASIDE
    assert len(town.trail()) == KEPT_ASIDE + 1
    officer.send(*forged)
    assert len(town.trail()) == KEPT_ASIDE + 1
    town.still_works()


def test_a_flood_costs_two_rows_an_hour(town: Town) -> None:
    for _ in range(50):
        assert town.http.post("/v1/sync", content=b"{", headers=town.signed_in).status_code == 400
        assert town.http.post("/v1/sync", content=b"{").status_code == 401
    assert Counter(row["outcome"] for row in town.trail()) == {"malformed": 1, "not_signed_in": 1}
    town.agency.clock.go(hours=1)
    town.http.post("/v1/sync", content=b"{")
    told = [(row["actor"], row["outcome"], row["object_id"]) for row in town.trail()][2:]
    assert sorted(told, key=str) == [
        ("o1", "malformed", "49_more"), ("unknown", "not_signed_in", "49_more"), ("unknown", "not_signed_in", None),
    ]  # fmt: skip


RAW: dict[str, bytes] = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a bad header": b"GET /healthz HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n",
    "a bad version": b"GET /healthz HTTP/9.x\r\nHost: x\r\n\r\n",
    "a bad length": b"POST /v1/enrol HTTP/1.1\r\nHost: x\r\nContent-Length: minus\r\n\r\n",
    "two lengths": b"POST /v1/enrol HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    "a bad chunk": b"POST /v1/enrol HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
}


def test_what_is_no_request_is_a_problem_too(town: Town) -> None:
    for kind, sent in RAW.items():
        head, _, body = exchange(town, sent).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400 "), kind
        assert b"application/problem+json" in head.lower(), kind
        assert json.loads(body)["code"] == "malformed", kind
    town.still_works()


def test_a_request_that_is_cut_off_is_audited_and_loses_nothing(town: Town, caplog: pytest.LogCaptureFixture) -> None:
    head = f"POST /v1/sync HTTP/1.1\r\nHost: x\r\nAuthorization: {town.signed_in['Authorization']}\r\nContent-Length: 99\r\n\r\n"
    exchange(town, head.encode() + b'{"nonce', answer=False)
    cut = select(schema.audit.c.n).where(schema.audit.c.outcome == "malformed")
    until(lambda: len(town.agency.rows(cut)) == 1, what="the row of the cut request")
    assert [(row["actor"], row["action"]) for row in town.trail()] == [("o1", "sync")]
    assert not [record for record in caplog.records if record.exc_info]
    town.still_works()


def exchange(town: Town, data: bytes, *, answer: bool = True) -> bytes:
    at = urlsplit(str(town.http.base_url))
    with socket.create_connection((at.hostname, at.port), timeout=60) as line:
        line.sendall(data)
        if not answer:
            return b""
        parts: list[bytes] = []
        while chunk := line.recv(65536):
            parts.append(chunk)
    return b"".join(parts)


def test_a_fault_of_our_own_is_a_problem_and_says_nothing_of_itself(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError(NAME)

    monkeypatch.setattr(type(town.agency.service), "sync", broken)
    answer = town.http.post("/v1/sync", content=sync(), headers=town.signed_in)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert NAME not in answer.text
    assert "Traceback" not in answer.text
    assert [(row["action"], row["outcome"]) for row in town.trail()] == [("sync", "internal")]
    monkeypatch.undo()
    town.still_works()


def test_another_step_under_the_numbers_of_an_earlier_one_is_judged_by_itself(town: Town) -> None:
    officer, told = town.officer, arrest()
    officer.send(officer.create(told))
    asked = officer.operation(Op.ASK_WITHDRAWAL, told.referral_id, Reason(), base=1, nonce="same")
    approved = officer.operation(Op.SAO_APPROVE, told.referral_id, Reason(), base=1, nonce="same")
    results = officer.send(*(officer.seal(one) for one in (asked, approved, asked)))
    assert [(r.outcome, r.code) for r in results] == [
        (Outcome.ACCEPTED, None), (Outcome.REFUSED, ProblemCode.NOT_PERMITTED), (Outcome.ACCEPTED, None),
    ]  # fmt: skip
    assert results[0].receipt == results[2].receipt  # sealed again, the same act
