"""One operation's turn: what the rules look at, and what they decide, before anything is written.

`Scene` is everything around one referral that a rule may need; `Judgement` is everything that follows from one operation.
Both are plain values: the store fills the one and writes the other, in one transaction. `Turn` gathers a judgement while a
rule runs; when the rule finds that a step does not fit, the turn is dropped and nothing of it remains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from case_system.assignment import Rota, Waiting, posts, present, stand_ins
from case_system.handoff import Climb, Climbed, Ladder, NoticeState, Posts, Ring, climb
from case_system.matters import NewMatter, Trouble
from case_system.reasons import Why
from case_system.record import Pair, Record, User
from referral.custody import CustodyEnd
from referral.decisions import DuplicateDecision, JudgeDuplicate
from referral.lifecycle import Episode, Handoff, Review, Role, Step, Track, advance
from referral.model import ReferralId, UserId
from referral.operations import Op, Operation, ReleaseOfInformation, Vote
from referral.port import Outcome
from referral.problems import ProblemCode
from referral.programme import Programme
from referral.views import Flag, Happening, NoticeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The agency at one moment: server time, the pack, people, posts and pairs.

    away: who is away, and who stands in for them. line: who waits for a pair, in order; looked up with the lock of the pairs.
    """

    now: datetime
    pack: Programme = field(repr=False)
    users: Mapping[UserId, User]
    posts: Posts
    pairs: Mapping[str, Pair]
    away: Mapping[UserId, UserId | None] = field(default_factory=dict)
    line: tuple[Waiting, ...] = ()

    def here(self, people: Iterable[UserId]) -> tuple[UserId, ...]:
        """These people as far as they are active, with covers in place of those who are away."""
        found = present(tuple(people), self.away)
        return tuple(u for u in found if u in self.users and self.users[u].active)

    def pair_of(self, user_id: UserId | None) -> Pair | None:
        """The active pair that a person works in."""
        return next((p for p in self.pairs.values() if p.active and user_id in p.members), None)


def world_of(now: datetime, pack: Programme, users: Mapping[UserId, User], rota: Rota, pairs: Mapping[str, Pair], line: tuple[Waiting, ...] = ()) -> World:  # fmt: skip
    """The agency at a moment, with who stands on each post and who stands in for whom."""
    people = users.values()
    return World(
        now=now,
        pack=pack,
        users=users,
        posts=posts(rota, people, now),
        pairs=pairs,
        away=stand_ins(rota, people, now),
        line=line,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFact:
    """What the rules need of a notice that exists."""

    notice_id: str
    recipient: UserId
    kind: NoticeKind
    round: int
    state: NoticeState


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenMatter:
    """What the rules need of an open matter."""

    matter_id: str
    why: Trouble
    flag: Flag
    op: Op | None = None
    stood: str | None = None


class DoesNotFit(Exception):
    """The step is not possible now; the turn is dropped, the operation is kept with the reason for a person.

    changes: fields of the record that follow all the same (a place on the list). said: lines of the timeline that do.
    """

    def __init__(
        self, why: Trouble, code: ProblemCode = ProblemCode.NOT_POSSIBLE_NOW, *flags: Flag, said: Happening | None = None, **changes: Any
    ) -> None:  # fmt: skip
        super().__init__(why.value)
        self.why, self.code, self.flags, self.said, self.changes = why, code, flags, said, changes


class NotTheirs(Exception):
    """The role may do the operation, but not this one of its kind: refused, nothing is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What surrounds one referral: its notices and climbs, and what else a new one meets.

    known_as: the record of the same person in LEAD. alike: all that look like the same person's. judged: what a person decided
    about some of those. scene_rings: someone of the same scene is rung for already. provisional: open provisional handoffs with
    the same call code. votes: partner -> approved. matters: what is open here.
    """

    notices: tuple[NoticeFact, ...] = ()
    climbs: Mapping[Ladder, Climb] = field(default_factory=dict)
    known_as: Record | None = None
    counted_in: str | None = None
    counted_by: frozenset[ReferralId] = frozenset()  # the other referrals by which the person is with a pair already
    scene_rings: bool = False
    provisional: tuple[Record, ...] = ()
    votes: Mapping[str, bool] = field(default_factory=dict)
    alike: tuple[ReferralId, ...] = ()
    judged: Mapping[ReferralId, DuplicateDecision] = field(default_factory=dict)
    matters: tuple[OpenMatter, ...] = ()

    @property
    def unjudged(self) -> tuple[ReferralId, ...]:
        """Those that look like the same person's and that nobody has decided about."""
        return tuple(other for other in self.alike if other not in self.judged)

    @property
    def rung(self) -> frozenset[tuple[UserId, NoticeKind, int]]:
        return frozenset((n.recipient, n.kind, n.round) for n in self.notices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    what: Happening
    by: UserId | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Everything that follows from one operation. `record` None: nothing is known under that id, and nothing is made.

    climbs: to keep; closed: ladders that end. settled: open notices that end, by their new state.
    counted: pair -> change of its people. shred: old sealed text must become unreadable. merges: the provisional record.
    matters: what needs a person from now on; resolved: open matters that end, and with which decision. judged: a decision on likeness.
    """

    outcome: Outcome
    code: ProblemCode | None = None
    record: Record | None = None
    by: UserId | None = None
    happenings: tuple[Happened, ...] = ()
    rings: tuple[Ring, ...] = ()
    climbs: tuple[Climb, ...] = ()
    closed: frozenset[Ladder] = frozenset()
    settled: Mapping[str, NoticeState] = field(default_factory=dict)
    vote: Vote | None = None
    release: ReleaseOfInformation | None = None
    counted: Mapping[str, int] = field(default_factory=dict)
    shred: bool = False
    merges: Record | None = None
    matters: tuple[NewMatter, ...] = ()
    resolved: Mapping[str, str] = field(default_factory=dict)
    judged: JudgeDuplicate | None = None


HANDOFF_NOTICES = frozenset({NoticeKind.HANDOFF_OFFERED, NoticeKind.HANDOFF_ESCALATED})


@dataclass(slots=True, kw_only=True)
class Turn:
    """Gathers the judgement of one operation by one person (`actor`) on one record."""

    operation: Operation
    actor: User
    device_id: str
    world: World
    scene: Scene
    record: Record
    happenings: list[Happened] = field(default_factory=list)
    rings: list[Ring] = field(default_factory=list)
    climbs: dict[Ladder, Climb] = field(default_factory=dict)
    closed: set[Ladder] = field(default_factory=set)
    settled: dict[str, NoticeState] = field(default_factory=dict)
    vote: Vote | None = None
    release: ReleaseOfInformation | None = None
    counted: dict[str, int] = field(default_factory=dict)
    shred: bool = False
    merges: Record | None = None
    matters: list[NewMatter] = field(default_factory=list)
    resolved: dict[str, str] = field(default_factory=dict)
    judged: JudgeDuplicate | None = None

    @property
    def now(self) -> datetime:
        return self.world.now

    def change(self, **changes: Any) -> None:
        """Set fields of the record."""
        self.record = replace(self.record, **changes)

    def flag(self, *flags: Flag) -> None:
        self.change(flags=self.record.flags | set(flags))

    def unflag(self, *flags: Flag) -> None:
        self.change(flags=self.record.flags - set(flags))

    def say(self, what: Happening, code: str | None = None) -> None:
        """A line of the timeline, by the actor."""
        self.happenings.append(Happened(what=what, by=self.actor.user_id, code=code))

    def note(self, what: Happening, code: str | None = None) -> None:
        """A line of the timeline that nobody did."""
        self.happenings.append(Happened(what=what, code=code))

    def ask(self, why: Trouble, *, stood: str | None = None) -> None:
        """Leave a matter for a person."""
        op = self.operation.op
        self.matters.append(NewMatter(why=why, op=op, by=self.actor.user_id, stood=stood))
        self.flag(Flag.NEEDS_ATTENTION)

    def resolve(self, decision: str, which: Iterable[OpenMatter]) -> None:
        """End open matters; the flag of each goes with its last one."""
        ended = {matter.matter_id: matter.flag for matter in which}
        self.resolved.update(dict.fromkeys(ended, decision))
        left = {m.flag for m in self.scene.matters if m.matter_id not in self.resolved} | {m.flag for m in self.matters}
        self.unflag(*(flag for flag in ended.values() if flag not in left))

    def end_custody(self, end: CustodyEnd) -> None:
        """Stop the custody clock, if it runs."""
        if self.record.custody_from is not None and self.record.custody_until is None:
            self.change(custody_until=self.now, custody_end=end)

    def step(self, track: Track, step: Step, role: Role | None = None) -> None:
        """Move a track; raises IllegalStep."""
        moved = advance(track, getattr(self.record, track.value), step, role or self.actor.role)
        self.change(**{track.value: moved})

    def tell(
        self, who: Iterable[UserId | None], kind: NoticeKind, *, rings: bool = True, due_at: datetime | None = None
    ) -> None:
        """Stage a notice for active people, not for the actor, once each; its round is the revision that caused it."""
        for user_id in dict.fromkeys(who):
            user = self.world.users.get(user_id) if user_id is not None else None
            if user is None or not user.active or user_id == self.actor.user_id:
                continue
            self.rings.append(
                Ring(
                    recipient=user.user_id,
                    kind=kind,
                    round=self.record.revision,
                    due_at=due_at or self.now,
                    rings=rings,
                )
            )

    def start(self, ladder: Ladder, *, first: int = 0, posts: Posts | None = None, quiet: bool = False, not_to: frozenset[UserId] = frozenset()) -> None:  # fmt: skip
        """Begin a climb and ring its first rung now."""
        before = self.climbs.get(ladder) or self.scene.climbs.get(ladder)
        offer = Climb(
            ladder=ladder, round=before.round + 1 if before else 1, started_at=self.now, first=first, rungs=first
        )
        up: Climbed = climb(
            offer, self.now, posts or self.world.posts, self.world.pack.timers, rung_already=self.scene.rung, not_to=not_to, quiet=quiet
        )  # fmt: skip
        self.rings.extend(up.rings)
        self.climbs[ladder] = up.climb
        self.closed.discard(ladder)

    def end(self, ladder: Ladder, kinds: frozenset[NoticeKind]) -> None:
        """End a climb: the actor's own notices count as answered, the others expire."""
        self.closed.add(ladder)
        self.climbs.pop(ladder, None)
        self.settle(kinds)

    def settle(self, kinds: frozenset[NoticeKind]) -> None:
        """End open notices: the actor's own count as answered, the others expire."""
        for notice in self.scene.notices:
            if notice.kind in kinds and notice.state in (NoticeState.STAGED, NoticeState.SENT):
                own = notice.recipient == self.actor.user_id
                self.settled[notice.notice_id] = NoticeState.ACKNOWLEDGED if own else NoticeState.EXPIRED

    def end_handoff(self) -> None:
        self.end(Ladder.HANDOFF, HANDOFF_NOTICES | {NoticeKind.NEW_SOCIAL_CONTACT})

    def end_sao(self) -> None:
        self.end(Ladder.SAO, frozenset({NoticeKind.SAO_REVIEW}))

    def offer(self, *, first: int = 0, quiet: bool = False, posts: Posts | None = None, why: Why | None = None) -> None:
        """Offer the handoff to whoever is on duty (or to `posts`), by the case system itself, with the reason."""
        posts = posts or self.world.posts
        self.step(Track.HANDOFF, Step.OFFER, Role.SYSTEM)
        holder = next(iter(posts.duty or posts.on_call or posts.supervisors), None)
        self.change(offered_at=self.now, holder=holder, unanswered_since=None)
        self.note(Happening.OFFERED, why or (Why.ON_DUTY if posts.duty else Why.NOBODY_ON_DUTY))
        self.start(Ladder.HANDOFF, first=first, posts=posts, quiet=quiet)

    def done(self, outcome: Outcome = Outcome.ACCEPTED, code: ProblemCode | None = None) -> Judgement:
        """The judgement as gathered so far."""
        return Judgement(
            outcome=outcome,
            code=code,
            record=self.record,
            by=self.actor.user_id,
            happenings=tuple(self.happenings),
            rings=tuple(self.rings),
            climbs=tuple(self.climbs.values()),
            closed=frozenset(self.closed),
            settled=dict(self.settled),
            vote=self.vote,
            release=self.release,
            counted=dict(self.counted),
            shred=self.shred,
            merges=self.merges,
            matters=tuple(self.matters),
            resolved=dict(self.resolved),
            judged=self.judged,
        )


WAITS_FOR_SOMEONE = frozenset({Handoff.OFFERED, Handoff.REDIRECTED})
UNDECIDED = frozenset({Review.SUBMITTED, Review.RECORDS_CHECK, Review.SAO_REVIEW, Review.NEED_INFO})
ALIVE = frozenset({Episode.OPEN, Episode.ENROLLED})
