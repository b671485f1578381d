"""The PIN, its lock and its two counters: kills at every durable step, old counters put back, a silent key store, clocks.

The real door against `counting.Model`. Held beside the model: a wrong PIN never opens, fewer than ten tries never destroy, what is
put back in one place gains nothing, and what was destroyed stays so.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from field_app.vault.attempts import Attempts
from field_app.vault.door import Destroyed, KeyUnavailable, LockedByAttempts, Unlocked, Unlocking, VaultDoor, WrongPin
from field_app.vault.keys import Header
from field_app.vault.pin import Origin
from tests.faults.machines.counting import END, LOCK, Figures, Model, Steps
from tests.faults.machines.driving import Machine
from tests.faults.machines.fuse import Fuse, FusedFile, FusedKeys, Killed

PIN, NEXT, WRONG = "473920", "618203", "473921"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
AFTER = timedelta(minutes=15)


class Guessing(Machine):
    """One vault and someone who tries PINs."""

    title = "PIN and lock"
    steps = 40
    needed = (
        "open", "wrong", "locked", "destroyed", "killed", "killed in the key derivation", "killed in the destruction",
        "old counters put back", "counters lost", "silent key store", "released", "time was up", "PIN changed",
    )  # fmt: skip

    def begin(self) -> None:
        """A new vault, shut."""
        self.fuse = Fuse()
        self.keys = FusedKeys(self.fuse)
        self.file = FusedFile(self.folder / "attempts", self.fuse)
        self.random_bytes = Random(0).randbytes
        self.now = NOON
        self.after: timedelta | None = None
        self.model = Model(pin=PIN)
        self.tries = 0  # that may have been wrong, since the last success or what was put back
        self.door().create(PIN, origin=Origin.APP).lock()
        self.key_name = f"vault.{Header.from_bytes(self.header.read_bytes()).vault_id.hex()}"
        self.old = [self.counters()]

    @initialize(timed=st.booleans())
    def policy(self, timed: bool) -> None:
        """Whether the agency allows a timed release."""
        self.after = AFTER if timed else None
        self.model.timed_s = int(AFTER.total_seconds()) if timed else None

    # ------------------------------------------------------------------------------------------------ trying
    @rule()
    def right(self) -> None:
        self.attempt(self.model.pin)

    @rule(times=st.integers(1, 4))
    def wrong(self, times: int) -> None:
        for _ in range(times):
            self.attempt(WRONG)

    @precondition(lambda self: self.model.slots)
    @rule(times=st.integers(1, 5))
    def patient_guesser(self, times: int) -> None:
        """Someone for whom every lock is released."""
        for _ in range(times):
            self.attempt(WRONG)
            if self.model.effective(self.second).started >= LOCK:
                self.release()

    @rule(right=st.booleans(), steps=st.integers(0, 7), before=st.booleans())
    def killed(self, right: bool, steps: int, before: bool) -> None:
        """Dies around a durable step: started twice, the derivation, answered twice, and the destruction."""
        self.attempt(self.model.pin if right else WRONG, kill=(steps, before))

    @rule(right=st.booleans())
    def change(self, right: bool) -> None:
        """A change of the PIN counts like an unlock."""
        new = NEXT if self.model.pin == PIN else PIN
        asked = self.model.pin if right else WRONG
        said, steps = self.model.attempt(asked, self.second)
        found = self.door().change_pin(asked, new, origin=Origin.APP, now=self.now, release_after=self.after)
        self.judge(asked, said, steps, found)
        if isinstance(found, Unlocked):
            self.model.pin = new
            self.count("PIN changed")

    # ------------------------------------------------------------------------------------------------ what else happens
    @rule()
    def release(self) -> None:
        """The agency ends a lock."""
        self.door().release(now=self.now)
        self.model.release(self.second)
        self.count("released")

    @rule(minutes=st.sampled_from([-60, 1, 14, 15, 16, 600, 600]))
    def time_passes(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)

    @precondition(lambda self: self.model.slots)
    @rule()
    def silent_key_store(self) -> None:
        """Nothing is counted while the key cannot be had."""
        self.keys.available = False
        found = self.door().unlock(WRONG, now=self.now, release_after=self.after)
        self.keys.available = True
        assert isinstance(found, KeyUnavailable), found
        self.count("silent key store")

    @rule()
    def keep_counters(self) -> None:
        """Copy both places, to be put back one at a time."""
        self.old.append(self.counters())

    @precondition(lambda self: self.model.slots)
    @rule(which=st.integers(0, 99), place=st.sampled_from(["file", "keys"]), lost=st.booleans())
    def old_counters_back(self, which: int, place: str, lost: bool) -> None:
        """One of the two places is taken back, or lost. As long as the other has its record, nothing is gained."""
        record = None if lost else self.old[which % len(self.old)][place]
        other = self.counters()["keys" if place == "file" else "file"]
        before = self.model.effective(self.second)
        if place == "keys":
            self.keys.secrets.pop(f"{self.key_name}.attempts", None)
            if record is not None:
                self.keys.secrets[f"{self.key_name}.attempts"] = record
        elif record is None:
            (self.folder / "attempts").unlink(missing_ok=True)
        else:
            (self.folder / "attempts").write_bytes(record)
        self.model.places[place] = figures(record)
        after = self.model.effective(self.second)
        if other is not None and figures(other) == before:
            assert all(now >= then for now, then in zip(after, before, strict=True)), "something was gained"
        self.tries = max(self.tries, after.wrong)
        self.count("counters lost" if lost else "old counters put back")

    # ------------------------------------------------------------------------------------------------ judging
    def attempt(self, pin: str, kill: tuple[int, bool] | None = None) -> None:
        """One try by the door and by the model, which must agree on the outcome and on what is durable afterwards."""
        waited = self.model.slots and self.model.effective(self.second).started >= LOCK
        said, steps = self.model.attempt(pin, self.second)
        if kill is not None:
            self.fuse.set(kill[0], before=kill[1])
        try:
            found = self.door().unlock(pin, now=self.now, release_after=self.after)
        except Killed:
            self.died(steps, before=self.fuse.before)
            return
        finally:
            self.fuse.steps = None
        if waited and said not in ("locked", "destroyed"):
            self.count("time was up")
        self.judge(pin, said, steps, found)

    def died(self, steps: Steps, *, before: bool) -> None:
        """Only what was durable before the kill is done."""
        left = self.fuse.done
        for fused, step in steps:
            if left == 0 and (fused or not before):  # just after a step, what needs no place is not reached either
                break
            step()
            left -= fused
        self.tries += 1
        self.count("killed")
        if self.fuse.done == 2:
            self.count("killed in the key derivation")
        if not self.model.slots:
            self.count("killed in the destruction")

    def judge(self, pin: str, said: str, steps: Steps, found: Unlocking) -> None:
        """The outcome is the model's, and keeps the promises."""
        for _, step in steps:
            step()
        assert spoken(found) == said, f"the model says {said}, the door {found!r}"
        match found:
            case Unlocked():
                assert pin == self.model.pin, "a wrong PIN opened"
                found.vault.lock()
                self.tries = 0
            case WrongPin() | LockedByAttempts():
                self.tries += bool(steps)
            case _:
                self.tries += bool(steps)
                assert self.tries >= END, f"destroyed after {self.tries} tries"
        self.count(said.partition(" ")[0])

    @invariant()
    def the_places_hold_what_the_model_says(self) -> None:
        """Both places, the slots and the key."""
        if self.model.places["file"] is None and self.model.places["keys"] is None and not self.model.slots:
            return
        assert {place: figures(record) for place, record in self.counters().items()} == self.model.places
        assert bool(Header.from_bytes(self.header.read_bytes()).slots) == self.model.slots
        assert (f"{self.key_name}.key" in self.keys.secrets) == self.model.key

    # ------------------------------------------------------------------------------------------------ inside
    def door(self) -> VaultDoor:
        """A door as after a start."""
        return VaultDoor(
            header=self.header, keystores=[self.keys], place=self.file, random_bytes=self.random_bytes,
            scrypt_n=2, minimum_n=2,
        )  # fmt: skip

    @property
    def header(self) -> Path:
        """The header file."""
        return self.folder / "vault.header"

    @property
    def second(self) -> int:
        """The time as the counters keep it."""
        return int(self.now.timestamp())

    def counters(self) -> dict[str, bytes | None]:
        """Both records as they lie there."""
        return {"keys": self.keys.secrets.get(f"{self.key_name}.attempts"), "file": self.file.load()}


def figures(record: bytes | None) -> Figures | None:
    """What a record says."""
    if record is None:
        return None
    found = Attempts.from_bytes(record)
    assert found is not None, "a record is not whole"
    return Figures(found.started, found.wrong, found.latest)


def spoken(found: Unlocking) -> str:
    """An outcome in the model's words."""
    match found:
        case Unlocked():
            return "open"
        case WrongPin():
            return f"wrong {found.remaining} {found.before_destruction}"
        case LockedByAttempts():
            return "locked"
        case Destroyed():
            return "destroyed"
        case _:
            return "unavailable"
