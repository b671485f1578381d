"""The questions about the person: do they agree, where are they, who are they, how can they be found, what do they need."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta

import flet as ft

from field_app.views.asking import Asking, Change, TextAnswer, read_birth, read_moment, write_birth
from field_app.views.choosing import from_pack, one_of, options
from field_app.views.parts import Option, Tone, choices, column, notice, option_button, question
from referral.model import DESCRIPTOR_LIMIT, Need, Permission, ReachHow, Whereabouts, Willing

ETA_MINUTES = (10, 20, 30)
ARREST_WHEREABOUTS = tuple(w for w in Whereabouts if w is not Whereabouts.WITH_ME)


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
        choices(
            options(ask, "whereabouts", ARREST_WHEREABOUTS), ask.get("whereabouts"), choose, narrow=ask.here.cramped
        ),
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
    return question(
        words("ask.eta_at"), choices(made, chosen, choose, narrow=ask.here.cramped), hint=hint, key="ask-eta_at"
    )


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
            choices(options(ask, "reach", ReachHow), how, choose, narrow=ask.here.cramped),
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
    return question(
        words("ask.interpreter"), choices(made, chosen, choose, narrow=ask.here.cramped), key="ask-interpreter"
    )


def immediate_need(ask: Asking) -> ft.Control:
    """What cannot wait."""
    present: list[str] = list(ask.get("immediate_need") or ())

    async def toggle(value: str) -> None:
        after = [n for n in present if n != value] if value in present else [*present, value]
        await ask.put([("immediate_need", after or None)])

    made = options(ask, "need", Need)
    return question(
        ask.here.words("ask.immediate_need"),
        choices(made, present, toggle, narrow=ask.here.cramped),
        key="ask-immediate_need",
    )


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
