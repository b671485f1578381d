"""One referral: what this role may read of it with everything around it, and its buttons.

    GET  /desk/r/ID   the page; looking is audited        POST /desk/do   one button, an operation of who pressed it

A button's form carries the revision and the moment that its page showed and a number of its own. Sent twice it is one act; sent
from a page that is no longer true it does nothing, and the answer (409, `changed_meanwhile`) says who did what since.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from fastapi import Response

from case_system.casefile import CaseFile
from case_system.desk.bodies import operation
from case_system.desk.choices import (
    advice,
    age,
    button_keys,
    line_code,
    may_decide,
    method_list,
    of_pack,
    pair_list,
    partner_list,
    party_list,
    party_name,
    reason_list,
    scope_list,
)
from case_system.desk.frame import Frame, Visit, number_of
from case_system.desk.steps import BY_NAME, fits, possible
from case_system.desk.strip import strip
from case_system.grants import Sight
from case_system.inquiry import Inquiry
from case_system.reasons import sentence as why_sentence
from case_system.record import Record
from case_system.sheet import Meanwhile
from case_system.streams import Streams
from referral.lifecycle import Role
from referral.model import ReferralId, UserId, is_referral_id
from referral.operations import Operation
from referral.port import Outcome, Receipt, Refused
from referral.problems import ProblemCode


class ReferralService(Protocol):
    """What one referral's page asks of the service."""

    @property
    def inquiry(self) -> Inquiry:
        """Everything about one referral, audited as a look."""
        ...

    def press(self, actor: UserId, operation: Operation, fits: Callable[[Record], bool], since: datetime) -> Receipt | Meanwhile: ...  # fmt: skip


class OneReferral:
    """The page of one referral."""

    def __init__(self, service: ReferralService, streams: Streams) -> None:
        self._service, self._streams = service, streams

    def attach(self, frame: Frame) -> None:
        """Say the routes."""
        self._frame = frame
        frame.templates.globals.update(
            possible=possible, line_code=line_code, reason_list=reason_list, partner_list=partner_list, party_list=party_list,
            party_name=party_name, scope_list=scope_list, method_list=method_list, pair_list=pair_list, button_keys=button_keys, age=age, of_pack=of_pack,
            advice=advice, may_decide=may_decide, why_sentence=why_sentence, resolve=BY_NAME["resolve"],
        )  # fmt: skip
        frame.route("GET /desk/r/{referral_id}", self.one)
        frame.route("GET /desk/r/{referral_id}/now", self.now, live=True)
        frame.route("POST /desk/do", self.do)

    async def one(self, visit: Visit) -> Response:
        """The page."""
        return await self._one(visit, "referral.html")

    async def now(self, visit: Visit) -> Response:
        """What stands on it now, for an open page."""
        return await self._one(visit, "referral_now.html")

    async def _one(self, visit: Visit, template: str) -> Response:
        here = ReferralId(visit.part("referral_id"))
        file: CaseFile = await self._frame.work(
            self._service.inquiry.case_file, visit.who.user_id, here, visit.look.language
        )
        sheet, reviewer = file.sheet, visit.who.role is Role.SAO_REVIEWER
        return self._frame.page(visit, template, file=file, sheet=sheet, record=sheet.record, lanes=strip(sheet.record, reviewer=reviewer), whole=sheet.seen is Sight.WHOLE)  # fmt: skip

    async def do(self, visit: Visit) -> Response:
        """Press a button."""
        button = BY_NAME.get(visit.text("button"))
        if button is None or not is_referral_id(visit.text("referral_id")):
            raise Refused(ProblemCode.INVALID_VALUE)
        made = operation(button, visit, self._frame.pack())
        got: Receipt | Meanwhile = await self._frame.work(
            self._service.press, visit.who.user_id, made, fits(button, visit.who.role, made.base), _since(visit)
        )
        if isinstance(got, Meanwhile):
            return self._frame.page(visit, "meanwhile.html", status=409, meanwhile=got, button=button)
        self._streams.wake({visit.who.user_id})
        if got.outcome is Outcome.ACCEPTED:
            return self._frame.go(visit.back, f"done_{button.name}")
        return self._frame.go(visit.back, (got.code or ProblemCode.NOT_POSSIBLE_NOW).value)


def _since(visit: Visit) -> datetime:
    """When the page of the form was made, as it says itself; what is no time is now."""
    said = number_of(visit.text("seen"), 15)
    if said is None or said / 1000 >= visit.now.timestamp():
        return visit.now
    return datetime.fromtimestamp(said / 1000, UTC)
