"""Damage to one small stored piece, read by the code whose it is: thousands a second, so that every byte gets every mask.

    envelope at the server   heard, verified and opened as the case system does; and opened without the signature's guard
    header                   the vault's and the chain's header file
    attempts                 the counters' two places, one or both damaged: never fewer tries than were made
    key store                files of the file key store: the secret, or a word that it is damaged; never another secret

Each function does one numbered case and returns (what was done, the sentence of a broken promise or None).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from case_system.reception import hear
from field_app.vault import attempts
from field_app.vault.attempts import LOCKED_AT, AttemptFile, Attempts
from field_app.vault.errors import Damaged, KeyStoreLost, KeyStoreUnavailable, NewerFormat
from field_app.vault.keys import Header
from field_app.vault.keystores import FileKeys
from referral.envelope import EnvelopeError, open_
from referral.port import Outcome
from referral.problems import ProblemCode
from tests.faults.corruption.damage import ALL_MASKS, Damages
from tests.faults.corruption.images import Template

NOON: Final = datetime(2026, 3, 3, 12, tzinfo=UTC)
Case = Callable[[int], tuple[str, str | None]]
_REFUSALS: Final = frozenset(
    {
        ProblemCode.MALFORMED,
        ProblemCode.DEVICE_MISMATCH,
        ProblemCode.BAD_SIGNATURE,
        ProblemCode.NOT_THE_AGENCY,
        ProblemCode.UNKNOWN_VERSION,
        ProblemCode.UNKNOWN_KEY,
        ProblemCode.DAMAGED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One kind of numbered cases. every: how many it takes until every single damage was done."""

    name: str
    every: int
    case: Case = field(repr=False)


def envelopes(template: Template) -> Piece:
    """Each envelope of the device as the server gets it."""
    sealed = _sealed(template)
    truths = [open_(raw, template.agency.keys.agency_keys) for raw in sealed]
    kinds = [Damages(length=len(raw), masks=ALL_MASKS) for raw in sealed]

    def case(number: int) -> tuple[str, str | None]:
        which = number % len(sealed)
        damaged = kinds[which].done(sealed[which], number // len(sealed))
        return damaged.how, _envelope(template, damaged.data, sealed, truths)

    return Piece(name="envelope", every=sum(kind.every for kind in kinds), case=case)


def _sealed(template: Template) -> list[bytes]:
    return [data for name, data in sorted(template.crash.items()) if name.endswith(".env")][:2]


def spliced(template: Template) -> Piece:
    """Envelopes made of the parts of two: header, point, ciphertext, signature of one or the other; and longer ones."""
    sealed = _sealed(template)
    truths = [open_(raw, template.agency.keys.agency_keys) for raw in sealed]
    cuts = (0, 1, 9, 17, 33, 49, 53, 55, 120, -64)
    every = len(sealed) ** 2 * 2 ** len(cuts)

    def case(number: int) -> tuple[str, str | None]:
        one, rest = divmod(number % every, len(sealed) * 2 ** len(cuts))
        other, choice = divmod(rest, 2 ** len(cuts))
        raw = b""
        for n, start in enumerate(cuts):
            end = cuts[n + 1] if n + 1 < len(cuts) else None
            raw += sealed[other if choice >> n & 1 else one][start:end]
        return "spliced", _envelope(template, raw, sealed, truths)

    return Piece(name="envelope splice", every=every, case=case)


def _envelope(template: Template, raw: bytes, sealed: Sequence[bytes], truths: Sequence[bytes]) -> str | None:
    """What is wrong with how the case system takes `raw`, where `sealed` say `truths`."""
    keys = template.agency.keys
    said = dict(zip(sealed, truths, strict=True)).get(raw)
    heard = hear(raw, template.device_id, template.device_key, template.agency_id, keys)
    if said is not None:
        return None if heard.payload == said else "silent: a whole envelope was not read"
    if heard.operation is not None or heard.outcome is None:
        return "wrong: a changed envelope was read as an operation"
    if heard.verified:
        return "wrong: a changed envelope counts as signed"
    if heard.outcome is not Outcome.REFUSED or heard.code not in _REFUSALS:
        return f"wrong: a changed envelope got {heard.outcome} {heard.code}"
    try:
        payload = open_(raw, keys.agency_keys)
    except EnvelopeError:
        return None
    unsigned = {whole[:-64]: truth for whole, truth in zip(sealed, truths, strict=True)}.get(raw[:-64])
    if unsigned is None:
        return "wrong: changed bytes opened without the signature"
    return None if payload == unsigned else "wrong: other plaintext"


def headers(template: Template) -> Piece:
    """The header files of vault and chain."""
    found = [template.late[name] for name in ("header.json", "chain.json")]
    kinds = [Damages(length=len(data), masks=ALL_MASKS) for data in found]

    def case(number: int) -> tuple[str, str | None]:
        which = number % 2
        damaged = kinds[which].done(found[which], number // 2)
        try:
            Header.from_bytes(damaged.data)
        except (Damaged, NewerFormat):
            return damaged.how, None
        return damaged.how, None if damaged.data == found[which] else "wrong: a changed header was read"

    return Piece(name="header", every=sum(kind.every for kind in kinds), case=case)


def counters(folder: Path) -> Piece:
    """The two places of the attempt counters."""
    true = Attempts(started=3, wrong=2, latest=int(NOON.timestamp()))
    record = true.to_bytes()
    places = [AttemptFile(folder / "one"), AttemptFile(folder / "two")]
    kind = Damages(length=len(record), masks=ALL_MASKS)

    def case(number: int) -> tuple[str, str | None]:
        done = [kind.done(record, number // 3), kind.done(record, number // 3 + 17)]
        data = [record if number % 3 == 1 else done[0].data, record if number % 3 == 0 else done[1].data]
        for name, content in zip(("one", "two"), data, strict=True):
            (folder / name).write_bytes(content)
        found = attempts.load(places, NOON)
        if record in data:
            return done[0].how, None if found == true else "wrong: other counters than were saved"
        return done[0].how, None if found.started >= LOCKED_AT else "silent: both counters gone, and tries are free"

    return Piece(name="attempts", every=3 * kind.every, case=case)


def secrets(template: Template, folder: Path) -> Piece:
    """Every file of the file key store."""
    found = {
        name.removeprefix("keys/"): data for name, data in sorted(template.late.items()) if name.startswith("keys")
    }
    names, store = list(found), FileKeys(folder)
    kinds = {name: Damages(length=len(data), masks=ALL_MASKS) for name, data in found.items()}

    def case(number: int) -> tuple[str, str | None]:
        name = names[number % len(names)]
        damaged = kinds[name].done(found[name], number // len(names))
        (folder / name).write_bytes(damaged.data)
        try:
            value = store.get(name)
        except (KeyStoreLost, KeyStoreUnavailable, NewerFormat):
            return damaged.how, None
        return damaged.how, None if damaged.data == found[name] and value else "wrong: another secret was read"

    return Piece(name="key store", every=max(kind.every for kind in kinds.values()) * len(names), case=case)
