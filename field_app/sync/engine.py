"""One round with the case system: offer what waits, believe only a signed answer, file it whole.

    offer    what is due, bounded in items and bytes                                        S2, S6
    ask      one request, both ways; a locked device sends with its append token and never pulls
    check    signature by the bound server key, our nonce, our device                       S4
    file     one transaction: receipts, orders, epoch, waits                                S3, S5, S11
    pull     a second one: changes and cursor together, so that a change that cannot be applied never holds a receipt up

No thread, no clock, no transport in here: `now`, chance and the case system are arguments, `Device` is the rest of the app.
A failure of a request moves waits and the size of the next batch, never an item's state (S7, S8): the batch is halved when it may
be at fault, down to one operation, which then goes alone with waits of its own, so that it holds nobody up (S6). Only the
case system's signed word puts an operation into quarantine (S4).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from sqlite_utils import Database

from field_app.store import cursor
from field_app.store.cursor import Carriage
from field_app.store.outbox import Offer, Outbox, Outgoing
from field_app.sync.backoff import FRESH, Backoff, Uniform, after_failure, due
from field_app.sync.errors import Interrupted, NotTheAgency, SyncFault
from field_app.sync.machine import Event, State
from field_app.sync.reading import HeardResponse
from field_app.vault.errors import VaultLocked
from field_app.vault.vault import DeviceChain
from referral.envelope import BadSignature, ServerPublicKey
from referral.model import DeviceId, OpId
from referral.port import (
    BATCH_BYTES,
    BATCH_ITEMS,
    SIGNATURE_DOMAIN,
    AgencyKey,
    CaseSystem,
    Change,
    DeviceOrders,
    DeviceState,
    Heartbeat,
    Outcome,
    PackDelivery,
    Receipt,
    Refused,
    SyncRequest,
    SyncResponse,
    signed_bytes,
)
from referral.problems import PROBLEMS, ProblemCode

NONCE_BYTES = 16
REOFFER_EVERY = timedelta(days=1)  # how often a digest may ask for everything again

_ABOUT_THE_BATCH = frozenset({ProblemCode.INTERNAL, ProblemCode.MALFORMED, ProblemCode.TOO_LARGE, ProblemCode.INVALID_VALUE,
                              ProblemCode.MISSING_ANSWER, ProblemCode.UNKNOWN_FIELD, ProblemCode.UNKNOWN_VERSION})  # fmt: skip


class Filing(Protocol):
    """An open transaction of the app; the device may hang more on it (the vault's page)."""

    @property
    def tx(self) -> Database: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a round needs to know of the device just now. read_token: None while the vault is shut. app: name and version.
    generation: of the open vault. pack: digest of the installed programme pack. reoffer_days: how long sealed bytes stay."""

    device_id: DeviceId
    server_key: ServerPublicKey
    append_token: str = field(repr=False)
    read_token: str | None = field(default=None, repr=False)
    app: str
    generation: int | None = None
    pack: str | None = None
    reoffer_days: int = 90


@dataclass(frozen=True, slots=True)
class TextGone:
    """Nothing readable is left of an operation: nobody can seal it again."""


class Device(Protocol):
    """The rest of the app, as a round sees it. `write` is one durable transaction; what is called inside shares it."""

    def access(self) -> Access:
        """Who we are and what is open now."""
        ...

    def read(self) -> AbstractContextManager[Database]:
        """One moment of the file."""
        ...

    def write(self) -> AbstractContextManager[Filing]:
        """One durable transaction: all of it, or none."""
        ...

    def settled(self, filing: Filing, receipts: Mapping[OpId, tuple[State, Receipt]]) -> None:
        """Inside the transaction: where these operations stand now, and the word they stand on."""
        ...

    def apply(self, filing: Filing, changes: tuple[Change, ...], *, reset: bool) -> None:
        """Inside the transaction of the cursor: take the changes in; with `reset` they replace all that was pulled before.

        VaultLocked when the vault was shut since they were asked for.
        """
        ...

    def adopt_key(self, filing: Filing, key: AgencyKey) -> None:
        """Inside the transaction: seal new operations for this key from now on."""
        ...

    def reseal(self, filing: Filing, op_id: OpId) -> Outgoing | TextGone | None:
        """The same operation with the same nonce, sealed again under a new op_id, or None while that cannot be done."""
        ...

    def obey(self, orders: DeviceOrders) -> None:
        """After COMMIT, every time: lease, release, wipe. Doing the same again must change nothing."""
        ...

    def install(self, pack: PackDelivery) -> None:
        """After COMMIT: check and install a newer programme pack. A pack that does not load is recorded, not raised."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundResult:
    """What one round did. answered: where each offered operation stands. more: there is more to pull. problem: why the request
    failed. again: it failed, and the next round will be a different one that may get through."""

    answered: Mapping[OpId, State] = field(default_factory=dict)
    moved: Mapping[OpId, State] = field(default_factory=dict)
    pulled: int = 0
    more: bool = False
    problem: ProblemCode | None = None
    again: bool = False
    tried: frozenset[OpId] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncReport:
    """What one call of `sync_until_quiet` did; `stored` and `accepted` are disjoint. waiting: what is still to be sent."""

    sent: int = 0
    stored: int = 0
    accepted: int = 0
    needs_attention: int = 0
    waiting: int = 0
    pulled: int = 0
    problem: ProblemCode | None = None


class SyncEngine:
    """The delivery of one device to one case system."""

    def __init__(
        self,
        *,
        case_system: CaseSystem,
        outbox: Outbox,
        chain: DeviceChain,
        device: Device,
        random_bytes: Callable[[int], bytes],
        uniform: Uniform,
    ) -> None:
        self._case_system, self._outbox, self._chain, self._device = case_system, outbox, chain, device
        self._random_bytes, self._uniform = random_bytes, uniform

    def state(self) -> Carriage:
        """What the delivery remembers: for the status line and for when to try next."""
        with self._device.read() as tx:
            return cursor.load(tx, self._chain)

    def next_due(self, now: datetime, *, pull: bool = False) -> datetime | None:
        """When the next round is due: `now` if one is, None if there is nothing to do. pull: somebody asked for news."""
        with self._device.read() as tx:
            wait = cursor.load(tx, self._chain).wait
            item = now if pull else self._outbox.next_due(tx, now)
        if item is None or due(wait, now) or wait.next_at is None:
            return item
        return max(item, wait.next_at)

    def sync_until_quiet(self, now: datetime) -> SyncReport:
        """Rounds without waiting until nothing is due and there is nothing more to pull; counts of this call."""
        answered: dict[OpId, State] = {}
        sent: set[OpId] = set()
        leave: frozenset[OpId] = frozenset()
        pulled = 0
        while True:
            result = self.round(now, at_once=True, leave=leave)
            sent |= result.answered.keys()
            answered |= result.answered
            answered |= result.moved
            pulled += result.pulled
            leave |= result.tried
            if result.problem is not None and not result.again:
                break
            if result.problem is None and not result.more and not self._offers(now, 1, at_once=True, leave=leave):
                break
        with self._device.read() as tx:
            counts = self._outbox.counts(tx, now)
        ends = list(answered.values())
        return SyncReport(
            sent=len(sent),
            stored=ends.count(State.STORED),
            accepted=ends.count(State.ACCEPTED),
            needs_attention=ends.count(State.NEEDS_ATTENTION) + ends.count(State.QUARANTINED),
            waiting=counts.waiting + counts.reoffered,
            pulled=pulled,
            problem=result.problem,
        )

    def round(self, now: datetime, *, at_once: bool = False, leave: Collection[OpId] = ()) -> RoundResult:
        """Make one request and file its answer; a fault of the world is in the result, never raised.

        at_once: waits are ignored (a tap, or the connection changed). leave: operations not to offer this time.
        """
        access = self._device.access()
        carriage = self.state()
        if not at_once and not due(carriage.wait, now):
            return RoundResult(problem=carriage.problem)
        offers = self._offers(now, carriage.batch, at_once=at_once, leave=leave)
        request = self._request(now, access, carriage, offers)
        try:
            request, response = self._ask(access, request)
        except (Refused, SyncFault) as fault:
            return self._failed(now, offers, fault)
        result = self._file(now, access, request, offers, response)
        return self._pull(access, request, response, result)

    # ------------------------------------------------------------------------------------------------ offer and ask
    def _offers(self, now: datetime, items: int, *, at_once: bool, leave: Collection[OpId]) -> tuple[Offer, ...]:
        with self._device.read() as tx:
            return self._outbox.batch(tx, now, items=items, size=BATCH_BYTES, at_once=at_once, leave=leave)

    def _request(self, now: datetime, access: Access, carriage: Carriage, offers: Sequence[Offer]) -> SyncRequest:
        with self._device.read() as tx:
            counts = self._outbox.counts(tx, now)
            quiet = not (counts.waiting or counts.reoffered or counts.stored)
            since = carriage.server_time(now) - timedelta(days=access.reoffer_days)
            digest = self._outbox.digest(tx, since) if quiet and carriage.epoch is not None else None
        reads_on = access.read_token is not None and carriage.unread_by in (None, access.app)
        return SyncRequest(
            nonce=self._random_bytes(NONCE_BYTES).hex(),
            cursor=carriage.cursor if reads_on else None,
            pull=access.read_token is not None,
            envelopes=tuple(offer.envelope for offer in offers),
            receipts=digest,
            heartbeat=Heartbeat(
                waiting=counts.waiting + counts.reoffered,
                stored=counts.stored,
                needs_attention=counts.needs_attention,
                oldest_unsent_s=counts.oldest_unsent_s,
                app=access.app,
                locked=access.read_token is None,
                clock_offset_ms=carriage.offset_ms,
            ),
            generation=access.generation,
            pack=access.pack,
        )

    def _ask(self, access: Access, request: SyncRequest) -> tuple[SyncRequest, SyncResponse]:
        """What was asked, and the verified answer. A read token that is no longer good falls back to appending, so that nothing waits for it."""
        try:
            response = self._case_system.sync(access.read_token or access.append_token, request)
        except Refused as refused:
            if access.read_token is None or not request.envelopes or refused.code not in _NO_READING:
                raise
            request = replace(request, cursor=None, pull=False)
            response = self._case_system.sync(access.append_token, request)
        try:
            heard = response.heard if isinstance(response, HeardResponse) else signed_bytes(response)
            access.server_key.verify(SIGNATURE_DOMAIN, heard, response.signature)
        except BadSignature as error:
            raise NotTheAgency("the answer is not signed by this device's case system") from error
        if response.nonce != request.nonce or response.device_id != access.device_id:
            raise NotTheAgency("the answer is to another request")
        return request, response

    # ------------------------------------------------------------------------------------------------ file
    def _file(
        self, now: datetime, access: Access, request: SyncRequest, offers: Sequence[Offer], response: SyncResponse
    ) -> RoundResult:
        """Take in what a verified answer says of the operations and of this device, in one transaction."""
        offered = {offer.op_id: offer for offer in offers}
        results = {
            r.op_id: r for r in response.results if r.op_id in offered and r.fingerprint == offered[r.op_id].fingerprint
        }
        with self._device.write() as filing:
            tx = filing.tx
            carriage = cursor.load(tx, self._chain)
            carriage = self._reoffer(tx, now, carriage, request, response)
            if response.agency_key is not None:
                self._device.adopt_key(filing, response.agency_key)
            verdicts = [(r.op_id, event, r) for r in results.values() if (event := verdict(r)) is not None]
            settled = self._outbox.settle(tx, verdicts, sent=offered.keys())
            self._device.settled(filing, {op_id: (state, results[op_id]) for op_id, state in settled.items()})
            fresh, lost = self._reseal(filing, [r.op_id for r in results.values() if _retired(r)])
            unsealable = [(op_id, Event.RECEIPT_REFUSED, results[op_id]) for op_id in lost]
            settled |= self._outbox.settle(tx, unsealable, sent=offered.keys())
            later = [offer for offer in offers if offer.op_id not in settled and offer.op_id not in fresh]
            self._postpone(tx, now, later, results)
            released = self._outbox.release_held(tx) if response.device.wipe else ()
            self._outbox.prune(tx, response.server_time - timedelta(days=access.reoffer_days))
            cursor.save(tx, self._chain, self._succeeded(now, carriage, response))
        with self._device.read() as tx:
            self._outbox.write_files(tx, [*fresh.values(), *released])
            self._outbox.keep_files(tx, settled)
        gone = [op_id for op_id, state in settled.items() if state is State.ACCEPTED]
        self._outbox.drop_files([*gone, *fresh])
        self._device.obey(response.device)
        if response.pack is not None:
            self._device.install(response.pack)
        answered = {offer.op_id: State.WAITING for offer in later} | settled
        return RoundResult(answered=answered, tried=frozenset(offered))

    def _reoffer(
        self, tx: Database, now: datetime, carriage: Carriage, request: SyncRequest, response: SyncResponse
    ) -> Carriage:
        """Offer again what the case system may have lost: at a new epoch, at a reset, or when its receipts are others than ours."""
        if carriage.epoch != response.epoch:
            self._outbox.reoffer(tx, (State.ACCEPTED, State.STORED, State.NEEDS_ATTENTION))
            return replace(carriage, epoch=response.epoch, cursor=None)
        if response.reset:
            self._outbox.reoffer(tx, (State.STORED,))
        last = carriage.reoffered_at
        if response.device.reoffer and request.receipts and (last is None or not last <= now < last + REOFFER_EVERY):
            self._outbox.reoffer(tx, (State.ACCEPTED,))
            return replace(carriage, reoffered_at=now)
        return carriage

    def _reseal(self, filing: Filing, op_ids: Sequence[OpId]) -> tuple[dict[OpId, OpId], list[OpId]]:
        """What was sealed again, under its new number; and what nobody can seal again, which goes to quarantine (S7)."""
        fresh: dict[OpId, OpId] = {}
        lost: list[OpId] = []
        for op_id in op_ids:
            match self._device.reseal(filing, op_id):
                case Outgoing() as outgoing:
                    fresh[op_id] = self._outbox.replace(filing.tx, op_id, outgoing)
                case TextGone():
                    lost.append(op_id)
                case None:  # the vault is shut, or the new key is not known yet
                    pass
        return fresh, lost

    def _postpone(self, tx: Database, now: datetime, offers: Sequence[Offer], results: Mapping[OpId, Receipt]) -> None:
        for offer in offers:
            receipt = results.get(offer.op_id)
            wait = after_failure(Backoff(failures=offer.attempts), now, self._uniform)
            self._outbox.postpone(tx, {offer.op_id: wait}, None if receipt is None else receipt.code, alone=offer.alone)

    def _succeeded(self, now: datetime, carriage: Carriage, response: SyncResponse) -> Carriage:
        return replace(
            carriage.after(FRESH),
            batch=min(BATCH_ITEMS, carriage.batch * 2),
            problem=None,
            last_sync=now,
            offset_ms=(response.server_time - now) // timedelta(milliseconds=1),
            lease_until=response.device.lease_until,
            revoked=response.device.state is DeviceState.REVOKED,
        )

    # ------------------------------------------------------------------------------------------------ pull
    def _pull(self, access: Access, request: SyncRequest, response: SyncResponse, result: RoundResult) -> RoundResult:
        """Take in the changes, unless the vault was shut while the answer came: then they come again."""
        if not request.pull or response.cursor is None:
            return result
        try:
            return self._apply(access, request, response, result)
        except VaultLocked:
            return result

    def _apply(self, access: Access, request: SyncRequest, response: SyncResponse, result: RoundResult) -> RoundResult:
        """Apply the changes and move the cursor, in one transaction (S11)."""
        from_start = response.reset or request.cursor is None
        with self._device.write() as filing:
            carriage = cursor.load(filing.tx, self._chain)
            if carriage.cursor != request.cursor and not from_start:
                return replace(result, more=True)  # a new epoch: these changes go on from a place that no longer exists
            news = [change.receipt for change in response.changes if change.receipt is not None]
            verdicts = [(r.op_id, event, r) for r in self._ours(filing.tx, news) if (event := verdict(r)) is not None]
            moved = self._outbox.settle(filing.tx, verdicts)
            self._device.settled(filing, {op_id: (state, _last(news, op_id)) for op_id, state in moved.items()})
            self._device.apply(filing, response.changes, reset=from_start)
            unread = isinstance(response, HeardResponse) and response.unread > 0
            unread_by = access.app if unread else None if from_start else carriage.unread_by
            cursor.save(filing.tx, self._chain, replace(carriage, cursor=response.cursor, unread_by=unread_by))
        self._outbox.drop_files(op_id for op_id, state in moved.items() if state is State.ACCEPTED)
        with self._device.read() as tx:
            self._outbox.keep_files(tx, moved)
        more = response.more and response.cursor != request.cursor
        return replace(result, moved=moved, pulled=len(response.changes), more=more)

    def _ours(self, tx: Database, receipts: Sequence[Receipt]) -> list[Receipt]:
        rows = self._outbox.rows(tx, [receipt.op_id for receipt in receipts if is_op_id(receipt.op_id)])
        return [r for r in receipts if r.op_id in rows and rows[r.op_id].fingerprint.hex() == r.fingerprint]

    # ------------------------------------------------------------------------------------------------ failures
    def _failed(self, now: datetime, offers: Sequence[Offer], fault: Refused | SyncFault) -> RoundResult:
        """Remember the failure: the queue waits, the batch is halved where it may be at fault, no item changes its state."""
        asked = fault.retry_after_s if isinstance(fault, Refused) else None
        batch_at_fault = bool(offers) and (isinstance(fault, Interrupted) or fault.code in _ABOUT_THE_BATCH)
        isolate = batch_at_fault and len(offers) == 1
        with self._device.write() as filing:
            carriage = cursor.load(filing.tx, self._chain)
            wait = after_failure(carriage.wait, now, self._uniform, asked)
            if isolate:
                item = after_failure(Backoff(failures=offers[0].attempts), now, self._uniform, asked)
                self._outbox.postpone(filing.tx, {offers[0].op_id: item}, fault.code, alone=True)
            else:
                self._outbox.tried(filing.tx, [offer.op_id for offer in offers])
            batch = carriage.batch
            if batch_at_fault:
                batch = min(BATCH_ITEMS, batch * 2) if isolate else max(1, min(batch, len(offers)) // 2)
            cursor.save(filing.tx, self._chain, replace(carriage.after(wait), batch=batch, problem=fault.code))
        tried = frozenset({offers[0].op_id}) if isolate else frozenset[OpId]()
        again = batch_at_fault and isinstance(fault, Refused)
        return RoundResult(problem=fault.code, again=again, tried=tried)


_NO_READING = frozenset({ProblemCode.NOT_SIGNED_IN, ProblemCode.NOT_PERMITTED, ProblemCode.DEVICE_REVOKED})


def verdict(receipt: Receipt) -> Event | None:
    """What a verified receipt does to its operation; None: it stays and is offered again, with a wait.

    A refusal is final only for a code that this app knows as final. `key_retired` asks for sealing again.
    """
    if _retired(receipt):
        return None
    match receipt.outcome:
        case Outcome.STORED:
            return Event.RECEIPT_STORED
        case Outcome.ACCEPTED:
            return Event.RECEIPT_ACCEPTED
        case Outcome.NEEDS_ATTENTION:
            return Event.RECEIPT_NEEDS_ATTENTION
        case Outcome.REFUSED:
            final = receipt.code is not None and not PROBLEMS[receipt.code].retryable
            return Event.RECEIPT_REFUSED if final else None


def is_op_id(text: str) -> bool:
    """True for 32 lower-case hex digits."""
    return len(text) == 32 and set(text) <= set("0123456789abcdef")


def _retired(receipt: Receipt) -> bool:
    return receipt.code is ProblemCode.KEY_RETIRED and receipt.outcome in (Outcome.REFUSED, Outcome.STORED)


def _last(receipts: Sequence[Receipt], op_id: OpId) -> Receipt:
    return next(receipt for receipt in reversed(receipts) if receipt.op_id == op_id)
