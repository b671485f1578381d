"""What the open vault holds, by name: own referrals, own steps, the case system's views, notices, drafts, own values.

An index over `Records`, kept in step by the ids of rows that changed, so that ten thousand referrals are read once. Wire forms
are turned into records when they are asked for, and a view without its timeline.

Must not know: the outbox, screens, the network. Not thread-safe: its owner holds a lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from field_app.draft import Draft
from field_app.store.records import Page, Records, Row, Shelf
from referral.codec import from_wire, to_wire
from referral.model import Kind, OpId, Referral, ReferralId
from referral.operations import Operation, decode
from referral.views import CaseloadView, NoticeView, ReferralView, heard

Json = Any
T = TypeVar("T")
_LONG: Final = ("timeline",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An own referral. `wire` is the referral as last amended; once shrunk it holds the id and the kind only."""

    row_id: bytes
    referral_id: ReferralId
    kind: Kind
    op_id: OpId
    made_at: datetime
    wire: Mapping[str, Json] = field(repr=False)
    shrunk: bool = False
    receipt: str | None = None
    received_at: datetime | None = None

    @property
    def referral(self) -> Referral | None:
        """The referral, or None once shrunk."""
        return None if self.shrunk else from_wire(Referral, dict(self.wire), keep_unknown=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnStep:
    """An own operation that the case system's view does not show yet. `payload`: as it was sealed, still readable."""

    row_id: bytes
    op_id: OpId
    base: int
    n: int
    payload: str = field(repr=False)

    @property
    def operation(self) -> Operation:
        """The operation in the payload."""
        return decode(self.payload.encode())


class Holdings:
    """The index over one open vault's rows."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._by_row: dict[bytes, tuple[Shelf, str]] = {}  # row id -> shelf and the name it is filed under
        self.records: dict[ReferralId, Record] = {}
        self.views: dict[ReferralId, Row] = {}
        self.steps: dict[ReferralId, tuple[OwnStep, ...]] = {}
        self.drafts: dict[ReferralId, tuple[bytes, Draft]] = {}
        self.notices: dict[str, tuple[bytes, NoticeView]] = {}
        self.own: dict[str, Row] = {}
        self.caseload: tuple[bytes, CaseloadView] | None = None
        self._briefs: dict[ReferralId, ReferralView] = {}
        self.touched: set[ReferralId] = set()  # referrals whose rows changed since the reader last cleared this
        self.follow()

    def follow(self) -> None:
        """Take in rows that changed; the referrals they speak of are added to `touched`."""
        changed, self._records.changed = self._records.changed, set()
        rows = [(row_id, self._records.get(row_id)) for row_id in changed]
        for row_id in changed & self._by_row.keys():
            self._unfile(row_id)
        for row_id, row in rows:
            if row is not None:
                name = self._file(row)
                self._by_row[row_id] = (row.shelf, name)
                self.touched.add(ReferralId(name))

    def view(self, referral_id: ReferralId, *, whole: bool = False) -> ReferralView | None:
        """The case system's view; `whole` with its timeline."""
        row = self.views.get(referral_id)
        if row is None:
            return None
        if whole:
            return heard(from_wire(ReferralView, dict(row.data), keep_unknown=True))
        if (brief := self._briefs.get(referral_id)) is None:
            wire = {name: value for name, value in row.data.items() if name not in _LONG}
            brief = self._briefs[referral_id] = heard(from_wire(ReferralView, wire, keep_unknown=True))
        return brief

    def operations(self, referral_id: ReferralId) -> tuple[Operation, ...]:
        """Own operations on a referral that its view does not show, in their order."""
        return tuple(step.operation for step in self.steps.get(referral_id, ()))

    def next_base(self, referral_id: ReferralId) -> int:
        """The revision that the next own operation stands on: what is known to be there, and own steps on top (S10)."""
        view = self.view(referral_id)
        known = 0 if view is None else view.revision
        return max([known, *(step.base + 1 for step in self.steps.get(referral_id, ()))])

    def value(self, record: type[T], name: str) -> T | None:
        """An own value by name."""
        row = self.own.get(name)
        return None if row is None else from_wire(record, row.data["value"], keep_unknown=True)

    def _unfile(self, row_id: bytes) -> None:
        shelf, name = self._by_row.pop(row_id)
        referral_id = ReferralId(name)
        match shelf:
            case Shelf.RECORD:
                self.records.pop(referral_id, None)
            case Shelf.VIEW:
                self.views.pop(referral_id, None)
                self._briefs.pop(referral_id, None)
            case Shelf.STEP:
                left = tuple(step for step in self.steps.get(referral_id, ()) if step.row_id != row_id)
                self.steps[referral_id] = left
                if not left:
                    del self.steps[referral_id]
            case Shelf.DRAFT:
                self.drafts.pop(referral_id, None)
            case Shelf.NOTICE:
                self.notices.pop(name, None)
            case Shelf.CASELOAD:
                self.caseload = None
            case Shelf.OWN:
                self.own.pop(name, None)
        self.touched.add(referral_id)

    def _file(self, row: Row) -> str:
        data = row.data
        match row.shelf:
            case Shelf.RECORD:
                record = read_record(row.id, data)
                self.records[record.referral_id] = record
                return record.referral_id
            case Shelf.VIEW:
                name = ReferralId(data["referral_id"])
                self.views[name] = row
                return name
            case Shelf.STEP:
                step = OwnStep(
                    row_id=row.id, op_id=OpId(data["op_id"]), base=data["base"], n=data["n"], payload=data["payload"]
                )
                name = ReferralId(data["referral_id"])
                steps = (*self.steps.get(name, ()), step)
                self.steps[name] = tuple(sorted(steps, key=lambda step: (step.base, step.n)))
                return name
            case Shelf.DRAFT:
                draft = from_wire(Draft, dict(data), keep_unknown=True)
                self.drafts[draft.referral_id] = (row.id, draft)
                return draft.referral_id
            case Shelf.NOTICE:
                notice = from_wire(NoticeView, dict(data), keep_unknown=True)
                self.notices[notice.notice_id] = (row.id, notice)
                return notice.notice_id
            case Shelf.CASELOAD:
                self.caseload = (row.id, from_wire(CaseloadView, dict(data), keep_unknown=True))
                return "caseload"
            case Shelf.OWN:
                self.own[data["name"]] = row
                return str(data["name"])


def read_record(row_id: bytes, data: Mapping[str, Json]) -> Record:
    """The own referral in a row of shelf RECORD."""
    wire = data["referral"]
    received = data.get("received_at")
    return Record(
        row_id=row_id,
        referral_id=ReferralId(wire["referral_id"]),
        kind=Kind(wire["kind"]),
        op_id=OpId(data["op_id"]),
        made_at=datetime.fromisoformat(data["made_at"]),
        wire=wire,
        shrunk=bool(data.get("shrunk")),
        receipt=data.get("receipt"),
        received_at=None if received is None else datetime.fromisoformat(received),
    )


def record_data(wire: Mapping[str, Json], op_id: OpId, made_at: datetime) -> dict[str, Json]:
    """What a row of shelf RECORD holds of a new or amended referral, given in wire form."""
    return {"referral": wire, "op_id": op_id, "made_at": to_wire(made_at)}


def shrunk_data(record: Record, receipt: str | None, received_at: datetime) -> dict[str, Json]:
    """What stays of an own referral: number, date and kind. No name, no place, no reach."""
    return {
        "referral": {"referral_id": record.referral_id, "kind": record.kind.value},
        "op_id": record.op_id,
        "made_at": to_wire(record.made_at),
        "shrunk": True,
        "receipt": receipt,
        "received_at": to_wire(received_at),
    }


def put_step(page: Page, op_id: OpId, operation: Operation, device_seq: int, payload: bytes) -> None:
    """Keep an own operation readable until the view shows it; it can be sealed again from this."""
    step = {
        "op_id": op_id,
        "referral_id": operation.referral_id,
        "base": operation.base,
        "n": device_seq,
        "payload": payload.decode(),
    }
    page.put(Shelf.STEP, step)


def put_own(page: Page, holdings: Holdings | None, name: str, value: Any) -> None:
    """Keep an own value under its name."""
    row = None if holdings is None else holdings.own.get(name)
    page.put(Shelf.OWN, {"name": name, "value": to_wire(value)}, None if row is None else row.id)


def drop_all(page: Page, row_ids: Iterable[bytes]) -> None:
    """Remove these rows."""
    for row_id in row_ids:
        page.drop(row_id)
