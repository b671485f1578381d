"""The sentence that a referral carries when it arrived long after it was recorded: "Recorded 02:10, received 06:40. Check
whether they were met."

Pure. Times are the programme's local ones, with the day where the two days differ.
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from referral.lifecycle import Handoff

_SETTLED = frozenset({Handoff.MET, Handoff.INTAKE_COMPLETE, Handoff.NOT_COMPLETED})
_SENTENCES = {
    "en": "Recorded {recorded}, received {received}. Check whether they were met.",
    "es": "Registrado {recorded}, recibido {received}. Compruebe si alguien los atendió.",
}


def asks(*, late: bool, handoff: Handoff) -> bool:
    """Whether somebody should check: it was late, and nobody has said how the handoff ended."""
    return late and handoff not in _SETTLED


def sentence(recorded_at: datetime, received_at: datetime, time_zone: str, language: str = "en") -> str:
    """What it says of itself, in the programme's local time (an IANA zone)."""
    zone = ZoneInfo(time_zone)
    recorded, received = recorded_at.astimezone(zone), received_at.astimezone(zone)
    form = "%H:%M" if recorded.date() == received.date() else "%Y-%m-%d %H:%M"
    text = _SENTENCES.get(language, _SENTENCES["en"])
    return text.format(recorded=recorded.strftime(form), received=received.strftime(form))
