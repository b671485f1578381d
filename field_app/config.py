"""What can be set from outside, and where things lie unless somebody says otherwise. Pure: environment and home are arguments.

    FIELD_APP_PIN      the PIN of the commands, empty is unset (--pin-file wins)
    FIELD_APP_DATA     the data folder, unless --data is given
    FIELD_APP_CA_FILE  certificates to trust for https instead of the machine's

Nothing here weakens the vault: the cost of a PIN is not a setting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

APP: Final = "lead-field/0.2.0"
SCRYPT_N: Final = 2**17  # half a second and 128 MiB on a phone of 2022
BALLAST_BYTES: Final = 2 << 20  # room for a dozen saves on a full disk
SCRYPT_FLOOR: Final = 2**15  # never less, however small the machine

_PIN, _DATA, _CA = "FIELD_APP_PIN", "FIELD_APP_DATA", "FIELD_APP_CA_FILE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """What the environment says. None: nothing."""

    data: Path
    pin: str | None = field(default=None, repr=False)
    ca_file: str | None = None


def read(environment: Mapping[str, str], home: Path, platform: str) -> Config:
    """The configuration of this process. platform: as `sys.platform`."""
    storage = environment.get(_DATA) or environment.get("FLET_APP_STORAGE_DATA")
    return Config(
        data=Path(storage) if storage else default_folder(home, platform),
        pin=environment.get(_PIN) or None,
        ca_file=environment.get(_CA) or None,
    )


def default_folder(home: Path, platform: str) -> Path:
    """Where a person's device lies."""
    match platform:
        case "win32":
            return home / "AppData" / "Local" / "LEAD Field"
        case "darwin":
            return home / "Library" / "Application Support" / "LEAD Field"
        case _:
            return home / ".local" / "share" / "lead-field"
