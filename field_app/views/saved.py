"""After Save: it is safe here; has LEAD been told? If not, whom to call and what to say. Then the incident number."""

from __future__ import annotations

import flet as ft

from field_app.snapshot import Delivery, ReferralRow
from field_app.views.boundary import component, handler, screen
from field_app.views.detail import row_of
from field_app.views.parts import (
    C,
    S,
    Tone,
    card,
    column,
    margins,
    notice,
    outlined,
    pinned,
    primary,
    small,
    spoken,
    text,
    text_field,
)
from field_app.views.rows import call_card
from field_app.views.shell import room, shell
from field_app.views.stage import Stage, go, stage
from field_app.views.states import handoff_word
from referral.lifecycle import Handoff
from referral.model import ReferralId


def told(row: ReferralRow, here: Stage) -> ft.Control:
    """Whether LEAD knows yet, in one card."""
    words = here.words
    if row.call is not None:
        return call_card(row, row.call, here)
    if row.handoff not in (None, Handoff.NONE):
        return spoken(notice(ft.Icons.PERSON_PIN_CIRCLE_OUTLINED, handoff_word(row, words), None, Tone.GOOD))
    if row.delivery in (Delivery.ACCEPTED, Delivery.STORED):
        said = words("saved.received", receipt=row.receipt or "")
        return spoken(notice(ft.Icons.MARK_EMAIL_READ_OUTLINED, said, None, Tone.GOOD))
    return spoken(notice(ft.Icons.SCHEDULE, words("saved.waiting"), words("saved.waiting_body"), Tone.WAIT))


@component
def Incident(referral_id: ReferralId, present: bool) -> ft.Control:
    """The incident or CAD number, when it is known; "pending" is fine."""
    here = stage()
    words = here.words
    typed, set_typed = ft.use_state("")
    done, set_done = ft.use_state(present)

    async def put(_: object) -> None:
        if typed.strip():
            await here.do(here.actions.amend, referral_id, {"incident_number": typed.strip()})
            set_done(True)

    if done:
        return small(words("incident.done"))
    return column(
        [
            text_field(
                label=words("incident.label"),
                helper=words("incident.hint"),
                helper_max_lines=2,
                value=typed,
                max_length=64,
                capitalization=ft.TextCapitalization.CHARACTERS,
                autocorrect=False,
                on_change=handler(lambda e: set_typed(str(e.control.value or ""))),
                on_submit=handler(put),
            ),
            outlined(words("incident.add"), put, icon=ft.Icons.ADD),
        ],
        spacing=8,
    )


@screen
def SavedScreen() -> ft.View:
    """What happened, what it means, what to do next."""
    here = stage()
    words = here.words
    referral_id = ReferralId(ft.use_route_params()["id"])
    row = row_of(here, referral_id)
    width = room(here)
    side = margins(width)

    async def another(_: object) -> None:
        if row is not None:
            draft = await here.do(here.actions.start, row.kind, referral_id)
            go(f"/form/{draft.referral_id}")

    head = ft.Column(
        [
            ft.Icon(ft.Icons.CHECK_CIRCLE, size=56, color=C.PRIMARY),
            spoken(text(words("saved.title"), S.HEADLINE_SMALL, text_align=ft.TextAlign.CENTER)),
        ],
        horizontal_alignment=ft.CrossAxisAlignment.CENTER,
        spacing=10,
    )
    parts: list[ft.Control | None] = [head]
    if row is not None:
        parts.append(told(row, here))
        if "incident_number" in row.to_finish:
            parts.append(card(Incident(referral_id, False)))
        left = [name for name in row.to_finish if name != "incident_number"]
        if left:
            parts.append(small(words.count("saved.to_finish", len(left)), text_align=ft.TextAlign.CENTER))
        parts.append(outlined(words("saved.another"), another, icon=ft.Icons.PERSON_ADD_ALT_OUTLINED))
        parts.append(
            outlined(words("saved.open"), lambda _: go(f"/referral/{referral_id}"), icon=ft.Icons.ARTICLE_OUTLINED)
        )
    body = ft.Column(
        [ft.Container(column(parts, spacing=16), padding=ft.Padding.only(left=side, right=side, top=20, bottom=24))],
        scroll=ft.ScrollMode.AUTO,
        expand=True,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
    )
    done = primary(words("saved.done"), lambda _: go("/"), icon=ft.Icons.HOME_OUTLINED)
    return shell(here, f"/saved/{referral_id}", words("saved.bar"), body, bottom=pinned(done, width))
