"""Actions in memory, for tests of screens: the real drafts, eligibility and tables, and no disk, key or network.

Everyone in it is invented. `DemoActions.officer()` and `.case_manager()` hold a few referrals in different states.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from field_app import draft as drafts
from field_app.actions import Failed
from field_app.draft import Draft
from field_app.outcomes import Done, Enrolled, Missing, Opened, Saved, SyncCounts, Trouble
from field_app.projection import possible
from field_app.snapshot import (
    Alarm,
    Call,
    Connection,
    Delivery,
    DeliveryLine,
    Detail,
    DraftRow,
    Gate,
    Me,
    NoticeRow,
    OutboxRow,
    Phase,
    ReferralRow,
    Settings,
    Snapshot,
)
from referral.codec import from_wire
from referral.eligibility import Outlook
from referral.lifecycle import Episode, Handoff, Review, Role
from referral.model import Kind, OpId, Referral, ReferralId, Urgency, UserId, Whereabouts
from referral.numbers import call_code
from referral.operations import NotCompletedReason, Op, SaoAnswer, merge
from referral.problems import ProblemCode
from referral.views import CaseloadView, Happening, NoticeKind, TimelineEntry
from tests.support.packs import baltimore

NOW = datetime(2026, 2, 3, 7, 10, tzinfo=UTC)
PIN = "246810"
Json = Any


def row(number: int, **more: Any) -> ReferralRow:
    """An invented referral row."""
    defaults: dict[str, Any] = {
        "referral_id": ReferralId(f"{number:032x}"),
        "kind": Kind.ARREST,
        "title": f"Test Person {number}",
        "created_at": NOW - timedelta(minutes=7 * number),
        "delivery": Delivery.ACCEPTED,
        "receipt": f"7K42-{number:04d}",
        "received_at": NOW - timedelta(minutes=7 * number - 1),
        "review": Review.SUBMITTED,
        "handoff": Handoff.NONE,
        "episode": Episode.OPEN,
        "officer_name": "Officer Nine",
        "mine": True,
    }
    return ReferralRow(**(defaults | more))


class DemoActions:
    """See field_app/actions.py; outcomes and refusals have the same shape."""

    def __init__(self, snapshot: Snapshot, records: Mapping[ReferralId, Mapping[str, Json]] | None = None) -> None:
        self.shot = snapshot
        self.records: dict[ReferralId, dict[str, Json]] = {k: dict(v) for k, v in (records or {}).items()}
        self.drafts: dict[ReferralId, Draft] = {}
        self.subscribers: list[Callable[[Snapshot], None]] = []
        self.done: list[tuple[str, Any]] = []
        self.saves = 0
        self._turn = threading.RLock()
        self._made = 0

    # --- worlds -------------------------------------------------------------------------------------------------------

    @classmethod
    def new_device(cls) -> DemoActions:
        """Nothing enrolled yet."""
        return cls(Snapshot(phase=Phase.NOT_ENROLLED, now=NOW))

    @classmethod
    def officer(cls, *, shut: bool = True, count: int = 0) -> DemoActions:
        """An officer's phone with referrals in several states (or `count` of one kind)."""
        waiting = row(
            1, title="R. Example", delivery=Delivery.WAITING, receipt=None, received_at=None, review=None, handoff=None
        )
        call = Call(code=call_code(waiting.referral_id), number="410-555-0101", label="LEAD case manager on duty")
        waiting = replace(waiting, call=call, to_finish=("incident_number", "person.birth"))
        rows: tuple[ReferralRow, ...] = (
            waiting,
            row(2, title="Blue jacket, by the market", handoff=Handoff.ACCEPTED, case_manager="C. Manager"),
            row(3, title="M. Sample", kind=Kind.SOCIAL, urgency=Urgency.TODAY),
            row(9, title="T. Invented", handoff=Handoff.MET, review=Review.APPROVED, case_manager="C. Manager"),
            row(14, title="", handoff=Handoff.REDIRECTED, review=Review.NEED_INFO),
            row(
                300,
                title="",
                shrunk=True,
                review=Review.APPROVED,
                handoff=Handoff.INTAKE_COMPLETE,
                episode=Episode.ENROLLED,
            ),
        )
        if count:
            rows = tuple(row(n) for n in range(1, count + 1))
        line = DeliveryLine(
            waiting=1,
            accepted=5,
            oldest_unsent_s=12 * 60,
            connection=Connection.NO_CONNECTION,
            last_sync=NOW - timedelta(minutes=14),
        )
        outbox = (
            OutboxRow(
                op_id=OpId("a" * 32), referral_id=waiting.referral_id, operation=Op.CREATE, state=Delivery.WAITING,
                attempts=3, age_s=12 * 60, reason=ProblemCode.NO_CONNECTION, title="R. Example",
            ),
        )  # fmt: skip
        shot = Snapshot(
            phase=Phase.SHUT if shut else Phase.OPEN,
            now=NOW,
            me=Me(
                user=UserId("nine"),
                name="Officer Nine",
                role=Role.OFFICER,
                unit="Central",
                agency="LEAD partners",
                server="http://127.0.0.1:8000",
                device_id="d" * 32,
            ),
            delivery=DeliveryLine(accepted=count, connection=Connection.OK) if count else line,
            referrals=rows,
            outbox=() if count else outbox,
            programme=baltimore(),
        )
        base: dict[str, Json] = {"kind": "arrest_diversion", "willing": "yes", "whereabouts": "coming_in"}
        records: dict[ReferralId, dict[str, Json]] = {
            r.referral_id: {
                "referral_id": r.referral_id,
                **base,
                "person": {"name": r.title or "Test"},
                "offence_codes": ["4 3550"],
            }
            if r.kind is Kind.ARREST
            else {"referral_id": r.referral_id, "kind": "social_contact", "willing": "yes", "person": {"name": r.title}}
            for r in rows
            if not r.shrunk
        }
        return cls(shot, records)

    @classmethod
    def case_manager(cls, *, shut: bool = True) -> DemoActions:
        """A case manager's phone with two handoffs waiting."""
        coming = row(
            1, title="R. Example", handoff=Handoff.OFFERED, offered_at=NOW - timedelta(minutes=4, seconds=7),
            whereabouts=Whereabouts.COMING_IN, eta_at=NOW + timedelta(minutes=16),
        )  # fmt: skip
        social = row(
            5, title="M. Sample", kind=Kind.SOCIAL, handoff=Handoff.OFFERED, offered_at=NOW - timedelta(minutes=35),
            urgency=Urgency.TODAY, nobody_answered=True,
        )  # fmt: skip
        people = (
            row(20, title="T. Invented", handoff=Handoff.MET, case_manager="C. Manager"),
            row(
                30, title="A. Nobody", handoff=Handoff.INTAKE_COMPLETE, episode=Episode.ENROLLED, review=Review.APPROVED
            ),
        )
        shot = Snapshot(
            phase=Phase.SHUT if shut else Phase.OPEN,
            now=NOW,
            me=Me(
                user=UserId("manager"),
                name="C. Manager",
                role=Role.CASE_MANAGER,
                agency="LEAD partners",
                server="http://127.0.0.1:8000",
                device_id="c" * 32,
            ),
            delivery=DeliveryLine(accepted=3, connection=Connection.OK, last_sync=NOW),
            inbox=(coming, social),
            referrals=people,
            notices=(
                NoticeRow(
                    notice_id="n1",
                    referral_id=coming.referral_id,
                    kind=NoticeKind.HANDOFF_OFFERED,
                    created_at=NOW,
                    acknowledged=False,
                ),
                NoticeRow(
                    notice_id="n2",
                    referral_id=people[0].referral_id,
                    kind=NoticeKind.SAO_ANSWERED,
                    created_at=NOW,
                    acknowledged=False,
                ),
            ),
            caseload=CaseloadView(pair="pair-1", enrolled=25, soft=25, cap=28),
            programme=baltimore(),
        )
        person = {"name": "R. Example", "birth": {"age": 34}}
        reach = {"how": "phone", "detail": "410-555-0199", "permission": "ok_no_message"}
        wire: dict[str, Json] = {
            "kind": "arrest_diversion", "willing": "yes", "whereabouts": "coming_in", "person": person, "reach": reach,
            "offence_codes": ["4 3550"], "place": {"text": "300 block W Lexington St", "source": "picked"},
        }  # fmt: skip
        return cls(shot, {r.referral_id: {"referral_id": r.referral_id, **wire} for r in (*shot.inbox, *people)})

    # --- the contract -------------------------------------------------------------------------------------------------

    def snapshot(self) -> Snapshot:
        return self.shot

    def subscribe(self, callback: Callable[[Snapshot], None]) -> Callable[[], None]:
        self.subscribers.append(callback)
        return lambda: self.subscribers.remove(callback)

    def _show(self, **changes: Any) -> None:
        with self._turn:
            self.shot = replace(self.shot, **changes)
            for callback in tuple(self.subscribers):
                callback(self.shot)

    def poll(self) -> None:
        """Nobody else writes here."""

    def enrol(self, server: str, code: str, pin: str | None) -> Enrolled | Trouble:
        if code != "ABCD-EFGH-JKMN":
            return Trouble(problem=ProblemCode.CODE_NOT_VALID)
        ready = DemoActions.officer(shut=True)
        self.records = ready.records
        shot = ready.shot
        self._show(**{f: getattr(shot, f) for f in ("phase", "me", "referrals", "programme", "delivery", "outbox")})
        return Enrolled(user="nine", role=Role.OFFICER, device_id="d" * 32, pin=PIN if pin is None else None)

    def unlock(self, pin: str) -> Opened | Trouble:
        if pin != PIN:
            left = (self.shot.gate.tries_left or 10) - 1
            self._show(gate=Gate(tries_left=left, problem=ProblemCode.WRONG_PIN))
            return Trouble(problem=ProblemCode.WRONG_PIN)
        self._show(phase=Phase.OPEN, gate=Gate())
        return Opened()

    def lock(self) -> None:
        self._show(phase=Phase.SHUT)

    def change_pin(self, old: str, new: str) -> Done | Trouble:
        return Done() if old == PIN else Trouble(problem=ProblemCode.WRONG_PIN)

    def start(self, kind: Kind, scene_of: ReferralId | None = None) -> Draft:
        scene = self._referral(scene_of) if scene_of is not None else None
        self._made += 1
        draft = drafts.begin(ReferralId(f"{self._made:x}".rjust(32, "f")), kind, self.shot.now, scene)
        self._keep(draft)
        return draft

    def _keep(self, draft: Draft) -> None:
        with self._turn:
            if self.shot.phase is not Phase.OPEN:
                raise Failed(Trouble(problem=ProblemCode.SHUT))
            self.drafts[draft.referral_id] = draft
            self.saves += 1
            self._show_drafts()

    def _show_drafts(self) -> None:
        self._show(
            drafts=tuple(
                DraftRow(referral_id=d.referral_id, kind=d.kind, title=d.title, saved_at=d.saved_at)
                for d in self.drafts.values()
                if d.answers
            )
        )

    def resume(self, referral_id: ReferralId) -> Draft:
        return self.drafts[referral_id]

    def answer(self, referral_id: ReferralId, path: str, value: Json) -> Draft:
        draft = drafts.answered(self.drafts[referral_id], path, value, baltimore(), self.shot.now)
        self._keep(draft)
        return draft

    def convert(self, referral_id: ReferralId) -> Draft:
        draft = drafts.converted(self.drafts[referral_id], baltimore(), self.shot.now)
        self._keep(draft)
        return draft

    def discard(self, referral_id: ReferralId) -> Draft:
        draft = self.drafts.pop(referral_id)
        self._show_drafts()
        return draft

    def restore(self, draft: Draft) -> None:
        self._keep(draft)

    def outlook(self, draft: Draft) -> Outlook:
        return drafts.outlook(draft, baltimore(), self.shot.now.date())

    def missing(self, draft: Draft) -> tuple[str, ...]:
        return drafts.missing(draft)

    def submit(self, referral_id: ReferralId) -> Saved | Missing | Trouble:
        draft = self.drafts[referral_id]
        if left := drafts.missing(draft):
            return Missing(fields=left)
        referral = drafts.submitted(draft, baltimore(), self.shot.now.date())
        del self.drafts[referral_id]
        self.records[referral_id] = draft.wire
        call = Call(code=call_code(referral_id), number="410-555-0101", label="LEAD case manager on duty")
        told = call if draft.kind is Kind.ARREST else None
        made = row(
            0, referral_id=referral_id, kind=draft.kind, title=referral.person.name or "", created_at=self.shot.now, call=told,
            delivery=Delivery.WAITING, receipt=None, received_at=None, review=None, handoff=None,
            to_finish=drafts.open_questions(draft.wire, baltimore()),
        )  # fmt: skip
        line = replace(self.shot.delivery, waiting=self.shot.delivery.waiting + 1, oldest_unsent_s=0)
        self._show(referrals=(made, *self.shot.referrals), delivery=line)
        self._show_drafts()
        return Saved(referral_id=referral_id, op_id=OpId("b" * 32), call=told)

    def _step(self, name: str, referral_id: ReferralId, said: Any = None, **changes: Any) -> Saved | Trouble:
        self.done.append((name, said))

        def after(rows: tuple[ReferralRow, ...]) -> tuple[ReferralRow, ...]:
            return tuple(replace(r, **changes) if r.referral_id == referral_id else r for r in rows)

        inbox, own = after(self.shot.inbox), after(self.shot.referrals)
        moved = tuple(r for r in inbox if r.handoff is not Handoff.OFFERED)
        self._show(inbox=tuple(r for r in inbox if r.handoff is Handoff.OFFERED), referrals=(*moved, *own))
        return Saved(referral_id=referral_id, op_id=OpId("b" * 32))

    def amend(self, referral_id: ReferralId, changes: Mapping[str, Json]) -> Saved | Trouble:
        self.records[referral_id] = merge(self.records[referral_id], changes)
        left = drafts.open_questions(self.records[referral_id], baltimore())
        return self._step("amend", referral_id, dict(changes), to_finish=left)

    def withdraw(self, referral_id: ReferralId, reason: str | None = None) -> Saved | Trouble:
        return self._step("withdraw", referral_id, reason, episode=Episode.CLOSED, call=None)

    def ask_withdrawal(self, referral_id: ReferralId, reason: str | None = None) -> Saved | Trouble:
        return self._step("ask_withdrawal", referral_id, reason)

    def sao_call(self, referral_id: ReferralId, who: str | None, answer: SaoAnswer) -> Saved | Trouble:
        return self._step("sao_call", referral_id, (who, answer))

    def on_the_way(self, referral_id: ReferralId, eta_at: datetime | None, destination: str | None) -> Saved | Trouble:
        return self._step("on_the_way", referral_id, (eta_at, destination), eta_at=eta_at)

    def met(self, referral_id: ReferralId) -> Saved | Trouble:
        return self._step("met", referral_id, handoff=Handoff.MET)

    def not_completed(self, referral_id: ReferralId, reason: NotCompletedReason) -> Saved | Trouble:
        return self._step("not_completed", referral_id, reason, handoff=Handoff.NOT_COMPLETED)

    def accept(self, referral_id: ReferralId) -> Saved | Trouble:
        return self._step(
            "accept", referral_id, handoff=Handoff.ACCEPTED, case_manager="C. Manager", nobody_answered=False
        )

    def redirect(self, referral_id: ReferralId, reason: str) -> Saved | Trouble:
        return self._step("redirect", referral_id, reason, handoff=Handoff.REDIRECTED)

    def intake(self, referral_id: ReferralId) -> Saved | Trouble:
        return self._step("intake", referral_id, handoff=Handoff.INTAKE_COMPLETE)

    def contact(self, referral_id: ReferralId, reached: bool) -> Saved | Trouble:
        return self._step("contact", referral_id, reached)

    def acknowledge(self, notice_id: str) -> Saved | Trouble:
        seen = tuple(replace(n, acknowledged=True) if n.notice_id == notice_id else n for n in self.shot.notices)
        self._show(notices=seen)
        return Saved(referral_id=ReferralId("f" * 32), op_id=OpId("b" * 32))

    def hear(self, alarm: Alarm) -> None:
        self._show(alarms=tuple(a for a in self.shot.alarms if a != alarm))

    def _referral(self, referral_id: ReferralId) -> Referral | None:
        wire = self.records.get(referral_id)
        return None if wire is None else from_wire(Referral, wire)

    def detail(self, referral_id: ReferralId) -> Detail:
        found = next(r for r in (*self.shot.inbox, *self.shot.referrals) if r.referral_id == referral_id)
        lines: list[TimelineEntry] = []
        if found.received_at is not None:
            lines.append(TimelineEntry(what=Happening.RECEIVED, at=found.received_at))
        if found.handoff is not Handoff.NONE and found.offered_at is not None:
            lines.append(TimelineEntry(what=Happening.OFFERED, at=found.offered_at))
        if found.case_manager:
            lines.append(
                TimelineEntry(
                    what=Happening.ACCEPTED, at=found.created_at + timedelta(minutes=4), by=found.case_manager
                )
            )
        role = self.shot.me.role if self.shot.me else Role.OFFICER
        return Detail(
            row=found, referral=self._referral(referral_id), timeline=tuple(lines), steps=possible(found, role)
        )

    def search(self, text: str) -> tuple[ReferralRow, ...]:
        return tuple(r for r in self.shot.referrals if text.casefold() in f"{r.title} {r.receipt}".casefold())

    def sync_now(self) -> SyncCounts:
        self.done.append(("sync", None))
        return SyncCounts(waiting=self.shot.delivery.waiting)

    def pause(self) -> None:
        self._show(delivery=replace(self.shot.delivery, connection=Connection.PAUSED))

    def resume_sending(self) -> None:
        self._show(delivery=replace(self.shot.delivery, connection=Connection.NO_CONNECTION))

    def retry(self, op_id: OpId) -> Done | Trouble:
        self.done.append(("retry", op_id))
        return Done()

    def export(self, op_id: OpId, folder: Path) -> Path:
        path = folder / f"{op_id}.env"
        path.write_bytes(b"sealed")
        return path

    def set_settings(self, settings: Settings) -> None:
        self._show(settings=settings)
