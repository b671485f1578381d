"""T9: the published OpenAPI, taken at its word with real credentials of every role, and the service behind its door.

Case k belongs to block k // BLOCK; a block is one generator with its own seed over a fresh copy of the town, so a case is replayed with
its block. One request in three goes to a page or a form of the desk (pages.py), over whatever the others left there. Half of the rest are
Schemathesis', after the contract or against it; the others carry really sealed and signed operations (acts.py). What is not sealed is sent
by some credentials in turn, a case each: what differs is who asks. Every answer is judged by the table of who may do what, and those of
the contract by all checks of Schemathesis.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, Final, cast

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.openapi import from_dict
from schemathesis.python import asgi

from referral.codec import canonical
from referral.lifecycle import Role
from referral.operations import OPERATIONS, Op
from tests.faults.api.acts import acts
from tests.faults.api.pages import Ask, asks, missing, send
from tests.faults.api.town import CREDENTIALS, FORGED, NOBODY, OF, REVOKED, Switch, Town, town
from tests.proof.part import Part, Tally, Violation

BLOCK: Final = 100
ASKERS: Final = 4  # credentials that send the same request
A_PAGE_EVERY: Final = 3
CHECK_AUTH_EVERY: Final = 8  # this check asks twice more
RECEIVED: Final = frozenset({"accepted", "needs_attention"})


@dataclass(slots=True)
class Api:
    """The contract as generators, and a client that stays."""

    switch: Switch
    cases: st.SearchStrategy[Any]
    sync: Any
    client: Any
    checks: list[Any]
    rest: list[Any]
    closing: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


@cache
def api() -> Api:
    """Read the published document once, from a real application."""
    switch = Switch()
    load_all_checks()
    with town(switch):
        closing = contextlib.ExitStack()
        client = closing.enter_context(asgi.get_client(cast(Any, switch)))
        document = client.get("/openapi.json").json()
    schema = from_dict(document)
    schema.app = switch
    schema.config.checks.positive_data_acceptance.expected_statuses = ["2xx", "401", "403", "404", "409"]
    refused = [
        "400",
        "401",
        "403",
        "404",
        "406",
        "409",
        "413",
        "415",
        "422",
        "428",
        "429",
    ]  # too large is a refusal, too
    schema.config.checks.negative_data_rejection.expected_statuses = refused
    operations: list[Any] = [cast(Any, found).ok() for found in schema.get_all_operations()]
    heavy = {("POST", path) for path in ("/v1/enrol", "/v1/sync")}
    strategies = [
        operation.as_strategy(generation_mode=mode)
        for operation in operations
        for mode in GenerationMode
        for _ in range(3 if (operation.method.upper(), operation.path) in heavy else 1)
        if mode is GenerationMode.POSITIVE or (operation.method.upper(), operation.path) in heavy
    ]
    checks = list(CHECKS.get_all())
    return Api(
        switch=switch,
        cases=st.one_of(strategies),
        sync=schema["/v1/sync"]["POST"],
        client=client,
        checks=checks,
        rest=[check for check in checks if check.__name__ != "ignored_auth"],
        closing=closing,
    )


def run(first: int, count: int) -> Tally:
    """Send the cases from `first` on."""
    counts: Counter[str] = Counter()
    violations: list[Violation] = []
    for block in range(first // BLOCK, -(-(first + count) // BLOCK)):
        for number, violation in _block(block, counts, range(first, first + count)):
            violations.append(Violation(case=number, sentence=violation))
    return Tally(cases=count, counts=dict(counts), violations=tuple(violations))


def _block(block: int, counts: Counter[str], wanted: range) -> list[tuple[int, str]]:
    made, found = api(), list[tuple[int, str]]()
    numbers = iter(range(block * BLOCK, (block + 1) * BLOCK))
    pages = (f"{block} {n}" for n in itertools.count())  # Hypothesis likes to draw again what it drew

    with town(made.switch) as here:

        @seed(block)
        @settings(
            max_examples=BLOCK // ASKERS, database=None, phases=(Phase.generate,), deadline=None, derandomize=False,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(data=st.data())
        def each(data: st.DataObject) -> None:
            for request in _drawn(made, here, data, pages):
                number = next(numbers, None)
                if number is None:
                    return
                told: Counter[str] = Counter()
                if isinstance(request, Ask):
                    sentences = list(send(made.client, here.desk, here.agency.clock, request, told))
                else:
                    sentences = list(_judged(made, here, request, number, told))
                if number in wanted:
                    counts.update(told)
                    found.extend((number, sentence) for sentence in sentences)

        each()
    return found


@dataclass(frozen=True, slots=True)
class Request:
    """One request. ops: the operations sealed in it."""

    credential: str
    case: Any
    ops: tuple[Op, ...]
    goes_on: bool


def _drawn(made: Api, here: Town, data: st.DataObject, pages: Iterator[str]) -> Sequence[Request | Ask]:
    """One request as several credentials or people send it, or what each of them sealed."""
    if data.draw(st.integers(1, A_PAGE_EVERY)) == A_PAGE_EVERY:
        return asks(Random(f"{next(pages)} {data.draw(st.integers(0, 2**32))}"), ASKERS)
    askers = data.draw(st.lists(st.sampled_from(CREDENTIALS), min_size=ASKERS, max_size=ASKERS, unique=True))
    goes_on = data.draw(st.booleans())
    if data.draw(st.booleans()):
        return [Request(asker, *_sealed(made, here, data, asker), goes_on) for asker in askers]
    case = data.draw(made.cases)
    return [Request(asker, case, (), goes_on) for asker in askers]


def _judged(made: Api, here: Town, request: Request, number: int, counts: Counter[str]) -> Iterator[str]:
    credential, case = request.credential, request.case
    if request.goes_on and case.path == "/v1/sync" and isinstance(case.body, dict) and credential in here.cursors:
        case.body["cursor"] = here.cursors[credential]  # where an earlier answer ended: the contract's link
        counts["followed the link"] += 1
    headers = here.headers(credential)
    answer = case.call(session=made.client, headers=headers, timeout=60)
    counts[f"{case.method.upper()} {case.path} {answer.status_code}"] += 1
    counts[f"as {credential.partition(':')[0]}"] += 1
    if answer.status_code >= 500:
        yield f"server error {answer.status_code} to {case.method} {case.path} as {credential}"
    checks = made.checks if number % CHECK_AUTH_EVERY == 0 else made.rest
    try:
        case.validate_response(answer, checks=checks, headers=headers, transport_kwargs={"session": made.client})
    except FailureGroup as group:
        yield from sorted(f"{case.method} {case.path} as {credential}: {error.title}" for error in group.exceptions)
    yield from _bypasses(case, answer, here, credential, request.ops, counts)


def _sealed(made: Api, here: Town, data: st.DataObject, credential: str) -> tuple[Any, tuple[Op, ...]]:
    """A sync with a few operations that the device of the credential (or, for none, the officer's) sealed and signed."""
    name = credential.partition(":")[0]
    device = here.devices.get(name) or here.devices["officer"]
    told = data.draw(st.lists(acts(device.user, device.enrolment.role), min_size=1, max_size=4))
    envelopes = [base64.b64encode(device.seal_bytes(canonical(one))).decode() for one in told]
    body = {"nonce": "00" * 16, "pull": data.draw(st.booleans()), "envelopes": envelopes}
    return made.sync.Case(body=body, media_type="application/json"), tuple(Op(one["op"]) for one in told)


def _bypasses(case: Any, answer: Any, here: Town, credential: str, ops: tuple[Op, ...], counts: Counter[str]) -> Iterator[str]:  # fmt: skip
    """What this credential must not have got."""
    role, _, kind = credential.partition(":")
    if answer.status_code != 200 or not case.path.startswith("/v1/") or case.path == "/v1/enrol":
        if answer.status_code == 200 and case.path == "/v1/enrol":
            yield f"enrolled without a code as {credential}"
        return
    if credential in (NOBODY, FORGED) or (case.path == "/v1/stream" and (kind == "append" or role == REVOKED)):
        yield f"authorisation bypass: {case.path} answered 200 to {credential}"
        return
    if case.path != "/v1/sync":
        return
    told = answer.json()
    pulls = kind == "read" and role != REVOKED
    if not pulls and {"changes", "cursor"} & told.keys():
        yield f"authorisation bypass: changes for {credential}"
    if told.get("cursor"):
        here.cursors[credential] = told["cursor"]
    for change in told.get("changes", ()):
        seen = change.get("referral", {})
        holds = role in (Role.CASE_MANAGER, Role.PEER) or (role == Role.SUPERVISOR and seen.get("mine"))
        if "referral" in seen and not holds:
            yield f"authorisation bypass: a referral's content for {credential}"
    for op, receipt in zip(ops, told.get("results", ()), strict=False):
        counts[f"{op} {receipt['outcome']}"] += 1
        if receipt["outcome"] in RECEIVED and not _may(op, role):
            yield f"authorisation bypass: {op} {receipt['outcome']} for {credential}"
        if receipt["outcome"] == "stored" and receipt["code"] == "internal":
            yield f"the rule of {op} broke"


def _may(op: Op, role: str) -> bool:
    rule = OPERATIONS[op]
    return role in OF and Role(role) in rule.roles and rule.from_device


def _demand(tally: Tally) -> list[str]:
    """Every role spoke, every operation that a device can do was accepted once, and every page was shown."""
    lacks = [f"nobody spoke as {role}" for role in (*OF, REVOKED, NOBODY, FORGED) if f"as {role}" not in tally.counts]
    for op, rule in OPERATIONS.items():
        if rule.from_device and not any(tally.counts.get(f"{op} {outcome}") for outcome in RECEIVED):
            lacks.append(f"no {op} was ever received")
    return lacks + missing(tally.counts)


PART: Final = Part(
    name="T9",
    title="the published API and the pages",
    unit="cases",
    holds_when="0 server errors, 0 authorisation bypass, every answer as the OpenAPI says, with real credentials of every role, signed in or not",
    ci=5_000,
    release=200_000,
    chunk=2_500,
    run=run,
    demand=_demand,
)
