"""What a fault is called, and the sentence it carries: the words of the log and of the doctor."""

from __future__ import annotations

import itertools
import ssl
from collections.abc import Iterator

import pytest
import requests
from requests.exceptions import ChunkedEncodingError, ConnectTimeout, ContentDecodingError
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError, MaxRetryError, ProtocolError

from field_app.sync import http
from field_app.sync.errors import Interrupted, NoConnection, NotACaseSystem, NotTheAgency, SyncFault
from field_app.sync.http import transport_fault
from field_app.sync.machine import Event, IllegalDelivery, State

CUT, NOBODY = "the exchange was cut", "nobody answered"


def tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "TLS")
    error.reason = reason
    return error


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind", "sentence"),
    [
        (
            requests.exceptions.SSLError(ssl.SSLCertVerificationError("self-signed")),
            NotTheAgency,
            "the certificate is not one that this device trusts",
        ),
        (requests.exceptions.SSLError(tls("WRONG_VERSION_NUMBER")), NotACaseSystem, "what answered does not speak TLS"),
        (requests.exceptions.SSLError(tls("BAD_RECORD")), NoConnection, NOBODY),
        (ContentDecodingError("gzip"), NotACaseSystem, "the answer's encoding is broken"),
        (ConnectTimeout("10 s"), NoConnection, "nobody answered in time"),
        (requests.ReadTimeout("30 s"), Interrupted, CUT),
        (ChunkedEncodingError("short"), Interrupted, CUT),
        (requests.ConnectionError(ConnectionResetError(104, "reset")), Interrupted, CUT),
        (caused(requests.ConnectionError("x"), BrokenPipeError(32, "pipe")), Interrupted, CUT),
        (requests.ConnectionError(ConnectionRefusedError(111, "refused")), NoConnection, NOBODY),
        (requests.ConnectionError("no such name"), NoConnection, NOBODY),
    ],
)
def test_a_fault_is_named_by_what_lies_inside_it(error: requests.RequestException, kind: type, sentence: str) -> None:
    fault = transport_fault(error)
    assert (type(fault), str(fault)) == (kind, sentence)


def test_a_cause_is_found_behind_the_reason_that_urllib3_gives() -> None:
    pool = HTTPConnectionPool("127.0.0.1")
    inside = MaxRetryError(pool, "/v1/sync", caused(ProtocolError("x"), ConnectionAbortedError("gone")))
    assert str(transport_fault(requests.ConnectionError(inside))) == CUT


def inside(error: BaseException) -> list[BaseException]:
    return list(itertools.islice(http._causes(error), 20))


def test_every_cause_is_seen_once_though_they_go_in_circles() -> None:
    first, second, third = ValueError("1"), KeyError("2"), OSError("3")
    first.__context__, second.__cause__, third.__context__ = second, third, first
    assert inside(first) == [first, second, third]


def test_a_cause_that_stands_there_twice_hides_no_other() -> None:
    one, other = KeyError("1"), OSError("2")
    assert {*inside(ValueError(other, one, one))} >= {one, other}
    deep = ValueError(one, KeyError("no more inside"))
    assert one in inside(deep)


def test_only_what_is_called_the_reason_is_one() -> None:
    class Wrapped(Exception):
        reason = KeyError("inside")

    assert inside(error := Wrapped("x")) == [error, Wrapped.reason]


def test_an_answer_cut_in_the_library_below_is_cut() -> None:
    class Cut(requests.Response):
        def iter_content(self, chunk_size: int | None = 1, decode_unicode: bool = False) -> Iterator[bytes]:
            yield b"{"
            raise HTTPError("secret")

    chunks = http._chunks(Cut())
    assert next(chunks) == b"{"
    with pytest.raises(Interrupted, match=r"^the answer was cut$"):
        next(chunks)


def test_an_impossible_delivery_says_what_and_where() -> None:
    error = IllegalDelivery(State.ACCEPTED, Event.RETRY)
    assert str(error) == "delivery: retry is not possible in state accepted"
    assert (error.state, error.event) == (State.ACCEPTED, Event.RETRY)


def test_every_fault_is_a_connection_error() -> None:
    assert all(issubclass(kind, SyncFault) for kind in (NoConnection, Interrupted, NotACaseSystem, NotTheAgency))
    assert issubclass(SyncFault, ConnectionError)
