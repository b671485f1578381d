"""The commands of shifts, absences and languages. Times are the programme's local ones unless they carry their own zone.

Must not know: how commands are spelled.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from case_system.app import System
from case_system.assignment import Post
from case_system.commands import Refusal, system_of, table

POSTS = {"duty": Post.DUTY, "on-call": Post.ON_CALL, "supervisor": Post.SUPERVISOR, "sao": Post.SAO}


def moment(text: str, zone: ZoneInfo) -> datetime:
    """A time as typed: 2026-03-03T08:00, or with its own offset."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(f"{text[:40]!r} is not a time like 2026-03-03T08:00") from None
    return read if read.tzinfo is not None else read.replace(tzinfo=zone)


def _zone(system: System) -> ZoneInfo:
    return ZoneInfo(system.programme().hours.time_zone)


def _local(rows: list[dict[str, Any]], zone: ZoneInfo) -> list[dict[str, Any]]:
    return [
        {n: v.astimezone(zone).isoformat(timespec="minutes") if isinstance(v, datetime) else v for n, v in row.items()}
        for row in rows
    ]


def shift(args: argparse.Namespace) -> tuple[Any, str]:
    system = system_of(args)
    zone = _zone(system)
    match args.act:
        case "add":
            starts, ends = moment(args.starts, zone), moment(args.ends, zone)
            ids = [
                shift_id
                for user in args.users
                for shift_id in system.roster.add_shift(
                    POSTS[args.post], user, starts, ends, weeks=args.weeks, by=args.by
                )
            ]
            return {"shifts": ids}, f"added {len(ids)} to the rota"
        case "remove":
            system.roster.remove_shift(args.shift, by=args.by)
            return {"shift_id": args.shift, "removed": True}, f"removed {args.shift}"
        case _:
            rows = _local(system.roster.shifts(), zone)
            return rows, table(rows, ("shift_id", "post", "user", "starts_at", "ends_at"))


def away(args: argparse.Namespace) -> tuple[Any, str]:
    system = system_of(args)
    zone = _zone(system)
    match args.act:
        case "set":
            starts, ends = moment(args.starts, zone), moment(args.ends, zone)
            system.roster.set_away(args.user, starts, ends, cover=args.cover, by=args.by)
            stands_in = f"{args.cover} is rung instead" if args.cover else "nobody is rung instead"
            return {"user": args.user, "cover": args.cover}, f"{args.user} is away then; {stands_in}"
        case "clear":
            gone = system.roster.clear_away(args.user, by=args.by)
            return {"user": args.user, "cleared": gone}, f"{args.user} is there"
        case _:
            rows = _local(system.roster.absences(), zone)
            return rows, table(rows, ("user", "starts_at", "ends_at", "cover"))


def languages(args: argparse.Namespace) -> tuple[Any, str]:
    system = system_of(args)
    known = tuple(choice.code for choice in system.programme().choices["language"])
    system.roster.set_languages(args.name, args.languages, known=known, by=args.by)
    return {"user": args.name, "languages": sorted(set(args.languages))}, f"{args.name} speaks {', '.join(args.languages) or 'none'}"  # fmt: skip
