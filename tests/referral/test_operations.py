"""Operations: the payload comes back, unknown fields stay, sizes and shapes are bounded, amendments merge."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from referral.codec import canonical, from_wire, parse
from referral.model import Referral, ReferralId, UserId
from referral.operations import (
    OPERATIONS,
    PAYLOAD_LIMIT,
    Amend,
    Create,
    Op,
    Operation,
    Reason,
    SaoAnswer,
    SaoCall,
    amended,
    decode,
    encode,
    merge,
)
from referral.problems import FieldError, ProblemCode
from tests.referral.test_model import ARREST

NOW = datetime(2026, 2, 3, 1, 2, 3, tzinfo=UTC)


def operation(op: Op, body: Any, **more: Any) -> Operation:
    return Operation(
        op=op,
        referral_id=ReferralId("r-1"),
        nonce="abcdefgh",
        made_at=NOW,
        made_by=UserId("officer1"),
        body=body,
        **more,
    )


def test_a_created_referral_comes_back_and_its_id_travels_once() -> None:
    made = operation(Op.CREATE, Create(referral=from_wire(Referral, ARREST)), mono_ms=5)
    data = encode(made)
    assert decode(data) == made
    assert data.count(b'"r-1"') == 1


@pytest.mark.parametrize(
    ("op", "body"),
    [
        (Op.AMEND, Amend(changes={"incident_number": "26-9", "person": {"name": None}})),
        (Op.ACCEPT, Reason()),
        (Op.REDIRECT, Reason(reason="off_duty")),
        (Op.SAO_CALL, SaoCall(who="Reviewer on call", at=NOW, answer=SaoAnswer.NO_ANSWER)),
    ],
)
def test_bodies_come_back(op: Op, body: Any) -> None:
    made = operation(op, body, base=3, offset_ms=-20)
    assert decode(encode(made)) == made


def test_fields_of_newer_apps_are_kept() -> None:
    wire = parse(encode(operation(Op.CREATE, Create(referral=from_wire(Referral, ARREST)))))
    wire["newer"] = {"a": 1}
    wire["body"]["referral"]["mood"] = "x"
    read = decode(canonical(wire))
    assert read.extra == {"newer": {"a": 1}}
    assert parse(encode(read)) == wire


@pytest.mark.parametrize(
    ("payload", "field", "code"),
    [
        (b"[]", "", ProblemCode.MALFORMED),
        (b"{", "", ProblemCode.MALFORMED),
        (b"{}", "op", ProblemCode.MISSING_ANSWER),
        (b'{"op":"teleport"}', "op", ProblemCode.UNKNOWN_VERSION),
        (b'{"op":"accept"}', "referral_id", ProblemCode.MISSING_ANSWER),
        (b" " * (PAYLOAD_LIMIT + 1), "", ProblemCode.TOO_LARGE),
    ],
)
def test_bad_payloads_name_field_and_code(payload: bytes, field: str, code: ProblemCode) -> None:
    with pytest.raises(FieldError) as caught:
        decode(payload)
    assert (caught.value.field, caught.value.code) == (field, code)


def test_a_body_of_another_operation_is_refused() -> None:
    with pytest.raises(FieldError, match="body"):
        operation(Op.MET, Reason())


def test_amendments_follow_rfc_7396_and_keep_the_rest() -> None:
    assert merge({"a": "b", "c": {"d": "e", "f": "g"}}, {"a": "z", "c": {"f": None}}) == {"a": "z", "c": {"d": "e"}}
    before = from_wire(Referral, ARREST)
    after = amended(before, Amend(changes={"person": {"name": None, "descriptor": "Green coat"}}))
    assert after.person.name is None
    assert (after.person.descriptor, after.person.birth) == ("Green coat", before.person.birth)
    with pytest.raises(FieldError, match="whereabouts"):
        amended(before, Amend(changes={"whereabouts": None}))


@pytest.mark.parametrize("name", ["kind", "referral_id"])
def test_kind_and_id_cannot_be_amended(name: str) -> None:
    with pytest.raises(FieldError):
        Amend(changes={name: "x"})


def test_every_operation_has_a_rule() -> None:
    assert set(OPERATIONS) == set(Op)
