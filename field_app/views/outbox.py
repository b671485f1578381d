"""What has not been delivered: each operation, its age, why it waits, and what can be done. Nothing here is ever deleted."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import flet as ft

from field_app.snapshot import Connection, Delivery, OutboxRow, Sending
from field_app.views import states
from field_app.views.boundary import component, screen
from field_app.views.home import delivery_line
from field_app.views.parts import (
    S,
    Tone,
    card,
    chip,
    column,
    empty,
    notice,
    outlined,
    primary,
    small,
    text,
    tonal,
    wrap,
)
from field_app.views.rows import Paged, section
from field_app.views.shell import room, shell
from field_app.views.stage import Stage, stage
from field_app.views.theme import READING


def outbox_row(row: OutboxRow, here: Stage, retry: object, export: object) -> ft.Control:
    """One operation: what it is, how long it waits, why, and what can be done."""
    words = here.words
    icon, tone = states.DELIVERIES[row.state]
    title = words("outbox.row", what=words(f"op.{row.operation}"), who=row.title or words("row.no_name"))
    facts = [words("outbox.age", age=words.age(row.age_s))]
    if row.attempts:
        facts.append(words.count("outbox.tries", row.attempts))
    parts: list[ft.Control | None] = [
        text(title, S.TITLE_MEDIUM),
        wrap([chip(icon, words(f"delivery.{row.state}"), tone)]),
        small(" · ".join(facts)),
    ]
    if row.reason is not None:
        what, meaning = words.problem(row.reason)
        parts.append(
            notice(
                ft.Icons.ERROR_OUTLINE, what, meaning, Tone.BAD if row.state is Delivery.NEEDS_ATTENTION else Tone.PLAIN
            )
        )
    if row.state in (Delivery.WAITING, Delivery.NEEDS_ATTENTION):
        buttons = [outlined(words("outbox.export"), export, icon=ft.Icons.SAVE_ALT)]  # type: ignore[arg-type]
        if row.state is Delivery.WAITING:
            buttons.insert(0, outlined(words("outbox.retry"), retry, icon=ft.Icons.REFRESH))  # type: ignore[arg-type]
        parts.append(wrap(buttons))
    return card(column(parts, spacing=8), key=f"op-{row.op_id}")


@component
def Waiting() -> ft.Control:
    """The list, what sends, and what holds it up."""
    here = stage()
    words, snapshot, actions = here.words, here.snapshot, here.actions
    rows = [
        row for row in snapshot.outbox if row.state in (Delivery.WAITING, Delivery.NEEDS_ATTENTION, Delivery.STORED)
    ]
    rows.sort(key=lambda row: (row.state is not Delivery.NEEDS_ATTENTION, -row.age_s))

    async def send(_: object) -> None:
        counts = await here.do(actions.sync_now)
        if counts.sent:
            here.say(words.count("outbox.sent", counts.sent))
        elif counts.waiting:
            here.say(words("outbox.not_sent"))
        else:
            here.say(words("outbox.nothing_due"))

    async def retry(row: OutboxRow, _: object) -> None:
        await here.do(actions.retry, row.op_id)
        here.say(words("outbox.retrying"))

    async def export(row: OutboxRow, _: object) -> None:
        folder = Path(tempfile.mkdtemp(prefix="lead-export-"))
        path = await here.do(actions.export, row.op_id, folder)
        here.say(words("outbox.exported", path=str(path)))

    async def toggle(_: object) -> None:
        paused = snapshot.settings.sending is Sending.PAUSED or snapshot.delivery.connection is Connection.PAUSED
        await here.do(actions.resume_sending if paused else actions.pause)

    line = snapshot.delivery
    paused = snapshot.settings.sending is Sending.PAUSED or line.connection is Connection.PAUSED
    facts = []
    if line.last_sync is not None:
        facts.append(words("outbox.last", when=words.when(line.last_sync, snapshot.now)))
    if line.next_try is not None and line.waiting and not paused:
        facts.append(words("outbox.next", time=words.time(line.next_try)))
    buttons = [
        primary(words("outbox.resume"), toggle, icon=ft.Icons.PLAY_ARROW)
        if paused
        else primary(words("outbox.send"), send, icon=ft.Icons.SYNC),
    ]
    if not paused:
        buttons.append(tonal(words("outbox.pause"), toggle, icon=ft.Icons.PAUSE))  # type: ignore[arg-type]
    head: list[ft.Control] = [delivery_line(here), wrap(buttons)]
    if facts:
        head.append(small(" · ".join(facts)))
    if rows:
        head.append(section(words("outbox.list")))
    else:
        head.append(empty(ft.Icons.CLOUD_DONE_OUTLINED, words("outbox.empty"), words("outbox.empty_body")))

    def build(limit: int) -> list[ft.Control]:
        return [outbox_row(row, here, partial(retry, row), partial(export, row)) for row in rows[:limit]]

    return Paged(len(rows), build, head)


@screen
def Outbox() -> ft.View:
    """The outbox."""
    here = stage()
    side = max(0.0, (room(here) - READING) / 2)
    body = ft.Container(Waiting(), padding=ft.Padding.symmetric(horizontal=side), expand=True)
    return shell(here, "/outbox", here.words("tab.outbox"), body, tab="/outbox")
