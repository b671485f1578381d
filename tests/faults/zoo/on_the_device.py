"""Defects of the device: each a mistake that a real offline queue has made."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlite_utils import Database

from field_app import device as devices
from field_app.courier import DeviceSide
from field_app.session import Session
from field_app.store import cursor
from field_app.store import database as databases
from field_app.store.cursor import Carriage
from field_app.store.database import StoreError
from field_app.store.outbox import Offer, Outbox
from field_app.sync import backoff, engine
from field_app.sync.backoff import Backoff
from field_app.sync.engine import Access, RoundResult, SyncEngine
from field_app.sync.errors import NotACaseSystem, SyncFault
from field_app.sync.machine import Event, State
from referral.envelope import fingerprint, read_header, seal
from referral.model import OpId, Referral
from referral.port import Outcome, Receipt, Refused, SyncRequest, SyncResponse
from referral.problems import ProblemCode
from tests.faults.simulation.faults import Fault
from tests.faults.zoo.defect import Defect, swap


def _settle_all(
    self: SyncEngine, offers: Sequence[Offer], event: Event, outcome: Outcome, now: datetime
) -> dict[OpId, State]:
    """Move what was offered without any word of the case system."""
    words = [
        (o.op_id, event, Receipt(op_id=o.op_id, fingerprint=o.fingerprint, outcome=outcome, code=ProblemCode.NOT_PERMITTED, at=now))
        for o in offers
    ]  # fmt: skip
    with self._device.write() as filing:
        return self._outbox.settle(filing.tx, words)


def a_bare_2xx_is_enough() -> Any:
    """Whatever answers 200 has taken everything."""

    def make(original: Any) -> Any:
        def failed(self: SyncEngine, now: datetime, offers: Sequence[Offer], fault: Refused | SyncFault) -> RoundResult:
            if isinstance(fault, NotACaseSystem):
                return RoundResult(answered=_settle_all(self, offers, Event.RECEIPT_ACCEPTED, Outcome.ACCEPTED, now))
            done: RoundResult = original(self, now, offers, fault)
            return done

        return failed

    return swap(SyncEngine, "_failed", make)


def any_signature_will_do() -> Any:
    """An answer is believed without its signature."""

    def make(original: Any) -> Any:
        def ask(self: SyncEngine, access: Access, request: SyncRequest) -> tuple[SyncRequest, SyncResponse]:
            return request, self._case_system.sync(access.read_token or access.append_token, request)

        return ask

    return swap(SyncEngine, "_ask", make, reads="access.server_key.verify")


def a_401_is_for_ever() -> Any:
    """A refused sign-in refuses the operations."""

    def make(original: Any) -> Any:
        def failed(self: SyncEngine, now: datetime, offers: Sequence[Offer], fault: Refused | SyncFault) -> RoundResult:
            if isinstance(fault, Refused) and fault.code is ProblemCode.NOT_SIGNED_IN:
                _settle_all(self, offers, Event.RECEIPT_REFUSED, Outcome.REFUSED, now)
            done: RoundResult = original(self, now, offers, fault)
            return done

        return failed

    return swap(SyncEngine, "_failed", make)


def the_cursor_moves_first() -> Any:
    """The cursor is committed before the changes are."""

    def make(original: Any) -> Any:
        def apply(
            self: SyncEngine, access: Access, request: SyncRequest, response: SyncResponse, result: RoundResult
        ) -> RoundResult:
            with self._device.write() as filing:
                carriage = cursor.load(filing.tx, self._chain)
                cursor.save(filing.tx, self._chain, replace(carriage, cursor=response.cursor))
            if request.cursor is not None:
                request = replace(request, cursor=response.cursor)
            done: RoundResult = original(self, access, request, response, result)
            return done

        return apply

    return swap(SyncEngine, "_apply", make, reads="self._device.apply")


def each_try_is_sealed_anew() -> Any:
    """A retry makes new bytes under the old number."""

    def make(original: Any) -> Any:
        def offers(
            self: SyncEngine, now: datetime, items: int, *, at_once: bool, leave: Collection[OpId]
        ) -> tuple[Offer, ...]:
            found: tuple[Offer, ...] = original(self, now, items, at_once=at_once, leave=leave)
            return tuple(_sealed_again(self, offer) if offer.attempts else offer for offer in found)

        return offers

    return swap(SyncEngine, "_offers", make)


def _sealed_again(self: SyncEngine, offer: Offer) -> Offer:
    side = self._device
    assert isinstance(side, DeviceSide)
    session = side._device.session
    if session is None:
        return offer
    step = next((s for steps in session.holdings.steps.values() for s in steps if s.op_id == offer.op_id), None)
    if step is None:
        return offer
    pen = session.sealer
    header = replace(read_header(offer.envelope), key_id=pen.agency_key.key_id)
    fresh = seal(step.payload.encode(), header, pen.agency_key, pen.signing_key)
    return replace(offer, envelope=fresh, fingerprint=fingerprint(fresh).hex())


def five_tries_are_enough() -> Any:
    """What failed too often is dropped."""

    def make(original: Any) -> Any:
        def tried(self: Outbox, tx: Database, op_ids: Any) -> None:
            named = list(op_ids)
            original(self, tx, named)
            tx.conn.executemany(
                "DELETE FROM outbox WHERE op_id = ? AND attempts > 2", [(bytes.fromhex(o),) for o in named]
            )

        return tried

    return swap(Outbox, "tried", make)


@contextmanager
def nobody_goes_alone() -> Iterator[None]:
    """A batch fails as a whole, for ever."""
    kept, engine._ABOUT_THE_BATCH = engine._ABOUT_THE_BATCH, frozenset()
    try:
        yield
    finally:
        engine._ABOUT_THE_BATCH = kept


@contextmanager
def the_epoch_is_ignored() -> Iterator[None]:
    """A restored case system is taken for the old one; nor are receipts ever counted."""

    def make(original: Any) -> Any:
        def reoffer(self: SyncEngine, tx: Database, now: datetime, carriage: Carriage, request: SyncRequest, response: SyncResponse) -> Carriage:  # fmt: skip
            return replace(carriage, epoch=response.epoch)

        return reoffer

    with swap(SyncEngine, "_reoffer", make, reads="carriage.epoch != response.epoch"):
        yield


def accepted_bytes_go_at_once() -> Any:
    """After acceptance nothing is left to offer again."""

    def make(original: Any) -> Any:
        def prune(self: Outbox, tx: Database, before: datetime) -> int:
            return tx.conn.execute("UPDATE outbox SET envelope = NULL WHERE state = 'accepted'").rowcount

        return prune

    return swap(Outbox, "prune", make)


def waits_trust_the_clock() -> Any:
    """A wait that was set by a clock that has since been put back is waited for."""

    def make(original: Any) -> Any:
        def due(backoff: Backoff, now: datetime) -> bool:
            return backoff.next_at is None or now >= backoff.next_at

        return due

    stack = ExitStack()
    stack.enter_context(swap(backoff, "due", make))
    stack.enter_context(swap(engine, "due", make))
    return stack


def saved_is_said_too_early() -> Any:
    """ "Saved" is said although the COMMIT failed."""

    def make(original: Any) -> Any:
        def create(self: Session, referral: Referral) -> tuple[OpId, bool]:
            try:
                done: tuple[OpId, bool] = original(self, referral)
            except StoreError:
                return OpId("0" * 32), True
            return done

        return create

    return swap(Session, "create", make)


def a_wipe_takes_the_outbox() -> Any:
    """The order to wipe takes what was never sent."""

    def make(original: Any) -> Any:
        def wipe(self: devices.Device) -> None:
            with self.store.write() as tx:
                tx.execute("DELETE FROM outbox")
            original(self)

        return wipe

    return swap(devices.Device, "wipe", make)


def a_reset_keeps_the_old() -> Any:
    """Starting over leaves what was pulled before."""

    def make(original: Any) -> Any:
        def apply(self: Session, page: Any, changes: Any, *, reset: bool) -> None:
            original(self, page, changes, reset=False)

        return apply

    return swap(Session, "apply", make)


@contextmanager
def synchronous_is_normal() -> Iterator[None]:
    """The file is written without waiting for the disk."""
    kept = databases.PRAGMAS["synchronous"]
    assert kept == ("FULL", 2)
    databases.PRAGMAS["synchronous"] = ("NORMAL", 1)
    try:
        yield
    finally:
        databases.PRAGMAS["synchronous"] = kept


def a_lost_reply_drops_what_was_sent() -> Any:
    """What was sent has arrived, surely."""

    def make(original: Any) -> Any:
        def failed(self: SyncEngine, now: datetime, offers: Sequence[Offer], fault: Refused | SyncFault) -> RoundResult:
            done: RoundResult = original(self, now, offers, fault)
            if isinstance(fault, SyncFault):
                with self._device.write() as filing:
                    named = [(bytes.fromhex(o.op_id),) for o in offers]
                    filing.tx.conn.executemany("UPDATE outbox SET envelope = NULL WHERE op_id = ?", named)
            return done

        return failed

    return swap(SyncEngine, "_failed", make)


ON_THE_DEVICE: Final = (
    Defect(name="bare 2xx", breaks="S4", seed=a_bare_2xx_is_enough, likely=(Fault.PORTAL,)),
    Defect(name="unsigned answer", breaks="S4", seed=any_signature_will_do, likely=(Fault.FORGED,)),
    Defect(name="401 permanent", breaks="S8", seed=a_401_is_for_ever, likely=(Fault.UNAUTHORISED,)),
    Defect(name="cursor before apply", breaks="S11", seed=the_cursor_moves_first, likely=(Fault.CRASH,)),
    Defect(name="reseal on retry", breaks="S2", seed=each_try_is_sealed_anew, likely=(Fault.DROP, Fault.LOST_REPLY)),
    Defect(
        name="drop after retries",
        breaks="S7",
        seed=five_tries_are_enough,
        likely=(Fault.EXPIRED, Fault.UNAUTHORISED, Fault.KEYS_GONE),
    ),
    Defect(name="nobody goes alone", breaks="S6", seed=nobody_goes_alone, likely=(Fault.POISON,)),
    Defect(name="epoch ignored", breaks="S11", seed=the_epoch_is_ignored, likely=(Fault.RESTORE,)),
    Defect(name="no bytes to offer again", breaks="S11", seed=accepted_bytes_go_at_once, likely=(Fault.RESTORE,)),
    Defect(name="waits trust the clock", breaks="S12", seed=waits_trust_the_clock, likely=(Fault.CLOCK,)),
    Defect(name="saved too early", breaks="S1", seed=saved_is_said_too_early, likely=(Fault.DISK_FULL,)),
    Defect(name="wipe takes the outbox", breaks="S7", seed=a_wipe_takes_the_outbox, likely=(Fault.WIPE,)),
    Defect(name="reset keeps the old", breaks="S13", seed=a_reset_keeps_the_old, likely=(Fault.RESTORE, Fault.TRIM)),
    Defect(name="synchronous NORMAL", breaks="S1", seed=synchronous_is_normal),
    Defect(name="sent is delivered", breaks="S4", seed=a_lost_reply_drops_what_was_sent, likely=(Fault.DROP,)),
)
