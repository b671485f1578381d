"""The port to the store: what one transaction of the case system can look up and put down.

A `Docket` is one write transaction: what it looks up about a referral stays locked and true until it ends, and everything
that was put down is committed together when the `with` block ends well (S3), feed numbers and audit rows last. A `Reading` is
one read transaction. A write that met another's is raised as `Contention`: nothing of it remains, and it may be tried again.

    StorageError
      Contention      another transaction was first; try again
      StorageFull     no space
      Unreachable     the database does not answer
    NotSo             the change makes no sense as things are; says why in a sentence
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from case_system.alarms import Alarm, Holder, OpenAlarm, Raised
from case_system.assignment import Rota, Waiting
from case_system.audit import Deed
from case_system.handoff import Climb
from case_system.matters import Matter
from case_system.measures import Measures
from case_system.record import Pair, Record, User
from case_system.sheet import Beside
from case_system.turn import Judgement, Scene
from referral.envelope import DevicePublicKey
from referral.lifecycle import Role
from referral.model import DeviceId, OpId, ReferralId, UserId
from referral.port import ChangeKind, Heartbeat, Outcome, Receipt
from referral.problems import ProblemCode
from referral.programme import Programme
from referral.views import Flag, NoticeView, TimelineEntry

KEPT_ASIDE = 8  # different bytes under one number of a device


class StorageError(Exception):
    """The store could not do it; nothing was changed."""


class Contention(StorageError):
    """Another transaction was first; the whole work may be tried again."""


class StorageFull(StorageError):
    """There is no space."""


class Unreachable(StorageError):
    """The database does not answer."""


class NotSo(Exception):
    """The change makes no sense as things are (unknown user, wrong role); nothing was changed. `code` is stable."""

    def __init__(self, sentence: str, code: str = "not_so") -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class AgencyFacts:
    agency_id: str
    name: str
    epoch: str
    pack_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """An enrolled device. `may_pull`: the token that named it is the one of the unlocked vault. generation: the latest of its vault
    that was heard of. user_active: its person still works here."""

    device_id: DeviceId
    user_id: UserId
    role: Role
    public_key: DevicePublicKey = field(repr=False)
    revoked: bool
    wipe: bool
    release: bool
    lease_until: datetime
    agency_key_id: str
    seq_seen: int
    generation: int | None = None
    may_pull: bool = False
    user_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDevice:
    device_id: DeviceId
    user_id: UserId
    role: Role
    public_key: bytes
    append_hash: str = field(repr=False)
    read_hash: str = field(repr=False)
    app: str
    platform: str
    lease_until: datetime
    agency_key_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrolCode:
    code_hash: str = field(repr=False)
    user_id: UserId
    role: Role
    expires_at: datetime
    used: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a person stands in the programme. pair: of a case manager or a peer; made if it is new."""

    name: str
    role: Role
    unit: str | None = None
    language: str = "en"
    pair: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Paper:
    """One signed operation as it lies in the file: what came, what it is, and what became of it.

    made_at: by its maker's clock; for the trail, not kept with the paper.
    raw: the envelope while it waits (None once judged). payload: what it says, to be kept under the referral's data key.
    nonce: None on a copy that was sealed again. revision: of the referral afterwards.
    """

    device_id: str
    op_id: OpId
    fingerprint: str
    device_seq: int = 0
    user_id: UserId
    outcome: Outcome
    code: ProblemCode | None = None
    receipt: str | None = None
    at: datetime
    made_at: datetime | None = None
    referral_id: ReferralId | None = None
    op: str | None = None
    base: int | None = None
    nonce: str | None = None
    revision: int | None = None
    payload: bytes | None = field(default=None, repr=False)
    raw: bytes | None = field(default=None, repr=False)

    @property
    def as_receipt(self) -> Receipt:
        """The case system's word on it, as a device gets it."""
        return Receipt(
            op_id=self.op_id,
            fingerprint=self.fingerprint,
            outcome=self.outcome,
            receipt=self.receipt,
            code=self.code,
            at=self.at,
        )


class Docket(Protocol):
    """One write transaction. Look-ups that lock say so; locks are taken in the order of this list."""

    # who
    def agency(self) -> AgencyFacts: ...
    def device(self, token_hash: str) -> Device | None:
        """The device of an append or read token, locked: one request at a time."""
        ...

    def has_device(self, device_id: DeviceId) -> bool: ...
    def enrol_code(self, code_hash: str) -> EnrolCode | None:
        """An enrolment code, locked."""
        ...

    def use_code(self, code_hash: str, device: NewDevice) -> None:
        """Mark it used and put down the device."""
        ...

    def people(self) -> tuple[Mapping[UserId, User], Rota]:
        """Everyone, and the rota as far as it is not over."""
        ...

    def line(self) -> tuple[Waiting, ...]:
        """Who waits for a pair, in order; true while the pairs are locked."""
        ...

    def pairs(self, *, lock: bool) -> Mapping[str, Pair]: ...

    # the file
    def papers(self, device_id: str, op_ids: Collection[OpId]) -> Mapping[OpId, Paper]:
        """What was filed under these numbers of one device."""
        ...

    def open(self, referral_ids: Collection[ReferralId]) -> None:
        """Lock these referrals (in order) and load them with their scenes and waiting papers."""
        ...

    def record(self, referral_id: ReferralId) -> Record | None:
        """The present truth within this transaction, following a provisional one to what it became."""
        ...

    def scene(self, record: Record) -> Scene:
        """What surrounds it, for the rules."""
        ...

    def beside(self, referral_id: ReferralId) -> Beside:
        """What is kept beside it, for a page."""
        ...

    def same_act(self, referral_id: ReferralId, base: int, nonce: str) -> Paper | None:
        """The paper of the same operation under another number, if there is one."""
        ...

    def waiting(self, referral_id: ReferralId) -> Sequence[Paper]:
        """Papers that wait for earlier ones of an opened referral, by base."""
        ...

    def indexes(self, record: Record) -> Record:
        """The record with its blind indexes."""
        ...

    def meets(self, records: Collection[Record]) -> None:
        """Load what new records may meet: the same person, the same scene, a provisional handoff."""
        ...

    # what is put down
    def file(self, paper: Paper) -> None:
        """A new paper."""
        ...

    def refile(self, paper: Paper) -> None:
        """A paper that lies in the file already has a new outcome."""
        ...

    def latest(self, paper: Paper) -> Paper:
        """The paper as it stands now within this transaction."""
        ...

    def held(self, device_id: str, op_id: OpId) -> Paper | None:
        """A paper of a revoked device that waits for a supervisor."""
        ...

    def by_call_code(self, call_code: str, since: datetime) -> Sequence[Record]:
        """Open referrals of a call code received since then, provisional or not."""
        ...

    def unread(self, codes: Collection[ProblemCode]) -> Sequence[Paper]:
        """Stored papers with one of these codes, oldest first, at most a batch."""
        ...

    def set_aside(self, device_id: str, op_id: OpId, fingerprint: str, code: ProblemCode, raw: bytes) -> bool:
        """Quarantine validly signed bytes; False where these, or KEPT_ASIDE others of the same number, lie there already."""
        ...

    def put(self, judgement: Judgement, *, new: bool, readers: frozenset[UserId]) -> None:
        """Everything that follows from one operation, and who may see the referral from now on."""
        ...

    def heard(self, device: Device, *, seq: int, heartbeat: Heartbeat | None, generation: int | None, pack: str | None, key_id: str | None) -> None:  # fmt: skip
        """What the device said of itself."""
        ...

    def receipt_change(self, paper: Paper) -> None:
        """Tell a device of a receipt that changed while it was away."""
        ...

    def accepted_since(self, device_id: str, since: datetime) -> Collection[OpId]: ...

    # the clock's work
    def due_climbs(self, now: datetime) -> Sequence[tuple[ReferralId, Climb]]:
        """Open climbs whose next rung is due, their referrals locked and opened."""
        ...

    def due_intakes(self, now: datetime) -> Sequence[ReferralId]:
        """Referrals whose next warning of the intake window is due, locked and opened."""
        ...

    def announce(self, now: datetime) -> int:
        """Put notices whose time has come into their readers' feeds."""
        ...

    def expire(self, now: datetime) -> int:
        """End open notices whose time is over, alarms whose device has sent, and releases whose last day has passed."""
        ...

    def raise_alarms(self, alarms: Collection[Alarm]) -> None:
        """Stage alarms about devices; one that exists already is left as it is."""
        ...

    def acknowledge_alarm(self, recipient: UserId, notice_id: str) -> bool:
        """Settle an alarm of this person's; False where there is none."""
        ...

    def audit(self, deed: Deed) -> None:
        """A row of the audit trail."""
        ...

    # the people who work here
    def resettle(self, user_id: UserId, standing: Standing) -> Collection[ReferralId]:
        """Change who a person is; the referrals whose readers may be others now. Raises NotSo."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsent:
    """What a device in service said of its unsent work when it was last heard of (S17)."""

    device_id: DeviceId
    user_id: UserId
    waiting: int
    oldest_s: int
    seen_at: datetime


@dataclass(frozen=True, slots=True)
class FeedItem:
    """The newest feed row of one thing for one reader."""

    seq: int
    kind: ChangeKind
    object_id: str


class Reading(Protocol):
    """One read transaction."""

    def agency(self) -> AgencyFacts: ...
    def feed_span(self) -> tuple[int, int]:
        """(floor, newest): below the floor only the newest row of each thing is kept; both are committed numbers."""
        ...

    def feed(self, user_id: UserId, device_id: str, after: int, until: int, limit: int) -> Sequence[FeedItem]:
        """The newest row of each thing of this reader with after < seq <= until, in order, at most `limit`."""
        ...

    def readers_since(self, seq: int) -> Mapping[str, int]: ...
    def users(self) -> Mapping[UserId, User]: ...
    def records(self, referral_ids: Collection[ReferralId], *, opened: bool) -> Mapping[ReferralId, Record]: ...
    def visible(self, user_id: UserId, referral_ids: Collection[ReferralId]) -> frozenset[ReferralId]:
        """Which of these the reader may see."""
        ...

    def open_work(self) -> Sequence[Record]:
        """Unopened records that are not closed: what a desk page lists, oldest first."""
        ...

    def climbs(self) -> Mapping[ReferralId, tuple[Climb, ...]]:
        """Every open climb."""
        ...

    def unsent(self) -> Sequence[Unsent]:
        """Devices in service that still held unsent work, the oldest work first."""
        ...

    def rung(self) -> Mapping[ReferralId, frozenset[UserId]]:
        """Who was rung about each referral that is not closed."""
        ...

    def rota(self) -> Rota: ...
    def matters(self) -> Sequence[Matter]:
        """Every open matter, oldest first."""
        ...

    def flagged(self, flags: Collection[Flag]) -> Sequence[Record]:
        """Unopened records with one of these flags, oldest first; of closed ones only those that need attention."""
        ...

    def alike(self, persons: Collection[str]) -> Sequence[Record]:
        """Unopened records with these blind indexes that are not closed."""
        ...

    def judged(self) -> frozenset[frozenset[ReferralId]]:
        """Every two referrals whose likeness a person has decided about."""
        ...

    def line(self) -> tuple[Waiting, ...]:
        """Who waits for a pair, in order."""
        ...

    def holders(self) -> Sequence[Holder]:
        """Devices in service that said they hold unsent work."""
        ...

    def sealed_for(self, key_id: str) -> int:
        """How many stored papers are sealed for that agency key and not opened yet."""
        ...

    def open_alarms(self, user_id: UserId) -> Sequence[OpenAlarm]:
        """Alarms of this person that are not over."""
        ...

    def raised(self, day: int) -> Raised:
        """Alarms that exist for that day of the programme."""
        ...

    def timelines(self, referral_ids: Collection[ReferralId]) -> Mapping[ReferralId, tuple[TimelineEntry, ...]]: ...
    def notices(self, notice_ids: Collection[str]) -> Mapping[str, NoticeView]: ...
    def papers(self, device_id: str, op_ids: Collection[OpId]) -> Mapping[OpId, Paper]: ...
    def pairs(self) -> Mapping[str, Pair]: ...
    def holder(self, token_hash: str) -> tuple[UserId, DeviceId] | None:
        """Whose token it is, of either kind."""
        ...

    def reader(self, token_hash: str) -> tuple[UserId, bool] | None:
        """Whose read token it is, and whether the device is in service."""
        ...

    def next_work(self) -> datetime | None:
        """When a rung, a notice or an expiry is due next."""
        ...

    def figures(self, now: datetime) -> Mapping[str, float]: ...
    def measures(self, now: datetime) -> Measures: ...
    def pack_files(self, digest: str) -> Mapping[str, str]: ...


class Storage(Protocol):
    """The case system's database."""

    def write(self, now: datetime, packs: Callable[[str], Programme]) -> AbstractContextManager[Docket]:
        """A transaction at the moment `now`; `packs` gives the pack of a digest."""
        ...

    def read(self) -> AbstractContextManager[Reading]: ...
