"""The device's delivery against the real case system: called directly, over HTTP, and over TLS with a throw-away authority."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from case_system.streams import Streams
from field_app.sync.http import HttpCaseSystem
from field_app.sync.listener import Listener
from field_app.sync.machine import State
from referral.lifecycle import Role
from referral.problems import ProblemCode
from tests.field_app.sync.rig import Kill, Rig, enrolled_rig
from tests.support.agency import Agency
from tests.support.loopback import loopback
from tests.support.tls import certificate
from tests.support.waiting import until


@dataclass
class Town:
    """The agency, one officer's device, and how they are joined."""

    agency: Agency
    rig: Rig
    streams: Streams
    url: str = ""


@pytest.fixture(params=["direct", "http", "tls"])
def town(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Town]:
    agency = Agency.copied(tmp_path)
    code = agency.accounts.new_code("o1", Role.OFFICER).code
    folder, streams = tmp_path / "device", Streams()
    folder.mkdir()
    if request.param == "direct":
        rig = enrolled_rig(folder, agency.service, code, agency.clock())
        yield Town(agency, rig, streams)
    else:
        pair = certificate(tmp_path, "ours") if request.param == "tls" else None
        with loopback(agency.service, streams, pair) as url:
            carrier = HttpCaseSystem(url, monotonic=time.monotonic, ca_file=str(pair[0]) if pair else None)
            rig = enrolled_rig(folder, carrier, code, agency.clock())
            yield Town(agency, rig, streams, url)
            carrier.close()
    rig.store.close()
    agency.engine.dispose()


def test_two_hundred_referrals_arrive_once_each(town: Town) -> None:
    rig = town.rig
    saved = rig.save_many(200)
    report = rig.sync()
    assert (report.sent, report.accepted, report.waiting, report.problem) == (200, 200, 0, None)
    assert rig.states() == dict.fromkeys(saved, State.ACCEPTED)
    assert report.pulled >= 200
    with rig.store.read() as tx:
        receipts = {entry.receipt.receipt for entry in rig.outbox.entries(tx, accepted=True) if entry.receipt}
    assert len(receipts) == 200
    again = rig.sync()
    assert (again.sent, again.accepted) == (0, 0)
    rig.verify()


def test_the_same_bytes_again_change_nothing(town: Town) -> None:
    rig = town.rig
    rig.save_many(3)
    rig.sync()
    with rig.store.write() as tx:
        rig.outbox.reoffer(tx, (State.ACCEPTED,))
    assert rig.sync().accepted == 3
    assert town.agency.service.figures()["referrals"] == 3


@pytest.mark.parametrize("place", ["settled", "commit", "apply"])
def test_a_kill_at_any_step_converges(town: Town, place: str) -> None:
    rig = town.rig
    op_id = rig.save()
    rig.kill = place
    with pytest.raises(Kill):
        rig.round()
    rig = rig.restart()
    rig.sync()
    assert rig.state(op_id) is State.ACCEPTED
    assert rig.applied() == sorted(set(rig.applied()))
    rig.verify()
    town.rig = rig
    rig.store.close()


def test_a_locked_device_delivers_and_pulls_later(town: Town) -> None:
    rig = town.rig
    rig.unlocked = False
    rig.save()
    assert rig.sync().accepted == 1
    assert rig.carriage().cursor is None
    rig.unlocked = True
    assert rig.sync().pulled > 0


def test_a_revoked_device_may_still_append(town: Town) -> None:
    rig = town.rig
    town.agency.accounts.revoke(rig.device_id)
    op_id = rig.save()
    report = rig.sync()
    assert (report.stored, rig.state(op_id)) == (1, State.STORED)
    with rig.store.read() as tx:
        entry = rig.outbox.entry(tx, op_id)
    assert entry is not None
    assert entry.reason is ProblemCode.DEVICE_REVOKED
    assert rig.carriage().revoked


def test_the_digest_of_both_sides_is_the_same(town: Town) -> None:
    rig = town.rig
    rig.save_many(3)
    rig.sync()
    rig.sync()
    assert not rig.obeyed[-1].reoffer
    town.agency.clock.go(days=1)
    rig.now += timedelta(days=1)
    rig.sync()
    assert not rig.obeyed[-1].reoffer


def test_a_changed_token_signs_nobody_in(town: Town) -> None:
    rig = town.rig
    op_id = rig.save()
    rig.append_token = rig.read_token = "made-up"
    assert rig.sync().problem is ProblemCode.NOT_SIGNED_IN
    assert rig.state(op_id) is State.WAITING


@pytest.mark.parametrize("town", ["http"], indirect=True)
def test_the_stream_wakes_for_news(town: Town) -> None:
    woken: list[bool] = []
    heard = threading.Event()

    def wake(*, at_once: bool = False) -> None:
        woken.append(at_once)
        heard.set()

    ear = Listener(
        server=town.url,
        token=lambda: town.rig.read_token,
        wake=wake,
        monotonic=time.monotonic,
        uniform=lambda low, high: low,
    )
    ear.start()
    assert heard.wait(20)
    heard.clear()
    until(lambda: town.streams.listening == 1, what="one listener")
    town.streams.wake(["o1"])
    assert heard.wait(20)
    town.streams.wake(["somebody-else"])
    assert woken == [False, False]
    ear.stop()
