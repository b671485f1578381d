"""package: the phone's own code and assets, without its dependencies. The files are those that the packaging tests name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from benchmarks.figures import Figure
from tests.architecture.test_packaging import LIMIT_BYTES, phone_files
from tests.support.repository import ROOT

BENCH = "package"


def run() -> Iterator[Figure]:
    """Add up what ships."""
    parts: Counter[str] = Counter()
    for path in phone_files():
        parts[path.parts[0] if path.parts[0] != "assets" else "/".join(path.parts[:2])] += (ROOT / path).stat().st_size
    largest = ", ".join(f"{name} {size // 1000}" for name, size in parts.most_common(3))
    yield Figure(
        bench=BENCH,
        what=f"code and assets ({largest} kB)",
        value=sum(parts.values()) / 1000,
        unit="kB",
        at_most=LIMIT_BYTES / 1000,
    )
