"""From a recorded referral to real receivers: a mail server, a hook and a push service on loopback, each looked at as it arrived.

What leaves names no person, no place and no time, is in the recipient's language, and carries the notice's id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from case_system.assignment import Post
from case_system.dispatcher import Dispatcher
from case_system.notify.channels import NOTICE_FIELD, NOTICE_HEADER, AppriseChannels
from case_system.notify.webpush import PushServices, WebPush
from case_system.store import exports
from referral.lifecycle import Role
from referral.model import Person, Place
from tests.case_system.notify.test_channels import push_server, running
from tests.support.agency import Agency, StillClock
from tests.support.device import arrest
from tests.support.mailbox import mailbox
from tests.support.push_service import push_service

NAME, PLACE = "Robin Canarysample", "300 W Lexington St"


@pytest.fixture
def agency(tmp_path: Path) -> Iterator[Agency]:
    made = Agency.found(
        f"sqlite:///{tmp_path / 'case.db'}", tmp_path, StillClock(datetime(2026, 3, 3, 17, 4, tzinfo=UTC))
    )
    made.accounts.add_user("cm-es", Role.CASE_MANAGER, language="es")
    made.accounts.set_post(Post.DUTY, ["cm1", "cm-es"])
    yield made
    made.engine.dispose()


def test_what_arrives_says_that_something_waits_and_no_more(agency: Agency) -> None:
    hook = push_server()
    with mailbox() as box, push_service() as service, running(hook):
        address = f"json://127.0.0.1:{hook.server_address[1]}"
        for user in ("cm1", "cm-es"):
            agency.channels.add(user, box.url(f"{user}@example.org"))
            agency.channels.add(user, f"{address}/{user}")
        browser = service.subscribe()
        agency.channels.add_push("cm1", browser.form, by="cm1")
        push = WebPush(agency.keys.push_key, PushServices([service.origin]), contact="mailto:desk@example.org")
        channels = AppriseChannels({"webpush": push})
        officer = agency.device("o1")
        officer.send(officer.create(arrest(person=Person(name=NAME), place=Place(text=PLACE))))
        Dispatcher(book=agency.book(), channels=channels, clock=agency.clock).run_once()
    ids = {n["recipient"]: n["notice_id"] for n in exports.notices(agency.engine) if n["kind"] == "handoff_offered"}
    said = {}
    for letter in box.letters:
        user = str(letter["To"]).partition("@")[0].strip("<")
        body = letter.get_body(("plain", "html"))
        assert body is not None
        assert letter[NOTICE_HEADER] == ids[user]
        said[user] = f"{letter['Subject']} {body.get_content()}"
    assert "handoff waiting" in said["cm1"]
    assert "entrega en espera" in said["cm-es"]
    hooks = [json.loads(body) for _, body in hook.got]
    assert {h[NOTICE_FIELD] for h in hooks} == set(ids.values())
    assert [(p["tag"], p["body"]) for p in browser.payloads] == [(ids["cm1"], "LEAD Field: handoff waiting.")]
    texts = [
        *said.values(),
        *(f"{h['title']} {h['message']}" for h in hooks),
        *(str(p["body"]) for p in browser.payloads),
    ]
    for text in texts:
        assert not re.search(r"Robin|Canarysample|Lexington|\d", text), text
    assert NAME.encode() not in b"".join(box.raw) + b"".join(body for _, body in hook.got)
    assert {n["state"] for n in exports.notices(agency.engine)} == {"sent"}


def test_a_dead_mail_server_is_tried_again_and_seen(agency: Agency) -> None:
    with mailbox() as box:
        dead = box.url("cm1@example.org")
    agency.channels.add("cm1", dead)
    officer = agency.device("o1")
    officer.send(officer.create(arrest()))
    dispatcher = Dispatcher(book=agency.book(), channels=AppriseChannels(), clock=agency.clock)
    dispatcher.run_once()
    (failing,) = agency.channels.listed(failing=True)
    assert (failing.user_id, failing.fault, failing.failures) == ("cm1", "not_taken", 1)
    dispatcher.run_once()  # not yet
    assert agency.channels.listed(failing=True)[0].failures == 1
    agency.clock.go(seconds=1)
    dispatcher.run_once()
    assert agency.channels.listed(failing=True)[0].failures == 2
