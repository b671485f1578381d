"""An officer's first screen: two buttons at thumb height, one honest line, what needs a call, and my referrals."""

from __future__ import annotations

from functools import partial
from typing import cast

import flet as ft

from field_app.snapshot import DraftRow, ReferralRow
from field_app.views.alarms import alarm_cards
from field_app.views.boundary import component, handler, screen
from field_app.views.detail import DetailPane
from field_app.views.notices import notice_cards
from field_app.views.parts import S, Tone, column, empty, icon_button, pinned, primary, spoken, text_field
from field_app.views.rows import Paged, call_card, draft_row, referral_row, section
from field_app.views.shell import LIST, room, shell
from field_app.views.stage import Stage, go, stage
from field_app.views.states import delivery_sentence
from referral.model import Kind, ReferralId


def delivery_line(here: Stage) -> ft.Control:
    """Whether what I saved has arrived: no tap, no jargon."""
    icon, tone, sentence = delivery_sentence(here.snapshot.delivery, here.words, here.snapshot.now)
    return spoken(
        ft.Container(
            ft.Row(
                [
                    ft.Icon(icon, size=22, color=tone.ink),
                    ft.Text(sentence, theme_style=S.BODY_MEDIUM, color=tone.ink, expand=True),
                ],
                spacing=10,
            ),
            padding=ft.Padding.symmetric(horizontal=14, vertical=10),
            border_radius=14,
            bgcolor=tone.ground,
            on_click=handler(lambda _: go("/outbox")) if tone in (Tone.WAIT, Tone.BAD) else None,
        )
    )


def start_buttons(here: Stage) -> ft.Control:
    """The two doors into LEAD."""

    async def begin(kind: Kind) -> None:
        draft = await here.do(here.actions.start, kind)
        go(f"/form/{draft.referral_id}")

    doors = ((Kind.ARREST, "arrest", ft.Icons.ALT_ROUTE), (Kind.SOCIAL, "social", ft.Icons.HANDSHAKE_OUTLINED))
    made: list[ft.Control | None] = [
        primary(
            here.words(f"home.{name}"),
            lambda _, kind=kind: begin(kind),
            icon=None if here.cramped else icon,
            expand=None if here.cramped else 1,
            key=f"new-{name}",
        )
        for kind, name, icon in doors
    ]
    if here.cramped:
        return column(made, spacing=8)
    return ft.Row(
        [one for one in made if one is not None],
        spacing=10,
        intrinsic_height=True,
        vertical_alignment=ft.CrossAxisAlignment.STRETCH,
    )


@component
def MyReferrals(chosen: ReferralId | None) -> ft.Control:
    """The delivery line, calls, drafts, search and the list."""
    here = stage()
    words, snapshot = here.words, here.snapshot
    sought, set_sought = ft.use_state("")
    found, set_found = ft.use_state(cast("tuple[ReferralRow, ...] | None", None))
    cleared, set_cleared = ft.use_state(0)

    async def search(text: str) -> None:
        here.touched()
        set_sought(text)
        set_found(await here.do(here.actions.search, text) if text.strip() else None)

    async def clear(_: object) -> None:
        set_cleared(cleared + 1)
        await search("")

    async def discard(row: DraftRow) -> None:
        gone = await here.do(here.actions.discard, row.referral_id)

        async def undo(_: object = None) -> None:
            await here.do(here.actions.restore, gone)

        here.say(words("draft.discarded"), words("undo"), handler(undo))

    rows = snapshot.referrals if found is None else found
    calls = [
        call_card(row, row.call, here)
        for row in snapshot.referrals
        if row.call is not None and row.referral_id != chosen  # the pane beside the list says it of the chosen one
    ][:3]
    drafts = [
        draft_row(row, here, partial(go, f"/form/{row.referral_id}"), partial(discard, row)) for row in snapshot.drafts
    ]
    head: list[ft.Control] = [*alarm_cards(here), delivery_line(here), *calls, *notice_cards(here)]
    if drafts:
        head += [section(words("home.drafts")), *drafts]
    if snapshot.referrals:
        head.append(section(words("home.mine")))
        head.append(
            text_field(
                label=words("home.search"),
                value=sought,
                clears=cleared,
                prefix_icon=ft.Icons.SEARCH,
                suffix=icon_button(ft.Icons.CLOSE, words("home.search_clear"), clear) if sought else None,
                on_change=handler(lambda e: search(str(e.control.value))),
            )
        )
        if not rows:
            head.append(empty(ft.Icons.SEARCH_OFF, words("home.none_found"), words("home.none_found_body")))
    else:
        head.append(empty(ft.Icons.ALT_ROUTE, words("home.empty"), words("home.empty_body")))

    def build(limit: int) -> list[ft.Control]:
        return [
            referral_row(row, here, partial(go, f"/referral/{row.referral_id}"), chosen=row.referral_id == chosen)
            for row in rows[:limit]
        ]

    return Paged(len(rows), build, head)


def officer_side(here: Stage, chosen: ReferralId | None) -> ft.Control:
    """The left pane on tablets: the list with the two buttons under it."""
    return ft.Column(
        [ft.Container(MyReferrals(chosen), expand=True), pinned(start_buttons(here), LIST)],
        spacing=0,
        expand=True,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
    )


@screen
def Home() -> ft.View:
    """The officer's home."""
    here = stage()
    title = here.words("app.name")
    if here.wide:
        blank = empty(ft.Icons.TOUCH_APP_OUTLINED, here.words("pane.choose"), here.words("pane.choose_body"))
        newest = here.snapshot.referrals[0].referral_id if here.snapshot.referrals else None
        pane = blank if newest is None else DetailPane(newest, room(here, beside_list=True), key=f"pane-{newest}")
        return shell(here, "/", title, pane, tab="/", side=officer_side(here, newest))
    return shell(here, "/", title, MyReferrals(None), tab="/", bottom=pinned(start_buttons(here), here.width))
