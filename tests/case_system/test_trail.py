"""The audit trail answers: who saw a referral and through what, who did what by which clock, and is it what it was."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from sqlalchemy import delete, select, update

from case_system import audit
from case_system.cli import main
from case_system.service import CaseService
from case_system.store import exports, schema
from referral.model import Person, ReferralId, UserId
from referral.operations import Op
from referral.port import Refused
from tests.support.agency import Agency
from tests.support.device import arrest


def saw(agency: Agency, referral_id: str) -> list[tuple[str, str, str]]:
    """Who saw it, through what, and whether they did."""
    return [(row["user"], row["through"], row["outcome"]) for row in exports.who_saw(agency.engine, referral_id)]


def test_every_way_of_reading_is_found_and_what_has_no_personal_data_is_none(agency: Agency) -> None:
    officer, manager, peer = agency.device("o1"), agency.device("cm1"), agency.device("p1")
    told = arrest(person=Person(name="Robin Sample"))
    officer.send(officer.create(told))
    officer.pull()  # process only
    assert saw(agency, told.referral_id) == []
    manager.pull()
    manager.pull()  # nothing new: not given again
    peer.sync(locked=True)  # a locked device is given nothing
    agency.service.look(UserId("sao1"), ReferralId(told.referral_id))
    with pytest.raises(Refused):
        agency.service.look(UserId("o2"), ReferralId(told.referral_id))
    assert saw(agency, told.referral_id) == [
        ("cm1", "device", "done"), ("sao1", "page", "done"), ("o2", "page", "refused"),
    ]  # fmt: skip
    assert exports.who_saw(agency.engine, told.referral_id)[0]["device_id"] == manager.device_id
    assert "Robin" not in str(exports.audit_rows(agency.engine))


def test_what_cannot_be_written_down_is_not_given(agency: Agency) -> None:
    officer, manager = agency.device("o1"), agency.device("cm1")
    told = arrest()
    officer.send(officer.create(told))
    with patch.object(CaseService, "_put_in_trail", return_value=False):
        answer = manager.sync([manager.reason(Op.ACCEPT, told.referral_id)])
    assert answer.results[0].outcome == "accepted"  # the receipt is
    assert (answer.changes, answer.cursor) == ((), None)
    assert set(manager.pull().referrals) == {told.referral_id}


def test_an_operation_has_the_devices_time_beside_the_servers(agency: Agency) -> None:
    officer = agency.device("o1")
    officer.now = lambda: agency.clock() - timedelta(hours=3)
    told = arrest()
    officer.send(officer.create(told))
    (row,) = exports.audit_rows(agency.engine, referral_id=told.referral_id, user="o1")
    assert (row["at"], row["made_at"]) == ("2026-03-03T07:10:00Z", "2026-03-03T04:10:00Z")
    assert exports.audit_rows(agency.engine, since=agency.clock.go(seconds=1)) == []
    assert exports.audit_verdict(agency.engine).bad_row is None
    with agency.engine.begin() as db:
        t = schema.audit
        db.execute(update(t).where(t.c.n == row["n"]).values(made_at=agency.clock()))
    assert exports.audit_verdict(agency.engine).bad_row == row["n"]


def test_a_chain_that_was_mended_whole_is_found_by_a_hash_that_was_kept(agency: Agency) -> None:
    agency.device("o1")
    kept = exports.audit_head(agency.engine)
    officer = agency.device("o2")
    officer.send(officer.create(arrest()))
    assert exports.audit_verdict(agency.engine, kept).bad_row is None
    t, ledger = schema.audit, schema.ledger
    rows = agency.rows(select(t).order_by(t.c.n))
    names = ("actor", "action", "outcome", "object_id", "device_id", "made_at")
    deeds = [audit.Deed(**{name: row[name] for name in names}) for row in rows]
    deeds[2] = audit.Deed(actor="nobody", action="nothing", outcome="done")
    n, prev, mended = 0, audit.START, []
    for row, deed in zip(rows, deeds, strict=True):
        (made,) = audit.chain([deed], row["at"], n, prev)
        n, prev = made["n"], made["hash"]
        mended.append(made)
    with agency.engine.begin() as db:
        db.execute(delete(t))
        db.execute(t.insert(), mended)
        db.execute(update(ledger).values(audit_hash=prev))
    assert exports.audit_verdict(agency.engine).bad_row is None
    assert exports.audit_verdict(agency.engine, kept).bad_row == kept[0]
    assert exports.audit_verdict(agency.engine, (n + 5, prev)).bad_row == n + 1


def test_the_commands_say_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def ask(*words: str, code: int = 0) -> Any:
        assert main(["--db", str(tmp_path / "case.db"), *words, "--json"]) == code
        return json.loads(capsys.readouterr().out)

    ask("init")
    ask("user", "add", "o1", "--role", "officer")
    head = ask("audit", "head")["head"]
    assert ask("audit", "verify", "--head", head)["ok"]
    wrong = f"1:{'0' * 64}"
    assert ask("audit", "verify", "--head", wrong, code=1)["bad_row"] == 1
    assert [row["action"] for row in ask("audit", "show", "--user", "administrator")] == ["init", "user_add"]
    assert ask("audit", "show", "--since", "2999-01-01") == ask("audit", "who-saw", "nobody") == []
    for bad in (("audit", "verify", "--head", "12"), ("audit", "show", "--since", "yesterday")):
        with pytest.raises(SystemExit) as stopped:
            main(["--db", str(tmp_path / "case.db"), *bad])
        assert stopped.value.code == 2
