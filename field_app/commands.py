"""What each command of `field-app` does: one function each, from a Shell to an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, BinaryIO

from field_app import documents
from field_app.actions import Actions
from field_app.cli import Refusal, Shell, Usage
from field_app.doctor import Health
from field_app.lines import Line, outlook_of, read_lines
from field_app.outcomes import Done, Enrolled, Saved, Trouble
from referral.model import OpId, ReferralId
from referral.operations import CloseReason, NotCompletedReason, ReleaseEvent, SaoAnswer
from referral.place import locate, locate_point
from referral.problems import FieldError, ProblemCode
from referral.programme import PackError, Programme

Json = Any
Step = Callable[[Actions, ReferralId], Saved | Trouble]


# ---------------------------------------------------------------------------------------------------- enrolment
def enrol(shell: Shell) -> int:
    """Bind the data folder; print the PIN if the app made it."""
    from field_app.compose import open_device

    given = shell.given_pin()
    if shell.arguments.server is None and not shell.arguments.code.strip().lower().startswith("lead:"):
        raise Usage("enrol needs --server, or a link as --code")
    actions = open_device(shell.folder, ca_file=shell.configuration.ca_file)
    try:
        outcome = actions.enrol(shell.arguments.server or "", shell.arguments.code, given, unattended=given is not None)
        if isinstance(outcome, Trouble):
            raise Refusal(outcome)
        if actions.snapshot().gate.file_store:
            print(
                "field-app: the device key lies in a file: whoever copies this disk needs only the PIN", file=sys.stderr
            )
    finally:
        actions.close()
    shell.answer(_enrolled(outcome), _said(outcome))
    return 0


def _enrolled(outcome: Enrolled) -> dict[str, Json]:
    document: dict[str, Json] = {"device_id": outcome.device_id, "user": outcome.user, "role": outcome.role.value}
    return document if outcome.pin is None else document | {"pin": outcome.pin}


def _said(outcome: Enrolled) -> list[str]:
    pin = [] if outcome.pin is None else [f"PIN {outcome.pin}  (shown once: write it down)"]
    return [f"enrolled {outcome.user} ({outcome.role.value}), device {outcome.device_id}", *pin]


# ---------------------------------------------------------------------------------------------------- referrals in
def record(shell: Shell) -> int:
    """Save each line by itself; each answer is written out after its commit."""
    refused = 0
    with _input(shell) as stream, shell.device(unlocked=True) as actions, _listing(shell) as put:
        for line in read_lines(stream):
            outcome = _recorded(actions, line)
            if isinstance(outcome, Saved):
                put(
                    {"line": line.number, "referral_id": outcome.referral_id, "op_id": outcome.op_id},
                    f"saved {line.number} {outcome.referral_id}",
                )
                continue
            refused += 1
            error = documents.error(outcome)
            about = f"{error['field']}: " if error["field"] else ""
            put(
                {"line": line.number, "error": error},
                f"refused {line.number} {error['code']} {about}{error['message']}",
            )
    return _lines_refused(refused)


def check(shell: Shell) -> int:
    """Print the outlook of each line."""
    refused = 0
    programme, now = _packaged(), datetime.now(UTC)
    with _input(shell) as stream, _listing(shell) as put:
        for line in read_lines(stream):
            try:
                if line.fault is not None:
                    raise line.fault
                outlook = outlook_of(line.wire, programme, now)
            except FieldError as error:
                refused += 1
                told = documents.error(error)
                put({"line": line.number, "error": told}, f"refused {line.number} {told['code']} {error}")
                continue
            reasons = "; ".join(f"{r.rule} {r.answer.value}: {r.text.en}" for r in outlook.reasons)
            put(outlook.to_wire(line=line.number), f"{line.number} {outlook.answer.value}  {reasons}")
    return _lines_refused(refused)


def _recorded(actions: Actions, line: Line) -> Saved | Trouble | FieldError:
    if line.fault is not None:
        return line.fault
    try:
        return actions.submit_referral(line.wire)
    except FieldError as error:
        return error


def _lines_refused(refused: int) -> int:
    if refused:
        print(f"field-app: {refused} {'line was' if refused == 1 else 'lines were'} refused", file=sys.stderr)
    return 1 if refused else 0


@contextmanager
def _input(shell: Shell) -> Iterator[BinaryIO]:
    name = shell.arguments.file
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        stream = open(name, "rb")  # noqa: SIM115 - closed below; only the opening may be wrong usage
    except OSError as error:
        raise Usage(f"{name}: {error.strerror}") from error
    with stream:
        yield stream


@contextmanager
def _listing(shell: Shell) -> Iterator[Callable[[Json, str], None]]:
    """Print a list as it grows: one JSON document, or one line each; flushed each time."""
    first = True

    def put(document: Json, text: str) -> None:
        nonlocal first
        if not shell.json:
            print(text, flush=True)
        else:
            print(("[\n" if first else ",\n") + json.dumps(document, ensure_ascii=False), end="", flush=True)
        first = False

    yield put
    if shell.json:
        print("[]" if first else "\n]", flush=True)


# ---------------------------------------------------------------------------------------------------- places
def place(shell: Shell) -> int:
    """Look a place up in the packaged programme."""
    given = shell.arguments
    point = given.lat is not None and given.lon is not None
    if (given.text is None) == (not point) or (given.lat is None) != (given.lon is None):
        raise Usage("place needs a text, or --lat and --lon")
    programme = _packaged()
    try:
        answer = (
            locate_point(given.lat, given.lon, programme, given.accuracy) if point else locate(given.text, programme)
        )
    except ValueError as error:
        raise Usage(str(error)) from error
    matches = [f"  {match.text}: {match.zone.value}" for match in answer.matches if len(answer.matches) > 1]
    edge = "" if answer.edge_m is None else f", {abs(answer.edge_m):.0f} m from the line"
    shell.answer(answer.to_wire(), [f"{answer.zone.value}: {answer.text}{edge}", *matches])
    return 0


def _packaged() -> Programme:
    from field_app.compose import packaged_programme

    try:
        return packaged_programme()
    except (OSError, PackError) as error:
        raise Refusal(Trouble(problem=ProblemCode.VAULT_DAMAGED, detail="the packaged programme")) from error


# ---------------------------------------------------------------------------------------------------- looking
def list_(shell: Shell) -> int:
    """List the referrals."""
    with shell.device(unlocked=True) as actions:
        shot = actions.snapshot()
    rows = [documents.line(row) for row in (*shot.inbox, *shot.referrals)]
    shell.answer(rows, [f"{r['created_at']} {r['referral_id']} {r['kind']} {r['state']} {r['delivery']}" for r in rows])
    return 0


def inbox(shell: Shell) -> int:
    """List offers and notices."""
    with shell.device(unlocked=True) as actions:
        shot = actions.snapshot()
    document = {
        "offers": [documents.line(row) for row in shot.inbox],
        "notices": [documents.notice(row) for row in shot.notices],
    }
    lines = [f"offer {row['referral_id']} since {row['offered_at']}" for row in document["offers"]]
    lines += [
        f"notice {row['notice_id']} {row['kind']} {row['referral_id']}"
        for row in document["notices"]
        if not row["acknowledged"]
    ]
    shell.answer(document, lines)
    return 0


def show(shell: Shell) -> int:
    """Show one referral."""
    with shell.device(unlocked=True) as actions:
        try:
            detail = actions.detail(ReferralId(shell.arguments.referral_id))
        except ValueError as error:
            raise Refusal(Trouble(problem=ProblemCode.NOT_FOUND, detail=shell.arguments.referral_id)) from error
    document = documents.opened(detail)
    shell.answer(
        document, [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in document.items() if value]
    )
    return 0


def outbox(shell: Shell) -> int:
    """List what has not been accepted."""
    with shell.device(unlocked=False) as actions:
        shot = actions.snapshot()
    rows = [documents.waiting(row) for row in shot.outbox]
    lines = [
        f"{r['op_id']} {r['operation']} {r['state']} {r['age_s']} s, tried {r['attempts']} times {r['reason'] or ''}".rstrip()
        for r in rows
    ]
    shell.answer(rows, lines)
    return 0


def status(shell: Shell) -> int:
    """Print the honest figures."""
    with shell.device(unlocked=False) as actions:
        document = documents.status(actions.snapshot())
    figures = [f"{name}: {value}" for name, value in document.items() if value is not None and name != "alarms"]
    shell.answer(document, [*figures, *(f"alarm: {alarm['message']}" for alarm in document["alarms"])])
    return 0


def doctor(shell: Shell) -> int:
    """Print the findings; 1 when something is broken."""
    with shell.device(unlocked=False, whole=False) as actions:
        if actions.trouble is None and (pin := shell.given_pin()) is not None:
            shell.unlock_if_whole(actions, pin)
        findings = actions.doctor()
    document = {"findings": [asdict(finding) for finding in findings]}
    lines = [
        f"{f.health.value:8}{f.check}: {f.found}" + (f"\n        {f.advice}" if f.advice else "") for f in findings
    ]
    shell.answer(document, lines)
    broken = [finding.check for finding in findings if finding.health is Health.BROKEN]
    if broken:
        print(f"field-app: broken: {', '.join(broken)}", file=sys.stderr)
    return 1 if broken else 0


# ---------------------------------------------------------------------------------------------------- delivery
def sync(shell: Shell) -> int:
    """Deliver; with a PIN, also fetch."""
    with shell.device(unlocked=False) as actions:
        if (pin := shell.given_pin()) is not None:
            shell.unlock_if_whole(actions, pin)
        counts, problem = actions.deliver()
    document = asdict(counts)
    shell.answer(document, [", ".join(f"{name.replace('_', ' ')} {n}" for name, n in document.items())])
    if problem is not None:
        print(f"field-app: {documents.sentence(problem)}", file=sys.stderr)
    return 0 if problem is None else 1


def pause(shell: Shell) -> int:
    """Stop sending in the background."""
    with shell.device(unlocked=False) as actions:
        actions.pause()
    shell.answer({"paused": True}, ["paused"])
    return 0


def resume(shell: Shell) -> int:
    """Send in the background again."""
    with shell.device(unlocked=False) as actions:
        actions.resume_sending()
    shell.answer({"paused": False}, ["sending"])
    return 0


def retry(shell: Shell) -> int:
    """Offer an operation again."""
    op_id = _op_id(shell)
    with shell.device(unlocked=False) as actions:
        outcome = actions.retry(op_id)
    if not isinstance(outcome, Done):
        raise Refusal(outcome)
    shell.answer({"op_id": shell.arguments.op_id}, [f"waiting {shell.arguments.op_id}"])
    return 0


def export(shell: Shell) -> int:
    """Write an operation's sealed bytes to a folder."""
    op_id = _op_id(shell)
    with shell.device(unlocked=False) as actions:
        path = actions.export(op_id, shell.arguments.folder)
    shell.answer({"op_id": shell.arguments.op_id, "path": str(path)}, [str(path)])
    return 0


def _op_id(shell: Shell) -> OpId:
    text: str = shell.arguments.op_id
    if len(text) != 32 or not set(text) <= set("0123456789abcdef"):
        raise Usage("an operation's id has 32 hex digits")
    return OpId(text)


# ---------------------------------------------------------------------------------------------------- steps
def _step(shell: Shell, step: Step) -> int:
    referral_id = ReferralId(shell.arguments.referral_id)
    with shell.device(unlocked=True) as actions:
        outcome = step(actions, referral_id)
    return _stepped(shell, outcome)


def _stepped(shell: Shell, outcome: Saved | Trouble) -> int:
    if isinstance(outcome, Trouble):
        raise Refusal(outcome)
    shell.answer(
        {"referral_id": outcome.referral_id, "op_id": outcome.op_id}, [f"saved {outcome.referral_id} {outcome.op_id}"]
    )
    return 0


def amend(shell: Shell) -> int:
    """Add later knowledge."""
    return _step(shell, lambda actions, referral: actions.amend(referral, shell.arguments.changes))


def withdraw(shell: Shell) -> int:
    """Take a referral back."""
    return _step(shell, lambda actions, referral: actions.withdraw(referral, shell.arguments.reason))


def ask_withdrawal(shell: Shell) -> int:
    """Ask that a referral be withdrawn."""
    return _step(shell, lambda actions, referral: actions.ask_withdrawal(referral, shell.arguments.reason))


def sao_call(shell: Shell) -> int:
    """Record a call to the SAO."""
    given = shell.arguments
    return _step(shell, lambda actions, referral: actions.sao_call(referral, given.who, SaoAnswer(given.answer)))


def on_the_way(shell: Shell) -> int:
    """The person is being brought in."""
    given = shell.arguments
    return _step(shell, lambda actions, referral: actions.on_the_way(referral, given.eta, given.destination))


def met(shell: Shell) -> int:
    """Confirm the meeting."""
    return _step(shell, lambda actions, referral: actions.met(referral))


def not_completed(shell: Shell) -> int:
    """The handoff did not take place."""
    reason = NotCompletedReason(shell.arguments.reason)
    return _step(shell, lambda actions, referral: actions.not_completed(referral, reason))


def accept(shell: Shell) -> int:
    """Accept a handoff."""
    return _step(shell, lambda actions, referral: actions.accept(referral))


def redirect(shell: Shell) -> int:
    """Pass a handoff on."""
    return _step(shell, lambda actions, referral: actions.redirect(referral, shell.arguments.reason))


def intake(shell: Shell) -> int:
    """Intake is complete."""
    return _step(shell, lambda actions, referral: actions.intake(referral, shell.arguments.on))


def contact(shell: Shell) -> int:
    """Record a contact."""
    return _step(shell, lambda actions, referral: actions.contact(referral, not shell.arguments.not_reached))


def release(shell: Shell) -> int:
    """Record a release of information."""
    given = shell.arguments
    return _step(
        shell,
        lambda actions, referral: actions.release(
            referral, ReleaseEvent(given.event), tuple(given.party), tuple(given.scope), given.expires
        ),
    )


def close(shell: Shell) -> int:
    """End the work with a person."""
    reason = CloseReason(shell.arguments.reason)
    return _step(shell, lambda actions, referral: actions.close_referral(referral, reason))


def acknowledge(shell: Shell) -> int:
    """A notice was seen."""
    with shell.device(unlocked=True) as actions:
        outcome = actions.acknowledge(shell.arguments.notice_id)
    return _stepped(shell, outcome)


# ---------------------------------------------------------------------------------------------------- the app
def run(shell: Shell) -> int:
    """Open the app."""
    from field_app.launch import open_window, serve

    if shell.arguments.web:
        return serve(shell.folder, port=shell.arguments.port, ca_file=shell.configuration.ca_file)
    return open_window(shell.folder, ca_file=shell.configuration.ca_file)
