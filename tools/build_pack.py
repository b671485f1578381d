"""Makes assets/programmes/baltimore/ from tools/pack_sources/, and checks it by loading it.

The sources carry long texts in every row; the pack carries them once. Nothing is judged here: judgement is in
the sources and said in their README. `--check` writes nothing and fails when the pack is not what the sources make.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "tools" / "pack_sources"
PACK = ROOT / "assets" / "programmes" / "baltimore"
LARGEST = 250_000  # bytes: the pack travels to phones
PICKER_ORDER = {"yes": 0, "review": 1, "no": 2}


def rows(name: str) -> list[dict[str, str]]:
    """The rows of a source table."""
    with (SOURCES / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def table(header: Sequence[str], lines: Iterable[Sequence[object]]) -> bytes:
    """A CSV file with Unix line ends."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(lines)
    return out.getvalue().encode()


def zone() -> bytes:
    """The polygon alone; its sources are told in programme.json."""
    source = json.loads((SOURCES / "pilot_zone.geojson").read_text("utf-8"))
    geometry = source["features"][0]["geometry"]
    return (json.dumps({"type": "Polygon", "coordinates": geometry["coordinates"]}) + "\n").encode()


def blocks() -> bytes:
    """Every block, compact."""
    return table(
        ("street", "block", "low", "high", "lat", "lon", "zone"),
        (
            (r["street"], r["block"], r["addr_low"], r["addr_high"], r["lat"], r["lon"], r["zone"])
            for r in rows("zone_blocks.csv")
        ),
    )


def corners() -> bytes:
    """Every corner, compact."""
    header = ("street_a", "street_b", "lat", "lon", "zone", "kind")
    return table(header, ([r[column] for column in header] for r in rows("zone_intersections.csv")))


def offences() -> bytes:
    """Every charge code, in picker order: what LEAD takes first, then what is open, each by how often it was used."""
    notes = {r["source_note"]: r["code"] for r in rows("offence_notes.csv")}

    def line(r: dict[str, str]) -> tuple[object, ...]:
        count = int(r["n_2013_2015"]) + int(r["n_2017_2018"])
        note = notes[r["note"]] if r["note"] else ""
        return (
            r["code"],
            r["description"],
            r["category"],
            r["divertible"],
            r["ruling_basis"],
            note,
            count,
            r["last_seen"],
        )

    found = sorted(map(line, rows("offences.csv")), key=lambda x: (PICKER_ORDER[str(x[3])], -int(str(x[6])), x[0]))
    return table(("code", "description", "category", "divertible", "basis", "note", "count", "last_seen"), found)


def programme() -> bytes:
    """programme.json with the offence notes put in."""
    source = json.loads((SOURCES / "programme.json").read_text("utf-8"))
    source["offence_notes"] = {r["code"]: {"en": r["en"], "es": r["es"]} for r in rows("offence_notes.csv")}
    return (json.dumps(source, ensure_ascii=False, indent=1) + "\n").encode()


def build() -> dict[str, bytes]:
    """The pack's files by name, loaded once to prove them."""
    from referral.programme import load

    files = {
        "programme.json": programme(),
        "zone.geojson": zone(),
        "offences.csv": offences(),
        "blocks.csv": blocks(),
        "corners.csv": corners(),
    }
    load(files)
    size = sum(map(len, files.values()))
    if size > LARGEST:
        raise SystemExit(f"the pack has {size} bytes, more than {LARGEST}")
    return files


def main(arguments: Sequence[str]) -> int:
    """Write the pack, or with --check say whether it is up to date."""
    files = build()
    if "--check" in arguments:
        stale = [name for name, content in files.items() if not _same(PACK / name, content)]
        for name in stale:
            print(f"{name} is not what tools/pack_sources makes; run python tools/build_pack.py", file=sys.stderr)
        return 1 if stale else 0
    PACK.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (PACK / name).write_bytes(content)
        print(f"{name:16} {len(content):7} bytes")
    return 0


def _same(path: Path, content: bytes) -> bool:
    return path.exists() and path.read_bytes().replace(b"\r\n", b"\n") == content


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    raise SystemExit(main(sys.argv[1:]))
