"""Caseloads: how full each pair is, who waits for one, enrolment, and the list of the weekly meeting.

GET /desk/caseloads   the board      POST /desk/caseloads/enrol   a person joins a pair      GET /desk/caseloads/meeting   the list
"""

from __future__ import annotations

from typing import Protocol

from fastapi import Response

from case_system.desk.frame import Frame, Visit
from case_system.grants import Duty, has_duty
from case_system.office.caseloads import Caseloads
from case_system.record import Record
from referral.lifecycle import Role
from referral.model import ReferralId, UserId
from referral.operations import Enrol, Op, Operation
from referral.port import Outcome, Receipt, Refused
from referral.problems import ProblemCode
from referral.programme import Programme


class Enrols(Protocol):
    """What enrolment asks of the service."""

    def look(self, actor: UserId, referral_id: ReferralId) -> Record: ...
    def apply_desk(self, actor: UserId, operation: Operation) -> Receipt: ...


class CaseloadPages:
    """The board and the list."""

    def __init__(self, caseloads: Caseloads, service: Enrols) -> None:
        self._caseloads, self._service = caseloads, service

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place("/desk/caseloads", "nav.caseloads", "people")
        frame.route("GET /desk/caseloads", self.board)
        frame.route("POST /desk/caseloads/enrol", self.enrol)
        frame.route("GET /desk/caseloads/meeting", self.meeting)

    async def board(self, visit: Visit) -> Response:
        """The page."""
        board, pack = await self._frame.work(self._caseloads.board, visit.who.user_id), self._frame.pack()
        return self._frame.page(
            visit, "caseloads.html", board=board, may_enrol=visit.who.role is Role.SUPERVISOR,
            may_meet=has_duty(Duty.SEE_MEETING, visit.who.role), why=pack_reasons(pack, visit), spoken={c.code: c.text for c in pack.choices["language"]},
        )  # fmt: skip

    async def meeting(self, visit: Visit) -> Response:
        """The list; whoever is named on it was looked at."""
        meeting = await self._frame.work(self._caseloads.meeting, visit.who.user_id)
        return self._frame.page(visit, "meeting.html", meeting=meeting)

    async def enrol(self, visit: Visit) -> Response:
        """An operation like any other, through the service's door: the cap is its business."""
        return self._frame.go("/desk/caseloads", await self._frame.work(self._enrol, visit))

    def _enrol(self, visit: Visit) -> str:
        record = self._service.look(visit.who.user_id, ReferralId(visit.text("referral_id")))
        body = Enrol(pair=visit.text("pair") or None, reason=visit.text("reason") or None)
        if body.reason is not None and self._frame.pack().choice("override_reason", body.reason) is None:
            raise Refused(ProblemCode.INVALID_VALUE)
        made = Operation(
            op=Op.ENROL, referral_id=record.referral_id, base=record.revision, nonce=self._frame.rng(6).hex(), made_at=visit.now,
            made_by=visit.who.user_id, body=body,
        )  # fmt: skip
        receipt = self._service.apply_desk(visit.who.user_id, made)
        if receipt.outcome is Outcome.ACCEPTED:
            return "enrolled"
        return (receipt.code or ProblemCode.NOT_POSSIBLE_NOW).value


def pack_reasons(pack: Programme, visit: Visit) -> list[tuple[str, str]]:
    """The pack's reasons for a choice out of turn."""
    return [(choice.code, visit.say.pack(choice.text)) for choice in pack.choices["override_reason"]]
