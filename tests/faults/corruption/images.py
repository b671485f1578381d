"""A device folder as bytes: what the cases start from, made once per process by the real enrolment, saves and sync.

Four moments of one officer's device, in the order they happened:

    early   enrolled, two referrals received by the case system, the vault shut
    late    then amended, withdrawn, two more saved and waiting, two live forms with their sealed copies, shut
    saved   late, opened again, an answer and one more save in the log, and gone without a word
    crash   one more answer in a live form, and gone

and `other`, the same officer's next device.

The clock, the ids and the nonces come from a seed, so that case numbers mean the same rows and the same places everywhere; keys and
signatures are the operating system's. The programme pack is cut to a few streets, because it is read at every opening. Scrypt has
its smallest cost. People are invented.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from field_app.actions import Actions
from field_app.compose import assemble
from field_app.device import Surroundings
from field_app.outcomes import Enrolled, Opened, Saved
from field_app.vault.keystores import FileKeys
from referral.envelope import DevicePublicKey
from referral.lifecycle import Role
from referral.model import Kind, ReferralId
from tests.support.agency import Agency
from tests.support.packs import baltimore_files
from tests.support.station import ARREST, SOCIAL, Line, StationClock

PIN: Final = "473920"
PACK_FOLDER: Final = "programme"
Image = Mapping[str, bytes]  # path in the folder -> content


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The images, and what it takes to open them again."""

    early: Image = field(repr=False)
    late: Image = field(repr=False)
    saved: Image = field(repr=False)
    crash: Image = field(repr=False)
    other: Image = field(repr=False)
    agency: Agency = field(repr=False)
    clock: StationClock = field(repr=False)
    device_key: DevicePublicKey = field(repr=False)
    device_id: str
    agency_id: str

    def actions(self, folder: Path, seed: int) -> Actions:
        """The real actions over `folder`; the line to the case system is cut."""
        machine = _machine(folder, self.clock, random.Random(seed))
        return assemble(folder, machine, Line(inner=self.agency.service, up=False))


def fast_folder() -> Path:
    """A new empty folder in memory where the machine has one, else among the temporary files."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="lead-t6-", dir=memory if memory.is_dir() else None))


def image_of(folder: Path) -> dict[str, bytes]:
    """All files of a device folder but SQLite's shared index, which a power cut takes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("-shm")
    }


def small_pack() -> dict[str, bytes]:
    """The Baltimore pack with the streets that these people were met on, and no others."""
    files = dict(baltimore_files())
    for name in ("blocks.csv", "corners.csv"):
        head, *rows = files[name].splitlines(keepends=True)
        kept = [row for row in rows if b"Lexington" in row or b"Fayette" in row]
        files[name] = head + b"".join(kept)
    return files


@cache
def template() -> Template:
    """The images of this process."""
    place = fast_folder()
    try:
        return _made(place)
    finally:
        shutil.rmtree(place)


def _machine(folder: Path, clock: StationClock, source: random.Random) -> Surroundings:
    return Surroundings(
        keystores=[FileKeys(folder / "keys")],
        clock=clock,
        random_bytes=source.randbytes,
        scrypt_n=2,
        minimum_n=2,
        app="lead-field/test",
        platform="test",
    )


def _made(place: Path) -> Template:
    agency = Agency.found(f"sqlite:///{place}/central.db", place, pack=small_pack())
    line, clock, folder = Line(inner=agency.service), StationClock(agency.clock), place / "device"
    machine = _machine(folder, clock, random.Random("device"))
    folder.mkdir()

    def opened() -> Actions:
        agency.clock.go(minutes=7)
        actions = assemble(folder, machine, line)
        assert isinstance(actions.unlock(PIN), Opened)
        return actions

    actions = assemble(folder, machine, line)
    code = agency.accounts.new_code("o1", Role.OFFICER).code
    assert isinstance(actions.enrol("http://127.0.0.1:1", code, PIN, unattended=True), Enrolled)
    actions.close()

    actions = opened()
    first, second = (_saved(actions, ARREST, "a1", "Ann Example"), _saved(actions, SOCIAL, "a2", None))
    actions.sync_now()
    actions.close()
    early = image_of(folder)

    actions = opened()
    for step in (actions.amend(first, {"incident_number": "26C01234"}), actions.withdraw(second)):
        assert isinstance(step, Saved), step
    _saved(actions, ARREST, "b1", "Ben Invented")
    _saved(actions, SOCIAL, "b2", None)
    form = actions.start(Kind.ARREST)
    for path, value in (("willing", "yes"), ("whereabouts", "coming_in"), ("person.name", "Cay Madeup")):
        form = actions.answer(form.referral_id, path, value)
    actions.answer(actions.start(Kind.SOCIAL).referral_id, "person.descriptor", "Yellow umbrella by the fountain")
    actions.close()
    late = image_of(folder)

    actions = opened()
    actions.answer(form.referral_id, "person.name", "Cay Madeupagain")
    _saved(actions, SOCIAL, "c2", None)
    saved = image_of(folder)
    actions.answer(form.referral_id, "person.name", "Cay Madeupthrice")
    crash = image_of(folder)

    binding = actions.binding
    assert binding is not None
    actions.close()
    shutil.rmtree(folder)
    folder.mkdir()
    again = assemble(folder, machine, line)
    enrolled = again.enrol(
        "http://127.0.0.1:1", agency.accounts.new_code("o1", Role.OFFICER).code, PIN, unattended=True
    )
    assert isinstance(enrolled, Enrolled), enrolled
    assert isinstance(again.unlock(PIN), Opened)
    _saved(again, ARREST, "d1", "Eve Unreal")
    again.close()
    other = image_of(folder)
    agency.engine.dispose()
    return Template(
        early=early,
        late=late,
        saved=saved,
        crash=crash,
        other=other,
        agency=agency,
        clock=clock,
        device_key=DevicePublicKey.from_bytes(binding.device_key),
        device_id=binding.device_id,
        agency_id=binding.agency,
    )


def _saved(actions: Actions, answers: Mapping[str, Any], name: str, person: str | None) -> ReferralId:
    named = {"person": {"name": person}} if person else {}
    outcome = actions.submit_referral({**answers, **named, "referral_id": f"case-{name}"})
    assert isinstance(outcome, Saved), outcome
    return outcome.referral_id
