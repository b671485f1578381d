"""People and roles.

GET  /desk/people               everyone          POST /desk/people/add      a new person
GET  /desk/people/USER          one of them       POST /desk/people/change   name, unit, language, role, pair
POST /desk/people/active        in or out         POST /desk/people/secret   a password or a one-time code, shown once
GET  /desk/notices              my notices        POST /desk/people/channel  a way to be woken: add, change, remove
"""

from __future__ import annotations

from fastapi import Response

from case_system.desk.codes import qr
from case_system.desk.frame import Frame, Visit, number_of
from case_system.desk.notices import kinds_of
from case_system.grants import MANAGED_ROLES
from case_system.office.people import LANGUAGES, People
from case_system.storage import NotSo, Standing
from referral.lifecycle import Role
from referral.model import UserId
from referral.port import Refused
from referral.problems import ProblemCode

LINES = 50


class PeoplePages:
    """The list and one person."""

    def __init__(self, people: People) -> None:
        self._people = people

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place("/desk/people", "nav.people", "key")
        frame.route("GET /desk/people", self.listed)
        frame.route("GET /desk/people/{user_id}", self.one)
        frame.route("POST /desk/people/add", self.add)
        frame.route("POST /desk/people/change", self.change)
        frame.route("POST /desk/people/active", self.active)
        frame.route("POST /desk/people/languages", self.languages)
        frame.route("POST /desk/people/secret", self.secret)

    # ------------------------------------------------------------------------------------------------ looking
    async def listed(self, visit: Visit) -> Response:
        """Everyone, or those of one role."""
        people = await self._frame.work(self._people.listed, visit.who.user_id)
        wanted = visit.asked("role")
        shown = [p for p in people if wanted in ("", p.role)]
        last = max(1, -(-len(shown) // LINES))
        page = min(max(1, number_of(visit.asked("page")) or 1), last)
        return self._frame.page(
            visit, "people.html", people=shown[(page - 1) * LINES : page * LINES], wanted=wanted, number=page, last=last,
            total=len(shown), roles=sorted({p.role for p in people}), may_roles=_roles(visit), languages=_languages(visit), kinds=kinds_of(visit),
        )  # fmt: skip

    async def one(self, visit: Visit) -> Response:
        """One person."""
        person, channels, yours = await self._frame.work(
            self._people.one, visit.who.user_id, UserId(visit.part("user_id"))
        )
        return self._frame.page(
            visit,
            "person.html",
            person=person,
            channels=channels,
            yours=yours,
            may_roles=_roles(visit),
            languages=_languages(visit),
            spoken=[(choice.code, visit.say.pack(choice.text)) for choice in self._frame.pack().choices["language"]],
            kinds=kinds_of(visit),
        )

    # ------------------------------------------------------------------------------------------------ changing
    async def add(self, visit: Visit) -> Response:
        """A new person; on to their page."""
        user_id = await self._frame.work(
            self._people.add, visit.who.user_id, visit.text("user_id"), self._standing(visit)
        )
        return self._frame.go(f"/desk/people/{user_id}", "person_added")

    async def change(self, visit: Visit) -> Response:
        """Name, unit, language, role and pair."""
        await self._frame.work(
            self._people.change, visit.who.user_id, UserId(visit.text("user_id")), self._standing(visit)
        )
        return self._frame.go(visit.back, "person_changed")

    async def active(self, visit: Visit) -> Response:
        """Let a person in or out."""
        active = visit.text("active") == "yes"
        await self._frame.work(self._people.let_in, visit.who.user_id, UserId(visit.text("user_id")), active)
        return self._frame.go(visit.back, "person_in" if active else "person_out")

    async def languages(self, visit: Visit) -> Response:
        """The languages that a person speaks."""
        spoken = [code for code in visit.texts("speaks") if code]
        await self._frame.work(self._people.speaks, visit.who.user_id, UserId(visit.text("user_id")), spoken)
        return self._frame.go(visit.back, "person_changed")

    async def secret(self, visit: Visit) -> Response:
        """A fresh password or one-time code, on a page that is shown once."""
        kinds = {"password": self._people.new_password, "totp": self._people.new_totp}
        make = kinds.get(visit.text("kind"))
        if make is None:
            raise Refused(ProblemCode.INVALID_VALUE)
        given = await self._frame.work(make, visit.who.user_id, UserId(visit.text("user_id")))
        code = qr(given.totp_link, visit.say("secret.qr")) if given.totp_link else None
        return self._frame.page(visit, "secret.html", given=given, code=code)

    # ------------------------------------------------------------------------------------------------ inside
    @staticmethod
    def _standing(visit: Visit) -> Standing:
        try:
            role = Role(visit.text("role"))
        except ValueError as error:
            raise NotSo("nobody has that role", "no_role") from error
        return Standing(
            name=visit.text("name"), role=role, unit=visit.text("unit"), language=visit.text("language"), pair=visit.text("pair")
        )  # fmt: skip


def _roles(visit: Visit) -> list[tuple[str, str]]:
    managed = MANAGED_ROLES.get(visit.who.role, frozenset())
    return [(role.value, visit.say.code("role", role)) for role in Role if role in managed]


def _languages(visit: Visit) -> list[tuple[str, str]]:
    return [(code, visit.say(f"language.{code}")) for code in LANGUAGES]
