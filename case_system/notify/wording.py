"""The few lines that may leave the case system, in the recipient's language. No person, no place, no time."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from case_system.alarms import AlarmKind, Kind
from case_system.ways import WakeUp
from referral.views import NoticeKind

RINGING = frozenset({NoticeKind.HANDOFF_OFFERED, NoticeKind.HANDOFF_ESCALATED, NoticeKind.SAO_REVIEW})

LINES: Mapping[Kind, tuple[str, str]] = MappingProxyType({
    NoticeKind.HANDOFF_OFFERED: ("LEAD Field: handoff waiting.", "LEAD Field: hay una entrega en espera."),
    NoticeKind.HANDOFF_ESCALATED: ("LEAD Field: nobody has answered a handoff yet.", "LEAD Field: nadie ha respondido a una entrega."),
    NoticeKind.SAO_REVIEW: ("LEAD Field: a review is waiting.", "LEAD Field: hay una revisión en espera."),
    NoticeKind.ACCEPTED: ("LEAD Field: your referral was accepted.", "LEAD Field: aceptaron su referido."),
    NoticeKind.NOBODY_ANSWERED: ("LEAD Field: no one has answered yet. Open the app for the number to call.", "LEAD Field: nadie ha respondido. Abra la aplicación para ver a quién llamar."),
    NoticeKind.NEEDS_ATTENTION: ("LEAD Field: one of your steps needs attention.", "LEAD Field: uno de sus pasos necesita atención."),
    NoticeKind.NEW_SOCIAL_CONTACT: ("LEAD Field: a new referral is waiting.", "LEAD Field: hay un referido nuevo en espera."),
    NoticeKind.WITHDRAWAL_ASKED: ("LEAD Field: a withdrawal was asked for.", "LEAD Field: pidieron retirar un referido."),
    NoticeKind.INTAKE_DUE: ("LEAD Field: an intake is due.", "LEAD Field: hay un ingreso pendiente."),
    NoticeKind.OVER_SOFT_LINE: ("LEAD Field: a caseload passed its soft line.", "LEAD Field: una pareja pasó su línea de aviso."),
    NoticeKind.PLACE_FREE: ("LEAD Field: a place is free for a person who waits.", "LEAD Field: hay lugar para una persona que espera."),
    NoticeKind.SAO_ANSWERED: ("LEAD Field: the prosecutor has answered.", "LEAD Field: la fiscalía respondió."),
    AlarmKind.UNSENT_WORK: ("LEAD Field: a device has held unsent work for too long.", "LEAD Field: un equipo guarda trabajo sin enviar desde hace demasiado."),
})  # fmt: skip

# A referral that came long after it was recorded says so: the person may have been met, or may still be waiting.
LATE_LINES: Mapping[Kind, tuple[str, str]] = MappingProxyType({
    NoticeKind.HANDOFF_OFFERED: ("LEAD Field: a handoff arrived late. Check whether they were met.", "LEAD Field: una entrega llegó tarde. Compruebe si hubo encuentro."),
    NoticeKind.HANDOFF_ESCALATED: ("LEAD Field: nobody has answered a handoff that arrived late. Check whether they were met.", "LEAD Field: nadie ha respondido a una entrega que llegó tarde. Compruebe si hubo encuentro."),
    NoticeKind.NEW_SOCIAL_CONTACT: ("LEAD Field: a referral arrived late.", "LEAD Field: un referido llegó tarde."),
})  # fmt: skip


def wake_up(kind: Kind, notice_id: str, language: str = "en", *, late: bool = False, quiet: bool = False) -> WakeUp:
    """The message for a notice; the notice's id is the dedup id at every repetition (S16)."""
    english, spanish = (LATE_LINES.get(kind) if late else None) or LINES[kind]
    return WakeUp(
        title="LEAD Field",
        line=spanish if language == "es" else english,
        dedup_id=notice_id,
        rings=kind in RINGING and not quiet,
        quiet=quiet,
    )
