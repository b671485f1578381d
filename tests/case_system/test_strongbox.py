"""Encrypted files: nothing can be read, changed, cut off or put together without the key, and the format is frozen."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from case_system import key_copies
from case_system.cli import main
from case_system.keyfolder import KeyFolder, KeyFolderError
from case_system.strongbox import (
    MAGIC,
    PIECE,
    TAG,
    BoxError,
    FolderKey,
    Key,
    Lock,
    Opening,
    Passphrase,
    Sealing,
    identity,
    new_identity,
    recipient,
)
from tests.support.repository import ROOT

SPOKEN = Passphrase(text="invented passphrase", n=2**10)
FOLDER = FolderKey(storage_key=b"k" * 32)
FROZEN = ROOT / "tests" / "vectors" / "v1" / "strongbox.json"


def sealed(data: bytes, lock: Lock = SPOKEN, holds: str = "backup") -> bytes:
    """The file of some bytes."""
    file = io.BytesIO()
    box = Sealing(file, lock, holds, os.urandom)
    for start in range(0, len(data), 50_000):
        box.write(data[start : start + 50_000])
    box.finish()
    return file.getvalue()


def opened(file: bytes, key: Key = SPOKEN, holds: str = "backup") -> bytes:
    """What is in it."""
    return io.BufferedReader(cast(io.RawIOBase, Opening(cast(BinaryIO, io.BytesIO(file)), key, holds))).read()


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
@pytest.mark.parametrize("lock", [SPOKEN, FOLDER], ids=["passphrase", "folder"])
def test_what_goes_in_comes_out(lock: Passphrase | FolderKey, size: int) -> None:
    data = os.urandom(size)
    assert opened(sealed(data, lock), lock) == data
    assert data[:40] not in sealed(data, lock) or size < 2


def test_only_the_private_half_opens_what_was_sealed_for_a_public_key() -> None:
    private, public = new_identity("another passphrase")
    file = sealed(b"Robin Sample", recipient(public))
    assert opened(file, identity(private, "another passphrase")) == b"Robin Sample"
    other, _ = new_identity("another passphrase")
    with pytest.raises(BoxError, match="another key"):
        opened(file, identity(other, "another passphrase"))
    for bad in ((private, "wrong passphrase"), (public, "another passphrase")):
        with pytest.raises(BoxError):
            identity(*bad)
    with pytest.raises(BoxError):
        recipient(private)


def test_every_changed_byte_every_cut_and_every_exchange_is_seen() -> None:
    data = os.urandom(2 * PIECE + 100)
    file = sealed(data)
    start = len(MAGIC) + 4 + int.from_bytes(file[len(MAGIC) : len(MAGIC) + 4], "big")
    one, two = file[start : start + PIECE + TAG], file[start + PIECE + TAG : start + 2 * (PIECE + TAG)]
    last = file[start + 2 * (PIECE + TAG) :]
    harmed = [file[:start] + two + one + last, file[:start] + one + last, file[:start] + one + two, file + b"x", file[:-1], file[:start], b""]  # fmt: skip
    harmed += [file[:at] + bytes([file[at] ^ 1]) + file[at + 1 :] for at in (*range(start), start, start + PIECE, len(file) - 1)]  # fmt: skip
    for bad in harmed:
        with pytest.raises(BoxError):
            opened(bad)


def test_another_key_another_use_and_greed_are_refused() -> None:
    file = sealed(b"content")
    for key, holds in ((Passphrase(text="wrong passphrase"), "backup"), (FOLDER, "backup"), (SPOKEN, "keys")):
        with pytest.raises(BoxError):
            opened(file, key, holds)
    greedy = file.replace(b'"n":1024', b'"n":9999999')
    size = int.from_bytes(file[8:12], "big") + len(greedy) - len(file)
    with pytest.raises(BoxError, match="more work"):
        opened(greedy[:8] + size.to_bytes(4, "big") + greedy[12:])
    with pytest.raises(ValueError, match="12"):
        Passphrase(text="short")


def test_the_frozen_files_open_for_ever() -> None:
    vector = json.loads(FROZEN.read_text(encoding="utf-8"))
    private = identity(vector["private"].encode(), vector["passphrase"])
    keys: dict[str, Key] = {"passphrase": Passphrase(text=vector["passphrase"]), "folder": FolderKey(storage_key=bytes.fromhex(vector["storage_key"])), "recipient": private}  # fmt: skip
    for how, key in keys.items():
        assert opened(bytes.fromhex(vector["files"][how]), key) == vector["content"].encode()


def test_keys_travel_encrypted_and_whole(tmp_path: Path) -> None:
    made = KeyFolder.create(tmp_path / "keys", os.urandom)
    made.retire(next(iter(made.agency_keys)).hex()) if made.rotate() else None
    names = key_copies.write(made, tmp_path / "copy", SPOKEN, os.urandom)
    assert made.storage_key.hex().encode() not in (tmp_path / "copy").read_bytes()
    with pytest.raises(FileExistsError):
        key_copies.write(made, tmp_path / "copy", SPOKEN, os.urandom)
    assert key_copies.read(tmp_path / "copy", tmp_path / "again", SPOKEN) == names
    again = KeyFolder(tmp_path / "again")
    assert (again.storage_key, set(again.agency_keys), again.retired) == (
        made.storage_key,
        set(made.agency_keys),
        made.retired,
    )
    with pytest.raises(KeyFolderError):
        key_copies.read(tmp_path / "copy", tmp_path / "again", SPOKEN)
    with pytest.raises(BoxError):
        key_copies.read(tmp_path / "copy", tmp_path / "third", Passphrase(text="wrong passphrase"))


def test_backups_are_encrypted_unless_asked_otherwise(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*words: object, code: int = 0) -> str:
        assert main(["--db", str(tmp_path / "case.db"), *map(str, words)]) == code
        said = capsys.readouterr()
        return said.err if code else said.out

    (tmp_path / "pass").write_text("invented passphrase\nsecond line\n", encoding="utf-8")
    spoken = ("--passphrase-file", tmp_path / "pass")
    run("init")
    run("user", "add", "casey-invented", "--role", "officer")
    run("keys", "recipient", tmp_path / "pair", *spoken)
    made = {"folder": (), "spoken": spoken, "to": ("--to", tmp_path / "pair.pub"), "plain": ("--plain",)}
    opens = {"folder": (), "spoken": spoken, "to": ("--identity", tmp_path / "pair", *spoken), "plain": ()}
    for name, how in made.items():
        run("backup", tmp_path / name, *how)
        assert (tmp_path / name).read_bytes().startswith(MAGIC) == (name != "plain")
        run("restore", tmp_path / name, "--replace", *opens[name])
        assert "casey-invented" in run("user", "list")
    assert "opens with a passphrase" in run("restore", tmp_path / "spoken", "--replace", code=1)
    assert "opens with a private key" in run("restore", tmp_path / "to", "--replace", *spoken, code=1)
    assert "--passphrase-file" in run("restore", tmp_path / "to", "--replace", "--identity", tmp_path / "pair", code=1)
    harmed = bytearray((tmp_path / "folder").read_bytes())
    harmed[-1] ^= 1
    (tmp_path / "folder").write_bytes(harmed)
    run("restore", tmp_path / "folder", "--replace", code=1)
    assert "casey-invented" in run("user", "list")  # nothing was changed
    run("keys", "export", tmp_path / "keys.box", *spoken)
    other = ("--keys", tmp_path / "other-keys")
    run("keys", "import", tmp_path / "keys.box", *spoken, *other)
    assert "officer" in run("user", "list", *other)
