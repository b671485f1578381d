"""A database of an earlier release comes to this one with what it holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import MetaData, insert, select

from case_system.store import migrate, schema
from case_system.store.engine import open_engine, transaction

NOW = datetime(2026, 3, 3, 7, 10, tzinfo=UTC)


def ms(moment: datetime) -> int:
    """As the first schema kept it."""
    return int(moment.timestamp() * 1000)


def referral(name: str, **more: Any) -> dict[str, Any]:
    """A row of the first schema."""
    row: dict[str, Any] = {
        "referral_id": name, "revision": 2, "kind": "arrest_diversion", "receipt": name, "call_code": "K7-42", "provisional": False,
        "incomplete": False, "received_at": ms(NOW), "recorded_at": ms(NOW - timedelta(minutes=9)), "officer": "o1", "made_by": "o1",
        "device_id": "d", "review": "submitted", "handoff": "offered", "charge": "held", "release": "none", "episode": "open", "flags": "",
        "tally": False, "willing": "yes", "whereabouts": "coming_in", "met_by_officer": False, "police_released": False,
        "sao_confirmed": False,
    }  # fmt: skip
    return row | more


def test_the_first_schema_is_brought_forward_with_its_data(url: str) -> None:
    engine = open_engine(url)
    first = MetaData()
    with transaction(engine, write=True) as db:
        migrate.upgrade_on(db, "0004")
        first.reflect(db)
        db.execute(
            insert(first.tables["referrals"]),
            [
                referral("waits"),
                referral("met", handoff="met", flags="needs_attention"),
                referral("listed", handoff="intake_complete", flags="needs_attention wait_list"),
                referral("refused", tally=True, willing="no"),
                referral("talk", kind="social_contact", whereabouts=None, charge="none", handoff="none"),
                referral("closed", episode="closed"),
            ],
        )
        db.execute(
            insert(first.tables["timeline"]).values(referral_id="met", what="met_by_case_manager", at=ms(NOW), user_id="cm1")
        )  # fmt: skip
        db.execute(
            insert(first.tables["operations"]).values(
                device_id="desk", op_id="a" * 32, fingerprint="f", device_seq=0, received_at=ms(NOW), outcome="needs_attention",
                code="not_possible_now", judged_at=ms(NOW), referral_id="met", op="redirect", user_id="cm2",
            )
        )  # fmt: skip
    migrate.upgrade(engine)
    assert migrate.is_current(engine)
    r = schema.referrals
    with engine.connect() as db:
        rows = {row.referral_id: row for row in db.execute(select(r))}
        (matter,) = db.execute(select(schema.matters)).all()
    assert {name for name, row in rows.items() if row.met_by_staff} == {"met"}
    assert {name for name, row in rows.items() if row.custody_from is not None} == {"waits"}
    assert rows["waits"].custody_from == NOW - timedelta(minutes=9)
    warned = {name: row.intake_warn_at for name, row in rows.items() if row.intake_warn_at is not None}
    assert warned == dict.fromkeys(("waits", "met", "talk"), NOW + timedelta(days=14))
    assert {name for name, row in rows.items() if row.waiting_since is not None} == {"listed"}
    assert (matter.referral_id, matter.op, matter.user_id, matter.settled_at) == ("met", "redirect", "cm2", None)
    engine.dispose()
