"""What a power cut leaves: of everything pending, some is kept, some lost, some garbage, by lot.

Ways, by number: 0 nothing pending survives; 1 all of it does; 2 the names do and the bytes do not; 3 the bytes do and the names
do not; from 4 on by lot: sectors of 512 or 4,096 bytes, each as before, as after, or garbage where it was being written; the
size as before, after or between; names in order up to a point, or each by itself.

Garbage falls only on bytes that were being written, not on their neighbours in the same sector: the property that SQLite
assumes too (SQLITE_IOCAP_POWERSAFE_OVERWRITE). Must not know: what the files mean.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Final

from tests.faults.powercut.disk import File, Folder, Node, applied

WAYS_BY_RULE: Final = 4
SECTORS: Final = (512, 4096)


@dataclass(slots=True)
class Cut:
    """One power cut. `seed` fixes every choice."""

    way: int
    seed: str
    _kept: dict[int, bytes] = field(default_factory=dict)
    _lot: random.Random = field(init=False)
    _odds: tuple[float, float] = field(init=False)  # of a sector lost, of one that is garbage
    _sector: int = field(init=False)
    _ordered: bool = field(init=False)

    def __post_init__(self) -> None:
        self._lot = random.Random(self.seed)
        self._sector = self._lot.choice(SECTORS)
        garbage = self._lot.choice((0.0, 0.0, 0.1, 0.5))
        self._odds = (self._lot.uniform(0.1, 0.9) * (1 - garbage), garbage)
        self._ordered = self._lot.random() < 0.5

    def files(self, folder: Folder, path: str = "") -> dict[str, bytes | None]:
        """What is on the disk after the cut: the content by path, None for a folder."""
        found: dict[str, bytes | None] = {}
        for name, node in self._names(folder).items():
            here = f"{path}{name}"
            if isinstance(node, Folder):
                found[here] = None
                found.update(self.files(node, f"{here}/"))
            else:
                found[here] = self._content(node)
        return found

    def _names(self, folder: Folder) -> dict[str, Node]:
        names = dict(folder.sure)
        match self.way:
            case 0 | 3:
                kept = []
            case 1 | 2:
                kept = folder.pending
            case _ if self._ordered:
                kept = folder.pending[: self._lot.randint(0, len(folder.pending))]
            case _:
                kept = [change for change in folder.pending if self._lot.random() < 0.5]
        for change in kept:
            change.apply(names)
        return names

    def _content(self, file: File) -> bytes:
        if not file.pending:
            return file.sure
        if id(file) not in self._kept:
            self._kept[id(file)] = self._survived(file)
        return self._kept[id(file)]

    def _survived(self, file: File) -> bytes:
        match self.way:
            case 0 | 2:
                return file.sure
            case 1 | 3:
                return bytes(applied(file.sure, file.pending))
            case _ if self._lot.random() < 0.15:  # in order, up to a point
                return bytes(applied(file.sure, file.pending[: self._lot.randint(0, len(file.pending))]))
            case _:
                return self._mixed(file)

    def _mixed(self, file: File) -> bytes:
        after = applied(file.sure, file.pending)
        sizes = {len(file.sure), len(after)} | {change for change in file.pending if isinstance(change, int)}
        longest = max(len(file.sure), len(after))
        after.extend(bytes(longest - len(after)))
        before = file.sure + bytes(longest - len(file.sure))
        spans = [(c[0], c[0] + len(c[1])) for c in file.pending if not isinstance(c, int)]
        touched = {n for a, b in spans for n in range(a // self._sector, -(-b // self._sector))}
        lost, garbage = self._odds
        result = bytearray(after)
        for n in sorted(touched):
            fate = self._lot.random()
            start, end = n * self._sector, min((n + 1) * self._sector, longest)
            if fate < lost + garbage:
                result[start:end] = before[start:end]
            if lost <= fate < lost + garbage:
                for a, b in spans:
                    a, b = max(a, start), min(b, end)
                    if a < b:
                        result[a:b] = self._lot.randbytes(b - a)
        size = longest if self._lot.random() < 0.7 else self._lot.choice(sorted(sizes))
        return bytes(result[:size])
