"""What a person may do with a referral now: one button a step; a step that needs a word more opens under its button.

Which steps there are comes with the referral (`Detail.steps`); this file only knows how to ask for each. All work offline.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, timedelta
from typing import Any, cast

import flet as ft

from field_app.outcomes import Trouble
from field_app.snapshot import Detail
from field_app.views.boundary import component, handler
from field_app.views.parts import (
    Option,
    card,
    choices,
    column,
    icon_button,
    outlined,
    primary,
    question,
    small,
    text,
    text_field,
    wrap,
)
from field_app.views.person import ETA_MINUTES
from field_app.views.port import Step
from field_app.views.stage import Stage, stage
from referral.lifecycle import Handoff
from referral.operations import NotCompletedReason, Op, SaoAnswer

I = ft.Icons  # noqa: E741
LOOKS: dict[Op, ft.IconData] = {
    Op.ACCEPT: I.CHECK,
    Op.MET: I.HANDSHAKE,
    Op.INTAKE: I.TASK_ALT,
    Op.ON_THE_WAY: I.DIRECTIONS_CAR_OUTLINED,
    Op.SAO_CALL: I.CALL,
    Op.CONTACT: I.CHAT_OUTLINED,
    Op.REDIRECT: I.FORWARD,
    Op.NOT_COMPLETED: I.DO_NOT_DISTURB_ON_OUTLINED,
    Op.WITHDRAW: I.REPLY,
    Op.ASK_WITHDRAWAL: I.REPLY,
}
MAIN = (Op.ACCEPT, Op.MET, Op.INTAKE)  # the way on; the first of them that is possible is the big button
Finish = Callable[[Callable[[], Step], str], Awaitable[None]]


async def finish(here: Stage, act: Callable[[], Step], said: str) -> None:
    """Do a step and say what came of it."""
    outcome = await here.do(act)
    if isinstance(outcome, Trouble):
        title, meaning = here.words.problem(outcome.problem)
        here.say(f"{title} {meaning}")
    else:
        here.say(said)


@component
def Steps(detail: Detail) -> ft.Control:
    """The buttons of a referral."""
    here = stage()
    words, actions = here.words, here.actions
    opened, set_opened = ft.use_state(cast("Op | None", None))
    referral_id = detail.row.referral_id

    async def run(act: Callable[[], Step], op: Op) -> None:
        set_opened(None)
        await finish(here, act, words(f"done.{op}"))

    def direct(op: Op) -> Callable[[], Step] | None:
        match op:
            case Op.ACCEPT:
                return lambda: actions.accept(referral_id)
            case Op.MET:
                return lambda: actions.met(referral_id)
            case Op.INTAKE:
                return lambda: actions.intake(referral_id)
            case _:
                return None

    async def tap(op: Op) -> None:
        act = direct(op)
        if act is None:
            here.touched()
            set_opened(None if opened is op else op)
        else:
            await run(act, op)

    def more(op: Op) -> ft.Control | None:
        match op:
            case Op.ON_THE_WAY:
                return _on_the_way(here, lambda m, d: run(lambda: actions.on_the_way(referral_id, m, d), op))
            case Op.SAO_CALL:
                return SaoCall(lambda who, answer: run(lambda: actions.sao_call(referral_id, who, answer), op))
            case Op.NOT_COMPLETED:
                listed = [Option(value=r.value, label=words(f"not_completed.{r.value}")) for r in NotCompletedReason]
                return _ask(
                    here,
                    words("step.why"),
                    listed,
                    lambda v: run(lambda: actions.not_completed(referral_id, NotCompletedReason(v)), op),
                )
            case Op.REDIRECT:
                return _ask(
                    here,
                    words("step.redirect_why"),
                    _pack(here, "redirect_reason"),
                    lambda v: run(lambda: actions.redirect(referral_id, v), op),
                )
            case Op.WITHDRAW:
                return _ask(
                    here,
                    words("step.why"),
                    _pack(here, "withdraw_reason"),
                    lambda v: run(lambda: actions.withdraw(referral_id, v), op),
                )
            case Op.ASK_WITHDRAWAL:
                return _ask(
                    here,
                    words("step.why"),
                    _pack(here, "withdraw_reason"),
                    lambda v: run(lambda: actions.ask_withdrawal(referral_id, v), op),
                )
            case Op.CONTACT:
                listed = [
                    Option(value="yes", label=words("contact.reached")),
                    Option(value="no", label=words("contact.not_reached")),
                ]
                return _ask(
                    here,
                    words("contact.ask"),
                    listed,
                    lambda v: run(lambda: actions.contact(referral_id, v == "yes"), op),
                )
            case _:
                return None

    known = [op for op in LOOKS if op in detail.steps]
    settled = not here.officer or detail.row.handoff is Handoff.ACCEPTED  # before that, calling comes first
    big = next((op for op in MAIN if op in known and settled), None)
    rest = [op for op in known if op is not big]
    parts: list[ft.Control | None] = []
    if big is not None:
        parts.append(primary(words(f"step.{big}"), lambda _, op=big: tap(op), icon=LOOKS[big], key=f"step-{big}"))
    if rest:
        parts.append(
            wrap(
                [
                    outlined(words(f"step.{op}"), lambda _, op=op: tap(op), icon=LOOKS[op], key=f"step-{op}")
                    for op in rest
                ]
            )
        )
    if opened is not None and (asked := more(opened)) is not None:
        close = icon_button(I.CLOSE, words("step.close"), lambda _: set_opened(None))
        head = ft.Row([text(words(f"step.{opened}"), ft.TextThemeStyle.TITLE_MEDIUM, expand=True), close])
        parts.append(card(column([head, asked])))
    return column(parts, spacing=12)


def _pack(here: Stage, name: str) -> list[Option]:
    return [Option(value=c.code, label=here.words.pack(c.text)) for c in here.programme.choices.get(name, ())]


def _ask(here: Stage, label: str, listed: list[Option], on_pick: Callable[[str], Any]) -> ft.Control:
    return question(label, choices(listed, None, on_pick, narrow=here.cramped))


def _on_the_way(here: Stage, send: Callable[[Any, str | None], Any]) -> ft.Control:
    """When, in minutes; the destination is the pack's first unless another is tapped."""
    words = here.words
    places = here.programme.destinations

    def row(code: str | None, label: str | None) -> ft.Control:
        def pick(value: str) -> Any:
            return send((here.now() + timedelta(minutes=int(value))).astimezone(UTC).replace(microsecond=0), code)

        made = [Option(value=str(n), label=words("eta.minutes", n=n)) for n in ETA_MINUTES]
        return question(
            words("step.eta_to", place=label) if label else words("ask.eta_at"),
            choices(made, None, pick, narrow=here.cramped),
        )

    if not places:
        return row(None, None)
    return column([row(place.code, words.pack(place.text)) for place in places])


@component
def SaoCall(send: Callable[[str | None, SaoAnswer], Any]) -> ft.Control:
    """The call to the State's Attorney's reviewer: the number, who answered, and what they said."""
    here = stage()
    words = here.words
    who, set_who = ft.use_state("")
    contact = here.programme.contacts.get("sao_on_call")
    listed = [Option(value=a.value, label=words(f"sao.{a.value}")) for a in SaoAnswer]

    async def dial(_: object) -> None:
        if contact is not None and not await here.hands.dial(contact.phone):
            here.say(words("call.no_phone", number=contact.phone))

    parts: list[ft.Control | None] = []
    if contact is not None:
        parts.append(outlined(words("call.dial", number=contact.phone), dial, icon=I.CALL))
        parts.append(small(words.pack(contact.name)))
    parts.append(
        text_field(
            label=words("sao.who"),
            value=who,
            max_length=80,
            autocorrect=False,
            on_change=handler(lambda e: set_who(str(e.control.value))),
        )
    )
    parts.append(_ask(here, words("sao.said"), listed, lambda v: send(who.strip() or None, SaoAnswer(v))))
    return column(parts, spacing=12)
