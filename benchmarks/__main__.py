"""`python -m benchmarks`: all benches, or those named; one table at the end, and the figures in benchmarks/results/.

Under five minutes on two cores. Nothing here fails on a figure: what is missed is said in the table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import arriving, delivering, desk_load, idling, keystrokes, linking, package, saving, sizes, unlocking
from benchmarks.figures import Figure, Left, table
from benchmarks.ground import ROOT, BenchFailed, office
from benchmarks.watch import now

Bench = Callable[[], Iterator[Figure | Left]]
WITHOUT_OFFICE: Mapping[str, Bench] = {"package": package.run, "suggest": keystrokes.run, "desk_load": desk_load.run}
WITH_OFFICE: Mapping[str, Callable[..., Iterator[Figure | Left]]] = {
    "size": sizes.run,
    "save": saving.run,
    "link": linking.run,
    "deliver": delivering.run,
    "unlock": unlocking.run,
    "idle": idling.run,
    "arrive": arriving.run,
}
NAMES = (*WITHOUT_OFFICE, *WITH_OFFICE)


def measure(names: Sequence[str], folder: Path, said: Callable[[str], None]) -> Iterator[Figure | Left]:
    """The figures of these benches, in the order of `NAMES`."""
    for name in WITHOUT_OFFICE:
        if name in names:
            yield from _told(name, WITHOUT_OFFICE[name], said)
    wanted = [name for name in WITH_OFFICE if name in names]
    if not wanted:
        return
    (folder / "office").mkdir()
    with office(folder / "office") as running:
        for name in wanted:
            yield from _told(name, partial(WITH_OFFICE[name], running, folder), said)


def _told(name: str, bench: Bench, said: Callable[[str], None]) -> list[Figure | Left]:
    said(f"{name} ...")
    began = now()
    found: list[Figure | Left] = []
    try:
        found.extend(bench())
    except BenchFailed as error:
        found.append(Left(bench=name, why=f"{error}."))
    said(f"{name}: {now() - began:.1f} s")
    return found


def machine() -> dict[str, Any]:
    """What the figures were measured on; no name of a machine or a person."""
    return {
        "processor": _processor(),
        "cores": _cores(),
        "system": f"{platform.system()} {platform.release().split('-')[0]} {platform.machine()}",
        "python": platform.python_version(),
        "load before": _load(),
        "commit": _commit(),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benches; always 0 when they could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Speeds and sizes against their limits.")
    parser.add_argument("names", nargs="*", metavar="BENCH", help=f"of {', '.join(NAMES)}; all unless named")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "benchmarks" / "results", metavar="DIR", help="where the figures go"
    )
    args = parser.parse_args(argv)
    if unknown := set(args.names) - set(NAMES):
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    began, at, about = now(), datetime.now(UTC), machine()
    with tempfile.TemporaryDirectory(prefix="lead-bench-") as folder:
        found = list(measure(args.names or NAMES, Path(folder), lambda line: print(line, file=sys.stderr, flush=True)))
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / f"{at:%Y%m%d-%H%M%S}.json"
    figures = [one.wire() for one in found if isinstance(one, Figure)]
    left = [{"bench": one.bench, "why": one.why} for one in found if isinstance(one, Left)]
    path.write_text(
        json.dumps({"at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "machine": about, "figures": figures, "left": left}, indent=1)
        + "\n"
    )
    print(table(found))
    print(f"\n{', '.join(f'{name} {value}' for name, value in about.items())}; {now() - began:.0f} s; {path}")
    return 0


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _cores() -> int:
    return os.cpu_count() or 1


def _load() -> str:
    """How busy the machine was with other things: the load average of a minute."""
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def _commit() -> str:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
