"""After the schedule everything is made well, and the case must come to rest by itself in bounded virtual time.

Two parts: first everything but operations that break their request, which must hold nobody else up (S6); then those too. Clocks
stay wrong, because no clock decides anything (S12). Waits are waited for: nothing is asked for at once.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from field_app.sync.machine import UNSENT
from referral.port import Refused
from tests.faults.simulation.promises import beyond_help

if TYPE_CHECKING:
    from tests.faults.simulation.phone import Phone
    from tests.faults.simulation.world import World

LONGEST_MS: Final = 26 * 3600 * 1000  # a Retry-After of an hour, some waits, and the day between two digests
DAY_MS: Final = 24 * 3600 * 1000
MOST_ROUNDS: Final = 60  # and as many for each device


def heal(world: World) -> None:
    """Make everything well and let it come to rest."""
    world.calm = True
    world.drain()
    world.central_up_at = world.now
    for phone in world.phones:
        phone.keys.available = True
        phone.expired_until = phone.barred_until = 0
        phone.busy = False
        phone.round_at, phone.at_once = None, False
        if phone.actions is not None and not phone.up:
            phone.die()
        if phone.actions is None:
            phone.boot()
        phone.unlock()
        world.demand(phone.up, f"phone {phone.index} does not start though everything is well")
    world.drain()
    if world.poisoned:
        _rest(world, leave=True)
        _nobody_held_up(world)
        world.poisoned.clear()
    _rest(world)
    ahead, rung = any(promise.ahead for promise in world.watch.promises.values()), world.seed % 5 == 0
    if ahead:
        world.central.crash()
        _nothing_ahead_judged(world)
        world.central.upgraded = True
        world.central.reread()
    if rung:
        _dispatch(world)
    if ahead or rung:  # else nothing has happened since
        _rest(world)
    world.now += DAY_MS  # nothing waits longer for a step that a restore lost
    judged = world.central.end_waiting()
    world.counts["waited a day for a step that a restore lost"] += judged
    if judged or world.central.restored or world.seed % 4 == 1:  # elsewhere a day more changes nothing
        _rest(world)


def _rest(world: World, *, leave: bool = False) -> None:
    """Rounds, each when its device says that it is due, until no device wants one and each has the newest changes.

    leave: a device that has nothing but operations that break their request, and has tried them alone, is left out.
    """
    until = world.now + LONGEST_MS
    rounds = 0
    told: dict[int, int] = {}
    asked = {phone.index for phone in world.phones if phone.up}
    known: dict[int, int | None] = {}  # when each is due, as moments of the world; only its own round changes it
    while True:
        for phone in world.phones:
            if phone.index not in known:
                known[phone.index] = _due(world, phone, phone.index in asked, leave=leave)
        due = [(at, index) for index, at in known.items() if at is not None]
        if not due:
            with world.central.database.read() as reading:
                newest = reading.feed_span()[1]
            behind = {p.index for p in world.phones if p.up and told.get(p.index) != newest and not leave}
            if not behind:
                return
            asked |= behind
            known = {index: at for index, at in known.items() if index not in behind}
            continue
        at, index = min(due)
        if at > until or rounds > MOST_ROUNDS * (1 + len(world.phones)):
            world.demand(False, "the case does not come to rest in bounded time")
            return
        world.now = max(world.now, at)
        rounds += 1
        phone = world.phones[index]
        del known[index]
        result = phone.round(at_once=False)
        world.drain()
        if result is not None and result.problem is None and not result.more:
            asked.discard(index)
            with world.central.database.read() as reading:
                told[index] = reading.feed_span()[1]


def _only_broken(world: World, phone: Phone) -> bool:
    unsent = {op_id for op_id, state in phone.states().items() if state in UNSENT}
    return bool(unsent) and unsent <= world.poisoned


def _due(world: World, phone: Phone, news: bool, *, leave: bool) -> int | None:
    """When this device's next round is due, in the world's milliseconds; None: it wants none, or is left out (see `_rest`)."""
    if phone.engine is None or (leave and _only_broken(world, phone)) or (beyond_help(world, phone) and not news):
        return None
    now = phone.clock.now()
    at = phone.engine.next_due(now, pull=news)
    return None if at is None else world.now + max(0, -((now - at) // timedelta(milliseconds=1)))


def _dispatch(world: World) -> None:
    """Let the dispatcher carry out what is staged."""
    try:
        world.central.ring()
    except Refused as refused:
        world.demand(False, f"the dispatcher is refused: {refused.code.value}")


def _nobody_held_up(world: World) -> None:
    for phone in world.phones:
        left = {op_id for op_id, state in phone.states().items() if state in UNSENT} - world.poisoned
        world.demand(not left, f"S6: phone {phone.index}: one operation that breaks its request holds others up")


def _nothing_ahead_judged(world: World) -> None:
    ahead = {promise.op_id for promise in world.watch.promises.values() if promise.ahead}
    with world.central.engine.connect() as db:
        rows = db.exec_driver_sql("SELECT op_id, outcome, code FROM operations").all()
    judged = [r.op_id for r in rows if r.op_id in ahead and r.outcome != "stored" and r.code != "key_retired"]
    world.demand(not judged, "S14: after a restart an operation of a later schema was judged")
