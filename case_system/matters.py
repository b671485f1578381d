"""What needs a person: why, which step it was and whose, how things stood then, and what there is to do about it.

Every operation that is kept and flagged (S19) leaves one matter, and so does what the rules cannot know by themselves. A matter
stays open until a person resolves it, or until the same step of the desk is done after all. Codes, ids and times only.

Pure: tables and sentences; knows no store.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from referral.decisions import RESOLUTIONS, Resolution
from referral.lifecycle import Role
from referral.model import ReferralId, UserId
from referral.operations import Op
from referral.views import Flag


class Trouble(StrEnum):
    """Why something needs a person."""

    STEP_DOES_NOT_FIT = "step_does_not_fit"
    CLOSED = "closed"
    UNNAMED = "unnamed"
    NOT_AN_ARREST = "not_an_arrest"
    NOT_THEIRS_ANY_MORE = "not_theirs_any_more"
    OTHER_FORM = "other_form"
    ANSWER_DOES_NOT_FIT = "answer_does_not_fit"
    NOT_ARRIVED = "not_arrived"
    REASON_MISSING = "reason_missing"
    NO_CALL = "no_call"
    NO_SUCH_VOTE = "no_such_vote"
    PARTNER_SAID_NO = "partner_said_no"
    NO_APPROVAL = "no_approval"
    NO_INTAKE = "no_intake"
    VOTES_MISSING = "votes_missing"
    PAIR_FULL = "pair_full"
    ALL_PAIRS_FULL = "all_pairs_full"
    IN_LINE = "in_line"
    CALL_CODE_UNCLEAR = "call_code_unclear"
    NOT_FLAGGED = "not_flagged"
    NOT_ALIKE = "not_alike"
    STILL_ALIKE = "still_alike"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """why: what happened, as a sentence. todo: what to do next. steps: the operations that can help. roles: who can do them."""

    why: str
    todo: str
    steps: tuple[Op, ...] = ()
    roles: tuple[Role, ...] = (Role.SUPERVISOR, Role.CASE_MANAGER)


_SUPERVISOR = (Role.SUPERVISOR,)
_SAO = (Role.SAO_REVIEWER,)

ADVICE: Mapping[Trouble, Advice] = MappingProxyType({
    Trouble.STEP_DOES_NOT_FIT: Advice(why="The step did not fit what had happened meanwhile.", todo="Ask who did it what really happened. Do the step that is right now, then clear this.", steps=(Op.OFFER, Op.REDIRECT)),
    Trouble.CLOSED: Advice(why="The referral was closed when this arrived.", todo="Reopen it with a reason if the step still matters; otherwise clear this.", steps=(Op.REOPEN,), roles=_SUPERVISOR),
    Trouble.UNNAMED: Advice(why="The person said no or is under age, so nobody is rung and nothing more is recorded.", todo="Tell who did it. Then clear this."),
    Trouble.NOT_AN_ARREST: Advice(why="The step belongs to an arrest, and this is a social contact.", todo="Tell who did it. Then clear this."),
    Trouble.NOT_THEIRS_ANY_MORE: Advice(why="It was theirs when they did it; somebody else has it now.", todo="Ask both who is with the person. Pass the handoff on if it is with the wrong one, then clear this.", steps=(Op.REDIRECT, Op.OFFER)),
    Trouble.OTHER_FORM: Advice(why="The same referral came twice, with different answers; the first form stands.", todo="Ask the officer which answers are right and have them corrected on the phone. Then clear this."),
    Trouble.ANSWER_DOES_NOT_FIT: Advice(why="A later answer did not fit the rest of the referral.", todo="Ask the officer for the right answer. Then clear this."),
    Trouble.NOT_ARRIVED: Advice(why="The referral itself has not arrived; only its call code or a draft's copy is here.", todo="Ask the officer to open the app where there is a signal. Then clear this."),
    Trouble.REASON_MISSING: Advice(why="The step needs a reason and had none.", todo="Do it again with a reason.", steps=(Op.REOPEN, Op.ENROL), roles=_SUPERVISOR),
    Trouble.NO_CALL: Advice(why="There is no call of the officer to confirm.", todo="Approve or decline it directly.", steps=(Op.SAO_APPROVE, Op.SAO_DECLINE), roles=_SAO),
    Trouble.NO_SUCH_VOTE: Advice(why="This partner has no vote here, or the review is decided.", todo="Check the partner's name. Then clear this.", steps=(Op.PARTNER_VOTE,), roles=_SUPERVISOR),
    Trouble.PARTNER_SAID_NO: Advice(why="A partner voted no, so the person cannot be enrolled.", todo="Take it to the partners' meeting. The partner may vote again, or the referral is closed.", steps=(Op.PARTNER_VOTE, Op.CLOSE), roles=_SUPERVISOR),
    Trouble.NO_APPROVAL: Advice(why="The person cannot be enrolled before the review is approved.", todo="Ask for the review. Enrol again when it is approved.", steps=(Op.SEND_TO_SAO, Op.ENROL), roles=_SUPERVISOR),
    Trouble.NO_INTAKE: Advice(why="The person cannot be enrolled before the intake is complete.", todo="Ask the case manager for the intake. Enrol again when it is done.", steps=(Op.ENROL,), roles=_SUPERVISOR),
    Trouble.VOTES_MISSING: Advice(why="Not every voting partner has said yes.", todo="Record the missing votes. Then enrol again.", steps=(Op.PARTNER_VOTE, Op.ENROL), roles=_SUPERVISOR),
    Trouble.PAIR_FULL: Advice(why="The pair that was asked for has no free place.", todo="Choose another pair, or wait for a place.", steps=(Op.ENROL,), roles=_SUPERVISOR),
    Trouble.ALL_PAIRS_FULL: Advice(why="Every pair is full. The person is on the waiting list; the case manager who met them stays their contact.", todo="Enrol them when a place is free: the supervisors are told.", steps=(Op.ENROL,), roles=_SUPERVISOR),
    Trouble.IN_LINE: Advice(why="Others have been waiting longer for the free places.", todo="Enrol those first, or name the pair and a reason to go out of turn.", steps=(Op.ENROL,), roles=_SUPERVISOR),
    Trouble.CALL_CODE_UNCLEAR: Advice(why="A handoff was opened on a call code, and it is not plain that it is this referral's.", todo="Compare the two with the officer. Close the one that is not needed, then clear this.", steps=(Op.CLOSE,)),
    Trouble.NOT_FLAGGED: Advice(why="There was nothing of that kind to decide any more.", todo="Look at the timeline: somebody was faster. Then clear this."),
    Trouble.NOT_ALIKE: Advice(why="The two referrals do not look like one person's any more.", todo="Look at both again. Then clear this.", steps=(Op.JUDGE_DUPLICATE,)),
    Trouble.STILL_ALIKE: Advice(why="Another referral still looks like this person's.", todo="Compare the two side by side and decide.", steps=(Op.JUDGE_DUPLICATE,)),
})  # fmt: skip

# Flags that ask for a person by themselves, with nothing kept beside them.
FLAG_ADVICE: Mapping[Flag, Advice] = MappingProxyType({
    Flag.NEEDS_ATTENTION: Advice(why="A step was kept that did not fit.", todo="Look at the timeline, ask who did it, then clear this."),
    Flag.PARALLEL_UPDATE: Advice(why="Two people changed the referral without knowing of each other.", todo="Compare both answers and choose which one stands."),
    Flag.POSSIBLE_DUPLICATE: Advice(why="LEAD may know this person already.", todo="Compare the two referrals side by side and decide.", steps=(Op.JUDGE_DUPLICATE,)),
    Flag.WITHDRAWAL_ASKED: Advice(why="The officer asks to withdraw it.", todo="Close it as withdrawn, or let it stay and tell the officer.", steps=(Op.CLOSE,), roles=_SUPERVISOR),
    Flag.WAIT_LIST: Advice(why="The person waits for a pair.", todo="Enrol them when a place is free: the supervisors are told.", steps=(Op.ENROL,), roles=_SUPERVISOR),
    Flag.DEVICE_REVOKED: Advice(why="A device that was taken out of service sent something.", todo="Look at what is held and let it pass or not. Then clear this.", roles=_SUPERVISOR),
    Flag.INCOMPLETE: Advice(why="Only the copy of a draft came, from a device that was wiped.", todo="Ask the officer to record it again, or close it.", steps=(Op.CLOSE,), roles=_SUPERVISOR),
    Flag.LATE_SYNC: Advice(why="It arrived long after it was recorded.", todo="Check whether they were met, and say which.", steps=(Op.MET, Op.NOT_COMPLETED)),
    Flag.OUT_OF_TOUCH: Advice(why="Nobody has reached the person lately.", todo="Try the other ways that the person allowed. Clear this when they are found.", steps=(Op.CONTACT, Op.CLOSE)),
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMatter:
    """A matter that a judgement opens. op, by: the step that was kept. stood: the track and state that it did not fit."""

    why: Trouble
    flag: Flag = Flag.NEEDS_ATTENTION
    op: Op | None = None
    by: UserId | None = None
    stood: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matter:
    """An open matter as it is kept."""

    matter_id: str
    referral_id: ReferralId
    why: Trouble
    flag: Flag
    at: datetime
    op: Op | None = None
    by: UserId | None = None
    stood: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """One line of the list "needs attention": everything that a person needs to act on it.

    at: since when, None where it is not known. by: a colleague's name. decisions: what `resolve` may say of its flag.
    """

    referral_id: ReferralId
    receipt: str
    flag: Flag
    advice: Advice
    why: Trouble | None = None
    op: Op | None = None
    by: str | None = None
    at: datetime | None = None
    stood: str | None = None
    decisions: tuple[Resolution, ...] = ()


def decisions_on(flag: Flag) -> tuple[Resolution, ...]:
    """What a person may decide about the flag."""
    return RESOLUTIONS.get(flag, ())
