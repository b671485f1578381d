"""What each fault does when it strikes: one function per fault.

A function raises what the world would raise at that step, marks the exchange, or changes the world. It answers False when it
could do nothing here (no backup to restore, nothing to poison): then it stays armed and is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Final

from case_system.storage import StorageFull
from field_app.sync.errors import Interrupted, NoConnection, NotACaseSystem
from field_app.sync.machine import State
from field_app.vault.errors import NotWritten
from referral.envelope import fingerprint, read_header
from referral.lifecycle import Role
from referral.model import OpId
from referral.port import Outcome, Refused, SyncRequest
from referral.problems import ProblemCode
from tests.faults.simulation import acts
from tests.faults.simulation.central import ServerCrashed
from tests.faults.simulation.faults import NOBODYS, Fault, Step
from tests.faults.simulation.line import Exchange
from tests.faults.simulation.phone import DeviceCrashed, Phone, disk_full

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

Strike = Callable[["World", Phone, Step, Random], bool]
_YEAR: Final = timedelta(days=365)


def _exchange(phone: Phone) -> Exchange:
    exchange = phone.line.exchange
    assert exchange is not None
    return exchange


def _drop(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    life = phone.life
    world.elapse(dice.choice((10, 10_000)))
    phone.still(life)
    raise NoConnection("nobody answered in time") if dice.random() < 0.5 else Interrupted("the exchange was cut")


def _duplicate(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    _exchange(phone).copies = dice.choice((2, 2, 3))
    return True


def _reorder(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    exchange = _exchange(phone)
    if step is Step.COMING:
        assert exchange.answer is not None
        exchange.answer = phone.line.older(exchange.answer)
        return True
    exchange.late_copy_ms = dice.choice((50, 500, 5_000, 600_000))
    if dice.random() < 0.5:  # the first one is lost: only the copy arrives, later
        raise Interrupted("the exchange was cut")
    return True


def _delay(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    _exchange(phone).delay_ms = dice.choice((1_000, 20_000, 120_000))
    return True


def _answer(phone: Phone, change: Callable[[Exchange], None]) -> bool:
    change(_exchange(phone))
    return True


def _partial(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    exchange, keep = _exchange(phone), dice.getrandbits(30) | 1
    assert exchange.answer is not None
    exchange.answer = phone.line.part_of(exchange.answer, keep)
    return bool(exchange.request.envelopes)


def _forged(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    exchange = _exchange(phone)
    if step is Step.GOING:
        exchange.forged = True
        return True
    assert exchange.answer is not None
    exchange.answer = phone.line.forged(exchange.answer)
    return True


def _unauthorised(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    """No token is good for a while."""
    phone.barred_until = world.now + dice.choice((500, 60_000))
    phone.barred_by = dice.choice((ProblemCode.NOT_SIGNED_IN, ProblemCode.NOT_SIGNED_IN, ProblemCode.NOT_PERMITTED))
    return True


def _expired(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    """The read token is no good for a while; the append token is."""
    phone.expired_until = world.now + dice.choice((1_000, 60_000, 3_600_000))
    return True


def _rate_limited(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    raise Refused(ProblemCode.RATE_LIMITED, retry_after_s=dice.choice((0.0, 1.0, 30.0, 600.0, 90_000.0)))


def _server_error(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    code = dice.choice((ProblemCode.INTERNAL, ProblemCode.BUSY, ProblemCode.STORAGE_FULL))
    raise Refused(code, retry_after_s=dice.choice((None, None, 5.0, 60.0)))


def _poison(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    """One operation breaks each request that holds it, until all is healed."""
    envelopes = _exchange(phone).request.envelopes
    if not envelopes:
        return False
    world.poisoned.add(OpId(read_header(dice.choice(envelopes)).op_id.hex()))
    raise Refused(ProblemCode.INTERNAL)


def _portal(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    raise NotACaseSystem("something else answered, with status 200")


def _clock(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    phone.clock.off = dice.choice((-1, 1)) * dice.choice((_YEAR / 365, _YEAR, 20 * _YEAR)) * dice.random()
    return True


def _keys_gone(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    phone.keys.available = False
    world.later(dice.choice((2_000, 120_000)), lambda: world.give_keys_back(phone))
    if step is Step.IDLE and dice.random() < 0.5:
        world.crash(phone, dice.choice((10, 5_000)))
    return True


def _disk_full(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    if step in (Step.JUDGING, Step.DESK_JUDGING):
        raise StorageFull("no space")
    if step is Step.SAVED:
        raise NotWritten("the envelope file: no space left", disk_full=True)
    raise disk_full()


def _crash(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    if step is Step.IDLE or (step in (Step.UNLOCKING, Step.LOCKING) and not phone.doing):
        world.crash(phone, dice.choice((10, 5_000, 600_000)))
        return True
    phone.boot_after_ms = dice.choice((10, 5_000, 600_000))
    raise DeviceCrashed(phone)


def _server_crash(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    world.central_down_ms = dice.choice((0, 1_000, 60_000))
    if step in (Step.JUDGING, Step.JUDGED, *NOBODYS):
        raise ServerCrashed
    world.server_died()
    if step is Step.COMING:
        raise Interrupted("the exchange was cut")
    return True


def _restore(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    if step in (Step.JUDGED, Step.DESK_JUDGED):
        world.restore_after = dice.getrandbits(8)
        raise ServerCrashed
    return world.restore(dice.getrandbits(8))


def _rotate(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    world.central.rotate()
    return True


def _retire(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    world.central.retire()
    world.retired = True
    return True


def _newer(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    if step is Step.COMING:
        exchange = _exchange(phone)
        assert exchange.answer is not None
        exchange.answer = phone.line.newer(exchange.answer)
        return True
    return phone.pen_is_newer  # the save that was begun by a newer app: `World.newer_pen`


def _trim(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    world.central.trim()
    return True


def _race(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    """Every case manager takes what they can see before anybody is told; the supervisor enrols into nearly full pairs."""
    world.central.fill_pairs(dice.randrange(2))
    for other in world.phones:
        if other.session is not None and other.role in (Role.CASE_MANAGER, Role.PEER):
            acts.take_all(world, other)
    return acts.enrol_many(world, dice) or True


def _other_bytes(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    """A copy of the device seals something else under a number that was used."""
    session = phone.session
    if session is None:
        return False
    with phone.device.store.read() as tx:
        states = phone.device.outbox.states(tx)
        used = sorted(op_id for op_id, state in states.items() if state is not State.HELD)
        if not used:
            return False
        op_id = used[dice.randrange(len(used))]
        theirs = phone.device.outbox.envelope(tx, op_id)
    if theirs is None or world.now < world.central_up_at:
        return False
    header = read_header(theirs)
    ours = acts.sealed_otherwise(session, header)
    request = SyncRequest(nonce=dice.randbytes(16).hex(), envelopes=(ours,))
    token = phone.device.binding.append_token
    try:
        with world.central.quietly():
            first = world.central.sync(token, replace(request, envelopes=(theirs,))).results
            second = world.central.sync(token, request).results
    except Refused:
        return False
    world.watch.first_of(phone, first)
    for receipt in second:
        own = receipt.outcome is Outcome.REFUSED and receipt.code is ProblemCode.OTHER_BYTES
        world.demand(
            own and receipt.fingerprint == fingerprint(ours).hex(), "S5: other bytes under a used number were taken"
        )
    return True


def _revoke(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    world.revoke(phone, wipe=False)
    return True


def _wipe(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    world.revoke(phone, wipe=True)
    return True


def _lock(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    if phone.session is None:
        return False
    phone.lock()
    return True


def _unlock(world: World, phone: Phone, step: Step, dice: Random) -> bool:
    if phone.session is not None:
        return False
    phone.unlock()
    return True


STRIKES: Final[Mapping[Fault, Strike]] = {
    Fault.DROP: _drop,
    Fault.LOST_REPLY: _drop,
    Fault.DUPLICATE: _duplicate,
    Fault.REORDER: _reorder,
    Fault.DELAY: _delay,
    Fault.PARTIAL: _partial,
    Fault.FORGED: _forged,
    Fault.UNAUTHORISED: _unauthorised,
    Fault.EXPIRED: _expired,
    Fault.RATE_LIMITED: _rate_limited,
    Fault.SERVER_ERROR: _server_error,
    Fault.POISON: _poison,
    Fault.PORTAL: _portal,
    Fault.CLOCK: _clock,
    Fault.KEYS_GONE: _keys_gone,
    Fault.DISK_FULL: _disk_full,
    Fault.CRASH: _crash,
    Fault.SERVER_CRASH: _server_crash,
    Fault.RESTORE: _restore,
    Fault.ROTATE: _rotate,
    Fault.RETIRE: _retire,
    Fault.NEWER: _newer,
    Fault.TRIM: _trim,
    Fault.RACE: _race,
    Fault.OTHER_BYTES: _other_bytes,
    Fault.REVOKE: _revoke,
    Fault.WIPE: _wipe,
    Fault.LOCK: _lock,
    Fault.UNLOCK: _unlock,
}
