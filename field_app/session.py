"""The open vault at work: each thing a person does becomes one transaction of readable record, sealed operation and manifest.

Lives from unlock to lock. Invariants
- S1: a method returns only after COMMIT; then the envelope file is written. If only that file fails, the save stands: the
  operation is durable and the file is written at the next start.
- S18: on a full disk the ballast is given up, and the save is made again.
- S2: the same referral id again returns the first operation, also when another process saved it a moment ago.
- Nothing identifying is sealed of someone who must stay unnamed: referrals come from `answers`.
- What the case system's view shows is dropped here; an own operation stays until then, so that it can be sealed again.

Its owner holds the device's turn. Must not know: screens, the network, PINs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

from field_app.draft import Draft, submitted
from field_app.holdings import Holdings, drop_all, put_step, record_data, shrunk_data
from field_app.sealing import Sealer
from field_app.store.ballast import Ballast, with_room
from field_app.store.database import Store
from field_app.store.outbox import Outbox, Outgoing
from field_app.store.records import Page, Records, Shelf
from field_app.vault.errors import NotWritten
from referral.codec import from_wire, to_wire
from referral.envelope import read_header
from referral.model import OpId, Referral, ReferralId
from referral.operations import Amend, Body, Create, Op, Operation, encode, merge
from referral.port import Change, ChangeKind
from referral.problems import FieldError
from referral.programme import Programme

T = TypeVar("T")


class Session:
    """One signed-in person's open vault."""

    def __init__(
        self,
        *,
        store: Store,
        records: Records,
        outbox: Outbox,
        sealer: Sealer,
        read_token: str,
        ballast: Ballast | None = None,
    ) -> None:
        """ballast: the room that is given up when the disk is full (S18)."""
        self.store, self.records, self.outbox, self.sealer, self.read_token = store, records, outbox, sealer, read_token
        self._ballast = ballast
        self.holdings = Holdings(records)
        self.offset_ms: int | None = None

    # ------------------------------------------------------------------------------------------------ saving
    def create(self, referral: Referral) -> tuple[OpId, bool]:
        """Save a new referral; a draft of the same id goes. The op_id of the first save of this id, and whether this was it."""
        return self._roomy(lambda: self._create(referral))

    def _create(self, referral: Referral) -> tuple[OpId, bool]:
        referral_id = referral.referral_id
        with self.records.write() as page:
            self.holdings.follow()
            if (known := self.holdings.records.get(referral_id)) is not None:
                return known.op_id, False
            operation = self._operation(Op.CREATE, referral_id, Create(referral=referral))
            wire = to_wire(operation)
            op_id, outgoing = self._add(page, operation, encode(operation, wire))
            page.put(Shelf.RECORD, record_data(wire["body"]["referral"], op_id, operation.made_at))
            self._forget_draft(page, referral_id)
        self._after(outgoing)
        return op_id, True

    def step(self, op: Op, referral_id: ReferralId, body: Body) -> OpId:
        """Save a step on a referral. Errors: FieldError for an amendment that the referral cannot hold."""
        return self._roomy(lambda: self._step(op, referral_id, body))

    def _step(self, op: Op, referral_id: ReferralId, body: Body) -> OpId:
        with self.records.write() as page:
            self.holdings.follow()
            operation = self._operation(op, referral_id, body)
            op_id, outgoing = self._add(page, operation, encode(operation))
            record = self.holdings.records.get(referral_id)
            if isinstance(body, Amend) and record is not None and not record.shrunk:
                changed = from_wire(Referral, merge(record.wire, body.changes), keep_unknown=True)
                page.put(Shelf.RECORD, record_data(to_wire(changed), record.op_id, record.made_at), record.row_id)
        self._after(outgoing)
        return op_id

    # ------------------------------------------------------------------------------------------------ drafts
    def keep_draft(self, draft: Draft, programme: Programme) -> None:
        """Autosave a live form, and the sealed copy that a wipe would send, if it could be saved as it stands."""
        self._roomy(lambda: self._keep_draft(draft, programme))

    def _keep_draft(self, draft: Draft, programme: Programme) -> None:
        copy = self._saveable(draft, programme)
        with self.records.write() as page:
            self.holdings.follow()
            known = self.holdings.drafts.get(draft.referral_id)
            page.put(Shelf.DRAFT, to_wire(draft), None if known is None else known[0])
            if copy is None:
                self.outbox.drop_held(page.tx, draft.referral_id)
            else:
                operation = self.sealer.operation(
                    Op.INCOMPLETE, draft.referral_id, Create(referral=copy), base=0, offset_ms=self.offset_ms
                )
                _, outgoing = self.sealer.seal(operation, self.outbox.next_seq(page.tx, draft.referral_id))
                self.outbox.hold(page.tx, outgoing)
        self.holdings.follow()

    def drop_draft(self, referral_id: ReferralId) -> None:
        """Forget a live form and its sealed copy."""
        with self.records.write() as page:
            self.holdings.follow()
            self._forget_draft(page, referral_id)
            self.outbox.drop_held(page.tx, referral_id)
        self.holdings.follow()

    # ------------------------------------------------------------------------------------------------ own values
    def keep_value(self, name: str, value: object) -> None:
        """Keep an own value (settings) under its name."""
        with self.records.write() as page:
            self.holdings.follow()
            row = self.holdings.own.get(name)
            page.put(Shelf.OWN, {"name": name, "value": to_wire(value)}, None if row is None else row.id)
        self.holdings.follow()

    # ------------------------------------------------------------------------------------------------ what comes back
    def apply(self, page: Page, changes: Iterable[Change], *, reset: bool) -> None:
        """Take in what was pulled; with `reset` it replaces all views, notices and the caseload."""
        self.holdings.follow()
        holdings = self.holdings
        views = {name: row.id for name, row in holdings.views.items()}
        notices = {name: row_id for name, (row_id, _) in holdings.notices.items()}
        caseload = [] if holdings.caseload is None else [holdings.caseload[0]]
        if reset:
            drop_all(page, [*views.values(), *notices.values(), *caseload])
            views, notices, caseload = {}, {}, []
        revisions: dict[ReferralId, int] = {}
        for change in changes:
            if change.referral is not None:
                name = change.referral.referral_id
                views[name] = page.put(Shelf.VIEW, to_wire(change.referral), views.get(name))
                revisions[name] = change.referral.revision
            if change.notice is not None:
                notice = change.notice
                row_id = notices.get(notice.notice_id)
                notices[notice.notice_id] = page.put(Shelf.NOTICE, to_wire(notice), row_id)
            if change.caseload is not None:
                caseload = [page.put(Shelf.CASELOAD, to_wire(change.caseload), caseload[0] if caseload else None)]
            if change.kind is ChangeKind.GONE and change.referral_id is not None:
                drop_all(
                    page, [row_id for name in [change.referral_id] if (row_id := views.pop(name, None)) is not None]
                )
        for name in holdings.steps:  # a view may have come before the receipt of a step that it shows
            if not reset and name not in revisions and name in views and (view := holdings.view(name)) is not None:
                revisions[name] = view.revision
        self._drop_shown(page, revisions)

    def tidy(self, before: datetime) -> None:
        """Drop own steps that the views show, and shrink what was accepted by `before` (the server's clock)."""
        self.holdings.follow()
        with self.store.read() as tx:
            accepted = self.outbox.accepted(tx, before)
            due = []
            for record in self.holdings.records.values():
                if record.shrunk or (settled := accepted.get(record.op_id)) is None:
                    continue
                entry = self.outbox.entry(tx, record.op_id)
                receipt = None if entry is None or entry.receipt is None else entry.receipt.receipt
                due.append((record, receipt, settled))
        revisions = {
            name: view.revision for name in self.holdings.steps if (view := self.holdings.view(name)) is not None
        }
        if not due and not revisions:
            return
        with self.records.write() as page:
            for record, receipt, settled in due:
                received = self._received(page, record.referral_id)
                if len(received) == len(self.holdings.steps.get(record.referral_id, ())):
                    page.put(Shelf.RECORD, shrunk_data(record, receipt, settled), record.row_id)
                    drop_all(page, received)
            self._drop_shown(page, revisions)
        self.holdings.follow()

    def has_text(self, op_id: OpId) -> bool:
        """Whether an operation is still readable here: it goes once the case system's view shows it."""
        self.holdings.follow()
        return any(step.op_id == op_id for steps in self.holdings.steps.values() for step in steps)

    def reseal(self, page: Page, op_id: OpId) -> Outgoing | None:
        """The same operation, nonce and all, sealed for the agency key of now under a new op_id.

        None without its text, and while no newer key is known than it is sealed for: that would be refused again, for ever.
        """
        self.holdings.follow()
        sealed = self.outbox.envelope(page.tx, op_id)
        if sealed is not None and read_header(sealed).key_id == self.sealer.agency_key.key_id:
            return None
        step = next((s for steps in self.holdings.steps.values() for s in steps if s.op_id == op_id), None)
        if step is None:
            return None
        operation, payload = step.operation, step.payload.encode()
        seq = self.outbox.next_seq(page.tx)
        fresh, outgoing = self.sealer.seal(operation, seq, payload)
        page.drop(step.row_id)
        put_step(page, fresh, operation, seq, payload)
        record = self.holdings.records.get(operation.referral_id)
        if record is not None and record.op_id == op_id and (referral := record.referral) is not None:
            page.put(Shelf.RECORD, record_data(to_wire(referral), fresh, record.made_at), record.row_id)
        return outgoing

    # ------------------------------------------------------------------------------------------------ inside
    def _operation(self, op: Op, referral_id: ReferralId, body: Body) -> Operation:
        base = 0 if isinstance(body, Create) else self.holdings.next_base(referral_id)
        return self.sealer.operation(op, referral_id, body, base=base, offset_ms=self.offset_ms)

    def _add(self, page: Page, operation: Operation, payload: bytes) -> tuple[OpId, Outgoing]:
        """Seal an operation (`payload`: its bytes) and put it into the outbox, readable beside it until the view shows it."""
        seq = self.outbox.next_seq(page.tx, operation.referral_id if operation.op is Op.CREATE else None)
        op_id, outgoing = self.sealer.seal(operation, seq, payload)
        self.outbox.add(page.tx, outgoing)
        put_step(page, op_id, operation, seq, payload)
        return op_id, outgoing

    def _forget_draft(self, page: Page, referral_id: ReferralId) -> None:
        if (known := self.holdings.drafts.get(referral_id)) is not None:
            page.drop(known[0])

    def _saveable(self, draft: Draft, programme: Programme) -> Referral | None:
        try:
            return submitted(draft, programme, programme.day(self.sealer.clock.now()))
        except FieldError:  # answers are missing, or wait for others
            return None

    def _received(self, page: Page, referral_id: ReferralId) -> list[bytes]:
        """Rows of own steps on a referral that the case system has accepted or is looking at."""
        steps = self.holdings.steps.get(referral_id, ())
        rows = self.outbox.rows(page.tx, [step.op_id for step in steps])
        done = ("accepted", "needs_attention")
        return [step.row_id for step in steps if step.op_id in rows and rows[step.op_id].state in done]

    def _drop_shown(self, page: Page, revisions: Mapping[ReferralId, int]) -> None:
        for referral_id, revision in revisions.items():
            steps = self.holdings.steps.get(referral_id, ())
            if not any(step.base < revision for step in steps):
                continue
            received = set(self._received(page, referral_id))
            drop_all(page, [s.row_id for s in steps if s.row_id in received and s.base < revision])

    def _after(self, outgoing: Outgoing) -> None:
        self.holdings.follow()
        with suppress(NotWritten):  # saved all the same; the next start writes the copy
            self._roomy(lambda: self.outbox.write_file(outgoing))

    def _roomy(self, save: Callable[[], T]) -> T:
        return save() if self._ballast is None else with_room(self._ballast, save)
