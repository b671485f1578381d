"""Release of information: what police may see follows the person's consent, and nothing else.

A real case system over SQLite; an officer's device, the case manager's, the peer's and two that have no business here. The model knows
only the consent. After every step the officer's device pulls, and what is on it is held against 42 CFR Part 2:

    without a signed release that names police, in its time      no intake, no closing, no meeting by the case manager, no release
    with it                                                       intake and closing, as they are
    ever                                                          no name, no contact, no line about the release or the enrolment
"""

from __future__ import annotations

from contextlib import ExitStack
from datetime import date, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from case_system.record import Record
from referral.lifecycle import Episode, Handoff, Release
from referral.model import Person, ReferralId, UserId
from referral.operations import (
    Body,
    Close,
    CloseReason,
    Contact,
    Intake,
    Met,
    Op,
    Reason,
    ReleaseEvent,
    ReleaseOfInformation,
)
from referral.port import Outcome
from referral.views import Happening, ReferralView
from tests.faults.machines.driving import Machine
from tests.faults.machines.town import town
from tests.support.device import Device, arrest

NAME = "Robin Invented"
SEALED = {Happening.INTAKE_COMPLETE, Happening.CLOSED, Happening.MET_BY_CASE_MANAGER}
NEVER = {Happening.CONTACTED, Happening.RELEASE_CHANGED, Happening.ENROLLED, Happening.REOPENED}
SIGNABLE = {Release.NONE, Release.VERBAL, Release.REVOKED, Release.EXPIRED}


class Consent(Machine):
    """One person, met and known to a case manager, who gives and takes back consent."""

    title = "consent"
    steps = 10
    needed = (
        "verbal", "signed for police", "signed for others", "revoked", "expired", "arrived after its last day",
        "peer may not sign", "not possible now", "intake seen", "intake not seen", "closing seen", "closing not seen",
        "told at once what was told bit by bit",
    )  # fmt: skip

    def begin(self) -> None:
        """A referral that was accepted by cm1."""
        self.stack = ExitStack()
        self.town = self.stack.enter_context(town(self.folder))
        told = arrest(person=Person(name=NAME))
        self.here = ReferralId(told.referral_id)
        self.of("o1").send(self.of("o1").create(told))
        self.release, self.police, self.until = Release.NONE, False, self.today()
        self.seen: ReferralView | None = None
        self.revision, self.intake_done = 1, False
        assert self.act("cm1", Op.ACCEPT) is Outcome.ACCEPTED

    def end(self) -> None:
        """Close the case system."""
        self.stack.close()

    # ------------------------------------------------------------------------------------------------ consent
    @rule(who=st.sampled_from(["cm1", "p1"]))
    def say_yes(self, who: str) -> None:
        outcome = self.act(who, Op.RELEASE, ReleaseOfInformation(event=ReleaseEvent.VERBAL))
        self.expect(outcome, possible=self.release is Release.NONE)
        if outcome is Outcome.ACCEPTED:
            self.release = Release.VERBAL
            self.count("verbal")

    @rule(
        police=st.booleans(), others=st.booleans(), days=st.integers(-2, 6), who=st.sampled_from(["cm1", "cm1", "p1"])
    )
    def sign(self, police: bool, others: bool, days: int, who: str) -> None:
        """It may have been signed on a phone without signal, and arrive after its last day."""
        parties = ("police",) * police + ("housing",) * (others or not police)
        until = self.today() + timedelta(days=days)
        body = ReleaseOfInformation(event=ReleaseEvent.SIGNED, parties=parties, scope=("intake",), expires_on=until)
        outcome = self.act(who, Op.RELEASE, body)
        self.expect(outcome, possible=self.release in SIGNABLE and who == "cm1")
        if outcome is Outcome.ACCEPTED:
            self.release, self.police, self.until = Release.SIGNED, police, until
            self.count("signed for police" if police else "signed for others")
            if days < 0:
                self.count("arrived after its last day")
        elif who == "p1":
            self.count("peer may not sign")

    @rule(who=st.sampled_from(["cm1", "p1"]))
    def revoke(self, who: str) -> None:
        outcome = self.act(who, Op.RELEASE, ReleaseOfInformation(event=ReleaseEvent.REVOKED))
        self.expect(outcome, possible=self.release in (Release.VERBAL, Release.SIGNED))
        if outcome is Outcome.ACCEPTED:
            self.release, self.police = Release.REVOKED, False
            self.count("revoked")

    @rule(days=st.integers(0, 4))
    def days_pass(self, days: int) -> None:
        """The case system looks after what is due, as its dispatcher does."""
        self.town.clock.go(days=days)
        self.town.agency.service.climb(self.town.clock())
        if self.release is Release.SIGNED and self.until < self.today():
            self.release, self.police = Release.EXPIRED, False
            self.count("expired")

    # ------------------------------------------------------------------------------------------------ the work
    @rule(who=st.sampled_from(["o1", "cm1"]))
    def met(self, who: str) -> None:
        self.act(who, Op.MET, Met(at=self.town.clock()))

    @rule()
    def intake(self) -> None:
        self.act("cm1", Op.INTAKE, Intake(on=self.today()))

    @rule(reached=st.booleans())
    def contact(self, reached: bool) -> None:
        self.act("p1", Op.CONTACT, Contact(at=self.town.clock(), reached=reached))

    @precondition(lambda self: self.intake_done)
    @rule()
    def close(self) -> None:
        self.town.agency.desk("sup", Op.CLOSE, self.here, Close(reason=CloseReason.COMPLETED))
        self.revision = self.truth().revision

    @rule()
    def restore_from_empty(self) -> None:
        """The officer's device starts over: what it is told at once is no more than what it was told bit by bit."""
        before = self.seen
        self.of("o1").cursor = None
        self.of("o1").replica.referrals.clear()
        after = self.of("o1").pull().referrals[self.here]
        assert before is None or after == before, "the officer was told other things in bits than at once"
        self.count("told at once what was told bit by bit")

    # ------------------------------------------------------------------------------------------------ what must hold
    @invariant()
    def police_see_what_they_may(self) -> None:
        """What the officer's device holds now."""
        seen = self.of("o1").pull().referrals.get(self.here)
        assert seen is not None
        truth = self.truth()
        open_now = self.release is Release.SIGNED and self.police and self.until >= self.today()
        lines = {line.what for line in seen.timeline}
        assert truth.release is self.release, (truth.release, self.release)
        assert seen.referral is None
        assert NAME not in repr(seen)
        assert not lines & NEVER, lines & NEVER
        if open_now:
            assert (seen.handoff, seen.episode, seen.release) == (truth.handoff, truth.episode, Release.SIGNED)
        else:
            assert not lines & SEALED, f"{lines & SEALED} without a release"
            assert seen.handoff in (Handoff.ACCEPTED, Handoff.MET)
            assert seen.handoff is not Handoff.MET or truth.met_by_officer
            assert (seen.episode, seen.release) == (Episode.OPEN, Release.NONE)
        self.intake_done = truth.handoff is Handoff.INTAKE_COMPLETE
        if self.intake_done:
            self.count("intake seen" if open_now else "intake not seen")
        if truth.episode is Episode.CLOSED:
            self.count("closing seen" if open_now else "closing not seen")
        self.seen = seen

    @rule()
    def others_look(self) -> None:
        """The pair has the name; who has no business with it has nothing."""
        for who in ("cm1", "p1"):
            mine = self.of(who).pull().referrals[self.here]
            assert mine.referral is not None
            assert mine.referral.person.name == NAME
        for stranger in ("o2", "cm2"):
            assert self.here not in self.of(stranger).pull().referrals

    # ------------------------------------------------------------------------------------------------ inside
    def act(self, who: str, op: Op, body: Body | None = None) -> Outcome:
        """One operation from a device that is up to date."""
        device, base = self.of(who), self.revision
        (receipt,) = device.send(device.seal(device.operation(op, self.here, body or Reason(), base=base)))
        self.revision = base + 1
        return receipt.outcome

    def expect(self, outcome: Outcome, *, possible: bool) -> None:
        """What fits is accepted; what does not is kept for a person to look at, and changes nothing."""
        assert outcome is (Outcome.ACCEPTED if possible else Outcome.NEEDS_ATTENTION), outcome
        if not possible:
            self.count("not possible now")

    def of(self, who: str) -> Device:
        """A person's device."""
        return self.town.devices[who]

    def today(self) -> date:
        """The case system's day."""
        return self.town.clock().date()

    def truth(self) -> Record:
        """What the case system knows."""
        return self.town.agency.service.look(UserId("sup"), self.here)
