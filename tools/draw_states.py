"""Draws docs/states.md from the state tables themselves, so that the pictures cannot differ from the code.

`python tools/draw_states.py` writes the file; `--check` exits 1 when it is not what the tables say.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from case_system.handoff import NOTICE_TABLE  # noqa: E402
from field_app.sync.machine import DELIVERY_ROWS  # noqa: E402
from referral.lifecycle import ROWS, Track, first_states  # noqa: E402
from referral.model import Kind  # noqa: E402

TITLES = {
    Track.REVIEW: "Review: the case system and the State's Attorney decide",
    Track.HANDOFF: "Handoff: beside the review, so that nobody waits for paper",
    Track.CHARGE: "Charge: recorded here, owned by the State's Attorney",
    Track.RELEASE: "Release of information",
    Track.EPISODE: "Episode: enrolled and closed",
}


def diagram(edges: Iterable[tuple[str, str, str]], first: Iterable[str]) -> str:
    """A Mermaid state diagram; one line an edge, in table order."""
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {state}" for state in sorted(set(first))]
    lines += [f"    {a} --> {b}: {label}" for a, label, b in edges]
    return "\n".join([*lines, "```"])


def text() -> str:
    """The whole of docs/states.md."""
    parts = [
        "# State tables",
        (
            "Drawn by `tools/draw_states.py` from `referral/lifecycle.py`, `field_app/sync/machine.py` and "
            "`case_system/handoff.py`. A step that is not in a table raises and changes nothing."
        ),
    ]
    for track in Track:
        rows = [
            (str(s), str(step), str(to), roles) for t, states, step, to, roles in ROWS if t is track for s in states
        ]
        first = {str(first_states(kind)[track]) for kind in Kind}
        parts.append(f"## {TITLES[track]}")
        parts.append(diagram(((s, step, to) for s, step, to, _ in rows), first))
        parts.append(
            "| in | step | leads to | who |\n|---|---|---|---|\n"
            + "\n".join(
                f"| {s} | {step} | {to} | {', '.join(sorted(r.value for r in roles))} |" for s, step, to, roles in rows
            )
        )
    parts.append("## Delivery of one operation (on the device)")
    parts.append(diagram(((str(a), str(e), str(b)) for a, e, b in DELIVERY_ROWS), ["waiting", "held"]))
    parts.append("## A notice (at the case system)")
    parts.append(diagram(((str(a), str(e), str(b)) for (a, e), b in NOTICE_TABLE.items()), ["staged"]))
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Write or check; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    target = ROOT / "docs" / "states.md"
    if parser.parse_args().check:
        same = target.exists() and target.read_text(encoding="utf-8") == text()
        print("docs/states.md is up to date" if same else "docs/states.md is stale: run python tools/draw_states.py")
        return 0 if same else 1
    target.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
