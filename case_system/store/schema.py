"""The tables of the case system: one schema for SQLite (embedded) and PostgreSQL.

What may stand in a plain column: ids, states, counters, codes, times and hashes. What identifies or describes a person is
sealed under the referral's own data key (`referrals.body`, `operations.body`), which is wrapped by the agency's storage key
(`referrals.data_key`); deleting the wrapped key shreds the record. Addresses of notice channels are sealed under the storage
key. Keys are never here.

Times are whole milliseconds since 1970 in UTC (`Moment`), read as aware datetimes: the same on both databases.
Codes lists (`flags`, `parties`) are kept as sorted words with single spaces.

Invariants that the constraints hold
    one receipt per (device_id, op_id), one effect per (referral_id, base, nonce)         S3, S5
    one feed number each, given in commit order from `ledger`                              S11
    one notice per (referral_id, recipient, kind, round), one alarm per (device_id, recipient, kind, day)    S16
    one audit row per number, each naming the hash of the one before
This module knows no rule of the programme; it is changed only together with a migration.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    true,
)

_ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_STEP = timedelta(milliseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware UTC time to the millisecond, kept as a number; a naive time raises ValueError."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError("a time needs its zone")
        return (value - _ZERO) // _STEP

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _ZERO + value * _STEP


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID = String(64)  # a referral, or 32 hex digits of a device, an operation or a notice
_USER = String(40)
_WORD = String(40)  # a state or a code
_SERIAL = BigInteger().with_variant(Integer, "sqlite")  # only an INTEGER key counts up by itself on SQLite

# ------------------------------------------------------------------------------------------------ the agency itself
agency = Table(
    "agency",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("agency_id", String(16), nullable=False),
    Column("name", Text, nullable=False),
    Column("epoch", String(32), nullable=False),  # new at init and at each restore (S11)
    Column("pack_digest", String(64), nullable=False),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

# The last lock of every transaction: feed numbers and the audit chain are given from here in commit order.
ledger = Table(
    "ledger",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("feed_seq", BigInteger, nullable=False),
    Column("feed_floor", BigInteger, nullable=False),  # up to here only the newest row of each item is kept (S13)
    Column("audit_n", BigInteger, nullable=False),
    Column("audit_hash", String(64), nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)

packs = Table(
    "packs",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("stamp", String(80), nullable=False),  # "baltimore/1"
    Column("version", String(40), nullable=False),
    Column("files", LargeBinary, nullable=False),  # deflated JSON: name -> text
    Column("loaded_at", Moment, nullable=False),
)

# ------------------------------------------------------------------------------------------------ people and devices
users = Table(
    "users",
    metadata,
    Column("user_id", _USER, primary_key=True),
    Column("name", Text, nullable=False),  # as shown to colleagues
    Column("role", _WORD, nullable=False),
    Column("unit", Text),
    Column("language", String(8), nullable=False, server_default="en"),
    Column("languages", Text, nullable=False, server_default=""),  # spoken, as pack codes
    Column("active", Boolean, nullable=False, server_default=true()),
    Column("password_hash", Text),  # argon2id; None: no desk sign-in
    Column("totp", LargeBinary),  # sealed under the storage key
    Column("totp_step", BigInteger),  # the last used time step: a code works once
    Column("created_at", Moment, nullable=False),
)

# A case manager and a peer who work together; `enrolled` is counted under this row's lock.
pairs = Table(
    "pairs",
    metadata,
    Column("pair", _WORD, primary_key=True),
    Column("case_manager", _USER, ForeignKey("users.user_id")),
    Column("peer", _USER, ForeignKey("users.user_id")),
    Column("enrolled", Integer, nullable=False, server_default="0"),
    Column("active", Boolean, nullable=False, server_default=true()),
    UniqueConstraint("case_manager"),
    UniqueConstraint("peer"),
    CheckConstraint("enrolled >= 0", name="counted"),
)

# Who is rung: post `duty` (rank 0 the case manager, 1 the peer), `on_call`, `supervisor`, `sao`, in rank order.
rota = Table(
    "rota",
    metadata,
    Column("post", _WORD, primary_key=True),
    Column("rank", Integer, primary_key=True, autoincrement=False),
    Column("user_id", _USER, ForeignKey("users.user_id"), nullable=False),
    Column("set_at", Moment, nullable=False),
    Column("set_by", _USER, nullable=False),
    UniqueConstraint("post", "user_id"),
)

# Who stands on a post from when until when; where no shift runs, the list of `rota` stands.
shifts = Table(
    "shifts",
    metadata,
    Column("shift_id", _ID, primary_key=True),
    Column("post", _WORD, nullable=False),
    Column("user_id", _USER, ForeignKey("users.user_id"), nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("set_at", Moment, nullable=False),
    Column("set_by", _USER, nullable=False),
    Index(None, "ends_at"),
    CheckConstraint("ends_at > starts_at", name="runs"),
)

# Who is away, and who is rung in their place.
absences = Table(
    "absences",
    metadata,
    Column("absence_id", _ID, primary_key=True),
    Column("user_id", _USER, ForeignKey("users.user_id"), nullable=False),
    Column("starts_at", Moment, nullable=False),
    Column("ends_at", Moment, nullable=False),
    Column("cover", _USER, ForeignKey("users.user_id")),
    Column("set_at", Moment, nullable=False),
    Column("set_by", _USER, nullable=False),
    Index(None, "ends_at"),
    CheckConstraint("ends_at > starts_at", name="runs"),
)

# How a user is woken outside the app. `address` (an Apprise URL, or a browser's push subscription) is sealed under the storage key.
channels = Table(
    "channels",
    metadata,
    Column("channel_id", _ID, primary_key=True),
    Column("user_id", _USER, ForeignKey("users.user_id"), nullable=False),
    Column("kind", _WORD, nullable=False),  # the scheme: mailto, twilio, console, webpush ...
    Column("address", LargeBinary, nullable=False),
    Column("active", Boolean, nullable=False, server_default=true()),
    Column("created_at", Moment, nullable=False),
    Column("kinds", Text, nullable=False, server_default=""),  # which notices it is for; empty: all
    Column("hours", Text, nullable=False, server_default=""),  # when it may be used (waking.py); empty: always
    Column("failures", Integer, nullable=False, server_default="0"),  # in a row, since something was last delivered
    Column("fault", _WORD),  # of the last failure: a code, never what the other side said
    Column("failed_at", Moment),
    Column("delivered_at", Moment),
    Index(None, "user_id"),
)

enrol_codes = Table(
    "enrol_codes",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    Column("user_id", _USER, ForeignKey("users.user_id"), nullable=False),
    Column("role", _WORD, nullable=False),
    Column("created_by", _USER, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    Column("device_id", _ID),
)

devices = Table(
    "devices",
    metadata,
    Column("device_id", _ID, primary_key=True),
    Column("user_id", _USER, ForeignKey("users.user_id"), nullable=False),
    Column("role", _WORD, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("append_hash", String(64), nullable=False, unique=True),
    Column("read_hash", String(64), nullable=False, unique=True),
    Column("state", _WORD, nullable=False),  # active / revoked
    Column("wipe", Boolean, nullable=False, server_default=false()),
    Column("release", Boolean, nullable=False, server_default=false()),
    Column("app", Text, nullable=False),
    Column("platform", Text, nullable=False),
    Column("enrolled_at", Moment, nullable=False),
    Column("revoked_at", Moment),
    Column("lease_until", Moment, nullable=False),
    Column("agency_key_id", String(16), nullable=False),  # what it was last known to seal for
    Column("pack_digest", String(64)),
    Column("seq_seen", BigInteger, nullable=False, server_default="0"),  # the highest device_seq: gaps are reported
    Column("seen_at", Moment),
    Column("generation", BigInteger),  # of its vault: an older one coming back means a rolled-back file
    # the last heartbeat (S17)
    Column("waiting", Integer),
    Column("stored", Integer),
    Column("needs_attention", Integer),
    Column("oldest_unsent_s", Integer),
    Column("locked", Boolean),
    Column("clock_offset_ms", BigInteger),
    Index(None, "user_id"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user_id", _USER, ForeignKey("users.user_id"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Index(None, "user_id"),
)

sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("user_id", _USER, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "user_id", "at"),
)

# ------------------------------------------------------------------------------------------------ referrals
referrals = Table(
    "referrals",
    metadata,
    Column("referral_id", _ID, primary_key=True),
    Column("revision", Integer, nullable=False),  # counts the operations that were judged
    Column("kind", _WORD, nullable=False),
    Column("receipt", String(16), nullable=False, unique=True),
    Column("call_code", String(8), nullable=False, index=True),
    Column("provisional", Boolean, nullable=False, server_default=false()),  # opened on a call code
    Column("incomplete", Boolean, nullable=False, server_default=false()),  # the copy of a draft, after a wipe
    Column("merged_into", _ID),  # a provisional one that its referral has reached
    Column("received_at", Moment, nullable=False, index=True),
    Column("recorded_at", Moment, nullable=False),  # by the maker's clock: shown, decides nothing (S12)
    Column("officer", _USER, nullable=False, index=True),  # whose referral it is (`for_officer`, else who made it)
    Column("made_by", _USER, nullable=False),
    Column("device_id", _ID, nullable=False),
    Column("pack", String(80)),
    # the five tracks of lifecycle.py
    Column("review", _WORD, nullable=False),
    Column("handoff", _WORD, nullable=False),
    Column("charge", _WORD, nullable=False),
    Column("release", _WORD, nullable=False),
    Column("episode", _WORD, nullable=False),
    Column("flags", Text, nullable=False, server_default=""),
    # codes that rules need while the body stays closed
    Column("tally", Boolean, nullable=False),  # said no, or under age: unnamed, nobody is rung
    Column("willing", _WORD, nullable=False),
    Column("whereabouts", _WORD),
    Column("urgency", _WORD),
    # handoff
    Column("holder", _USER),  # holds the open offer, or accepted it
    Column("pair", _WORD),  # the pair of the caseload after enrolment
    Column("offered_at", Moment),
    Column("accepted_at", Moment),
    Column("unanswered_since", Moment),
    Column("met_by_officer", Boolean, nullable=False, server_default=false()),
    Column("police_released", Boolean, nullable=False, server_default=false()),  # a signed release names police
    Column("release_expires_on", Date),
    Column("sao_answer", _WORD),  # as the officer heard it on the phone
    Column("sao_confirmed", Boolean, nullable=False, server_default=false()),
    Column("intake_on", Date),
    Column("close_reason", _WORD),
    Column("met_by_staff", Boolean, nullable=False, server_default=false()),
    Column("custody_from", Moment),  # the custody clock of an arrest
    Column("custody_until", Moment),
    Column("custody_end", _WORD),
    Column("no_answer", _WORD),  # what the pack says to do when the prosecutor does not answer
    Column("intake_warn_at", Moment, index=True),  # when the next warning of the intake window is due
    Column("waiting_since", Moment, index=True),  # on the list for a pair
    Column("place_told", Boolean, nullable=False, server_default=false()),
    Column("pair_why", _WORD),
    Column("missed_contacts", Integer, nullable=False, server_default="0"),
    # blind indexes: HMAC under a key of the key folder
    Column("person_index", String(64), index=True),
    Column("scene_index", String(64), index=True),
    # sealed
    Column("data_key", LargeBinary),  # wrapped; None: shredded
    Column("body", LargeBinary),
    Column("forgotten_at", Moment),  # when the clock last took identifiers away (keeping.py)
    Index(None, "handoff"),
    Index(None, "episode", "review"),
)

# Every operation that was signed by its device (or made at the desk): the permanent receipt, and what it said.
operations = Table(
    "operations",
    metadata,
    Column("device_id", _ID, primary_key=True),  # "desk" for the pages
    Column("op_id", _ID, primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("device_seq", BigInteger, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("outcome", _WORD, nullable=False),
    Column("code", _WORD),
    Column("receipt", String(16)),
    Column("judged_at", Moment, nullable=False),
    Column("referral_id", _ID),  # None until it could be read
    Column("op", _WORD),
    Column("base", Integer),
    Column("nonce", String(32)),  # None on a copy that was sealed again under another op_id
    Column("revision", Integer),  # of the referral, after this operation
    Column("user_id", _USER, nullable=False),
    Column("body", LargeBinary),  # the payload, sealed under the referral's data key
    Column("raw", LargeBinary),  # the envelope, while it waits to be read, judged or held
    UniqueConstraint("referral_id", "base", "nonce"),
    Index(None, "referral_id", "revision"),
    Index(None, "outcome", "code"),
    Index(None, "device_id", "judged_at"),
)

# Validly signed bytes under a number that is taken, or that cannot be an operation: kept for the administrator.
quarantine = Table(
    "quarantine",
    metadata,
    Column("device_id", _ID, primary_key=True),
    Column("op_id", _ID, primary_key=True),
    Column("fingerprint", String(64), primary_key=True),
    Column("code", _WORD, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("received_at", Moment, nullable=False),
)

timeline = Table(
    "timeline",
    metadata,
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("referral_id", _ID, ForeignKey("referrals.referral_id"), nullable=False),
    Column("what", _WORD, nullable=False),
    Column("at", Moment, nullable=False),
    Column("user_id", _USER),
    Column("code", _WORD),
    Index(None, "referral_id", "id"),
)

votes = Table(
    "votes",
    metadata,
    Column("referral_id", _ID, ForeignKey("referrals.referral_id"), primary_key=True),
    Column("partner", _WORD, primary_key=True),
    Column("approve", Boolean, nullable=False),
    Column("user_id", _USER, nullable=False),
    Column("at", Moment, nullable=False),
)

# Consent, as given (42 CFR 2.31): the newest row of a referral is in force.
releases = Table(
    "releases",
    metadata,
    Column("id", _SERIAL, primary_key=True, autoincrement=True),
    Column("referral_id", _ID, ForeignKey("referrals.referral_id"), nullable=False),
    Column("event", _WORD, nullable=False),
    Column("parties", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("expires_on", Date),
    Column("method", _WORD),  # how it was given
    Column("user_id", _USER, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "referral_id", "id"),
)

# What needs a person, each with its reason; open while settled_at is None.
matters = Table(
    "matters",
    metadata,
    Column("matter_id", _ID, primary_key=True),
    Column("referral_id", _ID, ForeignKey("referrals.referral_id"), nullable=False),
    Column("flag", _WORD, nullable=False),
    Column("why", _WORD, nullable=False),
    Column("op", _WORD),  # the step that was kept
    Column("user_id", _USER),  # whose step it was
    Column("stood", String(80)),  # the track and state that it did not fit
    Column("at", Moment, nullable=False),
    Column("settled_at", Moment),
    Column("settled_by", _USER),
    Column("decision", _WORD),
    Index(None, "referral_id"),
    Index(None, "settled_at"),
)

# What a person decided about two referrals that look like one person's.
likenesses = Table(
    "likenesses",
    metadata,
    Column("referral_id", _ID, ForeignKey("referrals.referral_id"), primary_key=True),
    Column("other_id", _ID, ForeignKey("referrals.referral_id"), primary_key=True),
    Column("decision", _WORD, nullable=False),
    Column("user_id", _USER, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "other_id"),
)

# Who may see a referral now: a row that goes away becomes a `gone` change for that reader (S13).
audience = Table(
    "audience",
    metadata,
    Column("referral_id", _ID, ForeignKey("referrals.referral_id"), primary_key=True),
    Column("user_id", _USER, primary_key=True),
    Index(None, "user_id"),
)

# ------------------------------------------------------------------------------------------------ ringing
# One climb of a ladder: `handoff` or `sao`. Open while closed_at is None; `wake_at` is when the next rung is due.
offers = Table(
    "offers",
    metadata,
    Column("referral_id", _ID, ForeignKey("referrals.referral_id"), primary_key=True),
    Column("ladder", _WORD, primary_key=True),
    Column("round", Integer, primary_key=True, autoincrement=False),
    Column("started_at", Moment, nullable=False),
    Column("first", Integer, nullable=False),  # the rung it began with: a redirected handoff skips the duty pair
    Column("rungs", Integer, nullable=False),  # the next rung to ring
    Column("wake_at", Moment),
    Column("closed_at", Moment),
    Index(None, "wake_at"),
)

# The in-app inbox, which is the truth. States and what moves them: handoff.py. About a referral, or (alarms.py) about a device,
# whose `round` is then the programme's day. A dispatcher that has taken a notice to send it is named in `claimed_by`; until then
# `next_at` is the end of its lease, so that a dispatcher that died is followed by another.
notices = Table(
    "notices",
    metadata,
    Column("notice_id", _ID, primary_key=True),
    Column("referral_id", _ID, ForeignKey("referrals.referral_id")),
    Column("device_id", _ID, ForeignKey("devices.device_id")),
    Column("recipient", _USER, ForeignKey("users.user_id"), nullable=False),
    Column("kind", _WORD, nullable=False),
    Column("round", Integer, nullable=False),
    Column("state", _WORD, nullable=False),
    Column("rings", Boolean, nullable=False),  # False: in the inbox only (one scene, one ring)
    Column("created_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),  # not shown and not sent before: office hours, morning digest
    Column("announced", Boolean, nullable=False),  # it is in its reader's feed
    Column("expires_at", Moment, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("next_at", Moment, nullable=False),  # when to wake the recipient outside: due_at, later the next try
    Column("sent_at", Moment),
    Column("acknowledged_at", Moment),
    Column("night", Boolean, nullable=False, server_default=false()),  # a person is on the way: rings whatever the hour
    Column("late", Boolean, nullable=False, server_default=false()),  # the referral came long after it was recorded
    Column("claimed_by", String(32)),
    Column("wake_id", _ID),  # the notice whose id the message outside carries, at every repetition (S16)
    UniqueConstraint("referral_id", "recipient", "kind", "round"),
    UniqueConstraint("device_id", "recipient", "kind", "round"),
    CheckConstraint("(referral_id IS NULL) <> (device_id IS NULL)", name="about_one_thing"),
    Index(None, "state", "next_at"),
    Index(None, "recipient", "created_at"),
)

# ------------------------------------------------------------------------------------------------ feed and audit
feed = Table(
    "feed",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("user_id", _USER, nullable=False),
    Column("device_id", _ID),  # None: for all devices of the user
    Column("kind", _WORD, nullable=False),
    Column("object_id", _ID, nullable=False),  # referral_id, notice_id, op_id or pair
    Column("at", Moment, nullable=False),
    Index(None, "user_id", "seq"),
)

audit = Table(
    "audit",
    metadata,
    Column("n", BigInteger, primary_key=True, autoincrement=False),
    Column("at", Moment, nullable=False),
    Column("actor", _USER, nullable=False),
    Column("device_id", _ID),
    Column("action", _WORD, nullable=False),
    Column("object_id", _ID),
    Column("outcome", _WORD, nullable=False),
    Column("made_at", Moment),  # by the device's clock, where one did it
    Column("prev", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Index(None, "object_id"),
)
