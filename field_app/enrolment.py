"""Enrols a data folder: everything that can fail here is tried first, then the code is used, then the folder is made whole.

Order: folder, key store and PIN are checked -> the case system answers -> device chain, vault, database, pack -> `binding` ->
`device.json`. A folder with neither of the last two was never whole: what lies in it is moved aside, not deleted. A folder whose
vault has ended may be enrolled again once nothing waits in its outbox.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Final

from field_app.device import Device, Folder, Surroundings, open_folder, vault_door, write_card, write_pack
from field_app.outcomes import Enrolled, Trouble
from field_app.store import binding as bindings
from field_app.store.binding import Binding
from field_app.store.binding_file import OwnKeys
from field_app.store.database import Store, translate
from field_app.store.records import Records, Shelf
from field_app.sync.enrol import Invitation, NewDevice, enrol, invitation, parse_link
from field_app.sync.errors import SyncFault
from field_app.troubles import FAULTS, trouble
from field_app.vault.door import create_device_chain
from field_app.vault.files import make_folder
from field_app.vault.pin import Origin, judge_pin, make_pin
from referral.port import CaseSystem, Refused
from referral.problems import ProblemCode
from referral.programme import PackError, Programme
from referral.programme import load as load_pack

_OURS: Final = (
    "header.json",
    "header.copy.json",
    "chain.json",
    "chain.copy.json",
    "binding",
    "attempts",
    "field.db",
    "field.db-wal",
    "field.db-shm",
    "outbox",
    "programme",
)


def enrol_folder(
    folder: Folder,
    surroundings: Surroundings,
    connect: Callable[[str], CaseSystem],
    server: str,
    code: str,
    pin: str | None,
    origin: Origin,
) -> Enrolled | Trouble:
    """Enrol `folder` with an invitation: server and code, or a link as the code. connect: a case system at an address."""
    try:
        asked = parse_link(code) if code.strip().lower().startswith("lead:") else invitation(server, code)
    except ValueError as error:
        return Trouble(problem=ProblemCode.INVALID_VALUE, detail=str(error))
    try:
        if (obstacle := _make_room(folder, surroundings)) is not None:
            return obstacle
        make_folder(folder.path)
        keys = vault_door(folder, surroundings).choose_store()
        own = pin is None
        secret = make_pin(surroundings.random_bytes) if pin is None else pin
        verdict = judge_pin(secret, store=keys.name, origin=Origin.APP if own else origin)
        if not verdict.allowed:
            return Trouble(problem=ProblemCode.INVALID_VALUE, detail=f"pin: {verdict.value.replace('_', ' ')}")
        new = _ask(asked, surroundings, connect)
        if isinstance(new, Trouble):
            return new
        return _settle(folder, surroundings, new, secret, Origin.APP if own else origin, own)
    except FAULTS as error:
        return trouble(error)
    except OSError as error:
        return Trouble(problem=translate(error).code, detail=f"the data folder: {error.strerror}")


def _ask(asked: Invitation, surroundings: Surroundings, connect: Callable[[str], CaseSystem]) -> NewDevice | Trouble:
    try:
        return enrol(
            connect(asked.server),
            asked,
            app=surroundings.app,
            platform=surroundings.platform,
            random_bytes=surroundings.random_bytes,
        )
    except Refused as refused:
        return Trouble(problem=refused.code)
    except SyncFault as fault:
        return Trouble(problem=fault.code)


def _settle(
    folder: Folder, surroundings: Surroundings, new: NewDevice, pin: str, origin: Origin, own_pin: bool
) -> Enrolled | Trouble:
    answer = new.enrolment
    files = {name: text.encode() for name, text in answer.pack.files.items()}
    programme = _checked(files, answer.pack.digest)
    if programme is None:
        return Trouble(problem=ProblemCode.NOT_THE_AGENCY, detail="the programme pack is not whole")
    chain = create_device_chain(folder.chain, surroundings.keystores, surroundings.random_bytes)
    vault = vault_door(folder, surroundings).create(pin, origin=origin)
    store = Store(folder.database)
    try:
        records = Records(store, vault)
        records.start()
        binding = Binding(
            server=new.server,
            device_id=new.device_id,
            user=answer.user,
            name=answer.name,
            role=answer.role,
            unit=answer.unit,
            agency=answer.agency,
            agency_name=answer.agency_name,
            agency_key=answer.agency_key.public_key,
            server_key=answer.server_key,
            device_key=new.device_key.public().to_bytes(),
            append_token=answer.append_token,
            pack=programme.digest,
        )
        with records.write() as page:
            page.put(Shelf.OWN, {"name": "signing_key", "value": new.device_key.to_bytes().hex()})
            page.put(Shelf.OWN, {"name": "read_token", "value": answer.read_token})
            bindings.save(page.tx, chain, binding)
        write_pack(folder, programme.digest, files)
        store.checkpoint()
        folder.binding.keep(chain, binding)
        own = OwnKeys(signing_key=new.device_key.to_bytes().hex(), read_token=answer.read_token)
        folder.binding.keep_own(vault, own)
        write_card(folder, binding)
    except FAULTS:  # what is told as failed must not be found enrolled, under a PIN that nobody was shown
        for mark in (folder.card, folder.binding.path):
            with suppress(OSError):
                mark.unlink(missing_ok=True)
        raise
    finally:
        vault.lock()
        store.close()
    return Enrolled(user=answer.user, role=answer.role, device_id=new.device_id, pin=pin if own_pin else None)


def _checked(files: dict[str, bytes], digest: str) -> Programme | None:
    try:
        programme = load_pack(files)
    except PackError:
        return None
    return programme if programme.digest == digest else None


def _make_room(folder: Folder, surroundings: Surroundings) -> Trouble | None:
    """Move a former or unfinished enrolment aside. Errors: OSError."""
    if not folder.path.exists():
        return None
    if folder.enrolled:
        device = open_folder(folder, surroundings, nullcontext())
        if isinstance(device, Trouble):
            return Trouble(problem=ProblemCode.ALREADY_ENROLLED, detail=device.problem.value)
        waiting = _waiting(device)
        ended = device.ended
        device.close()
        if not ended:
            return Trouble(problem=ProblemCode.ALREADY_ENROLLED)
        if waiting:
            return Trouble(problem=ProblemCode.ALREADY_ENROLLED, detail=f"{waiting} operations still wait to be sent")
    _move_aside(folder, surroundings)
    return None


def _waiting(device: Device) -> int:
    with device.store.read() as tx:
        counts = device.outbox.counts(tx, device.surroundings.clock.now())
    return counts.waiting + counts.reoffered


def _move_aside(folder: Folder, surroundings: Surroundings) -> None:
    found = [folder.path / name for name in (*_OURS, folder.card.name) if (folder.path / name).exists()]
    if not found:
        return
    aside = folder.path / f"former-{surroundings.clock.now():%Y%m%dT%H%M%S}-{surroundings.random_bytes(2).hex()}"
    aside.mkdir(mode=0o700)
    marks = (folder.card.name, folder.binding.path.name)
    for path in sorted(found, key=lambda path: path.name not in marks):  # the marks of a whole one go first
        path.rename(aside / path.name)
