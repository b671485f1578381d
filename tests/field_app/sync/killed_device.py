"""A device in a process of its own that saves and delivers until it is killed: `python -m tests.field_app.sync.killed_device FOLDER`.

Prints `saved OP_ID` after each save is durable, and `round` after each request. Everything it needs lies in the folder.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from field_app.sync.http import HttpCaseSystem
from field_app.vault.keystores import FileKeys
from referral.envelope import DeviceSigningKey, ServerPublicKey
from referral.model import DeviceId
from referral.port import AgencyKey
from tests.field_app.sync.rig import Rig


def open_rig(folder: Path, seed: int) -> Rig:
    """The device of this folder."""
    card = json.loads((folder / "card.json").read_text())
    return Rig(
        folder=folder,
        case_system=HttpCaseSystem(card["url"], monotonic=time.monotonic),
        server_key=ServerPublicKey.from_bytes(bytes.fromhex(card["server_key"])),
        agency_key=AgencyKey(key_id=card["key_id"], public_key=bytes.fromhex(card["agency_key"])),
        device_key=DeviceSigningKey.from_bytes(bytes.fromhex(card["device_key"])),
        device_id=DeviceId(card["device_id"]),
        append_token=card["append_token"],
        read_token=card["read_token"],
        keys=FileKeys(folder),  # type: ignore[arg-type]
        seed=seed,
    )


def main() -> None:
    """Save and deliver for ever."""
    rig = open_rig(Path(sys.argv[1]), int(sys.argv[2]))
    with rig.store.write() as tx:
        rig.outbox.tidy(tx, device=rig.device_key.public())
    while True:
        for _ in range(3):
            print("saved", rig.save(), flush=True)
        rig.round(at_once=True)
        print("round", flush=True)


if __name__ == "__main__":
    main()
