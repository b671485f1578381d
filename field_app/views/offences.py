"""The suspected offences: the most used ones as big answers, any other by its code or by a few letters."""

from __future__ import annotations

from collections.abc import Sequence

import flet as ft

from field_app.views.asking import Asking, Change
from field_app.views.boundary import component, handler
from field_app.views.parts import (
    Option,
    S,
    Tone,
    card,
    chip,
    choices,
    column,
    question,
    small,
    text,
    text_field,
    wrap,
)
from referral.offences import find_offences
from referral.programme import Offence, Ruling

COMMON = 4
FOUND = 6
RULINGS = {
    Ruling.YES: (ft.Icons.CHECK_CIRCLE_OUTLINE, Tone.GOOD),
    Ruling.REVIEW: (ft.Icons.HELP_OUTLINE, Tone.WAIT),
    Ruling.NO: (ft.Icons.CANCEL_OUTLINED, Tone.BAD),
}


def asks_amount(ask: Asking, codes: Sequence[str]) -> bool:
    """True when "personal amount or more?" makes sense for one of the offences."""
    listed = (ask.programme.offences.get(code) for code in codes)
    return any(offence is not None and offence.category.asks_amount for offence in listed)


def common(ask: Asking, codes: Sequence[str]) -> list[Option]:
    """The chosen offences, then the most used ones."""
    offences = ask.programme.offences
    first = [code for code in codes if code not in list(offences)[:COMMON]]
    return [_option(offences.get(code), code) for code in (*first, *list(offences)[:COMMON])]


def _option(offence: Offence | None, code: str) -> Option:
    joined = code.replace(" ", "\u00a0")
    return Option(value=code, label=f"{offence.description} ·\u00a0{joined}" if offence else joined)


@component
def OffenceQuestion(ask: Asking) -> ft.Control:
    """Pick one or more; a second tap takes one back."""
    words = ask.here.words
    query, set_query = ft.use_state("")
    codes: list[str] = list(ask.get("offence_codes") or ())

    async def toggle(code: str) -> None:
        after = [c for c in codes if c != code] if code in codes else [*codes, code]
        changes: list[Change] = [("offence_codes", after or None)]
        if ask.get("quantity") is not None and not asks_amount(ask, after):
            changes.append(("quantity", None))
        set_query("")
        await ask.put(changes)

    def typing(event: ft.Event[ft.TextField]) -> None:
        ask.here.touched()
        set_query(str(event.control.value or ""))

    found: list[ft.Control] = []
    if query.strip():
        for offence in find_offences(query, ask.programme, FOUND):
            icon, tone = RULINGS[offence.divertible]
            row = column(
                [
                    text(f"{offence.description} · {offence.code}", S.BODY_LARGE),
                    wrap(
                        [
                            chip(icon, words(f"ruling.{offence.divertible}"), tone),
                            small(words.pack(offence.category.text)),
                        ]
                    ),
                ],
                spacing=6,
            )
            found.append(
                card(row, on_click=lambda _, c=offence.code: toggle(c), padding=14, key=f"offence-{offence.code}")
            )
        if not found:
            found.append(small(words("offence.none")))
    return question(
        words("ask.offence_codes"),
        column(
            [
                choices(common(ask, codes), codes, toggle, narrow=ask.here.cramped),
                text_field(
                    label=words("offence.other"),
                    helper=words("offence.other_hint"),
                    helper_max_lines=2,
                    value=query,
                    clears=tuple(codes),
                    prefix_icon=ft.Icons.SEARCH,
                    autocorrect=False,
                    enable_suggestions=False,
                    on_change=handler(typing),
                ),
                column(found, spacing=8) if found else None,
            ],
            spacing=12,
        ),
        key="ask-offence_codes",
    )
