"""docs/authorisation.md, written from the one table: `python -m tests.faults.authorisation.document`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from case_system.grants import (
    DESK_ROUTES,
    DUTIES,
    GRANTS,
    MANAGED_ROLES,
    PROCESS_SHOWN,
    SHOWN,
    SIGHTS,
    Channel,
    Duty,
    Relation,
    Sight,
)
from referral.lifecycle import Role
from referral.operations import OPERATIONS, Op

PLACE: Final = Path(__file__).resolve().parents[3] / "docs" / "authorisation.md"
ROLES: Final = tuple(role for role in Role if role is not Role.SYSTEM)
_MEANS: Final = {
    Relation.NEW: "nobody has used its id",
    Relation.MADE: "made it, or it was made for them",
    Relation.HOLDS: "holds or is offered its handoff, works in its pair, or is rung for it while it waits",
    Relation.WAITS: "its handoff waits for someone, whoever that will be",
    Relation.FREE: "nobody has it, and the person stands on a post (duty or on call)",
    Relation.REVIEWS: "a named arrest, open to the State's Attorney's reviewers",
    Relation.TOLD: "is the recipient of the notice that the operation names",
    Relation.ANY: "every referral",
}
_SEEN: Final = {
    Sight.NOTHING: "that there is such a referral: no",
    Sight.PROCESS: "states and colleagues' names, nothing of the person and nothing clinical",
    Sight.REVIEW: "without note, descriptor and reach",
    Sight.DE_IDENTIFIED: "codes only",
    Sight.WHOLE: "everything that is kept",
}


def text() -> str:
    """The whole document."""
    return "\n".join(_lines()).rstrip("\n") + "\n"


def _lines() -> Iterator[str]:
    yield "# Who may do and see what"
    yield ""
    yield "Written from `case_system/grants.py` by `python -m tests.faults.authorisation.document`; a test holds the two together. What is"
    yield "in no row is denied. Every cell is really tried by `tests/faults/authorisation`. Whether a granted step fits the referral's state"
    yield "is told in [states.md](states.md)."
    yield ""
    yield from _table(
        "How a person stands to a referral", ("relation", "means"), [(f"`{r}`", _MEANS[r]) for r in Relation]
    )
    yield from _table(
        "Operations",
        ("operation", *ROLES, "from a device"),
        [
            (f"`{op}`", *(_relations(op, role) for role in ROLES), "yes" if OPERATIONS[op].from_device else "desk only")
            for op in Op
        ],
    )
    yield "Also denied, whatever the role: an operation made in another's name, for another agency, by a device that another person holds, by"
    yield "somebody who was let out. What a revoked device sends is kept for a supervisor. An act on a referral that was one's own when it was"
    yield "done, and is not any more, is kept and flagged, and changes nothing else."
    yield ""
    for channel, heading in (
        (Channel.DEVICE, "Seen on a device"),
        (Channel.PAGE, "Seen on a page (each look is audited)"),
    ):
        rows: list[tuple[str, ...]] = [
            (
                f"`{role}`",
                "; ".join(f"`{relation}`: {seen}" for relation, seen in SIGHTS[channel].get(role, ())) or "nothing",
            )
            for role in ROLES
        ]
        yield from _table(heading, ("role", "sees"), rows)
    yield from _table("How much is seen", ("sight", "means"), [(f"`{sight}`", _SEEN[sight]) for sight in Sight])
    fields = sorted(
        frozenset().union(*SHOWN.values())
        | {"note", "reach.how", "reach.detail", "reach.permission", "person.descriptor"}
    )
    sights = (Sight.REVIEW, Sight.DE_IDENTIFIED)
    rows = [(f"`{name}`", *("yes" if name in SHOWN[sight] else "" for sight in sights), "yes") for name in fields]
    yield from _table("Fields of what was recorded", ("field", *sights, Sight.WHOLE), rows)
    yield (
        "`process` shows none of them; of the process it shows "
        + ", ".join(f"`{name}`" for name in sorted(PROCESS_SHOWN))
        + "."
    )
    yield ""
    yield from _table(
        "Running the programme",
        ("duty", *ROLES),
        [(f"`{duty}`", *("yes" if role in DUTIES[duty] else "" for role in ROLES)) for duty in Duty],
    )
    yield "`see_defence` opens a referral only under the client's signed release that names the defender, while it is in force; names on the"
    yield "list of `see_meeting` need one that names police and prosecutor. Whose accounts and devices `change_people` and `change_devices` are about:"
    yield ""
    yield from _table(
        "Who looks after whom",
        ("role", *ROLES),
        [
            (f"`{role}`", *("yes" if other in others else "" for other in ROLES))
            for role, others in MANAGED_ROLES.items()
        ],
    )
    yield from _table(
        "Desk routes",
        ("route", *ROLES),
        [(f"`{route}`", *("yes" if role in roles else "" for role in ROLES)) for route, roles in DESK_ROUTES.items()],
    )


def _relations(op: Op, role: Role) -> str:
    granted = GRANTS[op].get(role, frozenset())
    return ", ".join(relation for relation in Relation if relation in granted)


def _table(heading: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield f"## {heading}"
    yield ""
    yield "| " + " | ".join(str(cell).replace("_", " ") for cell in head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


if __name__ == "__main__":
    PLACE.write_text(text(), encoding="utf-8")
