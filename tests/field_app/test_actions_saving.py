"""Saving: one act, one operation, one receipt; the same id again; offline; after a crash; on a full disk; unnamed where it must be."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from field_app.outcomes import Saved, Trouble
from field_app.snapshot import Delivery
from field_app.store.outbox import Outbox
from field_app.store.records import Shelf
from field_app.vault.errors import NotWritten
from referral.model import Kind, ReferralId, Zone
from referral.operations import Create, Op
from referral.problems import FieldError, ProblemCode
from tests.support.agency import Agency
from tests.support.station import ARREST, SOCIAL, Station, twin


def created(station: Station, referral_id: str) -> Any:
    """The one own step of a referral that waits: its creation."""
    session = station.device.session
    assert session is not None
    (operation,) = session.holdings.operations(ReferralId(referral_id))
    assert isinstance(operation.body, Create)
    return operation


def test_a_referral_saved_offline_arrives_later(officer: Station) -> None:
    officer.line.up = False
    saved = officer.save(referral_id="r-1")
    row = officer.actions.snapshot().referrals[0]
    assert (row.title, row.delivery, row.receipt) == ("Ann Example", Delivery.WAITING, None)
    assert row.call is not None
    assert saved.call == row.call
    assert [path.name for path in (officer.folder / "outbox").iterdir()] == [f"{saved.op_id}.env"]
    assert officer.actions.deliver()[1] == Trouble(problem=ProblemCode.NO_CONNECTION)
    officer.line.up = True
    counts = officer.actions.sync_now()
    assert (counts.sent, counts.accepted, counts.waiting) == (1, 1, 0)
    row = officer.actions.snapshot().referrals[0]
    assert row.delivery is Delivery.ACCEPTED
    assert row.receipt is not None
    assert row.call is None
    assert list((officer.folder / "outbox").iterdir()) == []


def test_the_same_id_again_returns_the_first_result(officer: Station) -> None:
    first = officer.save(referral_id="r-1")
    again = officer.actions.submit_referral(SOCIAL | {"referral_id": "r-1"})
    assert isinstance(again, Saved)
    assert again.op_id == first.op_id
    assert officer.actions.sync_now().sent == 1
    after = officer.actions.submit_referral(ARREST | {"referral_id": "r-1"})
    assert isinstance(after, Saved)
    assert after.op_id == first.op_id
    assert officer.actions.sync_now().sent == 0
    assert len(officer.actions.snapshot().referrals) == 1


def test_the_same_id_from_another_process_returns_the_first_result(officer: Station) -> None:
    other = twin(officer)
    other.open_again()
    first = other.save(referral_id="r-1")
    assert officer.save(referral_id="r-1").op_id == first.op_id
    assert [row.referral_id for row in officer.actions.snapshot().referrals] == ["r-1"]
    other.actions.close()


def test_a_restart_without_goodbye_loses_nothing(officer: Station) -> None:
    officer.line.up = False
    ops = [officer.save(referral_id=f"r-{n}").op_id for n in range(3)]
    officer.open_again()
    assert [row.op_id for row in officer.actions.snapshot().outbox] == ops
    assert len(officer.actions.snapshot().referrals) == 3
    officer.line.up = True
    assert officer.actions.sync_now().accepted == 3


def test_a_failed_side_file_does_not_unsay_a_save(officer: Station, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise NotWritten("x.env: No space left on device", disk_full=True)

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "write_file", full)
        saved = officer.save(referral_id="r-1")
    assert not (officer.folder / "outbox" / f"{saved.op_id}.env").exists()
    officer.open_again()
    assert (officer.folder / "outbox" / f"{saved.op_id}.env").exists()
    assert officer.actions.sync_now().accepted == 1


def test_a_full_disk_saves_nothing_and_says_so(officer: Station) -> None:
    officer.save(referral_id="r-0")
    connection = officer.device.store.database.conn
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {pages}")
    outcomes = [officer.actions.submit_referral(ARREST | {"referral_id": f"r-{n}"}) for n in range(1, 40)]
    full = [outcome for outcome in outcomes if isinstance(outcome, Trouble)]
    saved = [outcome for outcome in outcomes if isinstance(outcome, Saved)]
    assert full
    assert {outcome.problem for outcome in full} == {ProblemCode.DISK_FULL}
    assert len(officer.actions.snapshot().referrals) == 1 + len(saved)
    connection.execute("PRAGMA max_page_count = 100000")
    officer.save(referral_id="r-99")
    officer.open_again()
    assert len(officer.actions.snapshot().referrals) == 2 + len(saved)
    assert officer.actions.sync_now().accepted == 2 + len(saved)


def test_what_does_not_fit_is_refused_and_nothing_is_saved(officer: Station) -> None:
    wires: list[Any] = [ARREST | {"willing": None}, ARREST | {"ssn": "123"}, None, [], "x"]
    for wire in wires:
        with pytest.raises(FieldError):
            officer.actions.submit_referral(wire)
    assert officer.actions.snapshot().referrals == ()
    assert officer.actions.snapshot().outbox == ()


def test_what_is_automatic_is_automatic(officer: Station) -> None:
    officer.clock.off = timedelta(minutes=7)
    officer.actions.sync_now()  # learns the server's clock
    officer.save(referral_id="r-1", place={"text": "300 W Lexington St", "zone": "outside"}, pack="other/9", form=99)
    operation = created(officer, "r-1")
    referral = operation.body.referral
    assert referral.place.zone is Zone.INSIDE
    assert (referral.pack, referral.form) == ("baltimore/1", 1)
    assert (operation.op, operation.base, operation.made_by) == (Op.CREATE, 0, "o1")
    assert operation.made_at == officer.clock.now().replace(microsecond=0)
    assert operation.mono_ms == officer.clock.mono_ms()
    assert operation.offset_ms == -7 * 60 * 1000


def test_a_refusal_is_an_unnamed_tally(officer: Station) -> None:
    person = {"name": "Zebulon Canary", "descriptor": "tall", "birth": {"date": "1990-05-02"}}
    officer.save(referral_id="r-1", willing="no", person=person)
    referral = created(officer, "r-1").body.referral
    assert (referral.person.name, referral.person.descriptor, referral.reach) == (None, None, None)
    assert referral.person.birth.date is None
    assert referral.person.birth.age == 35
    row = officer.actions.snapshot().referrals[0]
    assert row.title == ""
    assert row.call is None


@pytest.mark.parametrize("birth", [{"age": 16}, {"date": "2010-01-01"}])
@pytest.mark.parametrize("wire", [ARREST, SOCIAL], ids=["arrest", "social"])
def test_nobody_under_18_is_named(officer: Station, wire: dict[str, Any], birth: dict[str, Any]) -> None:
    person = {"name": "Zebulon Canary", "birth": birth}
    outcome = officer.actions.submit_referral(
        wire | {"referral_id": "r-1", "person": person, "reach": {"how": "phone", "detail": "410-555-0177"}}
    )
    assert isinstance(outcome, Saved)
    referral = created(officer, "r-1").body.referral
    assert (referral.person.name, referral.reach) == (None, None)
    assert (referral.person.birth.date, referral.person.birth.age) == (None, 16)


def test_no_word_of_it_lies_on_the_disk(officer: Station) -> None:
    officer.save(
        referral_id="zeta-17", person={"name": "Zebulon Canary"}, reach={"how": "phone", "detail": "410-555-0177"}
    )
    draft = officer.actions.start(Kind.SOCIAL)
    officer.actions.answer(draft.referral_id, "person.name", "Yolanda Canary")
    officer.actions.sync_now()
    officer.actions.lock()
    stored = b"".join(
        path.read_bytes() for path in officer.folder.rglob("*") if path.is_file() and "programme" not in path.parts
    )
    for word in (b"Canary", b"410-555-0177", b"zeta-17", b"Lexington", b"arrest", b"create"):
        assert word not in stored, word


def test_a_typical_envelope_is_small(officer: Station) -> None:
    saved = officer.save()
    assert (officer.folder / "outbox" / f"{saved.op_id}.env").stat().st_size <= 500


def test_two_hundred_lines_twice(officer: Station, agency: Agency) -> None:
    officer.line.up = False
    people = [{"referral_id": f"r-{n}", "person": {"name": f"Person {n} Example"}} for n in range(200)]
    ids = [officer.save(**answers).op_id for answers in people]
    assert [officer.save(**answers).op_id for answers in people] == ids
    assert len(set(ids)) == 200
    officer.line.up = True
    counts = officer.actions.sync_now()
    assert (counts.sent, counts.accepted, counts.waiting) == (200, 200, 0)
    assert {row.delivery for row in officer.actions.snapshot().referrals} == {Delivery.ACCEPTED}
    assert officer.actions.sync_now().sent == 0


def test_a_day_after_receipt_only_number_and_date_stay(officer: Station, agency: Agency) -> None:
    officer.save(referral_id="r-1")
    officer.actions.sync_now()
    receipt = officer.actions.snapshot().referrals[0].receipt
    agency.clock.go(hours=23)
    officer.actions.sync_now()
    assert not officer.actions.snapshot().referrals[0].shrunk
    agency.clock.go(hours=2)
    officer.open_again()
    row = officer.actions.snapshot().referrals[0]
    assert (row.shrunk, row.title, row.receipt) == (True, "", receipt)
    detail = officer.actions.detail(ReferralId("r-1"))
    assert detail.referral is None
    session = officer.device.session
    assert session is not None
    rows = json.dumps([dict(row.data) for shelf in Shelf for row in session.records.on(shelf)])
    assert "Ann Example" not in rows
    assert "Lexington" not in rows


def test_what_has_not_arrived_is_not_shrunk(officer: Station, agency: Agency) -> None:
    officer.line.up = False
    officer.save(referral_id="r-1")
    agency.clock.go(days=3)
    officer.open_again()
    assert officer.actions.snapshot().referrals[0].title == "Ann Example"


def test_a_wrong_clock_decides_nothing(officer: Station, agency: Agency) -> None:
    officer.clock.off = timedelta(days=-400)
    officer.save(referral_id="r-1")
    officer.actions.sync_now()
    officer.clock.off = timedelta(days=+400)
    officer.actions.sync_now()
    officer.open_again()
    assert not officer.actions.snapshot().referrals[0].shrunk
