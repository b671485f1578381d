"""The offline copy of a key folder: every key file in one encrypted file, and back into an empty folder.

    strongbox file that holds "keys"; inside, canonical JSON {"format": "lead-keys/1", "files": {name: text}}

Only files whose names a key folder has are written or taken. Must not know: the database.
"""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path
from typing import BinaryIO, cast

from case_system.keyfolder import KeyFolder, KeyFolderError
from case_system.ports import RandomBytes
from case_system.strongbox import BoxError, Opening, Passphrase, Sealing
from referral.codec import canonical

FORMAT = "lead-keys/1"
HOLDS = "keys"
_NAME = re.compile(r"(agency-\d{4}-[0-9a-f]{16}|server|storage|index|push)\.key\Z|retired\.txt\Z")


def write(folder: KeyFolder, target: Path, lock: Passphrase, rng: RandomBytes) -> list[str]:
    """Write the copy (a new file, readable by its owner only); the names of what is in it."""
    files = {p.name: p.read_text(encoding="ascii") for p in sorted(folder.folder.iterdir()) if _NAME.match(p.name)}
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as raw:
        box = Sealing(raw, lock, HOLDS, rng)
        box.write(canonical({"format": FORMAT, "files": files}))
        box.finish()
        raw.flush()
        os.fsync(raw.fileno())
    return list(files)


def read(source: Path, folder: Path, key: Passphrase) -> list[str]:
    """Put the keys into a folder that has none, and check that they are whole; their names."""
    with source.open("rb") as raw:
        text = io.BufferedReader(cast(io.RawIOBase, Opening(cast(BinaryIO, raw), key, HOLDS))).read()
    document = json.loads(text)
    if document.get("format") != FORMAT or not all(_NAME.match(name) for name in document["files"]):
        raise BoxError("the file holds keys of a later version")
    if folder.exists() and any(_NAME.match(path.name) for path in folder.iterdir()):
        raise KeyFolderError("there are keys in this folder already")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    for name, said in document["files"].items():
        with os.fdopen(
            os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii"
        ) as file:
            file.write(said)
            file.flush()
            os.fsync(file.fileno())
    KeyFolder(folder)
    return list(document["files"])
