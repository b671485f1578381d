"""What a column may hold: a damaged page can give a number where bytes were written, whatever the schema says."""

from __future__ import annotations

from field_app.vault.errors import DamagedRow


def as_bytes(value: object) -> bytes:
    """The value of a BLOB column. Errors: DamagedRow when it is none."""
    if type(value) is not bytes:
        raise DamagedRow("a column is not what was written")
    return value
