"""Searching. What was typed is answered in the page itself, so that no name is ever in an address.

GET /desk/search   the form      POST /desk/search   the form and what was found
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import TypeVar

from fastapi import Response

from case_system.desk.frame import Frame, Visit
from case_system.office.finding import Finding, Query, Results
from referral.lifecycle import Episode, Handoff, Review
from referral.model import Kind, UserId
from referral.port import Refused
from referral.problems import FieldError, ProblemCode

E = TypeVar("E", bound=StrEnum)


class SearchPages:
    """The form and its results."""

    def __init__(self, finding: Finding) -> None:
        self._finding = finding

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place("/desk/search", "nav.search", "search")
        frame.route("GET /desk/search", self.form)
        frame.route("POST /desk/search", self.find)

    async def form(self, visit: Visit) -> Response:
        """The empty form."""
        return await self._page(visit, None, None)

    async def find(self, visit: Visit) -> Response:
        """What was found, or which answer makes no sense."""
        try:
            results: Results = await self._frame.work(self._finding.find, visit.who.user_id, _query(visit))
        except FieldError as error:
            return await self._page(visit, None, error.code)
        except Refused as refused:
            if refused.code is not ProblemCode.MISSING_ANSWER:
                raise
            return await self._page(visit, None, refused.code)
        return await self._page(visit, results, None)

    async def _page(self, visit: Visit, results: Results | None, problem: ProblemCode | None) -> Response:
        officers = await self._frame.work(self._finding.officers, visit.who.user_id)
        return self._frame.page(
            visit, "search.html", status=200 if problem is None else 422, results=results,
            problem=None if problem is None else visit.say(f"search.no.{problem}"), officers=officers, kinds=list(Kind),
            reviews=list(Review), handoffs=list(Handoff), episodes=list(Episode),
        )  # fmt: skip


def _query(visit: Visit) -> Query:
    officer = visit.text("officer")
    return Query(
        receipt=visit.text("receipt").upper() or None,
        call_code=visit.text("call_code").upper() or None,
        officer=UserId(officer) if officer else None,
        kind=_one_of(Kind, visit.text("kind")),
        review=_one_of(Review, visit.text("review")),
        handoff=_one_of(Handoff, visit.text("handoff")),
        episode=_one_of(Episode, visit.text("episode")),
        since=_day("since", visit.text("since")),
        until=_day("until", visit.text("until")),
        name=visit.text("name") or None,
        born=_day("born", visit.text("born")),
    )


def _one_of(kind: type[E], said: str) -> E | None:
    if not said:
        return None
    try:
        return kind(said)
    except ValueError as error:
        raise Refused(ProblemCode.INVALID_VALUE) from error


def _day(name: str, said: str) -> date | None:
    if not said:
        return None
    try:
        day = date.fromisoformat(said)
    except ValueError as error:
        raise FieldError(name, ProblemCode.INVALID_VALUE, "is no day") from error
    if not 1900 <= day.year <= 2200:
        raise FieldError(name, ProblemCode.INVALID_VALUE, "is no day")
    return day
