"""The CI figure of T6, and that the part sees what it is there for: each seeded defect must be found."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from field_app.store import database, outbox, records
from field_app.vault import attempts, keystores
from field_app.vault.keys import Header, Slot, StoreName
from referral import envelope
from tests.faults.corruption import part, verdict
from tests.faults.corruption.damage import FEW_MASKS, PAGE, SECTOR, Damages
from tests.faults.corruption.part import PART, kinds, run
from tests.proof.part import in_ci, require_clean, stretches


@pytest.fixture(autouse=True)
def _made() -> None:
    """The images are made by whole code, before any test breaks it."""
    kinds()


@pytest.mark.parametrize(("first", "count"), in_ci(PART, 8))
def test_nothing_wrong_is_shown_and_nothing_is_missing_without_a_word(first: int, count: int) -> None:
    require_clean(PART, run(first, count))


@pytest.mark.parametrize("case", [145_813, 930_846])
def test_what_the_release_figure_found_once(case: int) -> None:
    require_clean(PART, run(case, 1))


def sentences(kind: str, numbers: Iterator[int] | range) -> Iterator[str]:
    """What the cases of one kind complain of, one by one as they are done."""
    case = kinds()[kind].case
    return (said for n in numbers if (said := case(n)[1]) is not None)


def test_a_manifest_that_counts_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("field_app.vault.manifest.compare", lambda *args: None)
    assert any("silent" in said for said in sentences("rows", range(150)))


def test_rows_that_open_without_their_place_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("field_app.vault.manifest.compare", lambda *args: None)
    seen = records.Records._opened

    def trusting(self: Any, row_id: bytes, shelf: str, rev: int, key_epoch: int, box: bytes) -> Any:
        for known in self.__dict__.setdefault("_seen_rows", {}).values():
            if known.tag == box[-16:]:
                return known
        row = seen(self, row_id, shelf, rev, key_epoch, box)
        self.__dict__["_seen_rows"][row_id] = row
        return row

    monkeypatch.setattr(records.Records, "_opened", trusting)
    assert any(sentences("rows", range(150)))


def test_a_log_whose_end_is_given_up_in_silence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "keep_unread", lambda *args: None)
    assert any("deleted" in said or "silent" in said for said in sentences("log", range(60)))


def test_sealed_bytes_that_nobody_checks_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox.Outbox, "unsound", lambda *args: ())
    assert any("sealed bytes" in said for said in sentences("rows", range(1155)) if "exchanged" not in said)


def test_a_signature_that_is_not_checked_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope.VerifyKey, "verify", lambda *args: None)
    assert any("wrong" in said for said in sentences("envelope", range(300)))


def test_a_header_that_is_believed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def believing(data: bytes) -> Header:
        document: Mapping[str, Any] = json.loads(data.partition(b"\n")[0])
        slots: tuple[Slot, ...] = ()
        return Header(vault_id=b"", store=StoreName(document["store"]), key_epoch=1, slots=slots)

    monkeypatch.setattr(Header, "from_bytes", staticmethod(believing))
    with pytest.raises((ValueError, UnicodeDecodeError, KeyError)):  # an exception of no tree ends the case
        list(sentences("header", range(2000)))


def test_counters_that_start_afresh_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "load", lambda places, now: attempts.Attempts())
    assert any(sentences("attempts", range(3)))


def test_a_key_file_without_its_check_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keystores.FileKeys, "get", lambda self, name: (self._folder / name).read_bytes()[9:])
    assert any(sentences("key store", range(200)))


def test_a_fault_of_no_tree_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def surprising(*args: Any) -> Any:
        raise OverflowError("no caller expects this")

    monkeypatch.setattr(outbox, "select", surprising)
    assert any("surprise" in said for said in sentences("rows", range(3)))


def test_a_recreated_database_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The classic: what does not open is thrown away and made anew."""
    whole: Callable[..., None] = database.Store.__init__

    def recreating(self: Any, path: Any, **more: Any) -> None:
        try:
            whole(self, path, **more)
        except database.StoreDamaged:
            path.write_bytes(b"")
            whole(self, path, **more)

    monkeypatch.setattr(database.Store, "__init__", recreating)
    assert any("deleted" in said for said in sentences("database", range(300)))


def test_every_single_damage_is_met_once() -> None:
    kind = Damages(length=SECTOR + 3, masks=FEW_MASKS)
    data = bytes(range(256)) * 2 + b"end"
    done = [kind.done(data, n).data for n in range(kind.every)]
    flips = {n for n, other in enumerate(done) if len(other) == len(data) and sum(a != b for a, b in zip(data, other, strict=True)) == 1}  # fmt: skip
    assert len(flips) >= len(data) * len(FEW_MASKS)
    assert {len(other) for other in done} == set(range(len(data) + 1))
    assert all(kind.done(data, n) == kind.done(data, n) for n in range(kind.every, kind.every + 50))


def test_pages_are_swapped_whole() -> None:
    kind = Damages(length=2 * PAGE, masks=(), page=True)
    data = b"a" * PAGE + b"b" * PAGE
    swapped = [kind.done(data, n) for n in range(kind.every)]
    assert any(done.how == "page swap" and done.data == data[PAGE:] + data[:PAGE] for done in swapped)


def test_the_release_figure_finishes_every_list() -> None:
    left = dict.fromkeys(kinds(), 0)
    for first, _ in stretches(part.RELEASE, 1):
        if first < part.CI:
            name, n = part.which(first)[0].name, part.which(first)[1]
            left[name] = max(left[name], n + 1)
    needed = sum(max(0, piece.every - left[name]) for name, piece in kinds().items())
    assert needed <= part.RELEASE - part.CI


def test_words_are_matched_to_what_they_speak_of() -> None:
    assert not verdict.OF_ROWS & {"doctor.envelope_files", "gate"}
