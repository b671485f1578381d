"""Defects that the simulator cannot meet, each with a test of its own over whole devices."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any, Final

from field_app import recovery
from field_app.folder import Folder, Surroundings
from field_app.outcomes import Opened, Saved, Trouble
from field_app.store.incidents import Incident
from field_app.vault import attempts, door
from field_app.vault.attempts import AttemptPlace, Attempts
from field_app.vault.header_file import secret_name
from field_app.vault.vault import DeviceChain
from referral.problems import ProblemCode
from tests.faults.simulation.case import workshop
from tests.faults.simulation.phone import Phone
from tests.faults.simulation.schedule import Schedule
from tests.faults.simulation.template import template
from tests.faults.simulation.world import World
from tests.faults.zoo.defect import Defect, swap
from tests.support.station import ARREST, PIN


@contextmanager
def one_phone() -> Iterator[Phone]:
    """A device of its own, open."""
    with workshop():
        world = World(template(), Schedule(seed=1, phones=1, entries=()))
        phone = world.phones[0]
        phone.boot()
        phone.unlock()
        try:
            yield phone
        finally:
            phone.die()


def _restart(phone: Phone) -> None:
    phone.die()
    phone.boot()


# -------------------------------------------------------------------------------------------------- counters in memory
def counters_in_memory() -> Any:
    """Tries at the PIN are counted by the process."""
    memory: dict[int, Attempts] = {}

    def keep(original: Any) -> Any:
        def save(places: Sequence[AttemptPlace], attempts: Attempts) -> None:
            memory[_process[0]] = attempts

        return save

    def look(original: Any) -> Any:
        def load(places: Sequence[AttemptPlace], now: datetime) -> Attempts:
            return memory.get(_process[0], Attempts())

        return load

    stack = ExitStack()
    stack.enter_context(swap(attempts, "save", keep))
    stack.enter_context(swap(attempts, "load", look))
    return stack


_process = [0]


def guesses_over_restarts() -> str | None:
    """Five wrong PINs, with a crash after each, must end in a lock."""
    with one_phone() as phone:
        for _ in range(5):
            _process[0] += 1
            _restart(phone)
            assert phone.actions is not None
            phone.actions.unlock("111111")
        _process[0] += 1
        _restart(phone)
        assert phone.actions is not None
        outcome = phone.actions.unlock(PIN)
        return (
            None
            if isinstance(outcome, Trouble) and outcome.problem is ProblemCode.LOCKED
            else "guessing is free after a crash"
        )


# -------------------------------------------------------------------------------------------------- a new key
def a_missing_key_is_made_anew() -> Any:
    """What the key store does not find is made again."""

    def make(original: Any) -> Any:
        def device_key_of(file: Any, header: Any, slot: Any) -> Any:
            keys = file.store_of(header)
            name = secret_name(header, "key")
            if keys.get(name) is None:
                keys.set(name, os.urandom(32))
            return original(file, header, slot)

        return device_key_of

    return swap(door, "device_key_of", make)


def a_key_that_hides() -> str | None:
    """The key store finds nothing for a while; when it does again, the vault opens."""
    with one_phone() as phone:
        kept = dict(phone.keys.secrets)
        phone.keys.secrets.clear()
        _restart(phone)
        if phone.actions is not None:
            phone.actions.unlock(PIN)
        phone.keys.secrets = kept | phone.keys.secrets
        _restart(phone)
        assert phone.actions is not None
        outcome = phone.actions.unlock(PIN)
        return None if isinstance(outcome, Opened) else "the device's key was replaced while it was only not found"


# -------------------------------------------------------------------------------------------------- a damaged file
def damage_is_swept_away() -> Any:
    """A damaged database is deleted, and a new one is made."""

    def make(original: Any) -> Any:
        def rebuild(folder: Folder, surroundings: Surroundings, chain: DeviceChain) -> list[Incident]:
            for path in folder.path.glob("field.db*"):
                path.unlink()
            done: list[Incident] = original(folder, surroundings, chain)
            return done

        return rebuild

    return swap(recovery, "_rebuild", make)


def a_damaged_page() -> str | None:
    """A page of the database is garbage: the file as it was must still be somewhere after the start, and the operation in the outbox."""
    with one_phone() as phone:
        assert phone.actions is not None
        saved = phone.actions.submit_referral(ARREST)
        assert isinstance(saved, Saved)
        phone.die()
        database = phone.folder / "field.db"
        data = bytearray(database.read_bytes())
        data[2 * 4096 : 2 * 4096 + 700] = b"\xff" * 700
        database.write_bytes(data)
        phone.boot()
        kept = any(path.read_bytes() == bytes(data) for path in phone.folder.glob("damaged-*/field.db"))
        if not kept:
            return "the damaged file is gone"
        return None if phone.up and saved.op_id in phone.states() else "an operation went with the damaged file"


BY_THEMSELVES: Final = (
    Defect(
        name="counter in memory",
        breaks="vault: two counters in two places",
        seed=counters_in_memory,
        own=guesses_over_restarts,
    ),
    Defect(
        name="new key on not found",
        breaks="vault: never a new key over a header",
        seed=a_missing_key_is_made_anew,
        own=a_key_that_hides,
    ),
    Defect(
        name="recreate on corrupt",
        breaks="vault: nothing is recreated over damage",
        seed=damage_is_swept_away,
        own=a_damaged_page,
    ),
)
