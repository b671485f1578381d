"""An alarm in whole sentences: what happened to this device's records, what it means, and what to do."""

from __future__ import annotations

from field_app.snapshot import Alarm, AlarmKind
from field_app.wording import Words


def alarm_sentences(alarm: Alarm, words: Words) -> tuple[str, str]:
    """What happened; and what it means, with what to do."""
    body = "body"
    if alarm.kind is AlarmKind.ROWS_SALVAGED:
        body = "unknown" if alarm.lost is None else "lost" if alarm.lost else "old"
    values = {"kept": alarm.kept, "lost": alarm.lost, "copy": alarm.copy or ""}
    return words(f"alarm.{alarm.kind}.title"), words(f"alarm.{alarm.kind}.{body}", **values)
