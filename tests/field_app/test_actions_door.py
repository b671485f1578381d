"""The door: enrolment, PINs, locks, keys that are away or gone, damage, wipe; and what may go on while it is shut."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from field_app.actions import Failed
from field_app.outcomes import Done, Enrolled, Opened, Trouble
from field_app.snapshot import Connection, Delivery, Phase, Sending, Settings, Snapshot, ThemeChoice
from field_app.vault.keys import StoreName
from field_app.vault.keystores import MemoryKeys
from referral.model import Kind, OpId, ReferralId
from referral.problems import ProblemCode
from tests.support.agency import Agency
from tests.support.station import PIN, Station, twin

OTHER = "815264"


@pytest.fixture
def fresh(agency: Agency, tmp_path: Path) -> Station:
    """A device that is not enrolled."""
    return Station.new(agency, tmp_path / "fresh", "o2")


# ---------------------------------------------------------------------------------------------------- enrolment
def test_before_enrolment_nothing_is_there(fresh: Station) -> None:
    shot = fresh.actions.snapshot()
    assert (shot.phase, shot.me) == (Phase.NOT_ENROLLED, None)
    assert fresh.actions.unlock(PIN) == Trouble(problem=ProblemCode.NOT_ENROLLED)
    assert fresh.actions.deliver()[1] == Trouble(problem=ProblemCode.NOT_ENROLLED)
    assert not fresh.folder.exists()


def test_enrolment_binds_and_makes_a_pin(fresh: Station) -> None:
    outcome = fresh.enrol(pin=None)
    assert isinstance(outcome, Enrolled)
    assert outcome.pin is not None
    assert len(outcome.pin) == 6
    assert outcome.pin not in repr(outcome)
    shot = fresh.actions.snapshot()
    assert shot.phase is Phase.SHUT
    assert shot.me is not None
    assert (shot.me.user, shot.me.name) == ("o2", "O2")
    assert isinstance(fresh.actions.unlock(outcome.pin), Opened)
    assert fresh.actions.snapshot().phase is Phase.OPEN
    assert fresh.enrol() == Trouble(problem=ProblemCode.ALREADY_ENROLLED)


def test_a_link_is_enough(fresh: Station) -> None:
    link = f"lead://enrol?server=http%3A%2F%2F127.0.0.1%3A1&code={fresh.code()}"
    assert isinstance(fresh.actions.enrol("", link, PIN, unattended=True), Enrolled)


@pytest.mark.parametrize(
    ("server", "code", "pin", "problem"),
    [
        ("http://127.0.0.1:1", "AAAA-BBBB-CCCC", "tidal harbor 73", ProblemCode.CODE_NOT_VALID),
        ("http://127.0.0.1:1", "AAAA", PIN, ProblemCode.INVALID_VALUE),
        ("http://lead.example.org", "AAAA-BBBB-CCCC", PIN, ProblemCode.INVALID_VALUE),
        ("ftp://127.0.0.1", "AAAA-BBBB-CCCC", PIN, ProblemCode.INVALID_VALUE),
        ("", "lead://enrol?server=x", PIN, ProblemCode.INVALID_VALUE),
        ("http://127.0.0.1:1", "AAAA-BBBB-CCCC", "123456", ProblemCode.INVALID_VALUE),
        ("http://127.0.0.1:1", "AAAA-BBBB-CCCC", "short", ProblemCode.INVALID_VALUE),
    ],
)
def test_an_enrolment_that_cannot_be(fresh: Station, server: str, code: str, pin: str, problem: ProblemCode) -> None:
    outcome = fresh.actions.enrol(server, code, pin)
    assert isinstance(outcome, Trouble)
    assert outcome.problem is problem
    assert fresh.actions.snapshot().phase is Phase.NOT_ENROLLED


def test_a_used_code_and_a_cut_line(fresh: Station, agency: Agency, tmp_path: Path) -> None:
    fresh.line.up = False
    code = fresh.code()
    assert fresh.enrol(code) == Trouble(problem=ProblemCode.NO_CONNECTION)
    fresh.line.up = True
    assert isinstance(fresh.enrol(code), Enrolled)
    second = Station.new(agency, tmp_path / "second", "o2")
    assert second.enrol(code) == Trouble(problem=ProblemCode.CODE_NOT_VALID)
    assert isinstance(second.enrol(), Enrolled)


def test_an_unfinished_enrolment_is_moved_aside(fresh: Station) -> None:
    assert isinstance(fresh.enrol(), Enrolled)
    for mark in ("device.json", "binding"):  # as if the power had failed a moment earlier
        (fresh.folder / mark).unlink()
    assert fresh.restart().snapshot().phase is Phase.NOT_ENROLLED
    assert isinstance(fresh.enrol(), Enrolled)
    assert isinstance(fresh.actions.unlock(PIN), Opened)
    (aside,) = fresh.folder.glob("former-*")
    assert (aside / "field.db").exists()


def test_a_chosen_pin_on_a_file_store_needs_fifteen_characters(fresh: Station, agency: Agency) -> None:
    fresh.keys = MemoryKeys(StoreName.FILE)
    fresh.restart()
    outcome = fresh.actions.enrol("http://127.0.0.1:1", fresh.code(), "eight888x")
    assert isinstance(outcome, Trouble)
    assert outcome.detail == "pin: too short"
    assert isinstance(fresh.enrol(), Enrolled)  # six random digits from a file are allowed, with a warning
    assert fresh.actions.snapshot().gate.file_store


# ---------------------------------------------------------------------------------------------------- PINs and locks
def test_a_wrong_pin_says_how_many_tries_are_left(officer: Station) -> None:
    officer.save(referral_id="r-1")
    officer.actions.lock()
    assert officer.actions.unlock(OTHER) == Trouble(problem=ProblemCode.WRONG_PIN, detail="4 tries left")
    gate = officer.actions.snapshot().gate
    assert (gate.problem, gate.tries_left) == (ProblemCode.WRONG_PIN, 4)
    assert isinstance(officer.actions.unlock(PIN), Opened)
    assert officer.actions.snapshot().gate.problem is None


def test_five_wrong_pins_lock_until_released(officer: Station, agency: Agency) -> None:
    officer.save(referral_id="r-1")
    officer.actions.lock()
    for _ in range(5):
        officer.actions.unlock(OTHER)
    outcome = officer.actions.unlock(PIN)
    assert isinstance(outcome, Trouble)
    assert outcome.problem is ProblemCode.LOCKED
    gate = officer.restart().snapshot().gate
    assert gate.problem is ProblemCode.LOCKED
    assert gate.locked_until is not None
    assert officer.actions.sync_now().accepted == 1  # sending goes on
    agency.accounts.release(officer.device.binding.device_id)
    officer.actions.sync_now()
    assert officer.actions.snapshot().gate.problem is None
    assert isinstance(officer.actions.unlock(PIN), Opened)


def test_a_timed_release(officer: Station, agency: Agency) -> None:
    officer.actions.lock()
    for _ in range(5):
        officer.actions.unlock(OTHER)
    agency.clock.go(minutes=31)
    assert isinstance(officer.actions.unlock(PIN), Opened)


def test_ten_wrong_pins_end_the_records_and_not_the_outbox(officer: Station, agency: Agency) -> None:
    officer.save(referral_id="r-1")
    officer.actions.lock()
    for _ in range(10):
        officer.actions.unlock(OTHER)
        agency.clock.go(minutes=31)
    outcome = officer.actions.unlock(PIN)
    assert outcome == Trouble(problem=ProblemCode.KEY_LOST, detail="wiped")
    assert officer.actions.sync_now().accepted == 1


def test_the_pin_is_changed(officer: Station) -> None:
    officer.save(referral_id="r-1")
    weak = officer.actions.change_pin(PIN, "12345678")
    assert isinstance(weak, Trouble)
    assert weak.problem is ProblemCode.INVALID_VALUE
    assert officer.actions.change_pin(PIN, "correct horse 42") == Done()
    assert isinstance(officer.actions.change_pin(PIN, "another horse 43"), Trouble)
    officer.restart()
    assert isinstance(officer.actions.unlock(PIN), Trouble)
    assert isinstance(officer.actions.unlock("correct horse 42"), Opened)
    assert len(officer.actions.snapshot().referrals) == 1


def test_a_locked_device_sends_and_shows_no_name(officer: Station) -> None:
    saved = officer.save(referral_id="r-1")
    officer.actions.lock()
    shot = officer.actions.snapshot()
    assert (shot.phase, shot.referrals, shot.drafts) == (Phase.SHUT, (), ())
    assert [(row.op_id, row.referral_id, row.title) for row in shot.outbox] == [(saved.op_id, "r-1", "")]
    counts = officer.actions.sync_now()
    assert (counts.accepted, counts.pulled) == (1, 0)
    officer.actions.unlock(PIN)
    assert officer.actions.snapshot().referrals[0].delivery is Delivery.ACCEPTED
    assert officer.actions.sync_now().pulled > 0


def test_acting_while_shut_is_an_outcome(officer: Station) -> None:
    officer.actions.lock()
    shut = Trouble(problem=ProblemCode.SHUT)
    assert officer.actions.submit_referral({"kind": "social", "willing": "yes"}) == shut
    assert officer.actions.amend(ReferralId("r-1"), {"quantity": "more"}) == shut
    with pytest.raises(Failed):
        officer.actions.start(Kind.SOCIAL)


# ---------------------------------------------------------------------------------------------------- a second page
def test_a_second_page_proves_its_own_pin_and_leaves_the_first_open(officer: Station) -> None:
    officer.save(referral_id="r-1")
    session = officer.device.session
    assert officer.actions.unlock(OTHER) == Trouble(problem=ProblemCode.WRONG_PIN, detail="4 tries left")
    shot = officer.actions.snapshot()
    assert (shot.phase, shot.gate.tries_left, len(shot.referrals)) == (Phase.OPEN, 4, 1)
    assert isinstance(officer.actions.unlock(PIN), Opened)
    assert officer.device.session is session
    assert officer.actions.snapshot().gate.problem is None
    officer.save(referral_id="r-2")
    for _ in range(5):
        officer.actions.unlock(OTHER)
    outcome = officer.actions.unlock(PIN)
    assert isinstance(outcome, Trouble)
    assert outcome.problem is ProblemCode.LOCKED
    officer.save(referral_id="r-3")  # whoever proved it before works on


def test_ten_wrong_pins_on_a_second_page_end_the_records_too(officer: Station, agency: Agency) -> None:
    officer.save(referral_id="r-1")
    for _ in range(9):
        officer.actions.unlock(OTHER)
        agency.clock.go(minutes=31)
    outcome = officer.actions.unlock(OTHER)
    assert outcome == Trouble(problem=ProblemCode.KEY_LOST, detail="wiped")
    assert officer.actions.snapshot().phase is Phase.SHUT
    assert officer.actions.sync_now().accepted == 1


# ---------------------------------------------------------------------------------------------------- keys, damage, wipe
def test_a_key_store_that_does_not_answer_loses_nothing(officer: Station) -> None:
    officer.save(referral_id="r-1")
    officer.actions.lock()
    assert isinstance(officer.keys, MemoryKeys)
    officer.keys.available = False
    assert officer.actions.unlock(PIN) == Trouble(problem=ProblemCode.KEY_UNAVAILABLE)
    shot = officer.restart().snapshot()
    assert (shot.phase, shot.gate.problem) == (Phase.SHUT, ProblemCode.KEY_UNAVAILABLE)
    assert isinstance(officer.enrol(), Trouble)
    officer.keys.available = True
    officer.open_again()
    assert len(officer.actions.snapshot().referrals) == 1


def test_a_key_that_is_gone_is_never_made_anew(officer: Station) -> None:
    officer.actions.close()
    assert isinstance(officer.keys, MemoryKeys)
    officer.keys.secrets.clear()
    assert officer.restart().snapshot().gate.problem is ProblemCode.KEY_UNAVAILABLE
    assert officer.keys.secrets == {}


def test_an_old_folder_put_back_is_noticed_and_usable(officer: Station) -> None:
    officer.actions.lock()
    old = (officer.folder / "field.db").read_bytes()
    officer.actions.unlock(PIN)
    officer.save(referral_id="r-1")
    officer.actions.lock()
    officer.actions.close()
    (officer.folder / "field.db").write_bytes(old)
    officer.open_again()
    assert officer.device.rolled_back
    assert any(f.check == "rows" and f.health == "warning" for f in officer.actions.doctor())


def test_a_wiped_device_is_enrolled_again_once_nothing_waits(officer: Station, agency: Agency) -> None:
    officer.actions.sync_now()
    agency.accounts.revoke(officer.device.binding.device_id, wipe=True)
    officer.save(referral_id="r-1")
    first = officer.device.binding.device_id
    officer.device.wipe()  # the order came, and the line broke before the operation was sent
    assert officer.actions.snapshot().delivery.waiting == 1
    waiting = officer.enrol()
    assert waiting == Trouble(problem=ProblemCode.ALREADY_ENROLLED, detail="1 operations still wait to be sent")
    officer.actions.sync_now()
    with officer.device.store.read() as tx:
        assert tx.execute("SELECT count(*) FROM row").fetchone()[0] == 0
    assert officer.restart().snapshot().gate.problem is ProblemCode.DEVICE_REVOKED
    assert isinstance(officer.enrol(), Enrolled)
    assert officer.device.binding.device_id != first
    assert isinstance(officer.actions.unlock(PIN), Opened)
    officer.save(referral_id="r-2")
    assert officer.actions.sync_now().accepted == 1


# ---------------------------------------------------------------------------------------------------- the rest
def test_settings_stay_and_are_read_while_shut(officer: Station) -> None:
    officer.actions.set_settings(Settings(language="es", theme=ThemeChoice.DARK, text_size=150))
    shot = officer.restart().snapshot()
    assert (shot.phase, shot.settings.language, shot.settings.theme) == (Phase.SHUT, "es", ThemeChoice.DARK)
    (officer.folder / "settings.json").write_bytes(b"{")
    assert officer.restart().snapshot().settings == Settings()


def test_a_pause_stays_and_a_sync_by_hand_goes_through(officer: Station) -> None:
    officer.actions.pause()
    officer.restart()
    shot = officer.actions.snapshot()
    assert (shot.settings.sending, shot.delivery.connection) == (Sending.PAUSED, Connection.PAUSED)
    officer.actions.unlock(PIN)
    officer.save(referral_id="r-1")
    assert officer.actions.sync_now().accepted == 1
    officer.actions.resume_sending()
    assert officer.actions.snapshot().settings.sending is Sending.ANY


def test_everyone_is_told_of_each_change(officer: Station) -> None:
    heard: list[Snapshot] = []
    dispose = officer.actions.subscribe(heard.append)
    officer.save(referral_id="r-1")
    assert heard[-1].delivery.waiting == 1
    officer.actions.sync_now()
    assert heard[-1].delivery.waiting == 0
    officer.actions.lock()
    assert heard[-1].phase is Phase.SHUT
    count = len(heard)
    dispose()
    dispose()
    officer.actions.unlock(PIN)
    assert len(heard) == count


def test_a_screen_that_fails_stops_neither_a_save_nor_the_delivery_thread(
    agency: Agency, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    station = Station.enrolled(agency, tmp_path / "background", "o1", background=True)
    done = [threading.Event(), threading.Event()]

    def gone(_: Snapshot) -> None:
        raise RuntimeError("the page has gone")

    def look(shot: Snapshot) -> None:
        for n, event in enumerate(done):
            if sum(row.receipt is not None for row in shot.referrals) > n:
                event.set()

    station.actions.subscribe(gone)
    station.actions.subscribe(look)
    station.save(referral_id="r-1")
    assert done[0].wait(20)
    station.save(referral_id="r-2")  # the thread that met the failure delivers on
    assert done[1].wait(20)
    station.actions.close()
    told = [record for record in caplog.records if record.name == "field_app.acting"]
    assert told
    assert all(record.exc_info is not None for record in told)
    assert not [record for record in caplog.records if record.name == "field_app.sync.worker"]


def test_another_process_is_heard(officer: Station) -> None:
    heard: list[Snapshot] = []
    officer.actions.subscribe(heard.append)
    officer.actions.poll()
    heard.clear()
    officer.actions.poll()
    assert heard == []
    other = twin(officer)
    other.open_again()
    other.save(referral_id="r-1")
    officer.actions.poll()
    assert [row.referral_id for row in heard[-1].referrals] == ["r-1"]
    other.actions.close()


def test_an_operation_is_exported_and_tried_again(officer: Station, tmp_path: Path) -> None:
    saved = officer.save(referral_id="r-1")
    path = officer.actions.export(saved.op_id, tmp_path / "usb")
    assert path.read_bytes() == (officer.folder / "outbox" / f"{saved.op_id}.env").read_bytes()
    with pytest.raises(Failed):
        officer.actions.export(OpId("0" * 32), tmp_path)
    assert officer.actions.retry(saved.op_id) == Done()
    assert isinstance(officer.actions.retry(OpId("0" * 32)), Trouble)


def test_the_background_delivers_by_itself(agency: Agency, tmp_path: Path) -> None:
    station = Station.enrolled(agency, tmp_path / "background", "o1", background=True)
    done = threading.Event()

    def look(shot: Snapshot) -> None:
        if shot.referrals and shot.referrals[0].receipt is not None:
            done.set()

    station.actions.subscribe(look)
    station.save(referral_id="r-1")
    assert done.wait(20)
    station.actions.close()


def test_the_doctor_finds_nothing_wrong_and_then_what_is(officer: Station) -> None:
    officer.save(referral_id="r-1")
    findings = {finding.check: finding for finding in officer.actions.doctor()}
    assert {finding.health for finding in findings.values()} == {"ok"}
    for path in (officer.folder / "outbox").iterdir():
        path.unlink()
    with officer.device.store.write() as tx:
        tx.execute("UPDATE outbox SET state = 'accepted'")
    officer.line.up = False
    findings = {finding.check: finding for finding in officer.actions.doctor()}
    assert findings["outbox"].health == "broken"
    assert findings["server"].health == "warning"
    with officer.device.store.write() as tx:
        tx.execute("UPDATE outbox SET state = 'waiting'")
    assert {f.check for f in officer.actions.doctor() if f.health == "warning"} == {"envelope_files", "server"}


def test_a_snapshot_is_frozen_and_complete(officer: Station) -> None:
    shot = officer.actions.snapshot()
    assert shot.programme is not None
    assert shot.me is not None
    with pytest.raises(AttributeError):
        shot.phase = Phase.SHUT  # type: ignore[misc]
    assert replace(shot, phase=Phase.SHUT).phase is Phase.SHUT
