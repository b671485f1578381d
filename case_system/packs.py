"""The programme packs that the case system has, by digest: checked once, kept for every reader.

The pack in force is named by the agency's row; an older one stays readable, because referrals carry the stamp of the pack
that they were made under.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from referral.port import PackDelivery
from referral.programme import PACK_FILES, Programme, load


class Packs:
    """Programmes by digest. `fetch` gives a pack's files (name -> text) from the store."""

    def __init__(self, fetch: Callable[[str], Mapping[str, str]]) -> None:
        self._fetch = fetch
        self._known: dict[str, tuple[Programme, PackDelivery]] = {}

    def programme(self, digest: str) -> Programme:
        """The checked programme of a stored pack."""
        return self._load(digest)[0]

    def delivery(self, digest: str) -> PackDelivery:
        """The pack as it is sent to devices."""
        return self._load(digest)[1]

    def _load(self, digest: str) -> tuple[Programme, PackDelivery]:
        if digest not in self._known:
            files = self._fetch(digest)
            programme = load({name: text.encode() for name, text in files.items()})
            if programme.digest != digest:
                raise RuntimeError("a stored pack does not have its digest")
            self._known[digest] = (
                programme,
                PackDelivery(version=programme.version, digest=programme.digest, files=files),
            )
        return self._known[digest]


def read_folder(folder: Path) -> dict[str, bytes]:
    """The files of a pack in a folder."""
    return {name: (folder / name).read_bytes() for name in PACK_FILES}


def packed(files: Mapping[str, bytes]) -> bytes:
    """The files of a pack as the store keeps them."""
    return zlib.compress(json.dumps({name: files[name].decode() for name in PACK_FILES}).encode(), 9)
