"""What happened to this device's records, as cards that stay until they were read: what happened, what it means, what to do."""

from __future__ import annotations

import flet as ft

from field_app.alarms import alarm_sentences
from field_app.snapshot import Alarm
from field_app.views.parts import Tone, notice, outlined
from field_app.views.stage import Stage


def alarm_cards(here: Stage) -> list[ft.Control]:
    """One card each. One whose cause is still there goes when the cause does."""
    made: list[ft.Control] = []
    for n, alarm in enumerate(here.snapshot.alarms):

        async def read(_: object, alarm: Alarm = alarm) -> None:
            await here.do(here.actions.hear, alarm)

        title, body = alarm_sentences(alarm, here.words)
        buttons = [] if alarm.passes else [outlined(here.words("alarm.read"), read, icon=ft.Icons.CHECK)]
        made.append(notice(ft.Icons.REPORT_OUTLINED, title, body, Tone.BAD, buttons, key=f"alarm-{alarm.kind}-{n}"))
    return made
