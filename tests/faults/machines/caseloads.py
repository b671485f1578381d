"""Assignment under the cap: everybody is met by the pair on duty, nobody joins a full pair, and two who accept are sorted out.

A real case system over SQLite, with pairs filled to near the pack's hard cap (28) and people whose review and intake are done. The model
counts heads: a place is taken at enrolment, once for a person, and given back at closing.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import datetime
from functools import cache
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule
from sqlalchemy import select, update

from case_system.store import schema
from case_system.store.engine import transaction
from referral.lifecycle import Episode, Handoff
from referral.model import Birth, Person, ReferralId, UserId
from referral.operations import Close, CloseReason, Enrol, Intake, Met, Op, Reason
from referral.port import Outcome
from referral.problems import ProblemCode
from referral.views import Flag, NoticeKind
from tests.faults.machines.driving import Machine
from tests.faults.machines.town import Town, laid, town
from tests.support.device import arrest

CAP = 28
PAIRS = {"west": "cm1", "east": "cm2"}
PEOPLE = 8


class Caseloads(Machine):
    """Two pairs near their cap, and people who wait for a pair."""

    title = "caseloads"
    steps = 10
    needed = (
        "joined who accepted", "joined the emptier", "joined who was asked for", "same person, no second place", "all full",
        "that pair is full", "a place given back", "two at once", "two accepted, one needs attention", "met though all full",
        "reopened", "waits their turn", "out of turn without a reason", "out of turn with a reason",
    )  # fmt: skip

    def begin(self) -> None:
        """People who are ready: the first two are one person with two referrals."""
        self.stack = ExitStack()
        database, ids = ready()
        self.town = self.stack.enter_context(town(self.folder, database))
        self.waiting: list[ReferralId] = list(ids)
        self.holder = {here: "west" if n % 2 == 0 else "east" for n, here in enumerate(ids)}
        self.person = {here: max(n, 1) for n, here in enumerate(ids)}
        self.joined: dict[ReferralId, str] = {}
        self.heads: dict[str, int] = {"west": 0, "east": 0}
        self.line: dict[ReferralId, datetime] = {}  # who waits for a pair, and since when

    def end(self) -> None:
        """Close the case system."""
        self.stack.close()

    @initialize(west=st.integers(25, 28), east=st.integers(25, 28))
    def begin_with(self, west: int, east: int) -> None:
        """So many people are with each pair already."""
        self.fill(west, east)

    def fill(self, west: int, east: int) -> None:
        """Set how many people each pair has."""
        self.heads = {"west": west, "east": east}
        with transaction(self.town.agency.engine, write=True) as db:
            for pair, n in self.heads.items():
                db.execute(update(schema.pairs).where(schema.pairs.c.pair == pair).values(enrolled=n))

    # ------------------------------------------------------------------------------------------------ enrolment
    @precondition(lambda self: self.waiting)
    @rule(
        number=st.integers(0, 99),
        wanted=st.sampled_from([None, None, "west", "east"]),
        reason=st.sampled_from([None, "special_need"]),
    )
    def enrol(self, number: int, wanted: str | None, reason: str | None) -> None:
        self.ask(self.waiting[number % len(self.waiting)], wanted, reason)

    @precondition(lambda self: len(self.waiting) > 2 and not self.line)
    @rule(
        number=st.integers(0, 99),
        wanted=st.sampled_from([None, "east"]),
        reason=st.sampled_from([None, "special_need"]),
    )
    def a_place_comes_free_for_who_waits(self, number: int, wanted: str | None, reason: str | None) -> None:
        """One waits, a place comes free, and somebody else asks for it."""
        first, other = (self.waiting[(number + n) % len(self.waiting)] for n in range(2))
        self.fill(CAP, CAP)
        self.ask(first, None, None)
        self.fill(CAP, CAP - 1)
        self.ask(other, wanted, reason)

    def ask(self, here: ReferralId, wanted: str | None, reason: str | None) -> None:
        """Enrol somebody, and compare with the model."""
        self.town.clock.go(minutes=1)
        free, out_of_turn = 2 * CAP - sum(self.heads.values()), self.out_of_turn(here)
        unsaid = bool(out_of_turn and free and wanted and reason is None and self.own(here) is None)
        expected = None if unsaid else self.place(here, wanted)
        receipt = self.town.agency.desk("sup", Op.ENROL, here, Enrol(pair=wanted, reason=reason))
        record = self.town.agency.service.look(UserId("sup"), here)
        if expected is None:
            code = ProblemCode.NOT_POSSIBLE_NOW if unsaid else ProblemCode.CAP_REACHED
            assert (receipt.outcome, receipt.code) == (Outcome.NEEDS_ATTENTION, code), receipt
            assert record.episode is Episode.OPEN
            if wanted is None:
                self.line.setdefault(here, self.town.clock())
                assert Flag.WAIT_LIST in record.flags
                self.count("waits their turn" if free else "all full")
            else:
                self.count("out of turn without a reason" if unsaid else "that pair is full")
            return
        if out_of_turn and free:
            self.count("out of turn with a reason")
        assert receipt.outcome is Outcome.ACCEPTED, receipt
        assert (record.episode, record.pair) == (Episode.ENROLLED, expected), record.pair
        assert Flag.WAIT_LIST not in record.flags
        self.join(here, expected, wanted)

    @precondition(lambda self: len(self.waiting) > 1)
    @rule(number=st.integers(0, 99))
    def two_at_once(self, number: int) -> None:
        """Two supervisors enrol two people at the same moment: together they take no more than there is."""
        ahead = number % (len(self.waiting) - 1)
        both = self.waiting[ahead : ahead + 2]
        if self.person[both[0]] == self.person[both[1]] or set(self.line) - set(both):
            return
        outcomes: dict[ReferralId, Outcome] = {}

        def ask(here: ReferralId) -> None:
            outcomes[here] = self.town.agency.desk("sup", Op.ENROL, here, Enrol()).outcome

        threads = [threading.Thread(target=ask, args=(here,)) for here in both]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        free = 2 * CAP - sum(self.heads.values()) + sum(self.own(here) is not None for here in both)
        assert list(outcomes.values()).count(Outcome.ACCEPTED) == min(2, free), outcomes
        for here, outcome in outcomes.items():
            if outcome is Outcome.ACCEPTED:
                pair = self.town.agency.service.look(UserId("sup"), here).pair
                assert pair is not None
                self.join(here, pair, None)
            else:
                self.line.setdefault(here, self.town.clock())
        self.count("two at once")

    @precondition(lambda self: self.joined)
    @rule(number=st.integers(0, 99), again=st.booleans())
    def close(self, number: int, again: bool) -> None:
        """The place is free unless the person is there by another referral too."""
        here = sorted(self.joined)[number % len(self.joined)]
        receipt = self.town.agency.desk("sup", Op.CLOSE, here, Close(reason=CloseReason.COMPLETED))
        assert receipt.outcome is Outcome.ACCEPTED
        pair = self.joined.pop(here)
        if self.own(here) is None:
            self.heads[pair] -= 1
            self.count("a place given back")
        if again:
            receipt = self.town.agency.desk("sup", Op.REOPEN, here, Reason(reason="came_back"))
            assert receipt.outcome is Outcome.ACCEPTED, receipt
            self.waiting.append(here)
            self.count("reopened")

    # ------------------------------------------------------------------------------------------------ arrivals
    @rule(who=st.sampled_from(["cm1", "p1", "cm2"]))
    def arrival(self, who: str) -> None:
        """The pair on duty is rung at once, however full it is; two who accept offline are first come, first served."""
        officer, others = self.town.devices["o1"], [user for user in ("cm1", "p1") if user != who]
        told = arrest()
        officer.send(officer.create(told))
        here = told.referral_id
        rung = {user for user in ("cm1", "p1") if self.offered(user, here)}
        assert rung == {"cm1", "p1"}, f"only {rung} of the pair on duty were rung"
        first, second = self.town.devices[who], self.town.devices[others[0]]
        (one,) = first.send(first.reason(Op.ACCEPT, here))
        (other,) = second.send(second.reason(Op.ACCEPT, here))
        assert (one.outcome, other.outcome) == (Outcome.ACCEPTED, Outcome.NEEDS_ATTENTION)
        record = self.town.agency.service.look(UserId("sup"), here)
        assert (record.handoff, record.holder) == (Handoff.ACCEPTED, who)
        self.count("two accepted, one needs attention")
        if sum(self.heads.values()) == 2 * CAP:
            self.count("met though all full")

    # ------------------------------------------------------------------------------------------------ what must hold
    @invariant()
    def the_line_is_in_order(self) -> None:
        """Who waits for a pair, the longest first."""
        found = [waiting.referral_id for waiting in self.town.agency.service.inquiry.waiting_line(UserId("sup"))]
        assert found == sorted(self.line, key=lambda here: (self.line[here], here)), found

    @invariant()
    def heads_are_counted(self) -> None:
        """As the model counts, and never above the cap."""
        rows = self.town.agency.rows(select(schema.pairs.c.pair, schema.pairs.c.enrolled))
        found = {row["pair"]: row["enrolled"] for row in rows}
        assert found == self.heads, f"{found} are counted, {self.heads} are there"
        assert max(found.values()) <= CAP

    def place(self, here: ReferralId, wanted: str | None) -> str | None:
        """The pair that a person joins: their own, the one asked for, who accepted, or the emptier; None if there is no room."""
        own = self.own(here)
        if own is not None and wanted in (None, own):
            return own
        free = sorted((n, pair) for pair, n in self.heads.items() if n < CAP)
        if wanted is not None:
            return wanted if any(pair == wanted for _, pair in free) else None
        if self.out_of_turn(here):
            return None
        if any(pair == self.holder[here] for _, pair in free):
            return self.holder[here]
        return free[0][1] if free else None

    def out_of_turn(self, here: ReferralId) -> bool:
        """Whether those who have been waiting longer leave no place for this person."""
        turn = (self.line.get(here, self.town.clock()), here)
        ahead = sum(other != here and (since, other) < turn for other, since in self.line.items())
        return ahead > 0 and 2 * CAP - sum(self.heads.values()) <= ahead

    def own(self, here: ReferralId) -> str | None:
        """The pair where the same person is enrolled by another referral."""
        return next((pair for other, pair in self.joined.items() if self.person[other] == self.person[here]), None)

    def join(self, here: ReferralId, pair: str, wanted: str | None) -> None:
        """The person is with the pair now."""
        if self.own(here) == pair:
            self.count("same person, no second place")
        else:
            self.heads[pair] += 1
            holds = "joined who accepted" if pair == self.holder[here] else "joined the emptier"
            self.count("joined who was asked for" if wanted else holds)
        self.joined[here] = pair
        self.waiting.remove(here)
        self.line.pop(here, None)

    def offered(self, user: str, here: ReferralId) -> bool:
        """Whether this person's device shows the offer."""
        notices = self.town.devices[user].pull().notices.values()
        return any(n.referral_id == here and n.kind is NoticeKind.HANDOFF_OFFERED for n in notices)


@cache
def ready() -> tuple[Path, tuple[ReferralId, ...]]:
    """A database in which the review and the intake of some people are done, and their referrals."""
    folder = laid().database.parent / "ready"
    folder.mkdir()
    with town(folder) as made:
        ids = tuple(_ready(made, n) for n in range(PEOPLE))
    return folder / "case.db", ids


def _ready(made: Town, n: int) -> ReferralId:
    manager = made.devices["cm1" if n % 2 == 0 else "cm2"]
    birth = Birth(date=made.clock().date().replace(year=1990))
    told = arrest(person=Person(name=f"Robin Invented {'abcdefgh'[max(n, 1)]}", birth=birth))
    here = ReferralId(told.referral_id)
    made.devices["o1"].send(made.devices["o1"].create(told))
    receipts = manager.send(
        manager.reason(Op.ACCEPT, here),
        manager.seal(manager.operation(Op.MET, here, Met(at=made.clock()), base=2)),
        manager.seal(manager.operation(Op.INTAKE, here, Intake(on=made.clock().date()), base=3)),
    )
    made.agency.admit(here)
    assert {receipt.outcome for receipt in receipts} == {Outcome.ACCEPTED}
    return here
