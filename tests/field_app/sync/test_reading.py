"""S14 on the device: an answer of a newer case system is used as far as it is understood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from field_app.sync.machine import State
from field_app.sync.reading import read_response
from referral.problems import FieldError
from tests.field_app.sync.rig import memory_rig
from tests.field_app.sync.signed import signing_front
from tests.support.memory_case_system import MemoryCaseSystem


def newer(document: Any) -> Any:
    """The same answer with fields, codes and a change that this version does not know; unsigned."""
    document["weather"] = {"sunny": True}
    document["device"]["battery"] = 3
    for result in document.get("results", []):
        result["colour"] = "blue"
    document.setdefault("changes", []).append({"seq": 99, "kind": "weather"})
    document["changes"].append({"seq": 100, "kind": "gone", "referral_id": "r100", "why": "new"})
    return document


def test_unknown_fields_do_not_break_the_signature_and_the_rest_is_used(
    tmp_path: Path, server: MemoryCaseSystem
) -> None:
    with signing_front(server, newer) as carrier:
        rig = memory_rig(tmp_path, server, carrier)
        op_id = rig.save()
        assert rig.round().problem is None
        assert rig.state(op_id) is State.ACCEPTED
        assert rig.applied() == [1, 100]
        rig.store.close()


def test_the_next_version_of_the_app_fetches_what_this_one_could_not_read(
    tmp_path: Path, server: MemoryCaseSystem
) -> None:
    with signing_front(server, newer) as carrier:
        rig = memory_rig(tmp_path, server, carrier)
        server.publish(1)
        cursors = []
        for app in ("lead-field 0.1.0", "lead-field 0.1.0", "lead-field 0.2.0", "lead-field 0.2.0"):
            rig.app = app
            rig.round()
            cursors.append(server.requests[-1].cursor)
        assert cursors == [None, "e1:1", None, "e1:1"]
        rig.store.close()


def wire(**more: Any) -> dict[str, Any]:
    return {
        "epoch": "e1",
        "nonce": "00",
        "device_id": "d0",
        "device": {"state": "active", "lease_until": "2026-03-02T12:00:00Z"},
        "server_time": "2026-03-02T12:00:00Z",
        **more,
    }


RESULT = {"op_id": "ab" * 16, "fingerprint": "cd" * 32, "at": "2026-03-02T12:00:00Z"}


def test_an_unknown_outcome_is_no_result_and_an_unknown_code_no_code() -> None:
    known = {**RESULT, "outcome": "refused", "code": "not_invented_yet"}
    response = read_response(wire(results=[known, {**RESULT, "outcome": "celebrated"}, 7, {}]))
    assert read_response(wire(results=[{**known, "code": ["busy"]}])).results[0].code is None
    (receipt,) = response.results
    assert (receipt.outcome, receipt.code) == ("refused", None)


@pytest.mark.parametrize(
    ("document", "field", "said"),
    [
        (None, "", "is not an object"),
        ([], "", "is not an object"),
        ("x", "", "is not an object"),
        ({}, "", None),
        ({"epoch": "e1"}, "", None),
        (wire(results=3), "results", "is not a list"),
        (wire(changes={"a": 1}), "changes", "is not a list"),
    ],
)
def test_what_is_no_answer_is_refused(document: Any, field: str, said: str | None) -> None:
    with pytest.raises(FieldError) as told:
        read_response(document)
    if said is not None:
        assert (told.value.field, told.value.message) == (field, said)


def test_what_cannot_be_read_is_counted() -> None:
    gone = {"seq": 1, "kind": "gone", "referral_id": "r1"}
    response = read_response(wire(changes=[gone, {"seq": 2, "kind": "weather"}, {**gone, "seq": 3}, 7]))
    assert ([change.seq for change in response.changes], response.unread) == ([1, 3], 2)


def test_what_was_heard_cannot_be_said_from_outside() -> None:
    assert b"evil" in read_response(wire(heard="evil")).heard
    assert read_response(wire(signature="AAAA")).heard == read_response(wire()).heard
