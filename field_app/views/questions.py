"""The questions of a referral, each by its wire name, in the product's words. Used by the form and by "to finish"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import flet as ft

from field_app.views import person
from field_app.views.asking import Asking, TextAnswer, read_date, read_moment
from field_app.views.choosing import from_pack, one_of, options
from field_app.views.offences import OffenceQuestion, asks_amount
from field_app.views.parts import Option, column, option_button, question, small
from field_app.views.place import PlaceQuestion
from referral.model import NOTE_LIMIT, Answer, Basis, Quantity, Urgency

OTHER_EXCLUSIONS = ("exclusions.under_supervision", "exclusions.disqualifying_record", "exclusions.open_case")


def offence_codes(ask: Asking) -> ft.Control:
    """Which offences."""
    return OffenceQuestion(ask, key="q-offences")


def quantity(ask: Asking) -> ft.Control | None:
    """A personal amount or more: for drug offences only."""
    if not asks_amount(ask, ask.get("offence_codes") or ()):
        return None
    return one_of(ask, "quantity", options(ask, "quantity", Quantity))


def place(ask: Asking) -> ft.Control:
    """Where."""
    return PlaceQuestion(ask, key="q-place")


def exclusion(path: str) -> Callable[[Asking], ft.Control]:
    """One of the five exclusions."""

    def ask_it(ask: Asking) -> ft.Control:
        asked = one_of(ask, path, options(ask, "exclusion", Answer))
        if path != "exclusions.safety_threat" or ask.get(path) != Answer.YES:
            return asked
        return column([asked, one_of(ask, "safety_reason", from_pack(ask, "safety_reason"))])

    return ask_it


def other_exclusions(ask: Asking, opened: bool, on_open: Callable[..., Any]) -> ft.Control:
    """The three that the records desk checks by itself: one tap opens them, one tap says "none of them, I checked"."""
    words = ask.here.words
    answered = [path for path in OTHER_EXCLUSIONS if ask.get(path) is not None]
    if not opened and not answered:
        opener = option_button(Option(value="open", label=words("exclusions.open")), False, on_open)
        return question(
            words("exclusions.rest"), column([opener]), hint=words("exclusions.desk"), key="ask-exclusions.rest"
        )

    async def none_of_them(_: object) -> None:
        await ask.put([(path, Answer.NO.value) for path in OTHER_EXCLUSIONS])

    everything = all(ask.get(path) == Answer.NO for path in OTHER_EXCLUSIONS)
    button = option_button(Option(value="none", label=words("exclusions.none")), everything, none_of_them)
    return column(
        [question(words("exclusions.rest"), column([button]), hint=words("exclusions.desk"), key="ask-exclusions.rest")]
        + [exclusion(path)(ask) for path in OTHER_EXCLUSIONS],
        spacing=18,
    )


def incident_number(ask: Asking) -> ft.Control:
    """The incident or CAD number; leaving it open means "pending"."""
    words = ask.here.words
    return question(
        words("ask.incident_number"),
        TextAnswer(
            ask,
            "incident_number",
            words("incident.label"),
            initial=ask.get("incident_number") or "",
            hint=words("incident.hint"),
            limit=64,
            capitals=ft.TextCapitalization.CHARACTERS,
            key="t-incident",
        ),
        key="ask-incident_number",
    )


def basis(ask: Asking) -> ft.Control:
    """How the officer knows; an old record needs its day."""
    asked = one_of(ask, "basis", options(ask, "basis", Basis))
    needs_day = ask.get("basis") in ask.programme.rules.look_back_needs_date
    return column([asked, occurred_at(ask)]) if needs_day else asked


def occurred_at(ask: Asking) -> ft.Control:
    """The day it happened."""
    words = ask.here.words
    moment = read_moment(ask.get("occurred_at"))
    local = ask.here.words.local(moment) if moment else None

    def read(said: str) -> str:
        day = read_date(said)
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=words.zone or ask.here.now().astimezone().tzinfo)
        return noon.astimezone(UTC).isoformat().replace("+00:00", "Z")

    return question(
        words("ask.occurred_at"),
        TextAnswer(
            ask,
            "occurred_at",
            words("occurred.label"),
            initial=f"{local.month}/{local.day}/{local.year}" if local else "",
            read=read,
            wrong=words("person.birth_wrong"),
            keyboard=ft.KeyboardType.DATETIME,
            key="t-occurred",
        ),
        key="ask-occurred_at",
    )


def urgency(ask: Asking) -> ft.Control:
    """How soon."""
    return one_of(ask, "urgency", options(ask, "urgency", Urgency))


def reason(ask: Asking) -> ft.Control:
    """Why LEAD, in a word of the pack."""
    return one_of(ask, "reason", from_pack(ask, "reason"))


def note(ask: Asking) -> ft.Control:
    """A short note: social contacts only."""
    words = ask.here.words
    return question(
        words("ask.note"),
        TextAnswer(
            ask,
            "note",
            words("note.label"),
            initial=ask.get("note") or "",
            hint=words("note.hint"),
            limit=NOTE_LIMIT,
            lines=2,
            capitals=ft.TextCapitalization.SENTENCES,
            key="t-note",
        ),
        key="ask-note",
    )


QUESTIONS: Mapping[str, Callable[[Asking], ft.Control | None]] = {
    "offence_codes": offence_codes,
    "quantity": quantity,
    "place": place,
    "exclusions.open_warrant": exclusion("exclusions.open_warrant"),
    "exclusions.safety_threat": exclusion("exclusions.safety_threat"),
    **{path: exclusion(path) for path in OTHER_EXCLUSIONS},
    "willing": person.willing,
    "whereabouts": person.whereabouts,
    "eta_at": person.eta_at,
    "person.name": person.name,
    "person.birth": person.birth,
    "reach": person.reach,
    "basis": basis,
    "urgency": urgency,
    "reason": reason,
    "incident_number": incident_number,
    "occurred_at": occurred_at,
    "note": note,
    "language": person.language,
    "interpreter": person.interpreter,
    "immediate_need": person.immediate_need,
    "for_officer": person.for_officer,
}


def asked_text(ask: Asking, path: str) -> ft.Control:
    """A question that this version cannot ask, by its name."""
    return small(ask.here.words("finish.unknown", name=path))
