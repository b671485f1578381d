"""Who works here: their rows, read for the pages of the office, and the rules that a change of them must keep.

A person stands on a post only with a role that fits it, and works in at most one pair, in the place of their role. What is
not so is refused with a sentence; nothing is moved silently.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection

from sqlalchemy import Connection, Engine, func, insert, or_, select, update

from case_system.assignment import Post
from case_system.office.people import Person
from case_system.office.rota import POST_ROLES
from case_system.storage import NotSo, Standing
from case_system.store import lookups, schema
from case_system.store.engine import transaction
from referral.lifecycle import Role
from referral.model import ReferralId, UserId

_IN_PAIRS = (Role.CASE_MANAGER, Role.PEER)


class StaffRows:
    """What the office reads of people over one engine. Implements `office.people.PeopleRows`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def everyone(self) -> tuple[Person, ...]:
        """Everyone by user name."""
        u, d, c, s = schema.users, schema.devices, schema.channels, schema.sessions
        with transaction(self._engine, write=False) as db:
            users = lookups.users(db)
            extra = {row.user_id: row for row in db.execute(select(u))}
            active = d.c.state == "active"
            devices = Counter(db.execute(select(d.c.user_id).where(active)).scalars())
            channels = Counter(db.execute(select(c.c.user_id).where(c.c.active)).scalars())
            seen = {row.user_id: row.at for row in db.execute(select(s.c.user_id, func.max(s.c.seen_at).label("at")).group_by(s.c.user_id))}  # fmt: skip
        return tuple(
            Person(
                user_id=user.user_id,
                name=user.name,
                role=user.role,
                unit=user.unit,
                language=user.language,
                languages=user.languages,
                pair=user.pair,
                active=user.active,
                has_password=extra[i].password_hash is not None,
                has_totp=extra[i].totp is not None,
                devices=devices[i],
                channels=channels[i],
                seen_at=seen.get(i),
            )
            for i, user in users.items()
        )


# ------------------------------------------------------------------------------------------------ within a transaction
def role_of(db: Connection, user_id: str) -> Role | None:
    """A user's role; None when there is no such user."""
    found = db.execute(select(schema.users.c.role).where(schema.users.c.user_id == user_id)).scalar()
    return None if found is None else Role(found)


def need(db: Connection, user_id: str) -> Role:
    """A user's role, else NotSo."""
    role = role_of(db, user_id)
    if role is None:
        raise NotSo(f"there is no user {user_id}", "no_user")
    return role


def join_pair(db: Connection, pair: str, user_id: str, role: Role) -> None:
    """Put a case manager or a peer into a pair; NotSo when that place is taken."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", pair):
        raise NotSo("a pair's name is small letters, digits and _", "pair_name")
    if role not in _IN_PAIRS:
        raise NotSo("only case managers and peers work in pairs", "no_pair_role")
    t = schema.pairs
    column = t.c.case_manager if role is Role.CASE_MANAGER else t.c.peer
    row = db.execute(select(column).where(t.c.pair == pair).with_for_update()).one_or_none()
    if row is None:
        db.execute(insert(t).values(pair=pair, **{column.name: user_id}))
    elif row[0] is None:
        db.execute(update(t).where(t.c.pair == pair).values(**{column.name: user_id}))
    else:
        raise NotSo(f"the pair {pair} has its {role.value.replace('_', ' ')} already", "pair_taken")


def resettle(db: Connection, user_id: UserId, to: Standing) -> Collection[ReferralId]:
    """Change who a person is; the referrals whose readers may be others now."""
    u, p = schema.users, schema.pairs
    before = need(db, user_id)
    if to.role is Role.SYSTEM:
        raise NotSo("nobody has that role", "no_role")
    if to.role is not before:
        _fits_its_posts(db, user_id, to.role)
        _has_no_device(db, user_id)
    db.execute(
        update(u)
        .where(u.c.user_id == user_id)
        .values(name=to.name, role=to.role.value, unit=to.unit, language=to.language)
    )
    left = db.execute(select(p.c.pair).where(or_(p.c.case_manager == user_id, p.c.peer == user_id))).scalar()
    stays = left == to.pair and to.role is before
    if not stays:
        for column in (p.c.case_manager, p.c.peer):
            db.execute(update(p).where(column == user_id).values(**{column.name: None}))
        if to.pair is not None:
            join_pair(db, to.pair, user_id, to.role)
    return () if stays else _concern(db, user_id, {left, to.pair} - {None})


def _fits_its_posts(db: Connection, user_id: UserId, role: Role) -> None:
    t = schema.rota
    for post in db.execute(select(t.c.post).where(t.c.user_id == user_id)).scalars():
        if role not in POST_ROLES[Post(post)]:
            raise NotSo(f"{user_id} stands on the duty rota; take them off it first", "on_rota")


def _has_no_device(db: Connection, user_id: UserId) -> None:
    t = schema.devices
    if db.execute(select(t.c.device_id).where(t.c.user_id == user_id, t.c.state == "active")).first() is not None:
        raise NotSo(f"{user_id} has a device of the present role; take it out of service first", "has_device")


def _concern(db: Connection, user_id: UserId, pairs: Collection[str | None]) -> Collection[ReferralId]:
    r, p = schema.referrals, schema.pairs
    members = {user_id}
    for row in db.execute(select(p.c.case_manager, p.c.peer).where(p.c.pair.in_(pairs))):
        members |= {UserId(who) for who in row if who is not None}
    theirs = or_(r.c.pair.in_(pairs), r.c.holder.in_(members))
    found = select(r.c.referral_id).where(theirs, r.c.merged_into.is_(None))
    return [ReferralId(i) for i in db.execute(found.order_by(r.c.referral_id)).scalars()]
