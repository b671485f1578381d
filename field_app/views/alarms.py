"""What happened to this device's records, as cards that stay until they were read: what happened, what it means, what to do."""

from __future__ import annotations

import flet as ft

from field_app.snapshot import Alarm, AlarmKind
from field_app.views.parts import Tone, notice, outlined
from field_app.views.stage import Stage
from field_app.wording import Words


def alarm_sentences(alarm: Alarm, words: Words) -> tuple[str, str]:
    """What happened; and what it means, with what to do."""
    body = "body"
    if alarm.kind is AlarmKind.ROWS_SALVAGED:
        body = "unknown" if alarm.lost is None else "lost" if alarm.lost else "old"
    values = {"kept": alarm.kept, "lost": alarm.lost, "copy": alarm.copy or ""}
    return words(f"alarm.{alarm.kind}.title"), words(f"alarm.{alarm.kind}.{body}", **values)


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
