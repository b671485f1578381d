"""Steps on a referral: each is made offline, becomes one sealed operation, and is refused here only where it surely cannot be.

What this device cannot know (who has accepted meanwhile) is no obstacle: the case system keeps such a step and flags it (S19).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from field_app.acting import Acting, Failed
from field_app.answers import check_choice, complete, spelled
from field_app.draft import check_answers
from field_app.outcomes import Saved, Trouble
from field_app.projection import may
from field_app.troubles import FAULTS, refused, trouble
from referral.codec import to_wire
from referral.model import ReferralId, utc
from referral.operations import (
    Acknowledge,
    Amend,
    Body,
    Close,
    CloseReason,
    Contact,
    Intake,
    Met,
    NotCompleted,
    NotCompletedReason,
    OnTheWay,
    Op,
    Reason,
    ReleaseEvent,
    ReleaseOfInformation,
    SaoAnswer,
    SaoCall,
    allowed,
    merge,
)
from referral.place import zone_of
from referral.problems import FieldError, ProblemCode

Json = Any
Step = Saved | Trouble


class Steps(Acting):
    """The part of `Actions` that goes on with a referral. Every method answers Saved or Trouble."""

    def amend(self, referral_id: ReferralId, changes: Mapping[str, Json]) -> Step:
        """Later knowledge, as a JSON merge patch over the wire form; null takes an answer back."""
        return self._step(Op.AMEND, referral_id, lambda: Amend(changes=self._difference(referral_id, changes)))

    def withdraw(self, referral_id: ReferralId, reason: str | None = None) -> Step:
        """Take a referral back before anybody has accepted it."""
        return self._step(Op.WITHDRAW, referral_id, lambda: self._reason("withdraw_reason", reason))

    def ask_withdrawal(self, referral_id: ReferralId, reason: str | None = None) -> Step:
        """Ask that an accepted referral be withdrawn."""
        return self._step(Op.ASK_WITHDRAWAL, referral_id, lambda: self._reason("withdraw_reason", reason))

    def sao_call(self, referral_id: ReferralId, who: str | None, answer: SaoAnswer, at: datetime | None = None) -> Step:
        """Record a call to the SAO's reviewer: who answered, what they said, when (now, unless told)."""
        return self._step(Op.SAO_CALL, referral_id, lambda: SaoCall(who=who, at=at or self._utc(), answer=answer))

    def on_the_way(
        self, referral_id: ReferralId, eta_at: datetime | None = None, destination: str | None = None
    ) -> Step:
        """The person is being brought in."""
        return self._step(Op.ON_THE_WAY, referral_id, lambda: self._on_the_way(eta_at, destination))

    def met(self, referral_id: ReferralId) -> Step:
        """The person and the case manager have met."""
        return self._step(Op.MET, referral_id, lambda: Met(at=self._utc()))

    def not_completed(self, referral_id: ReferralId, reason: NotCompletedReason) -> Step:
        """The handoff did not take place."""
        return self._step(Op.NOT_COMPLETED, referral_id, lambda: NotCompleted(reason=reason))

    def accept(self, referral_id: ReferralId) -> Step:
        """I take this handoff, by name."""
        return self._step(Op.ACCEPT, referral_id, Reason)

    def redirect(self, referral_id: ReferralId, reason: str | None = None) -> Step:
        """Somebody else must take this handoff."""
        return self._step(Op.REDIRECT, referral_id, lambda: self._reason("redirect_reason", reason))

    def intake(self, referral_id: ReferralId, on: date | None = None) -> Step:
        """Intake is complete (today, unless told)."""
        return self._step(
            Op.INTAKE, referral_id, lambda: Intake(on=on or self._open_device().programme.day(self._now()))
        )

    def contact(self, referral_id: ReferralId, reached: bool) -> Step:
        """I reached the person, or tried to."""
        return self._step(Op.CONTACT, referral_id, lambda: Contact(at=self._utc(), reached=reached))

    def release(
        self,
        referral_id: ReferralId,
        event: ReleaseEvent,
        parties: tuple[str, ...] = (),
        scope: tuple[str, ...] = (),
        expires_on: date | None = None,
    ) -> Step:
        """The person gave, signed or took back a release of information."""
        return self._step(
            Op.RELEASE,
            referral_id,
            lambda: ReleaseOfInformation(event=event, parties=parties, scope=scope, expires_on=expires_on),
        )

    def close_referral(self, referral_id: ReferralId, reason: CloseReason) -> Step:
        """The work with this person has ended."""
        return self._step(Op.CLOSE, referral_id, lambda: Close(reason=reason))

    def acknowledge(self, notice_id: str) -> Step:
        """I have seen this notice."""
        try:
            with self._turn:
                known = self._session().holdings.notices.get(notice_id)
        except Failed as failed:
            return failed.trouble
        if known is None:
            return Trouble(problem=ProblemCode.NOT_FOUND)
        return self._step(Op.ACKNOWLEDGE, known[1].referral_id, lambda: Acknowledge(notice_id=notice_id))

    # ------------------------------------------------------------------------------------------------ inside
    def _step(self, op: Op, referral_id: ReferralId, body: Any) -> Step:
        try:
            with self._turn:
                device, session = self._open_device(), self._session()
                if not allowed(op, device.binding.role):
                    return Trouble(problem=ProblemCode.NOT_PERMITTED, detail=op.value)
                row = self._row(referral_id)
                if row is None and op is not Op.ACKNOWLEDGE:
                    return Trouble(problem=ProblemCode.NOT_FOUND, detail="referral_id")
                if row is not None and op is not Op.ACKNOWLEDGE and not may(op, row, device.binding.role):
                    return Trouble(problem=ProblemCode.NOT_POSSIBLE_NOW, detail=op.value)
                made: Body = body()
                op_id = session.step(op, referral_id, made)
                return self._saved(referral_id, op_id)
        except FieldError as error:
            return refused(error)
        except Failed as failed:
            return failed.trouble
        except FAULTS as error:
            return trouble(error)

    def _difference(self, referral_id: ReferralId, changes: Mapping[str, Json]) -> Mapping[str, Json]:
        """The merge patch that these changes amount to, once the referral is valid with them and unnamed where it must be."""
        programme = self._open_device().programme
        record = self._session().holdings.records.get(referral_id)
        for name in ("referral_id", "kind"):
            if name in changes:
                raise FieldError(name, ProblemCode.INVALID_VALUE, "cannot be amended")
        if record is not None and (referral := record.referral) is not None:
            after = complete(merge(record.wire, changes), programme, programme.day(self._now()))
            return difference(to_wire(referral), to_wire(after))
        row = self._row(referral_id)
        if row is None:
            raise FieldError("referral_id", ProblemCode.NOT_FOUND, "is not known here")
        wire = spelled(changes)
        place = check_answers(row.kind, wire, programme)
        if place is not None:
            wire["place"] = {**wire["place"], "zone": zone_of(place, programme).value}
        return wire

    def _reason(self, choices: str, reason: str | None) -> Reason:
        check_choice(choices, reason, self._open_device().programme, "reason")
        return Reason(reason=reason)

    def _on_the_way(self, eta_at: datetime | None, destination: str | None) -> OnTheWay:
        check_choice("destination", destination, self._open_device().programme)
        return OnTheWay(eta_at=None if eta_at is None else utc(eta_at), destination=destination)

    def _utc(self) -> datetime:
        return utc(self._now())


def difference(before: Json, after: Json) -> dict[str, Json]:
    """The JSON merge patch (RFC 7396) that makes `after` of `before`."""
    patch: dict[str, Json] = {name: None for name in before if name not in after}
    for name, value in after.items():
        if name not in before:
            patch[name] = value
        elif isinstance(value, dict) and isinstance(before[name], dict):
            if inner := difference(before[name], value):
                patch[name] = inner
        elif value != before[name]:
            patch[name] = value
    return patch
