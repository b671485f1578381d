"""What leaves the case system as files, and the lists of the command line.

De-identified unless asked otherwise: a case number that cannot be led back without the index key, days instead of times,
an age band instead of a birth date, a zone instead of a place, and no name, place, contact, note, incident or device.
Identified exports write one audit row per referral. Evaluators never get one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, select

from case_system import sealing
from case_system.assignment import Post
from case_system.audit import SAW, Deed, Verdict, verify
from case_system.ports import Clock, Keys
from case_system.record import Record
from case_system.store import lookups, schema
from case_system.store.engine import transaction
from case_system.store.ledger import close
from case_system.store.records import record_of
from referral.codec import to_wire
from referral.place import zone_of
from referral.port import Outcome
from referral.problems import ProblemCode
from referral.programme import Programme


def referrals(engine: Engine) -> list[dict[str, Any]]:
    """Every referral as `case-system referrals` shows it: ids, states and staff, newest last."""
    r = schema.referrals
    with transaction(engine, write=False) as db:
        rows = db.execute(select(r).where(r.c.merged_into.is_(None)).order_by(r.c.received_at, r.c.referral_id))
        return [
            {
                "referral_id": row.referral_id,
                "kind": row.kind,
                "review": row.review,
                "handoff": row.handoff,
                "charge": row.charge,
                "release": row.release,
                "episode": row.episode,
                "flags": row.flags.split(),
                "case_manager": row.holder,
                "pair": row.pair,
                "received_at": to_wire(row.received_at),
                "receipt": row.receipt,
                "officer": row.officer or None,
                "revision": row.revision,
                "call_code": row.call_code,
                "provisional": row.provisional,
            }
            for row in rows
        ]


def notices(engine: Engine) -> list[dict[str, Any]]:
    """Every notice as `case-system notices` shows it, oldest first."""
    n = schema.notices
    with transaction(engine, write=False) as db:
        rows = db.execute(select(n).order_by(n.c.created_at, n.c.referral_id, n.c.kind, n.c.recipient))
        return [
            {
                "notice_id": row.notice_id,
                "referral_id": row.referral_id,
                "recipient": row.recipient,
                "kind": row.kind,
                "state": row.state,
                "sent_at": None if row.sent_at is None else to_wire(row.sent_at),
                "acknowledged_at": None if row.acknowledged_at is None else to_wire(row.acknowledged_at),
                "round": row.round,
                "rings": row.rings,
                "due_at": to_wire(row.due_at),
                "device_id": row.device_id,
            }
            for row in rows
        ]


def rota(engine: Engine) -> dict[str, list[str]]:
    """Who stands on each post, in the order in which they are rung."""
    with transaction(engine, write=False) as db:
        found = lookups.rota(db).lists
    return {post.value: [str(user) for user in found.get(post, ())] for post in Post}


def devices(engine: Engine) -> list[dict[str, Any]]:
    """Every device and the unsent work that it reports (S17)."""
    d = schema.devices
    with transaction(engine, write=False) as db:
        return [
            {
                "device_id": row.device_id,
                "user": row.user_id,
                "role": row.role,
                "state": row.state,
                "seen_at": None if row.seen_at is None else to_wire(row.seen_at),
                "waiting": row.waiting,
                "oldest_unsent_s": row.oldest_unsent_s,
                "needs_attention": row.needs_attention,
                "locked": row.locked,
                "app": row.app,
            }
            for row in db.execute(select(d).order_by(d.c.enrolled_at, d.c.device_id))
        ]


def held(engine: Engine) -> list[dict[str, Any]]:
    """What revoked devices sent, waiting for a supervisor."""
    t = schema.operations
    found = select(t.c.device_id, t.c.op_id, t.c.referral_id, t.c.op, t.c.received_at).where(
        t.c.outcome == Outcome.STORED.value, t.c.code == ProblemCode.DEVICE_REVOKED.value
    )
    with transaction(engine, write=False) as db:
        rows = db.execute(found.order_by(t.c.received_at)).mappings()
        return [dict(row) | {"received_at": to_wire(row["received_at"])} for row in rows]


def audit_verdict(engine: Engine, kept: tuple[int, str] | None = None) -> Verdict:
    """The audit trail checked from its first row to its head, and against a hash that was noted elsewhere."""
    a, head = schema.audit, schema.ledger
    with transaction(engine, write=False) as db:
        n, last = db.execute(select(head.c.audit_n, head.c.audit_hash)).one()
        with db.execution_options(yield_per=1000).execute(
            select(a).order_by(a.c.n)
        ) as found:  # it ends at the first bad row
            return verify((dict(row) for row in found.mappings()), n, last, kept)


def audit_head(engine: Engine) -> tuple[int, str]:
    """The number and hash of the newest row."""
    head = schema.ledger
    with transaction(engine, write=False) as db:
        n, last = db.execute(select(head.c.audit_n, head.c.audit_hash)).one()
    return n, last


def audit_rows(
    engine: Engine, *, user: str | None = None, referral_id: str | None = None, since: datetime | None = None
) -> list[dict[str, Any]]:
    """Rows of the trail, oldest first: by one person, about one referral, from a moment on."""
    a = schema.audit
    found = select(a).order_by(a.c.n)
    if user is not None:
        found = found.where(a.c.actor == user)
    if referral_id is not None:
        found = found.where(a.c.object_id == referral_id)
    if since is not None:
        found = found.where(a.c.at >= since)
    with transaction(engine, write=False) as db:
        return [
            {
                "n": row.n,
                "at": to_wire(row.at),
                "made_at": None if row.made_at is None else to_wire(row.made_at),
                "actor": row.actor,
                "device_id": row.device_id,
                "action": row.action,
                "object_id": row.object_id,
                "outcome": row.outcome,
            }
            for row in db.execute(found)
        ]


def who_saw(engine: Engine, referral_id: str) -> list[dict[str, Any]]:
    """Who read a referral, through what, and when (server's time), oldest first; attempts that were refused too."""
    return [
        {"at": row["at"], "user": row["actor"], "through": SAW[row["action"]], "device_id": row["device_id"], "outcome": row["outcome"]}
        for row in audit_rows(engine, referral_id=referral_id)
        if row["action"] in SAW
    ]  # fmt: skip


def case_number(keys: Keys, referral_id: str) -> str:
    """A stable number for a referral that says nothing without the index key."""
    return sealing.blind(keys.index_key, "export", referral_id)[:16]


def export_referrals(
    engine: Engine, keys: Keys, pack: Programme, *, clock: Clock, identified: bool, by: str = "administrator"
) -> list[dict[str, Any]]:
    """Referrals for evaluation, de-identified; or (identified) with the recorded answers, each look audited."""
    now = clock()
    r = schema.referrals
    with transaction(engine, write=True) as db:
        found = (
            select(r)
            .where(r.c.merged_into.is_(None), r.c.provisional.is_(False))
            .order_by(r.c.received_at, r.c.referral_id)
        )
        records = [record_of(row, keys) for row in db.execute(found).mappings()]
        if identified:
            deeds = [Deed(actor=by, action="export", object_id=x.referral_id, outcome="identified") for x in records]
        else:
            deeds = [Deed(actor=by, action="export", outcome="de_identified")]
        close(db, [], deeds, now)
    if identified:
        return [_states(x, pack) | _identified(x) for x in records]
    return [{"case": case_number(keys, x.referral_id)} | _states(x, pack) | _plain(x, pack) for x in records]


def export_notices(engine: Engine, keys: Keys, *, identified: bool) -> list[dict[str, Any]]:
    """Notices for evaluation: how long people waited for an answer; (identified) with ids and recipients."""
    n = schema.notices
    with transaction(engine, write=False) as db:
        about = select(n).where(n.c.referral_id.is_not(None))  # alarms about devices are no referral's
        rows = db.execute(about.order_by(n.c.created_at, n.c.notice_id)).all()
    out: list[dict[str, Any]] = []
    for row in rows:
        seen = row.acknowledged_at
        line: dict[str, Any] = {
            "case": case_number(keys, row.referral_id),
            "kind": row.kind,
            "round": row.round,
            "state": row.state,
            "on": row.created_at.date().isoformat(),
            "minutes_to_answer": None if seen is None else round((seen - row.created_at).total_seconds() / 60, 1),
        }
        if identified:
            line |= {"notice_id": row.notice_id, "referral_id": row.referral_id, "recipient": row.recipient}
        out.append(line)
    return out


def _states(record: Record, pack: Programme) -> dict[str, Any]:
    waited = None
    if record.offered_at is not None and record.accepted_at is not None:
        waited = round((record.accepted_at - record.offered_at).total_seconds() / 60, 1)
    return {
        "kind": record.kind.value,
        "received_on": pack.day(record.received_at).isoformat(),
        "review": record.review.value,
        "handoff": record.handoff.value,
        "charge": record.charge.value,
        "release": record.release.value,
        "episode": record.episode.value,
        "close_reason": record.close_reason,
        "willing": record.willing.value,
        "whereabouts": None if record.whereabouts is None else record.whereabouts.value,
        "urgency": None if record.urgency is None else record.urgency.value,
        "flags": " ".join(sorted(record.flags)),
        "minutes_to_accept": waited,
        "pack": record.pack,
    }


def _plain(record: Record, pack: Programme) -> dict[str, Any]:
    told = record.referral
    birth = told.person.birth if told is not None else None
    age = birth.age_on(pack.day(record.received_at)) if birth is not None else None
    return {
        "age_band": "unknown" if age is None else next(band for top, band in _BANDS if age <= top),
        "offence_codes": " ".join(code.replace(" ", "_") for code in told.offence_codes) if told is not None else "",
        "zone": None if told is None else zone_of(told.place, pack).value,
        "basis": told.basis.value if told is not None and told.basis is not None else None,
        "reason": told.reason if told is not None else None,
    }


_BANDS = ((17, "under_18"), (24, "18_24"), (34, "25_34"), (44, "35_44"), (54, "45_54"), (64, "55_64"), (999, "65_over"))


def _identified(record: Record) -> dict[str, Any]:
    answers = {} if record.referral is None else _flat(to_wire(record.referral))
    return {"referral_id": record.referral_id, "receipt": record.receipt, "officer": record.officer} | answers


def _flat(wire: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in wire.items():
        here = f"{path}{name}"
        if isinstance(value, Mapping):
            out |= _flat(value, f"{here}.")
        else:
            out[here] = " ".join(map(str, value)) if isinstance(value, list) else value
    return out
