"""`python -m tests.proof`: the proof programme. `run` goes on where it was stopped, `replay` does one case again.

    list                          the parts and their figures
    run [PART ...]                the release figure of these parts, or of all; writes docs/proof/VERSION.md at the end
    replay PART CASE              one case, with all it has to say
    report                        write the file from the results that are there, and keep them beside it

Exit status: 0 shown, 1 a violation or a figure that is not shown, 2 misuse.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import tomllib
from collections.abc import Sequence
from datetime import UTC, datetime

from tests.proof.part import stretches
from tests.proof.parts import ROOT, everything, load
from tests.proof.report import Finding, document
from tests.proof.results import FOLDER, Results
from tests.proof.running import Progress, run_part

MUTATION = FOLDER / "mutation.json"
EVERY_S = 30.0


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the arguments say. The exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description="The proof programme.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="the parts and their figures")
    running = commands.add_parser("run", help="run the release figure, going on where it was stopped")
    running.add_argument("parts", nargs="*", metavar="PART", help="T1, T2, ...; all unless named")
    running.add_argument("--ci", action="store_true", help="the CI figure instead")
    running.add_argument("--cases", type=int, help="so many cases of each instead")
    running.add_argument("--minutes", type=float, default=60.0, help="begin nothing new in a part after this (60)")
    running.add_argument("--workers", type=int, default=os.cpu_count() or 2, help="processes at a time (all cores)")
    again = commands.add_parser("replay", help="do one case again")
    again.add_argument("part", metavar="PART")
    again.add_argument("case", type=int, metavar="CASE")
    commands.add_parser("report", help="write docs/proof/VERSION.md from the results that are there")
    args = parser.parse_args(argv)
    known = everything()
    named = [getattr(args, "part", None)] if args.command == "replay" else getattr(args, "parts", [])
    if unknown := [name for name in named if name not in known]:
        print(f"There is no part {', '.join(map(str, unknown))}; the parts are {', '.join(known)}.", file=sys.stderr)
        return 2
    match args.command:
        case "list":
            for name, module in known.items():
                part = load(module)
                print(f"{name:4} {part.title}: CI {part.ci:,}, release {part.release:,} {part.unit}")
            return 0
        case "replay":
            return _replay(known[args.part], args.case)
        case "run":
            return _run(args, {name: known[name] for name in args.parts or known}, known)
        case _:
            return _report(known)


def _replay(module: str, case: int) -> int:
    tally = load(module).run(case, 1)
    for name, number in sorted(tally.counts.items()):
        print(f"{name}: {number}")
    for violation in tally.violations:
        print(f"case {violation.case}: {violation.sentence}")
    print("It holds." if not tally.violations else "It does not hold.")
    return int(bool(tally.violations))


def _run(args: argparse.Namespace, chosen: dict[str, str], known: dict[str, str]) -> int:
    shown = [0.0]

    def told(progress: Progress) -> None:
        if sys.stderr.isatty():
            print(f"\r{progress.line():100}", end="", file=sys.stderr, flush=True)
        elif time.monotonic() - shown[0] > EVERY_S or progress.done >= progress.wanted:
            shown[0] = time.monotonic()
            print(progress.line(), file=sys.stderr, flush=True)

    bad = False
    for name, module in chosen.items():
        part = load(module)
        cases = args.cases or (part.ci if args.ci else part.release)
        tally = run_part(
            part,
            module,
            Results(name, module),
            cases=cases,
            workers=args.workers,
            seconds=60 * args.minutes,
            told=told,
        )
        if sys.stderr.isatty():
            print(file=sys.stderr)
        print(f"{name:4} {tally.cases:,} of {cases:,} {part.unit}, {len(tally.violations)} violations")
        for violation in tally.violations[:5]:
            print(f"     case {violation.case}: {violation.sentence}")
        bad = bad or bool(tally.violations) or tally.cases < cases
    if args.ci or args.cases:
        return int(bad)
    return max(_report(known), int(bad))


def _report(known: dict[str, str]) -> int:
    findings = []
    for name, module in known.items():
        part = load(module)
        wanted = set(stretches(part.release, part.chunk))
        results = Results(name, module)
        done = [stretch for stretch in results.all() if (stretch.first, stretch.count) in wanted]
        results.publish(done)
        findings.append(Finding(part=part, stretches=done))
    with (ROOT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    mutation = json.loads(MUTATION.read_text()) if MUTATION.exists() else None
    target = ROOT / "docs" / "proof" / f"{version}.md"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(document(version, findings, mutation, datetime.now(UTC).date().isoformat()))
    print(f"{target.relative_to(ROOT)} written")
    unmet = [f"{finding.part.name}: {sentence}" for finding in findings for sentence in finding.unmet]
    for sentence in unmet:
        print(f"not shown: {sentence}")
    return int(bool(unmet))


if __name__ == "__main__":
    sys.exit(main())
