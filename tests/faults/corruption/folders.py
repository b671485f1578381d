"""Damage to a whole device folder, seen through the real app: database, log, small files, rows, old copies, mixtures."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Final

from tests.faults.corruption.damage import FEW_MASKS, ONE_MASK, Damages
from tests.faults.corruption.images import Image, Template
from tests.faults.corruption.pieces import Piece
from tests.faults.corruption.rows import deeds
from tests.faults.corruption.sight import Bench, Sight
from tests.faults.corruption.verdict import broken, deleted

_GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "field.db": ("early", "late", "crash", "other"),
    "keys": ("early", "late", "other"),
    "outbox": ("early", "late", "crash", "other"),
    "header.json": ("late", "other"),
    "chain.json": ("late", "other"),
}
MOMENTS: Final = ("early", "late", "saved", "crash")
_LOG: Final = "field.db-wal"


@dataclass(frozen=True, slots=True)
class Gallery:
    """The template with a bench to fill and what an undamaged device shows at each moment."""

    template: Template
    bench: Bench
    sights: Mapping[str, Sight]

    @classmethod
    def hung(cls, template: Template, folder: Path) -> Gallery:
        """Look at each image once. Errors: AssertionError if an undamaged device says a word of trouble."""
        bench = Bench(template, folder)
        sights = {}
        for name in (*MOMENTS, "other"):
            bench.fill(getattr(template, name))
            sights[name] = sight = bench.look()
            assert sight.surprise is None, sight
            assert not sight.said, sight
        return cls(template, bench, sights)

    def image(self, moment: str) -> Image:
        """The folder's files at that moment."""
        image: Image = getattr(self.template, moment)
        return image

    def judge(self, image: Image, moment: str, seed: int) -> str | None:
        """Fill the bench with a damaged image of that moment and look; the broken promise, if any."""
        self.bench.fill(image)
        return self.judged(image, moment, seed)

    def judged(self, image: Image, moment: str, seed: int) -> str | None:
        """As `judge`, where the bench is filled."""
        sight = self.bench.look(seed)
        truth = self.sights[moment]
        earlier = [self.sights[name] for name in MOMENTS[: MOMENTS.index(moment)]] if moment in MOMENTS else []
        wrong = broken(truth, sight, earlier)
        if wrong and moment == "crash" and len(image.get(_LOG, b"")) < len(self.image(moment)[_LOG]):
            # a log that ends early is byte for byte that of an earlier moment; what was saved by then has its file, an answer has not
            wrong = broken(self.sights["saved"], sight, earlier[:-1])
        found = wrong + deleted(image, self.bench.files(), self.image(moment), sight)
        return "; ".join(found) + f" [it says: {sight.said}]" if found else None


def database(gallery: Gallery) -> Piece:
    """Every byte, sector, page and truncation of the database."""
    return _one(gallery, "database", "late", "field.db", FEW_MASKS)


def log(gallery: Gallery) -> Piece:
    """The same of the write-ahead log that a crash left."""
    return _one(gallery, "log", "crash", _LOG, ONE_MASK)


def _one(gallery: Gallery, name: str, moment: str, path: str, masks: tuple[int, ...]) -> Piece:
    image = gallery.image(moment)
    kind = Damages(length=len(image[path]), masks=masks, page=True)

    def case(number: int) -> tuple[str, str | None]:
        damaged = kind.done(image[path], number)
        return damaged.how, gallery.judge({**image, path: damaged.data}, moment, number)

    return Piece(name=name, every=kind.every, case=case)


def small_files(gallery: Gallery) -> Piece:
    """Every byte and truncation of every other file of the folder, and each file gone."""
    image = gallery.image("crash")
    names = sorted(name for name in image if not name.startswith(("field.db", "programme")) and image[name])
    kinds = {name: Damages(length=len(image[name]), masks=ONE_MASK) for name in names}
    every = [(name, n) for name in names for n in range(-1, kinds[name].every)]
    random.Random(0).shuffle(every)

    def case(number: int) -> tuple[str, str | None]:
        name, n = every[number % len(every)] if number < len(every) else (names[number % len(names)], number)
        if n < 0:
            return "gone", gallery.judge(
                {other: data for other, data in image.items() if other != name}, "crash", number
            )
        damaged = kinds[name].done(image[name], n)
        return damaged.how, gallery.judge({**image, name: damaged.data}, "crash", number)

    return Piece(name="small files", every=len(every), case=case)


def tampered(gallery: Gallery, folder: Path) -> Piece:
    """Rows exchanged, changed, taken out and put back."""
    image = gallery.image("late")
    for name in ("late", "early"):
        (folder / name).write_bytes(gallery.image(name)["field.db"])
    every = deeds(folder / "late", folder / "early")
    work = folder / "work"

    def case(number: int) -> tuple[str, str | None]:
        chosen = [every[number * 7919 % len(every)]]
        if number >= len(every):
            chosen += random.Random(number).choices(every, k=random.Random(number).randint(1, 3))
        work.write_bytes(image["field.db"])
        chosen[0].do(work)
        for deed in chosen[1:]:
            with suppress(sqlite3.IntegrityError):  # the one before has taken what this one needs
                deed.do(work)
        return chosen[0].how, gallery.judge({**image, "field.db": work.read_bytes()}, "late", number)

    return Piece(name="rows", every=len(every), case=case)


def old_copies(gallery: Gallery) -> Piece:
    """Parts of the folder from different moments, or from another device."""
    every = [dict(zip(_GROUPS, chosen, strict=True)) for chosen in product(*_GROUPS.values())]

    def case(number: int) -> tuple[str, str | None]:
        chosen = every[number % len(every)]
        image = {name: data for name, data in gallery.image("late").items() if name.startswith(("programme", "device", "attempts"))}  # fmt: skip
        for group, moment in chosen.items():
            image |= {name: data for name, data in gallery.image(moment).items() if name.startswith(group)}
        told = [chosen[group] for group in ("field.db", "keys", "outbox") if chosen[group] != "other"]
        newest = "other" if chosen["field.db"] == "other" else max(told, key=MOMENTS.index)
        return "old copy", gallery.judge(image, newest, number)

    return Piece(name="old copies", every=len(every), case=case)


def mixtures(gallery: Gallery) -> Piece:
    """Several files of the folder damaged at once."""

    def case(number: int) -> tuple[str, str | None]:
        dice = random.Random(number)
        moment = dice.choice(MOMENTS)
        image = dict(gallery.image(moment))
        names = [name for name, data in image.items() if data and not name.startswith("programme")]
        for name in dice.sample(names, dice.randint(2, 4)):
            kind = Damages(length=len(image[name]), page=name.startswith("field.db"))
            image[name] = kind.done(image[name], dice.randrange(2 * kind.every)).data
        return "mixture", gallery.judge(image, moment, number)

    return Piece(name="mixtures", every=0, case=case)
