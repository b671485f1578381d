"""A programme pack as somebody sends it: a zip of the pack's folder, opened without trusting anything that it says of itself.

    unpack(data) -> name -> bytes      the five files of a pack, or PackRefused with a stable code

The files lie at the top or in one folder; others in it are left alone. Nothing is written to a disk. What is refused: what is no
zip, a file outside its folder (an absolute path, `..`, a drive, a link), a file twice, a locked file, and whatever is larger
than a pack can be, counted while it is unpacked and not by what the zip claims.
"""

from __future__ import annotations

import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from enum import StrEnum

from referral.programme import PACK_FILES

UPLOAD_LIMIT = 1024 * 1024  # Baltimore's five files are 82 KB, and 20 KB as a zip
ENTRIES_LIMIT = 64
FILE_LIMIT = 2 * 1024 * 1024
WHOLE_LIMIT = 4 * 1024 * 1024
_CHUNK = 64 * 1024


class PackCode(StrEnum):
    """Why a pack is not taken. Stable: pages and tests name them."""

    NO_FILE = "pack_no_file"
    TOO_LARGE = "pack_too_large"
    NOT_A_ZIP = "pack_not_a_zip"
    DAMAGED = "pack_damaged"
    LOCKED = "pack_locked"
    UNSAFE_PATH = "pack_unsafe_path"
    TWICE = "pack_file_twice"
    FILES_MISSING = "pack_files_missing"
    FAULTS = "pack_faults"
    SAME_VERSION = "pack_same_version"
    IN_FORCE = "pack_in_force"
    UNKNOWN = "pack_unknown"


class PackRefused(Exception):
    """The pack is not taken; nothing was kept. lines: what exactly is wrong, a sentence each."""

    def __init__(self, code: PackCode, lines: tuple[str, ...] = ()) -> None:
        super().__init__(code.value)
        self.code, self.lines = code, lines


def unpack(data: bytes) -> Mapping[str, bytes]:
    """The five files of a pack in a zip, else PackRefused."""
    if not data:
        raise PackRefused(PackCode.NO_FILE)
    if len(data) > UPLOAD_LIMIT:
        raise PackRefused(PackCode.TOO_LARGE)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return _files(archive)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError) as error:
        code = PackCode.DAMAGED if data[:2] == b"PK" else PackCode.NOT_A_ZIP
        raise PackRefused(code) from error
    except NotImplementedError as error:  # a compression that nobody uses for a pack
        raise PackRefused(PackCode.DAMAGED) from error


def _files(archive: zipfile.ZipFile) -> Mapping[str, bytes]:
    entries = archive.infolist()
    if len(entries) > ENTRIES_LIMIT:
        raise PackRefused(PackCode.TOO_LARGE)
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        parts = _parts(entry)
        if entry.is_dir() or len(parts) > 2 or parts[-1] not in PACK_FILES:
            continue
        if parts[-1] in found:
            raise PackRefused(PackCode.TWICE, (parts[-1],))
        if entry.flag_bits & 0x1:
            raise PackRefused(PackCode.LOCKED)
        found[parts[-1]] = entry
    missing = tuple(name for name in PACK_FILES if name not in found)
    if missing:
        raise PackRefused(PackCode.FILES_MISSING, missing)
    left = WHOLE_LIMIT
    files: dict[str, bytes] = {}
    for name in PACK_FILES:
        files[name] = _read(archive, found[name], min(FILE_LIMIT, left))
        left -= len(files[name])
    return files


def _parts(entry: zipfile.ZipInfo) -> list[str]:
    name = entry.orig_filename
    parts = name.rstrip("/").split("/")
    linked = stat.S_ISLNK(entry.external_attr >> 16)
    strange = "\\" in name or ":" in name or "\0" in name or not name.isprintable()
    if linked or strange or any(part in ("", ".", "..") for part in parts):
        raise PackRefused(PackCode.UNSAFE_PATH)
    return parts


def _read(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    whole = bytearray()
    with archive.open(entry) as file:
        while chunk := file.read(_CHUNK):
            whole += chunk
            if len(whole) > limit:
                raise PackRefused(PackCode.TOO_LARGE)
    return bytes(whole)
