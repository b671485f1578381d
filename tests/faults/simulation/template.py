"""One case system with its people and twenty enrolled devices, made once in a process, copied for each case.

    PLACE/made/      what a case starts from          PLACE/case/     the case at work: case.db, keys, d00 ... d19

On a memory file system where there is one: the code's fsyncs stay, and cost little. Must not know: what happens in a case.
"""

from __future__ import annotations

import atexit
import os
import random
import shutil
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final
from unittest.mock import patch

from sqlalchemy import Engine

from case_system.assignment import Post
from case_system.keyfolder import KeyFolder
from case_system.packs import Packs
from case_system.store.engine import open_engine
from field_app.device import Folder
from field_app.vault.keystores import MemoryKeys
from referral.lifecycle import Role
from referral.programme import Programme
from tests.support.agency import Agency, StillClock
from tests.support.station import Station

MOST: Final = 20
PEOPLE: Final[tuple[tuple[str, Role, str | None], ...]] = (
    ("o1", Role.OFFICER, None),
    ("cm1", Role.CASE_MANAGER, "west"),
    ("cm2", Role.CASE_MANAGER, "east"),
    ("o2", Role.OFFICER, None),
    ("p1", Role.PEER, "west"),
    ("p2", Role.PEER, "east"),
    ("o3", Role.OFFICER, None),
    ("sup", Role.SUPERVISOR, None),
    ("sao1", Role.SAO_REVIEWER, None),
)
CARRIERS: Final = tuple(name for name, role, _ in PEOPLE if role in (Role.OFFICER, Role.CASE_MANAGER, Role.PEER))


def user_of(index: int) -> str:
    """Whose device number `index` is; with many devices some people have two or three."""
    return CARRIERS[index % len(CARRIERS)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What every case starts from. `secrets`: what each device's key store holds. `engine`: over the case's database file."""

    place: Path
    engine: Engine = field(repr=False)
    keys: KeyFolder
    packs: Packs
    programme: Programme = field(repr=False)
    secrets: tuple[dict[str, bytes], ...] = field(repr=False)

    @property
    def case(self) -> Path:
        """The folder of the case at work."""
        return self.place / "case"

    def lay(self, phones: int) -> None:
        """Put a fresh case there: the database, and the folders of the first `phones` devices."""
        self.engine.dispose()
        shutil.rmtree(self.case, ignore_errors=True)
        self.case.mkdir()
        shutil.copyfile(self.place / "made" / "case.db", self.case / "case.db")
        for index in range(phones):
            _copy(self.place / "made" / f"d{index:02}", self.case / f"d{index:02}")

    def fresh_keys(self) -> KeyFolder:
        """A copy of the key folder that a case may change."""
        folder = self.case / "keys"
        if not folder.exists():
            shutil.copytree(self.place / "made" / "keys", folder)
        return KeyFolder(folder)


@cache
def template() -> Template:
    """The template of this process."""
    memory = Path("/dev/shm")
    place = Path(tempfile.mkdtemp(prefix="lead-sim-", dir=memory if os.access(memory, os.W_OK) else None))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    made = place / "made"
    made.mkdir()
    with patch(
        "os.urandom", random.Random("template").randbytes
    ):  # ids, codes and tokens are the same in every process
        return _made(place, made)


def _made(place: Path, made: Path) -> Template:
    agency = Agency.found(f"sqlite:///{made / 'case.db'}", made, StillClock())
    for name, role, pair in PEOPLE:
        if name not in ("o1", "o2", "cm1", "cm2", "p1", "p2", "sup", "sao1"):
            agency.accounts.add_user(name, role, name=name.upper(), pair=pair)
        if role in (Role.CASE_MANAGER, Role.PEER):
            agency.channels.add(name, f"console://{name}")
    agency.accounts.set_post(Post.SUPERVISOR, ["sup"])
    secrets = []
    for index in range(MOST):
        station = Station.new(agency, made / f"d{index:02}", user_of(index))
        station.enrol(_code(agency, user_of(index)))
        station.actions.close()
        assert isinstance(station.keys, MemoryKeys)
        secrets.append(dict(station.keys.secrets))
    programme = agency.service._packs.programme(_digest(agency))
    agency.engine.dispose()
    engine = open_engine(f"sqlite:///{place / 'case' / 'case.db'}")
    return Template(
        place=place, engine=engine, keys=agency.keys, packs=agency.service._packs, programme=programme, secrets=tuple(secrets)
    )  # fmt: skip


def _code(agency: Agency, user: str) -> str:
    return agency.accounts.new_code(user, next(role for name, role, _ in PEOPLE if name == user)).code


def _digest(agency: Agency) -> str:
    with agency.engine.connect() as db:
        return str(db.exec_driver_sql("SELECT pack_digest FROM agency").scalar_one())


def _copy(made: Path, case: Path) -> None:
    """A device folder. The installed pack, which nobody writes to, is shared by links."""
    for parts, shared in _plan(made):
        source, target = os.path.join(made, *parts), os.path.join(case, *parts)
        if shared is None:
            os.mkdir(target)
        elif shared:
            os.link(source, target)
        else:
            shutil.copyfile(source, target)


@cache
def _plan(made: Path) -> tuple[tuple[tuple[str, ...], bool | None], ...]:
    """What a device folder holds, folders before what is in them: its place, and whether it is shared (None: a folder)."""
    assert Folder(path=made).enrolled
    plan: list[tuple[tuple[str, ...], bool | None]] = []
    for folder, _, names in os.walk(made):
        here = Path(folder).relative_to(made).parts
        plan.append((here, None))
        plan += [((*here, name), here[:1] == ("programme",)) for name in names if not name.endswith(("-wal", "-shm"))]
    return tuple(plan)
