"""What else a person must know of a referral now: who has still to confirm a meeting, a late arrival, no answer of the prosecutor,
and how long somebody under arrest has been waiting. Pure: from a row to a few cards.
"""

from __future__ import annotations

import flet as ft

from field_app.snapshot import ReferralRow
from field_app.views.parts import Tone, notice, spoken
from field_app.views.stage import Stage
from referral import late
from referral.lifecycle import Episode, Handoff
from referral.views import Flag, Side

I = ft.Icons  # noqa: E741 - as in states.py


def standing(row: ReferralRow, here: Stage) -> list[ft.Control | None]:
    """The cards that this referral needs, most urgent first; none for a closed one."""
    words, made = here.words, list[ft.Control | None]()
    if row.episode is Episode.CLOSED:
        return made
    if row.custody is not None and row.custody.runs and row.handoff is not Handoff.MET:
        waited = words.clock(row.custody.lasted(here.snapshot.now).total_seconds())
        goal = here.programme.timers.warm_handoff_goal_minutes
        tone = Tone.BAD if row.custody.past(here.snapshot.now, goal) else Tone.WAIT
        made.append(notice(I.TIMER_OUTLINED, words("standing.custody", time=waited), None, tone))
    if row.no_answer is not None and words.has(f"standing.no_answer.{row.no_answer}"):
        said = words(f"standing.no_answer.{row.no_answer}")
        made.append(spoken(notice(I.PHONE_MISSED, words("standing.no_answer"), said, Tone.WAIT)))
    handoff = row.handoff or Handoff.NONE
    told = row.recorded_at is not None and row.received_at is not None
    if told and not here.officer and late.asks(late=Flag.LATE_SYNC in row.flags, handoff=handoff):
        made.append(notice(I.HISTORY, words("standing.late_title"), _late(row, here), Tone.WAIT))
    lacking = tuple(side for side in Side if side not in row.met_by)
    if row.met_by and lacking and not here.officer:
        said = words(f"standing.met_lacks.{lacking[0]}")
        made.append(notice(I.HANDSHAKE_OUTLINED, words("standing.met_title"), said, Tone.PLAIN))
    return made


def _late(row: ReferralRow, here: Stage) -> str:
    if row.recorded_at is None or row.received_at is None:
        return ""
    now = here.snapshot.now
    recorded, received = here.words.when(row.recorded_at, now), here.words.when(row.received_at, now)
    return here.words("standing.late", recorded=recorded, received=received)
