"""Every reason for a refusal, once: a stable code, one sentence for people, and whether trying again can help.

Both sides and every outside program rely on the codes; a code is never renamed and never reused. The HTTP status that
belongs to a code is the business of `case_system/http.py`. Sentences hold no personal data and no place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class ProblemCode(StrEnum):
    """The stable names. What a person did (input), what the channel did (delivery), what the rules say (state)."""

    # input
    MALFORMED = "malformed"
    MISSING_ANSWER = "missing_answer"
    INVALID_VALUE = "invalid_value"
    TOO_LONG = "too_long"
    UNKNOWN_FIELD = "unknown_field"
    NOT_RECORDED_HERE = "not_recorded_here"
    TOO_LARGE = "too_large"
    ID_TAKEN = "id_taken"
    # delivery
    UNKNOWN_VERSION = "unknown_version"
    UNKNOWN_KEY = "unknown_key"
    KEY_RETIRED = "key_retired"
    BAD_SIGNATURE = "bad_signature"
    DAMAGED = "damaged"
    OTHER_BYTES = "other_bytes"
    CURSOR_TOO_OLD = "cursor_too_old"
    WAITING_FOR_EARLIER = "waiting_for_earlier"
    RATE_LIMITED = "rate_limited"
    BUSY = "busy"
    STORAGE_FULL = "storage_full"
    # who
    NOT_SIGNED_IN = "not_signed_in"
    NOT_PERMITTED = "not_permitted"
    CODE_NOT_VALID = "code_not_valid"
    DEVICE_REVOKED = "device_revoked"
    DEVICE_MISMATCH = "device_mismatch"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    # state
    REFERRAL_UNKNOWN = "referral_unknown"
    NOT_POSSIBLE_NOW = "not_possible_now"
    CAP_REACHED = "cap_reached"
    # device
    NOT_THE_AGENCY = "not_the_agency"
    NO_CONNECTION = "no_connection"
    NOT_A_CASE_SYSTEM = "not_a_case_system"
    WRONG_PIN = "wrong_pin"
    LOCKED = "locked"
    SHUT = "shut"
    KEY_UNAVAILABLE = "key_unavailable"
    KEY_LOST = "key_lost"
    VAULT_DAMAGED = "vault_damaged"
    DISK_FULL = "disk_full"
    NOT_ENROLLED = "not_enrolled"
    ALREADY_ENROLLED = "already_enrolled"
    IN_USE = "in_use"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What one code means for people.

    title: what happened, as a short sentence. meaning: what it means for the referral and what to do next.
    retryable: the same bytes may be accepted later; the device keeps them waiting instead of asking for attention.
    """

    code: ProblemCode
    title: str
    meaning: str
    retryable: bool = False


_SENTENCES: tuple[tuple[ProblemCode, bool, str, str], ...] = (
    (ProblemCode.MALFORMED, False, "This could not be read.", "Nothing was saved from it. Check the form of the input and send it again."),
    (ProblemCode.MISSING_ANSWER, False, "An answer that is needed is missing.", "Nothing was saved from it. Answer the named question and save again."),
    (ProblemCode.INVALID_VALUE, False, "An answer is not one of the possible ones.", "Nothing was saved from it. Correct the named answer and save again."),
    (ProblemCode.TOO_LONG, False, "An answer is too long.", "Nothing was saved from it. Shorten the named answer and save again."),
    (ProblemCode.UNKNOWN_FIELD, False, "There is no question of that name.", "Nothing was saved from it. Check the spelling of the named field."),
    (ProblemCode.NOT_RECORDED_HERE, False, "This must not be recorded in a referral.", "Nothing was saved from it. Leave the named field out."),
    (ProblemCode.TOO_LARGE, False, "This is larger than the system takes.", "It is kept on the device. Export it from the outbox and ask the administrator."),
    (ProblemCode.ID_TAKEN, False, "Another person's referral has this id.", "It was not saved. Leave the id out and save again."),
    (ProblemCode.UNKNOWN_VERSION, True, "This was made by a newer app.", "It is stored and will be opened when the case system is updated. Do nothing."),
    (ProblemCode.UNKNOWN_KEY, False, "This was sealed for a key that the case system does not have.", "It is kept. Ask the administrator to restore the key."),
    (ProblemCode.KEY_RETIRED, True, "The agency's key was changed.", "The app seals it again by itself. Do nothing."),
    (ProblemCode.BAD_SIGNATURE, False, "The signature does not belong to this device.", "It was not taken. It is kept on the device: ask the administrator."),
    (ProblemCode.DAMAGED, False, "The sealed record is damaged.", "It was not taken. It is kept on the device: ask the administrator."),
    (ProblemCode.OTHER_BYTES, False, "Another record already has this number.", "The first one counts. This one is kept aside for the administrator."),
    (ProblemCode.CURSOR_TOO_OLD, True, "This device was away for long.", "It fetches everything again by itself. Do nothing."),
    (ProblemCode.WAITING_FOR_EARLIER, True, "An earlier step of this referral has not arrived.", "It is stored and is applied when the earlier step arrives. Do nothing."),
    (ProblemCode.RATE_LIMITED, True, "Too many requests at once.", "Everything stays saved and goes out a little later. Do nothing."),
    (ProblemCode.BUSY, True, "The case system is busy.", "Everything stays saved and is sent again. Do nothing."),
    (ProblemCode.STORAGE_FULL, True, "The case system cannot store more now.", "Everything stays saved on the device. Tell the administrator."),
    (ProblemCode.NOT_SIGNED_IN, True, "The case system does not know this sign-in.", "Everything stays saved. Sign in or enrol again."),
    (ProblemCode.NOT_PERMITTED, False, "Your role may not do this.", "Nothing was changed. Ask your supervisor."),
    (ProblemCode.CODE_NOT_VALID, False, "This enrolment code is used, expired or wrong.", "Nothing was changed. Ask your supervisor for a new code."),
    (ProblemCode.DEVICE_REVOKED, False, "This device was taken out of service.", "What it sends is kept for a supervisor. Call LEAD and enrol again."),
    (ProblemCode.DEVICE_MISMATCH, False, "This record was sealed by another device.", "It was not taken. Send it from the device that made it."),
    (ProblemCode.NOT_FOUND, False, "There is nothing here under that name.", "Check the number and try again."),
    (ProblemCode.METHOD_NOT_ALLOWED, False, "This address does not do that.", "Nothing was changed. Check the address and the method."),
    (ProblemCode.REFERRAL_UNKNOWN, True, "The referral itself has not arrived.", "This step is stored and is applied when the referral arrives. Do nothing."),
    (ProblemCode.NOT_POSSIBLE_NOW, False, "This step does not fit what happened meanwhile.", "It is kept and flagged. A supervisor looks at it; call LEAD if it is urgent."),
    (ProblemCode.CAP_REACHED, False, "This pair has no free place.", "The step is kept. A supervisor chooses another pair."),
    (ProblemCode.NOT_THE_AGENCY, False, "This server is not your agency's.", "Nothing was sent. Check the address or ask the administrator."),
    (ProblemCode.NO_CONNECTION, True, "There is no connection to the case system.", "Everything stays saved on this device and goes out when there is a connection."),
    (ProblemCode.NOT_A_CASE_SYSTEM, True, "Something between here and the case system answered instead of it.", "Nothing counts as sent. Sign in to the Wi-Fi or use another network."),
    (ProblemCode.WRONG_PIN, False, "That PIN does not open this app.", "Nothing is lost. Try again."),
    (ProblemCode.LOCKED, False, "The app is locked after too many tries.", "Saved referrals keep sending. Ask your supervisor to release it, or wait."),
    (ProblemCode.SHUT, True, "The app is closed.", "What was saved is safe and keeps sending. Enter your PIN to go on."),
    (ProblemCode.KEY_UNAVAILABLE, True, "This device does not give out its key right now.", "Nothing is lost. Unlock the device and try again; restart it if that does not help."),
    (ProblemCode.KEY_LOST, False, "This device's key is gone.", "Waiting referrals are still sent. Enrol the device again; what was read on it is at the case system."),
    (ProblemCode.VAULT_DAMAGED, False, "The file with this device's records is damaged.", "Waiting referrals are kept as sealed files and nothing was deleted. Call support; run `field-app doctor`."),
    (ProblemCode.DISK_FULL, True, "This device has no free space.", "This was not saved. Free some space and save again; what was saved before is safe."),
    (ProblemCode.NOT_ENROLLED, False, "This device is not enrolled.", "Enrol it with the code from your supervisor."),
    (ProblemCode.ALREADY_ENROLLED, False, "This device is enrolled already.", "Nothing was changed. Use another data folder for another person."),
    (ProblemCode.IN_USE, True, "Another program is using this data folder.", "Nothing was changed. Close it or try again in a moment."),
    (ProblemCode.INTERNAL, True, "Something went wrong in the case system.", "Everything stays saved and is sent again. Tell the administrator if it lasts."),
)  # fmt: skip

PROBLEMS: Mapping[ProblemCode, Problem] = MappingProxyType(
    {
        code: Problem(code=code, title=title, meaning=meaning, retryable=retryable)
        for code, retryable, title, meaning in _SENTENCES
    }
)


class FieldError(ValueError):
    """An answer that a record cannot hold: names the field and the reason, never the value."""

    def __init__(self, field: str, code: ProblemCode, message: str) -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field, self.code, self.message = field, code, message
