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

from case_system.handoff import Climb, Climbed, Ladder, NoticeState, Posts, Ring, climb
from case_system.record import Pair, Record, User
from referral.lifecycle import Episode, Handoff, Review, Role, Step, Track, advance
from referral.model import UserId
from referral.operations import Operation, ReleaseOfInformation, Vote
from referral.port import Outcome
from referral.problems import ProblemCode
from referral.programme import Programme
from referral.views import Flag, Happening, NoticeKind


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The agency at one moment: server time, the pack, people, posts and pairs."""

    now: datetime
    pack: Programme = field(repr=False)
    users: Mapping[UserId, User]
    posts: Posts
    pairs: Mapping[str, Pair]

    def pair_of(self, user_id: UserId | None) -> Pair | None:
        """The active pair that a person works in."""
        return next((p for p in self.pairs.values() if p.active and user_id in p.members), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFact:
    """What the rules need of a notice that exists."""

    notice_id: str
    recipient: UserId
    kind: NoticeKind
    round: int
    state: NoticeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What surrounds one referral: its notices and climbs, and what else a new one meets.

    known_as: the pair and record of the same person in LEAD. scene_rings: someone of the same scene is rung for already.
    provisional: open provisional handoffs with the same call code. votes: partner -> approved.
    """

    notices: tuple[NoticeFact, ...] = ()
    climbs: Mapping[Ladder, Climb] = field(default_factory=dict)
    known_as: Record | None = None
    counted_in: str | None = None
    scene_rings: bool = False
    provisional: tuple[Record, ...] = ()
    votes: Mapping[str, bool] = field(default_factory=dict)

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

    def note(self, what: Happening) -> None:
        """A line of the timeline that nobody did."""
        self.happenings.append(Happened(what=what))

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
        for notice in self.scene.notices:
            if notice.kind in kinds and notice.state in (NoticeState.STAGED, NoticeState.SENT):
                own = notice.recipient == self.actor.user_id
                self.settled[notice.notice_id] = NoticeState.ACKNOWLEDGED if own else NoticeState.EXPIRED

    def end_handoff(self) -> None:
        self.end(Ladder.HANDOFF, HANDOFF_NOTICES | {NoticeKind.NEW_SOCIAL_CONTACT})

    def end_sao(self) -> None:
        self.end(Ladder.SAO, frozenset({NoticeKind.SAO_REVIEW}))

    def offer(self, *, first: int = 0, quiet: bool = False, posts: Posts | None = None) -> None:
        """Offer the handoff to whoever is on duty (or to `posts`), by the case system itself."""
        posts = posts or self.world.posts
        self.step(Track.HANDOFF, Step.OFFER, Role.SYSTEM)
        holder = next(iter(posts.duty or posts.on_call or posts.supervisors), None)
        self.change(offered_at=self.now, holder=holder, unanswered_since=None)
        self.note(Happening.OFFERED)
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
        )


WAITS_FOR_SOMEONE = frozenset({Handoff.OFFERED, Handoff.REDIRECTED})
UNDECIDED = frozenset({Review.SUBMITTED, Review.RECORDS_CHECK, Review.SAO_REVIEW, Review.NEED_INFO})
ALIVE = frozenset({Episode.OPEN, Episode.ENROLLED})
