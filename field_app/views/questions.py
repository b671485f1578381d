"""The questions of a referral, each by its wire name, in the product's words. Used by the form and by "to finish"."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import flet as ft

from field_app.views.asking import Asking, Change, TextAnswer, read_birth, read_date, read_moment, write_birth
from field_app.views.offences import OffenceQuestion, asks_amount
from field_app.views.parts import Option, Tone, choices, column, notice, option_button, question, small
from field_app.views.place import PlaceQuestion
from field_app.views.port import ARREST_WHEREABOUTS
from referral.model import (
    DESCRIPTOR_LIMIT,
    NOTE_LIMIT,
    Answer,
    Basis,
    Need,
    Permission,
    Quantity,
    ReachHow,
    Urgency,
    Whereabouts,
    Willing,
)

ETA_MINUTES = (10, 20, 30)
OTHER_EXCLUSIONS = ("exclusions.under_supervision", "exclusions.disqualifying_record", "exclusions.open_case")


def options(ask: Asking, name: str, values: Iterable[StrEnum]) -> list[Option]:
    """The answers of a fixed list, in words."""
    return [Option(value=v.value, label=ask.here.words(f"answer.{name}.{v.value}")) for v in values]


def from_pack(ask: Asking, name: str) -> list[Option]:
    """The answers of a list of the pack."""
    return [Option(value=c.code, label=ask.here.words.pack(c.text)) for c in ask.programme.choices.get(name, ())]


def pick(ask: Asking, path: str, *, clears: bool = True) -> Callable[[str], Awaitable[None]]:
    """Puts the tapped answer; a second tap on the same answer takes it back."""

    async def put(value: str) -> None:
        again = clears and ask.get(path) == value
        await ask.put([(path, None if again else value)])

    return put


def one_of(ask: Asking, path: str, made: list[Option], *, hint: str | None = None) -> ft.Control:
    """A question with one answer of a list."""
    return question(
        ask.here.words(f"ask.{path}"),
        choices(made, ask.get(path), pick(ask, path)),
        hint=hint,
        error=ask.errors.get(path),
        key=f"ask-{path}",
    )


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


def willing(ask: Asking) -> ft.Control:
    """Do they agree to meet LEAD? With what must be said to them."""
    words = ask.here.words
    asked = one_of(ask, "willing", options(ask, "willing", Willing), hint=words("ask.willing.say"))
    if ask.get("willing") != Willing.NO:
        return asked
    return column([asked, notice(ft.Icons.INFO_OUTLINE, words("willing.no"), words("willing.no_body"), Tone.PLAIN)])


def whereabouts(ask: Asking) -> ft.Control:
    """Where the person is now; when they are coming in, when and where to."""
    words = ask.here.words

    async def choose(value: str) -> None:
        changes: list[Change] = []
        if value != Whereabouts.COMING_IN:
            changes += [(path, None) for path in ("eta_at", "destination") if ask.get(path) is not None]
        changes.append(("whereabouts", value))
        if value == Whereabouts.COMING_IN and ask.get("destination") is None and ask.programme.destinations:
            changes.append(("destination", ask.programme.destinations[0].code))
        await ask.put(changes)

    asked = question(
        words("ask.whereabouts"),
        choices(options(ask, "whereabouts", ARREST_WHEREABOUTS), ask.get("whereabouts"), choose),
        error=ask.errors.get("whereabouts"),
        key="ask-whereabouts",
    )
    if ask.get("whereabouts") != Whereabouts.COMING_IN:
        return asked
    return column([asked, eta_at(ask), one_of(ask, "destination", from_pack(ask, "destination"))])


def eta_at(ask: Asking) -> ft.Control:
    """When they will be there, in minutes from now."""
    words, now = ask.here.words, ask.here.now()
    due = read_moment(ask.get("eta_at"))
    chosen = None
    if due is not None:
        left = (due - now).total_seconds() / 60
        chosen = next((str(n) for n in ETA_MINUTES if abs(left - n) < 2.5), None)

    async def choose(value: str) -> None:
        moment = (ask.here.now() + timedelta(minutes=int(value))).astimezone(UTC).replace(microsecond=0)
        await ask.put([("eta_at", moment.isoformat().replace("+00:00", "Z"))])

    made = [Option(value=str(n), label=words("eta.minutes", n=n)) for n in ETA_MINUTES]
    hint = words("eta.at", time=words.time(due)) if due is not None else None
    return question(words("ask.eta_at"), choices(made, chosen, choose), hint=hint, key="ask-eta_at")


def with_me(ask: Asking) -> ft.Control:
    """Social contact: is the person here now?"""
    return one_of(ask, "whereabouts", options(ask, "whereabouts", (Whereabouts.WITH_ME,)))


def name(ask: Asking) -> ft.Control:
    """The name as given, or what they wear and where they are usually seen."""
    words = ask.here.words
    return question(
        words("ask.person.name"),
        column(
            [
                TextAnswer(
                    ask,
                    "person.name",
                    words("person.name"),
                    initial=ask.get("person.name") or "",
                    limit=200,
                    capitals=ft.TextCapitalization.WORDS,
                    key="t-name",
                ),
                TextAnswer(
                    ask,
                    "person.descriptor",
                    words("person.descriptor"),
                    initial=ask.get("person.descriptor") or "",
                    hint=words("person.descriptor_hint"),
                    limit=DESCRIPTOR_LIMIT,
                    key="t-descriptor",
                ),
            ],
            spacing=12,
        ),
        key="ask-person.name",
    )


def birth(ask: Asking) -> ft.Control:
    """Age or birth date, or "adult, age unknown"."""
    words = ask.here.words
    present = ask.get("person.birth")
    adult = isinstance(present, Mapping) and present.get("adult") is True

    async def say_adult(_: object) -> None:
        await ask.put([("person.birth", None if adult else {"adult": True})])

    return question(
        words("ask.person.birth"),
        column(
            [
                TextAnswer(
                    ask,
                    "person.birth",
                    words("person.birth"),
                    initial=write_birth(present),
                    hint=words("person.birth_hint"),
                    read=read_birth,
                    wrong=words("person.birth_wrong"),
                    keyboard=ft.KeyboardType.DATETIME,
                    key=f"t-birth-{adult}",
                ),
                ft.Row(
                    [option_button(Option(value="adult", label=words("person.adult")), adult, say_adult)], wrap=True
                ),
            ],
            spacing=10,
        ),
        key="ask-person.birth",
    )


def reach(ask: Asking) -> ft.Control:
    """How to find them safely, and whether a message may be left."""
    words = ask.here.words
    how = ask.get("reach.how")

    async def choose(value: str) -> None:
        changes: list[Change] = [("reach", None)] if value == ReachHow.NONE or how == value else []
        if how != value:
            changes.append(("reach.how", value))
        await ask.put(changes)

    parts: list[ft.Control | None] = [
        question(
            words("ask.reach.how"),
            choices(options(ask, "reach", ReachHow), how, choose),
            error=ask.errors.get("reach.how"),
            key="ask-reach",
        )
    ]
    if how not in (None, ReachHow.NONE):
        phone = how == ReachHow.PHONE
        parts.append(
            TextAnswer(
                ask,
                "reach.detail",
                words(f"reach.detail.{how}"),
                initial=ask.get("reach.detail") or "",
                keyboard=ft.KeyboardType.PHONE if phone else ft.KeyboardType.TEXT,
                limit=200,
                autofocus=ask.get("reach.detail") is None,
                key=f"t-reach-{how}",
            )
        )
        parts.append(one_of(ask, "reach.permission", options(ask, "permission", Permission)))
    return column(parts, spacing=14)


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


def language(ask: Asking) -> ft.Control:
    """The language to speak with them."""
    return one_of(ask, "language", from_pack(ask, "language"))


def interpreter(ask: Asking) -> ft.Control:
    """Is an interpreter needed?"""
    words = ask.here.words
    made = [Option(value="yes", label=words("yes")), Option(value="no", label=words("no"))]
    present = ask.get("interpreter")

    async def choose(value: str) -> None:
        wanted = value == "yes"
        await ask.put([("interpreter", None if present is wanted else wanted)])

    chosen = None if present is None else ("yes" if present else "no")
    return question(words("ask.interpreter"), choices(made, chosen, choose), key="ask-interpreter")


def immediate_need(ask: Asking) -> ft.Control:
    """What cannot wait."""
    present: list[str] = list(ask.get("immediate_need") or ())

    async def toggle(value: str) -> None:
        after = [n for n in present if n != value] if value in present else [*present, value]
        await ask.put([("immediate_need", after or None)])

    made = options(ask, "need", Need)
    return question(ask.here.words("ask.immediate_need"), choices(made, present, toggle), key="ask-immediate_need")


def for_officer(ask: Asking) -> ft.Control:
    """Recorded for another officer."""
    words = ask.here.words
    return question(
        words("ask.for_officer"),
        TextAnswer(
            ask,
            "for_officer",
            words("officer.label"),
            initial=ask.get("for_officer") or "",
            read=lambda said: said.strip().lower(),
            limit=40,
            key="t-officer",
        ),
        key="ask-for_officer",
    )


QUESTIONS: Mapping[str, Callable[[Asking], ft.Control | None]] = {
    "offence_codes": offence_codes,
    "quantity": quantity,
    "place": place,
    "exclusions.open_warrant": exclusion("exclusions.open_warrant"),
    "exclusions.safety_threat": exclusion("exclusions.safety_threat"),
    **{path: exclusion(path) for path in OTHER_EXCLUSIONS},
    "willing": willing,
    "whereabouts": whereabouts,
    "eta_at": eta_at,
    "person.name": name,
    "person.birth": birth,
    "reach": reach,
    "basis": basis,
    "urgency": urgency,
    "reason": reason,
    "incident_number": incident_number,
    "occurred_at": occurred_at,
    "note": note,
    "language": language,
    "interpreter": interpreter,
    "immediate_need": immediate_need,
    "for_officer": for_officer,
}


def asked_text(ask: Asking, path: str) -> ft.Control:
    """A question that this version cannot ask, by its name."""
    return small(ask.here.words("finish.unknown", name=path))
