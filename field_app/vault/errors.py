"""What can go wrong below the vault. Misuse raises ValueError or RuntimeError instead and is never caught.

VaultError
├── VaultLocked            the handle was locked; ask for the PIN again
├── NewerFormat            written by a newer app: update, never repair
├── NotWritten             a file could not be written durably (`disk_full` says whether for want of space)
├── NotRead                a file is there and cannot be read now
├── RolledBack             whole and authentic, but older than the mirror says it should be
├── Damaged
│   ├── DamagedHeader      the header file is not what was written
│   ├── DamagedRow         one row or blob does not open; the others may
│   └── DamagedManifest    the manifest does not verify
│       └── RowsDiffer     it verifies, and the rows beside it are not the rows it counts
├── SlotShut               the slot does not open with this PIN and device key
├── KeyStoreUnavailable    no answer now; wait, unlock the phone or the keyring, try again
│   └── KeyStoreAbsent     this machine has no such key store
└── KeyStoreLost           the key store answers, and what it holds cannot be the secret

No message holds personal data, a PIN or key bytes; row ids are random and may appear.
"""


class VaultError(Exception):
    """Root of the tree."""


class VaultLocked(VaultError):
    """The handle was locked."""


class NewerFormat(VaultError):
    """Written by a newer app."""


class NotWritten(VaultError):
    """A file could not be written durably; it holds the old content or the new, whole."""

    def __init__(self, message: str, *, disk_full: bool = False) -> None:
        super().__init__(message)
        self.disk_full = disk_full


class NotRead(VaultError):
    """A file is there and cannot be read now."""


class RolledBack(VaultError):
    """The file is authentic but older than its mirror."""

    def __init__(self, generation: int, mirror: int) -> None:
        super().__init__(f"generation {generation} is behind its mirror {mirror}")
        self.generation, self.mirror = generation, mirror


class Damaged(VaultError):
    """Stored bytes are not what was written."""


class DamagedHeader(Damaged):
    """The header file is not what was written."""


class DamagedRow(Damaged):
    """One row or blob does not open."""


class DamagedManifest(Damaged):
    """The manifest does not verify."""


class RowsDiffer(DamagedManifest):
    """Rows are missing, added, swapped or old."""


class SlotShut(VaultError):
    """This PIN and device key do not open the slot."""


class KeyStoreUnavailable(VaultError):
    """No answer now; try again."""


class KeyStoreAbsent(KeyStoreUnavailable):
    """This machine has no such key store."""


class KeyStoreLost(VaultError):
    """What the key store holds cannot be the secret."""
