"""What a person at the desk decides about a referral that the rules left to a person, and the codes of each decision.

A flag that asks for a person is taken down by one of the decisions that `RESOLUTIONS` names for it; a flag that is not in that
table ends by another step (a wait list by enrolling, a draft's copy by its full form); a likeness is judged by `JudgeDuplicate`.
Codes only, never free text: a decision is no place for words about a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from referral.model import ReferralId, is_referral_id
from referral.problems import FieldError, ProblemCode
from referral.views import Flag


class Resolution(StrEnum):
    """Why a flag could be taken down."""

    SETTLED = "settled"  # settled with the people concerned; what is recorded stands
    NOT_NEEDED = "not_needed"  # overtaken by what happened since
    FIRST_STANDS = "first_stands"  # of two answers, the one that came first
    LATER_STANDS = "later_stands"  # of two answers, the one that came later: it is put in place
    STAYS = "stays"  # asked to be withdrawn, and is not
    WERE_MET = "were_met"  # it arrived late; they had been met
    WERE_NOT_MET = "were_not_met"  # it arrived late; nobody had met them
    FOUND_AGAIN = "found_again"  # in touch again


RESOLUTIONS: Mapping[Flag, tuple[Resolution, ...]] = MappingProxyType({
    Flag.NEEDS_ATTENTION: (Resolution.SETTLED, Resolution.NOT_NEEDED),
    Flag.PARALLEL_UPDATE: (Resolution.FIRST_STANDS, Resolution.LATER_STANDS),
    Flag.WITHDRAWAL_ASKED: (Resolution.STAYS,),  # granting it is closing it with `withdrew`
    Flag.DEVICE_REVOKED: (Resolution.SETTLED, Resolution.NOT_NEEDED),
    Flag.LATE_SYNC: (Resolution.WERE_MET, Resolution.WERE_NOT_MET),
    Flag.OUT_OF_TOUCH: (Resolution.FOUND_AGAIN,),
    Flag.POSSIBLE_DUPLICATE: (Resolution.NOT_NEEDED,),  # only where no other referral looks alike any more
})  # fmt: skip


class DuplicateDecision(StrEnum):
    """What two referrals that look like one person's are."""

    SAME_EVENT = "same_event"  # recorded twice: this one is closed as a duplicate
    SAME_PERSON = "same_person"  # one person, two events: both go on, the person is counted once
    DIFFERENT_PEOPLE = "different_people"  # the likeness is chance, and is not raised again


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolve:
    """Take down one flag, by a decision that belongs to it."""

    flag: Flag
    decision: Resolution

    def __post_init__(self) -> None:
        if self.decision not in RESOLUTIONS.get(self.flag, ()):
            raise FieldError("body.decision", ProblemCode.INVALID_VALUE, "is not a decision about this flag")


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeDuplicate:
    """This referral and `other` look like one person's; what they are."""

    other: ReferralId
    decision: DuplicateDecision

    def __post_init__(self) -> None:
        if not is_referral_id(self.other):
            raise FieldError("body.other", ProblemCode.INVALID_VALUE, "is not the id of a referral")
