"""The binding's file: sealed in two parts, damage told from novelty, nothing lost by writing it again."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from field_app.store.binding import Binding
from field_app.store.binding_file import NAME, BindingFile, OwnKeys
from field_app.vault.errors import DamagedRow, NewerFormat
from field_app.vault.vault import DeviceChain
from referral.lifecycle import Role
from referral.model import DeviceId, UserId
from tests.field_app.store.conftest import open_vault, seeded

BINDING = Binding(
    server="https://lead.example.org", device_id=DeviceId("d" * 32), user=UserId("o1"), name="Officer One", role=Role.OFFICER,
    agency="a" * 16, agency_name="LEAD", agency_key=b"\x04" + b"a" * 64, server_key=b"\x04" + b"s" * 64,
    device_key=b"\x04" + b"d" * 64, append_token="append-token", pack="p" * 64,
)  # fmt: skip
KEYS = OwnKeys(signing_key="5" * 64, read_token="read-token")
FROZEN = Path(__file__).resolve().parents[2] / "vectors" / "v1" / "binding_file.json"


def chain() -> DeviceChain:
    return DeviceChain(b"c" * 16, {1: bytearray(b"d" * 32)}, seeded(b"chain"))


@pytest.fixture
def file(tmp_path: Path) -> BindingFile:
    made = BindingFile(tmp_path)
    made.keep(chain(), BINDING)
    made.keep_own(open_vault(), KEYS)
    return made


def test_both_parts_come_back(file: BindingFile) -> None:
    assert file.binding(chain()) == BINDING
    assert file.own_keys(open_vault()) == KEYS


def test_there_may_be_none(tmp_path: Path) -> None:
    none = BindingFile(tmp_path)
    assert none.binding(chain()) is None
    assert none.own_keys(open_vault()) is None
    none.keep_own(open_vault(), KEYS)
    assert list(tmp_path.iterdir()) == []


def test_it_is_written_only_when_it_says_something_else_and_keeps_the_other_part(file: BindingFile) -> None:
    before = file.path.read_bytes()
    file.keep(chain(), BINDING)
    file.keep_own(open_vault(), KEYS)
    assert file.path.read_bytes() == before
    file.keep(chain(), replace(BINDING, wiped=True))
    assert file.binding(chain()) == replace(BINDING, wiped=True)
    assert file.own_keys(open_vault()) == KEYS
    file.keep_own(open_vault(), replace(KEYS, read_token="another"))
    assert file.binding(chain()) == replace(BINDING, wiped=True)


def test_nothing_of_it_can_be_read(file: BindingFile) -> None:
    data = file.path.read_bytes()
    for word in (b"append-token", b"read-token", b"lead.example.org", b"Officer One", b"o1", b"5555"):
        assert word not in data
    assert file.path.stat().st_mode & 0o077 == 0


def test_every_changed_byte_and_every_cut_is_damage(file: BindingFile) -> None:
    whole = file.path.read_bytes()
    for data in [*(whole[:at] + bytes((whole[at] ^ 1,)) + whole[at + 1 :] for at in range(0, len(whole), 3)), *(whole[:at] for at in range(0, len(whole), 41))]:  # fmt: skip
        file.path.write_bytes(data)
        with pytest.raises(DamagedRow):
            file.binding(chain())


def test_a_damaged_file_is_set_aside_before_it_is_written_again(file: BindingFile) -> None:
    whole = file.path.read_bytes()
    damaged = whole[:-3]
    file.path.write_bytes(damaged)
    file.keep(chain(), BINDING)
    assert file.binding(chain()) == BINDING
    assert file.own_keys(open_vault()) is None
    (aside,) = file.path.parent.glob(f"{NAME}.damaged-*")
    assert aside.read_bytes() == damaged


def test_another_devices_file_is_damage(file: BindingFile) -> None:
    other = DeviceChain(b"e" * 16, {1: bytearray(b"e" * 32)}, seeded(b"other"))
    with pytest.raises(DamagedRow):
        file.binding(other)


def test_a_newer_form_is_left_alone(file: BindingFile) -> None:
    data = b"\x02" + hashlib.sha256(b"\x02" + (4).to_bytes(4) + b"abcd").digest()[:8] + (4).to_bytes(4) + b"abcd"
    file.path.write_bytes(data)
    with pytest.raises(NewerFormat):
        file.binding(chain())
    with pytest.raises(NewerFormat):
        file.keep(chain(), BINDING)
    assert file.path.read_bytes() == data


def test_the_released_format_is_read_for_ever(tmp_path: Path) -> None:
    frozen = json.loads(FROZEN.read_text())
    file = BindingFile(tmp_path)
    file.path.write_bytes(bytes.fromhex(frozen["file"]))
    assert file.binding(chain()) == BINDING
    assert file.own_keys(open_vault()) == KEYS
