"""Which PINs and passphrases may open a vault, and how typed text becomes bytes.

Rules: CJIS Security Policy 5.9.5 IA-5(1)(e) (six digits only if random, else eight characters) and
NIST SP 800-63B (NFKC, block list). A device key in a file lends little, so a chosen secret needs fifteen characters
there.
"""

import unicodedata
from enum import StrEnum
from typing import Final

from field_app.vault.keys import RandomBytes, StoreName

DIGITS: Final = 6
CHOSEN: Final = 8
CHOSEN_ON_FILE: Final = 15
_TAIL: Final = "0123456789!?.#*$-_ "
# Lower case; digits and signs at the end are left out of the comparison on both sides.
BLOCKED: Final = frozenset(
    """
    password passw0rd p@ssw0rd passwort letmein welcome iloveyou sunshine princess football baseball superman batman
    trustno1 starwars whatever qwertyuiop qwerty asdfghjkl zxcvbnm 1q2w3e4r 1qaz2wsx abc123 admin administrator
    changeme default secret monkey dragon master shadow michael jennifer police officer baltimore maryland diversion
    leadfield ravens orioles
    """.split()  # noqa: SIM905
)
_RUNS: Final = ("01234567890", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm")


class Origin(StrEnum):
    """Who thought of the secret: the app's randomness, the officer, or a file given on the command line."""

    APP = "app"
    CHOSEN = "chosen"
    FILE = "file"


class PinVerdict(StrEnum):
    """What the policy says of a secret."""

    FINE = "fine"
    WEAK_STORE = "weak_store"
    TOO_SHORT = "too_short"
    COMMON = "common"
    UNUSABLE = "unusable"

    @property
    def allowed(self) -> bool:
        """Whether a vault may be made with it; WEAK_STORE only with a plain warning to the officer."""
        return self in (PinVerdict.FINE, PinVerdict.WEAK_STORE)


def pin_bytes(text: str) -> bytes:
    """Return the bytes that enter the key: NFKC, UTF-8; what two keyboards type alike is alike."""
    return unicodedata.normalize("NFKC", text).encode("utf-8", "surrogatepass")


def make_pin(random_bytes: RandomBytes) -> str:
    """Return six random digits, each PIN equally likely but for the guessable ones, which never come."""
    while True:
        drawn = int.from_bytes(random_bytes(4))
        pin = f"{drawn % 10**DIGITS:0{DIGITS}}"
        if drawn < 2**32 - 2**32 % 10**DIGITS and not _guessable(pin):
            return pin


def judge_pin(text: str, *, store: StoreName, origin: Origin) -> PinVerdict:
    """Return whether `text` may guard a vault whose device key is in `store`.

    Control characters, and characters unknown to this Unicode version, are unusable: another device would read
    them otherwise.
    """
    secret = unicodedata.normalize("NFKC", text)
    weak = PinVerdict.WEAK_STORE if store is StoreName.FILE else PinVerdict.FINE
    needed = CHOSEN_ON_FILE if store is StoreName.FILE and origin is Origin.CHOSEN else CHOSEN
    if any(unicodedata.category(character).startswith("C") for character in secret):
        return PinVerdict.UNUSABLE
    if origin is Origin.APP:
        needed = DIGITS
    elif origin is Origin.FILE and len(secret) == DIGITS and secret.isdecimal():
        needed = DIGITS  # the app-made PIN, kept in a file for unattended use
    if len(secret) < needed:
        return PinVerdict.TOO_SHORT
    if _guessable(secret):
        return PinVerdict.COMMON
    return PinVerdict.FINE if origin is Origin.CHOSEN else weak


def _guessable(secret: str) -> bool:
    low = secret.casefold()
    unit = (low + low).find(low, 1)  # the length of the block that repeats to make it all
    if len(set(low)) < 3 or unit <= len(low) // 2:
        return True
    if low.rstrip(_TAIL) in {word.rstrip(_TAIL) for word in BLOCKED}:
        return True
    return any(low in line or low[::-1] in line for line in _RUNS)
