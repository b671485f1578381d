"""Referrals that may be of one person: the list, and two or more of them side by side.

GET /desk/duplicates   the list, without names      GET /desk/duplicates/ID   side by side; each is a look
"""

from __future__ import annotations

from typing import Any

from fastapi import Response

from case_system.desk.frame import Frame, Visit
from case_system.office.duplicates import Duplicates
from case_system.record import Record
from referral.model import ReferralId


class DuplicatePages:
    """The list and the comparison."""

    def __init__(self, duplicates: Duplicates) -> None:
        self._duplicates = duplicates

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place("/desk/duplicates", "nav.duplicates", "twins")
        frame.route("GET /desk/duplicates", self.listed)
        frame.route("GET /desk/duplicates/{referral_id}", self.compare)

    async def listed(self, visit: Visit) -> Response:
        """Every group that waits for a decision."""
        groups = await self._frame.work(self._duplicates.listed, visit.who.user_id)
        return self._frame.page(visit, "duplicates.html", groups=groups)

    async def compare(self, visit: Visit) -> Response:
        """One group, opened."""
        referral_id = ReferralId(visit.part("referral_id"))
        side = await self._frame.work(self._duplicates.compare, visit.who.user_id, referral_id)
        return self._frame.page(visit, "side_by_side.html", side=side, rows=rows(visit, side.records, side.names))


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
