"""Writes the file that a release publishes: what was run, on what code and machine, with which seeds, and what it found.

Every figure comes from the results; nothing is rounded in our favour, and a part that was not run to its end says so.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.proof.part import SHOWN, Part
from tests.proof.results import Stretch, total

Mutation = Mapping[str, Mapping[str, Mapping[str, float]]]  # of tools/mutate.py: modules and packages, their figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One part and what was run of it."""

    part: Part
    stretches: Sequence[Stretch]

    @property
    def unmet(self) -> tuple[str, ...]:
        """What is not shown, in sentences; empty when the part holds at its release figure."""
        tally = total(list(self.stretches))
        told = []
        if tally.cases < self.part.release:
            told.append(f"{tally.cases:,} of {self.part.release:,} {self.part.unit} were run")
        if tally.violations:
            told.append(f"{len(tally.violations)} violations")
        return (*told, *self.part.demand(tally))


def machine() -> str:
    """The machine in one line."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), model)
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release().partition('-')[0]}, Python {platform.python_version()}"


def document(version: str, findings: Sequence[Finding], mutation: Mutation | None, today: str) -> str:
    """The whole file, in Markdown."""
    lines = [
        f"# What was shown of {version}",
        "",
        f"Written by `make deep` on {today}. Machine: {machine()}.",
        "What each part does and when it holds: [testing.md](../testing.md). One case again:",
        "`python -m tests.proof replay PART CASE`. Cases are numbered from 0; a case's number is its seed.",
        "",
        "| part | what | run | target | violations | process time | commits | holds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for finding in findings:
        part, tally = finding.part, total(list(finding.stretches))
        spent = sum(stretch.seconds for stretch in finding.stretches)
        commits = ", ".join(sorted({stretch.commit for stretch in finding.stretches})) or "-"
        holds = "yes" if not finding.unmet else "not shown" if not tally.violations else "**no**"
        lines.append(
            f"| {part.name} | {part.title} | {tally.cases:,} {part.unit} | {part.release:,} | {len(tally.violations)} "
            f"| {_spent(spent)} | {commits} | {holds} |"
        )
    if mutation is not None:
        lines += ["", *_mutation(mutation)]
    for finding in findings:
        lines += ["", *_chapter(finding)]
    return "\n".join(lines) + "\n"


def _chapter(finding: Finding) -> list[str]:
    part, tally = finding.part, total(list(finding.stretches))
    lines = [f"## {part.name}: {part.title}", "", f"Holds when: {part.holds_when}.", ""]
    lines += [f"- Not shown: {sentence}." for sentence in finding.unmet]
    lines += [f"- Case {violation.case}: {violation.sentence}" for violation in tally.violations[:SHOWN]]
    lines += [f"- Cases {first:,} to {last:,}." for first, last in _joined(finding.stretches)]
    if tally.counts:
        lines += ["", "| count | |", "| --- | ---: |"]
        lines += [f"| {name} | {number:,} |" for name, number in sorted(tally.counts.items())]
    return lines


def _joined(stretches: Sequence[Stretch]) -> list[tuple[int, int]]:
    """The ranges of case numbers, first and last, that the stretches make together."""
    out: list[tuple[int, int]] = []
    for first, end in sorted((one.first, one.first + one.count - 1) for one in stretches):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((first, end))
    return out


def _mutation(found: Mutation) -> list[str]:
    lines = [
        "## T15: mutation testing",
        "",
        "Holds when: at least 85 % of the mutants of each package are noticed, by a test, by the strict type check or by the time limit.",
        "*Open* ones were not tried yet; *ignored* lines say in the code why no test could tell the difference.",
        "",
        "| | mutants | " + " | ".join(_FATES) + " | noticed |",
        "| --- | " + "---: | " * (len(_FATES) + 2),
    ]
    for group in ("packages", "modules"):
        lines += [_scored(name, row) for name, row in sorted(found.get(group, {}).items())]
    return lines


_FATES = ("killed", "types", "timeout", "survived", "open", "ignored")


def _scored(name: str, row: Mapping[str, float]) -> str:
    noticed = sum(row.get(fate, 0) for fate in ("killed", "types", "timeout"))
    score = f"{100 * noticed / row['mutants']:.1f} %" if row.get("mutants") else "-"
    return f"| {name} | " + " | ".join(f"{row.get(key, 0):,}" for key in ("mutants", *_FATES)) + f" | {score} |"


def _spent(seconds: float) -> str:
    return f"{seconds / 60:,.1f} min" if seconds >= 60 else f"{seconds:.1f} s"
