"""A case manager's first screen: who is coming, newest first, with a running clock; accept is one tap."""

from __future__ import annotations

import asyncio
from datetime import datetime
from functools import partial
from typing import cast

import flet as ft

from field_app.snapshot import Delivery, ReferralRow
from field_app.views.alarms import alarm_cards
from field_app.views.boundary import component, screen
from field_app.views.detail import DetailPane
from field_app.views.home import delivery_line
from field_app.views.notices import notice_cards
from field_app.views.parts import (
    C,
    Option,
    S,
    Tone,
    card,
    chip,
    choices,
    column,
    empty,
    icon_button,
    outlined,
    primary,
    quiet,
    small,
    text,
    wrap,
)
from field_app.views.rows import Paged, referral_row, section
from field_app.views.shell import room, shell
from field_app.views.stage import Stage, go, stage
from field_app.views.states import KINDS, title_of
from field_app.views.steps import finish
from referral.lifecycle import Episode
from referral.model import ReferralId, Whereabouts


@component
def Running(since: datetime, goal_s: float) -> ft.Control:
    """A clock that runs since a moment; past the goal it says so by icon and word."""
    here = stage()
    _, set_tick = ft.use_state(0)

    async def run() -> None:
        tick = 0
        while True:
            await asyncio.sleep(1)
            tick += 1
            set_tick(tick)

    task = ft.use_ref(cast("asyncio.Task[None] | None", None))

    def start() -> None:
        task.current = asyncio.ensure_future(run())

    def stop() -> None:
        if task.current is not None:
            task.current.cancel()

    ft.use_effect(start, [], stop)
    waited = (here.now() - since).total_seconds()
    late = waited > goal_s
    icon = ft.Icons.TIMER_OFF_OUTLINED if late else ft.Icons.TIMER_OUTLINED
    return chip(icon, here.words("inbox.clock", clock=here.words.clock(waited)), Tone.BAD if late else Tone.WAIT)


@component
def Offer(row: ReferralRow, base: str) -> ft.Control:
    """An incoming handoff: who is coming, from whom, since when; accept, or pass on with a reason."""
    here = stage()
    words, actions = here.words, here.actions
    passing, set_passing = ft.use_state(False)
    goal = here.programme.timers.warm_handoff_goal_minutes * 60.0

    async def accept(_: object) -> None:
        await finish(here, lambda: actions.accept(row.referral_id), words("done.accept"))

    async def redirect(reason: str) -> None:
        set_passing(False)
        await finish(here, lambda: actions.redirect(row.referral_id, reason), words("done.redirect"))

    facts = [words(f"kind.{row.kind}")]
    if row.officer_name:
        facts.append(words("row.from", name=row.officer_name))
    if row.whereabouts is Whereabouts.COMING_IN:
        facts.append(words("inbox.coming", time=words.time(row.eta_at)) if row.eta_at else words("inbox.coming_open"))
    elif row.whereabouts is not None:
        facts.append(words(f"answer.whereabouts.{row.whereabouts}"))
    if row.urgency is not None:
        facts.append(words(f"answer.urgency.{row.urgency}"))
    waiting = row.delivery is Delivery.WAITING
    head = ft.Row(
        [
            ft.Icon(KINDS[row.kind], size=24, color=C.PRIMARY),
            text(title_of(row, words), S.TITLE_LARGE, expand=True),
        ],
        spacing=10,
        vertical_alignment=ft.CrossAxisAlignment.START,
    )
    parts: list[ft.Control | None] = [head, small(" · ".join(facts))]
    marks: list[ft.Control] = []
    if row.offered_at is not None:
        marks.append(Running(row.offered_at, goal, key=f"clock-{row.referral_id}"))
    if row.nobody_answered:
        marks.append(chip(ft.Icons.PHONE_MISSED, words("row.nobody"), Tone.BAD))
    if waiting:
        marks.append(chip(ft.Icons.SCHEDULE, words("delivery.waiting"), Tone.WAIT))
    parts.append(wrap(marks) if marks else None)
    if passing:
        reasons = [
            Option(value=c.code, label=words.pack(c.text)) for c in here.programme.choices.get("redirect_reason", ())
        ]
        close = icon_button(ft.Icons.CLOSE, words("step.close"), lambda _: set_passing(False))
        parts.append(ft.Row([text(words("step.redirect_why"), S.TITLE_SMALL, expand=True), close]))
        parts.append(choices(reasons, None, redirect, narrow=here.cramped))
    else:
        parts.append(
            ft.Row(
                [
                    primary(
                        words("step.accept"), accept, icon=ft.Icons.CHECK, expand=2, key=f"accept-{row.referral_id}"
                    ),
                    outlined(
                        words("step.redirect"), lambda _: set_passing(True), expand=1, key=f"redirect-{row.referral_id}"
                    ),
                ],
                spacing=10,
            )
        )
    see = quiet(words("inbox.see"), lambda _: go(f"{base}/referral/{row.referral_id}"), icon=ft.Icons.ARTICLE_OUTLINED)
    parts.append(see)
    return card(column(parts, spacing=10), key=f"offer-{row.referral_id}")


def caseload_line(here: Stage) -> ft.Control | None:
    """How full the pair is: "12 of 28"."""
    load = here.snapshot.caseload
    if load is None:
        return None
    words = here.words
    tone = Tone.BAD if load.enrolled >= load.cap else Tone.WAIT if load.enrolled >= load.soft else Tone.PLAIN
    key = "caseload.full" if tone is Tone.BAD else "caseload.soft" if tone is Tone.WAIT else "caseload.line"
    said = words(key, n=load.enrolled, cap=load.cap)
    body = column(
        [
            ft.Row(
                [
                    ft.Icon(ft.Icons.GROUPS_OUTLINED, size=22, color=tone.ink),
                    ft.Text(said, theme_style=S.BODY_MEDIUM, color=tone.ink, expand=True),
                ],
                spacing=10,
            ),
            ft.ProgressBar(
                value=min(1.0, load.enrolled / max(1, load.cap)),
                color=tone.ink,
                bgcolor=C.SURFACE_CONTAINER_LOWEST,
                border_radius=6,
                bar_height=8,
                semantics_label=said,
            ),
        ],
        spacing=8,
    )
    return ft.Container(body, padding=14, border_radius=14, bgcolor=tone.ground)


@component
def Incoming(chosen: ReferralId | None) -> ft.Control:
    """Open offers, notices, and how things stand."""
    here = stage()
    words, rows = here.words, here.snapshot.inbox
    head: list[ft.Control] = [*alarm_cards(here), delivery_line(here), *notice_cards(here)]
    if rows:
        head.append(section(words.count("inbox.waiting", len(rows))))
    else:
        head.append(empty(ft.Icons.INBOX_OUTLINED, words("inbox.empty"), words("inbox.empty_body")))

    def build(limit: int) -> list[ft.Control]:
        made: list[ft.Control] = [Offer(row, "", key=f"o-{row.referral_id}") for row in rows[:limit]]
        return made

    return Paged(len(rows), build, head)


def my_people(here: Stage) -> tuple[ReferralRow, ...]:
    """Those whom this case manager or their pair holds, closed ones last."""
    return tuple(sorted(here.snapshot.referrals, key=lambda row: row.episode is Episode.CLOSED))


@component
def People(chosen: ReferralId | None) -> ft.Control:
    """The caseload and the people in it."""
    here = stage()
    words, rows = here.words, my_people(here)
    load = caseload_line(here)
    head: list[ft.Control] = [load] if load is not None else []
    if not rows:
        head.append(empty(ft.Icons.GROUPS_OUTLINED, words("people.empty"), words("people.empty_body")))

    def build(limit: int) -> list[ft.Control]:
        return [
            referral_row(
                row, here, partial(go, f"/people/referral/{row.referral_id}"), chosen=row.referral_id == chosen
            )
            for row in rows[:limit]
        ]

    return Paged(len(rows), build, head)


def case_manager_side(here: Stage, chosen: ReferralId | None, path: str) -> ft.Control:
    """The left pane on tablets."""
    return People(chosen) if path.startswith("/people") else Incoming(chosen)


def _beside(here: Stage, rows: tuple[ReferralRow, ...], empty_key: str) -> tuple[ft.Control, ReferralId | None]:
    blank = empty(ft.Icons.TOUCH_APP_OUTLINED, here.words("pane.choose"), here.words(empty_key))
    if not rows:
        return blank, None
    first = rows[0].referral_id
    return DetailPane(first, room(here, beside_list=True), key=f"pane-{first}"), first


@screen
def Inbox() -> ft.View:
    """Incoming handoffs."""
    here = stage()
    title = here.words("tab.inbox")
    if here.wide:
        pane, first = _beside(here, here.snapshot.inbox, "pane.choose_body")
        return shell(here, "/", title, pane, tab="/", side=Incoming(first))
    return shell(here, "/", title, Incoming(None), tab="/")


@screen
def PeopleScreen() -> ft.View:
    """My people."""
    here = stage()
    title = here.words("tab.people")
    if here.wide:
        pane, first = _beside(here, my_people(here), "pane.choose_body")
        return shell(here, "/people", title, pane, tab="/people", side=People(first))
    return shell(here, "/people", title, People(None), tab="/people")
