"""Defects of the case system: each a mistake that a real server of offline clients has made."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, cast

from sqlalchemy import delete

from case_system import admission, assignment, door, effects, reception
from case_system.assignment import Chosen, Full
from case_system.audit import Deed
from case_system.dispatcher import DueNotice
from case_system.notice_book import NoticeBook
from case_system.reception import Heard, Read, Unread
from case_system.record import Pair
from case_system.service import CaseService
from case_system.storage import Docket, Paper
from case_system.store import schema, writing
from case_system.store.database import Database
from case_system.store.docket import SqlDocket
from case_system.store.engine import transaction
from case_system.store.opened import Opened
from case_system.turn import Turn, World
from case_system.ways import Tried
from referral.envelope import AgencyPrivateKey, UnknownKey, open_
from referral.model import OpId, UserId
from referral.operations import Amend, decode
from referral.port import Outcome, Receipt, Refused
from referral.problems import ProblemCode
from referral.programme import Programme
from tests.faults.simulation.faults import Fault, Step
from tests.faults.zoo.defect import Defect, swap


@contextmanager
def the_receipt_comes_after() -> Iterator[None]:
    """Effects are committed in one transaction, the receipt in the next."""
    late: list[tuple[Any, ...]] = []

    def later(original: Any) -> Any:
        def papers(db: Any, new: Any, changed: Any, now: datetime) -> None:
            late.append((new, changed, now))

        return papers

    def twice(original: Any) -> Any:
        @contextmanager
        def write(self: Database, now: datetime, packs: Callable[[str], Programme]) -> Iterator[SqlDocket]:
            late.clear()
            with original(self, now, packs) as docket:
                yield docket
            passing = cast(Callable[[Step], None], getattr(self, "passing", lambda step: None))
            passing(Step.JUDGED)
            with transaction(self.engine, write=True) as db:
                for rows in late:
                    kept(db, *rows)

        return write

    kept = writing.papers
    with ExitStack() as stack:
        stack.enter_context(swap(writing, "papers", later))
        stack.enter_context(swap(Database, "write", twice, reads="docket.finish()"))
        yield


def receipts_expire() -> Any:
    """Receipts are kept for five minutes."""

    def make(original: Any) -> Any:
        def device(self: Opened, token_hash: str) -> Any:
            t = schema.operations
            self._db.execute(delete(t).where(t.c.judged_at < self._now - timedelta(minutes=5)))
            return original(self, token_hash)

        return device

    return swap(Opened, "device", make)


def nobody_looks_for_the_number() -> Any:
    """What came before is judged again."""

    def make(original: Any) -> Any:
        def papers(self: Opened, device_id: str, op_ids: Collection[OpId]) -> Mapping[OpId, Paper]:
            return {}

        return papers

    return swap(Opened, "papers", make)


def all_or_nothing() -> Any:
    """One operation that is not simply accepted refuses its whole batch."""

    def make(original: Any) -> Any:
        def file(self: CaseService, docket: Docket, world: World, device: Any, heard: list[Heard], away: list[Deed], *, revoked: bool) -> tuple[Receipt, ...]:  # fmt: skip
            results: tuple[Receipt, ...] = original(self, docket, world, device, heard, away, revoked=revoked)
            if any(receipt.outcome in (Outcome.REFUSED, Outcome.STORED) for receipt in results):
                raise Refused(ProblemCode.INVALID_VALUE)
            return results

        return file

    return swap(CaseService, "_file", make)


def the_later_clock_wins() -> Any:
    """An amendment made earlier, by its maker's clock, than the last one kept is let go."""

    def make(original: Any) -> Any:
        def amend(turn: Turn, body: Amend) -> None:
            newest = max((a.at for a in turn.record.amendments), default=turn.record.recorded_at)
            if turn.operation.made_at < newest:
                return
            original(turn, body)

        return amend

    @contextmanager
    def both() -> Iterator[None]:
        with swap(effects, "_amend", make):
            kept = dict(effects._EFFECTS)
            table = cast(dict[Any, Any], effects._EFFECTS)
            op = next(op for op, effect in kept.items() if getattr(effect, "__name__", "") == "_amend")
            table[op] = effects._amend
            try:
                yield
            finally:
                table[op] = kept[op]

    return both()


def nobody_counts() -> Any:
    """A full pair takes one more, and says nothing."""

    def make(original: Any) -> Any:
        def choose(pairs: Collection[Pair], *, cap: int, soft: int, wanted: str | None = None, own: str | None = None, holding: str | None = None, speakers: Collection[UserId] = (), ahead: int = 0) -> Chosen | Full:  # fmt: skip
            done: Chosen | Full = original(
                pairs, cap=10_000, soft=soft, wanted=wanted, own=own, holding=holding, speakers=speakers
            )
            return done

        return choose

    stack = ExitStack()
    stack.enter_context(swap(assignment, "choose", make))
    stack.enter_context(swap(admission, "choose", make))
    return stack


def what_was_sent_is_forgotten() -> Any:
    """A message goes out and nobody writes it down."""

    def make(original: Any) -> Any:
        def sent(self: NoticeBook, notice: DueNotice, now: datetime, tried: Sequence[Tried]) -> None:
            return

        return sent

    return swap(NoticeBook, "sent", make)


def a_later_schema_is_read_at_a_restart() -> Any:
    """What this version does not understand is judged by it when it is read again."""

    def make(original: Any) -> Any:
        def unseal(
            raw: bytes, agency_keys: Mapping[bytes, AgencyPrivateKey], retired: frozenset[bytes]
        ) -> Read | Unread:
            try:
                payload = open_(raw, agency_keys)
            except UnknownKey:
                found: Read | Unread = original(raw, agency_keys, retired)
                return found
            return Read(decode(payload), payload)

        return unseal

    stack = ExitStack()
    stack.enter_context(swap(reception, "unseal", make))
    stack.enter_context(swap(door, "unseal", make))
    return stack


def a_parked_word_is_not_told() -> Any:
    """What was stored and is judged later is judged in silence."""

    def make(original: Any) -> Any:
        def receipt_change(self: SqlDocket, paper: Paper) -> None:
            return

        return receipt_change

    return swap(SqlDocket, "receipt_change", make)


def feed_rows_are_forgotten() -> Any:
    """The feed is told of the officer's own referrals only: others find out when they start over."""

    def make(original: Any) -> Any:
        def tell(self: SqlDocket, user_id: str, kind: Any, object_id: str, device_id: str | None = None) -> None:
            if kind.value != "notice":
                original(self, user_id, kind, object_id, device_id)

        return tell

    return swap(SqlDocket, "_tell", make)


AT_THE_CASE_SYSTEM: Final = (
    Defect(
        name="receipt in another transaction",
        breaks="S3",
        seed=the_receipt_comes_after,
        likely=(Fault.SERVER_CRASH, Fault.LOST_REPLY),
    ),
    Defect(name="receipts expire", breaks="S3", seed=receipts_expire),
    Defect(
        name="no deduplication",
        breaks="S5",
        seed=nobody_looks_for_the_number,
        likely=(Fault.DUPLICATE, Fault.LOST_REPLY),
    ),
    Defect(name="all or nothing", breaks="S6", seed=all_or_nothing, likely=(Fault.RETIRE, Fault.NEWER, Fault.REVOKE)),
    Defect(name="the later clock wins", breaks="S12", seed=the_later_clock_wins, likely=(Fault.CLOCK,)),
    Defect(name="silent cap overrun", breaks="S19", seed=nobody_counts, likely=(Fault.RACE,)),
    Defect(name="sent is not written down", breaks="S16", seed=what_was_sent_is_forgotten),
    Defect(name="later schema judged", breaks="S14", seed=a_later_schema_is_read_at_a_restart, likely=(Fault.NEWER,)),
    Defect(
        name="parked word not told", breaks="S17", seed=a_parked_word_is_not_told, likely=(Fault.NEWER, Fault.RESTORE)
    ),
    Defect(name="feed rows forgotten", breaks="S11", seed=feed_rows_are_forgotten),
)
