"""Who stands where at a moment: shifts, lists, absences with covers, languages; and the reminders of the clock."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from case_system.assignment import Absence, Post, Rota, Shift, posts, stand_ins
from case_system.cli import main
from case_system.reasons import SENTENCES, Why, sentence
from case_system.record import User
from case_system.storage import NotSo
from case_system.store import exports, schema
from case_system.store.roster import Roster
from referral.lifecycle import Role
from referral.model import Birth, Person, ReferralId, UserId
from referral.operations import Close, CloseReason, Contact, Intake, Met, Op, Reason
from referral.port import Outcome, Refused
from referral.views import Happening
from tests.support.agency import MONDAY_NIGHT, Agency
from tests.support.device import arrest
from tests.support.repository import ROOT

HOUR = timedelta(hours=1)


def user(name: str, role: Role, *, active: bool = True) -> User:
    """Somebody of a role."""
    return User(user_id=UserId(name), name=name, role=role, active=active)


PEOPLE = (
    user("cm1", Role.CASE_MANAGER), user("cm2", Role.CASE_MANAGER), user("cm3", Role.CASE_MANAGER), user("p1", Role.PEER),
    user("sup", Role.SUPERVISOR), user("sao1", Role.SAO_REVIEWER),
)  # fmt: skip


def shift(post: Post, name: str, begins: int = -1, ends: int = 1) -> Shift:
    """A shift by hours from now."""
    return Shift(
        shift_id=f"{post}-{name}", post=post, user_id=UserId(name), starts_at=MONDAY_NIGHT + begins * HOUR,
        ends_at=MONDAY_NIGHT + ends * HOUR,
    )  # fmt: skip


def gone(name: str, cover: str | None = None, begins: int = -1, ends: int = 1) -> Absence:
    """An absence by hours from now."""
    return Absence(
        user_id=UserId(name), starts_at=MONDAY_NIGHT + begins * HOUR, ends_at=MONDAY_NIGHT + ends * HOUR,
        cover=None if cover is None else UserId(cover),
    )  # fmt: skip


def on(rota: Rota, post: str) -> tuple[str, ...]:
    """Who stands on a post now."""
    found: tuple[str, ...] = getattr(posts(rota, PEOPLE, MONDAY_NIGHT), post)
    return found


LISTED = {Post.DUTY: [UserId("cm1"), UserId("p1")], Post.ON_CALL: [UserId("cm2")]}


def test_a_shift_that_runs_stands_before_the_list_and_names_the_case_manager_first() -> None:
    rota = Rota(lists=LISTED, shifts=[shift(Post.DUTY, "p1"), shift(Post.DUTY, "cm3")])
    assert on(rota, "duty") == ("cm3", "p1")
    assert on(Rota(lists=LISTED, shifts=[shift(Post.DUTY, "cm3", 1, 2)]), "duty") == ("cm1", "p1")
    assert on(Rota(lists=LISTED, shifts=[shift(Post.DUTY, "cm3", -2, 0)]), "duty") == ("cm1", "p1")
    assert on(Rota(lists=LISTED, shifts=[shift(Post.DUTY, "cm3", 0, 1)]), "duty") == ("cm3",)


def test_who_is_away_is_skipped_and_the_cover_stands_in() -> None:
    assert on(Rota(lists=LISTED, absences=[gone("cm1", "cm2")]), "duty") == ("cm2", "p1")
    assert on(Rota(lists=LISTED, absences=[gone("cm1", "cm2")]), "on_call") == ("cm3",)  # cm2 is on duty now
    assert on(Rota(lists=LISTED, absences=[gone("cm1")]), "duty") == ("p1",)
    assert on(Rota(lists=LISTED, absences=[gone("cm1", "cm2", 1, 2)]), "duty") == ("cm1", "p1")
    chain = [gone("cm1", "cm2"), gone("cm2", "cm3")]
    assert on(Rota(lists=LISTED, absences=chain), "duty") == ("cm3", "p1")
    ring = [gone("cm1", "cm2"), gone("cm2", "cm1")]
    assert stand_ins(Rota(absences=ring), PEOPLE, MONDAY_NIGHT) == {"cm1": None, "cm2": None}


def test_nobody_is_left_without_a_human() -> None:
    everybody = [gone(person.user_id) for person in PEOPLE]
    found = posts(Rota(lists=LISTED, absences=everybody), PEOPLE, MONDAY_NIGHT)
    assert (found.duty, found.on_call, found.supervisors, found.sao) == ((), (), ("sup",), ("sao1",))


def test_every_reason_has_its_sentence_in_both_languages() -> None:
    assert set(SENTENCES) == set(Why)
    assert sentence(Why.ON_DUTY) == "They are on duty."
    assert sentence(Why.ON_DUTY, "es") == "Están de turno."


# ------------------------------------------------------------------------------------------------ over a database
@pytest.fixture
def roster(agency: Agency) -> Roster:
    """The rota's own changes."""
    return Roster(engine=agency.engine, clock=agency.clock, rng=os.urandom)


def offered(agency: Agency) -> list[str]:
    """Who was rung at once, in order of the names."""
    rows = exports.notices(agency.engine)
    return sorted(n["recipient"] for n in rows if n["kind"] == "handoff_offered")


def why_offered(agency: Agency, here: str) -> list[str | None]:
    """The written reasons of the offers."""
    file = agency.service.inquiry.case_file(UserId("sup"), ReferralId(here))
    return [line.code for line in file.timeline if line.what is Happening.OFFERED]


def test_the_shift_that_runs_is_rung_and_the_list_again_after_it(agency: Agency, roster: Roster) -> None:
    now = agency.clock()
    for name in ("cm2", "p2"):
        roster.add_shift(Post.DUTY, name, now - HOUR, now + HOUR)
    officer = agency.device("o1")
    officer.send(officer.create(arrest()))
    assert offered(agency) == ["cm2", "p2"]
    agency.clock.go(hours=1)
    officer.send(officer.create(arrest()))
    assert offered(agency) == ["cm1", "cm2", "p1", "p2"]


def test_a_cover_is_rung_in_place_of_who_is_away_also_in_the_persons_own_pair(agency: Agency, roster: Roster) -> None:
    born = Birth(date=agency.clock().date().replace(year=1990))
    person = Person(name="Robin Sample", birth=born)
    officer, own = agency.device("o1"), agency.device("cm1")
    first = arrest(person=person)
    officer.send(officer.create(first))
    own.send(own.reason(Op.ACCEPT, first.referral_id))
    now = agency.clock.go(hours=2)
    roster.set_away("cm1", now - HOUR, now + HOUR, cover="cm2")
    again = arrest(person=person)
    officer.send(officer.create(again))
    rung = [n for n in exports.notices(agency.engine) if n["referral_id"] == again.referral_id]
    assert sorted(n["recipient"] for n in rung if n["kind"] == "handoff_offered") == ["cm2", "p1"]
    assert why_offered(agency, again.referral_id) == ["own_pair"]
    assert roster.clear_away("cm1") == 1
    assert roster.absences() == []


def test_a_cover_stands_at_the_desk_where_who_is_away_stands_and_no_longer_than_that(
    agency: Agency, roster: Roster
) -> None:
    officer, own, cover = agency.device("o1"), agency.device("cm1"), agency.device("cm2")
    here = ReferralId("here")
    officer.send(officer.create(arrest(here, person=Person(name="Robin Sample"))))
    own.send(own.reason(Op.ACCEPT, here))

    def at_desk(user: str) -> tuple[bool, Outcome]:
        """Whether it lies on their desk, and what becomes of a word that the person was met."""
        listed = here in {r.referral_id for r in agency.service.board(UserId(user)).records("with_you", "overdue")}
        return listed, agency.desk(user, Op.CONTACT, here, Contact(at=agency.clock(), reached=True)).outcome

    assert (at_desk("cm1"), at_desk("cm2")) == ((True, Outcome.ACCEPTED), (False, Outcome.REFUSED))
    now = agency.clock.go(minutes=5)
    roster.set_away("cm1", now, now + HOUR, cover="cm2")
    assert at_desk("cm2") == (True, Outcome.ACCEPTED)
    seen = agency.service.look(UserId("cm2"), here)
    assert seen.referral is not None
    assert seen.referral.person.name == "Robin Sample"
    assert here not in cover.pull().referrals, "a device would keep it when the absence is over"
    assert at_desk("p2") == (False, Outcome.REFUSED)
    agency.clock.go(hours=1)
    assert at_desk("cm2") == (False, Outcome.REFUSED)
    with pytest.raises(Refused):
        agency.service.look(UserId("cm2"), here)


def test_somebody_who_speaks_the_language_is_rung_with_the_pair_on_duty(agency: Agency, roster: Roster) -> None:
    roster.set_languages("cm2", ["es", "fr"], known=("es", "fr"))
    officer = agency.device("o1")
    told = arrest(language="fr")
    officer.send(officer.create(told))
    assert offered(agency) == ["cm1", "cm2", "p1"]
    assert why_offered(agency, told.referral_id) == ["also_speaks"]
    assert [line.code for line in officer.pull().referrals[told.referral_id].timeline] == [None, None]
    roster.set_languages("p1", ["fr"], known=("es", "fr"))
    other = arrest(language="fr")
    officer.send(officer.create(other))
    assert why_offered(agency, other.referral_id) == ["on_duty"]


def test_what_makes_no_sense_is_refused(agency: Agency, roster: Roster) -> None:
    now = agency.clock()
    with pytest.raises(NotSo, match="role"):
        roster.add_shift(Post.SAO, "cm1", now, now + HOUR)
    with pytest.raises(NotSo, match="ends after"):
        roster.add_shift(Post.DUTY, "cm1", now, now)
    with pytest.raises(NotSo, match="no such shift"):
        roster.remove_shift("1")
    with pytest.raises(NotSo, match="no user"):
        roster.set_away("nobody", now, now + HOUR)
    with pytest.raises(NotSo, match="same work"):
        roster.set_away("cm1", now, now + HOUR, cover="sup")
    with pytest.raises(NotSo, match="language"):
        roster.set_languages("cm1", ["klingon"], known=("es",))
    assert (roster.shifts(), roster.absences()) == ([], [])


def test_the_rota_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = ["--db", str(tmp_path / "case.db"), "--json"]

    def run(*words: str) -> str:
        assert main([*base, *words]) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    run("init", "--pack", str(ROOT / "assets" / "programmes" / "baltimore"))
    run("user", "add", "casey", "--role", "case_manager", "--pair", "north")
    run("user", "add", "petra", "--role", "peer", "--pair", "north")
    added = ["duty", "shift", "add", "duty", "casey", "petra", "--from", "2099-03-01T20:00", "--to", "2099-03-02T08:00"]
    assert run(*added, "--weeks", "2").count('"') == 2 + 2 * 4
    listed = run("duty", "shift", "list")
    assert (
        listed.count("2099-03-08T20:00-04:00") == 2
    )  # the same hour, although the clocks were set forward that morning
    shift_id = listed.split('"shift_id": "')[1].split('"')[0]
    run("duty", "shift", "remove", shift_id)
    run("duty", "away", "set", "casey", "--from", "2099-07-01T00:00", "--to", "2099-07-15T00:00", "--cover", "petra")
    assert '"cover": "petra"' in run("duty", "away", "list")
    run("duty", "away", "clear", "casey")
    run("user", "languages", "casey", "es")
    assert '"languages": ["es"]' in run("user", "list")
    assert main([*base, "user", "languages", "casey", "klingon"]) == 1
    assert main([*base, "duty", "away", "set", "casey", "--from", "soon", "--to", "later"]) == 1


# ------------------------------------------------------------------------------------------------ reminders
def due_notices(agency: Agency) -> list[tuple[str, int]]:
    """(recipient, round) of the warnings of the intake window."""
    rows = agency.rows(select(schema.notices).where(schema.notices.c.kind == "intake_due"))
    return sorted((row["recipient"], row["round"]) for row in rows)


def test_an_intake_that_is_not_done_is_warned_of_at_14_21_and_28_days(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest()
    officer.send(officer.create(told))
    manager.send(manager.reason(Op.ACCEPT, told.referral_id))
    agency.service.climb(agency.clock.go(days=13))
    assert due_notices(agency) == []
    with agency.engine.connect() as db:
        assert db.execute(select(schema.referrals.c.intake_warn_at)).scalar() == agency.clock() + timedelta(days=1)
    agency.service.climb(agency.clock.go(days=1))
    assert due_notices(agency) == [("cm1", 14), ("p1", 14), ("sup", 14)]
    agency.service.climb(agency.clock.go(minutes=1))
    assert len(due_notices(agency)) == 3  # once
    agency.service.climb(agency.clock.go(days=20))  # the clock was late: the newest warning only
    assert [n for who, n in due_notices(agency) if who == "sup"] == [14, 28]
    rows = agency.rows(select(schema.referrals.c.intake_warn_at))
    assert rows == [{"intake_warn_at": None}]


def test_nobody_is_warned_of_an_intake_that_is_done_or_not_expected(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    done, closed, declined = arrest(), arrest(), arrest()
    officer.send(*(officer.create(told) for told in (done, closed, declined)))
    manager.send(
        manager.reason(Op.ACCEPT, done.referral_id),
        manager.seal(manager.operation(Op.MET, done.referral_id, Met(at=agency.clock()), base=2)),
        manager.seal(manager.operation(Op.INTAKE, done.referral_id, Intake(on=agency.clock().date()), base=3)),
    )
    agency.desk("sup", Op.CLOSE, closed.referral_id, Close(reason=CloseReason.NO_CONTACT))
    agency.desk("sao1", Op.SAO_DECLINE, declined.referral_id, Reason(reason="open_case"))
    agency.service.climb(agency.clock.go(days=15))
    assert due_notices(agency) == []
    assert agency.desk("sup", Op.REOPEN, closed.referral_id, Reason(reason="found_again")).outcome is Outcome.ACCEPTED
    agency.service.climb(agency.clock.go(days=7))
    assert {n for _, n in due_notices(agency)} == {21}
