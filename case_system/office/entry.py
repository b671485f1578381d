"""The way into the office: who asks, whether their role has the duty, and what is said when it has not.

Everything that the office shows or changes asks `Entry.let` first, with the duty of `grants.DUTIES`; a refusal is counted in the
audit trail and changes nothing. Knows no database and no page.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from case_system.audit import Deed
from case_system.grants import Duty, has_duty, manages
from case_system.ports import Clock
from case_system.record import User
from case_system.refusals import UNKNOWN, Refusals
from case_system.storage import AgencyFacts, Docket, NotSo, StorageError
from case_system.transactions import Transactions
from referral.lifecycle import Role
from referral.model import UserId
from referral.port import Refused
from referral.problems import ProblemCode
from referral.programme import Programme


class Entry:
    """Lets people in. Thread-safe: it keeps counts of refusals only."""

    def __init__(self, transactions: Transactions, clock: Clock) -> None:
        self.transactions, self.clock = transactions, clock
        self._refusals = Refusals()

    def let(self, actor: UserId, duty: Duty) -> User:
        """The person, when their role has the duty; else Refused(not_permitted), counted in the trail."""
        with self.transactions.reading() as reading:
            user = reading.users().get(actor)
        if user is not None and user.active and has_duty(duty, user.role):
            return user
        self.refuse(actor if user is not None else UserId(UNKNOWN), duty)
        raise Refused(ProblemCode.NOT_PERMITTED)

    def over(self, actor: UserId, duty: Duty, other: UserId) -> tuple[User, User]:
        """The person and the other one, when the duty holds over people of the other's role."""
        user = self.let(actor, duty)
        with self.transactions.reading() as reading:
            whom = reading.users().get(other)
        if whom is None:
            raise Refused(ProblemCode.NOT_FOUND)
        self.may_have(user, duty, whom.role)
        return user, whom

    def may_have(self, user: User, duty: Duty, role: Role) -> None:
        """NotSo(not_yours), counted as a refusal, unless the user looks after people of the role."""
        if not manages(user.role, role):
            self.refuse(user.user_id, duty)
            raise NotSo("people of that role are looked after by the administrator", "not_yours")

    def refuse(self, actor: UserId, duty: Duty) -> None:
        """Count a refusal in the trail."""
        now = self.clock()
        self.note(now, *self._refusals.heard(Deed(actor=actor, action=duty, outcome=ProblemCode.NOT_PERMITTED), now))

    def note(self, now: datetime, *deeds: Deed) -> None:
        """Rows of the audit trail, in a transaction of their own: for what was only looked at."""

        def work(docket: Docket, facts: AgencyFacts, pack: Programme) -> None:
            for deed in deeds:
                docket.audit(deed)

        if deeds:
            self.transactions.write(now, work)


@contextmanager
def asking() -> Iterator[None]:
    """A store that does not answer, as people meet it; a change that makes no sense stays NotSo, with its stable code."""
    try:
        yield
    except StorageError as error:
        raise Refused(ProblemCode.BUSY, retry_after_s=5) from error
