"""Looks the device over without a PIN and says what to do. Changes nothing, and sends nothing but one request for the time of day.

Each finding is one question with an answer: `ok`, `warning` (it works, somebody should know) or `broken` (something is lost or stopped
until somebody acts). With an open vault the rows are verified too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from field_app.device import Device
from field_app.doctor_folder import examine_folder, examine_unopened
from field_app.findings import ASIDE as ASIDE
from field_app.findings import Finding as Finding
from field_app.findings import Health as Health
from field_app.findings import broken, ok, warning
from field_app.folder import Folder, Surroundings
from field_app.outcomes import Trouble
from field_app.store.cursor import Carriage
from field_app.store.database import PRAGMAS, StoreError
from field_app.store.envelope_files import EnvelopeFiles
from field_app.store.incidents import Incident
from field_app.store.log_tail import kept
from field_app.store.records import claimed_generation
from field_app.sync.machine import State
from field_app.vault.door import KeyState
from field_app.vault.errors import DamagedManifest, RolledBack, VaultError
from referral.envelope import DevicePublicKey
from referral.problems import PROBLEMS

_FILED: Final = frozenset({"waiting", "stored", "needs_attention", "quarantined"})
_ODD_CLOCK: Final = timedelta(minutes=5)


def examine(device: Device, reach: Callable[[], str | None]) -> tuple[Finding, ...]:
    """All findings. reach: asks the case system for a sign of life; None when it answered, else what stood in the way."""
    checks: tuple[tuple[str, Callable[[Device], Finding]], ...] = (
        ("incidents", _incidents),
        ("database", _database),
        ("log", _log),
        ("settings", _pragmas),
        ("vault_key", _key),
        ("attempts", _attempts),
        ("rows", _rows),
        ("generation", _generation),
        ("outbox", _chain),
        ("sealed", _sealed),
        ("envelope_files", _files),
        ("unsent", _unsent),
        ("programme", _programme),
        ("lease", _lease),
        ("clock", _clock),
    )
    folder = examine_folder(device.folder, device.surroundings)
    return (*_look(device, checks), *folder, _server(device, reach))


def examine_shut(folder: Folder, surroundings: Surroundings, trouble: Trouble) -> tuple[Finding, ...]:
    """All that can be found of a folder that does not open. trouble: why not."""
    problem = PROBLEMS[trouble.problem]
    why = broken("device", f"{problem.title} {trouble.detail}".strip(), problem.meaning)
    return (why, *examine_unopened(folder), *examine_folder(folder, surroundings))


def _look(device: Device, checks: tuple[tuple[str, Callable[[Device], Finding]], ...]) -> Iterator[Finding]:
    for name, check in checks:
        try:
            yield check(device)
        except (StoreError, VaultError) as error:
            yield broken(name, str(error))


def _incidents(device: Device) -> Finding:
    happened = device.incidents()
    if not happened:
        return ok("incidents", "nothing that nobody has read")
    found = "; ".join(f"{one.at:%Y-%m-%d %H:%M} UTC {_told(one)}" for one in happened)
    return warning("incidents", found, "Open the app, read what happened, and call support.")


def _told(one: Incident) -> str:
    lost = "" if one.lost is None else f", {one.lost} lost"
    counted = f" ({one.kept} kept{lost})" if one.kept or one.lost else ""
    return one.kind.value.replace("_", " ") + counted + (f" in {one.copy}" if one.copy else "")


def _database(device: Device) -> Finding:
    wrong = device.store.check()
    if wrong:
        return Finding(
            check="database",
            health=Health.BROKEN,
            found=f"the file is damaged: {wrong[0]}",
            advice="Copy the data folder aside and call support. Waiting referrals are also files in `outbox`.",
        )
    return Finding(check="database", health=Health.OK, found="the file is sound")


def _log(device: Device) -> Finding:
    copies = kept(device.store.path)
    if copies:
        advice = "Compare the newest referrals and forms with what you remember, and send the copy to support."
        found = f"after a crash a part of the log could not be read; a copy is in {copies[-1].name}"
        return Finding(check="log", health=Health.WARNING, found=found, advice=advice)
    return Finding(check="log", health=Health.OK, found="every crash was got over whole")


def _pragmas(device: Device) -> Finding:
    found = device.store.pragmas()
    off = [name for name, (_, wanted) in PRAGMAS.items() if found.get(name) != wanted]
    if off:
        return Finding(check="settings", health=Health.BROKEN, found=f"not as it must be: {', '.join(off)}")
    return Finding(check="settings", health=Health.OK, found="durable writes, deleted pages overwritten")


def _key(device: Device) -> Finding:
    if device.binding.wiped:
        advice = "Sync until nothing waits, then enrol again with a new code."
        return Finding(check="vault_key", health=Health.WARNING, found="the readable records were wiped", advice=advice)
    match device.door.state():
        case KeyState.PRESENT:
            return Finding(check="vault_key", health=Health.OK, found="the device key is there")
        case KeyState.UNAVAILABLE:
            advice = "Unlock the device or its keyring and try again. Nothing is lost."
            return Finding(
                check="vault_key", health=Health.WARNING, found="the key store does not answer", advice=advice
            )
        case state:
            advice = "Sync what waits, then enrol again with a new code."
            return Finding(
                check="vault_key", health=Health.BROKEN, found=f"the device key is {state.value}", advice=advice
            )


def _attempts(device: Device) -> Finding:
    now = device.surroundings.clock.now()
    lock = device.door.locked(now=now, release_after=device.release_after)
    if lock is None:
        return ok("attempts", "not locked")
    until = "until it is released" if lock.until is None else f"until {lock.until:%Y-%m-%d %H:%M} UTC"
    return warning(
        "attempts", f"locked by too many tries, {until}", "Ask your supervisor to release it, or wait. Sending goes on."
    )


def _rows(device: Device) -> Finding:
    session = device.session
    if session is None:
        return Finding(check="rows", health=Health.OK, found="not looked at: the vault is shut")
    try:
        state = session.records.verify(device.door.mirrored_generation())
    except RolledBack as old:
        advice = "An old copy of the data folder was put back. Sync, and compare the list with the desk."
        found = f"whole, but older than they should be ({old.generation} < {old.mirror})"
        return Finding(check="rows", health=Health.WARNING, found=found, advice=advice)
    return Finding(check="rows", health=Health.OK, found=f"{state.n} rows, all as written")


def _generation(device: Device) -> Finding:
    """What a file says of its age needs no PIN, and is no proof: only an open vault's rows are."""
    if device.binding.wiped:
        return ok("generation", "the readable records were wiped")
    mirror = device.door.mirrored_generation()
    with device.store.read() as tx:
        claimed = claimed_generation(tx)
    if claimed is None:
        return broken("generation", "the count of the rows is gone")
    if claimed < mirror:
        advice = "An old copy of the data folder was put back. Sync, and compare the list with the desk."
        return warning("generation", f"the file is of generation {claimed}, the key store remembers {mirror}", advice)
    return ok("generation", f"{claimed}, the key store remembers {mirror}")


def _chain(device: Device) -> Finding:
    with device.store.read() as tx:
        broken = tx.execute("SELECT 1 FROM carriage WHERE name = 'chain_broken'").fetchone() is not None
        try:
            state = device.outbox.verify(tx)
        except DamagedManifest as error:
            advice = "Somebody changed the outbox outside the app. Sync, then compare the list with the desk."
            return Finding(check="outbox", health=Health.BROKEN, found=str(error), advice=advice)
    if broken:
        advice = "Compare the list with the desk: an entry may have been taken out."
        return Finding(check="outbox", health=Health.WARNING, found="the chain was begun anew", advice=advice)
    return Finding(check="outbox", health=Health.OK, found=f"{state.n} operations, all as written")


def _sealed(device: Device) -> Finding:
    with device.store.read() as tx:
        unsound = device.outbox.unsound(tx, DevicePublicKey.from_bytes(device.binding.device_key))
        sent = [op_id for op_id in unsound if device.outbox.states(tx)[op_id] in (State.ACCEPTED, State.REPLACED)]
    if not unsound:
        return Finding(check="sealed", health=Health.OK, found="each sealed operation is as this device signed it")
    found = f"{len(unsound)} sealed operations are damaged, {len(sent)} of them received already"
    advice = "What was received is safe. Of the others take the files in `outbox`, or tell LEAD again. Copy the folder aside."
    health = Health.WARNING if len(sent) == len(unsound) else Health.BROKEN
    return Finding(check="sealed", health=health, found=found, advice=advice)


def _files(device: Device) -> Finding:
    files = EnvelopeFiles(device.folder.outbox)
    with device.store.read() as tx:
        states = device.outbox.states(tx)
        wanted = {op_id for op_id, state in states.items() if state in _FILED}
        present = files.present()
        differ = [op_id for op_id in wanted & present if files.read(op_id) != device.outbox.envelope(tx, op_id)]
    strangers = len(present - states.keys())
    missing = len(wanted - present)
    if missing or differ:
        advice = "Start the app once: missing files are written. If it stays, the disk is full or failing."
        found = f"{missing} missing, {len(differ)} differ"
        return Finding(check="envelope_files", health=Health.WARNING, found=found, advice=advice)
    if strangers:
        advice = "They belong to no operation here. Keep them, and ask support."
        return Finding(check="envelope_files", health=Health.WARNING, found=f"{strangers} unknown files", advice=advice)
    return Finding(check="envelope_files", health=Health.OK, found=f"{len(wanted)} waiting, each with its file")


def _programme(device: Device) -> Finding:
    pack = device.programme
    unverified = f", {len(pack.unverified)} values unverified" if pack.unverified else ""
    return Finding(check="programme", health=Health.OK, found=f"{pack.stamp} ({pack.digest[:12]}){unverified}")


def _lease(device: Device) -> Finding:
    carriage: Carriage = device.carriage()
    if carriage.revoked:
        advice = "What it sends is kept for a supervisor. Call LEAD and enrol again."
        return Finding(check="lease", health=Health.BROKEN, found="this device was taken out of service", advice=advice)
    if carriage.lease_until is None:
        return Finding(check="lease", health=Health.OK, found="not synced yet")
    now = carriage.server_time(device.surroundings.clock.now())
    until = carriage.lease_until.strftime("%Y-%m-%d")
    if carriage.lease_until <= now:
        advice = "Connect and sync."
        return Finding(check="lease", health=Health.WARNING, found=f"it ended on {until}", advice=advice)
    return Finding(check="lease", health=Health.OK, found=f"until {until}")


def _unsent(device: Device) -> Finding:
    with device.store.read() as tx:
        counts = device.outbox.counts(tx, device.surroundings.clock.now())
    if counts.oldest_unsent_s is None:
        return ok("unsent", "nothing waits")
    age = timedelta(seconds=counts.oldest_unsent_s)
    found = f"{counts.waiting} wait, the oldest since {age}"
    if age >= timedelta(minutes=device.programme.timers.unsent_officer_minutes):
        return warning(
            "unsent", found, "Connect and sync. If it stays, see `server` below, and tell LEAD by phone what is urgent."
        )
    return ok("unsent", found)


def _clock(device: Device) -> Finding:
    carriage, now = device.carriage(), device.surroundings.clock.now()
    if carriage.last_sync is None or carriage.offset_ms is None:
        return ok("clock", "not compared yet")
    off = timedelta(milliseconds=carriage.offset_ms)
    if now < carriage.last_sync:
        return warning(
            "clock",
            "it runs before the last sync: it was put back",
            "Set date and time by the network. Nothing is lost by it.",
        )
    if abs(off) > _ODD_CLOCK:
        return warning("clock", f"it is {abs(off)} {'behind' if off > timedelta() else 'ahead of'} the case system's", "Set date and time by the network. Nothing is lost by it.")  # fmt: skip
    return ok("clock", f"within {abs(off)} of the case system's")


def _server(device: Device, reach: Callable[[], str | None]) -> Finding:
    trouble = reach()
    if trouble is None:
        return Finding(check="server", health=Health.OK, found=f"{device.binding.server} answers")
    return Finding(
        check="server",
        health=Health.WARNING,
        found=f"{device.binding.server}: {trouble}",
        advice="Everything stays saved and is sent when it answers.",
    )
