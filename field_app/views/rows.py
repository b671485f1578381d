"""Lists of referrals: one row, the cards that ask for a call, and a list that shows 50 rows at a time.

A list draws only what is visible, but every row is built and sent: hence the pages (Flet 1.0, measured).
"""

from __future__ import annotations

from collections.abc import Callable

import flet as ft

from field_app.snapshot import Call, DraftRow, ReferralRow
from field_app.views.boundary import component, handler
from field_app.views.parts import (
    C,
    S,
    Tone,
    card,
    column,
    icon_button,
    notice,
    outlined,
    primary,
    quiet,
    small,
    text,
    wrap,
)
from field_app.views.stage import Stage, stage
from field_app.views.states import KINDS, chips, title_of
from field_app.views.theme import GAP, RADIUS

PAGE = 50


def referral_row(row: ReferralRow, here: Stage, on_open: Callable[[], object], *, chosen: bool = False) -> ft.Control:
    """One referral: who, what kind, when, and where it stands."""
    words = here.words
    head = ft.Row(
        [
            ft.Icon(KINDS[row.kind], size=22, color=C.PRIMARY),
            text(title_of(row, words), S.TITLE_MEDIUM, expand=True, max_lines=2, overflow=ft.TextOverflow.ELLIPSIS),
            small(words.since(row.created_at, here.snapshot.now)),
        ],
        spacing=10,
        vertical_alignment=ft.CrossAxisAlignment.START,
    )
    facts = [words(f"kind.{row.kind}")]
    if not here.officer and row.officer_name:
        facts.append(words("row.from", name=row.officer_name))
    if row.receipt and not row.shrunk:
        facts.append(words("row.receipt", receipt=row.receipt))
    if row.to_finish:
        facts.append(words.count("row.to_finish", len(row.to_finish)))
    body = column([head, small(" · ".join(facts)), wrap(chips(row, words))], spacing=8)
    made = card(body, on_click=lambda _: on_open(), key=f"row-{row.referral_id}", padding=14)
    if chosen:
        made.border = ft.Border.all(2, C.PRIMARY)
    return ft.Semantics(content=made, button=True, identifier=f"row-{row.referral_id}")


def dial_button(call: Call, here: Stage, *, big: bool = False) -> ft.Control:
    """One tap to call; the number is in the words, for the radio and for a tablet without a telephone."""
    label = here.words("call.dial", number=call.number)

    async def dial(_: object = None) -> None:
        here.touched()
        if not await here.hands.dial(call.number):
            here.say(here.words("call.no_phone", number=call.number))

    make = primary if big else outlined
    return make(label, dial, icon=ft.Icons.CALL)


def answers_at(call: Call, here: Stage) -> str:
    """Who answers a number, in the person's language where the pack knows it."""
    programme = here.snapshot.programme
    contacts = programme.contacts.values() if programme is not None else ()
    return next((here.words.pack(c.name) for c in contacts if c.phone == call.number), call.label)


def call_card(row: ReferralRow, call: Call, here: Stage) -> ft.Control:
    """LEAD does not know yet, or nobody has answered: whom to call and the code to give."""
    words = here.words
    if row.nobody_answered:
        title, body, icon = (
            words("call.nobody"),
            words("call.nobody_body", number=call.number, code=call.code),
            ft.Icons.PHONE_MISSED,
        )
    else:
        title, body, icon = (
            words("call.not_told"),
            words("call.not_told_body", number=call.number, code=call.code),
            ft.Icons.CALL,
        )
    code = ft.Container(
        ft.Text(call.code, theme_style=S.HEADLINE_MEDIUM, color=Tone.BAD.ink if row.nobody_answered else Tone.WAIT.ink),
        padding=ft.Padding.only(right=8),
    )
    tone = Tone.BAD if row.nobody_answered else Tone.WAIT
    who = ft.Text(
        f"{title_of(row, words)} · {answers_at(call, here)}", theme_style=S.BODY_MEDIUM, color=C.ON_SURFACE_VARIANT
    )
    made = notice(icon, title, body, tone, [code, dial_button(call, here, big=True)])
    return ft.Semantics(content=column([who, made], spacing=4), live_region=True, key=f"call-{row.referral_id}")


def draft_row(
    row: DraftRow, here: Stage, on_open: Callable[[], object], on_discard: Callable[[], object]
) -> ft.Control:
    """A form that was left: take it up again, or throw it away (Undo follows)."""
    words = here.words
    title = row.title or words("row.no_name")
    line = words("draft.line", kind=words(f"kind.{row.kind}"), age=words.since(row.saved_at, here.snapshot.now))
    body = ft.Row(
        [
            ft.Icon(ft.Icons.EDIT_NOTE, size=26, color=C.PRIMARY),
            column([text(title, S.TITLE_MEDIUM), small(line)], spacing=2, expand=True),
        ],
        spacing=12,
    )
    opener = card(body, on_click=lambda _: on_open(), key=f"draft-{row.referral_id}", padding=14)
    opener.expand = True
    away = icon_button(ft.Icons.DELETE_OUTLINE, words("draft.discard", title=title), lambda _: on_discard())
    return ft.Row([opener, away], spacing=4)


@component
def Paged(count: int, build: Callable[[int], list[ft.Control]], head: list[ft.Control]) -> ft.Control:
    """A scrolling list: `head`, then rows by `build(limit)`, 50 more at each tap."""
    here = stage()
    limit, set_limit = ft.use_state(PAGE)
    shown = build(limit)
    more: list[ft.Control] = []
    if count > limit:
        left = min(PAGE, count - limit)
        more.append(
            quiet(
                here.words("list.more", n=left, all=count), lambda _: set_limit(limit + PAGE), icon=ft.Icons.EXPAND_MORE
            )
        )
    return ft.ListView(
        [*head, *shown, *more],
        expand=True,
        spacing=10,
        padding=ft.Padding.only(left=GAP, right=GAP, top=4, bottom=GAP + 8),
        on_scroll=handler(lambda _: here.touched()),
    )


def section(title: str) -> ft.Control:
    """A small heading inside a list."""
    return ft.Container(
        ft.Semantics(content=text(title, S.TITLE_SMALL, quiet=True), header=True, heading_level=2),
        padding=ft.Padding.only(top=8, left=2),
        border_radius=RADIUS,
    )
