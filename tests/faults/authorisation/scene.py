"""People of every role and referrals in every relation to them, laid once; nothing that is tried on them stays.

`RELATED` is written by hand, from the story of each referral, and not asked of the product: that the product sees the same is part of
what is tested.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import event, func, select

from case_system.assignment import Post
from case_system.grants import Relation
from case_system.packs import Packs
from case_system.service import CaseService
from case_system.store import schema
from case_system.store.database import Database
from case_system.store.docket import SqlDocket
from case_system.store.engine import transaction
from referral.lifecycle import Role
from referral.model import (
    Answer,
    Basis,
    Birth,
    Exclusions,
    Need,
    Permission,
    Person,
    Place,
    PlaceSource,
    Quantity,
    Reach,
    ReachHow,
    Referral,
    Urgency,
    UserId,
    Whereabouts,
    Willing,
    Zone,
)
from referral.operations import Enrol, Intake, Met, NotCompleted, NotCompletedReason, Op
from referral.programme import Programme
from tests.support.agency import Agency
from tests.support.device import Device, arrest, social

ACTORS: Final[Mapping[str, Role]] = {
    "o1": Role.OFFICER, "o2": Role.OFFICER, "cm1": Role.CASE_MANAGER, "p1": Role.PEER, "cm2": Role.CASE_MANAGER, "p2": Role.PEER,
    "sup": Role.SUPERVISOR, "sao1": Role.SAO_REVIEWER, "def": Role.DEFENDER, "eva": Role.EVALUATOR, "adm": Role.ADMINISTRATOR,
}  # fmt: skip
GONE: Final = "cm3"  # a case manager who was let out


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """How people stand to one referral. rung: who was once rung for it."""

    made: frozenset[str] = frozenset({"o1"})
    holds: frozenset[str] = frozenset({"cm1", "p1"})
    rung: frozenset[str] = frozenset({"cm1", "p1"})
    waits: bool = False
    free: bool = False
    reviews: bool = True


NOBODY: Final = frozenset[str]()
STORIES: Final[Mapping[str, Story]] = {
    "waits": Story(waits=True, free=True),
    "held": Story(),
    "idle": Story(free=True),
    "talk": Story(free=True, reviews=False),
    "tally": Story(holds=NOBODY, rung=NOBODY, reviews=False),
    "failed": Story(free=True),
    "enrolled": Story(),
    "closed": Story(holds=NOBODY, free=True),
    "call": Story(made=NOBODY, waits=True, free=True, reviews=False),
    "theirs": Story(made=frozenset({"sup", "o2"}), waits=True, free=True),
}
ON_POST: Final = frozenset({"cm1", "p1", "cm2"})


def related(actor: str, name: str) -> frozenset[Relation]:
    """How a person stands to a referral, by its story."""
    story, found = STORIES[name], {Relation.ANY}
    facts = {
        Relation.MADE: actor in story.made,
        Relation.HOLDS: actor in story.holds,
        Relation.WAITS: story.waits,
        Relation.FREE: story.free and actor in ON_POST,
        Relation.REVIEWS: story.reviews,
    }
    return frozenset(found | {relation for relation, true in facts.items() if true})


def told_in_full(**kind: Any) -> dict[str, Any]:
    """Every answer that both kinds of referral can have."""
    return kind | {
        "offence_codes": ("4 3550",),
        "quantity": Quantity.PERSONAL,
        "place": Place(
            text="300 N Gay St", lat=39.29, lon=-76.6, accuracy_m=9.0, source=PlaceSource.PICKED, outside_reason="near_the_line",
            zone=Zone.INSIDE, fix_age_s=4,
        ),
        "exclusions": Exclusions(
            open_warrant=Answer.NO, safety_threat=Answer.NO, under_supervision=Answer.NO, disqualifying_record=Answer.NO,
            open_case=Answer.NO,
        ),
        "safety_reason": "calm",
        "person": Person(name="Zebedee Quillfeather", descriptor="green coat", birth=Birth(date=date(1990, 5, 2))),
        "reach": Reach(how=ReachHow.PHONE, detail="443-555-0199", permission=Permission.OK),
        "incident_number": "26-0001",
        "language": "es",
        "interpreter": True,
        "immediate_need": (Need.PET,),
        "scene_id": "scene-1",
        "for_officer": UserId("o1"),
        "occurred_at": datetime.fromisoformat("2026-03-03T07:00:00+00:00"),
        "pack": "baltimore/1",
        "form": 1,
        "extra": {"newer": "what a newer app asks"},
    }  # fmt: skip


def full_arrest() -> Referral:
    """An arrest with every answer."""
    told = told_in_full(eta_at=datetime.fromisoformat("2026-03-03T07:30:00+00:00"), destination="lead_office")
    return arrest("waits", **told)


def full_contact() -> Referral:
    """A social contact with every answer."""
    more = {
        "note": "asked for help with a room",
        "basis": Basis.OBSERVED,
        "urgency": Urgency.TODAY,
        "reason": "known_to_use",
    }
    told = told_in_full(whereabouts=Whereabouts.WITH_ME, **more)
    person = Person(name="Zebedee Quillfeather", descriptor="green coat", birth=Birth(age=35))
    return social("talk", **(told | {"person": person, "scene_id": "scene-2"}))


class _Undo(Exception):
    """What was tried is taken back."""


class Untouched(Database):
    """The real database, whose writes are done to the end and then undone; `after` is the referral's row as it would have been."""

    watched: str = ""
    after: Mapping[str, Any] | None = None

    def watch(self, referral_id: str) -> None:
        """Look at this referral from now on."""
        self.watched, self.after = referral_id, None

    @contextmanager
    def write(self, now: datetime, packs: Callable[[str], Programme]) -> Iterator[SqlDocket]:
        """As the real one, but nothing stays."""
        with suppress(_Undo), transaction(self.engine, write=True) as connection:
            docket = SqlDocket(connection, self._keys, self._rng, now, packs)
            yield docket
            docket.finish()
            self.after = self.look(connection)
            raise _Undo

    def look(self, connection: Any) -> dict[str, Any] | None:
        """The watched referral as it stands."""
        t, n = schema.referrals, schema.timeline
        row = connection.execute(select(t).where(t.c.referral_id == self.watched)).mappings().one_or_none()
        if row is None:
            return None
        lines = connection.execute(select(func.count()).where(n.c.referral_id == self.watched)).scalar()
        return dict(row) | {"lines": lines}


@dataclass(slots=True, kw_only=True)
class Scene:
    """The laid scene."""

    folder: Path
    agency: Agency
    service: CaseService
    database: Untouched
    devices: Mapping[str, Device]
    ids: Mapping[str, str]
    base: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notices: Mapping[tuple[str, str], str] = field(default_factory=dict)  # (referral, recipient) -> notice


def _tell_the_stories(agency: Agency, devices: Mapping[str, Device]) -> dict[str, str]:
    o1, cm1 = devices["o1"], devices["cm1"]
    now = agency.clock()

    def accept(name: str) -> None:
        cm1.send(cm1.reason(Op.ACCEPT, name))

    o1.send(
        o1.create(full_arrest()), o1.create(full_contact()), o1.create(arrest("held")), o1.create(arrest("failed")),
        o1.create(arrest("enrolled")), o1.create(arrest("closed")), o1.create(arrest("tally", willing=Willing.NO)),
        o1.create(arrest("idle", whereabouts=Whereabouts.HOSPITAL)),
    )  # fmt: skip
    for name in ("held", "failed", "enrolled"):
        accept(name)
    gave_up = NotCompleted(reason=NotCompletedReason.LEFT)
    cm1.send(
        cm1.seal(cm1.operation(Op.NOT_COMPLETED, "failed", gave_up, base=2)),
        cm1.seal(cm1.operation(Op.MET, "enrolled", Met(at=now), base=2)),
        cm1.seal(cm1.operation(Op.INTAKE, "enrolled", Intake(on=now.date()), base=3)),
    )
    agency.admit("enrolled")
    agency.desk("sup", Op.ENROL, "enrolled", Enrol(pair="west"), base=5)
    o1.send(o1.reason(Op.WITHDRAW, "closed"))
    sup = devices["sup"]
    sup.send(sup.create(arrest("theirs", for_officer=UserId("o2"))))
    call = agency.service.open_provisional(UserId("sup"), "K7-42")
    return {name: name for name in STORIES} | {"call": call}


@cache
def scene() -> Scene:
    """Lay the scene, once per process."""
    folder = Path(tempfile.mkdtemp(prefix="lead-auth-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    agency = Agency.found(f"sqlite:///{folder / 'case.db'}", folder)

    @event.listens_for(agency.engine, "connect")
    def _fast(raw: Any, _: object) -> None:
        raw.execute("PRAGMA synchronous=OFF")

    for user, role in (("def", Role.DEFENDER), ("adm", Role.ADMINISTRATOR), (GONE, Role.CASE_MANAGER)):
        agency.accounts.add_user(user, role, name=user.upper())
    roles = {**ACTORS, GONE: Role.CASE_MANAGER}
    devices = {
        u: Device.enrol(agency.service, agency.accounts.new_code(u, r).code, agency.clock) for u, r in roles.items()
    }
    agency.accounts.set_active(GONE, False)
    agency.accounts.set_post(Post.ON_CALL, ["cm2"])
    ids = _tell_the_stories(agency, devices)
    agency.clock.go(seconds=timedelta(seconds=1).seconds)
    database = Untouched(agency.engine, clock=agency.clock, rng=os.urandom, keys=agency.keys)

    def files(digest: str) -> Any:
        with database.read() as reading:
            return reading.pack_files(digest)

    service = CaseService(database, clock=agency.clock, rng=os.urandom, keys=agency.keys, packs=Packs(files))
    for device in devices.values():
        device.system = service
    n = schema.notices
    rows = agency.rows(select(n.c.referral_id, n.c.recipient, n.c.notice_id))
    made = Scene(
        folder=folder, agency=agency, service=service, database=database, devices=devices, ids=ids,
        notices={(row["referral_id"], row["recipient"]): row["notice_id"] for row in rows},
    )  # fmt: skip
    made.base = {name: row for name in ids if (row := before(made, name)) is not None}
    return made


def before(made: Scene, name: str) -> dict[str, Any] | None:
    """A referral's row as it stands."""
    made.database.watch(made.ids[name])
    with made.agency.engine.connect() as connection:
        return made.database.look(connection)
