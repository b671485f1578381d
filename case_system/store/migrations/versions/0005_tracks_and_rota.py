"""Both sides of a meeting, the custody clock, matters for a person, decisions on likeness, shifts, absences, the waiting list.

What a database of an earlier schema knows already is taken over: meetings that a case manager confirmed, clocks that still run,
steps that were kept and flagged, and people who wait for a pair.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from case_system.store.schema import Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_FIRST_WARNING_MS = 14 * 24 * 3600 * 1000  # a clock that is late looks after the rest by itself


def upgrade() -> None:
    """Apply."""
    op.add_column("users", sa.Column("languages", sa.Text(), server_default="", nullable=False))
    op.add_column("releases", sa.Column("method", sa.String(length=40), nullable=True))
    for column in (
        sa.Column("met_by_staff", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("custody_from", Moment(), nullable=True),
        sa.Column("custody_until", Moment(), nullable=True),
        sa.Column("custody_end", sa.String(length=40), nullable=True),
        sa.Column("no_answer", sa.String(length=40), nullable=True),
        sa.Column("intake_warn_at", Moment(), nullable=True),
        sa.Column("waiting_since", Moment(), nullable=True),
        sa.Column("place_told", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("pair_why", sa.String(length=40), nullable=True),
        sa.Column("missed_contacts", sa.Integer(), server_default="0", nullable=False),
    ):
        op.add_column("referrals", column)
    op.create_index(op.f("ix_referrals_intake_warn_at"), "referrals", ["intake_warn_at"])
    op.create_index(op.f("ix_referrals_waiting_since"), "referrals", ["waiting_since"])
    op.create_table(
        "shifts",
        sa.Column("shift_id", sa.String(length=64), nullable=False),
        sa.Column("post", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("starts_at", Moment(), nullable=False),
        sa.Column("ends_at", Moment(), nullable=False),
        sa.Column("set_at", Moment(), nullable=False),
        sa.Column("set_by", sa.String(length=40), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_shifts_runs")),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_shifts_user_id")),
        sa.PrimaryKeyConstraint("shift_id", name=op.f("pk_shifts")),
    )
    op.create_index(op.f("ix_shifts_ends_at"), "shifts", ["ends_at"])
    op.create_table(
        "absences",
        sa.Column("absence_id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("starts_at", Moment(), nullable=False),
        sa.Column("ends_at", Moment(), nullable=False),
        sa.Column("cover", sa.String(length=40), nullable=True),
        sa.Column("set_at", Moment(), nullable=False),
        sa.Column("set_by", sa.String(length=40), nullable=False),
        sa.CheckConstraint("ends_at > starts_at", name=op.f("ck_absences_runs")),
        sa.ForeignKeyConstraint(["cover"], ["users.user_id"], name=op.f("fk_absences_cover")),
        sa.ForeignKeyConstraint(["user_id"], ["users.user_id"], name=op.f("fk_absences_user_id")),
        sa.PrimaryKeyConstraint("absence_id", name=op.f("pk_absences")),
    )
    op.create_index(op.f("ix_absences_ends_at"), "absences", ["ends_at"])
    op.create_table(
        "matters",
        sa.Column("matter_id", sa.String(length=64), nullable=False),
        sa.Column("referral_id", sa.String(length=64), nullable=False),
        sa.Column("flag", sa.String(length=40), nullable=False),
        sa.Column("why", sa.String(length=40), nullable=False),
        sa.Column("op", sa.String(length=40), nullable=True),
        sa.Column("user_id", sa.String(length=40), nullable=True),
        sa.Column("stood", sa.String(length=80), nullable=True),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("settled_at", Moment(), nullable=True),
        sa.Column("settled_by", sa.String(length=40), nullable=True),
        sa.Column("decision", sa.String(length=40), nullable=True),
        sa.ForeignKeyConstraint(["referral_id"], ["referrals.referral_id"], name=op.f("fk_matters_referral_id")),
        sa.PrimaryKeyConstraint("matter_id", name=op.f("pk_matters")),
    )
    op.create_index(op.f("ix_matters_referral_id"), "matters", ["referral_id"])
    op.create_index(op.f("ix_matters_settled_at"), "matters", ["settled_at"])
    op.create_table(
        "likenesses",
        sa.Column("referral_id", sa.String(length=64), nullable=False),
        sa.Column("other_id", sa.String(length=64), nullable=False),
        sa.Column("decision", sa.String(length=40), nullable=False),
        sa.Column("user_id", sa.String(length=40), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["other_id"], ["referrals.referral_id"], name=op.f("fk_likenesses_other_id")),
        sa.ForeignKeyConstraint(["referral_id"], ["referrals.referral_id"], name=op.f("fk_likenesses_referral_id")),
        sa.PrimaryKeyConstraint("referral_id", "other_id", name=op.f("pk_likenesses")),
    )
    op.create_index(op.f("ix_likenesses_other_id"), "likenesses", ["other_id"])
    _take_over()


def _take_over() -> None:
    db = op.get_bind()
    r = sa.table(
        "referrals",
        *(
            sa.column(name)
            for name in (
                "referral_id", "kind", "flags", "handoff", "review", "episode", "whereabouts", "received_at", "recorded_at", "custody_from",
                "intake_warn_at", "waiting_since", "merged_into",
            )
        ),
        sa.column("met_by_staff", sa.Boolean()),
        sa.column("tally", sa.Boolean()),
        sa.column("incomplete", sa.Boolean()),
    )  # fmt: skip
    t = sa.table("timeline", sa.column("referral_id"), sa.column("what"))
    o = sa.table(
        "operations", *(sa.column(n) for n in ("device_id", "op_id", "outcome", "referral_id", "op", "user_id", "judged_at"))
    )  # fmt: skip
    m = sa.table(
        "matters", *(sa.column(n) for n in ("matter_id", "referral_id", "flag", "why", "op", "user_id", "at"))
    )  # fmt: skip
    met = sa.select(t.c.referral_id).where(t.c.what == "met_by_case_manager")
    db.execute(sa.update(r).where(r.c.referral_id.in_(met)).values(met_by_staff=sa.true()))
    named = ~r.c.tally & ~r.c.incomplete & r.c.merged_into.is_(None)
    waits = r.c.handoff.in_(("none", "offered", "redirected", "accepted"))
    underway = r.c.whereabouts.in_(("coming_in", "case_manager_coming", "hospital"))
    earlier = sa.case((r.c.recorded_at < r.c.received_at, r.c.recorded_at), else_=r.c.received_at)
    running = named & (r.c.kind == "arrest_diversion") & (r.c.episode == "open") & waits & underway
    db.execute(sa.update(r).where(running).values(custody_from=earlier))
    no_intake = named & (r.c.episode == "open") & (r.c.handoff != "intake_complete") & (r.c.review != "declined")
    db.execute(sa.update(r).where(no_intake).values(intake_warn_at=r.c.received_at + _FIRST_WARNING_MS))
    listed = r.c.flags.like("%wait_list%") & (r.c.episode == "open")
    db.execute(sa.update(r).where(listed).values(waiting_since=r.c.received_at))
    flagged = sa.select(r.c.referral_id).where(r.c.flags.like("%needs_attention%"))
    kept = sa.select(o).where(o.c.outcome == "needs_attention", o.c.referral_id.in_(flagged)).order_by(o.c.judged_at)
    for row in db.execute(kept).all():
        db.execute(
            sa.insert(m).values(
                matter_id=f"{row.op_id}.{row.device_id[:8]}", referral_id=row.referral_id, flag="needs_attention", why="step_does_not_fit",
                op=row.op, user_id=row.user_id, at=row.judged_at,
            )
        )  # fmt: skip
