"""Sync: what comes in is verified, filed once, judged and answered; the invariants that the server keeps."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from case_system.store import schema
from referral.codec import canonical
from referral.envelope import AgencyPrivateKey
from referral.lifecycle import Handoff, Review
from referral.model import Person, Place, PlaceSource, UserId
from referral.operations import Amend, Create, Intake, Met, Op, encode
from referral.port import BATCH_ITEMS, DeviceState, Outcome, ReceiptDigest, Refused, SyncRequest, receipt_digest
from referral.problems import ProblemCode
from referral.views import Flag, Happening
from tests.support.agency import Agency
from tests.support.device import arrest, op_id_of, social


def count(agency: Agency, table: str) -> int:
    """How many rows a table has."""
    (row,) = agency.rows(select(func.count().label("n")).select_from(schema.metadata.tables[table]))
    return int(row["n"])


def test_a_referral_arrives_is_offered_accepted_and_comes_back(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest(person=Person(name="Robin Sample"))
    (receipt,) = officer.send(officer.create(told))
    assert (receipt.outcome, receipt.code) == (Outcome.ACCEPTED, None)
    seen = officer.pull().referrals[told.referral_id]
    assert (seen.handoff, seen.review, seen.referral) == (Handoff.OFFERED, Review.SUBMITTED, None)
    assert (seen.case_manager, seen.receipt) == ("CM1", receipt.receipt)
    offered = manager.pull().referrals[told.referral_id]
    assert (offered.referral, offered.mine) == (told, True)
    (answer,) = manager.send(manager.reason(Op.ACCEPT, told.referral_id))
    assert answer.outcome is Outcome.ACCEPTED
    seen = officer.pull().referrals[told.referral_id]
    assert seen.handoff is Handoff.ACCEPTED
    assert [line.what for line in seen.timeline] == [Happening.RECEIVED, Happening.OFFERED, Happening.ACCEPTED]


def test_the_same_bytes_get_the_same_receipt_and_nothing_doubles(agency: Agency) -> None:
    officer = agency.device("o1")
    envelopes = [officer.create(arrest()) for _ in range(3)]
    first = officer.send(*envelopes)
    before = {t: count(agency, t) for t in ("referrals", "operations", "notices", "timeline", "feed", "offers")}
    assert officer.send(*envelopes, *envelopes) == first + first
    assert {t: count(agency, t) for t in before} == before


def test_other_bytes_under_a_number_are_refused_and_kept_aside(agency: Agency) -> None:
    officer = agency.device("o1")
    op_id = os.urandom(16)
    first = officer.seal(
        officer.operation(Op.CREATE, (told := arrest()).referral_id, Create(referral=told)), op_id=op_id
    )
    (receipt,) = officer.send(first)
    second = officer.seal(
        officer.operation(Op.CREATE, (told := arrest()).referral_id, Create(referral=told)), op_id=op_id
    )
    (other,) = officer.send(second)
    assert (other.outcome, other.code, other.op_id) == (Outcome.REFUSED, ProblemCode.OTHER_BYTES, receipt.op_id)
    assert officer.send(first) == (receipt,)
    assert [row["raw"] for row in agency.rows(select(schema.quarantine))] == [second]
    assert count(agency, "referrals") == 1


def test_nothing_is_recorded_under_a_number_before_its_signature_verifies(agency: Agency) -> None:
    officer, stranger = agency.device("o1"), agency.device("o2")
    good = officer.create(arrest())
    forged = good[:-1] + bytes([good[-1] ^ 1])
    results = officer.send(forged, stranger.create(arrest()), b"x" * 300, b"", good)
    assert [r.code for r in results] == [
        ProblemCode.BAD_SIGNATURE, ProblemCode.DEVICE_MISMATCH, ProblemCode.DEVICE_MISMATCH, ProblemCode.MALFORMED, None,
    ]  # fmt: skip
    assert results[-1].outcome is Outcome.ACCEPTED  # and one bad item blocks no other (S6)
    assert count(agency, "operations") == 1


def test_a_sealed_record_that_cannot_be_opened_is_refused_and_kept(agency: Agency) -> None:
    officer = agency.device("o1")
    results = officer.send(officer.seal_bytes(b"not json"), officer.seal_bytes(canonical({"op": "create"})))
    assert [r.outcome for r in results] == [Outcome.REFUSED, Outcome.REFUSED]
    assert count(agency, "quarantine") == 2


def test_what_is_newer_than_this_software_is_stored(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    payload = encode(officer.operation(Op.CREATE, told.referral_id, Create(referral=told)))
    results = officer.send(
        officer.seal_bytes(payload, schema=2), officer.seal_bytes(payload.replace(b'"create"', b'"teleport"'))
    )
    assert [(r.outcome, r.code) for r in results] == [(Outcome.STORED, ProblemCode.UNKNOWN_VERSION)] * 2
    assert all(row["raw"] for row in agency.rows(select(schema.operations)))


def test_a_key_that_is_missing_keeps_the_record_until_it_is_back(agency: Agency) -> None:
    officer = agency.device("o1")
    missing = AgencyPrivateKey.generate()
    told = arrest()
    sealed = officer.seal(
        officer.operation(Op.CREATE, told.referral_id, Create(referral=told)), agency=missing.public()
    )
    (receipt,) = officer.send(sealed)
    assert (receipt.outcome, receipt.code) == (Outcome.STORED, ProblemCode.UNKNOWN_KEY)
    agency.keys.agency_keys = {**agency.keys.agency_keys, missing.key_id: missing}
    assert agency.service.reread() == 1
    assert officer.pull().receipts[receipt.op_id].outcome is Outcome.ACCEPTED
    assert officer.send(sealed)[0].outcome is Outcome.ACCEPTED


def test_a_step_waits_a_day_for_an_earlier_one_and_is_then_judged(agency: Agency) -> None:
    """Found by T1: after a restore what a page did is gone, nobody sends it again, and what stood on it waited for ever."""
    officer, told = agency.device("o1"), arrest()
    (_, receipt) = officer.send(officer.create(told), officer.amend(told.referral_id, 7, language="es"))
    assert (receipt.outcome, receipt.code) == (Outcome.STORED, ProblemCode.WAITING_FOR_EARLIER)
    agency.clock.go(hours=23)
    assert agency.service.end_waiting() == 0
    agency.clock.go(hours=1)
    assert agency.service.end_waiting() == 1
    assert agency.service.end_waiting() == 0
    mine = officer.pull()
    assert mine.receipts[receipt.op_id].outcome is Outcome.ACCEPTED
    assert mine.referrals[told.referral_id].revision == 2


def test_a_step_that_another_one_let_pass_is_not_done_again(agency: Agency) -> None:
    """Found by T1 (case 94650): of several that had waited a day, the first let the next ones pass, and those were then done twice."""
    officer, told = agency.device("o1"), arrest()
    steps = [officer.amend(told.referral_id, base, incident_number=f"26-000{n}") for n, base in enumerate((2, 2, 3))]
    results = officer.send(officer.create(told), *steps)
    assert {r.code for r in results[1:]} == {ProblemCode.WAITING_FOR_EARLIER}
    agency.clock.go(hours=24)
    agency.service.end_waiting()
    assert sorted(row["revision"] for row in agency.rows(select(schema.operations))) == [1, 2, 3, 4]
    assert officer.pull().referrals[told.referral_id].revision == 4


def test_a_step_that_came_before_its_referral_waits_no_longer_than_others(agency: Agency) -> None:
    """Found by T1 (case 27511): after a restore a step came first, its referral second, and what lay between never."""
    officer, told = agency.device("o1"), arrest()
    (receipt,) = officer.send(officer.amend(told.referral_id, 7, language="es"))
    assert (receipt.outcome, receipt.code) == (Outcome.STORED, ProblemCode.REFERRAL_UNKNOWN)
    officer.send(officer.create(told))
    waits = [(row["code"], row["outcome"]) for row in agency.rows(select(schema.operations)) if row["op"] == "amend"]
    assert waits == [("waiting_for_earlier", "stored")]
    agency.clock.go(hours=24)
    assert agency.service.end_waiting() == 1
    assert officer.pull().receipts[receipt.op_id].outcome is Outcome.ACCEPTED


def test_a_step_that_could_not_be_read_is_found_by_its_referral_once_it_can(agency: Agency) -> None:
    officer, told, missing = agency.device("o1"), arrest(), AgencyPrivateKey.generate()
    step = officer.operation(Op.AMEND, told.referral_id, Amend(changes={"language": "es"}), base=1)
    (receipt,) = officer.send(officer.seal(step, agency=missing.public()))
    agency.keys.agency_keys = {**agency.keys.agency_keys, missing.key_id: missing}
    assert agency.service.reread() == 0, "its referral is not there"
    officer.send(officer.create(told))
    assert officer.pull().receipts[receipt.op_id].outcome is Outcome.ACCEPTED
    assert agency.service.reread() == 0


def test_a_step_that_waited_a_day_and_does_not_fit_needs_a_person(agency: Agency) -> None:
    officer, manager, told = agency.device("o1"), agency.device("cm1"), arrest()
    officer.send(officer.create(told))
    (receipt,) = manager.send(
        manager.seal(manager.operation(Op.INTAKE, told.referral_id, Intake(on=agency.clock().date()), base=7))
    )
    assert receipt.outcome is Outcome.STORED
    agency.clock.go(hours=24)
    assert agency.service.end_waiting() == 1
    assert manager.pull().receipts[receipt.op_id].outcome is Outcome.NEEDS_ATTENTION


def test_what_a_newer_app_sealed_for_a_destroyed_key_is_sealed_again(agency: Agency) -> None:
    """Found by T1 (case 25091): it was kept for an upgrade that could never open it."""
    officer, told = agency.device("o1"), arrest()
    old = agency.keys.newest
    payload = encode(officer.operation(Op.CREATE, told.referral_id, Create(referral=told)))
    agency.keys.rotate()
    agency.keys.retire(old.key_id.hex())
    (receipt,) = officer.send(officer.seal_bytes(payload, schema=2, agency=old))
    assert (receipt.outcome, receipt.code) == (Outcome.REFUSED, ProblemCode.KEY_RETIRED)


def test_a_retired_key_asks_for_sealing_again_and_the_act_counts_once(agency: Agency) -> None:
    officer = agency.device("o1")
    old = officer.enrolment.agency_key.key_id
    told = arrest()
    act = officer.operation(Op.CREATE, told.referral_id, Create(referral=told))
    before = officer.seal(act)
    (first,) = officer.send(before)
    agency.keys.rotate()
    answer = officer.sync()
    assert answer.agency_key is not None
    assert answer.agency_key.key_id == agency.keys.newest.key_id.hex()
    agency.keys.retire(old)
    (late,) = officer.send(officer.create(arrest()))
    assert (late.outcome, late.code) == (Outcome.REFUSED, ProblemCode.KEY_RETIRED)
    (again,) = officer.send(officer.seal(act, agency=agency.keys.newest))  # another number, the same act
    assert (again.outcome, again.receipt) == (first.outcome, first.receipt)
    assert again.op_id != first.op_id
    assert count(agency, "referrals") == 1


def test_an_act_that_was_sealed_again_is_not_done_again(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    officer.send(officer.create(told))
    act = officer.operation(Op.AMEND, told.referral_id, Amend(changes={"language": "es"}), base=1)
    (first,) = officer.send(officer.seal(act))
    (again,) = officer.send(officer.seal(act))
    assert (again.outcome, again.receipt) == (first.outcome, first.receipt)
    assert agency.service.look(UserId("sup"), told.referral_id).revision == 2


def test_later_steps_wait_for_earlier_ones_and_their_maker_is_told(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    create = officer.create(told)
    first = officer.amend(told.referral_id, base=1, incident_number="7 260 001")
    second = officer.amend(told.referral_id, base=2, language="es")
    (waits,) = officer.send(second)
    assert (waits.outcome, waits.code) == (Outcome.STORED, ProblemCode.REFERRAL_UNKNOWN)
    assert officer.send(create)[0].outcome is Outcome.ACCEPTED
    assert officer.pull().receipts == {}
    (done,) = officer.send(first)
    assert done.outcome is Outcome.ACCEPTED
    assert officer.pull().receipts[waits.op_id].outcome is Outcome.ACCEPTED
    record = agency.service.look(UserId("sup"), told.referral_id)
    assert record.revision == 3
    assert record.referral is not None
    assert (record.referral.incident_number, record.referral.language) == ("7 260 001", "es")


def test_in_one_batch_the_order_does_not_matter(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    batch = [
        officer.create(told),
        *(officer.amend(told.referral_id, base=n, incident_number=str(n)) for n in (1, 2, 3)),
    ]
    assert {r.outcome for r in officer.send(*reversed(batch))} == {Outcome.ACCEPTED}
    record = agency.service.look(UserId("sup"), told.referral_id)
    assert record.referral is not None
    assert record.referral.incident_number == "3"


def test_two_devices_on_one_base_are_both_kept_and_flagged(agency: Agency) -> None:
    phone, tablet = agency.device("o1"), agency.device("o1")
    told = arrest()
    phone.send(phone.create(told))
    phone.send(phone.amend(told.referral_id, base=1, incident_number="A", language="es"))
    (receipt,) = tablet.send(tablet.amend(told.referral_id, base=1, incident_number="B", interpreter=True))
    assert receipt.outcome is Outcome.ACCEPTED
    assert Flag.PARALLEL_UPDATE in tablet.pull().referrals[told.referral_id].flags
    record = agency.service.look(UserId("sup"), told.referral_id)
    assert record.referral is not None
    assert (record.referral.incident_number, record.referral.interpreter) == ("A", True)
    assert record.amendments[-1].parallel == {"incident_number": "B"}


def test_a_step_that_does_not_fit_any_more_is_kept_and_flagged(agency: Agency) -> None:
    officer, first, second = agency.device("o1"), agency.device("cm1"), agency.device("p1")
    told = arrest()
    officer.send(officer.create(told))
    assert first.send(first.reason(Op.ACCEPT, told.referral_id))[0].outcome is Outcome.ACCEPTED
    (late,) = second.send(second.reason(Op.ACCEPT, told.referral_id))
    assert (late.outcome, late.code) == (Outcome.NEEDS_ATTENTION, ProblemCode.NOT_POSSIBLE_NOW)
    seen = first.pull().referrals[told.referral_id]
    assert (seen.case_manager, seen.handoff) == ("CM1", Handoff.ACCEPTED)
    assert Flag.NEEDS_ATTENTION in seen.flags
    (met,) = second.send(second.seal(second.operation(Op.MET, told.referral_id, Met(at=agency.clock()), base=3)))
    assert met.outcome is Outcome.ACCEPTED  # the other half of the pair; and the kept step counts as a revision


def test_who_has_nothing_to_do_with_it_is_refused(agency: Agency) -> None:
    officer, other, manager = agency.device("o1"), agency.device("o2"), agency.device("cm1")
    told = arrest()
    officer.send(officer.create(told))
    results = [
        *other.send(other.amend(told.referral_id, language="es"), other.create(arrest(told.referral_id))),
        *officer.send(officer.reason(Op.ACCEPT, told.referral_id), officer.reason(Op.SAO_APPROVE, told.referral_id)),
        *manager.send(manager.create(arrest())),
    ]
    assert [r.outcome for r in results] == [Outcome.REFUSED] * 5
    assert [r.code for r in results] == [ProblemCode.NOT_PERMITTED, ProblemCode.ID_TAKEN] + [
        ProblemCode.NOT_PERMITTED
    ] * 3
    assert other.pull().referrals == {}


def test_a_desk_only_step_is_not_taken_from_a_device(agency: Agency) -> None:
    officer, reviewer = agency.device("o1"), agency.device("sao1")
    told = arrest()
    officer.send(officer.create(told))
    (receipt,) = reviewer.send(reviewer.reason(Op.SAO_APPROVE, told.referral_id))
    assert (receipt.outcome, receipt.code) == (Outcome.REFUSED, ProblemCode.NOT_PERMITTED)
    assert agency.desk("sao1", Op.SAO_APPROVE, told.referral_id).outcome is Outcome.ACCEPTED


def test_a_revoked_device_is_heard_and_held_and_told_nothing(agency: Agency) -> None:
    officer = agency.device("o1")
    told = arrest()
    officer.send(officer.create(told))
    agency.accounts.revoke(officer.device_id, wipe=True)
    late = officer.amend(told.referral_id, language="es")
    answer = officer.sync([late])
    (receipt,) = answer.results
    assert (receipt.outcome, receipt.code) == (Outcome.STORED, ProblemCode.DEVICE_REVOKED)
    assert (answer.device.state, answer.device.wipe, answer.changes, answer.pack) == (
        DeviceState.REVOKED,
        True,
        (),
        None,
    )
    with pytest.raises(Refused):
        agency.service.reader(officer.enrolment.read_token)
    record = agency.service.look(UserId("sup"), told.referral_id)
    assert Flag.DEVICE_REVOKED in record.flags
    with pytest.raises(Refused):
        agency.service.decide_held(officer.user, officer.device_id, receipt.op_id)
    passed = agency.service.decide_held(UserId("sup"), officer.device_id, receipt.op_id)
    assert passed.outcome is Outcome.ACCEPTED
    assert officer.send(late) == (passed,)


def test_a_key_that_something_stored_is_sealed_for_is_known_and_its_loss_has_its_name(agency: Agency) -> None:
    """Found by T1 (case 1958): a held operation whose key was destroyed was said to wait for an upgrade."""
    officer, key_id = agency.device("o1"), agency.keys.newest.key_id.hex()
    late = officer.create(arrest())
    agency.accounts.revoke(officer.device_id)
    (receipt,) = officer.send(late)
    assert agency.service.sealed_for(key_id) == 1
    agency.keys.rotate()
    assert agency.service.sealed_for(agency.keys.newest.key_id.hex()) == 0
    agency.keys.retire(key_id)  # what `keys retire --anyway` does
    passed = agency.service.decide_held(UserId("sup"), officer.device_id, receipt.op_id)
    assert (passed.outcome, passed.code) == (Outcome.STORED, ProblemCode.KEY_RETIRED)


def test_a_held_operation_that_was_passed_needs_its_key_no_more(agency: Agency) -> None:
    officer = agency.device("o1")
    late = officer.create(arrest())
    agency.accounts.revoke(officer.device_id)
    (receipt,) = officer.send(late)
    assert agency.service.decide_held(UserId("sup"), officer.device_id, receipt.op_id).outcome is Outcome.ACCEPTED
    assert agency.service.sealed_for(agency.keys.newest.key_id.hex()) == 0


def test_a_locked_device_sends_and_is_told_nothing(agency: Agency) -> None:
    officer = agency.device("o1")
    answer = officer.sync([officer.create(arrest())], locked=True)
    assert answer.results[0].outcome is Outcome.ACCEPTED
    assert (answer.changes, answer.cursor) == ((), None)
    append_token = officer.enrolment.append_token
    asked = agency.service.sync(append_token, SyncRequest(nonce="00" * 16, pull=True))
    assert (asked.changes, asked.cursor) == ((), None)


def test_an_unknown_token_and_too_many_envelopes_refuse_the_request(agency: Agency) -> None:
    officer = agency.device("o1")
    with pytest.raises(Refused) as error:
        agency.service.sync("nobody", SyncRequest(nonce="00" * 16))
    assert error.value.code is ProblemCode.NOT_SIGNED_IN
    with pytest.raises(Refused) as error:
        officer.sync([b"x"] * (BATCH_ITEMS + 1))
    assert error.value.code is ProblemCode.TOO_LARGE


def test_two_hundred_referrals_and_once_more(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    place = Place(text="300 W LEXINGTON ST", source=PlaceSource.PICKED)
    batch = [officer.create(arrest(place=place) if n % 2 else social(place=place)) for n in range(200)]
    first = officer.send(*batch)
    assert {r.outcome for r in first} == {Outcome.ACCEPTED}
    assert len({r.receipt for r in first}) == 200
    assert officer.send(*batch) == first
    assert (count(agency, "referrals"), count(agency, "operations")) == (200, 200)
    assert len(officer.pull().referrals) == 200
    assert sum(view.handoff is Handoff.OFFERED for view in manager.pull().referrals.values()) == 100


def test_the_digest_finds_what_the_case_system_lacks(agency: Agency) -> None:
    officer = agency.device("o1")
    sent = [officer.create(arrest()) for _ in range(2)]
    officer.send(*sent)
    since = agency.clock() - timedelta(days=90)
    ours = receipt_digest([op_id_of(e) for e in sent], since)
    assert not officer.sync(receipts=ours).device.reoffer
    assert officer.sync(receipts=ReceiptDigest(n=2, hash="0" * 64, since=since)).device.reoffer
    assert officer.sync(receipts=receipt_digest([*map(op_id_of, sent), op_id_of(os.urandom(40))], since)).device.reoffer


def test_the_lease_moves_on_and_the_pack_comes_when_it_is_another(agency: Agency) -> None:
    officer = agency.device("o1")
    agency.clock.go(days=10)
    answer = officer.sync(pack=officer.enrolment.pack.digest)
    assert answer.device.lease_until == agency.clock() + timedelta(days=90)
    assert answer.pack is None
    newer = officer.sync(pack="0" * 64).pack
    assert newer is not None
    assert newer.digest == officer.enrolment.pack.digest
