"""The form: one scrolling page in three short parts, in the product's order. Every answer is saved as it is given.

Nothing here is the only copy of an answer: the draft is sealed after each one, and typed text is put before Save, before
leaving and before a lock. Save is pinned at thumb height and says what is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import flet as ft

from field_app.outcomes import Missing, Saved, Trouble
from field_app.views import person, questions
from field_app.views.asking import Asking, Change, Pen
from field_app.views.boundary import component, handler, screen
from field_app.views.outlook import outlook_card
from field_app.views.parts import C, S, Tone, card, column, icon_button, margins, notice, pinned, primary, text, working
from field_app.views.port import Draft
from field_app.views.shell import room, shell
from field_app.views.stage import go, stage
from referral.eligibility import Outlook
from referral.model import Kind, ReferralId
from referral.problems import FieldError

WHOLE = ("person.birth", "place")  # answers that replace the former one instead of merging with it
Put = Callable[[Sequence[Change]], Awaitable[None]]
ARREST_FIRST = ("offence_codes", "quantity", "place", "exclusions.open_warrant", "exclusions.safety_threat")
ARREST_LAST = ("willing", "whereabouts", "person.name", "person.birth", "reach")
SOCIAL_FIRST = ("willing", "person.name", "person.birth", "reach")
SOCIAL_LAST = ("place", "basis", "urgency", "reason")
EXTRAS = ("immediate_need", "language", "interpreter", "for_officer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The draft and what follows from it."""

    draft: Draft
    outlook: Outlook
    missing: tuple[str, ...]


def part(title: str, number: int, body: Sequence[ft.Control | None]) -> ft.Control:
    """One of the three parts of the page."""
    head = ft.Semantics(
        content=ft.Row(
            [
                ft.Container(
                    ft.Text(str(number), size=16, weight=ft.FontWeight.W_600, color=C.ON_PRIMARY),
                    width=30,
                    height=30,
                    border_radius=15,
                    bgcolor=C.PRIMARY,
                    alignment=ft.Alignment.CENTER,
                ),
                text(title, S.TITLE_LARGE, expand=True),
            ],
            spacing=12,
        ),
        header=True,
        heading_level=2,
        label=title,
    )
    return card(column([head, *body], spacing=24), padding=18)


def expand_whole(changes: Sequence[Change]) -> list[Change]:
    """The changes, with a former answer taken away where a new one replaces it whole."""
    made: list[Change] = []
    for path, value in changes:
        if path in WHOLE and isinstance(value, Mapping):
            made.append((path, None))
        made.append((path, value))
    return made


@component
def FormBody(
    referral_id: ReferralId, width: float, on_live: Callable[[Live], None], on_pen: Callable[[Pen], None], scroller: Any
) -> ft.Control:
    """The page itself: loads the draft, asks, saves each answer."""
    here = stage()
    words = here.words
    live, set_live = ft.use_state(cast("Live | None", None))
    errors, set_errors = ft.use_state(cast("dict[str, str]", {}))
    opened, set_opened = ft.use_state(False)
    extras, set_extras = ft.use_state(False)
    order = ft.use_memo(asyncio.Lock, [])
    actions = here.actions

    def look(draft: Draft) -> Live:
        return Live(draft=draft, outlook=actions.outlook(draft), missing=actions.missing(draft))

    def show(found: Live) -> None:
        set_live(found)
        on_live(found)

    async def put(changes: Sequence[Change]) -> None:
        def save() -> Live:
            draft: Draft | None = None
            for path, value in expand_whole(changes):
                draft = actions.answer(referral_id, path, value)
            return look(draft if draft is not None else actions.resume(referral_id))

        async with order:
            try:
                show(await here.do(save))
                set_errors({})
            except FieldError as error:
                set_errors({(changes[0][0] if changes else error.field): words("form.not_taken")})

    latest = ft.use_ref(cast("Put | None", None))
    latest.current = put

    async def write(changes: Sequence[Change]) -> None:
        if latest.current is not None:
            await latest.current(changes)

    pen = ft.use_memo(lambda: Pen(write, ft.context.page), [])

    async def load() -> None:
        on_pen(pen)
        show(await here.do(lambda: look(actions.resume(referral_id))))

    async def convert(_: object) -> None:
        if live is None:
            return
        before = live.draft
        await pen.flush()
        show(await here.do(lambda: look(actions.convert(referral_id))))

        async def undo(_: object) -> None:
            def put_back() -> Live:
                actions.restore(before)
                return look(actions.resume(referral_id))

            show(await here.do(put_back))

        here.say(words("form.converted"), words("undo"), handler(undo))

    ft.use_effect(handler(load), [referral_id], handler(pen.flush))
    if live is None:
        return ft.Container(working(words("form.loading")), padding=60)
    draft = live.draft
    ask = Asking(here=here, kind=draft.kind, answers=draft.answers, put=put, pen=pen, errors=errors, width=width)

    def asked(names: Sequence[str]) -> list[ft.Control | None]:
        return [questions.QUESTIONS[name](ask) for name in names]

    view = outlook_card(live.outlook, here, convert)
    if draft.kind is Kind.ARREST:
        rest = questions.other_exclusions(ask, opened, lambda _: set_opened(True))
        parts = [
            part(words("form.part.what"), 1, [*asked(ARREST_FIRST), rest]),
            part(words("form.part.outlook"), 2, [view]),
            part(words("form.part.person"), 3, asked(ARREST_LAST)),
        ]
    else:
        parts = [
            part(words("form.part.who"), 1, asked(SOCIAL_FIRST)),
            part(words("form.part.why"), 2, asked(SOCIAL_LAST)),
            part(words("form.part.outlook"), 3, [view]),
        ]
    more = ("note", *EXTRAS) if draft.kind is Kind.SOCIAL else EXTRAS
    extra = column(asked(more), spacing=24) if extras else None
    with_me = person.with_me(ask) if extras and draft.kind is Kind.SOCIAL else None
    toggle = ft.TextButton(
        content=words("form.less") if extras else words("form.more"),
        icon=ft.Icons.EXPAND_LESS if extras else ft.Icons.EXPAND_MORE,
        on_click=handler(lambda _: set_extras(not extras)),
        style=ft.ButtonStyle(padding=ft.Padding.all(16)),
        key="form-more",
    )
    parts.append(card(column([toggle, with_me, extra], spacing=20), padding=12))
    side = margins(width)
    page = ft.Column(
        [ft.Container(column(parts, spacing=14), padding=ft.Padding.only(left=side, right=side, top=4, bottom=24))],
        scroll=ft.ScrollMode.AUTO,
        expand=True,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
        on_scroll=handler(lambda _: here.touched()),
    )
    scroller.current = page
    return page


@screen
def Form() -> ft.View:
    """A new referral, or one taken up again."""
    here = stage()
    words = here.words
    referral_id = ReferralId(ft.use_route_params()["id"])
    live, set_live = ft.use_state(cast("Live | None", None))
    saving, set_saving = ft.use_state(False)
    trouble, set_trouble = ft.use_state(cast("Trouble | None", None))
    scroller = ft.use_ref(cast("ft.Column | None", None))
    pen = ft.use_ref(cast("Pen | None", None))

    def have_pen(made: Pen) -> None:
        pen.current = made
        here.unsaved.add(made.flush)

    def leave() -> None:
        if pen.current is not None:
            here.unsaved.discard(pen.current.flush)

    ft.use_effect(lambda: None, [], leave)

    async def to(name: str) -> None:
        if scroller.current is not None:
            await scroller.current.scroll_to(scroll_key=f"ask-{name}", duration=250)

    async def save(_: object) -> None:
        if pen.current is not None:
            await pen.current.flush()
        if live is not None and live.missing:
            await to(live.missing[0])
            return
        set_saving(True)
        try:
            outcome = await here.do(here.actions.submit, referral_id)
        finally:
            set_saving(False)
        if isinstance(outcome, Saved):
            go(f"/saved/{outcome.referral_id}")
        elif isinstance(outcome, Missing):
            await to(outcome.fields[0])
        else:
            set_trouble(outcome)

    async def discard(_: object) -> None:
        if pen.current is not None:
            await pen.current.flush()
        gone = await here.do(here.actions.discard, referral_id)
        go("/")

        async def undo(_: object) -> None:
            await here.do(here.actions.restore, gone)

        here.say(words("draft.discarded"), words("undo"), handler(undo))

    if saving:
        save_bar: ft.Control = working(words("form.saving"))
    elif live is not None and live.missing:
        first = words(f"missing.{live.missing[0]}") if words.has(f"missing.{live.missing[0]}") else live.missing[0]
        save_bar = ft.FilledTonalButton(
            content=words("form.needed", what=first),
            icon=ft.Icons.ARROW_DOWNWARD,
            on_click=handler(save),
            key="save",
            style=ft.ButtonStyle(
                shape=ft.RoundedRectangleBorder(radius=14), padding=ft.Padding.symmetric(horizontal=16, vertical=18)
            ),
        )
    else:
        save_bar = primary(words("form.save"), save, icon=ft.Icons.SAVE_OUTLINED, disabled=live is None, key="save")
    bar: list[ft.Control | None] = [save_bar]
    if trouble is not None:
        title, meaning = words.problem(trouble.problem)
        bar.insert(0, notice(ft.Icons.ERROR_OUTLINE, title, meaning, Tone.BAD))
    kind = live.draft.kind if live is not None else Kind.ARREST
    width = room(here)
    body = FormBody(referral_id, width, set_live, have_pen, scroller)
    return shell(
        here,
        f"/form/{referral_id}",
        words(f"kind.{kind}") if live is not None else words("app.name"),
        body,
        bottom=pinned(column(bar, spacing=10), width),
        actions=[icon_button(ft.Icons.DELETE_OUTLINE, words("form.discard"), discard)],
    )
