"""What the office reads of referrals: caseloads, the meeting, searches, duplicates, the trail, the defender; each look is audited."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from sqlalchemy import select, update

from case_system.office.building import Office
from case_system.office.finding import Query, is_named
from case_system.store import schema
from case_system.store.engine import transaction
from referral.lifecycle import Handoff
from referral.model import Answer, Birth, Exclusions, Kind, Person, Reach, ReachHow, Referral, ReferralId, UserId
from referral.operations import Enrol, Intake, Met, Op, ReleaseEvent, ReleaseOfInformation
from referral.port import Refused
from referral.problems import FieldError, ProblemCode
from tests.case_system.office.test_people import ADM, SUP, refused, trail
from tests.support.agency import Agency
from tests.support.device import Device, arrest, social

DEF, SAO = UserId("def"), UserId("sao1")
BORN = Birth(date=date(1990, 5, 2))


def told(agency: Agency, *referrals: Referral, by: str = "o1") -> Device:
    """Referrals as an officer sent them."""
    device = agency.device(by)
    device.send(*(device.create(made) for made in referrals))
    return device


def named(name: str, referral_id: str | None = None, birth: Birth | None = BORN) -> Referral:
    reach = Reach(how=ReachHow.PLACE, detail="hidden canary place")
    return arrest(referral_id, person=Person(name=name, descriptor="hidden canary coat", birth=birth), reach=reach)


def enrolled(agency: Agency, referral_id: str, cm: Device) -> int:
    """Take a referral through to the west pair; its revision."""
    cm.send(cm.reason(Op.ACCEPT, referral_id))
    cm.send(cm.seal(cm.operation(Op.MET, referral_id, Met(at=agency.clock()), base=2)))
    cm.send(cm.seal(cm.operation(Op.INTAKE, referral_id, Intake(on=agency.clock().date()), base=3)))
    agency.admit(referral_id)
    agency.desk("sup", Op.ENROL, referral_id, Enrol(pair="west"))
    return agency.service.look(UserId("sup"), ReferralId(referral_id)).revision


def release(agency: Agency, cm: Device, referral_id: str, base: int, *parties: str, days: int = 30) -> None:
    body = ReleaseOfInformation(
        event=ReleaseEvent.SIGNED, parties=parties, scope=("status",), expires_on=agency.clock().date() + timedelta(days=days)
    )  # fmt: skip
    cm.send(cm.seal(cm.operation(Op.RELEASE, referral_id, body, base=base)))


# ------------------------------------------------------------------------------------------------ caseloads
def test_the_board_counts_and_the_meeting_names_only_under_a_release(office: Office, agency: Agency) -> None:
    open_, shut, half = named("Testa Openly"), named("Testa Closely"), named("Testa Halfway")
    told(agency, open_, shut, half)
    cm = agency.device("cm1")
    revision = max(enrolled(agency, made.referral_id, cm) for made in (open_, shut, half))
    release(agency, cm, open_.referral_id, revision, "police", "sao")
    release(agency, cm, half.referral_id, revision, "police")
    board = office.caseloads.board(UserId("cm1"))
    west = next(line for line in board.pairs if line.pair == "west")
    assert (west.enrolled, west.over_soft, west.full, [u.user_id for u in west.people]) == (3, False, False, ["cm1", "p1"])  # fmt: skip
    assert board.free == 28 * 2 - 3
    meeting = office.caseloads.meeting(SUP)
    assert sorted(m.name or "-" for _, members in meeting.pairs for m in members) == ["-", "-", "Testa Openly"]
    assert (meeting.named, meeting.unnamed) == (1, 2)
    looks = [(actor, which) for actor, which, outcome in trail(agency, "look") if outcome == "meeting"]
    assert looks == [("sup", open_.referral_id)]
    agency.clock.go(days=40)
    assert office.caseloads.meeting(SUP).named == 0  # its last day has passed


def test_the_wait_list_stands_in_the_order_of_intake(office: Office, agency: Agency) -> None:
    first, second = arrest("first"), arrest("second")
    told(agency, first, second)
    cm = agency.device("cm1")
    for n, made in enumerate((second, first)):
        cm.send(cm.reason(Op.ACCEPT, made.referral_id))
        cm.send(cm.seal(cm.operation(Op.MET, made.referral_id, Met(at=agency.clock()), base=2)))
        day = agency.clock().date() - timedelta(days=9 - n)
        cm.send(cm.seal(cm.operation(Op.INTAKE, made.referral_id, Intake(on=day), base=3)))
        agency.admit(made.referral_id)
    assert [r.referral_id for r in office.caseloads.board(SUP).ready] == ["second", "first"]
    with transaction(agency.engine, write=True) as db:
        db.execute(update(schema.pairs).values(enrolled=28))
    for made in (first, second):
        agency.desk("sup", Op.ENROL, made.referral_id, Enrol(), base=5)
    board = office.caseloads.board(SUP)
    assert [r.referral_id for r in board.waiting] == ["second", "first"]
    assert board.free == 0
    assert all(line.full for line in board.pairs)


def test_places_are_counted_in_pairs_that_work_and_have_people(office: Office, agency: Agency) -> None:
    def free(**west: object) -> tuple[int, list[str]]:
        with transaction(agency.engine, write=True) as db:
            db.execute(update(schema.pairs).where(schema.pairs.c.pair == "west").values(west))
        board = office.caseloads.board(SUP)
        return board.free, [u.user_id for line in board.pairs if line.pair == "west" for u in line.people]

    assert free(enrolled=20) == (8 + 28, ["cm1", "p1"])
    assert free(enrolled=29) == (28, ["cm1", "p1"]), "nobody has less than no place"
    assert free(enrolled=20, peer=None) == (8 + 28, ["cm1"])
    assert free(case_manager=None) == (28, [])
    assert free(case_manager="cm1", active=False) == (28, ["cm1"])


# ------------------------------------------------------------------------------------------------ searching
def test_a_search_finds_what_is_in_sight_and_each_hit_is_a_look(office: Office, agency: Agency) -> None:
    mine, other, talk = named("José Núñez-Sample", "mine"), named("Testa Other", "other"), social("talk", person=Person(name="Jose Nunez Sample"))  # fmt: skip
    told(agency, mine, other, talk)
    cm2 = agency.device("cm2")
    cm1 = agency.device("cm1")
    cm1.send(cm1.reason(Op.ACCEPT, "mine"))
    cm2.send(cm2.reason(Op.ACCEPT, "other"))
    find = office.finding.find

    def ids(user: str, **query: object) -> list[str]:
        return sorted(hit.record.referral_id for hit in find(UserId(user), Query(**query)).hits)  # type: ignore[arg-type]

    assert ids("sup", name="jose nunez") == ["mine", "talk"]
    assert ids("sup", name="NUNEZ sample José", born=date(1990, 5, 2)) == ["mine"]
    assert ids("sup", name="nobody") == []
    assert ids("cm1", name="Sample") == ["mine", "talk"]  # the duty pair is rung for the talk
    assert ids("cm2", name="Sample") == []
    assert ids("cm2", name="Testa") == ["other"]
    assert ids("sao1", name="Jose") == ["mine"]  # a social contact is not theirs
    receipt = find(SUP, Query(name="Testa Other")).hits[0].record.receipt
    assert ids("sup", receipt=receipt) == ["other"]
    assert ids("cm1", receipt=receipt) == []
    assert ids("sup", officer=UserId("o1"), kind=Kind.ARREST, handoff=Handoff.ACCEPTED) == ["mine", "other"]
    assert ids("sup", since=date(2026, 3, 3), until=date(2026, 3, 3)) == ["mine", "other", "talk"]
    assert ids("sup", until=date(2026, 3, 2)) == []
    hit = find(UserId("sao1"), Query(name="jose")).hits[0]
    assert hit.name == "José Núñez-Sample"
    assert hit.record.referral is None
    assert "José" not in repr(hit)
    kept = str(agency.rows(select(schema.audit))).casefold()
    assert not any(word in kept for word in ("jose", "nunez", "nobody"))
    assert ("cm2", "other", "found") in trail(agency, "look")
    assert ("sao1", None, "by_name") in trail(agency, "search")


@pytest.mark.parametrize(
    ("recorded", "asked", "hit"),
    [
        ("José Núñez-Sample", "nunez", True),
        ("José Núñez-Sample", "NÚÑEZ-SAMPLE jose", True),
        ("José Núñez-Sample", "nunezsample", True),
        ("Testa O'Sample", "osample testa", True),
        ("Testa O'Sample", "o'sample", True),
        ("Testa Sample", "test", False),
        ("Testa Sample", "testa simple", False),
    ],
)
def test_a_name_is_found_however_it_is_written(recorded: str, asked: str, hit: bool) -> None:
    assert is_named(recorded, asked) is hit


def test_an_empty_search_and_a_strange_name_are_refused(office: Office) -> None:
    assert refused(lambda: office.finding.find(SUP, Query())) == ProblemCode.MISSING_ANSWER
    assert refused(lambda: office.finding.find(SUP, Query(born=date(1990, 5, 2)))) == ProblemCode.MISSING_ANSWER
    for name in ("?!", "x" * 200):
        with pytest.raises(FieldError):
            office.finding.find(SUP, Query(name=name))
    assert refused(lambda: office.finding.find(UserId("eva"), Query(name="x"))) == ProblemCode.NOT_PERMITTED


# ------------------------------------------------------------------------------------------------ duplicates
def test_duplicates_stand_side_by_side_and_opening_them_is_audited(office: Office, agency: Agency) -> None:
    one, two, three = named("Testa Twice", "one"), named("TESTA twice", "two"), named("Testa Once", "three")
    told(agency, one, two, three)
    (group,) = office.duplicates.listed(SUP)
    assert [r.referral_id for r in group] == ["one", "two"]
    assert all(r.referral is None for r in group)
    assert trail(agency, "look") == []
    side = office.duplicates.compare(SUP, ReferralId("two"))
    assert [r.referral and r.referral.person.name for r in side.records] == ["Testa Twice", "TESTA twice"]
    assert trail(agency, "look") == [("sup", "one", "side_by_side"), ("sup", "two", "side_by_side")]
    assert refused(lambda: office.duplicates.compare(SUP, ReferralId("three"))) == "not_found"
    assert refused(lambda: office.duplicates.compare(UserId("cm1"), ReferralId("one"))) == ProblemCode.NOT_PERMITTED


# ------------------------------------------------------------------------------------------------ the trail
def test_the_trail_tells_who_saw_and_who_did_and_is_read_openly(office: Office, agency: Agency) -> None:
    made = named("Testa Trail", "made")
    told(agency, made)
    agency.service.look(SAO, made.referral_id)
    receipt = agency.rows(select(schema.referrals.c.receipt))[0]["receipt"]
    for about in ("made", receipt, receipt.lower()):
        page = office.trail.page(ADM, about=about)
        assert [(x.actor, x.action, x.saw) for x in page.lines] == [("sao1", "look", True), ("o1", "create", False)] or [
            x.action for x in page.lines if x.actor != "adm"
        ] == ["look", "create"]  # fmt: skip
    assert {x.actor for x in office.trail.page(ADM, by="sao1").lines} == {"sao1"}
    saw = {(x.actor, x.action): x.saw for x in office.trail.page(ADM, about="made").lines}
    assert (saw["sao1", "look"], saw["o1", "create"]) == (True, False)
    assert ("adm", "made", "done") in trail(agency, "trail")
    assert ("adm", "sao1", "done") in trail(agency, "trail"), "whose deeds were read is written down, too"
    assert office.trail.page(ADM, about="no such thing".replace(" ", "-")).lines == ()
    assert refused(lambda: office.trail.page(ADM, about="Testa Trail")) == "not_found"
    assert refused(lambda: office.trail.page(SUP, about="made")) == ProblemCode.NOT_PERMITTED
    newest = office.trail.page(ADM).lines[0].n
    assert all(x.n < newest - 3 for x in office.trail.page(ADM, before=newest - 3).lines)


def test_the_chain_is_verified_and_a_changed_row_is_named(office: Office, agency: Agency) -> None:
    assert office.trail.verify(ADM).bad_row is None
    with transaction(agency.engine, write=True) as db:
        db.execute(update(schema.audit).where(schema.audit.c.n == 3).values(actor="someone"))
    verdict = office.trail.verify(ADM)
    assert (verdict.bad_row, verdict.reason) == (3, "a row was changed")
    assert [outcome for *_, outcome in trail(agency, "trail_verify")] == ["done", "broken"]


# ------------------------------------------------------------------------------------------------ the defender
def test_the_defender_reads_three_things_under_a_release_and_nothing_without(office: Office, agency: Agency) -> None:
    made = arrest(
        "client", person=Person(name="Testa Client", descriptor="hidden canary coat", birth=BORN), offence_codes=("4 3550",),
        exclusions=Exclusions(open_warrant=Answer.NO, safety_threat=Answer.NO), reach=Reach(how=ReachHow.PLACE, detail="hidden canary place"),
    )  # fmt: skip
    told(agency, made)
    agency.service.look(SAO, made.referral_id)
    agency.desk("sao1", Op.SAO_DECLINE, "client", base=1)
    cm = agency.device("cm1")
    cm.pull()
    for parties in ((), ("police",)):
        if parties:
            release(agency, cm, "client", 2, *parties)
        assert office.defenders.clients(DEF) == ()
        assert refused(lambda: office.defenders.one(DEF, ReferralId("client"))) == "not_found"
    assert refused(lambda: office.defenders.one(DEF, ReferralId("other"))) == "not_found"
    cm.send(cm.seal(cm.operation(Op.RELEASE, "client", ReleaseOfInformation(event=ReleaseEvent.REVOKED), base=3)))
    release(agency, cm, "client", 4, "opd", days=10)
    (client,) = office.defenders.clients(DEF)
    seen = office.defenders.one(DEF, client.referral_id)
    assert ("SAO1", "done") in {(r.name, r.how) for r in seen.readers}
    assert {"CM1", "P1"} <= {r.name for r in seen.readers if r.how == "device"}
    assert seen.outlook is not None
    assert {r.rule for r in seen.outlook.reasons}
    assert seen.decline is not None
    assert seen.decline.by == "sao1"
    assert not any(word in repr(seen) for word in ("hidden", "Testa"))
    assert [outcome for actor, _, outcome in trail(agency, "look") if actor == "def"] == ["refused", "refused", "refused", "defence"]  # fmt: skip
    agency.clock.go(days=1)
    told(agency, arrest("later"))
    cm.send(cm.reason(Op.ACCEPT, "later"))
    release(agency, cm, "later", 2, "opd", days=9)
    assert [c.referral_id for c in office.defenders.clients(DEF)] == ["later", "client"]
    agency.clock.go(days=11)
    assert office.defenders.clients(DEF) == ()
    with pytest.raises(Refused):
        office.defenders.one(DEF, client.referral_id)
    assert refused(lambda: office.defenders.one(SUP, client.referral_id)) == ProblemCode.NOT_PERMITTED
