"""Notices that nobody has acknowledged yet, as cards: open the referral, or say that it was seen.

An open handoff is shown by its own card in the inbox, and "no one has answered" by the card with the number to call.
"""

from __future__ import annotations

import flet as ft

from field_app.snapshot import NoticeRow
from field_app.views.parts import Tone, notice, outlined
from field_app.views.stage import Stage, go
from referral.views import NoticeKind

MOST = 5
SHOWN_ELSEWHERE = (NoticeKind.HANDOFF_OFFERED, NoticeKind.HANDOFF_ESCALATED)


def open_notices(here: Stage) -> tuple[NoticeRow, ...]:
    """Those that still want a look, newest first as they came."""
    offered = {row.referral_id for row in here.snapshot.inbox}
    called = {row.referral_id for row in here.snapshot.referrals if row.call is not None}

    def wanted(row: NoticeRow) -> bool:
        if row.acknowledged or row.kind in SHOWN_ELSEWHERE or row.referral_id in offered:
            return False
        return not (row.kind is NoticeKind.NOBODY_ANSWERED and row.referral_id in called)

    return tuple(row for row in here.snapshot.notices if wanted(row))


def notice_cards(here: Stage) -> list[ft.Control]:
    """One card a notice."""
    words = here.words
    made: list[ft.Control] = []
    for row in open_notices(here)[:MOST]:

        async def seen(_: object, notice_id: str = row.notice_id) -> None:
            await here.do(here.actions.acknowledge, notice_id)

        async def opened(_: object, row: NoticeRow = row) -> None:
            await here.do(here.actions.acknowledge, row.notice_id)
            go(f"/referral/{row.referral_id}")

        buttons = [outlined(words("notice.open"), opened), outlined(words("notice.seen"), seen, icon=ft.Icons.CHECK)]
        body = words("notice.when", when=words.when(row.created_at, here.snapshot.now))
        title = words(f"notice.{row.kind}")
        made.append(
            notice(ft.Icons.NOTIFICATIONS_OUTLINED, title, body, Tone.PLAIN, buttons, key=f"notice-{row.notice_id}")
        )
    return made
