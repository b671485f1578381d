"""The commands and options of `field-app`, and nothing of what they do."""

from __future__ import annotations

import argparse
from datetime import date, datetime
from pathlib import Path

from referral.codec import parse
from referral.operations import CloseReason, NotCompletedReason, ReleaseEvent, SaoAnswer
from referral.problems import FieldError


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="field-app",
        description="LEAD Field on the command line: record referrals, see where they are, deliver them.",
        epilog="Exit codes: 0 done, 1 refused or unreachable, 2 wrong usage.",
    )
    _options(parser, first=True)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, handler: str, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        _options(command, first=False)
        command.set_defaults(handler=handler)
        return command

    enrol = add("enrol", "enrol", "Bind this data folder to a person and a case system, with a one-time code.")
    enrol.add_argument("--server", help="address of the case system; not needed with a link")
    enrol.add_argument("--code", required=True, help="the code, or the whole link lead://enrol?server=...&code=...")

    record = add(
        "record", "record", "Save referrals from a file of JSON lines, one a line, wire names; - is standard input."
    )
    record.add_argument("file", metavar="FILE")
    check = add("check", "check", "Say what the facts in a file of JSON lines mean for eligibility. Saves nothing.")
    check.add_argument("file", metavar="FILE")
    place = add("place", "place", "Look a place up and say whether it is in the zone.")
    place.add_argument("text", nargs="?", metavar="TEXT", help='"300 W Lexington St", "Howard & Saratoga", a landmark')
    place.add_argument("--lat", type=float, help="latitude in degrees (with --lon)")
    place.add_argument("--lon", type=float, help="longitude in degrees (with --lat)")
    place.add_argument("--accuracy", type=float, help="accuracy of the fix in metres")

    add("list", "list_", "List the referrals on this device, newest first.")
    _id(add("show", "show", "Show one referral with its timeline and the steps that are possible now."))
    add("inbox", "inbox", "List the handoffs offered to you, and your notices.")
    add("outbox", "outbox", "List the operations that the case system has not accepted yet. Needs no PIN.")
    add("status", "status", "Say how many operations wait, and how the connection is. Needs no PIN.")
    add("sync", "sync", "Deliver what waits; with a PIN, also fetch what is new.")
    add("doctor", "doctor", "Look the device over and say what to do. Changes nothing, needs no PIN.")
    add("pause", "pause", "Send nothing in the background until `resume`.")
    add("resume", "resume", "Send in the background again.")
    retry = add("retry", "retry", "Offer an operation that needs attention once more.")
    retry.add_argument("op_id", metavar="OP_ID")
    export = add("export", "export", "Write the sealed bytes of an operation to a folder, to be carried by hand.")
    export.add_argument("op_id", metavar="OP_ID")
    export.add_argument("folder", metavar="FOLDER", type=Path)

    amend = _id(add("amend", "amend", "Add later knowledge to a referral, as a JSON merge patch."))
    amend.add_argument("changes", metavar="JSON", type=_object, help='such as {"incident_number": "26C01234"}')
    for name, handler, text in (
        ("withdraw", "withdraw", "Take a referral back before anybody has accepted it."),
        ("ask-withdrawal", "ask_withdrawal", "Ask that an accepted referral be withdrawn."),
        ("redirect", "redirect", "Pass an offered handoff on to somebody else."),
    ):
        _id(add(name, handler, text)).add_argument("--reason", help="a code of the programme")
    sao = _id(add("sao-call", "sao_call", "Record a call to the State's Attorney's reviewer."))
    sao.add_argument("--answer", required=True, choices=[answer.value for answer in SaoAnswer])
    sao.add_argument("--who", help="who answered")
    way = _id(add("on-the-way", "on_the_way", "Say that the person is being brought in."))
    way.add_argument("--eta", type=_time, help="when, like 2026-02-03T01:02:03Z")
    way.add_argument("--destination", help="a code of the programme")
    _id(add("met", "met", "Confirm that the person and the case manager have met."))
    left = _id(add("not-completed", "not_completed", "Say that the handoff did not take place."))
    left.add_argument("--reason", required=True, choices=[reason.value for reason in NotCompletedReason])
    _id(add("accept", "accept", "Accept an offered handoff, by name."))
    intake = _id(add("intake", "intake", "Say that intake is complete."))
    intake.add_argument("--on", type=_date, help="the day, like 2026-02-03 (today unless given)")
    contact = _id(add("contact", "contact", "Record that you reached the person, or tried to."))
    contact.add_argument("--not-reached", action="store_true")
    release = _id(add("release", "release", "Record a release of information."))
    release.add_argument("--event", required=True, choices=[event.value for event in ReleaseEvent])
    release.add_argument("--party", action="append", default=[], help="may be given more than once")
    release.add_argument("--scope", action="append", default=[], help="may be given more than once")
    release.add_argument("--expires", type=_date, help="its last day")
    close = _id(add("close", "close", "End the work with a person."))
    close.add_argument("--reason", required=True, choices=[reason.value for reason in CloseReason])
    seen = add("acknowledge", "acknowledge", "Say that you have seen a notice.")
    seen.add_argument("notice_id", metavar="NOTICE_ID")

    run = add("run", "run", "Open the app: a window, or with --web a page in the browser of this machine.")
    run.add_argument(
        "--web", action="store_true", help="serve the app on loopback under a secret path, and print the address"
    )
    run.add_argument("--port", type=int, default=0, help="port for --web; 0 takes a free one")
    return parser


def _options(parser: argparse.ArgumentParser, *, first: bool) -> None:
    """The options that may stand before or after the command."""
    unset = None if first else argparse.SUPPRESS
    parser.add_argument("--data", type=Path, default=unset, metavar="DIR", help="the data folder")
    parser.add_argument(
        "--json", action="store_true", default=False if first else unset, help="answer with one JSON document"
    )
    parser.add_argument("--pin-file", type=Path, default=unset, metavar="FILE", help="a file that holds the PIN")


def _id(command: argparse.ArgumentParser) -> argparse.ArgumentParser:
    command.add_argument("referral_id", metavar="ID")
    return command


def _object(text: str) -> dict[str, object]:
    try:
        found = parse(text)
    except FieldError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not isinstance(found, dict):
        raise argparse.ArgumentTypeError("is not a JSON object")
    return found


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise argparse.ArgumentTypeError("is not a time in UTC like 2026-02-03T01:02:03Z")
    return moment


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError("is not a date like 2026-02-03") from None
