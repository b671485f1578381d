"""What must be true of the desk's acts and decisions when a case has come to rest. Each function is one promise over the whole case.

What the desk was told counts while the life of the database lasts in which it was told: what a page did after the backup that was put
back is gone, and the page is no device that could offer it again.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from case_system.matters import Trouble
from case_system.record import DESK
from referral.decisions import JudgeDuplicate, Resolve
from referral.operations import Op
from referral.port import Outcome
from referral.views import Flag, Happening

if TYPE_CHECKING:
    from tests.faults.simulation.desk import Told
    from tests.faults.simulation.promises import Truth
    from tests.faults.simulation.world import World

_ASKED: Final = (Trouble.PARTNER_SAID_NO.value, Trouble.CALL_CODE_UNCLEAR.value)  # left by a step that was accepted
_SAID: Final = {Op.RESOLVE.value: Happening.RESOLVED.value, Op.JUDGE_DUPLICATE.value: Happening.DUPLICATE_JUDGED.value}


def desk_is_kept(world: World, truth: Truth) -> None:
    """S3: what a person at the desk was answered stands, with its receipt, and each act was counted once."""
    for told in _standing(world):
        paper = truth.by_number.get((DESK, told.receipt.op_id))
        same = paper is not None and (paper["outcome"], paper["receipt"]) == (
            told.receipt.outcome.value,
            told.receipt.receipt,
        )
        world.demand(
            same, f"S3: the desk was told {told.receipt.outcome.value} of a {told.operation.op.value} and it is not so"
        )
    acts = Counter((p["referral_id"], p["base"], p["nonce"]) for p in truth.papers if p["nonce"] is not None)
    world.demand(all(n == 1 for n in acts.values()), "S3: an act has two papers")


def flagged_once(world: World, truth: Truth) -> None:
    """S19: what was kept needs a person once, and never again for the same step once a person has settled it."""
    home = {r["referral_id"]: r["merged_into"] or r["referral_id"] for r in truth.referrals}
    kept = Counter(
        (home[p["referral_id"]], p["op"]) for p in truth.papers if p["outcome"] == Outcome.NEEDS_ATTENTION.value and p["nonce"] is not None
    )  # fmt: skip
    asked = Counter(
        (m["referral_id"], m["op"]) for m in truth.matters if m["op"] is not None and m["why"] not in _ASKED
    )
    world.demand(
        kept == asked, f"S19: {sum(kept.values())} steps were kept, and {sum(asked.values())} need a person or did"
    )


def settled_stays(world: World, truth: Truth) -> None:
    """A flag is up as long as a matter of its kind is open; a settled one says by whom and how; each decision is one line."""
    flags = {r["referral_id"]: frozenset(r["flags"].split()) for r in truth.referrals}
    home = {r["referral_id"]: r["merged_into"] or r["referral_id"] for r in truth.referrals}
    open_ = {(m["referral_id"], m["flag"]) for m in truth.matters if m["settled_at"] is None}
    world.demand(all(flag in flags[i] for i, flag in open_), "S19: something needs a person and no flag says so")
    attention = {i for i, up in flags.items() if Flag.NEEDS_ATTENTION in up}
    world.demand(attention <= {i for i, _ in open_}, "a flag is up and nothing needs a person")
    for matter in truth.matters:
        if matter["settled_at"] is not None:
            world.demand(bool(matter["settled_by"] and matter["decision"]), "a matter is settled, and by nobody")
    said = Counter((line["referral_id"], line["what"]) for line in truth.lines)
    for op, happening in _SAID.items():
        done = Counter(home[i] for i, _ in _accepted(truth, op))
        world.demand(
            all(said[i, happening] == n for i, n in done.items()),
            f"a decision of the desk ({op}) is not on the timeline once",
        )
    settled = {m["matter_id"]: m["decision"] for m in truth.matters if m["settled_at"] is not None}
    for told in _standing(world):
        if isinstance(told.operation.body, Resolve) and told.receipt.outcome is Outcome.ACCEPTED:
            gone = dict.fromkeys(told.open, told.operation.body.decision.value)
            world.demand(gone.items() <= settled.items(), "what a person settled is open again, or settled otherwise")


def judged_once(world: World, truth: Truth) -> None:
    """Two referrals that were judged are both there, as themselves, with the newest decision about them and no other."""
    there = {r["referral_id"]: r for r in truth.referrals}
    decisions: dict[frozenset[str], list[str]] = defaultdict(list)
    for row in truth.likenesses:
        decisions[frozenset({row["referral_id"], row["other_id"]})].append(row["decision"])
    world.demand(all(len(said) == 1 for said in decisions.values()), "two decisions about one pair of referrals")
    newest: dict[frozenset[str], str] = {}
    for told in _standing(world):
        body = told.operation.body
        if isinstance(body, JudgeDuplicate) and told.receipt.outcome is Outcome.ACCEPTED:
            newest[frozenset({told.operation.referral_id, body.other})] = body.decision.value
    for both, decision in newest.items():
        world.demand(decisions.get(both) == [decision], "a decision about two referrals is not the one that was made")
        whole = all(i in there and there[i]["merged_into"] is None for i in both)
        world.demand(whole, "a referral went when it was judged")


def counted(world: World, truth: Truth) -> None:
    """No promise: which operations were accepted, for the demand of the part."""
    for paper in truth.papers:
        if paper["outcome"] == Outcome.ACCEPTED.value and paper["nonce"] is not None:
            world.counts[done_by(Op(paper["op"]), desk=paper["device_id"] == DESK)] += 1


def done_by(op: Op, *, desk: bool) -> str:
    """The name under which an accepted operation is counted."""
    return f"{op.value} accepted from {'the desk' if desk else 'a device'}"


def _standing(world: World) -> Iterator[Told]:
    return (told for told in world.book.told if told.epoch == world.central.epoch)


def _accepted(truth: Truth, op: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for paper in truth.papers:
        if paper["op"] == op and paper["outcome"] == Outcome.ACCEPTED.value:
            yield paper["referral_id"], paper


DECISIONS: Final[tuple[Callable[[World, Truth], None], ...]] = (
    desk_is_kept,
    flagged_once,
    settled_stays,
    judged_once,
    counted,
)
