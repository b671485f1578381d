"""The manifest notices every row that is missing, added, swapped or old."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from field_app.vault.errors import DamagedManifest, NewerFormat, RolledBack, RowsDiffer
from field_app.vault.manifest import Entry
from field_app.vault.vault import Manifest, Sealed, Vault
from tests.field_app.vault.conftest import seeded


def fresh(seed: bytes = b"manifest") -> Vault:
    return Vault(b"v" * 16, {1: bytearray(b"m" * 32)}, seeded(seed))


def rows_of(vault: Vault, n: int) -> list[Sealed]:
    return [vault.seal_row("records", vault.new_id(), 0, 1, b"{}") for _ in range(n)]


@given(st.integers(0, 12))
def test_order_does_not_matter(n: int) -> None:
    vault = fresh()
    rows = rows_of(vault, n)
    manifest = vault.manifest("records")
    stored = manifest.start(rows)
    assert manifest.verify(stored, reversed(rows)).n == n
    one_by_one = manifest.start()
    for row in rows:
        one_by_one = manifest.update(one_by_one, added=[row])
    assert manifest.read(one_by_one).total == manifest.read(stored).total
    assert manifest.read(one_by_one).generation == n


def test_missing_added_doubled_swapped_and_old_rows() -> None:
    vault = fresh()
    rows = rows_of(vault, 3)
    manifest = vault.manifest("records")
    before = manifest.start(rows)
    newer = vault.seal_row("records", rows[0].id, 1, 1, b"{}")
    stored = manifest.update(before, removed=[rows[0]], added=[newer])
    now = [newer, *rows[1:]]
    assert manifest.verify(stored, now).generation == 1
    wrong: list[list[Sealed]] = [
        now[1:],
        [*now, *rows_of(vault, 1)],
        [*now, now[0]],
        [now[0], now[0], now[1]],
        rows,
        [],
        [replace(now[0], id=now[1].id), replace(now[1], id=now[0].id), now[2]],
        [replace(now[0], rev=7), *now[1:]],
    ]
    for found in wrong:
        with pytest.raises(RowsDiffer):
            manifest.verify(stored, found)
    with pytest.raises(RowsDiffer):
        manifest.verify(before, now)


def test_every_flipped_byte_and_every_cut_is_noticed() -> None:
    manifest = fresh().manifest("records")
    stored = manifest.start()
    for at in range(len(stored)):
        for mask in (1, 0x80, 0xFF):
            with pytest.raises((DamagedManifest, NewerFormat)):
                manifest.read(stored[:at] + bytes((stored[at] ^ mask,)) + stored[at + 1 :])
        with pytest.raises(DamagedManifest):
            manifest.update(stored[:at])
    with pytest.raises(NewerFormat):
        manifest.read(b"\x02" + stored[1:])


def test_an_older_file_is_an_alarm_only_if_the_mirror_is_ahead() -> None:
    vault = fresh()
    manifest = vault.manifest("records")
    old = manifest.start()
    new = manifest.update(old)
    assert manifest.verify(new, [], mirror=1).generation == 1
    assert manifest.verify(new, [], mirror=0).generation == 1
    with pytest.raises(RolledBack) as alarm:
        manifest.verify(old, [], mirror=1)
    assert (alarm.value.generation, alarm.value.mirror) == (0, 1)
    with pytest.raises(RowsDiffer):  # damage is told before age
        manifest.verify(old, rows_of(vault, 1), mirror=1)


def test_one_book_never_passes_for_another() -> None:
    vault = fresh()
    outbox, receipts = vault.manifest("outbox"), vault.manifest("receipts")
    with pytest.raises(DamagedManifest):
        receipts.read(outbox.start())
    other = Vault(b"w" * 16, {1: bytearray(b"m" * 32)}, seeded())
    with pytest.raises(DamagedManifest):
        other.manifest("outbox").read(outbox.start())


def test_rows_sealed_elsewhere_are_counted_by_what_they_commit_to() -> None:
    manifest = fresh().manifest("outbox")
    entry = Entry(id=b"op" * 8, rev=0, tag=b"f" * 32)
    stored = manifest.start([entry])
    assert manifest.verify(stored, [entry]).n == 1
    for changed in (replace(entry, tag=b"g" * 32), replace(entry, rev=1), replace(entry, id=b"po" * 8)):
        with pytest.raises(RowsDiffer):
            manifest.verify(stored, [changed])
    with pytest.raises(RowsDiffer):
        manifest.verify(stored, [replace(entry, rev=-1)])


def test_more_cannot_go_than_there_is() -> None:
    manifest = fresh().manifest("outbox")
    with pytest.raises(ValueError, match="more rows"):
        manifest.update(manifest.start(), removed=[Entry(id=b"i", rev=0, tag=b"t")])


def test_after_a_key_rotation_the_book_starts_over_at_the_next_generation() -> None:
    old = Vault(b"v" * 16, {1: bytearray(b"a" * 32)}, seeded())
    stored = old.manifest("b").update(old.manifest("b").start())
    both = Vault(b"v" * 16, {1: bytearray(b"a" * 32), 2: bytearray(b"b" * 32)}, seeded())
    manifest: Manifest = both.manifest("b")
    assert manifest.read(stored).key_epoch == 1
    rebuilt = manifest.start([], generation=manifest.read(stored).generation + 1)
    assert (manifest.read(rebuilt).key_epoch, manifest.read(rebuilt).generation) == (2, 2)
    with pytest.raises(DamagedManifest):
        old.manifest("b").read(rebuilt)


class VaultAgainstDict(RuleBasedStateMachine):
    """Any run of inserts, changes and deletions leaves rows and manifest in agreement with a plain dict."""

    def __init__(self) -> None:
        super().__init__()
        self.vault = fresh()
        self.manifest = self.vault.manifest("records")
        self.stored = self.manifest.start()
        self.rows: dict[bytes, Sealed] = {}
        self.model: dict[bytes, bytes] = {}
        self.writes = 0

    def write(self, removed: list[Sealed], added: list[Sealed]) -> None:
        self.stored = self.manifest.update(self.stored, removed=removed, added=added)
        self.writes += 1
        for row in removed:
            del self.rows[row.id]
        self.rows.update({row.id: row for row in added})

    @rule(content=st.binary(max_size=300))
    def insert(self, content: bytes) -> None:
        row = self.vault.seal_row("records", self.vault.new_id(), 0, 1, content)
        self.model[row.id] = content
        self.write([], [row])

    @precondition(lambda self: self.rows)
    @rule(data=st.data(), content=st.binary(max_size=300))
    def change(self, data: st.DataObject, content: bytes) -> None:
        old = self.rows[data.draw(st.sampled_from(sorted(self.rows)))]
        self.model[old.id] = content
        self.write([old], [self.vault.seal_row("records", old.id, old.rev + 1, 1, content)])

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        old = self.rows[data.draw(st.sampled_from(sorted(self.rows)))]
        del self.model[old.id]
        self.write([old], [])

    @invariant()
    def agrees(self) -> None:
        state = self.manifest.verify(self.stored, self.rows.values())
        assert (state.n, state.generation) == (len(self.model), self.writes)
        assert {row.id: self.vault.open_row("records", row) for row in self.rows.values()} == self.model


TestVaultAgainstDict = VaultAgainstDict.TestCase
