"""The case system over HTTP: one request at a time on a connection that is kept.

Promises: https only (http on loopback); no redirect is followed; an answer counts only with the right content type and within a
bound on size and time; a problem document becomes `Refused`; everything else is one of `errors.py`. Neither bodies nor tokens
are ever logged or put into an error. Retries are the engine's, but for one: a kept connection that the other side had already
closed is opened anew, which is safe because a sync may be repeated.
"""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from requests.exceptions import ChunkedEncodingError, ConnectTimeout, ContentDecodingError, RequestException
from urllib3.exceptions import HTTPError, ReadTimeoutError

from field_app.sync.address import is_loopback, server_address
from field_app.sync.backoff import parse_retry_after
from field_app.sync.errors import Interrupted, NoConnection, NotACaseSystem, NotTheAgency
from field_app.sync.reading import read_response
from referral.codec import canonical, from_wire, parse, to_wire
from referral.port import Enrolment, EnrolRequest, Refused, SyncRequest, SyncResponse
from referral.problems import FieldError, ProblemCode

CONNECT_S, READ_S, WHOLE_S = 10.0, 30.0, 180.0
ANSWER_LIMIT = 32 * 1024 * 1024  # after decompression: a programme pack is the largest thing that comes
_GZIP_FROM = 256  # bytes: from here on gzip saves more than its header line costs, for the emptiest request too

_BUSY = {429: ProblemCode.RATE_LIMITED, 502: ProblemCode.BUSY, 503: ProblemCode.BUSY, 504: ProblemCode.BUSY}


class Bearer(AuthBase):
    """Sends the token, and keeps `requests` from taking another one out of a netrc file."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class HttpCaseSystem:
    """A case system at an address. For one thread."""

    def __init__(
        self,
        server: str,
        *,
        monotonic: Callable[[], float],
        app: str = "lead-field",
        ca_file: str | None = None,
        patience_s: tuple[float, float] = (CONNECT_S, READ_S),
    ) -> None:
        """server: see `address.server_address`. monotonic: seconds that only run forward. ca_file: certificates to trust instead
        of the machine's. patience_s: how long to wait for a connection, and for the next bytes of an answer. Raises ValueError
        for an address that must not be used."""
        self._base = server_address(server)
        self._patience_s = patience_s
        self._monotonic = monotonic
        self._session = new_session(self._base, app, ca_file)

    def enrol(self, request: EnrolRequest) -> Enrolment:
        """As the port says. Raises Refused, SyncFault."""
        wire = self._post("/v1/enrol", "", to_wire(request))
        try:
            return from_wire(Enrolment, wire, keep_unknown=True)
        except FieldError as error:
            raise NotACaseSystem("the answer is not an enrolment") from error

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        """As the port says; the signature is the caller's to check. Raises Refused, SyncFault."""
        wire = self._post("/v1/sync", token, to_wire(request))
        try:
            return read_response(wire)
        except FieldError as error:
            raise NotACaseSystem("the answer is not a case system's") from error

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()

    def _post(self, path: str, token: str, wire: Any) -> Any:
        body = canonical(wire)
        headers = {"Content-Type": "application/json", "Accept": "application/json, application/problem+json"}
        if len(body) >= _GZIP_FROM:
            body, headers["Content-Encoding"] = gzip.compress(body, 6, mtime=0), "gzip"
        until = self._monotonic() + WHOLE_S
        try:
            return self._exchange(path, token, headers, body, until)
        except _Stale:
            return self._exchange(path, token, headers, body, until, last=True)

    def _exchange(
        self, path: str, token: str, headers: dict[str, str], body: bytes, until: float, *, last: bool = False
    ) -> Any:
        try:
            with self._session.post(
                self._base + path,
                data=body,
                headers=headers,
                auth=Bearer(token),
                timeout=self._patience_s,
                allow_redirects=False,
                stream=True,
            ) as answer:
                data = self._read(answer, until)
                return self._understood(answer, data)
        except RequestException as error:
            fault = transport_fault(error)
            if not last and _was_closed(error):
                raise _Stale from error
            raise fault from error

    def _read(self, answer: requests.Response, until: float) -> bytes:
        chunks: list[bytes] = []
        size = 0
        for chunk in _chunks(answer):
            size += len(chunk)
            if size > ANSWER_LIMIT:
                raise Interrupted("the answer is too large")
            if self._monotonic() > until:
                raise Interrupted("the answer took too long")
            chunks.append(chunk)
        return b"".join(chunks)

    def _understood(self, answer: requests.Response, data: bytes) -> Any:
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if answer.status_code == 200 and kind == "application/json":
            try:
                return parse(data)
            except FieldError as error:
                raise NotACaseSystem("the answer is not JSON") from error
        raise _refusal(answer, kind, data)


class _Stale(Exception):
    """A kept connection had been closed before the request."""


def new_session(base: str, app: str, ca_file: str | None) -> requests.Session:
    """A session with this app's name and trust; a proxy of the environment is used for other machines only."""
    session = requests.Session()
    session.headers.update({"User-Agent": app, "Accept-Encoding": "gzip"})
    if ca_file is not None:
        session.verify = ca_file
        session.trust_env = False  # else REQUESTS_CA_BUNDLE would win over it
    if is_loopback(urlsplit(base).hostname or ""):
        session.trust_env = False
    return session


def transport_fault(error: RequestException) -> NoConnection | NotTheAgency | NotACaseSystem:
    """The fault behind an error of `requests`, without its text, which may hold the address."""
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return NotTheAgency("the certificate is not one that this device trusts")
    if any(isinstance(cause, ssl.SSLError) and "WRONG_VERSION" in str(cause.reason) for cause in causes):
        return NotACaseSystem("what answered does not speak TLS")
    if isinstance(error, ContentDecodingError):
        return NotACaseSystem("the answer's encoding is broken")
    if isinstance(error, ConnectTimeout):
        return NoConnection("nobody answered in time")
    begun = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, ReadTimeoutError, TimeoutError)
    if isinstance(error, (requests.ReadTimeout, ChunkedEncodingError)) or any(isinstance(c, begun) for c in causes):
        return Interrupted("the exchange was cut")
    return NoConnection("nobody answered")


def _chunks(answer: requests.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_content(64 * 1024)
    except RequestException:  # some of these are urllib3's errors as well
        raise
    except HTTPError as error:
        raise Interrupted("the answer was cut") from error


def _refusal(answer: requests.Response, kind: str, data: bytes) -> Refused | NotACaseSystem:
    status = answer.status_code
    wait = parse_retry_after(answer.headers.get("Retry-After"), _date(answer))
    if kind == "application/problem+json" and status >= 400:
        try:
            code = parse(data)["code"]
        except (FieldError, KeyError, TypeError):
            code = None
        if isinstance(code, str) and code in set(ProblemCode):
            return Refused(ProblemCode(code), retry_after_s=wait)
        # a code of a newer server: what matters is whose fault it says it is
        return Refused(ProblemCode.INTERNAL if status >= 500 else ProblemCode.BUSY, retry_after_s=wait)
    if status in _BUSY:  # the agency's own proxy, while the case system restarts
        return Refused(_BUSY[status], retry_after_s=wait)
    if status == 500:
        return Refused(ProblemCode.INTERNAL, retry_after_s=wait)
    if status == 413:
        return Refused(ProblemCode.TOO_LARGE, retry_after_s=wait)
    return NotACaseSystem(f"something else answered, with status {status}")


def _date(answer: requests.Response) -> datetime:
    try:
        moment = parsedate_to_datetime(answer.headers.get("Date", ""))
    except (ValueError, TypeError, IndexError):
        return datetime(1970, 1, 1, tzinfo=UTC)  # a Retry-After date then reads as the cap
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _was_closed(error: RequestException) -> bool:
    return any(type(cause).__name__ == "RemoteDisconnected" for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything inside it, however the libraries nested it."""
    seen: set[int] = set()
    todo: list[BaseException] = [error]
    while todo:
        one = todo.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        nested = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        todo += [cause for cause in nested if isinstance(cause, BaseException)]
