"""How states read and look: an icon, a word and a tone for each state of the tracks, in the order that matters.

Pure: from a row and words to chips and sentences. The tables are complete by type (`match` with `assert_never`, or a
mapping that a test compares with its enum).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import flet as ft

from field_app.snapshot import Connection, Delivery, DeliveryLine, ReferralRow
from field_app.views.parts import Tone, chip
from field_app.wording import Words
from referral.lifecycle import Charge, Episode, Handoff, Release, Review
from referral.model import Kind
from referral.views import Flag, Happening

I = ft.Icons  # noqa: E741 - as short as the table needs it
Look = tuple[ft.IconData, Tone]

KINDS: Mapping[Kind, ft.IconData] = {Kind.ARREST: I.ALT_ROUTE, Kind.SOCIAL: I.HANDSHAKE_OUTLINED}
DELIVERIES: Mapping[Delivery, Look] = {
    Delivery.DRAFT: (I.EDIT_NOTE, Tone.PLAIN),
    Delivery.WAITING: (I.SCHEDULE, Tone.WAIT),
    Delivery.STORED: (I.INVENTORY_2_OUTLINED, Tone.PLAIN),
    Delivery.ACCEPTED: (I.MARK_EMAIL_READ_OUTLINED, Tone.GOOD),
    Delivery.NEEDS_ATTENTION: (I.ERROR_OUTLINE, Tone.BAD),
}
REVIEWS: Mapping[Review, Look] = {
    Review.SUBMITTED: (I.INBOX, Tone.PLAIN),
    Review.RECORDS_CHECK: (I.FACT_CHECK_OUTLINED, Tone.PLAIN),
    Review.SAO_REVIEW: (I.GAVEL, Tone.PLAIN),
    Review.APPROVED: (I.CHECK_CIRCLE_OUTLINE, Tone.GOOD),
    Review.DECLINED: (I.CANCEL_OUTLINED, Tone.BAD),
    Review.NEED_INFO: (I.HELP_OUTLINE, Tone.WAIT),
}
HANDOFFS: Mapping[Handoff, Look] = {
    Handoff.NONE: (I.REMOVE, Tone.PLAIN),
    Handoff.OFFERED: (I.RING_VOLUME, Tone.WAIT),
    Handoff.ACCEPTED: (I.PERSON_PIN_CIRCLE_OUTLINED, Tone.GOOD),
    Handoff.REDIRECTED: (I.FORWARD, Tone.WAIT),
    Handoff.MET: (I.HANDSHAKE, Tone.GOOD),
    Handoff.INTAKE_COMPLETE: (I.TASK_ALT, Tone.GOOD),
    Handoff.NOT_COMPLETED: (I.DO_NOT_DISTURB_ON_OUTLINED, Tone.PLAIN),
}
CHARGES: Mapping[Charge, Look] = {
    Charge.NONE: (I.REMOVE, Tone.PLAIN),
    Charge.HELD: (I.PAUSE_CIRCLE_OUTLINE, Tone.PLAIN),
    Charge.NOT_FILED: (I.CHECK_CIRCLE_OUTLINE, Tone.GOOD),
    Charge.RETURNED: (I.UNDO, Tone.WAIT),
}
RELEASES: Mapping[Release, Look] = {
    Release.NONE: (I.LOCK_OUTLINE, Tone.PLAIN),
    Release.VERBAL: (I.RECORD_VOICE_OVER, Tone.PLAIN),
    Release.SIGNED: (I.DRAW_OUTLINED, Tone.GOOD),
    Release.REVOKED: (I.LOCK, Tone.WAIT),
    Release.EXPIRED: (I.TIMER_OFF_OUTLINED, Tone.WAIT),
}
EPISODES: Mapping[Episode, Look] = {
    Episode.OPEN: (I.RADIO_BUTTON_UNCHECKED, Tone.PLAIN),
    Episode.ENROLLED: (I.GROUPS_OUTLINED, Tone.GOOD),
    Episode.CLOSED: (I.ARCHIVE_OUTLINED, Tone.PLAIN),
}
HAPPENINGS: Mapping[Happening, ft.IconData] = {
    Happening.RECEIVED: I.MARK_EMAIL_READ_OUTLINED,
    Happening.AMENDED: I.EDIT,
    Happening.OFFERED: I.RING_VOLUME,
    Happening.NOBODY_ANSWERED: I.PHONE_MISSED,
    Happening.ACCEPTED: I.PERSON_PIN_CIRCLE_OUTLINED,
    Happening.REDIRECTED: I.FORWARD,
    Happening.ON_THE_WAY: I.DIRECTIONS_CAR_OUTLINED,
    Happening.MET_BY_OFFICER: I.HANDSHAKE,
    Happening.MET_BY_CASE_MANAGER: I.HANDSHAKE,
    Happening.NOT_COMPLETED: I.DO_NOT_DISTURB_ON_OUTLINED,
    Happening.INTAKE_COMPLETE: I.TASK_ALT,
    Happening.SAO_CALLED: I.CALL,
    Happening.SAO_APPROVED: I.CHECK_CIRCLE_OUTLINE,
    Happening.SAO_DECLINED: I.CANCEL_OUTLINED,
    Happening.SAO_ASKED: I.HELP_OUTLINE,
    Happening.RECORDS_CHECKED: I.FACT_CHECK_OUTLINED,
    Happening.CHARGE_NOT_FILED: I.CHECK_CIRCLE_OUTLINE,
    Happening.CHARGE_RETURNED: I.UNDO,
    Happening.RELEASE_CHANGED: I.DRAW_OUTLINED,
    Happening.ENROLLED: I.GROUPS_OUTLINED,
    Happening.CLOSED: I.ARCHIVE_OUTLINED,
    Happening.REOPENED: I.UNARCHIVE_OUTLINED,
    Happening.WITHDRAWN: I.REPLY,
    Happening.WITHDRAWAL_ASKED: I.REPLY,
    Happening.CONTACTED: I.CHAT_OUTLINED,
    Happening.PROVISIONAL_MERGED: I.MERGE,
    Happening.SENT_TO_SAO: I.GAVEL,
    Happening.SAO_NO_ANSWER: I.PHONE_MISSED,
    Happening.VOTED_YES: I.HOW_TO_VOTE,
    Happening.VOTED_NO: I.HOW_TO_VOTE_OUTLINED,
    Happening.RESOLVED: I.TASK_ALT,
    Happening.DUPLICATE_JUDGED: I.COMPARE_ARROWS,
    Happening.WAIT_LISTED: I.HOURGLASS_EMPTY,
    Happening.OVER_SOFT_LINE: I.GROUPS_OUTLINED,
}
SHOWN_FLAGS = (
    Flag.LATE_SYNC,
    Flag.WITHDRAWAL_ASKED,
    Flag.WAIT_LIST,
    Flag.OUT_OF_TOUCH,
    Flag.AWAITING_INFO,
    Flag.PARALLEL_UPDATE,
    Flag.INCOMPLETE,
)


def title_of(row: ReferralRow, words: Words) -> str:
    """Who it is about, as far as this device still knows."""
    if row.title:
        return row.title
    return words("row.shrunk", receipt=row.receipt) if row.shrunk and row.receipt else words("row.no_name")


def handoff_word(row: ReferralRow, words: Words) -> str:
    """The handoff in words, with the name of who holds it."""
    if row.handoff is Handoff.ACCEPTED and row.case_manager:
        return words("handoff.accepted_by", name=row.case_manager)
    return words(f"handoff.{row.handoff or Handoff.NONE}")


def chips(row: ReferralRow, words: Words) -> list[ft.Control]:
    """What matters most about a referral, at most three chips."""
    made: list[ft.Control] = []
    if row.delivery is not Delivery.ACCEPTED or row.handoff in (None, Handoff.NONE):
        icon, tone = DELIVERIES[row.delivery]
        made.append(chip(icon, words(f"delivery.{row.delivery}"), tone))
    if row.episode in (Episode.ENROLLED, Episode.CLOSED):
        icon, tone = EPISODES[row.episode]
        made.append(chip(icon, words(f"episode.{row.episode}"), tone))
    elif row.handoff not in (None, Handoff.NONE):
        icon, tone = (I.PHONE_MISSED, Tone.BAD) if row.nobody_answered else HANDOFFS[row.handoff]
        made.append(chip(icon, words("row.nobody") if row.nobody_answered else handoff_word(row, words), tone))
    if row.review in (Review.APPROVED, Review.DECLINED, Review.NEED_INFO):
        icon, tone = REVIEWS[row.review]
        made.append(chip(icon, words(f"review.{row.review}"), tone))
    made += [chip(I.FLAG_OUTLINED, words(f"flag.{flag}"), Tone.WAIT) for flag in SHOWN_FLAGS if flag in row.flags]
    return made[:3]


def delivery_sentence(line: DeliveryLine, words: Words, now: datetime) -> tuple[ft.IconData, Tone, str]:
    """The one honest line about everything that was saved here."""
    if line.needs_attention:
        return I.ERROR_OUTLINE, Tone.BAD, words.count("line.attention", line.needs_attention)
    if line.waiting:
        age = words.age(line.oldest_unsent_s or 0)
        why = words(f"connection.{line.connection}")
        return I.SCHEDULE, Tone.WAIT, words("line.waiting", n=line.waiting, age=age, why=why)
    arrived = line.stored + line.accepted
    if line.connection is Connection.PAUSED:
        return I.PAUSE_CIRCLE_OUTLINE, Tone.WAIT, words("line.paused")
    if line.connection in (Connection.SIGNED_OUT, Connection.NOT_THE_AGENCY, Connection.NOT_A_CASE_SYSTEM):
        return I.CLOUD_OFF_OUTLINED, Tone.WAIT, words("line.trouble", why=words(f"connection.{line.connection}"))
    if arrived:
        return I.CLOUD_DONE_OUTLINED, Tone.GOOD, words.count("line.received", arrived)
    return I.CLOUD_DONE_OUTLINED, Tone.PLAIN, words("line.nothing")
