""" "To finish": one open question of a saved referral, answered with the form's own parts and sent as an amendment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import flet as ft

from field_app.outcomes import Trouble
from field_app.snapshot import Detail
from field_app.views.asking import Asking, Change, Pen
from field_app.views.boundary import component, handler, screen
from field_app.views.form import Put, expand_whole
from field_app.views.parts import Tone, column, margins, notice, pinned, primary, small, working
from field_app.views.questions import QUESTIONS, asked_text
from field_app.views.shell import room, shell
from field_app.views.stage import go, stage
from referral.codec import to_wire
from referral.model import ReferralId
from referral.operations import merge

Json = Any


def nested(path: str, value: Json) -> dict[str, Json]:
    """A value at a path, as a merge patch."""
    made: Json = value
    for name in reversed(path.split(".")):
        made = {name: made}
    return dict(made)


def patch_between(before: Mapping[str, Json], after: Mapping[str, Json]) -> dict[str, Json]:
    """The merge patch (RFC 7396) that makes `after` of `before`; empty when nothing changed."""
    patch: dict[str, Json] = {name: None for name in before if name not in after}
    for name, value in after.items():
        former = before.get(name)
        if isinstance(former, Mapping) and isinstance(value, Mapping):
            if inner := patch_between(former, value):
                patch[name] = inner
        elif former != value:
            patch[name] = value
    return patch


@component
def FinishBody(referral_id: ReferralId, name: str, width: float, changed: Any, pen_slot: Any) -> ft.Control:
    """The question, over the referral as this device knows it."""
    here = stage()
    detail, set_detail = ft.use_state(cast("Detail | None", None))
    answers, set_answers = ft.use_state(cast("dict[str, Json]", {}))

    known = ft.use_ref(cast("dict[str, Json]", {}))

    async def load() -> None:
        found = await here.do(here.actions.detail, referral_id)
        if found.referral is not None:
            known.current = to_wire(found.referral)
            set_answers(dict(known.current))
        set_detail(found)

    ft.use_effect(handler(load), [referral_id])
    slot = ft.use_ref(answers)
    slot.current = answers

    async def put(changes: Sequence[Change]) -> None:
        here.touched()
        after: dict[str, Json] = dict(slot.current or {})
        for path, value in expand_whole(changes):
            after = merge(after, nested(path, value))
        slot.current = after
        set_answers(after)
        changed(patch_between(known.current or {}, after))

    held = ft.use_ref(cast("Put | None", None))
    held.current = put

    async def write(changes: Sequence[Change]) -> None:
        if held.current is not None:
            await held.current(changes)

    pen = ft.use_memo(lambda: Pen(write, ft.context.page), [])
    pen_slot.current = pen
    if detail is None:
        return ft.Container(working(here.words("detail.loading")), padding=60)
    if detail.referral is None:
        return ft.Container(small(here.words("detail.shrunk")), padding=24)
    ask = Asking(here=here, kind=detail.row.kind, answers=answers, put=put, pen=pen, errors={}, width=width)
    make = QUESTIONS.get(name)
    question = make(ask) if make is not None else asked_text(ask, name)
    side = margins(width)
    return ft.Column(
        [
            ft.Container(
                column([small(here.words("finish.body")), question], spacing=18),
                padding=ft.Padding.only(left=side, right=side, top=8, bottom=24),
            )
        ],
        scroll=ft.ScrollMode.AUTO,
        expand=True,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
    )


@screen
def Finish() -> ft.View:
    """The screen of one open question."""
    here = stage()
    words = here.words
    params = ft.use_route_params()
    referral_id, name = ReferralId(params["id"]), params["name"]
    path = ft.use_view_path()
    trouble, set_trouble = ft.use_state(cast("Trouble | None", None))
    pen = ft.use_ref(cast("Pen | None", None))
    patch = ft.use_ref(cast("dict[str, Json]", {}))

    def changed(now: dict[str, Json]) -> None:
        patch.current = now

    async def save(_: object) -> None:
        if pen.current is not None:
            await pen.current.flush()
        if patch.current:
            outcome = await here.do(here.actions.amend, referral_id, patch.current)
            if isinstance(outcome, Trouble):
                set_trouble(outcome)
                return
            here.say(words("done.amend"))
        go(f"/referral/{referral_id}")

    bar: list[ft.Control | None] = [primary(words("finish.save"), save, icon=ft.Icons.SAVE_OUTLINED, key="save")]
    if trouble is not None:
        title, meaning = words.problem(trouble.problem)
        bar.insert(0, notice(ft.Icons.ERROR_OUTLINE, title, meaning, Tone.BAD))
    width = room(here)
    body = FinishBody(referral_id, name, width, changed, pen)
    return shell(here, path, words("finish.title"), body, bottom=pinned(column(bar, spacing=10), width))
