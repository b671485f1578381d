"""Frozen bytes: published vectors for the primitives, and the vault's own formats against recipe and app."""

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from field_app.vault import keystores
from field_app.vault.attempts import AttemptFile, Attempts
from field_app.vault.door import Unlocked, VaultDoor, open_device_chain
from field_app.vault.keys import Header, Kdf, StoreName, canonical, derive_key, unwrap, wrap
from field_app.vault.keystores import FileKeys, MemoryKeys
from field_app.vault.manifest import Entry
from field_app.vault.vault import DeviceChain, Sealed, Vault
from tests.field_app.vault import recipe
from tests.field_app.vault.conftest import NOON, seeded

FOLDER = Path(__file__).parents[2] / "vectors" / "v1"


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((FOLDER / name).read_text())
    return document


PRIMITIVES, V = load("vault_primitives.json"), load("vault_formats.json")
VAULT_ID, DK = bytes.fromhex(V["vault_id"]), bytes.fromhex(V["device_key"])
MASTERS = {int(epoch): bytes.fromhex(key) for epoch, key in V["masters"].items()}


def once(*draws: bytes) -> Any:
    """A source of exactly these bytes."""
    left = iter(draws)
    return lambda size: next(left)


def vault() -> Vault:
    return Vault(VAULT_ID, {1: bytearray(MASTERS[1])}, once(bytes.fromhex(V["row"]["nonce"])))


def row() -> Sealed:
    v = V["row"]
    return Sealed(id=bytes.fromhex(v["id"]), rev=v["rev"], key_epoch=v["key_epoch"], box=bytes.fromhex(v["box"]))


@pytest.mark.parametrize("case", PRIMITIVES["scrypt"]["cases"])
def test_scrypt_rfc_7914(case: dict[str, Any]) -> None:
    kdf = Kdf(name="scrypt", cost={name: case[name] for name in "nrp"}, salt=case["salt"].encode())
    assert kdf.stretch(case["password"].encode()).hex() == case["key"]


@pytest.mark.parametrize("case", PRIMITIVES["hkdf"]["cases"])
def test_hkdf_rfc_5869(case: dict[str, str]) -> None:
    ikm, salt, info, okm = (bytes.fromhex(case[name]) for name in ("ikm", "salt", "info", "okm"))
    assert recipe.hkdf(ikm, salt, info, len(okm)) == okm


def test_the_apps_hkdf_and_canonical_bytes_are_the_recipes() -> None:
    values: tuple[bytes | str | int, ...] = (7, "text", b"bytes", "", b"")
    assert canonical("label", *values) == recipe.fields("label", *values)
    assert derive_key(DK, b"salt", "label", *values) == recipe.hkdf(DK, b"salt", recipe.fields("label", *values))


@pytest.mark.parametrize("case", PRIMITIVES["gcm"]["cases"])
def test_aes_256_gcm(case: dict[str, str]) -> None:
    key, nonce, plaintext, aad, ct = (bytes.fromhex(case[name]) for name in ("key", "nonce", "plaintext", "aad", "ct"))
    assert AESGCM(key).encrypt(nonce, plaintext, aad) == ct
    assert AESGCM(key).decrypt(nonce, ct, aad) == plaintext


def test_the_recipe_makes_the_frozen_headers() -> None:
    v = V["header_input"]
    ct = recipe.slot_ct(
        vault_id=VAULT_ID,
        store=v["store"],
        epoch=v["key_epoch"],
        slot=v["slot"],
        pin=V["pin"].encode(),
        dk=DK,
        n=v["n"],
        salt=bytes.fromhex(v["salt"]),
        nonce=bytes.fromhex(v["nonce"]),
        masters=[(1, MASTERS[1])],
    )
    assert ct.hex() in V["header"]
    v = V["header_two_epochs_input"]
    ct = recipe.slot_ct(
        vault_id=VAULT_ID,
        store=v["store"],
        epoch=v["key_epoch"],
        slot=v["slot"],
        pin=b"",
        dk=DK,
        n=None,
        salt=b"",
        nonce=bytes.fromhex(v["nonce"]),
        masters=[(2, MASTERS[2]), (1, MASTERS[1])],
    )
    assert ct.hex() in V["header_two_epochs"]


@pytest.mark.parametrize("name", ["header", "header_two_epochs", "header_destroyed"])
def test_the_app_reads_and_writes_the_frozen_headers(name: str) -> None:
    assert Header.from_bytes(V[name].encode()).to_bytes() == V[name].encode()


def test_the_app_wraps_as_frozen() -> None:
    v = V["header_input"]
    bare = Header(vault_id=VAULT_ID, store=StoreName(v["store"]), key_epoch=1, slots=())
    kdf, nonce = Kdf.scrypt(v["n"], bytes.fromhex(v["salt"])), bytes.fromhex(v["nonce"])
    made = wrap(bare, v["slot"], kdf, {1: bytearray(MASTERS[1])}, V["pin"].encode(), DK, once(nonce))
    assert made.to_bytes() == V["header"].encode()


def test_the_app_unwraps_two_epochs_as_frozen() -> None:
    header = Header.from_bytes(V["header_two_epochs"].encode())
    assert unwrap(header, header.slots[0], b"", DK) == MASTERS


def test_a_frozen_vault_unlocks_and_reads_its_row(tmp_path: Path) -> None:
    (tmp_path / "vault.header").write_bytes(V["header"].encode())
    AttemptFile(tmp_path / "attempts").save(bytes.fromhex(V["attempts"]["record"]))
    keys = MemoryKeys(StoreName.KEYRING)
    keys.secrets[f"vault.{V['vault_id']}.key"] = DK
    door = VaultDoor(
        header=tmp_path / "vault.header",
        keystores=[keys],
        place=AttemptFile(tmp_path / "attempts"),
        random_bytes=seeded(),
        scrypt_n=2,
        minimum_n=2,
    )
    outcome = door.unlock(V["pin"], now=NOON, release_after=None)
    assert isinstance(outcome, Unlocked)
    assert outcome.vault.open_row(V["row"]["table"], row()) == V["row"]["plaintext"].encode()


def test_a_frozen_device_chain_opens_from_key_files(tmp_path: Path) -> None:
    (tmp_path / "device.header").write_bytes(V["header_two_epochs"].encode())
    (tmp_path / f"vault.{V['vault_id']}.key").write_bytes(bytes.fromhex(V["key_store"]["file"]))
    chain = open_device_chain(tmp_path / "device.header", [FileKeys(tmp_path)], seeded())
    assert isinstance(chain, DeviceChain)
    assert chain.open_blob(V["blob"]["name"], bytes.fromhex(V["blob"]["blob"])) == V["blob"]["plaintext"].encode()
    assert chain.key_epoch == 2


def test_rows_and_blobs() -> None:
    v, nonce = V["row"], bytes.fromhex(V["row"]["nonce"])
    made = vault().seal_row(v["table"], bytes.fromhex(v["id"]), v["rev"], v["schema"], v["plaintext"].encode())
    assert made == row()
    assert made.schema == v["schema"]
    assert vault().open_row(v["table"], row()) == v["plaintext"].encode()
    by_hand = recipe.row_box(
        master=MASTERS[1],
        vault_id=VAULT_ID,
        epoch=1,
        table=v["table"],
        row_id=bytes.fromhex(v["id"]),
        rev=v["rev"],
        schema=v["schema"],
        nonce=nonce,
        plaintext=v["plaintext"].encode(),
    )
    assert by_hand.hex() == v["box"]
    assert vault().seal_blob(V["blob"]["name"], V["blob"]["plaintext"].encode()).hex() == V["blob"]["blob"]


def test_manifests() -> None:
    v = V["manifest"]
    entry = Entry(id=bytes.fromhex(v["entry"]["id"]), rev=v["entry"]["rev"], tag=bytes.fromhex(v["entry"]["tag"]))
    members = [(row().id, row().rev, row().tag), (entry.id, entry.rev, entry.tag)]
    stored = bytes.fromhex(v["stored"])
    by_hand = recipe.manifest(
        master=MASTERS[1], vault_id=VAULT_ID, epoch=1, book=v["book"], generation=v["generation"], rows=members
    )
    assert by_hand == stored == vault().manifest(v["book"]).start([entry, row()], generation=v["generation"])
    assert vault().manifest(v["book"]).verify(stored, [row(), entry], mirror=5).n == 2


def test_attempt_records() -> None:
    v = dict(V["attempts"])
    record = bytes.fromhex(v.pop("record"))
    assert recipe.attempts(**v) == Attempts(**v).to_bytes() == record
    assert Attempts.from_bytes(record) == Attempts(**v)


def test_key_store_forms() -> None:
    v, value = V["key_store"], bytes.fromhex(V["key_store"]["value"])
    assert recipe.key_text(value) == keystores._to_text(value) == v["text"]
    assert keystores._from_text(v["text"]) == value
    assert recipe.key_file(value).hex() == v["file"]
