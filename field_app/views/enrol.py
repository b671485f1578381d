"""Enrolment: the agency's server and a one-time code, typed or pasted as a link; then the PIN, shown once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import flet as ft

from field_app.outcomes import Enrolled, Trouble
from field_app.views.boundary import handler, screen
from field_app.views.parts import (
    C,
    Option,
    S,
    Tone,
    column,
    margins,
    notice,
    option_button,
    pinned,
    primary,
    question,
    small,
    spoken,
    text,
    text_field,
    working,
)
from field_app.views.stage import Stage, stage
from field_app.views.theme import GAP
from field_app.views.unlock import brand

OWN_PIN = 8  # characters that a chosen secret has at least


def read_link(pasted: str) -> tuple[str, str] | None:
    """The server and the code of a link text (lead://enrol?server=URL&code=CODE), or None when it is not one."""
    parts = urlsplit(pasted.strip())
    if parts.scheme != "lead" or parts.netloc != "enrol":
        return None
    query = parse_qs(parts.query)
    server, code = query.get("server", [""])[0], query.get("code", [""])[0]
    return (server, code) if server and code else None


def neat_code(typed: str) -> str:
    """A code as people read it: XXXX-XXXX-XXXX, without look-alikes (Crockford: I and L are 1, O is 0)."""
    plain = "".join(c for c in typed.upper() if c.isalnum()).translate(str.maketrans("ILO", "110"))[:12]
    return "-".join(plain[i : i + 4] for i in range(0, len(plain), 4))


@screen
def Enrol(on_enrolled: Callable[[Enrolled], None]) -> ft.View:
    """The first screen of a new device."""
    here = stage()
    words = here.words
    server, set_server = ft.use_state("")
    code, set_code = ft.use_state("")
    own, set_own = ft.use_state(False)
    pin, set_pin = ft.use_state("")
    busy, set_busy = ft.use_state(False)
    trouble, set_trouble = ft.use_state(cast("tuple[str, str] | None", None))

    def take(value: str, field: str) -> None:
        link = read_link(value)
        if link is not None:
            set_server(link[0])
            set_code(neat_code(link[1]))
        elif field == "server":
            set_server(value)
        else:
            set_code(value)
        set_trouble(None)

    async def enrol(_: object = None) -> None:
        if not server.strip() or len(neat_code(code)) != 14:
            set_trouble((words("enrol.missing"), words("enrol.missing_body")))
            return
        if own and len(pin) < OWN_PIN:
            set_trouble((words("enrol.short_pin"), words("enrol.short_pin_body", n=OWN_PIN)))
            return
        set_busy(True)
        try:
            outcome = await here.do(here.actions.enrol, server.strip(), neat_code(code), pin if own else None)
        finally:
            set_busy(False)
        if isinstance(outcome, Trouble):
            set_trouble(words.problem(outcome.problem))
        else:
            on_enrolled(outcome)

    side = margins(here.width, 480)
    content = column(
        [
            brand(here),
            text(words("enrol.title"), S.TITLE_LARGE, text_align=ft.TextAlign.CENTER),
            small(words("enrol.body"), text_align=ft.TextAlign.CENTER),
            text_field(
                label=words("enrol.server"),
                hint_text="https://",
                value=server,
                keyboard_type=ft.KeyboardType.URL,
                autocorrect=False,
                on_change=handler(lambda e: take(str(e.control.value), "server")),
            ),
            text_field(
                label=words("enrol.code"),
                hint_text="XXXX-XXXX-XXXX",
                value=code,
                capitalization=ft.TextCapitalization.CHARACTERS,
                autocorrect=False,
                enable_suggestions=False,
                on_change=handler(lambda e: take(str(e.control.value), "code")),
                on_blur=handler(lambda _: set_code(neat_code(code))),
                on_submit=handler(enrol),
            ),
            question(
                words("enrol.pin"),
                column(
                    [
                        option_button(
                            Option(value="made", label=words("enrol.pin_made")), not own, lambda _: set_own(False)
                        ),
                        option_button(Option(value="own", label=words("enrol.pin_own")), own, lambda _: set_own(True)),
                    ],
                    spacing=8,
                ),
            ),
            text_field(
                label=words("enrol.pin_field", n=OWN_PIN),
                value=pin,
                password=True,
                can_reveal_password=True,
                visible=own,
                on_change=handler(lambda e: set_pin(str(e.control.value))),
            ),
            spoken(notice(ft.Icons.ERROR_OUTLINE, trouble[0], trouble[1], Tone.BAD)) if trouble else None,
            working(words("enrol.working")) if busy else primary(words("enrol.go"), enrol, icon=ft.Icons.LINK),
        ],
        spacing=18,
    )
    return ft.View(
        route="/",
        padding=0,
        bgcolor=C.SURFACE,
        scroll=ft.ScrollMode.AUTO,
        controls=[
            ft.SafeArea(ft.Container(content, padding=ft.Padding.only(left=side, right=side, top=36, bottom=GAP)))
        ],
    )


@screen
def PinOnce(fresh: Enrolled, on_written: Callable[[], None]) -> ft.View:
    """The PIN that the app made: shown once, to be written down."""
    here: Stage = stage()
    words = here.words
    side = margins(here.width, 480)
    content: list[ft.Control | None] = [
        brand(here),
        text(words("enrol.done", name=fresh.user), S.TITLE_LARGE, text_align=ft.TextAlign.CENTER),
        small(words("enrol.write_down"), text_align=ft.TextAlign.CENTER),
        ft.Container(
            ft.Semantics(
                content=ft.Text(
                    " ".join(fresh.pin or ""),
                    theme_style=S.DISPLAY_SMALL,
                    color=C.ON_PRIMARY_CONTAINER,
                    text_align=ft.TextAlign.CENTER,
                ),
                label=words("enrol.your_pin", pin=" ".join(fresh.pin or "")),
            ),
            padding=28,
            border_radius=20,
            bgcolor=C.PRIMARY_CONTAINER,
            alignment=ft.Alignment.CENTER,
        ),
        notice(ft.Icons.INFO_OUTLINE, words("enrol.once"), words("enrol.once_body"), Tone.WAIT),
    ]

    def written(_: Any) -> None:
        on_written()

    return ft.View(
        route="/",
        padding=0,
        bgcolor=C.SURFACE,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
        controls=[
            ft.Column(
                [
                    ft.SafeArea(
                        ft.Container(
                            column(content, spacing=20), padding=ft.Padding.only(left=side, right=side, top=36)
                        )
                    )
                ],
                expand=True,
                scroll=ft.ScrollMode.AUTO,
                horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
            ),
            pinned(primary(words("enrol.written"), written, icon=ft.Icons.CHECK), here.width),
        ],
    )
