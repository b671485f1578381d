"""What happened to the records is said in whole sentences, in both languages, until it was read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from field_app.alarms import alarm_sentences
from field_app.snapshot import Alarm, AlarmKind
from field_app.wording import Words
from tests.field_app.views.people import in_front_of
from tests.support.demo_actions import NOW, DemoActions

COPY = "damaged-20260303T071000-a1b2"


@pytest.mark.parametrize("language", ["en", "es"])
@pytest.mark.parametrize("kind", AlarmKind)
@pytest.mark.parametrize("lost", [None, 0, 77])
def test_every_alarm_has_its_sentences(language: str, kind: AlarmKind, lost: int | None) -> None:
    alarm = Alarm(kind=kind, at=NOW, kept=41, lost=lost, copy=COPY)
    title, body = alarm_sentences(alarm, Words(language=language))
    assert title
    assert body.endswith(".")
    assert "{" not in title + body
    if kind is AlarmKind.ROWS_SALVAGED:
        assert "41" in body
        assert ("77" in body) is (lost == 77)
    if kind is AlarmKind.DATABASE_REBUILT:
        assert COPY in body


async def test_an_alarm_stands_at_the_shut_door_and_on_the_list_until_it_was_read() -> None:
    actions = DemoActions.officer()
    actions.shot = replace(
        actions.shot,
        alarms=(
            Alarm(kind=AlarmKind.DATABASE_REBUILT, at=NOW, kept=5, copy=COPY),
            Alarm(kind=AlarmKind.ROLLED_BACK, passes=True),
        ),
    )
    async with in_front_of(actions) as person:
        await person.sees("The file with this device's records was damaged", COPY)
        await person.unlock()
        await person.sees("5 entries could be read", "An old copy of this device's records was put back")
        await person.tap("I have read this")
        await person.sees("An old copy of this device's records was put back")
        assert not person.ui.says(COPY)
        assert person.buttons("I have read this") == []
