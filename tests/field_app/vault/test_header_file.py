"""The header and its copy: one bad sector ends no vault, and nothing damaged is written over."""

from pathlib import Path

import pytest

from field_app.vault import files, header_file
from field_app.vault.door import Destroyed, Unlocked, WrongPin, create_device_chain, open_device_chain
from field_app.vault.errors import DamagedHeader, NewerFormat, NotRead, NotWritten
from field_app.vault.header_file import copy_of, mend, read_header
from field_app.vault.keys import Header
from field_app.vault.vault import DeviceChain
from tests.field_app.vault.conftest import PIN, Device


def damage(path: Path) -> bytes:
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(data)
    return bytes(data)


@pytest.mark.parametrize("harm", ["damaged", "gone", "empty"])
@pytest.mark.parametrize("which", ["header", "copy"])
def test_one_bad_header_ends_no_vault(device: Device, harm: str, which: str) -> None:
    whole = device.header.read_bytes()
    path = device.header if which == "header" else copy_of(device.header)
    if harm == "gone":
        path.unlink()
    elif harm == "empty":
        path.write_bytes(b"")
    else:
        damage(path)
    assert isinstance(device.unlock(), Unlocked)
    assert mend(device.header) is (which == "header")
    assert device.header.read_bytes() == copy_of(device.header).read_bytes() == whole
    assert mend(device.header) is False
    aside = list(device.folder.glob("*.damaged-*"))
    assert len(aside) == (harm != "gone")


def test_what_was_damaged_is_kept_as_it_was(device: Device) -> None:
    found = damage(device.header)
    mend(device.header)
    (aside,) = device.folder.glob("*.damaged-*")
    assert aside.read_bytes() == found
    assert aside.name.startswith(device.header.name)


def test_two_bad_headers_are_told_and_left_alone(device: Device) -> None:
    found = damage(device.header), damage(copy_of(device.header))
    for act in (device.unlock, lambda: mend(device.header)):
        with pytest.raises(DamagedHeader):
            act()
    assert (device.header.read_bytes(), copy_of(device.header).read_bytes()) == found


def test_a_newer_header_is_never_overruled_by_an_older_copy(device: Device) -> None:
    import hashlib

    line = device.header.read_bytes().split(b"\n")[0].replace(b'"format":1', b'"format":2')
    newer = line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"
    device.header.write_bytes(newer)
    for act in (device.unlock, lambda: mend(device.header)):
        with pytest.raises(NewerFormat):
            act()
    assert device.header.read_bytes() == newer


def test_a_new_pin_is_in_both(device: Device) -> None:
    assert isinstance(device.change_pin(PIN, "582931"), Unlocked)
    assert device.header.read_bytes() == copy_of(device.header).read_bytes()
    damage(device.header)
    assert isinstance(device.unlock("582931"), Unlocked)
    assert isinstance(device.unlock(PIN), WrongPin)


def changed_with_the_old_copy_left(device: Device, monkeypatch: pytest.MonkeyPatch) -> tuple[bytes, bytes]:
    """A new PIN of which the copy was not told; both files."""
    write = files.write_durably

    def full(path: Path, data: bytes) -> None:
        if path == copy_of(device.header):
            raise NotWritten("full", disk_full=True)
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(header_file, "write_durably", full)
        assert isinstance(device.change_pin(PIN, "582931"), Unlocked)
    return device.header.read_bytes(), copy_of(device.header).read_bytes()


def test_a_copy_that_a_crash_left_behind_is_brought_in_step(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    new, old = changed_with_the_old_copy_left(device, monkeypatch)
    assert new != old
    assert mend(device.header) is False
    assert copy_of(device.header).read_bytes() == device.header.read_bytes() == new


def unreadable(monkeypatch: pytest.MonkeyPatch, path: Path, *, times: int) -> None:
    """Let the next reads of this file fail, as when no file can be opened or its sector is bad."""
    read, left = files.read_whole, [times]

    def fails(asked: Path) -> bytes | None:
        if asked == path and left[0]:
            left[0] -= 1
            raise NotRead("Too many open files")
        return read(asked)

    monkeypatch.setattr(header_file, "read_whole", fails)


@pytest.mark.parametrize("which", ["header", "copy"])
def test_one_that_cannot_be_read_now_is_not_written_over(
    device: Device, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    found = changed_with_the_old_copy_left(device, monkeypatch)
    with monkeypatch.context() as patch:
        unreadable(patch, device.header if which == "header" else copy_of(device.header), times=1)
        assert mend(device.header) is False
        assert (device.header.read_bytes(), copy_of(device.header).read_bytes()) == found
    assert mend(device.header) is False
    assert device.header.read_bytes() == copy_of(device.header).read_bytes() == found[0] != found[1]
    assert isinstance(device.unlock("582931"), Unlocked)


def test_a_sector_that_is_never_read_again_keeps_nobody_out(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    unreadable(monkeypatch, device.header, times=99)
    assert mend(device.header) is False
    assert isinstance(device.unlock(), Unlocked)
    assert isinstance(device.change_pin(PIN, "582931"), Unlocked)  # which writes it anew, elsewhere on the disk
    assert copy_of(device.header).read_bytes() == device.header.read_bytes()


def test_destruction_reaches_the_copy_first(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    write = files.write_durably

    class Killed(BaseException):
        pass

    def die(path: Path, data: bytes) -> None:
        write(path, data)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(header_file, "write_durably", die)
        with pytest.raises(Killed):
            device.door().destroy()
    assert Header.from_bytes(copy_of(device.header).read_bytes()).slots == ()
    assert isinstance(device.unlock(), Unlocked)  # as if it had not begun; the order is given again
    device.door().destroy()
    damage(device.header)
    assert device.unlock() == Destroyed()


def test_the_device_chain_has_a_copy_too(device: Device) -> None:
    path = device.folder / "chain.json"
    blob = create_device_chain(path, [device.keys], device.random_bytes).seal_blob("token", b"t0ken")
    path.unlink()
    chain = open_device_chain(path, [device.keys], device.random_bytes)
    assert isinstance(chain, DeviceChain)
    assert chain.open_blob("token", blob) == b"t0ken"
    assert mend(path)
    assert read_header(path) is not None
    assert path.exists()


def test_nothing_is_made_of_nothing(tmp_path: Path) -> None:
    assert mend(tmp_path / "header.json") is False
    assert list(tmp_path.iterdir()) == []
