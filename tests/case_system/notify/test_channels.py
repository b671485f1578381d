"""Channels are tried for real: a mail server, a push server and the console, all on loopback."""

from __future__ import annotations

import itertools
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from case_system.alarms import AlarmKind
from case_system.notify.channels import AppriseChannels, BadChannel, check, fitted
from case_system.notify.wording import LINES, wake_up
from case_system.ways import Fault, Sent, WakeUp, Way, outcome
from referral.views import NoticeKind

MESSAGE = wake_up(NoticeKind.HANDOFF_OFFERED, "n-1")


def send(*urls: str, message: WakeUp = MESSAGE) -> list[Fault | None]:
    ways = [Way(channel_id=str(n), url=url) for n, url in enumerate(urls)]
    return [one.fault for one in AppriseChannels().send(ways, message)]


@contextmanager
def running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Mail(socketserver.StreamRequestHandler):
    """Just enough SMTP to take one message."""

    def handle(self) -> None:
        got: list[bytes] = self.server.got  # type: ignore[attr-defined]
        self.wfile.write(b"220 here\r\n")
        reading = False
        for line in self.rfile:
            if reading:
                if line == b".\r\n":
                    reading = False
                    self.wfile.write(b"250 kept\r\n")
                else:
                    got.append(line)
            elif line.upper().startswith(b"DATA"):
                reading = True
                self.wfile.write(b"354 go on\r\n")
            elif line.upper().startswith(b"QUIT"):
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


class Push(BaseHTTPRequestHandler):
    """A push server that notes what it is asked."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args: Any) -> None:
        """Quiet."""


def push_server(status: int = 200) -> Any:
    server: Any = HTTPServer(("127.0.0.1", 0), Push)
    server.got, server.status = [], status
    return server


def test_an_e_mail_arrives_without_personal_data() -> None:
    server: Any = socketserver.TCPServer(("127.0.0.1", 0), Mail)
    server.got = []
    with running(server):
        port = server.server_address[1]
        url = f"mailto://127.0.0.1:{port}/?from=desk@example.org&to=duty@example.org&mode=insecure"
        assert send(url) == [None]
    text = b"".join(server.got).decode()
    assert "handoff waiting" in text or "aGFuZG9mZi" in text.replace("\n", "")


def test_a_ringing_notice_takes_the_loudest_priority() -> None:
    server = push_server()
    with running(server):
        assert send(f"ntfy://127.0.0.1:{server.server_address[1]}/duty") == [None]
    headers, body = server.got[0]
    assert json.loads(body).get("priority", headers.get("X-Priority")) in (5, "5", "max")


def test_a_quiet_notice_does_not_ring() -> None:
    quiet = wake_up(NoticeKind.ACCEPTED, "n-2")
    assert not quiet.rings
    assert fitted("tgram://bot/chat", quiet) == "tgram://bot/chat"
    assert fitted("ntfy://host/topic?priority=high&tags=a", MESSAGE) == "ntfy://host/topic?tags=a&priority=max"


def test_one_dead_channel_does_not_silence_the_other(capsys: pytest.CaptureFixture[str]) -> None:
    server = push_server(500)
    with running(server):
        dead = f"json://127.0.0.1:{server.server_address[1]}/"
        assert send(dead, "console://duty") == [Fault.NOT_TAKEN, None]
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["text"] == MESSAGE.line


def test_nobody_to_tell_is_said() -> None:
    assert outcome(AppriseChannels().send([], MESSAGE)) is Sent.NO_CHANNEL


def test_a_bad_channel_is_refused_without_repeating_it() -> None:
    with pytest.raises(BadChannel) as caught:
        check("nonsense://secret-password@host")
    assert "secret" not in str(caught.value)
    check("console://desk")


def test_every_kind_has_its_line_in_both_languages() -> None:
    assert set(LINES) == {*NoticeKind, *AlarmKind}
    for kind in LINES:
        for language, late in itertools.product(("en", "es"), (False, True)):
            message: WakeUp = wake_up(kind, "n", language, late=late)
            assert message.line.startswith("LEAD Field: ")
            assert not any(c.isdigit() for c in message.line)
