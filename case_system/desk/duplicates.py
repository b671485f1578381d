"""Referrals that may be of one person: the list, and two or more of them side by side.

GET /desk/duplicates   the list, without names      GET /desk/duplicates/ID   side by side; each is a look
    POST /desk/duplicates/judge   what two of them are, decided by a person
"""

from __future__ import annotations

from typing import Any, Protocol

from fastapi import Response

from case_system.desk.frame import Frame, Visit
from case_system.office.duplicates import Duplicates
from case_system.record import Record
from referral.decisions import DuplicateDecision, JudgeDuplicate
from referral.model import ReferralId, UserId
from referral.operations import Op, Operation
from referral.port import Outcome, Receipt, Refused
from referral.problems import ProblemCode


class Judges(Protocol):
    """What a decision asks of the service."""

    def look(self, actor: UserId, referral_id: ReferralId) -> Record: ...
    def apply_desk(self, actor: UserId, operation: Operation) -> Receipt: ...


class DuplicatePages:
    """The list, the comparison and the decision."""

    def __init__(self, duplicates: Duplicates, service: Judges) -> None:
        self._duplicates, self._service = duplicates, service

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place("/desk/duplicates", "nav.duplicates", "twins")
        frame.route("GET /desk/duplicates", self.listed)
        frame.route("GET /desk/duplicates/{referral_id}", self.compare)
        frame.route("POST /desk/duplicates/judge", self.judge)

    async def listed(self, visit: Visit) -> Response:
        """Every group that waits for a decision."""
        groups = await self._frame.work(self._duplicates.listed, visit.who.user_id)
        return self._frame.page(visit, "duplicates.html", groups=groups)

    async def compare(self, visit: Visit) -> Response:
        """One group, opened."""
        referral_id = ReferralId(visit.part("referral_id"))
        side = await self._frame.work(self._duplicates.compare, visit.who.user_id, referral_id)
        return self._frame.page(
            visit, "side_by_side.html", side=side, rows=rows(visit, side.records, side.names), newest=side.records[-1],
            decisions=[(d.value, visit.say(f"twins.is.{d}")) for d in DuplicateDecision],
        )  # fmt: skip

    async def judge(self, visit: Visit) -> Response:
        """What a person decided about two of them: an operation like any other, through the service's door."""
        return self._frame.go("/desk/duplicates", await self._frame.work(self._judge, visit))

    def _judge(self, visit: Visit) -> str:
        decision = visit.text("decision")
        if decision not in set(DuplicateDecision):
            raise Refused(ProblemCode.MISSING_ANSWER)
        body = JudgeDuplicate(other=ReferralId(visit.text("other")), decision=DuplicateDecision(decision))
        record = self._service.look(visit.who.user_id, ReferralId(visit.text("referral_id")))
        made = Operation(
            op=Op.JUDGE_DUPLICATE, referral_id=record.referral_id, base=record.revision, nonce=self._frame.rng(6).hex(), made_at=visit.now,
            made_by=visit.who.user_id, body=body,
        )  # fmt: skip
        receipt = self._service.apply_desk(visit.who.user_id, made)
        return "judged" if receipt.outcome is Outcome.ACCEPTED else (receipt.code or ProblemCode.NOT_POSSIBLE_NOW).value


def rows(visit: Visit, records: tuple[Record, ...], names: dict[Any, str]) -> list[tuple[str, tuple[str, ...], bool]]:
    """(question, an answer for each record, whether all that answer say the same)."""
    say = visit.say

    def told(record: Record) -> tuple[str, ...]:
        referral, person = record.referral, record.referral.person if record.referral is not None else None
        birth = person.birth if person is not None else None
        age = "" if birth is None or birth.age is None else say("person.years", n=birth.age)
        return (
            (person.name or "") if person else "",
            birth.date.isoformat() if birth is not None and birth.date is not None else age,
            (person.descriptor or "") if person else "",
            (referral.reach.detail or "") if referral is not None and referral.reach is not None else "",
            (referral.place.text or "") if referral is not None and referral.place is not None else "",
            say.day(record.received_at),
            names.get(record.officer, record.officer),
            say.code("review", record.review),
            say.code("handoff", record.handoff),
            say.code("episode", record.episode),
            record.pair or "",
        )

    questions = ("person.name", "ask.person.birth", "fact.descriptor", "ask.reach", "ask.place", "twins.received", "search.officer",
                 "track.review", "track.handoff", "track.episode", "people.pair")  # fmt: skip
    answers = list(zip(*(told(record) for record in records), strict=True))
    return [
        (say(question), given, len({text.casefold() for text in given if text}) <= 1)
        for question, given in zip(questions, answers, strict=True)
        if any(given)
    ]
