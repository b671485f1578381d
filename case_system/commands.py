"""What each command of the case system does: the answer for `--json`, and the lines for people.

Acts are audited as `--as NAME`; passwords come from files, never from arguments. Must not know: how commands are spelled.
Errors: `Refusal`, and the errors of what they call; `cli.py` turns them into one line.
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

from case_system import app, key_copies
from case_system.app import DATABASE_VARIABLE, KEYS_VARIABLE, System, utc_now
from case_system.assignment import Post
from case_system.audit import Verdict
from case_system.enrolment import link
from case_system.keyfolder import KeyFolder
from case_system.notify.channels import check as check_channel
from case_system.packs import read_folder
from case_system.settings import check as check_settings
from case_system.settings import setting
from case_system.store import backup as backups
from case_system.store import exports, foundation, migrate, moving
from case_system.store.engine import Engine, open_engine
from case_system.strongbox import FolderKey, Key, Lock, Passphrase, identity, new_identity, recipient
from case_system.ways import Channel
from referral.codec import to_wire
from referral.lifecycle import Role
from referral.model import OpId, UserId

PACK = Path(__file__).resolve().parent.parent / "assets" / "programmes" / "baltimore"
ROLES = tuple(role.value for role in Role if role is not Role.SYSTEM)
Run = Callable[[argparse.Namespace], tuple[Any, str]]


class Refusal(Exception):
    """The command was understood and could not be done; one sentence, and an answer for `--json` where there is one."""

    def __init__(self, sentence: str, answer: Any = None) -> None:
        super().__init__(sentence)
        self.answer = answer


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


def system_of(args: argparse.Namespace) -> System:
    """The case system that the arguments name; raises Refusal where there is none."""
    url = database_url(args.db)
    _must_exist(url)
    system = app.assemble(url, keys_folder(args.keys, url))
    args.opened = system.engine
    return system


def _must_exist(url: str) -> None:
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        raise Refusal("there is no case system here; run `case-system init`")


def table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    """Rows as aligned columns for people."""
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
def init(args: argparse.Namespace) -> tuple[Any, str]:
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


def upgrade(args: argparse.Namespace) -> tuple[Any, str]:
    engine = _readable(args)
    before, after = foundation.bring_forward(engine, clock=utc_now, by=args.by)
    said = "nothing to do" if before == after else f"from schema {before} to {after}"
    return {"from": before, "to": after}, f"upgraded: {said}"


def _readable(args: argparse.Namespace) -> Engine:
    """The database, of this version or an earlier one."""
    url = database_url(args.db)
    _must_exist(url)
    engine = args.opened = open_engine(url)
    match migrate.standing(engine):
        case migrate.Standing.EMPTY:
            raise Refusal("there is no case system here; run `case-system init`")
        case migrate.Standing.NEWER:
            raise Refusal("the database is of a later version than this program; run that version")
        case migrate.Standing.MOVED:
            raise Refusal("this case system was moved to another database; use that one")
        case _:
            return engine


def move(args: argparse.Namespace) -> tuple[Any, str]:
    source = system_of(args).engine
    to = database_url(args.to)
    target = open_engine(to)
    try:
        counts = moving.move(source, target, clock=utc_now, by=args.by)
    finally:
        target.dispose()
    shown = target.url.render_as_string(hide_password=True)
    said = f"moved {sum(counts.values())} rows to {shown}; say --db or CASE_SYSTEM_DB from now on, and --keys for the same key folder"
    return {"to": shown, "rows": counts}, said


def serve(args: argparse.Namespace) -> tuple[Any, str]:
    check_settings()
    host, port, workers = setting("host", args.host), setting("port", args.port), setting("workers", args.workers)
    system_of(args).engine.dispose()

    def said(address: str) -> None:
        print(json.dumps({"address": address}) if args.json else f"LEAD Field case system at {address}", flush=True)

    url = database_url(args.db)
    try:
        app.serve(
            url, keys_folder(args.keys, url), host=host, port=port, workers=workers, said=said,
            dispatching=not args.no_dispatch,
        )  # fmt: skip
    except OSError as error:
        raise Refusal(f"cannot listen on {host}:{port}: {error.strerror}") from error
    except KeyboardInterrupt:
        pass
    return None, ""


def dispatch(args: argparse.Namespace) -> tuple[Any, str]:
    check_settings()
    system_of(args).engine.dispose()
    url = database_url(args.db)

    def said() -> None:
        print(json.dumps({"dispatching": True}) if args.json else "LEAD Field sends notices from here", flush=True)

    app.dispatch(url, keys_folder(args.keys, url), said=said)
    return None, ""


def user_add(args: argparse.Namespace) -> tuple[Any, str]:
    system = system_of(args)
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
        system.channels.add(user, url, by=args.by)
    answer: dict[str, Any] = {"user": user, "role": args.role, "pair": args.pair}
    if password is not None:
        system.sessions.set_password(user, password, by=args.by)
        if not args.no_totp:
            answer["totp_secret"] = system.sessions.new_totp(user, by=args.by)
    secret = f"; one-time-code secret {answer['totp_secret']}" if "totp_secret" in answer else ""
    return answer, f"added {user} ({args.role}){secret}"


def user_password(args: argparse.Namespace) -> tuple[Any, str]:
    system = system_of(args)
    system.sessions.set_password(
        UserId(args.name), args.password_file.read_text(encoding="utf-8").rstrip("\r\n"), by=args.by
    )
    answer: dict[str, Any] = {"user": args.name}
    if not args.no_totp:
        answer["totp_secret"] = system.sessions.new_totp(UserId(args.name), by=args.by)
    secret = f"; one-time-code secret {answer['totp_secret']}" if "totp_secret" in answer else ""
    return answer, f"password set for {args.name}{secret}"


def user_active(args: argparse.Namespace) -> tuple[Any, str]:
    active = args.verb == "enable"
    system_of(args).accounts.set_active(args.name, active, by=args.by)
    return {"user": args.name, "active": active}, f"{args.name} {'may' if active else 'may not'} sign in"


def user_list(args: argparse.Namespace) -> tuple[Any, str]:
    with system_of(args).database.read() as reading:
        rows = [
            {
                "user": u.user_id,
                "name": u.name,
                "role": u.role.value,
                "pair": u.pair,
                "unit": u.unit,
                "active": u.active,
                "languages": list(u.languages),
            }
            for u in reading.users().values()
        ]
    return rows, table(rows, ("user", "name", "role", "pair", "unit", "active", "languages"))


def user_channel(args: argparse.Namespace) -> tuple[Any, str]:
    kinds = None if args.kinds is None else [kind for kind in args.kinds.replace(",", " ").split() if kind]
    if args.url is not None:
        if args.change or args.remove:
            raise Refusal("add a URL, or change or remove a channel, one at a time")
        check_channel(args.url)
        channels = system_of(args).channels
        channel = channels.add(args.name, args.url, kinds=kinds or (), hours=args.hours or "", by=args.by)
        return {"user": args.name, "channel": channel}, f"added a channel for {args.name}"
    channels = system_of(args).channels
    if args.remove:
        channels.remove(args.remove, of=args.name, by=args.by)
    elif args.change:
        channels.change(args.change, kinds=kinds, hours=args.hours, of=args.name, by=args.by)
    return _channels(channels.listed(args.name))


def channels(args: argparse.Namespace) -> tuple[Any, str]:
    return _channels(system_of(args).channels.listed(failing=args.failing))


def _channels(found: Sequence[Channel]) -> tuple[Any, str]:
    rows = [
        {
            "channel": c.channel_id,
            "user": c.user_id,
            "kind": c.kind,
            "active": c.active,
            "kinds": list(c.kinds),
            "hours": c.hours or None,
            "failures": c.failures,
            "fault": c.fault,
            "failed_at": None if c.failed_at is None else to_wire(c.failed_at),
            "delivered_at": None if c.delivered_at is None else to_wire(c.delivered_at),
        }
        for c in found
    ]
    return rows, table(rows, ("channel", "user", "kind", "active", "hours", "kinds", "failures", "fault", "delivered_at"))  # fmt: skip


def duty(args: argparse.Namespace) -> tuple[Any, str]:
    system = system_of(args)
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


def pairs(args: argparse.Namespace) -> tuple[Any, str]:
    with system_of(args).database.read() as reading:
        rows = [
            {"pair": p.pair, "case_manager": p.case_manager, "peer": p.peer, "enrolled": p.enrolled, "active": p.active}
            for p in reading.pairs().values()
        ]
    return rows, table(rows, ("pair", "case_manager", "peer", "enrolled", "active"))


def enrol_code(args: argparse.Namespace) -> tuple[Any, str]:
    code = system_of(args).accounts.new_code(args.user, Role(args.role), lasts=timedelta(hours=args.hours), by=args.by)
    answer = {"code": code.code, "expires_at": to_wire(code.expires_at), "link": link(args.server, code.code)}
    return answer, f"{code.code}\n{answer['link']}"


def devices(args: argparse.Namespace) -> tuple[Any, str]:
    system = system_of(args)
    match args.verb:
        case "revoke":
            system.accounts.revoke(args.device, wipe=args.wipe, by=args.by)
            return {"device_id": args.device, "state": "revoked", "wipe": args.wipe}, f"revoked {args.device}"
        case "release":
            system.accounts.release(args.device, by=args.by)
            return {"device_id": args.device, "release": True}, f"released {args.device} at its next sync"
        case "held":
            rows = exports.held(system.engine)
            return rows, table(rows, ("device_id", "op_id", "referral_id", "op", "received_at"))
        case "pass":
            receipt = system.service.decide_held(UserId(args.supervisor), args.device, OpId(args.op_id))
            return to_wire(receipt), f"{receipt.op_id} {receipt.outcome}"
        case _:
            rows = exports.devices(system.engine)
            return rows, table(rows, ("device_id", "user", "state", "seen_at", "waiting", "oldest_unsent_s", "locked"))


def referrals(args: argparse.Namespace) -> tuple[Any, str]:
    rows = exports.referrals(system_of(args).engine)
    return rows, table(rows, ("referral_id", "kind", "review", "handoff", "case_manager", "receipt", "flags"))


def notices(args: argparse.Namespace) -> tuple[Any, str]:
    rows = exports.notices(system_of(args).engine)
    return rows, table(rows, ("notice_id", "referral_id", "recipient", "kind", "state", "sent_at", "acknowledged_at"))


def audit(args: argparse.Namespace) -> tuple[Any, str]:
    engine = system_of(args).engine
    match args.verb:
        case "head":
            n, last = exports.audit_head(engine)
            return {"head": f"{n}:{last}"}, f"{n}:{last}"
        case "show":
            rows = exports.audit_rows(engine, user=args.user, referral_id=args.referral, since=args.since)
            return rows, table(rows, ("n", "at", "made_at", "actor", "action", "object_id", "outcome", "device_id"))
        case "who-saw":
            rows = exports.who_saw(engine, args.referral_id)
            return rows, table(rows, ("at", "user", "through", "outcome", "device_id"))
        case _:
            return _verdict(exports.audit_verdict(engine, args.head))


def _verdict(verdict: Verdict) -> tuple[Any, str]:
    answer = {"rows": verdict.rows, "ok": verdict.bad_row is None, "bad_row": verdict.bad_row, "reason": verdict.reason}
    if verdict.bad_row is not None:
        raise Refusal(f"the audit trail is broken at row {verdict.bad_row}: {verdict.reason}", answer)
    return answer, f"{verdict.rows} rows, all in order"


def upkeep(args: argparse.Namespace) -> tuple[Any, str]:
    done = system_of(args).keep_house()
    answer = {
        "forgotten": [{"referral_id": referral_id, "why": why} for referral_id, why in done.forgotten],
        "feed_rows": done.feed_rows, "sessions": done.sessions, "codes": done.codes,
    }  # fmt: skip
    counts = f"{done.feed_rows} old feed rows, {done.sessions} sessions and {done.codes} enrolment codes cleared away"
    return answer, f"{len(done.forgotten)} referrals forgotten; {counts}"


def backup(args: argparse.Namespace) -> tuple[Any, str]:
    engine = _readable(args)
    if args.plain:
        lock: Lock | None = None
    elif args.to is not None:
        lock = recipient(args.to.read_bytes())
    elif args.passphrase_file is not None:
        lock = Passphrase(text=_first_line(args.passphrase_file))
    else:
        lock = FolderKey(storage_key=_folder(args).storage_key)
    rows = backups.write(engine, args.file, clock=utc_now, lock=lock)
    return {"file": str(args.file), "rows": rows}, f"wrote {rows} rows to {args.file}; keep the key folder apart"


def restore(args: argparse.Namespace) -> tuple[Any, str]:
    url = database_url(args.db)
    folder = _folder(args)
    key: Key = FolderKey(storage_key=folder.storage_key)
    if args.identity is not None:
        if args.passphrase_file is None:
            raise Refusal("a private key opens with its passphrase: say --passphrase-file")
        key = identity(args.identity.read_bytes(), _first_line(args.passphrase_file))
    elif args.passphrase_file is not None:
        key = Passphrase(text=_first_line(args.passphrase_file))
    engine = open_engine(url)
    try:
        rows = backups.restore(engine, args.file, clock=utc_now, rng=os.urandom, replace=args.replace, key=key)
    finally:
        engine.dispose()
    return {"rows": rows}, f"restored {rows} rows; a new epoch began, devices offer again what is missing"


def _folder(args: argparse.Namespace) -> KeyFolder:
    return KeyFolder(keys_folder(args.keys, database_url(args.db)))


def _first_line(file: Path) -> str:
    return file.read_text(encoding="utf-8").split("\n", 1)[0].rstrip("\r")


def keys_export(args: argparse.Namespace) -> tuple[Any, str]:
    names = key_copies.write(_folder(args), args.file, Passphrase(text=_first_line(args.passphrase_file)), os.urandom)
    return {"file": str(args.file), "keys": len(names)}, f"wrote {len(names)} keys to {args.file}, encrypted"


def keys_import(args: argparse.Namespace) -> tuple[Any, str]:
    folder = keys_folder(args.keys, database_url(args.db))
    names = key_copies.read(args.file, folder, Passphrase(text=_first_line(args.passphrase_file)))
    return {"keys": str(folder), "count": len(names)}, f"put {len(names)} keys into {folder}"


def keys_recipient(args: argparse.Namespace) -> tuple[Any, str]:
    private, public = new_identity(_first_line(args.passphrase_file))
    halves = (args.file, args.file.with_name(args.file.name + ".pub"))
    for path, half, mode in zip(halves, (private, public), (0o600, 0o644), strict=True):
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(half)
    return {
        "private": str(halves[0]),
        "public": str(halves[1]),
    }, f"wrote {halves[0]} (keep it away from this machine) and {halves[1]}"


def keys(args: argparse.Namespace) -> tuple[Any, str]:
    url = database_url(args.db)
    folder = KeyFolder(keys_folder(args.keys, url))
    match args.verb:
        case "rotate":
            made = folder.rotate()
            return {
                "key_id": made
            }, f"new agency key {made}; a running server takes it within seconds, devices learn it with their next sync"
        case "retire":
            held = 0 if args.anyway else system_of(args).service.sealed_for(args.key_id)
            if held:
                raise Refusal(
                    f"{held} stored operations can only be read with this key; decide at the desk on what is held,"
                    " or add --anyway to lose them",
                    {"key_id": args.key_id, "held": held},
                )
            folder.retire(args.key_id)
            return {"key_id": args.key_id, "state": "retired"}, f"retired {args.key_id}"
        case _:
            rows = folder.listed()
            return rows, table(rows, ("key_id", "kind", "state"))


def pack(args: argparse.Namespace) -> tuple[Any, str]:
    system = system_of(args)
    if args.verb == "set":
        foundation.put_in_force(system.engine, read_folder(args.folder), clock=utc_now, by=args.by)
    programme = system.programme()
    return {"pack": programme.stamp, "digest": programme.digest}, f"{programme.stamp} {programme.digest}"


def export(args: argparse.Namespace) -> tuple[Any, str]:
    system = system_of(args)
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
