"""Enrolment: what a person types, what is asked, and what an answer must hold before anything is kept."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from field_app.sync.address import is_loopback, server_address
from field_app.sync.enrol import enrol, invitation, parse_link
from field_app.sync.errors import NotTheAgency
from referral.port import Enrolment, EnrolRequest, Refused, SyncRequest, SyncResponse
from referral.problems import ProblemCode
from tests.field_app.sync.rig import NOON
from tests.support.memory_case_system import MemoryCaseSystem

CODE = "7K42-9QXM-3TRA"
PLAIN = "7K429QXM3TRA"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://lead.example", "https://lead.example"),
        (" https://lead.example:8443/lead/ ", "https://lead.example:8443/lead"),
        ("HTTPS://Lead.Example", "https://lead.example"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://localhost", "http://localhost"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_an_address_is_https_or_this_machine(text: str, address: str) -> None:
    assert server_address(text) == address


BEGINS, NO_PORT = "the server's address begins with https://", "the server's address has no valid port"
MORE = "the server's address holds more than host, port and path"
OTHER_MACHINE = "http:// is for this machine only; use https://"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", BEGINS),
        ("lead.example", BEGINS),
        ("http://lead.example", OTHER_MACHINE),
        ("http://10.0.0.1", OTHER_MACHINE),
        ("http://127.0.0.1.evil.example", OTHER_MACHINE),
        ("http://localhost.evil.example", OTHER_MACHINE),
        ("ftp://lead.example", BEGINS),
        ("file:///etc/passwd", BEGINS),
        ("https://", BEGINS),
        ("https://user:pass@lead.example", MORE),
        ("https://lead.example/?x=1", MORE),
        ("https://lead.example/#x", MORE),
        ("https://lead.example:port", NO_PORT),
        ("https://lead.example:99999", NO_PORT),
    ],
)
def test_any_other_address_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as told:
        server_address(text)
    assert str(told.value) == sentence


def test_what_is_no_address_at_all_is_refused() -> None:
    with pytest.raises(ValueError):
        server_address("https://[::1")


def test_only_the_slash_at_the_end_goes() -> None:
    assert server_address("https://lead.example/leadX/") == "https://lead.example/leadX"


def test_this_machine_goes_by_its_name_and_numbers_only() -> None:
    assert is_loopback("127.8.9.1")
    assert not is_loopback("0.0.0.0")
    assert not is_loopback("localhost.example")


@pytest.mark.parametrize("code", [CODE, PLAIN, "7k42 9qxm 3tra", "7K42-9QXM-3TRA "])
def test_a_code_is_read_as_people_type_it(code: str) -> None:
    assert invitation("https://lead.example", code).code == PLAIN


def test_letters_that_look_like_digits_are_those_digits() -> None:
    assert invitation("https://lead.example", "OIL0-0000-0000").code == "011000000000"


@pytest.mark.parametrize("code", ["", "7K42-9QXM", CODE + "1", "7K42-9QXM-3TRU", "7K42-9QXM-3TRÄ"])
def test_what_cannot_be_a_code_is_refused_before_anything_is_sent(code: str) -> None:
    with pytest.raises(ValueError, match="enrolment code"):
        invitation("https://lead.example", code)


def test_a_link_names_server_and_code() -> None:
    asked = parse_link(f"lead://enrol?server=https%3A%2F%2Flead.example%3A8443&code={CODE}\n")
    assert (asked.server, asked.code) == ("https://lead.example:8443", PLAIN)
    assert CODE not in repr(asked)
    assert PLAIN not in repr(asked)


NO_LINK, NOT_ONE = "this is not an enrolment link", "an enrolment link names one server and one code"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", NO_LINK),
        ("https://lead.example", NO_LINK),
        ("lead://enrol", NOT_ONE),
        (f"lead://enrol?code={CODE}", NOT_ONE),
        ("lead://enrol?server=https://lead.example", NOT_ONE),
        (f"lead://other?server=https://lead.example&code={CODE}", NO_LINK),
        (f"lead://enrol?server=http://lead.example&code={CODE}", OTHER_MACHINE),
        (f"lead://enrol?server=https://a.example&server=https://b.example&code={CODE}", NOT_ONE),
        (f"lead://enrol/x?server=https://lead.example&code={CODE}", NO_LINK),
        (f"lead://enrol/X?server=https://lead.example&code={CODE}", NO_LINK),
    ],
)
def test_any_other_link_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ValueError) as told:
        parse_link(text)
    assert str(told.value) == sentence


def test_a_slash_after_the_name_of_the_link_means_nothing() -> None:
    assert parse_link(f"lead://enrol/?server=https://lead.example&code={CODE}").code == PLAIN


def run(server: object) -> object:
    asked = invitation("http://127.0.0.1:1", CODE)
    return enrol(
        server,  # type: ignore[arg-type]
        asked,
        app="lead-field 0.1.0",
        platform="linux",
        random_bytes=random.Random(1).randbytes,
    )


def test_a_device_is_bound_once() -> None:
    server = MemoryCaseSystem(now=NOON, codes={PLAIN})
    asked = invitation("http://127.0.0.1:1", CODE)
    made = enrol(server, asked, app="lead-field 0.1.0", platform="linux", random_bytes=random.Random(1).randbytes)
    assert server.devices[made.device_id].key.to_bytes() == made.device_key.public().to_bytes()
    assert made.server == "http://127.0.0.1:1"
    assert made.enrolment.read_token not in repr(made)
    with pytest.raises(Refused) as refused:
        run(server)
    assert refused.value.code is ProblemCode.CODE_NOT_VALID


class Changed:
    """A case system whose enrolments are not right."""

    def __init__(self, change: Callable[[Enrolment], Enrolment]) -> None:
        self.inner, self.change = MemoryCaseSystem(now=NOON, codes={PLAIN}), change

    def enrol(self, request: EnrolRequest) -> Enrolment:
        return self.change(self.inner.enrol(request))

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        return self.inner.sync(token, request)


NO_KEY, OTHER_ID = "the agency's key is not a key", "the agency's key does not have the id it was given"
NO_SERVER_KEY, NO_ID = "the case system's key is not a key", "the agency has no valid id"
NO_TOKENS = "the answer gives no tokens (not_signed_in)"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda e: replace(e, server_key=b"\x04" + bytes(64)), NO_SERVER_KEY),
        (lambda e: replace(e, server_key=b""), NO_SERVER_KEY),
        (lambda e: replace(e, agency_key=replace(e.agency_key, public_key=b"")), NO_KEY),
        (lambda e: replace(e, agency_key=replace(e.agency_key, key_id="00" * 8)), OTHER_ID),
        (lambda e: replace(e, agency="11"), NO_ID),
        (lambda e: replace(e, agency="zz" * 8), NO_ID),
        (lambda e: replace(e, agency="XX" * 8), NO_ID),
        (lambda e: replace(e, append_token=""), NO_TOKENS),
        (lambda e: replace(e, read_token=""), NO_TOKENS),
        (lambda e: replace(e, append_token=e.read_token), NO_TOKENS),
    ],
)
def test_an_answer_that_contradicts_itself_binds_nothing(
    change: Callable[[Enrolment], Enrolment], sentence: str
) -> None:
    with pytest.raises(NotTheAgency) as told:
        run(Changed(change))
    assert str(told.value) == sentence


def test_the_id_of_an_agency_may_hold_every_digit() -> None:
    assert run(Changed(lambda enrolment: replace(enrolment, agency="0123456789abcdef")))
