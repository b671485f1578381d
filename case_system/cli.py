"""The command line of the case system: for administrators, scripts and the demo.

Each command prints one JSON document with `--json`, and lines for people without it. Exit 0 done, 1 refused or not possible
(one line on standard error), 2 usage. What a command does is in `commands.py`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from case_system import commands, rota_commands
from case_system.app import NotReady
from case_system.commands import PACK, ROLES, Refusal
from case_system.keyfolder import KeyFolderError
from case_system.notify.channels import BadChannel
from case_system.settings import BadSetting
from case_system.storage import NotSo, StorageError
from case_system.store.backup import BackupError
from case_system.store.moving import CannotMove
from case_system.strongbox import BoxError
from referral.port import Refused
from referral.programme import PackError

Run = Callable[[argparse.Namespace], tuple[Any, str]]


# ------------------------------------------------------------------------------------------------ the parser
def _common(parser: argparse.ArgumentParser, *, top: bool) -> None:
    absent: Any = None if top else argparse.SUPPRESS
    parser.add_argument("--db", metavar="URL", default=absent, help="database URL, or an SQLite file")
    parser.add_argument("--keys", metavar="DIR", default=absent, help="key folder (default: beside the SQLite file)")
    parser.add_argument("--json", action="store_true", default=False if top else absent, help="print one JSON document")
    by = "administrator" if top else absent
    parser.add_argument("--as", dest="by", metavar="NAME", default=by, help="who is acting, for the audit trail")


def _moment(text: str) -> datetime:
    """A time as typed; without a zone it is UTC."""
    said = datetime.fromisoformat(text)
    return said if said.tzinfo is not None else said.replace(tzinfo=UTC)


def _head(text: str) -> tuple[int, str]:
    n, _, kept = text.partition(":")
    if not re.fullmatch(r"[0-9a-f]{64}", kept):
        raise ValueError
    return int(n), kept


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(prog="case-system", description="The LEAD Field central case system.")
    _common(parser, top=True)
    parser.set_defaults(opened=None)  # the database that a command opened: closed when it ends
    branches = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def leaf(under: Any, name: str, run: Run, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = under.add_parser(name, help=text, description=text)
        _common(made, top=False)
        made.set_defaults(run=run)
        return made

    def group(name: str, text: str) -> Any:
        made = branches.add_parser(name, help=text, description=text)
        return made.add_subparsers(dest="verb", metavar="VERB", required=True)

    init = leaf(branches, "init", commands.init, "Make the database, the keys and the first programme pack.")
    init.add_argument("--pack", type=Path, default=PACK, metavar="DIR", help="programme pack (default: Baltimore)")
    init.add_argument("--name", help="the agency's name (default: from the pack)")

    serve = leaf(branches, "serve", commands.serve, "Serve devices and desk pages until interrupted.")
    serve.add_argument("--host", help="default: CASE_SYSTEM_HOST, else 127.0.0.1")
    serve.add_argument("--port", help="default: CASE_SYSTEM_PORT, else 8700; 0 picks a free port")
    serve.add_argument("--workers", help="default: CASE_SYSTEM_WORKERS, else 1")
    serve.add_argument("--no-dispatch", action="store_true", help="send no notices here: `dispatch` runs elsewhere")

    leaf(branches, "dispatch", commands.dispatch, "Send notices and let ladders climb, until interrupted.")

    leaf(branches, "upgrade", commands.upgrade, "Bring the database of an earlier version to this one's tables.")

    users = group("user", "People who use the system.")
    add = leaf(users, "add", commands.user_add, "Add a person.")
    add.add_argument("name", metavar="NAME", help="short name, used by other commands as --user")
    add.add_argument("--role", required=True, choices=ROLES)
    add.add_argument("--display", metavar="TEXT", help="name as colleagues see it")
    add.add_argument("--unit", help="unit or district")
    add.add_argument("--pair", help="pair of a case manager or peer")
    add.add_argument("--language", default="en", choices=("en", "es"))
    add.add_argument(
        "--channel", action="append", default=[], metavar="URL", help="Apprise URL that wakes them; repeatable"
    )
    add.add_argument("--password-file", type=Path, metavar="FILE", help="desk password: the file's first line")
    add.add_argument("--no-totp", action="store_true", help="no one-time code at the desk")
    password = leaf(users, "password", commands.user_password, "Set a desk password and a new one-time-code secret.")
    password.add_argument("name", metavar="NAME")
    password.add_argument("--password-file", type=Path, required=True, metavar="FILE")
    password.add_argument("--no-totp", action="store_true", help="leave the one-time code as it is")
    for verb, text in (
        ("disable", "Let a person out: sign-in and devices stop."),
        ("enable", "Let a person in again."),
    ):
        leaf(users, verb, commands.user_active, text).add_argument("name", metavar="NAME")
    leaf(users, "list", commands.user_list, "List people.")
    speaks = leaf(users, "languages", rota_commands.languages, "Set the languages that a person speaks.")
    speaks.add_argument("name", metavar="NAME")
    speaks.add_argument("languages", nargs="*", metavar="CODE", help="language codes of the programme pack")
    channel = leaf(users, "channel", commands.user_channel, "List, add, change or remove ways to wake a person.")
    channel.add_argument("name", metavar="NAME")
    channel.add_argument("url", nargs="?", metavar="URL", help="add this Apprise URL; without it, list")
    which = channel.add_mutually_exclusive_group()
    which.add_argument("--change", metavar="CHANNEL", help="change this one")
    which.add_argument("--remove", metavar="CHANNEL", help="remove this one")
    channel.add_argument("--hours", metavar="TEXT", help='when it may be used: "mon-fri 07:00-22:00" (empty: always)')
    channel.add_argument("--kinds", metavar="KINDS", help="which notices it is for, with commas (empty: all)")

    leaf(branches, "pairs", commands.pairs, "List pairs and how many people they have.")
    duty = group("duty", "Who is rung.")
    on_duty = leaf(duty, "set", commands.duty, "Set the pair on duty.")
    on_duty.add_argument("user", metavar="USER")
    on_duty.add_argument("--peer", metavar="USER")
    for verb, text in (
        ("on-call", "Set the on-call list, in order (empty: everyone)."),
        ("supervisor", "Set the supervisors who are rung last (empty: everyone)."),
        ("sao", "Set the State's Attorney's on-call reviewers, in order (empty: everyone)."),
    ):
        leaf(duty, verb, commands.duty, text).add_argument("users", nargs="*", metavar="USER")
    leaf(duty, "show", commands.duty, "Show every post.")
    _rota(duty, leaf)

    code = leaf(branches, "enrol-code", commands.enrol_code, "Make a one-time code that enrols a device.")
    code.add_argument("--role", required=True, choices=ROLES)
    code.add_argument("--user", required=True, metavar="NAME")
    code.add_argument("--server", default="http://127.0.0.1:8700", metavar="URL", help="address to put into the link")
    code.add_argument("--hours", type=float, default=168.0, help="how long it may be used")

    devices = group("device", "Enrolled devices.")
    leaf(devices, "list", commands.devices, "List devices and the unsent work they report.")
    revoke = leaf(devices, "revoke", commands.devices, "Take a device out of service; what it sends is held.")
    revoke.add_argument("device", metavar="DEVICE")
    revoke.add_argument("--wipe", action="store_true", help="order it to destroy its readable records")
    leaf(devices, "release", commands.devices, "Lift a device's attempt lock.").add_argument("device", metavar="DEVICE")
    leaf(devices, "held", commands.devices, "List what revoked devices sent.")
    let = leaf(devices, "pass", commands.devices, "Let a held operation pass, as a supervisor.")
    let.add_argument("device", metavar="DEVICE")
    let.add_argument("op_id", metavar="OP")
    let.add_argument("--supervisor", required=True, metavar="USER")

    leaf(branches, "referrals", commands.referrals, "List referrals: ids, states, staff.")
    leaf(branches, "notices", commands.notices, "List notices.")
    channels = leaf(branches, "channels", commands.channels, "List everybody's channels and how they do.")
    channels.add_argument("--failing", action="store_true", help="only those that did not take the last message")
    audit = group("audit", "The audit trail.")
    check = leaf(audit, "verify", commands.audit, "Check the chain; name the first bad row.")
    check.add_argument("--head", type=_head, metavar="N:HASH", help="what `audit head` said before, kept elsewhere")
    leaf(audit, "head", commands.audit, "Print the number and hash of the newest row, to be kept elsewhere.")
    show = leaf(audit, "show", commands.audit, "List rows: who did what, by the server's and the device's clock.")
    show.add_argument("--user", metavar="NAME", help="by this person")
    show.add_argument("--referral", metavar="ID", help="about this referral")
    show.add_argument("--since", type=_moment, metavar="TIME", help="from then on: 2026-03-03 or 2026-03-03T07:10Z")
    saw = leaf(audit, "who-saw", commands.audit, "List who read a referral, through what, and when.")
    saw.add_argument("referral_id", metavar="REFERRAL")
    leaf(
        branches,
        "upkeep",
        commands.upkeep,
        "Forget what is due and clear away what nobody needs; serve does it hourly.",
    )
    backup = leaf(branches, "backup", commands.backup, "Write an encrypted backup of the database (without keys).")
    backup.add_argument("file", type=Path, metavar="FILE")
    how = backup.add_mutually_exclusive_group()
    how.add_argument("--passphrase-file", type=Path, metavar="FILE", help="its first line opens it, not the key folder")
    how.add_argument("--to", type=Path, metavar="FILE", help="only the private half of this public key opens it")
    how.add_argument("--plain", action="store_true", help="not encrypted: names of staff and all ids can be read")
    restore = leaf(branches, "restore", commands.restore, "Restore a backup; a new epoch begins.")
    restore.add_argument("file", type=Path, metavar="FILE")
    restore.add_argument("--replace", action="store_true", help="over what is there")
    restore.add_argument(
        "--passphrase-file", type=Path, metavar="FILE", help="its first line opens the backup, or the private key"
    )
    restore.add_argument("--identity", type=Path, metavar="FILE", help="the private key that opens it")
    move = leaf(
        branches, "move", commands.move, "Move everything into another, empty database; this one is marked as moved."
    )
    move.add_argument("--to", required=True, metavar="URL", help="database URL, or an SQLite file")
    keys = group("keys", "The key folder.")
    leaf(keys, "list", commands.keys, "List keys.")
    leaf(keys, "rotate", commands.keys, "Add an agency key that devices seal for from now on.")
    retire = leaf(keys, "retire", commands.keys, "Destroy an older agency key.")
    retire.add_argument("key_id", metavar="KEY")
    retire.add_argument("--anyway", action="store_true", help="even if stored operations can then never be read")
    for verb, run, text in (
        ("export", commands.keys_export, "Write all keys into one encrypted file, for the offline copy."),
        ("import", commands.keys_import, "Put the keys of such a file into an empty key folder."),
        ("recipient", commands.keys_recipient, "Make a key pair for backups: FILE, and FILE.pub for --to."),
    ):
        copy = leaf(keys, verb, run, text)
        copy.add_argument("file", type=Path, metavar="FILE")
        copy.add_argument("--passphrase-file", type=Path, required=True, metavar="FILE", help="the file's first line")
    pack = group("pack", "The programme pack in force.")
    leaf(pack, "show", commands.pack, "Show it.")
    leaf(pack, "set", commands.pack, "Put a pack in force.").add_argument("folder", type=Path, metavar="DIR")

    export = leaf(branches, "export", commands.export, "Write a file for evaluation, de-identified.")
    export.add_argument("what", choices=("referrals", "notices"))
    export.add_argument("--format", choices=("csv", "json"), default="csv")
    export.add_argument("--identified", action="store_true", help="with names; each referral is audited")
    export.add_argument("--out", type=Path, metavar="FILE")
    return parser


def _rota(duty: Any, leaf: Callable[[Any, str, Run, str], argparse.ArgumentParser]) -> None:
    """Shifts and absences, below `duty`."""

    def acts(name: str, text: str) -> Any:
        return duty.add_parser(name, help=text, description=text).add_subparsers(
            dest="act", metavar="ACT", required=True
        )

    shift = acts("shift", "Who stands on a post from when until when; where no shift runs, the lists stand.")
    add = leaf(shift, "add", rota_commands.shift, "Put people on a post for a time.")
    add.add_argument("post", choices=tuple(rota_commands.POSTS))
    add.add_argument("users", nargs="+", metavar="USER")
    _span(add)
    add.add_argument("--weeks", type=int, default=1, metavar="N", help="as often, one week after the other")
    leaf(shift, "list", rota_commands.shift, "List shifts that are not over.")
    leaf(shift, "remove", rota_commands.shift, "Take a shift off the rota.").add_argument("shift", metavar="SHIFT")
    away = acts("away", "Who is away, and who is rung in their place.")
    put = leaf(away, "set", rota_commands.away, "Somebody is away for a time.")
    put.add_argument("user", metavar="USER")
    _span(put)
    put.add_argument("--cover", metavar="USER", help="who is rung in their place")
    leaf(away, "clear", rota_commands.away, "Somebody is back.").add_argument("user", metavar="USER")
    leaf(away, "list", rota_commands.away, "List absences that are not over.")


def _span(parser: argparse.ArgumentParser) -> None:
    said = "the programme's local time, like 2026-03-03T08:00"
    parser.add_argument("--from", dest="starts", required=True, metavar="TIME", help=said)
    parser.add_argument("--to", dest="ends", required=True, metavar="TIME", help=said)


def _print(args: argparse.Namespace, answer: Any, text: str) -> None:
    if answer is not None:
        print(json.dumps(answer, ensure_ascii=False) if args.json else text, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    args = build_parser().parse_args(argv)
    try:
        answer, text = args.run(args)
    except Refusal as error:
        if args.json and error.answer is not None:
            print(json.dumps(error.answer, ensure_ascii=False), flush=True)
        print(f"case-system: {error}", file=sys.stderr)
        return 1
    except (
        NotReady,
        NotSo,
        KeyFolderError,
        PackError,
        BadChannel,
        BackupError,
        BadSetting,
        BoxError,
        CannotMove,
        StorageError,
    ) as error:
        print(f"case-system: {error}", file=sys.stderr)
        return 1
    except Refused as error:
        print(f"case-system: {error.detail or error.code.value}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"case-system: {error}", file=sys.stderr)
        return 1
    finally:
        if args.opened is not None:
            args.opened.dispose()
    _print(args, answer, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
