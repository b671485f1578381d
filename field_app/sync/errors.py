"""What can go wrong between a device and its case system. The items stay as they are in every case (S8).

SyncFault (a ConnectionError)
├── NoConnection        nobody answered: no network, no name, no listener
│   └── Interrupted     the exchange began and did not end: a cut, a time-out, too large an answer
├── NotACaseSystem      something else answered: a captive portal, a proxy's page, another web site
└── NotTheAgency        it answers like a case system, and cannot prove that it is ours: certificate or signature

A case system's own refusal of a whole request is `referral.port.Refused`. Each fault carries the `ProblemCode` that people are
shown. No text holds bodies, tokens or addresses with secrets.
"""

from __future__ import annotations

from typing import ClassVar

from referral.problems import ProblemCode


class SyncFault(ConnectionError):
    """Root of the tree."""

    code: ClassVar[ProblemCode] = ProblemCode.NO_CONNECTION


class NoConnection(SyncFault):
    """Nobody answered."""


class Interrupted(NoConnection):
    """The exchange began and did not end; what was sent may have arrived."""


class NotACaseSystem(SyncFault):
    """Something else answered."""

    code = ProblemCode.NOT_A_CASE_SYSTEM


class NotTheAgency(SyncFault):
    """It cannot prove that it is the case system this device is bound to."""

    code = ProblemCode.NOT_THE_AGENCY
