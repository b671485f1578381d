"""T10 in continuous integration, that it sees, and that the table is the only one: the language's and the document say the same."""

from __future__ import annotations

from typing import Any

import pytest

from case_system import effects, service, views
from case_system.grants import GRANTS, SHOWN, Relation, Sight
from referral.codec import to_wire
from referral.model import Referral
from referral.operations import OPERATIONS, Op
from tests.faults.authorisation import document
from tests.faults.authorisation.cells import Act, Look, cells
from tests.faults.authorisation.deeds import FULL, leaves
from tests.faults.authorisation.part import PART, describe, run
from tests.proof.part import in_ci, require_clean


@pytest.mark.parametrize(("first", "count"), in_ci(PART, 4))
def test_the_matrix(first: int, count: int) -> None:
    require_clean(PART, run(first, count))


def test_the_roles_of_the_language_are_those_of_the_table() -> None:
    assert {op: frozenset(GRANTS[op]) for op in Op} == {op: OPERATIONS[op].roles for op in Op}


def test_every_answer_is_in_the_full_referrals_and_decided_by_the_table() -> None:
    told = set().union(*(leaves(to_wire(make())) for make in FULL.values()))
    assert {path.partition(".")[0] for path in told} >= {
        name for name in Referral.__dataclass_fields__ if name != "extra"
    }
    hidden = {"note", "reach.how", "reach.detail", "reach.permission", "person.descriptor", "newer"}
    assert told - SHOWN[Sight.REVIEW] == hidden
    assert SHOWN[Sight.DE_IDENTIFIED] < SHOWN[Sight.REVIEW]


def test_the_document_is_up_to_date() -> None:
    assert document.PLACE.read_text(encoding="utf-8") == document.text(), (
        "python -m tests.faults.authorisation.document"
    )


def numbers(*wanted: Any) -> list[int]:
    """The cells of these kinds by a few people, enough to see a defect."""
    return [
        n for n, cell in enumerate(cells()) if isinstance(cell, wanted) and cell.actor in ("o2", "cm2", "eva", "sao1")
    ]


def sentences(*wanted: Any) -> str:
    found = [violation for n in numbers(*wanted) for violation in run(n, 1).violations]
    return "\n".join(violation.sentence for violation in found)


def test_a_door_that_looks_at_the_role_only_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "may_act", lambda operation, actor, *_: actor.role in GRANTS[operation.op])
    few = [n for n in numbers(Act) if "o2 (officer) does amend on 'waits'" in describe(cells()[n])]
    assert any("denied, but" in violation.sentence for n in few for violation in run(n, 1).violations)


def test_a_relation_that_is_too_wide_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "relations", lambda *_: frozenset(Relation))
    assert "nothing expected: it was shown" in sentences(Look)


def test_a_field_too_many_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "for_reviewer", lambda referral: referral)
    assert "['newer', 'person.descriptor', 'reach.detail', 'reach.how', 'reach.permission'] shown" in sentences(Look)
