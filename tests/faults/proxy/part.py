"""T5: the real client and the real server over real HTTP, with a bad link between them.

The first cases cut the connection after every byte of a request, the next after every byte of an answer (even cases with FIN, odd ones
with RST); the others mix latency, slices, narrow bandwidth, cuts, resets and silence over one to three tries. After each, the link is
fair again and the client tries once more. The waits are real and tiny; which waits and cuts a case has depends on its number alone.
"""

from __future__ import annotations

import gzip
import logging
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import event, select

from case_system.store import schema
from case_system.streams import Streams
from field_app.sync.engine import SyncReport
from field_app.sync.http import HttpCaseSystem
from field_app.sync.machine import State
from referral.codec import parse
from referral.lifecycle import Role
from referral.model import OpId
from referral.port import Enrolment, EnrolRequest, SyncRequest, SyncResponse
from tests.faults.proxy.link import FAIR, Link, Weather, exchanges, link_to
from tests.field_app.sync.rig import Rig, enrolled_rig
from tests.proof.part import Part, Tally, Violation
from tests.support.agency import Agency
from tests.support.loopback import loopback

REQUEST_BYTES: Final = 945  # no request of the first cases is longer; a test holds it
ANSWER_BYTES: Final = 860  # and no answer
MIXES_CI: Final = 500
MIXES: Final = 2_000
PATIENT_S: Final = (10.0, 10.0)  # for a connection, and for the next bytes of an answer
IMPATIENT_S: Final = (10.0, 0.25)  # where the link falls silent


@dataclass(slots=True)
class Wire:
    """A device, its case system, and the link between them."""

    agency: Agency
    rig: Rig
    link: Link
    carrier: Carrier


class Carrier:
    """The real client, more or less patient; its connections end with each try, so that each try has its own weather."""

    def __init__(self, url: str) -> None:
        patient, impatient = (
            HttpCaseSystem(url, monotonic=time.monotonic, patience_s=p) for p in (PATIENT_S, IMPATIENT_S)
        )
        self._patient, self._impatient, self._now = patient, impatient, patient

    def choose(self, *, patient: bool) -> None:
        """Which of the two speaks from now on."""
        self._now = self._patient if patient else self._impatient

    def enrol(self, request: EnrolRequest) -> Enrolment:
        """As the port says."""
        return self._now.enrol(request)

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        """As the port says."""
        return self._now.sync(token, request)

    def close(self) -> None:
        """Let go of the connections."""
        self._patient.close()
        self._impatient.close()


def run(first: int, count: int) -> Tally:
    """Do the cases from `first` on."""
    counts: Counter[str] = Counter()
    violations: list[Violation] = []
    with wire() as here:
        for number in range(first, first + count):
            for sentence in _case(number, here, counts):
                violations.append(Violation(case=number, sentence=sentence))
    return Tally(cases=count, counts=dict(counts), violations=tuple(violations))


@contextmanager
def wire() -> Iterator[Wire]:
    """An enrolled device and a case system on loopback, with fair weather between them."""
    base = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="lead-link-", dir=base) as place:
        folder = Path(place)
        agency = Agency.found(f"sqlite:///{folder / 'case.db'}", folder)

        @event.listens_for(agency.engine, "connect")
        def _fast(raw: Any, _: object) -> None:  # power cuts are another part's business
            raw.execute("PRAGMA synchronous=OFF")

        (folder / "device").mkdir()
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        code = agency.accounts.new_code("o1", Role.OFFICER).code
        with loopback(agency.service, Streams()) as address, link_to(urlsplit(address).port or 0) as link:
            url = f"http://127.0.0.1:{link.port}"
            carrier = Carrier(url)
            rig = enrolled_rig(folder / "device", carrier, code, agency.clock())
            rig.sync()
            carrier.close()
            try:
                yield Wire(agency, rig, link, carrier)
            finally:
                carrier.close()
                link.settle()
                rig.store.close()
        agency.engine.dispose()


def weathers(number: int) -> list[Weather]:
    """What the tries of a case meet."""
    reset = bool(number % 2)
    if number < REQUEST_BYTES:
        return [Weather(cut_request=number, reset=reset)]
    if number < REQUEST_BYTES + ANSWER_BYTES:
        return [Weather(cut_answer=number - REQUEST_BYTES, reset=reset)]
    lots = random.Random(f"link {number}")
    return [_mixed(lots) for _ in range(lots.randint(1, 3))]


def _mixed(lots: random.Random) -> Weather:
    ends = lots.choice(["request", "answer", "answer", "never"])
    return Weather(
        cut_request=lots.randint(0, 4_000) if ends == "request" else None,
        cut_answer=lots.randint(0, 2_000) if ends == "answer" else None,
        reset=lots.random() < 0.5,
        latency_ms=lots.choice([0, 0, 1, 3]),
        slice=lots.choice([0] * 6 + [1] + [13, 100, 1_000] * 3),
        slice_ms=lots.choice([0, 0, 0, 0.03]),
        hold=ends != "never" and lots.random() < 0.04,
    )


def _case(number: int, here: Wire, counts: Counter[str]) -> Iterator[str]:
    rig, lots = here.rig, random.Random(f"work {number}")
    mixed = number >= REQUEST_BYTES + ANSWER_BYTES
    rig.unlocked = not mixed or lots.random() < 0.7
    saved = [rig.save() for _ in range(lots.randint(1, 6) if mixed else 1)]
    told: dict[str, str] = {}
    for weather in weathers(number):
        report = attempt(here, weather)
        _count(counts, weather, here.link, cut_off=report.problem is not None)
        for answer in here.link.answers:
            yield from _same(told, answer)
    report = attempt(here, FAIR)
    for answer in here.link.answers:
        yield from _same(told, answer)
    if report.problem is not None or report.waiting:
        yield f"stuck: {report.problem}, {report.waiting} waiting, over a fair link"
    yield from _ends(here, saved, told)


def attempt(here: Wire, weather: Weather) -> SyncReport:
    """One try in this weather, over connections of its own."""
    here.link.begin(weather)
    here.carrier.choose(patient=not weather.hold)
    report = here.rig.sync()
    here.carrier.close()
    here.link.settle()
    return report


def _count(counts: Counter[str], weather: Weather, link: Link, *, cut_off: bool) -> None:
    counts["tries that failed" if cut_off else "tries that went through"] += 1
    if weather.cut_request is not None and weather.cut_request < link.requested:
        counts["cut in the request"] += 1
    if weather.cut_answer is not None and weather.cut_answer < link.answered:
        counts["cut in the answer"] += 1
    for name in ("hold", "reset", "slice", "latency_ms"):
        counts[name] += bool(getattr(weather, name))


def _same(told: dict[str, str], answer: bytes) -> Iterator[str]:
    """The receipts of an answer, whether or not it arrived: each operation has one receipt, whenever it is asked for."""
    for head, body in exchanges(answer)[0]:
        if not head.startswith(b"HTTP/1.1 200") or b"application/json" not in head:
            continue
        document = parse(gzip.decompress(body) if b"content-encoding: gzip" in head.lower() else body)
        for receipt in document.get("results", ()):
            if told.setdefault(receipt["op_id"], receipt.get("receipt", "")) != receipt.get("receipt", ""):
                yield "another receipt for the same operation"


def _ends(here: Wire, saved: list[OpId], told: dict[str, str]) -> Iterator[str]:
    t = schema.operations
    rows = here.agency.rows(select(t.c.op_id, t.c.receipt, t.c.referral_id).where(t.c.op_id.in_(saved)))
    filed = {row["op_id"]: row for row in rows}
    referrals = [row["referral_id"] for row in rows]
    if len(rows) != len(saved) or len(set(referrals)) != len(saved):
        yield f"{len(rows)} operations of {len(saved)} are at the case system, for {len(set(referrals))} referrals"
    with here.rig.store.read() as tx:
        for op_id in saved:
            entry = here.rig.outbox.entry(tx, op_id)
            if entry is None or entry.state is not State.ACCEPTED:
                yield f"an operation is {entry.state if entry else 'gone'} on the device"
            elif entry.receipt is None or entry.receipt.receipt != filed.get(op_id, {}).get("receipt"):
                yield "the device has another receipt than the case system"
            elif told.get(op_id) != entry.receipt.receipt:
                yield "the device has another receipt than it was sent"


def _demand(tally: Tally) -> list[str]:
    wanted = ("cut in the request", "cut in the answer", "hold", "reset", "slice", "latency_ms")
    return [f"no case had: {name}" for name in wanted if not tally.counts.get(name)]


PART: Final = Part(
    name="T5",
    title="fault proxy",
    unit="cases",
    holds_when="whatever the link does, after every byte: nothing stuck, nothing duplicated, one receipt for each operation",
    ci=REQUEST_BYTES + ANSWER_BYTES + MIXES_CI,
    release=REQUEST_BYTES + ANSWER_BYTES + MIXES,
    chunk=1_000,
    run=run,
    demand=_demand,
)
