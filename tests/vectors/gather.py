"""The recipe of `v1/published.json`: which published vectors there are, and from where.

    python -m tests.vectors.gather FOLDER      prints the document

FOLDER holds the files of the package `cryptography-vectors` (a release of the library's own tests, which carry the originals):

    HPKE/test-vectors.json                          of RFC 9180: base mode, DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, 8 messages
    KDF/scrypt.txt                                  RFC 7914, section 12, but the last, which needs a gibibyte
    KDF/rfc-5869-HKDF-SHA256.txt                    RFC 5869, appendix A, the three cases of SHA-256
    ciphers/AES/GCM/gcmEncryptExtIV256.rsp          NIST CAVS 14.0, 96-bit nonce: the first of each pair of lengths

ES256 is short enough to stand here: RFC 7515, appendix A.3, and RFC 6979, appendix A.2.5 (P-256, SHA-256). Both have a signature with s in the
upper half, which this system refuses, and accepts in its other form.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ES256: list[dict[str, str]] = [
    {
        "source": "RFC 7515 A.3",
        "x": "7fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445",
        "y": "c7f144cd1bbd9b7e872cdfedb9eeb9f4b3695d6ea90b24ad8a4623288588e5ad",
        "message": b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ".hex(),
        "r": "0ed1215379636c483c2f7f155807d402a3b228033af97c7e17819ac3169ea665",
        "s": "c50a07d38c3c70e5d8f12daf084a5480a66590c5f293509a8f3f7f8a83a354d5",
    },
    {
        "source": "RFC 6979 A.2.5, sample",
        "x": "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
        "y": "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
        "message": b"sample".hex(),
        "r": "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
        "s": "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
    },
    {
        "source": "RFC 6979 A.2.5, test",
        "x": "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
        "y": "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
        "message": b"test".hex(),
        "r": "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
        "s": "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
    },
]


def gather(folder: Path) -> dict[str, Any]:
    """The document, from the package's files."""
    return {
        "recipe": "python -m tests.vectors.gather FOLDER; its first lines name every source",
        "hpke": _hpke(folder / "HPKE" / "test-vectors.json"),
        "scrypt": [
            {"password": case["PASSWORD"], "salt": case["SALT"], "n": int(case["N"]), "r": int(case["r"]), "p": int(case["p"]), "key": case["DERIVED_KEY"]}
            for case in _blocks(folder / "KDF" / "scrypt.txt") if int(case["N"]) < 2**20
        ],
        "hkdf": [
            {name.lower(): case.get(name, "") for name in ("IKM", "salt", "info", "OKM")}
            for case in _blocks(folder / "KDF" / "rfc-5869-HKDF-SHA256.txt")
        ],
        "gcm": _gcm(folder / "ciphers" / "AES" / "GCM" / "gcmEncryptExtIV256.rsp"),
        "es256": ES256,
    }  # fmt: skip


def _hpke(path: Path) -> dict[str, Any]:
    suite = {"mode": 0, "kem_id": 0x10, "kdf_id": 1, "aead_id": 2}
    found = [v for v in json.loads(path.read_text()) if suite.items() <= v.items()]
    names = ("info", "skRm", "skEm", "pkRm", "enc", "shared_secret", "key", "base_nonce")
    return suite | {name: found[0][name] for name in names} | {"encryptions": found[0]["encryptions"][:8]}


def _blocks(path: Path) -> list[dict[str, str]]:
    blocks: list[dict[str, str]] = [{}]
    for line in path.read_text().splitlines():
        name, equals, value = line.partition("=")
        if not equals or line.startswith("#"):
            continue
        if name.strip() == "COUNT":
            blocks.append({})
        blocks[-1][name.strip()] = value.strip()
    return [block for block in blocks if "COUNT" in block]


def _gcm(path: Path) -> list[dict[str, str]]:
    sizes: dict[str, int] = {}
    found: dict[tuple[int, int], dict[str, str]] = {}
    case: dict[str, str] = {}
    for line in path.read_text().splitlines():
        if match := re.fullmatch(r"\[(\w+) = (\d+)\]", line.strip()):
            sizes[match[1]] = int(match[2])
        elif "=" in line and not line.startswith("#"):
            name, _, value = line.partition("=")
            case[name.strip().lower()] = value.strip()
            if name.strip() == "Tag":
                if (sizes["IVlen"], sizes["Taglen"]) == (96, 128):
                    found.setdefault(
                        (sizes["PTlen"], sizes["AADlen"]),
                        {key: case[key] for key in ("key", "iv", "pt", "aad", "ct", "tag")},
                    )
                case = {}
    return list(found.values())


if __name__ == "__main__":
    print(json.dumps(gather(Path(sys.argv[1])), indent=1))
