"""What an action may answer: expected outcomes, returned and matched, never raised. Shared by actions, views and commands.

`Trouble` names a problem by its code; `detail` is a technical word for support (a field, a status), never personal data.
"""

from __future__ import annotations

from dataclasses import dataclass

from field_app.snapshot import Call
from referral.lifecycle import Role
from referral.model import OpId, ReferralId
from referral.problems import ProblemCode


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """It did not work: why, and nothing was lost."""

    problem: ProblemCode
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """It worked and there is nothing more to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """The vault is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolled:
    """The device is enrolled. `pin` is set only where the app made it: it is shown once."""

    user: str
    role: Role
    device_id: str
    pin: str | None = None

    def __repr__(self) -> str:
        return f"Enrolled(user={self.user!r}, role={self.role!r}, device_id={self.device_id!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """Committed at synchronous=FULL. `call` is set while LEAD must be told by voice."""

    referral_id: ReferralId
    op_id: OpId
    call: Call | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Save needs these answers first (wire names)."""

    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncCounts:
    """What one call of `sync_now` did."""

    sent: int = 0
    stored: int = 0
    accepted: int = 0
    needs_attention: int = 0
    waiting: int = 0
    pulled: int = 0
