"""Settings: language, theme, text size, sending, the lock, the PIN, and what this device and its programme are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import flet as ft

from field_app.outcomes import Trouble
from field_app.snapshot import Sending, Settings, ThemeChoice
from field_app.views.boundary import component, handler, screen
from field_app.views.enrol import OWN_PIN
from field_app.views.parts import (
    Option,
    S,
    Tone,
    card,
    chip,
    choices,
    column,
    heading,
    margins,
    notice,
    outlined,
    primary,
    question,
    small,
    spoken,
    text,
    text_field,
    wrap,
)
from field_app.views.shell import room, shell
from field_app.views.stage import Stage, stage
from field_app.wording import LANGUAGES
from referral.codec import Json

TEXT_SIZES = (100, 125, 150, 200)
IDLE = (1, 5, 15, 30)


def field(label: str, value: str, on_change: Any, **more: Any) -> ft.TextField:
    """A secret that is typed."""
    return text_field(
        label=label,
        value=value,
        password=True,
        can_reveal_password=True,
        on_change=handler(on_change),
        **more,
    )


@component
def ChangePin() -> ft.Control:
    """The present PIN, then the new one twice."""
    here = stage()
    words = here.words
    opened, set_opened = ft.use_state(False)
    old, set_old = ft.use_state("")
    new, set_new = ft.use_state("")
    again, set_again = ft.use_state("")
    said, set_said = ft.use_state(cast("tuple[str, str] | None", None))

    async def save(_: object) -> None:
        if len(new) < OWN_PIN:
            set_said((words("enrol.short_pin"), words("enrol.short_pin_body", n=OWN_PIN)))
            return
        if new != again:
            set_said((words("pin.differ"), words("pin.differ_body")))
            return
        outcome = await here.do(here.actions.change_pin, old, new)
        if isinstance(outcome, Trouble):
            set_said(words.problem(outcome.problem))
            return
        for clear in (set_old, set_new, set_again):
            clear("")
        set_said(None)
        set_opened(False)
        here.say(words("pin.changed"))

    if not opened:
        return outlined(words("settings.change_pin"), lambda _: set_opened(True), icon=ft.Icons.PASSWORD)
    return column(
        [
            field(words("pin.old"), old, lambda e: set_old(str(e.control.value))),
            field(words("pin.new", n=OWN_PIN), new, lambda e: set_new(str(e.control.value))),
            field(words("pin.again"), again, lambda e: set_again(str(e.control.value))),
            spoken(notice(ft.Icons.ERROR_OUTLINE, said[0], said[1], Tone.BAD)) if said else None,
            wrap([primary(words("pin.save"), save), outlined(words("cancel"), lambda _: set_opened(False))]),
        ],
        spacing=12,
    )


def unverified_values(here: Stage) -> list[tuple[str, str]]:
    """The pack's values that its sources do not settle, as (name, value): shown as such."""
    programme, words = here.programme, here.words
    known: dict[str, Json] = {
        "/rules/minimum_age_years": programme.rules.minimum_age_years,
        "/rules/quantity_limit_grams": programme.rules.quantity_limit_grams,
        "/rules/look_back_months": programme.rules.look_back_months,
        "/zone/boundary_m": round(programme.zone.boundary_m),
        "/caps": f"{programme.caps.caseload_hard} / {programme.caps.caseload_soft}",
    }
    made = []
    for pointer in sorted(programme.unverified):
        name = pointer.strip("/").replace("/", ".")
        label = words(f"pack.{name}") if words.has(f"pack.{name}") else name.replace("_", " ").replace(".", ", ")
        value = known.get(pointer)
        made.append(
            (
                label,
                words("pack.unknown") if value is None and pointer in known else "" if value is None else str(value),
            )
        )
    return made


def about(here: Stage) -> ft.Control:
    """The device, the person, the pack and what is not settled in it."""
    words, me, programme = here.words, here.snapshot.me, here.programme
    facts: list[tuple[str, str]] = []
    if me is not None:
        facts += [
            (words("about.person"), f"{me.name} · {words(f'role.{me.role}')}" + (f" · {me.unit}" if me.unit else "")),
            (words("about.agency"), me.agency),
            (words("about.server"), me.server),
            (words("about.device"), me.device_id[:8]),
        ]
    facts.append((words("about.pack"), f"{words.pack(programme.name)} · {programme.stamp}"))
    rows: list[ft.Control | None] = [
        column([small(label), text(value, S.BODY_LARGE, selectable=True)], spacing=0) for label, value in facts
    ]
    open_values = unverified_values(here)
    if open_values:
        rows.append(
            column(
                [
                    wrap([chip(ft.Icons.HELP_OUTLINE, words("about.unverified"), Tone.WAIT)]),
                    small(words("about.unverified_body")),
                    *[text(f"{label}: {value}" if value else label, S.BODY_MEDIUM) for label, value in open_values],
                ],
                spacing=6,
            )
        )
    synthetic = [c for c in programme.contacts.values() if c.synthetic]
    if synthetic:
        rows.append(notice(ft.Icons.WARNING_AMBER, words("about.synthetic"), words("about.synthetic_body"), Tone.WAIT))
    return column(rows, spacing=12)


@component
def SettingsBody(width: float) -> ft.Control:
    """All of them, on one page."""
    here = stage()
    words, now = here.words, here.snapshot.settings

    async def put(settings: Settings) -> None:
        await here.do(here.actions.set_settings, settings)

    async def lock(_: object) -> None:
        await here.do(here.actions.lock)

    def block(title: str, body: Sequence[ft.Control | None]) -> ft.Control:
        return card(column([heading(title, 3), *body], spacing=18), padding=18)

    languages = [Option(value=code, label=words(f"language.{code}")) for code in LANGUAGES]
    themes = [Option(value=t.value, label=words(f"theme.{t.value}")) for t in ThemeChoice]
    sizes = [Option(value=str(n), label=f"{n} %") for n in TEXT_SIZES]
    offered = (Sending.ANY, Sending.PAUSED)  # "Wi-Fi only" comes when the delivery can tell the networks apart
    sending = [Option(value=s.value, label=words(f"sending.{s.value}")) for s in offered]
    idle = [Option(value=str(n), label=words.count("settings.minutes", n)) for n in IDLE]
    parts: list[ft.Control | None] = [
        block(
            words("settings.look"),
            [
                question(
                    words("settings.language"),
                    choices(languages, now.language, lambda v: put(replace(now, language=v)), narrow=here.cramped),
                ),
                question(
                    words("settings.theme"),
                    choices(
                        themes, now.theme.value, lambda v: put(replace(now, theme=ThemeChoice(v))), narrow=here.cramped
                    ),
                ),
                question(
                    words("settings.text"),
                    choices(
                        sizes, str(now.text_size), lambda v: put(replace(now, text_size=int(v))), narrow=here.cramped
                    ),
                ),
            ],
        ),
        block(
            words("settings.sending"),
            [
                question(
                    words("settings.sending_ask"),
                    choices(
                        sending, now.sending.value, lambda v: put(replace(now, sending=Sending(v))), narrow=here.cramped
                    ),
                    hint=words("settings.sending_hint"),
                )
            ],
        ),
        block(
            words("settings.lock"),
            [
                question(
                    words("settings.idle"),
                    choices(
                        idle,
                        str(now.idle_minutes),
                        lambda v: put(replace(now, idle_minutes=int(v))),
                        narrow=here.cramped,
                    ),
                ),
                outlined(words("settings.lock_now"), lock, icon=ft.Icons.LOCK_OUTLINE),
                ChangePin(),
                notice(ft.Icons.WARNING_AMBER, words("unlock.file_store"), words("unlock.file_store_body"), Tone.WAIT)
                if here.snapshot.gate.file_store
                else None,
            ],
        ),
        block(words("settings.about"), [about(here)]),
    ]
    side = margins(width)
    return ft.Column(
        [ft.Container(column(parts, spacing=14), padding=ft.Padding.only(left=side, right=side, top=4, bottom=28))],
        scroll=ft.ScrollMode.AUTO,
        expand=True,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
        on_scroll=handler(lambda _: here.touched()),
    )


@screen
def SettingsScreen() -> ft.View:
    """Settings."""
    here = stage()
    return shell(here, "/settings", here.words("tab.settings"), SettingsBody(room(here)), tab="/settings")
