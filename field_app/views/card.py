"""A card for the person: what LEAD is, where and when, "you can say no", how to reach it. No personal data; two languages."""

from __future__ import annotations

import flet as ft

from field_app.snapshot import Call
from field_app.views.boundary import component, handler, screen
from field_app.views.parts import C, Option, S, choices, column, margins, text
from field_app.views.shell import room, shell
from field_app.views.stage import stage
from field_app.wording import LANGUAGES, Words

POINTS = (
    ("card.what", ft.Icons.HANDSHAKE_OUTLINED),
    ("card.help", ft.Icons.VOLUNTEER_ACTIVISM_OUTLINED),
    ("card.no", ft.Icons.PAN_TOOL_OUTLINED),
    ("card.private", ft.Icons.LOCK_OUTLINE),
)


@component
def PersonCard(width: float) -> ft.Control:
    """The card, in the language of whoever reads it."""
    here = stage()
    spoken_here, set_spoken = ft.use_state(here.words.language)
    words = Words(language=spoken_here, region=here.words.region, zone=here.words.zone)
    programme = here.programme
    line = programme.contacts.get("participant_line")
    place = programme.destinations[0] if programme.destinations else None

    async def dial(call: Call) -> None:
        if not await here.hands.dial(call.number):
            here.say(here.words("call.no_phone", number=call.number))

    points: list[ft.Control | None] = [
        ft.Row(
            [
                ft.Icon(icon, size=30, color=C.PRIMARY),
                column([text(words(key), S.TITLE_MEDIUM), text(words(f"{key}_body"))], spacing=2, expand=True),
            ],
            spacing=16,
            vertical_alignment=ft.CrossAxisAlignment.START,
        )
        for key, icon in POINTS
    ]
    where: list[ft.Control | None] = [text(words("card.where"), S.TITLE_MEDIUM)]
    if place is not None:
        where.append(text(words.pack(place.text)))
    where.append(text(words.pack(programme.hours.text)))
    if line is not None:
        call = Call(code="", number=line.phone, label=words.pack(line.name))
        where.append(ft.Text(line.phone, theme_style=S.HEADLINE_MEDIUM, color=C.PRIMARY, selectable=True))
        where.append(
            ft.OutlinedButton(
                content=words("call.dial", number=line.phone),
                icon=ft.Icons.CALL,
                on_click=handler(lambda _: dial(call)),
                style=ft.ButtonStyle(padding=ft.Padding.symmetric(horizontal=18, vertical=16)),
            )
        )
    sheet = ft.Container(
        column(
            [
                text(words("card.title"), S.HEADLINE_MEDIUM),
                text(words.pack(programme.name), S.BODY_LARGE, quiet=True),
                *points,
                ft.Divider(),
                column(where, spacing=6),
            ],
            spacing=20,
        ),
        padding=24,
        border_radius=24,
        bgcolor=C.SURFACE_CONTAINER_LOWEST,
        border=ft.Border.all(1, C.OUTLINE_VARIANT),
    )
    languages = [Option(value=code, label=words(f"language.{code}")) for code in LANGUAGES]
    side = margins(width, 560)
    return ft.Column(
        [
            ft.Container(
                column([choices(languages, spoken_here, set_spoken, narrow=here.cramped), sheet], spacing=16),
                padding=ft.Padding.only(left=side, right=side, top=4, bottom=28),
            )
        ],
        scroll=ft.ScrollMode.AUTO,
        expand=True,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
    )


@screen
def CardScreen() -> ft.View:
    """The card, to show or to print."""
    here = stage()
    return shell(here, "/card", here.words("tab.card"), PersonCard(room(here)), tab="/card")
