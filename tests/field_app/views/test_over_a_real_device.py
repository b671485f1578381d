"""The screens over the real thing: real vault, files, envelopes and case system; only the network cable is ours."""

from __future__ import annotations

import asyncio

from field_app.snapshot import Phase
from tests.field_app.views.people import MARKET, Person, in_front_of
from tests.support.agency import Agency
from tests.support.station import PIN, Station


async def begin(person: Person, kind: str) -> None:
    await person.tap(f"new-{kind}")
    await person.ui.until(lambda: person.buttons("save") and not person.ui.says("Opening the form"))


async def test_an_arrest_from_a_dead_spot_to_an_accepted_handoff(
    agency: Agency, officer: Station, manager: Station
) -> None:
    officer.line.up = False
    async with in_front_of(officer.actions, fix=MARKET, now=officer.clock.now) as person:
        await begin(person, "arrest")
        await person.answer("offence_codes", "4 3550")
        await person.tap("use-fix")
        await person.answer("exclusions.open_warrant", "no")
        await person.answer("exclusions.safety_threat", "no")
        await person.answer("willing", "yes")
        await person.answer("whereabouts", "coming_in")
        await person.type("Name as given", "Ada Example")
        await person.tap("save")
        await person.sees("Saved on this phone", "LEAD has not been told yet", "give code")
    actions = officer.restart()
    officer.line.up = True
    async with in_front_of(actions, now=officer.clock.now) as person:
        await person.unlock(PIN)
        await person.sees("1 waiting", "Ada Example", "LEAD has not been told yet")
        await asyncio.to_thread(actions.sync_now)
        await person.sees("1 saved here, and it was received.", "Ringing a case manager")
        await asyncio.to_thread(manager.actions.sync_now)
        async with in_front_of(manager.actions, now=manager.clock.now) as other:
            await other.sees("1 person is waiting for an answer", "Ada Example", "Coming in")
            await other.tap("Accept")
            await other.sees("Accepted. Saved on this device.", "Nobody is waiting")
            assert other.taps <= 2
        await asyncio.to_thread(manager.actions.sync_now)
        await asyncio.to_thread(actions.sync_now)
        await person.sees("Accepted by CM1")


async def test_a_social_contact_arrives(agency: Agency, officer: Station) -> None:
    async with in_front_of(officer.actions, now=officer.clock.now) as person:
        await begin(person, "social")
        await person.answer("willing", "yes")
        await person.type("Or how to know them", "Green coat, by the bus stop")
        await person.answer("basis", "observed")
        await person.answer("urgency", "today")
        await person.tap("save")
        await person.sees("Not sent yet")
        await asyncio.to_thread(officer.actions.sync_now)
        await person.sees("LEAD has it. Receipt")


async def test_every_page_proves_its_own_pin(officer: Station) -> None:
    actions = officer.restart()
    async with in_front_of(actions, own_door=True, now=officer.clock.now) as first:
        await first.unlock(PIN)
        await first.sees("No referrals yet")
        async with in_front_of(actions, own_door=True, now=officer.clock.now) as second:
            await second.unlock("000111")
            await second.sees("That PIN does not open this app.")
            assert actions.snapshot().phase is Phase.OPEN
            assert not first.ui.says("That PIN does not open this app.")
            await second.unlock(PIN)
            await second.sees("No referrals yet")
            assert first.ui.says("No referrals yet")


async def test_answers_survive_a_crash(officer: Station) -> None:
    async with in_front_of(officer.actions, now=officer.clock.now) as person:
        await begin(person, "arrest")
        await person.answer("whereabouts", "hospital")
        await person.type("Name as given", "Crash Test")
    actions = officer.open_again()
    async with in_front_of(actions, now=officer.clock.now) as person:
        await person.sees("Not finished yet", "Crash Test")
