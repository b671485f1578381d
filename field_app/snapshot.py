"""What the screens show: one frozen snapshot, replaced whole. It is all that a view may read.

Rows are already projected (the server's view plus this device's own waiting operations), sorted, and free of keys and
bytes. Times are aware UTC; ages are seconds at `now`. Texts are codes and data, never sentences: `wording.py` speaks.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from referral.custody import CustodyClock
from referral.lifecycle import Charge, Episode, Handoff, Release, Review, Role
from referral.model import Kind, OpId, Referral, ReferralId, Urgency, UserId, Whereabouts
from referral.operations import Op
from referral.problems import ProblemCode
from referral.programme import Programme
from referral.views import CaseloadView, Flag, NoticeKind, Side, TimelineEntry


class Phase(StrEnum):
    """What stands between the person and their work."""

    NOT_ENROLLED = "not_enrolled"
    SHUT = "shut"
    OPEN = "open"


class Delivery(StrEnum):
    """Track A. In flight is never stored, so it is not here."""

    DRAFT = "draft"
    WAITING = "waiting"
    STORED = "stored"
    ACCEPTED = "accepted"
    NEEDS_ATTENTION = "needs_attention"


class Connection(StrEnum):
    """Why things do or do not go out just now."""

    NOT_TRIED = "not_tried"
    SYNCING = "syncing"
    OK = "ok"
    NO_CONNECTION = "no_connection"
    NOT_A_CASE_SYSTEM = "not_a_case_system"
    NOT_THE_AGENCY = "not_the_agency"
    SIGNED_OUT = "signed_out"
    BUSY = "busy"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Me:
    user: UserId
    name: str
    role: Role
    unit: str | None = None
    agency: str
    server: str
    device_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryLine:
    """The one honest line: counts of operations, the age of the oldest that is unsent, and the connection."""

    waiting: int = 0
    stored: int = 0
    accepted: int = 0
    needs_attention: int = 0
    oldest_unsent_s: int | None = None
    connection: Connection = Connection.NOT_TRIED
    last_sync: datetime | None = None
    next_try: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Whom to call while LEAD has not been told: the pack's number and the code to give."""

    code: str
    number: str
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferralRow:
    """One line of "my referrals" or of a case manager's list."""

    referral_id: ReferralId
    kind: Kind
    title: str = field(repr=False)  # name, else descriptor, else "" (the view says "No name given")
    created_at: datetime
    delivery: Delivery
    reason: ProblemCode | None = None  # with needs_attention
    receipt: str | None = None
    received_at: datetime | None = None
    review: Review | None = None
    handoff: Handoff | None = None
    charge: Charge | None = None
    release: Release | None = None
    episode: Episode | None = None
    flags: tuple[Flag, ...] = ()
    case_manager: str | None = None
    officer_name: str | None = None
    whereabouts: Whereabouts | None = None
    urgency: Urgency | None = None
    eta_at: datetime | None = None
    offered_at: datetime | None = None
    to_finish: tuple[str, ...] = ()  # wire names of questions still open
    call: Call | None = None  # set while an arrest is unsent, or nobody has answered
    nobody_answered: bool = False
    shrunk: bool = False  # 24 h after receipt: number, date and state only
    mine: bool = False
    recorded_at: datetime | None = None
    custody: CustodyClock | None = None  # since when a person under arrest has been waiting
    met_by: tuple[Side, ...] = ()  # who has confirmed the meeting, as far as this reader may know
    no_answer: str | None = None  # the prosecutor did not answer: what the programme says to do


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRow:
    notice_id: str
    referral_id: ReferralId
    kind: NoticeKind
    created_at: datetime
    acknowledged: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One waiting, stored or troubled operation. `title` is empty while the vault is shut."""

    op_id: OpId
    referral_id: ReferralId
    operation: Op
    state: Delivery
    attempts: int
    age_s: int
    reason: ProblemCode | None = None
    title: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftRow:
    """A draft that can be taken up again, exactly as it was left."""

    referral_id: ReferralId
    kind: Kind
    title: str = field(repr=False)
    saved_at: datetime


class ThemeChoice(StrEnum):
    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"
    SUNLIGHT = "sunlight"


class Sending(StrEnum):
    ANY = "any"
    WIFI = "wifi"
    PAUSED = "paused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    language: str = "en"
    theme: ThemeChoice = ThemeChoice.SYSTEM
    text_size: int = 100  # percent, 100 to 200
    sending: Sending = Sending.ANY
    idle_minutes: int = 5  # 1 to 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What the unlock screen may say without opening anything."""

    tries_left: int | None = None
    locked_until: datetime | None = None
    problem: ProblemCode | None = None
    file_store: bool = False  # the device key lies in a file: a plain warning is due


class AlarmKind(StrEnum):
    """What happened to this device's records, or stands in their way."""

    DATABASE_LOST = "database_lost"
    DATABASE_REBUILT = "database_rebuilt"
    ROWS_SALVAGED = "rows_salvaged"
    OPERATIONS_RETURNED = "operations_returned"
    OPERATIONS_CHANGED = "operations_changed"
    HEADER_MENDED = "header_mended"
    ROLLED_BACK = "rolled_back"
    REVOKED = "revoked"
    DISK_FULL = "disk_full"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A person must hear of this. kept, lost: records or operations (None: nobody can know). copy: the folder of the damaged file.
    passes: it goes by itself once its cause is gone; the others go when they were read."""

    kind: AlarmKind
    at: datetime | None = None
    kept: int = 0
    lost: int | None = None
    copy: str | None = None
    passes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything on screen at one moment."""

    phase: Phase
    now: datetime
    me: Me | None = None
    gate: Gate = Gate()
    delivery: DeliveryLine = DeliveryLine()
    referrals: tuple[ReferralRow, ...] = ()  # officer: own, newest first. case manager: accepted and caseload
    inbox: tuple[ReferralRow, ...] = ()  # case manager: open offers, newest first
    notices: tuple[NoticeRow, ...] = ()
    caseload: CaseloadView | None = None
    outbox: tuple[OutboxRow, ...] = ()
    drafts: tuple[DraftRow, ...] = ()
    alarms: tuple[Alarm, ...] = ()
    settings: Settings = Settings()
    programme: Programme | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """One referral opened: `referral` is None once shrunk; `steps` are the operations that this person may do now."""

    row: ReferralRow
    referral: Referral | None = field(default=None, repr=False)
    timeline: tuple[TimelineEntry, ...] = ()
    pending: tuple[Op, ...] = ()  # own operations that are not received yet
    steps: tuple[Op, ...] = ()
