"""Opens the office over one database: the part of the composition root that names the concrete classes of `office/`.

office = open_office(engine=..., database=..., ...)      what `app.py`, the tests and the demonstration use alike
"""

from __future__ import annotations

from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from case_system.notify.channels import check as check_channel
from case_system.office.building import Office
from case_system.office.caseloads import Caseloads
from case_system.office.defence import Defenders
from case_system.office.duplicates import Duplicates
from case_system.office.entry import Entry
from case_system.office.figures import Evaluation
from case_system.office.finding import Finding
from case_system.office.fleet import Decides, Devices
from case_system.office.people import People, Secrets
from case_system.office.programme import Pack
from case_system.office.rota import DutyRota
from case_system.office.trail import Trail
from case_system.packs import Packs
from case_system.ports import Clock, Keys, RandomBytes
from case_system.storage import Storage
from case_system.store.accounts import Accounts
from case_system.store.channels import Channels
from case_system.store.consent import ConsentRows
from case_system.store.editions import EditionRows
from case_system.store.engine import Engine
from case_system.store.figures import FigureRows
from case_system.store.finding import FindingRows
from case_system.store.fleet import FleetRows
from case_system.store.roster import Roster
from case_system.store.staff import StaffRows
from case_system.store.trail import TrailRows
from case_system.transactions import Transactions


def open_office(
    *, engine: Engine, database: Storage, service: Decides, accounts: Accounts, sessions: Secrets, packs: Packs, keys: Keys,
    clock: Clock, rng: RandomBytes,
) -> Office:  # fmt: skip
    """The office of a case system."""
    transactions = Transactions(database, packs)
    entry = Entry(transactions, clock)

    def midnight(day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(transactions.pack().hours.time_zone))

    roster = Roster(engine=engine, clock=clock, rng=rng)
    consents, finding, trail = ConsentRows(engine), FindingRows(engine, midnight), TrailRows(engine)
    return Office(
        people=People(
            entry, StaffRows(engine), accounts, sessions, Channels(engine=engine, clock=clock, rng=rng, keys=keys), roster,
            keys=keys, rng=rng, check_channel=check_channel,
        ),
        rota=DutyRota(entry, accounts, roster),
        caseloads=Caseloads(entry, consents),
        devices=Devices(entry, FleetRows(engine), accounts, service),
        pack=Pack(entry, EditionRows(engine), packs),
        finding=Finding(entry, finding, keys),
        duplicates=Duplicates(entry, finding),
        trail=Trail(entry, trail, finding),
        evaluation=Evaluation(entry, FigureRows(engine, keys)),
        defenders=Defenders(entry, consents, trail),
    )  # fmt: skip
