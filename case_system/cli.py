"""The command line of the case system: for administrators, scripts and the demo.

Each command prints one JSON document with `--json`, and lines for people without it. Exit 0 done, 1 refused or not possible
(one line on standard error), 2 usage. Passwords come from files, never from arguments. Acts are audited as `--as NAME`.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from case_system import app
from case_system.app import DATABASE_VARIABLE, KEYS_VARIABLE, NotReady, System, utc_now
from case_system.assignment import Post
from case_system.enrolment import link
from case_system.keyfolder import KeyFolder, KeyFolderError
from case_system.notify.channels import BadChannel
from case_system.notify.channels import check as check_channel
from case_system.packs import read_folder
from case_system.storage import StorageError
from case_system.store import backup, exports, foundation
from case_system.store.accounts import NotSo
from case_system.store.engine import open_engine
from referral.codec import to_wire
from referral.lifecycle import Role
from referral.model import OpId, UserId
from referral.port import Refused
from referral.programme import PackError

PACK = Path(__file__).resolve().parent.parent / "assets" / "programmes" / "baltimore"
ROLES = tuple(role.value for role in Role if role is not Role.SYSTEM)
Run = Callable[[argparse.Namespace], tuple[Any, str]]


class Refusal(Exception):
    """The command was understood and could not be done; one sentence."""


def data_folder() -> Path:
    """Where a case system is kept when nothing else is said."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "lead-field"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "lead-field"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "lead-field"


def database_url(said: str | None) -> str:
    """The database's URL; a plain path means an SQLite file."""
    said = said or os.environ.get(DATABASE_VARIABLE) or str(data_folder() / "case-system.db")
    return said if "://" in said else f"sqlite:///{Path(said).expanduser().resolve()}"


def keys_folder(said: str | None, url: str) -> Path:
    """The key folder: as said, else beside the SQLite file, else in the data folder."""
    if said or os.environ.get(KEYS_VARIABLE):
        return Path(said or os.environ[KEYS_VARIABLE]).expanduser().resolve()
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite:///")).with_suffix(".keys")
    return data_folder() / "case-system.keys"


def _system(args: argparse.Namespace) -> System:
    url = database_url(args.db)
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        raise Refusal("there is no case system here; run `case-system init`")
    return app.assemble(url, keys_folder(args.keys, url))


def _table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    lines = [columns, *([_shown(row[c]) for c in columns] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(columns))]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines)


def _shown(value: Any) -> str:
    match value:
        case None:
            return "-"
        case list():
            return ",".join(map(str, value)) or "-"
        case bool():
            return "yes" if value else "no"
        case _:
            return str(value)


# ------------------------------------------------------------------------------------------------ commands
def _init(args: argparse.Namespace) -> tuple[Any, str]:
    url = database_url(args.db)
    keys = keys_folder(args.keys, url)
    files = read_folder(args.pack)
    if url.startswith("sqlite:///"):
        file = Path(url.removeprefix("sqlite:///"))
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)  # SQLite's side files take over its mode
    engine = open_engine(url)
    if not any(keys.glob("*.key")):
        KeyFolder.create(keys, os.urandom)
    else:
        KeyFolder(keys)
    try:
        programme = foundation.lay(engine, files, clock=utc_now, rng=os.urandom, name=args.name)
    except foundation.AlreadyThere:
        raise Refusal("there is a case system in this database already; nothing was changed") from None
    finally:
        engine.dispose()
    shown = engine.url.render_as_string(hide_password=True)
    return {"database": shown, "keys": str(keys), "pack": programme.stamp}, f"made {shown}, keys in {keys}"


def _serve(args: argparse.Namespace) -> tuple[Any, str]:
    _system(args).engine.dispose()

    def said(address: str) -> None:
        print(json.dumps({"address": address}) if args.json else f"LEAD Field case system at {address}", flush=True)

    url = database_url(args.db)
    try:
        app.serve(url, keys_folder(args.keys, url), host=args.host, port=args.port, workers=args.workers, said=said)
    except OSError as error:
        raise Refusal(f"cannot listen on {args.host}:{args.port}: {error.strerror}") from error
    except KeyboardInterrupt:
        pass
    return None, ""


def _user_add(args: argparse.Namespace) -> tuple[Any, str]:
    system = _system(args)
    password = args.password_file.read_text(encoding="utf-8").rstrip("\r\n") if args.password_file else None
    for url in args.channel:
        check_channel(url)
    user = system.accounts.add_user(
        args.name,
        Role(args.role),
        name=args.display,
        unit=args.unit,
        pair=args.pair,
        language=args.language,
        by=args.by,
    )
    for url in args.channel:
        system.accounts.add_channel(user, url, by=args.by)
    answer: dict[str, Any] = {"user": user, "role": args.role, "pair": args.pair}
    if password is not None:
        system.sessions.set_password(user, password, by=args.by)
        if not args.no_totp:
            answer["totp_secret"] = system.sessions.new_totp(user, by=args.by)
    secret = f"; one-time-code secret {answer['totp_secret']}" if "totp_secret" in answer else ""
    return answer, f"added {user} ({args.role}){secret}"


def _user_password(args: argparse.Namespace) -> tuple[Any, str]:
    system = _system(args)
    system.sessions.set_password(
        UserId(args.name), args.password_file.read_text(encoding="utf-8").rstrip("\r\n"), by=args.by
    )
    answer: dict[str, Any] = {"user": args.name}
    if not args.no_totp:
        answer["totp_secret"] = system.sessions.new_totp(UserId(args.name), by=args.by)
    secret = f"; one-time-code secret {answer['totp_secret']}" if "totp_secret" in answer else ""
    return answer, f"password set for {args.name}{secret}"


def _user_active(args: argparse.Namespace) -> tuple[Any, str]:
    active = args.verb == "enable"
    _system(args).accounts.set_active(args.name, active, by=args.by)
    return {"user": args.name, "active": active}, f"{args.name} {'may' if active else 'may not'} sign in"


def _user_list(args: argparse.Namespace) -> tuple[Any, str]:
    with _system(args).database.read() as reading:
        rows = [
            {
                "user": u.user_id,
                "name": u.name,
                "role": u.role.value,
                "pair": u.pair,
                "unit": u.unit,
                "active": u.active,
            }
            for u in reading.users().values()
        ]
    return rows, _table(rows, ("user", "name", "role", "pair", "unit", "active"))


def _user_channel(args: argparse.Namespace) -> tuple[Any, str]:
    check_channel(args.url)
    channel = _system(args).accounts.add_channel(args.name, args.url, by=args.by)
    return {"user": args.name, "channel": channel}, f"added a channel for {args.name}"


def _duty(args: argparse.Namespace) -> tuple[Any, str]:
    system = _system(args)
    match args.verb:
        case "set":
            system.accounts.set_post(Post.DUTY, [args.user, *([args.peer] if args.peer else [])], by=args.by)
        case "on-call":
            system.accounts.set_post(Post.ON_CALL, args.users, by=args.by)
        case "supervisor":
            system.accounts.set_post(Post.SUPERVISOR, args.users, by=args.by)
        case "sao":
            system.accounts.set_post(Post.SAO, args.users, by=args.by)
        case _:
            pass
    posts = exports.rota(system.engine)
    return posts, "\n".join(f"{post}: {', '.join(users) or '-'}" for post, users in posts.items())


def _pairs(args: argparse.Namespace) -> tuple[Any, str]:
    with _system(args).database.read() as reading:
        rows = [
            {"pair": p.pair, "case_manager": p.case_manager, "peer": p.peer, "enrolled": p.enrolled, "active": p.active}
            for p in reading.pairs().values()
        ]
    return rows, _table(rows, ("pair", "case_manager", "peer", "enrolled", "active"))


def _enrol_code(args: argparse.Namespace) -> tuple[Any, str]:
    code = _system(args).accounts.new_code(args.user, Role(args.role), lasts=timedelta(hours=args.hours), by=args.by)
    answer = {"code": code.code, "expires_at": to_wire(code.expires_at), "link": link(args.server, code.code)}
    return answer, f"{code.code}\n{answer['link']}"


def _devices(args: argparse.Namespace) -> tuple[Any, str]:
    system = _system(args)
    match args.verb:
        case "revoke":
            system.accounts.revoke(args.device, wipe=args.wipe, by=args.by)
            return {"device_id": args.device, "state": "revoked", "wipe": args.wipe}, f"revoked {args.device}"
        case "release":
            system.accounts.release(args.device, by=args.by)
            return {"device_id": args.device, "release": True}, f"released {args.device} at its next sync"
        case "held":
            rows = exports.held(system.engine)
            return rows, _table(rows, ("device_id", "op_id", "referral_id", "op", "received_at"))
        case "pass":
            receipt = system.service.decide_held(UserId(args.supervisor), args.device, OpId(args.op_id))
            return to_wire(receipt), f"{receipt.op_id} {receipt.outcome}"
        case _:
            rows = exports.devices(system.engine)
            return rows, _table(rows, ("device_id", "user", "state", "seen_at", "waiting", "oldest_unsent_s", "locked"))


def _referrals(args: argparse.Namespace) -> tuple[Any, str]:
    rows = exports.referrals(_system(args).engine)
    return rows, _table(rows, ("referral_id", "kind", "review", "handoff", "case_manager", "receipt", "flags"))


def _notices(args: argparse.Namespace) -> tuple[Any, str]:
    rows = exports.notices(_system(args).engine)
    return rows, _table(rows, ("notice_id", "referral_id", "recipient", "kind", "state", "sent_at", "acknowledged_at"))


def _audit(args: argparse.Namespace) -> tuple[Any, str]:
    verdict = exports.audit_verdict(_system(args).engine)
    answer = {"rows": verdict.rows, "ok": verdict.bad_row is None, "bad_row": verdict.bad_row, "reason": verdict.reason}
    if verdict.bad_row is not None:
        _print(args, answer, f"row {verdict.bad_row}: {verdict.reason}")
        raise Refusal(f"the audit trail is broken at row {verdict.bad_row}: {verdict.reason}")
    return answer, f"{verdict.rows} rows, all in order"


def _backup(args: argparse.Namespace) -> tuple[Any, str]:
    rows = backup.write(_system(args).engine, args.file, clock=utc_now)
    return {"file": str(args.file), "rows": rows}, f"wrote {rows} rows to {args.file}; keep the key folder apart"


def _restore(args: argparse.Namespace) -> tuple[Any, str]:
    url = database_url(args.db)
    KeyFolder(keys_folder(args.keys, url))
    engine = open_engine(url)
    try:
        rows = backup.restore(engine, args.file, clock=utc_now, rng=os.urandom, replace=args.replace)
    finally:
        engine.dispose()
    return {"rows": rows}, f"restored {rows} rows; a new epoch began, devices offer again what is missing"


def _keys(args: argparse.Namespace) -> tuple[Any, str]:
    url = database_url(args.db)
    folder = KeyFolder(keys_folder(args.keys, url))
    match args.verb:
        case "rotate":
            made = folder.rotate()
            return {"key_id": made}, f"new agency key {made}; restart the server, devices learn it with their next sync"
        case "retire":
            folder.retire(args.key_id)
            return {"key_id": args.key_id, "state": "retired"}, f"retired {args.key_id}"
        case _:
            rows = folder.listed()
            return rows, _table(rows, ("key_id", "kind", "state"))


def _pack(args: argparse.Namespace) -> tuple[Any, str]:
    system = _system(args)
    if args.verb == "set":
        foundation.put_in_force(system.engine, read_folder(args.folder), clock=utc_now, by=args.by)
    programme = system.programme()
    return {"pack": programme.stamp, "digest": programme.digest}, f"{programme.stamp} {programme.digest}"


def _export(args: argparse.Namespace) -> tuple[Any, str]:
    system = _system(args)
    if args.what == "referrals":
        rows = exports.export_referrals(
            system.engine, system.keys, system.programme(), clock=utc_now, identified=args.identified, by=args.by
        )
    else:
        rows = exports.export_notices(system.engine, system.keys, identified=args.identified)
    text = json.dumps(rows, ensure_ascii=False, indent=1) if args.format == "json" or args.json else _csv(rows)
    if args.out is None:
        print(text)
        return None, ""
    fd = os.open(args.out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8", newline="") as file:
        file.write(text)
    return {"file": str(args.out), "rows": len(rows)}, f"wrote {len(rows)} rows to {args.out}"


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n", restval="")
    writer.writeheader()
    for row in rows:  # a cell that a spreadsheet would take for a formula is quoted
        writer.writerow({k: f"'{v}" if isinstance(v, str) and v[:1] in "=+-@\t" else v for k, v in row.items()})
    return out.getvalue()


# ------------------------------------------------------------------------------------------------ the parser
def _common(parser: argparse.ArgumentParser, *, top: bool) -> None:
    absent: Any = None if top else argparse.SUPPRESS
    parser.add_argument("--db", metavar="URL", default=absent, help="database URL, or an SQLite file")
    parser.add_argument("--keys", metavar="DIR", default=absent, help="key folder (default: beside the SQLite file)")
    parser.add_argument("--json", action="store_true", default=False if top else absent, help="print one JSON document")
    by = "administrator" if top else absent
    parser.add_argument("--as", dest="by", metavar="NAME", default=by, help="who is acting, for the audit trail")


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(prog="case-system", description="The LEAD Field central case system.")
    _common(parser, top=True)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def leaf(under: Any, name: str, run: Run, text: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = under.add_parser(name, help=text, description=text)
        _common(made, top=False)
        made.set_defaults(run=run)
        return made

    def group(name: str, text: str) -> Any:
        made = commands.add_parser(name, help=text, description=text)
        return made.add_subparsers(dest="verb", metavar="VERB", required=True)

    init = leaf(commands, "init", _init, "Make the database, the keys and the first programme pack.")
    init.add_argument("--pack", type=Path, default=PACK, metavar="DIR", help="programme pack (default: Baltimore)")
    init.add_argument("--name", help="the agency's name (default: from the pack)")

    serve = leaf(commands, "serve", _serve, "Serve devices and desk pages until interrupted.")
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8700, help="0 picks a free port")
    serve.add_argument("--workers", type=int, default=1)

    users = group("user", "People who use the system.")
    add = leaf(users, "add", _user_add, "Add a person.")
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
    password = leaf(users, "password", _user_password, "Set a desk password and a new one-time-code secret.")
    password.add_argument("name", metavar="NAME")
    password.add_argument("--password-file", type=Path, required=True, metavar="FILE")
    password.add_argument("--no-totp", action="store_true", help="leave the one-time code as it is")
    for verb, text in (
        ("disable", "Let a person out: sign-in and devices stop."),
        ("enable", "Let a person in again."),
    ):
        leaf(users, verb, _user_active, text).add_argument("name", metavar="NAME")
    leaf(users, "list", _user_list, "List people.")
    channel = leaf(users, "channel", _user_channel, "Add a way to wake a person.")
    channel.add_argument("name", metavar="NAME")
    channel.add_argument("url", metavar="URL")

    leaf(commands, "pairs", _pairs, "List pairs and how many people they have.")
    duty = group("duty", "Who is rung.")
    on_duty = leaf(duty, "set", _duty, "Set the pair on duty.")
    on_duty.add_argument("user", metavar="USER")
    on_duty.add_argument("--peer", metavar="USER")
    for verb, text in (
        ("on-call", "Set the on-call list, in order (empty: everyone)."),
        ("supervisor", "Set the supervisors who are rung last (empty: everyone)."),
        ("sao", "Set the State's Attorney's on-call reviewers, in order (empty: everyone)."),
    ):
        leaf(duty, verb, _duty, text).add_argument("users", nargs="*", metavar="USER")
    leaf(duty, "show", _duty, "Show every post.")

    code = leaf(commands, "enrol-code", _enrol_code, "Make a one-time code that enrols a device.")
    code.add_argument("--role", required=True, choices=ROLES)
    code.add_argument("--user", required=True, metavar="NAME")
    code.add_argument("--server", default="http://127.0.0.1:8700", metavar="URL", help="address to put into the link")
    code.add_argument("--hours", type=float, default=168.0, help="how long it may be used")

    devices = group("device", "Enrolled devices.")
    leaf(devices, "list", _devices, "List devices and the unsent work they report.")
    revoke = leaf(devices, "revoke", _devices, "Take a device out of service; what it sends is held.")
    revoke.add_argument("device", metavar="DEVICE")
    revoke.add_argument("--wipe", action="store_true", help="order it to destroy its readable records")
    leaf(devices, "release", _devices, "Lift a device's attempt lock.").add_argument("device", metavar="DEVICE")
    leaf(devices, "held", _devices, "List what revoked devices sent.")
    let = leaf(devices, "pass", _devices, "Let a held operation pass, as a supervisor.")
    let.add_argument("device", metavar="DEVICE")
    let.add_argument("op_id", metavar="OP")
    let.add_argument("--supervisor", required=True, metavar="USER")

    leaf(commands, "referrals", _referrals, "List referrals: ids, states, staff.")
    leaf(commands, "notices", _notices, "List notices.")
    leaf(group("audit", "The audit trail."), "verify", _audit, "Check the chain; name the first bad row.")
    leaf(commands, "backup", _backup, "Write a backup of the database (without keys).").add_argument("file", type=Path)
    restore = leaf(commands, "restore", _restore, "Restore a backup; a new epoch begins.")
    restore.add_argument("file", type=Path)
    restore.add_argument("--replace", action="store_true", help="over what is there")
    keys = group("keys", "The key folder.")
    leaf(keys, "list", _keys, "List keys.")
    leaf(keys, "rotate", _keys, "Add an agency key that devices seal for from now on.")
    leaf(keys, "retire", _keys, "Destroy an older agency key.").add_argument("key_id", metavar="KEY")
    pack = group("pack", "The programme pack in force.")
    leaf(pack, "show", _pack, "Show it.")
    leaf(pack, "set", _pack, "Put a pack in force.").add_argument("folder", type=Path, metavar="DIR")

    export = leaf(commands, "export", _export, "Write a file for evaluation, de-identified.")
    export.add_argument("what", choices=("referrals", "notices"))
    export.add_argument("--format", choices=("csv", "json"), default="csv")
    export.add_argument("--identified", action="store_true", help="with names; each referral is audited")
    export.add_argument("--out", type=Path, metavar="FILE")
    return parser


def _print(args: argparse.Namespace, answer: Any, text: str) -> None:
    if answer is not None:
        print(json.dumps(answer, ensure_ascii=False) if args.json else text, flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    args = build_parser().parse_args(argv)
    try:
        answer, text = args.run(args)
    except (Refusal, NotReady, NotSo, KeyFolderError, PackError, BadChannel, backup.BackupError, StorageError) as error:
        print(f"case-system: {error}", file=sys.stderr)
        return 1
    except Refused as error:
        print(f"case-system: {error.detail or error.code.value}", file=sys.stderr)
        return 1
    except (OSError, ValueError) as error:
        print(f"case-system: {error}", file=sys.stderr)
        return 1
    _print(args, answer, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
