"""The door: what this system is for, how many referrals wait (no names), and a PIN pad with big keys.

The PIN lives in this component until it is tried; it is never in a control, a log or a snapshot.
"""

from __future__ import annotations

from typing import Any, cast

import flet as ft

from field_app.outcomes import Trouble
from field_app.views.alarms import alarm_cards
from field_app.views.boundary import component, handler, screen
from field_app.views.parts import (
    C,
    S,
    Tone,
    column,
    icon_button,
    margins,
    notice,
    primary,
    quiet,
    small,
    spoken,
    text,
    text_field,
    working,
)
from field_app.views.stage import Stage, stage
from field_app.views.theme import GAP
from referral.problems import ProblemCode

PAD = 340
KEY_SIZE = 26  # dp: large for everyone; keys that grew with the text would push the last row off a small screen
KEYS = ("1", "2", "3", "4", "5", "6", "7", "8", "9")


def banner(here: Stage) -> ft.Control:
    """The system-use notice and the partners' agreement."""
    programme = here.snapshot.programme
    words = here.words
    use = words.pack(programme.agency.banner) if programme else words("unlock.banner")
    agreement = words.pack(programme.agency.agreement) if programme else words("unlock.agreement")
    return column(
        [
            small(use, text_align=ft.TextAlign.CENTER),
            small(agreement, text_align=ft.TextAlign.CENTER),
        ],
        spacing=4,
    )


def brand(here: Stage) -> ft.Control:
    """The app's mark and name."""
    return ft.Column(
        [
            ft.Container(
                ft.Icon(ft.Icons.ALT_ROUTE, size=34, color=C.ON_PRIMARY),
                width=64,
                height=64,
                border_radius=20,
                bgcolor=C.PRIMARY,
                alignment=ft.Alignment.CENTER,
            ),
            text(here.words("app.name"), S.HEADLINE_SMALL),
        ],
        horizontal_alignment=ft.CrossAxisAlignment.CENTER,
        spacing=10,
    )


def gate_lines(here: Stage) -> list[ft.Control]:
    """What the door may say: the wait, the tries left, a locked door, a key that lies in a file."""
    words, gate, line = here.words, here.snapshot.gate, here.snapshot.delivery
    made: list[ft.Control] = []
    if gate.locked_until is not None:
        when = words.when(gate.locked_until, here.now())
        made.append(
            notice(ft.Icons.LOCK_CLOCK, words("unlock.locked"), words("unlock.locked_body", when=when), Tone.BAD)
        )
    elif gate.problem is not None:
        title, meaning = words.problem(gate.problem)
        left = gate.tries_left
        if gate.problem is ProblemCode.WRONG_PIN and left is not None:
            meaning = words.count("unlock.tries", left)
        made.append(notice(ft.Icons.ERROR_OUTLINE, title, meaning, Tone.BAD))
    if gate.file_store:
        made.append(
            notice(ft.Icons.WARNING_AMBER, words("unlock.file_store"), words("unlock.file_store_body"), Tone.WAIT)
        )
    made += alarm_cards(here)
    if line.waiting:
        made.append(small(words.count("unlock.waiting", line.waiting), text_align=ft.TextAlign.CENTER))
    return made


def _key(label: str, on_click: Any, **more: Any) -> ft.Control:
    return ft.FilledTonalButton(
        content=ft.Text(label, size=KEY_SIZE, weight=ft.FontWeight.W_600),
        on_click=handler(on_click),
        expand=1,
        style=ft.ButtonStyle(
            shape=ft.RoundedRectangleBorder(radius=18),
            padding=ft.Padding.symmetric(vertical=18),
            side=ft.BorderSide(1, C.OUTLINE_VARIANT),
            bgcolor=C.SURFACE_CONTAINER,
            color=C.ON_SURFACE,
        ),
        **more,
    )


def dots(count: int, label: str) -> ft.Control:
    """How many characters were typed, never which."""
    shown = [ft.Container(width=14, height=14, border_radius=7, bgcolor=C.PRIMARY) for _ in range(min(count, 16))]
    blank = [
        ft.Container(width=14, height=14, border_radius=7, border=ft.Border.all(2, C.OUTLINE)) for _ in range(6 - count)
    ]
    return ft.Semantics(
        content=ft.Row([*shown, *blank], alignment=ft.MainAxisAlignment.CENTER, spacing=12),
        label=label,
        live_region=True,
    )


@component
def PinPad(on_enter: Any, busy: bool) -> ft.Control:
    """Ten keys, or a field for a longer secret. `on_enter(pin)` is awaited; the pad is empty afterwards."""
    here = stage()
    words = here.words
    pin, set_pin = ft.use_state("")
    typed, set_typed = ft.use_state(False)

    async def enter(_: object = None) -> None:
        if pin:
            set_pin("")
            await on_enter(pin)

    def press(key: str) -> None:
        here.touched()
        set_pin(lambda before: (before + key)[:64])

    keyed = ft.use_ref(False)

    async def key(event: ft.KeyboardEvent) -> None:
        """A keyboard's digits. Enter opens only what was typed on it: on a tapped key it would press that key again."""
        name = event.key.removeprefix("Numpad ")
        if typed or busy:
            return
        if len(name) == 1 and name.isdigit():
            keyed.current = True
            press(name)
        elif name == "Backspace":
            set_pin(lambda before: before[:-1])
        elif name == "Enter" and keyed.current:
            await enter()

    def listen() -> None:
        ft.context.page.on_keyboard_event = handler(key)

    def stop() -> None:
        ft.context.page.on_keyboard_event = None

    ft.use_effect(listen, [pin, typed, busy], stop)
    if busy:
        return ft.Container(working(words("unlock.opening")), padding=40)
    if typed:
        return column(
            [
                text_field(
                    label=words("unlock.secret"),
                    value=pin,
                    password=True,
                    can_reveal_password=True,
                    autofocus=True,
                    enable_suggestions=False,
                    autocorrect=False,
                    on_change=handler(lambda e: set_pin(str(e.control.value))),
                    on_submit=handler(enter),
                ),
                primary(words("unlock.open"), enter, icon=ft.Icons.LOCK_OPEN),
                quiet(words("unlock.use_pad"), lambda _: set_typed(False)),
            ]
        )
    rows: list[ft.Control] = [
        ft.Row([_key(k, lambda _=None, k=k: press(k), key=f"pin-{k}") for k in KEYS[i : i + 3]], spacing=12)
        for i in (0, 3, 6)
    ]
    erase = ft.Container(
        icon_button(ft.Icons.BACKSPACE_OUTLINED, words("unlock.erase"), lambda _: set_pin(lambda b: b[:-1])),
        expand=1,
        alignment=ft.Alignment.CENTER,
    )
    open_key = ft.FilledButton(
        content=ft.Text(words("unlock.open"), theme_style=S.LABEL_LARGE, color=C.ON_PRIMARY),
        on_click=handler(enter),
        key="pin-open",
        expand=1,
        style=ft.ButtonStyle(
            shape=ft.RoundedRectangleBorder(radius=18), padding=ft.Padding.symmetric(vertical=22, horizontal=4)
        ),
    )
    rows.append(ft.Row([erase, _key("0", lambda _: press("0"), key="pin-0"), open_key], spacing=12))
    return column(
        [
            dots(len(pin), words.count("unlock.digits", len(pin))),
            column(rows, spacing=12),
            quiet(words("unlock.use_keyboard"), lambda _: set_typed(True), icon=ft.Icons.KEYBOARD_OUTLINED),
        ],
        spacing=18,
    )


@screen
def Unlock(on_open: Any) -> ft.View:
    """The screen of a shut vault. `on_open()` is called once it is open."""
    here = stage()
    busy, set_busy = ft.use_state(False)
    trouble, set_trouble = ft.use_state(cast("ProblemCode | None", None))

    async def enter(pin: str) -> None:
        set_busy(True)
        try:
            outcome = await here.do(here.actions.unlock, pin)
        finally:
            set_busy(False)
        if isinstance(outcome, Trouble):
            set_trouble(outcome.problem)
        else:
            on_open()

    words = here.words
    lines = gate_lines(here)
    if trouble is not None and here.snapshot.gate.problem is None and here.snapshot.gate.locked_until is None:
        title, meaning = words.problem(trouble)
        lines.insert(0, notice(ft.Icons.ERROR_OUTLINE, title, meaning, Tone.BAD))
    side = margins(here.width, PAD)
    who = here.snapshot.me
    content = column(
        [
            brand(here),
            small(words("unlock.hello", name=who.name), text_align=ft.TextAlign.CENTER) if who else None,
            spoken(column(lines, spacing=12)) if lines else None,
            PinPad(enter, busy),
            banner(here),
        ],
        spacing=20,
    )
    return ft.View(
        route="/",
        padding=0,
        bgcolor=C.SURFACE,
        scroll=ft.ScrollMode.AUTO,
        controls=[
            ft.SafeArea(ft.Container(content, padding=ft.Padding.only(left=side, right=side, top=36, bottom=GAP + 8)))
        ],
    )
