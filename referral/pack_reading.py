"""Reads and checks a pack's five files. Every fault is collected: whoever makes a pack sees all at once.

    programme.json   everything small        zone.geojson   one polygon, [lon, lat]
    offences.csv     code,description,category,divertible,basis,note,count,last_seen
    blocks.csv       street,block,low,high,lat,lon,zone          corners.csv   street_a,street_b,lat,lon,zone,kind

Invariants: no value reaches a `Programme` unchecked; `read_pack` returns only when there is no fault. Unknown keys and
columns are left alone, so that an older phone can use a newer pack of the same format.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields as fields_of
from datetime import date
from types import MappingProxyType
from typing import Any

from referral.model import Basis, Exclusions, Zone
from referral.pack_cells import Faults, Node, read_json, read_table
from referral.programme import (
    PACK_FILES,
    PACK_FORMAT,
    Addresses,
    Agency,
    Block,
    Caps,
    Category,
    Choice,
    Contact,
    Corner,
    Hours,
    Landmark,
    NoAnswer,
    Offence,
    OpenHours,
    Outline,
    Partner,
    Programme,
    Provenance,
    Rules,
    Ruling,
    Text,
    Timers,
)

CHOICE_LISTS = (
    "destination",
    "outside_reason",
    "safety_reason",
    "reason",
    "language",
    "redirect_reason",
    "sao_decline_reason",
    "need_info_reason",
    "not_completed_reason",
    "close_reason",
    "reopen_reason",
    "withdraw_reason",
    "unassign_reason",
    "override_reason",
    "release_revoke_reason",
)
CONTACTS = (
    "duty_case_manager",
    "sao_on_call",
    "lead_desk",
    "supervisor_on_call",
    "juvenile",
    "trafficking",
    "defender",
    "participant_line",
)
FIXED_CODES = {  # codes that the product itself gives a meaning; a pack may only word them
    "not_completed_reason": ("hospital", "left", "booked", "changed_mind"),
    "close_reason": ("completed", "declined", "no_contact", "ineligible", "withdrew", "moved", "deceased", "duplicate"),
}
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CODE = re.compile(r"[a-z][a-z0-9_]{0,39}\Z")
_ID = re.compile(r"[a-z][a-z0-9-]{0,31}\Z")
_VERSION = re.compile(r"[0-9][0-9A-Za-z.-]{0,15}\Z")
_OFFENCE = re.compile(r"\d[ AC0-9]\d{4}\Z")  # one old code of the arrest records, 690000, has a digit for the blank
_PHONE = re.compile(r"\+?[0-9][0-9-]{5,18}\Z")
_STREET = re.compile(r"[A-Z0-9][A-Z0-9 ]{0,60}\Z")


_ZONES = (Zone.INSIDE, Zone.BOUNDARY, Zone.OUTSIDE)


def digest_of(files: Mapping[str, bytes]) -> str:
    """SHA-256, in hex, over the pack's files by name; line ends do not count, so that a check-out cannot change it."""
    total = hashlib.sha256()
    for name in PACK_FILES:
        content = files[name].replace(b"\r\n", b"\n")
        total.update(f"{name}:{len(content)}\n".encode() + content)
    return total.hexdigest()


def read_pack(files: Mapping[str, bytes]) -> Programme:
    """The programme in `files`, or `PackError` with every fault found."""
    faults = Faults()
    texts: dict[str, str] = {}
    for name in PACK_FILES:
        try:
            texts[name] = files[name].decode("utf-8-sig")
        except KeyError:
            faults.add(name, 0, "file", "is missing")
        except UnicodeDecodeError:
            faults.add(name, 0, "file", "is not UTF-8 text")
    faults.stop_if_any()
    root = Node(read_json("programme.json", texts, faults), "", faults)
    geometry = read_json("zone.geojson", texts, faults)
    faults.stop_if_any()
    if root["format"].value != PACK_FORMAT:
        root["format"].fault(f"is not {PACK_FORMAT}, the format that this version reads")
        faults.stop_if_any()

    categories = {
        code: Category(code=code, text=node["text"].text(), asks_amount=node["asks_amount"].flag())
        for code, node in root["offence_categories"].items()
    }
    notes = {code: node.text() for code, node in root["offence_notes"].items()}
    blocks = _blocks(texts["blocks.csv"], faults)
    parts: dict[str, Any] = {
        "id": root["id"].string(_ID),
        "version": root["version"].string(_VERSION),
        "digest": digest_of(files),
        "name": root["name"].text(),
        "agency": _agency(root["agency"]),
        "languages": root["languages"].strings(),
        "zone": _outline(root["zone"], geometry, faults),
        "rules": _rules(root["rules"]),
        "timers": _timers(root["timers"]),
        "caps": _caps(root["caps"]),
        "hours": _hours(root["hours"]),
        "contacts": MappingProxyType(_contacts(root["contacts"])),
        "partners": tuple(_partner(node) for node in root["partners"].each()),
        "categories": MappingProxyType(categories),
        "choices": MappingProxyType(_choices(root["choices"])),
        "offences": MappingProxyType(_offences(texts["offences.csv"], categories, notes, faults)),
        "blocks": blocks,
        "corners": _corners(texts["corners.csv"], faults),
        "landmarks": tuple(_landmark(node, blocks) for node in root["landmarks"].each()),
        "addresses": _addresses(root["addresses"]),
        "unverified": frozenset(_pointers(root)),
        "provenance": _provenance(root["provenance"]),
    }
    if not {"en", "es"} <= set(parts["languages"]):
        root["languages"].fault("does not have both en and es")
    faults.stop_if_any()
    return Programme(**parts)


def _agency(node: Node) -> Agency:
    return Agency(
        id=node["id"].string(_ID),
        name=node["name"].text(),
        banner=node["banner"].text(),
        agreement=node["agreement"].text(),
    )


def _outline(node: Node, geometry: Mapping[str, Any], faults: Faults) -> Outline:
    ring: list[tuple[float, float]] = []

    def fault(message: str) -> None:
        faults.add("zone.geojson", 0, "coordinates", message)

    try:
        shape = geometry["features"][0]["geometry"] if geometry.get("type") == "FeatureCollection" else geometry
        rings = shape["coordinates"]
        if shape["type"] != "Polygon" or len(rings) != 1:
            fault("is not one polygon without holes")
        ring = [(float(lat), float(lon)) for lon, lat in rings[0]]
    except (KeyError, IndexError, TypeError, ValueError):
        fault("is not a GeoJSON polygon of [longitude, latitude] pairs")
    if ring and ring[0] == ring[-1]:
        ring.pop()
    if len(set(ring)) < 3 or len(set(ring)) != len(ring):
        fault("does not have three or more corners, each once")
    if not all(abs(lat) <= 85 and abs(lon) <= 180 for lat, lon in ring):
        fault("has a corner that is not on the map")
    return Outline(
        name=node["name"].text(),
        bounds=node["bounds"].text(),
        boundary_m=node["boundary_m"].number(0, 1000),
        ring=tuple(ring),
    )


def _rules(node: Node) -> Rules:
    exclusions = node["exclusions"].strings()
    known = {f.name for f in fields_of(Exclusions)}
    for name in exclusions:
        if name not in known:
            node["exclusions"].fault(f"names {name}, which the form does not ask")
    bases = node["look_back_needs_date"].strings()
    for basis in bases:
        if basis not in set(Basis):
            node["look_back_needs_date"].fault(f"names {basis}, which is not a basis")
    grams = node["quantity_limit_grams"]
    if not node.has("quantity_limit_grams"):
        grams.fault("is missing; write null when it is not known")
    return Rules(
        minimum_age_years=node["minimum_age_years"].whole(18),  # under 18 there is no LEAD record, whatever a pack says
        quantity_limit_grams=None if grams.value is None else grams.number(0, 10_000),
        exclusions=exclusions,
        look_back_months=node["look_back_months"].whole(1),
        look_back_needs_date=bases,
        sao_no_answer=node["sao_no_answer"].one_of(NoAnswer),
        all_partners_vote=node["all_partners_vote"].flag(),
    )


def _timers(node: Node) -> Timers:
    lists = ("sao_reviewer_rings_minutes", "intake_warning_days")
    read: dict[str, Any] = {
        f.name: node[f.name].rising() if f.name in lists else node[f.name].whole() for f in fields_of(Timers)
    }
    timers = Timers(**read)
    ladder = (timers.duty_pair_rings_minutes, timers.on_call_list_rings_minutes, timers.supervisor_rings_minutes)
    if sorted(ladder) != list(ladder):
        node.fault("does not ring the duty pair first, then the on-call list, then the supervisor")
    if any(day > timers.intake_days for day in timers.intake_warning_days):
        node["intake_warning_days"].fault("warns after the intake is due")
    if not 1 <= timers.idle_lock_minutes <= timers.idle_lock_longest_minutes:
        node["idle_lock_minutes"].fault("is not from 1 minute to the longest allowed")
    return timers


def _caps(node: Node) -> Caps:
    caps = Caps(caseload_hard=node["caseload_hard"].whole(1), caseload_soft=node["caseload_soft"].whole(1))
    if caps.caseload_soft > caps.caseload_hard:
        node["caseload_soft"].fault("is above the hard cap")
    return caps


def _hours(node: Node) -> Hours:
    spans = []
    for span in node["open"].each():
        days = span["days"].strings()
        if not days or not set(days) <= set(_DAYS):
            span["days"].fault(f"is not a list of {', '.join(_DAYS)}")
            days = ()
        opens, closes = span["from"].local_time(), span["to"].local_time()
        if opens >= closes:
            span.fault("does not close after it opens")
        spans.append(OpenHours(days=tuple(_DAYS.index(day) for day in days), opens=opens, closes=closes))
    return Hours(
        time_zone=node["time_zone"].string(),
        open=tuple(spans),
        digest_at=node["digest_at"].local_time(),
        text=node["text"].text(),
    )


def _contacts(node: Node) -> dict[str, Contact]:
    found = {
        key: Contact(
            id=key,
            name=entry["name"].text(),
            phone=entry["phone"].string(_PHONE),
            hours=entry["hours"].text(),
            synthetic=entry["synthetic"].flag(),
        )
        for key, entry in node.items()
    }
    for needed in CONTACTS:
        if needed not in found:
            node[needed].fault("is missing")
    return found


def _partner(node: Node) -> Partner:
    return Partner(id=node["id"].string(_ID), name=node["name"].text(), votes=node["votes"].flag())


def _choices(node: Node) -> dict[str, tuple[Choice, ...]]:
    found: dict[str, tuple[Choice, ...]] = {}
    for name, entries in node.items():
        listed = tuple(Choice(code=entry["code"].string(_CODE), text=entry["text"].text()) for entry in entries.each())
        codes = [choice.code for choice in listed]
        if not listed or len(set(codes)) != len(codes):
            entries.fault("is empty or has a code twice")
        if name in FIXED_CODES and set(codes) != set(FIXED_CODES[name]):
            entries.fault(f"does not have exactly {', '.join(FIXED_CODES[name])}")
        found[name] = listed
    for needed in CHOICE_LISTS:
        if needed not in found:
            node[needed].fault("is missing")
    return found


def _offences(
    text: str, categories: Mapping[str, Category], notes: Mapping[str, Text], faults: Faults
) -> dict[str, Offence]:
    found: dict[str, Offence] = {}
    columns = ("code", "description", "category", "divertible", "basis", "note", "count", "last_seen")
    for row in read_table("offences.csv", text, columns, faults):
        code, category, note = row.string("code"), row.string("category"), row.cells["note"]
        if not _OFFENCE.match(code):
            row.fault("code", "is not a charge code like '4 3550' or '1A1111'")
        if code in found:
            row.fault("code", "is listed twice")
        if category not in categories:
            row.fault("category", "is not in programme.json")
        if note and note not in notes:
            row.fault("note", "is not in programme.json")
        if row.cells["basis"] not in ("source", "judgement"):
            row.fault("basis", "is not source or judgement")
        try:
            last_seen = date.fromisoformat(row.cells["last_seen"])
        except ValueError:
            row.fault("last_seen", "is not a date")
            last_seen = date.min
        found[code] = Offence(
            code=code,
            description=row.string("description"),
            category=categories.get(category, Category(code=category, text=Text("", ""), asks_amount=False)),
            divertible=row.one_of("divertible", Ruling),
            settled=row.cells["basis"] == "source",
            note=notes.get(note) if note else None,
            count=row.whole("count"),
            last_seen=last_seen,
        )
    return found


def _blocks(text: str, faults: Faults) -> tuple[Block, ...]:
    found: dict[tuple[str, int], Block] = {}
    for row in read_table("blocks.csv", text, ("street", "block", "low", "high", "lat", "lon", "zone"), faults):
        block = Block(
            street=row.string("street"),
            number=row.whole("block"),
            low=row.whole("low"),
            high=row.whole("high"),
            lat=row.degrees("lat", 85),
            lon=row.degrees("lon", 180),
            zone=row.one_of("zone", Zone, _ZONES),
        )
        if block.number % 100:
            row.fault("block", "is not a hundred")
        if block.low > block.high:
            row.fault("high", "is below low")
        if (block.street, block.number) in found:
            row.fault("block", "is listed twice")
        found[block.street, block.number] = block
    return tuple(found.values())


def _corners(text: str, faults: Faults) -> tuple[Corner, ...]:
    found: list[Corner] = []
    for row in read_table("corners.csv", text, ("street_a", "street_b", "lat", "lon", "zone", "kind"), faults):
        if row.cells["kind"] not in ("street", "alley"):
            row.fault("kind", "is not street or alley")
        corner = Corner(
            street_a=row.string("street_a"),
            street_b=row.string("street_b"),
            lat=row.degrees("lat", 85),
            lon=row.degrees("lon", 180),
            zone=row.one_of("zone", Zone, _ZONES),
            alley=row.cells["kind"] == "alley",
        )
        if corner.street_a == corner.street_b:
            row.fault("street_b", "is the same street")
        if corner in found:
            row.fault("street_b", "is listed twice")
        found.append(corner)
    return tuple(found)


def _landmark(node: Node, blocks: tuple[Block, ...]) -> Landmark:
    text, names = node["text"].string(), node["names"].strings()
    if node.has("block"):
        wanted = (node["block"]["street"].string(), node["block"]["block"].whole())
        for block in blocks:
            if (block.street, block.number) == wanted:
                return Landmark(text=text, names=names, lat=block.lat, lon=block.lon, block=block)
        node["block"].fault("is not in blocks.csv")
        return Landmark(text=text, names=names, lat=0, lon=0)
    return Landmark(text=text, names=names, lat=node["lat"].number(-85, 85), lon=node["lon"].number(-180, 180))


def _addresses(node: Node) -> Addresses:
    return Addresses(
        needs_direction=frozenset(node["needs_direction"].strings(_STREET)),
        spellings=MappingProxyType({said: street.string(_STREET) for said, street in node["spellings"].items()}),
        north_south_changes_at=node["north_south_changes_at"].string(_STREET),
        east_west_changes_at=node["east_west_changes_at"].string(_STREET),
    )


def _pointers(root: Node) -> Iterator[str]:
    for node in root["unverified"].each():
        pointer = node.string()
        found: Any = root.value
        for part in pointer.split("/")[1:]:
            if isinstance(found, dict) and part in found:
                found = found[part]
            else:
                node.fault("points at nothing in programme.json")
                break
        yield pointer


def _provenance(node: Node) -> tuple[Provenance, ...]:
    found = tuple(
        Provenance(
            files=entry["files"].strings(),
            origin=entry["from"].string(),
            terms=entry["terms"].string(),
            judgement=entry["judgement"].string(),
        )
        for entry in node.each()
    )
    told = {name for entry in found for name in entry.files}
    if not set(PACK_FILES) <= told:
        node.fault("does not say where each file comes from")
    return found
