"""The live outlook: what the answers say so far, rule by rule, and what may be done about it. It advises, never blocks."""

from __future__ import annotations

from typing import Any

import flet as ft

from field_app.snapshot import Call
from field_app.views.parts import S, Tone, column, notice, outlined, spoken, text
from field_app.views.rows import dial_button
from field_app.views.stage import Stage
from referral.eligibility import Conversion, Outlook, OutlookAnswer, Reason, Verdict
from referral.programme import Contact

ANSWERS = {
    OutlookAnswer.ELIGIBLE: (ft.Icons.CHECK_CIRCLE, Tone.GOOD),
    OutlookAnswer.CANNOT_TELL: (ft.Icons.HELP, Tone.WAIT),
    OutlookAnswer.NOT: (ft.Icons.CANCEL, Tone.BAD),
}
VERDICTS = {
    Verdict.PASS: ft.Icons.CHECK,
    Verdict.UNKNOWN: ft.Icons.QUESTION_MARK,
    Verdict.FAIL: ft.Icons.CLOSE,
}
_ORDER = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS)


def contact_call(contact: Contact, here: Stage) -> Call:
    """A contact of the pack as something to dial."""
    return Call(code="", number=contact.phone, label=here.words.pack(contact.name))


def _line(reason: Reason, here: Stage, tone: Tone) -> ft.Control:
    words = here.words
    said = words.pack(reason.text)
    if reason.unverified:
        said = words("outlook.unverified", text=said)
    mark = ft.Icon(VERDICTS[reason.answer], size=20, color=tone.ink, semantics_label=words(f"verdict.{reason.answer}"))
    return ft.Row(
        [mark, ft.Text(said, theme_style=S.BODY_MEDIUM, color=tone.ink, expand=True)],
        spacing=10,
        vertical_alignment=ft.CrossAxisAlignment.START,
    )


def outlook_card(outlook: Outlook, here: Stage, on_convert: Any) -> ft.Control:
    """The outlook in one sentence, its reasons (what speaks against first), and the way on."""
    words = here.words
    icon, tone = ANSWERS[outlook.answer]
    reasons = sorted(outlook.reasons, key=lambda r: _ORDER.index(r.answer))
    lines = [_line(reason, here, tone) for reason in reasons]
    head = ft.Row(
        [
            ft.Icon(icon, size=30, color=tone.ink),
            ft.Text(words.pack(outlook.text), theme_style=S.TITLE_MEDIUM, color=tone.ink, expand=True),
        ],
        spacing=12,
    )
    body = ft.Container(
        column([spoken(head), column(lines, spacing=6)], spacing=12), padding=16, border_radius=16, bgcolor=tone.ground
    )
    parts: list[ft.Control | None] = [body]
    if outlook.conversion is not None and outlook.conversion_text is not None:
        said = words.pack(outlook.conversion_text)
        if outlook.conversion is Conversion.OFFERED:
            convert = outlined(words("outlook.convert"), on_convert, icon=ft.Icons.HANDSHAKE_OUTLINED)
            parts.append(notice(ft.Icons.LIGHTBULB_OUTLINE, said, None, Tone.PLAIN, [convert]))
        else:
            parts.append(notice(ft.Icons.INFO_OUTLINE, said, None, Tone.PLAIN))
    elif outlook.contacts:
        parts.append(notice(ft.Icons.INFO_OUTLINE, words("outlook.minor"), None, Tone.PLAIN))
    for contact in outlook.contacts:
        call = contact_call(contact, here)
        parts.append(column([text(call.label, S.TITLE_SMALL), dial_button(call, here)], spacing=6))
    return column(parts, spacing=12, key="outlook")
