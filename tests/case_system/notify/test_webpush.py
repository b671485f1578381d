"""Web push against a service that checks the signature and opens the payload; what is no subscription; what has ended."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from case_system.keyfolder import KeyFolder
from case_system.notify.channels import AppriseChannels, BadChannel
from case_system.notify.webpush import PushServices, WebPush
from case_system.notify.wording import wake_up
from case_system.store import schema
from case_system.ways import Fault, Way
from referral.views import NoticeKind
from tests.support.agency import Agency
from tests.support.device import arrest
from tests.support.push_service import Browser, PushService, push_service

RING = wake_up(NoticeKind.HANDOFF_OFFERED, "ab" * 16, "es")


@pytest.fixture
def service() -> Iterator[PushService]:
    with push_service() as running:
        yield running


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder.create(tmp_path / "keys", os.urandom)


@pytest.fixture
def push(service: PushService, keys: KeyFolder) -> WebPush:
    made = WebPush(keys.push_key, PushServices([service.origin]), contact="mailto:desk@example.org")
    service.public_key = made.public_key
    return made


def way(browser: Browser) -> str:
    return f"webpush:{json.dumps(browser.form)}"


def test_a_browser_gets_the_line_and_nothing_else(service: PushService, push: WebPush) -> None:
    browser = service.subscribe()
    assert push(way(browser), RING) is None
    (payload,), (headers,) = browser.payloads, browser.headers
    assert payload == {"title": "LEAD Field", "body": "LEAD Field: hay una entrega en espera.", "tag": "ab" * 16, "rings": True, "quiet": False}  # fmt: skip
    assert (headers["Topic"], headers["Urgency"]) == ("ab" * 16, "high")
    assert int(headers["Ttl"]) > 0


def test_an_officers_browser_is_told_to_stay_dark(service: PushService, push: WebPush) -> None:
    browser = service.subscribe()
    assert push(way(browser), wake_up(NoticeKind.ACCEPTED, "cd" * 16, quiet=True)) is None
    assert browser.payloads[0]["quiet"] is True
    assert browser.headers[0]["Urgency"] == "normal"


@pytest.mark.parametrize(("status", "fault"), [(404, Fault.GONE), (410, Fault.GONE), (429, Fault.BUSY), (503, Fault.BUSY), (400, Fault.REFUSED)])  # fmt: skip
def test_what_the_service_answers_is_a_code(service: PushService, push: WebPush, status: int, fault: Fault) -> None:
    browser = service.subscribe()
    browser.status = status
    assert push(way(browser), RING) is fault


def test_another_key_is_refused(service: PushService, push: WebPush, tmp_path: Path) -> None:
    other = KeyFolder.create(tmp_path / "other", os.urandom)
    stranger = WebPush(other.push_key, PushServices([service.origin]), contact="mailto:desk@example.org")
    assert stranger(way(service.subscribe()), RING) is Fault.REFUSED


def test_nobody_there_is_no_answer(push: WebPush) -> None:
    with push_service() as closed:
        browser = closed.subscribe()
    push.services = PushServices([closed.origin])
    assert push(way(browser), RING) is Fault.NO_ANSWER


def test_only_push_services_are_believed(service: PushService) -> None:
    good = service.subscribe().form
    known = PushServices(["push.example.org", service.origin])
    for endpoint in (
        "https://fcm.googleapis.com/fcm/send/1", "https://updates.push.services.mozilla.com/wpush/v2/1",
        "https://web.push.apple.com/1", "https://push.example.org/1", good["endpoint"],
    ):  # fmt: skip
        assert known.subscription(endpoint, good["p256dh"], good["auth"])["endpoint"] == endpoint
    for endpoint in (
        "http://fcm.googleapis.com/1", "https://fcm.googleapis.com.evil.example/1", "https://localhost/1", "http://127.0.0.1:1/",
        "https://user@push.example.org/1", "https://push.example.org/" + "1" * 1000, "file:///etc/passwd", "",
    ):  # fmt: skip
        with pytest.raises(BadChannel) as caught:
            known.subscription(endpoint, good["p256dh"], good["auth"])
        assert "evil" not in str(caught.value)
    for p256dh, auth in (("", good["auth"]), (good["p256dh"], "AAAA"), ("%%%", good["auth"])):
        with pytest.raises(BadChannel):
            known.subscription(good["endpoint"], p256dh, auth)


def test_a_folder_of_the_first_release_gets_its_key_once(keys: KeyFolder) -> None:
    first = keys.push_key()
    (keys.folder / "push.key").unlink()
    again = KeyFolder(keys.folder).push_key()
    assert again != first
    assert KeyFolder(keys.folder).push_key() == again
    assert sorted(path.name for path in keys.folder.iterdir() if path.name.startswith(".")) == []


def test_a_subscription_that_has_ended_is_dropped(tmp_path: Path, service: PushService) -> None:
    agency = Agency.copied(tmp_path)
    push = WebPush(agency.keys.push_key, PushServices([service.origin]), contact="mailto:desk@example.org")
    browser = service.subscribe()
    agency.channels.add_push("cm1", browser.form, by="cm1")
    officer, book = agency.device("o1"), agency.book()
    channels = AppriseChannels({"webpush": push})
    for status in (201, 410, 201):
        browser.status = status
        officer.send(officer.create(arrest()))
        for one in agency.take(book):
            book.sent(one, agency.clock(), channels.send([Way(channel_id=w.channel_id, url=w.url) for w in one.ways], RING))  # fmt: skip
    assert len(browser.payloads) == 1
    (channel,) = agency.channels.listed("cm1")
    assert not channel.active
    gone = [row for row in agency.rows(select(schema.audit)) if row["action"] == "channel_gone"]
    assert [(row["actor"], row["object_id"]) for row in gone] == [("system", channel.channel_id)]
    agency.engine.dispose()
