"""The world of one case: virtual time, the queue of what happens, the faults that are armed, and the log.

Everything is decided by the schedule and by sources of chance seeded from the case's number. Time is whole milliseconds since the
start and only the queue moves it; a message on its way lets the rest of the world go on (`elapse`), so that things overlap.
"""

from __future__ import annotations

import hashlib
import heapq
import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from case_system.storage import StorageError
from field_app.troubles import FAULTS
from referral.model import OpId
from referral.port import Refused
from tests.faults.simulation import acts, desk
from tests.faults.simulation.central import Central, ServerCrashed
from tests.faults.simulation.faults import AT_DESK, NOBODYS, Fault, Step, cell
from tests.faults.simulation.phone import DeviceCrashed, Phone
from tests.faults.simulation.schedule import Act, Entry, Schedule
from tests.faults.simulation.strike import STRIKES
from tests.faults.simulation.template import Template, user_of
from tests.faults.simulation.watch import Watch
from tests.support.agency import MONDAY_NIGHT

DEEPEST: Final = 3  # how many messages may be on their way at one moment
_ON_A_PHONE: Final = {
    Act.SAVE: acts.save,
    Act.SAVE_AGAIN: acts.save_again,
    Act.GO_ON: acts.go_on,
    Act.DRAFT: acts.draft,
    Act.RETRY: acts.retry,
}


class World:
    """One case at work."""

    def __init__(self, template: Template, schedule: Schedule) -> None:
        self.seed, self.schedule = schedule.seed, schedule
        self.now, self._n, self._depth = 0, 0, 0
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._armed: list[Entry] = []
        self.log: list[str] = []
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.watch = Watch(self)
        self.book = desk.Book()
        self.wired = schedule.seed % 4 == 0  # answers go through their wire form
        self.calm = False
        self.poisoned: set[OpId] = set()
        self.retired = False
        self.serving: Phone | None = None
        self._at_desk = False
        self.restore_after: int | None = None
        self.central_up_at = self.central_down_ms = 0
        template.lay(schedule.phones)
        rng = random.Random(f"{schedule.seed} central").randbytes
        self.central = Central(template, lambda: self.moment, rng, self._server_passing)
        self.phones = [
            Phone(self, index, template.case / f"d{index:02}", user_of(index)) for index in range(schedule.phones)
        ]
        for phone in self.phones:
            phone.keys.secrets.update(template.secrets[phone.index])

    # ------------------------------------------------------------------------------------------------ time
    @property
    def moment(self) -> datetime:
        """The true time."""
        return MONDAY_NIGHT + timedelta(milliseconds=self.now)

    def later(self, ms: int, do: Callable[[], None]) -> None:
        """Do this in so many milliseconds."""
        self._n += 1
        heapq.heappush(self._queue, (self.now + ms, self._n, do))

    def elapse(self, ms: int) -> None:
        """Let time pass while something is on its way; the world goes on meanwhile."""
        until = self.now + ms
        if self._depth < DEEPEST:
            self._depth += 1
            try:
                self._run(until)
            finally:
                self._depth -= 1
        self.now = max(self.now, until)

    def run(self) -> None:
        """Play the schedule to its end."""
        for phone in self.phones:
            phone.boot()
            phone.unlock()
            phone.round_at = None
        self.drain()  # the first hello of each would only take time
        for entry in self.schedule.entries:
            self._n += 1
            heapq.heappush(self._queue, (entry.at, self._n, lambda entry=entry: self._do(entry)))  # type: ignore[misc]
        end = max((entry.at for entry in self.schedule.entries), default=0)
        self._run(end + 2_000)
        self.now = max(self.now, end + 2_000)

    def _run(self, until: int) -> None:
        while self._queue and self._queue[0][0] <= until:
            at, _, do = heapq.heappop(self._queue)
            self.now = max(self.now, at)
            do()

    def drain(self) -> None:
        """Let go of what was still to come: all is healed."""
        self._queue.clear()

    # ------------------------------------------------------------------------------------------------ what happens
    def _do(self, entry: Entry) -> None:
        phone, dice = self.phones[entry.who % len(self.phones)], random.Random(entry.dice)
        self.note(f"{entry.what.value} {entry.step.value} {phone.index}")
        if isinstance(entry.what, Fault):
            if entry.step is Step.IDLE or (entry.what, entry.step) in _AT_ONCE:
                self._strike(entry, phone)
            else:
                self._armed.append(entry)
            return
        match entry.what:
            case Act.POLL:
                self.want(phone, 1, at_once=False, pull=True)
            case Act.LOCK:
                self.guarded(phone, phone.lock)
            case Act.UNLOCK:
                self.guarded(phone, phone.unlock)
            case Act.RING:
                self.ring()
            case Act.DESK:
                desk.sit(self, dice)
            case Act.BACKUP:
                self.central.back_up()
            case Act.SAVE | Act.SAVE_AGAIN | Act.GO_ON | Act.DRAFT | Act.RETRY:
                if phone.actions is not None:
                    act = _ON_A_PHONE[entry.what]
                    self.guarded(phone, lambda: act(self, phone, dice))

    def guarded(self, phone: Phone, do: Callable[[], object]) -> None:
        """Do something on a device that may crash in the middle of it."""
        life = phone.life
        try:
            do()
        except DeviceCrashed as crash:
            if crash.phone is not phone:
                raise
            if phone.life == life:
                self.crash(phone, phone.boot_after_ms)
        except FAULTS as error:  # of a lock: the screen would say so
            self.note(f"phone {phone.index}: {type(error).__name__}")

    def crash(self, phone: Phone, boot_after_ms: int) -> None:
        """The device's process ends; it starts again later, and its person unlocks it."""
        self.note(f"phone {phone.index} dies")
        phone.die()
        self.later(boot_after_ms, lambda: self.start(phone))

    def start(self, phone: Phone) -> None:
        """Start a device that is down, and unlock it."""
        if phone.actions is None or not phone.up:
            self.guarded(phone, phone.boot)
        self.later(100, lambda: self.guarded(phone, phone.unlock))

    def give_keys_back(self, phone: Phone) -> None:
        """The key store answers again; its person tries once more."""
        phone.keys.available = True
        self.start(phone)

    def want(self, phone: Phone, ms: int, *, at_once: bool = False, pull: bool = True) -> None:
        """A round of this device in so many milliseconds; an earlier wish stands."""
        phone.at_once |= at_once
        due = self.now + ms
        if phone.round_at is not None and phone.round_at <= due:
            return
        phone.round_at = due
        self.later(ms, lambda: self._round(phone, due))

    def _round(self, phone: Phone, due: int) -> None:
        if phone.round_at != due:
            return  # an earlier one took its place
        phone.round_at = None
        if not phone.up or phone.engine is None:
            return
        at_once, phone.at_once = phone.at_once, False
        if phone.busy:
            self.want(phone, 500, at_once=at_once)
            return
        if not at_once:
            next_due = phone.engine.next_due(phone.clock.now(), pull=True)
            if next_due is not None and next_due > phone.clock.now():
                self.want(phone, max(1, (next_due - phone.clock.now()) // timedelta(milliseconds=1) + 1))
                return
        self.guarded(phone, lambda: self._one_round(phone, at_once=at_once))

    def _one_round(self, phone: Phone, *, at_once: bool) -> None:
        result = phone.round(at_once=at_once)
        if result is not None and phone.up and (result.more or result.again or result.problem is not None):
            self.want(phone, 1)
        elif result is not None and phone.up and phone.engine is not None:
            now = phone.clock.now()
            if (next_due := phone.engine.next_due(now)) is not None:
                self.want(phone, max(1, (next_due - now) // timedelta(milliseconds=1) + 1))

    # ------------------------------------------------------------------------------------------------ the case system
    def ring(self) -> None:
        """One pass of the dispatcher."""
        if self.now < self.central_up_at:
            return
        try:
            self.central.ring()
        except ServerCrashed:
            self.central.crashes_while_ringing += 1
            self.server_died()
        except (Refused, StorageError) as error:
            self.note(f"dispatcher: {type(error).__name__}")

    def server_died(self) -> None:
        """The case system's process ended; another starts over the file after a while, or over a backup."""
        self.note("the case system dies")
        if self.restore_after is not None:
            which, self.restore_after = self.restore_after, None
            if self.restore(which):
                return
        self.central.crash()
        self.central_up_at, self.central_down_ms = self.now + self.central_down_ms, 0

    def restore(self, which: int) -> bool:
        """Put a backup back; False when there is none."""
        if not self.central.restore(which):
            return False
        self.note(f"restored, epoch {self.central.epoch}")
        with self.central.engine.connect() as db:  # a device is what the backup knows; a wipe that was done stays done
            rows = db.exec_driver_sql("SELECT device_id, state FROM devices").all()
        revoked = {row.device_id for row in rows if row.state != "active"}
        for phone in self.phones:
            phone.revoked = phone.device_id in revoked
        return True

    def revoke(self, phone: Phone, *, wipe: bool) -> None:
        """Take a device out of service."""
        self.central.accounts.revoke(phone.device_id, wipe=wipe)
        phone.revoked, phone.wiped = True, wipe

    @contextmanager
    def at_the_desk(self) -> Iterator[None]:
        """What the case system does inside, it does for somebody at the desk."""
        before, self._at_desk = self._at_desk, True
        try:
            yield
        finally:
            self._at_desk = before

    def _server_passing(self, step: Step) -> None:
        phone = self.serving or self.phones[0]
        if self._at_desk and step in AT_DESK:
            self.passing(AT_DESK[step], phone)
        elif self.serving is not None or step is Step.RINGING:
            self.passing(step, phone)

    # ------------------------------------------------------------------------------------------------ faults
    def passing(self, step: Step, phone: Phone) -> None:
        """Something passes a step: what is armed for it strikes, once."""
        if not self._armed or self.calm:
            return
        for entry in [
            e for e in self._armed if e.step is step and (e.who % len(self.phones) == phone.index or step in NOBODYS)
        ]:
            if entry in self._armed:
                self._armed.remove(entry)
                life = phone.life
                self._strike(entry, phone)
                if phone.line.exchange is not None:
                    phone.still(life)

    def _strike(self, entry: Entry, phone: Phone) -> None:
        assert isinstance(entry.what, Fault)
        name = cell(entry.what, entry.step)
        self.counts[name] += 1
        self.note(f"{name} strikes phone {phone.index}")
        if not STRIKES[entry.what](self, phone, entry.step, random.Random(entry.dice)):
            self.counts[name] -= 1
            if entry.step is not Step.IDLE:
                self._armed.append(entry)

    def newer_pen(self, phone: Phone) -> bool:
        """Whether the save that begins now is made by a newer app."""
        phone.pen_is_newer = any(
            e.what is Fault.NEWER and e.step is Step.SAVING and e.who % len(self.phones) == phone.index
            for e in self._armed
        )
        return phone.pen_is_newer

    # ------------------------------------------------------------------------------------------------ the log
    def note(self, line: str) -> None:
        """One line of the log; never ciphertext."""
        self.log.append(f"{self.now} {line}")

    def demand(self, holds: bool, sentence: str) -> None:
        """An invariant: its breach is noted, and the case goes on."""
        if not holds and sentence not in self.violations:
            self.violations.append(sentence)
            self.note(f"VIOLATION {sentence}")

    def digest(self) -> str:
        """The hash of the log."""
        return hashlib.sha256("\n".join(self.log).encode()).hexdigest()


_AT_ONCE: Final = frozenset({(Fault.KEYS_GONE, Step.UNLOCKING)})
