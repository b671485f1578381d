"""The office over a test's agency, with people of every role and a cheap password hash."""

from __future__ import annotations

import os
from typing import Any

from argon2 import PasswordHasher

from case_system.auth import Sessions
from case_system.office.building import Office
from case_system.opening import open_office
from case_system.packs import Packs
from case_system.store.database import Database
from case_system.store.sign_ins import SignInRows
from referral.lifecycle import Role
from tests.support.agency import Agency

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
MORE_STAFF = (("adm", Role.ADMINISTRATOR), ("def", Role.DEFENDER))


def sessions_of(agency: Agency) -> Sessions:
    """Sign-in at that agency."""
    return Sessions(SignInRows(agency.engine), clock=agency.clock, rng=os.urandom, keys=agency.keys, hasher=CHEAP)


def office_of(agency: Agency, sessions: Sessions | None = None) -> Office:
    """The office; an administrator and a defender join the staff where they are missing."""
    database = Database(agency.engine, clock=agency.clock, rng=os.urandom, keys=agency.keys)

    def files(digest: str) -> Any:
        with database.read() as reading:
            return reading.pack_files(digest)

    with database.read() as reading:
        known = reading.users()
    for name, role in MORE_STAFF:
        if name not in known:
            agency.accounts.add_user(name, role, name=name.upper())
    return open_office(
        engine=agency.engine, database=database, service=agency.service, accounts=agency.accounts,
        sessions=sessions or sessions_of(agency), packs=Packs(files), keys=agency.keys, clock=agency.clock, rng=os.urandom,
    )  # fmt: skip
