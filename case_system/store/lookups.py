"""Rows as values: the look-ups that writing and reading transactions share.

Statements are built once, when the module is read: building one costs more than running it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Connection, Row, RowMapping, bindparam, or_, select

from case_system.assignment import Absence, Post, Rota, Shift, Waiting
from case_system.handoff import Climb, Ladder, NoticeState
from case_system.matters import Matter, Trouble
from case_system.record import Pair, User
from case_system.storage import AgencyFacts, Device, EnrolCode, Paper
from case_system.store import schema
from case_system.turn import NoticeFact, OpenMatter
from referral.envelope import DevicePublicKey
from referral.lifecycle import Episode, Role
from referral.model import DeviceId, OpId, ReferralId, UserId
from referral.operations import Op
from referral.port import Outcome
from referral.problems import ProblemCode
from referral.views import Flag, NoticeKind, NoticeView

PAPER = (
    "device_id", "op_id", "fingerprint", "device_seq", "user_id", "outcome", "code", "receipt", "judged_at",
    "referral_id", "op", "base", "nonce", "revision",
)  # fmt: skip
PAPER_COLUMNS = tuple(schema.operations.c[name] for name in PAPER)
THESE: BindParameter[Any] = bindparam("these", expanding=True)  # the values of an IN list
_u, _o, _r = schema.users.c, schema.operations.c, schema.rota.c
_AGENCY = select(schema.agency)
_USERS = select(_u.user_id, _u.name, _u.role, _u.unit, _u.active, _u.language, _u.languages).order_by(_u.user_id)
_PAIRS = select(schema.pairs).order_by(schema.pairs.c.pair)
_PAIRS_LOCKED = _PAIRS.with_for_update()
_ROTA = select(_r.post, _r.user_id).order_by(_r.post, _r.rank)
_s, _a = schema.shifts.c, schema.absences.c
_SHIFTS = select(schema.shifts).order_by(_s.starts_at, _s.shift_id)
_SHIFTS_LEFT = _SHIFTS.where(_s.ends_at > bindparam("now"))
_ABSENCES = select(schema.absences).order_by(_a.starts_at, _a.absence_id)
_ABSENCES_LEFT = _ABSENCES.where(_a.ends_at > bindparam("now"))
_PAPERS = select(*PAPER_COLUMNS).where(_o.device_id == bindparam("device"), _o.op_id.in_(THESE))


def agency(db: Connection) -> AgencyFacts:
    """The agency's one row."""
    return agency_of(db.execute(_AGENCY).one())


def agency_of(row: Row[Any]) -> AgencyFacts:
    return AgencyFacts(agency_id=row.agency_id, name=row.name, epoch=row.epoch, pack_digest=row.pack_digest)


def users(db: Connection, working: Mapping[str, Pair] | None = None) -> dict[UserId, User]:
    """Everyone, with the pair they work in. working: the pairs, where the caller has them already."""
    known = pairs(db) if working is None else working
    in_pair = {who: p.pair for p in known.values() if p.active for who in p.members}
    return {
        UserId(row.user_id): User(
            user_id=UserId(row.user_id),
            name=row.name,
            role=Role(row.role),
            unit=row.unit,
            active=row.active,
            pair=in_pair.get(row.user_id),
            language=row.language,
            languages=tuple(row.languages.split()),
        )
        for row in db.execute(_USERS)
    }


def pairs(db: Connection, *, lock: bool = False) -> dict[str, Pair]:
    """Every pair by name."""
    return {
        row.pair: Pair(
            pair=row.pair, case_manager=row.case_manager, peer=row.peer, enrolled=row.enrolled, active=row.active
        )
        for row in db.execute(_PAIRS_LOCKED if lock else _PAIRS)
    }


def rota(db: Connection, now: datetime | None = None) -> Rota:
    """The lists in the order of rank, and shifts and absences that are not over at `now` (None: all)."""
    lists: dict[Post, list[UserId]] = defaultdict(list)
    for row in db.execute(_ROTA):
        lists[Post(row.post)].append(UserId(row.user_id))
    later = {} if now is None else {"now": now}
    shifts, absences = (_SHIFTS, _ABSENCES) if now is None else (_SHIFTS_LEFT, _ABSENCES_LEFT)
    return Rota(
        lists=dict(lists),
        shifts=tuple(
            Shift(
                shift_id=row.shift_id, post=Post(row.post), user_id=UserId(row.user_id), starts_at=row.starts_at, ends_at=row.ends_at
            )
            for row in db.execute(shifts, later)
        ),
        absences=tuple(
            Absence(
                user_id=UserId(row.user_id),
                starts_at=row.starts_at,
                ends_at=row.ends_at,
                cover=None if row.cover is None else UserId(row.cover),
            )
            for row in db.execute(absences, later)
        ),
    )  # fmt: skip


def line(db: Connection) -> tuple[Waiting, ...]:
    """Who waits for a pair, in order."""
    r = schema.referrals
    found = select(r.c.referral_id, r.c.waiting_since, r.c.intake_on, r.c.place_told).where(
        r.c.waiting_since.is_not(None), r.c.episode == Episode.OPEN.value, r.c.merged_into.is_(None)
    )
    line = (
        Waiting(
            referral_id=ReferralId(row.referral_id),
            since=row.waiting_since,
            intake_on=row.intake_on,
            told=row.place_told,
        )
        for row in db.execute(found)
    )
    return tuple(sorted(line, key=lambda waiting: waiting.turn))


def matter_of(row: RowMapping) -> Matter:
    return Matter(
        matter_id=row["matter_id"],
        referral_id=ReferralId(row["referral_id"]),
        why=Trouble(row["why"]),
        flag=Flag(row["flag"]),
        at=row["at"],
        op=None if row["op"] is None else Op(row["op"]),
        by=None if row["user_id"] is None else UserId(row["user_id"]),
        stood=row["stood"],
    )


def open_matter(matter: Matter) -> OpenMatter:
    return OpenMatter(matter_id=matter.matter_id, why=matter.why, flag=matter.flag, op=matter.op, stood=matter.stood)


def device_of(row: RowMapping, *, may_pull: bool) -> Device:
    return Device(
        device_id=DeviceId(row["device_id"]),
        user_id=UserId(row["user_id"]),
        role=Role(row["role"]),
        public_key=DevicePublicKey.from_bytes(row["public_key"]),
        revoked=row["state"] != "active",
        wipe=row["wipe"],
        release=row["release"],
        lease_until=row["lease_until"],
        agency_key_id=row["agency_key_id"],
        seq_seen=row["seq_seen"],
        generation=row["generation"],
        may_pull=may_pull,
        user_active=row["user_active"],
    )


def code_of(row: RowMapping) -> EnrolCode:
    return EnrolCode(
        code_hash=row["code_hash"],
        user_id=UserId(row["user_id"]),
        role=Role(row["role"]),
        expires_at=row["expires_at"],
        used=row["used_at"] is not None,
    )


def papers(db: Connection, device_id: str, op_ids: Collection[OpId]) -> dict[OpId, Paper]:
    """What was filed under these numbers of a device."""
    if not op_ids:
        return {}
    rows = db.execute(_PAPERS, {"device": device_id, "these": list(op_ids)}).mappings()
    return {OpId(row["op_id"]): paper_of(row) for row in rows}


def paper_of(row: RowMapping) -> Paper:
    return Paper(
        device_id=row["device_id"],
        op_id=OpId(row["op_id"]),
        fingerprint=row["fingerprint"],
        device_seq=row["device_seq"],
        user_id=UserId(row["user_id"]),
        outcome=Outcome(row["outcome"]),
        code=None if row["code"] is None else ProblemCode(row["code"]),
        receipt=row["receipt"],
        at=row["judged_at"],
        referral_id=None if row["referral_id"] is None else ReferralId(row["referral_id"]),
        op=row["op"],
        base=row["base"],
        nonce=row["nonce"],
        revision=row["revision"],
        raw=row.get("raw"),
    )


def paper_row(paper: Paper) -> dict[str, Any]:
    return {
        "device_id": paper.device_id,
        "op_id": paper.op_id,
        "fingerprint": paper.fingerprint,
        "device_seq": paper.device_seq,
        "user_id": paper.user_id,
        "outcome": paper.outcome.value,
        "code": None if paper.code is None else paper.code.value,
        "receipt": paper.receipt,
        "judged_at": paper.at,
        "referral_id": paper.referral_id,
        "op": paper.op,
        "base": paper.base,
        "nonce": paper.nonce,
        "revision": paper.revision,
        "raw": paper.raw,
    }


def climb_of(row: RowMapping) -> Climb:
    return Climb(
        ladder=Ladder(row["ladder"]),
        round=row["round"],
        started_at=row["started_at"],
        first=row["first"],
        rungs=row["rungs"],
        wake_at=row["wake_at"],
    )


def notice_fact(row: RowMapping) -> NoticeFact:
    return NoticeFact(
        notice_id=row["notice_id"],
        recipient=UserId(row["recipient"]),
        kind=NoticeKind(row["kind"]),
        round=row["round"],
        state=NoticeState(row["state"]),
    )


def notice_view(row: RowMapping) -> NoticeView:
    return NoticeView(
        notice_id=row["notice_id"],
        referral_id=row["referral_id"],
        kind=NoticeKind(row["kind"]),
        round=row["round"],
        created_at=row["due_at"],
        acknowledged_at=row["acknowledged_at"],
        expired=row["state"] == NoticeState.EXPIRED.value,
    )


def alarms_over(devices: Any) -> ColumnElement[bool]:
    """Where alarms about a device have no point any more: it has sent, or is out of service."""
    return or_(devices.c.waiting == 0, devices.c.state != "active")
