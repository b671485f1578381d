"""T13, and that each check can fail."""

from __future__ import annotations

import copy
from types import ModuleType

import pytest

from tests.faults.vectors import nonces, published
from tests.faults.vectors.part import PART, run
from tests.proof.part import require_clean


@pytest.mark.parametrize("number", range(PART.ci))
def test_vectors_agree_and_nonces_never_repeat(number: int) -> None:
    require_clean(PART, run(number, 1))


@pytest.mark.parametrize("name", ["hpke", "scrypt", "hkdf", "gcm", "es256"])
def test_a_changed_vector_is_seen(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = copy.deepcopy(published.document())
    case = changed[name] if isinstance(changed[name], dict) else changed[name][0]
    field = {"hpke": "base_nonce", "scrypt": "key", "hkdf": "okm", "gcm": "tag", "es256": "s"}[name]
    case[field] = ("0" if case[field][0] != "0" else "1") + case[field][1:]
    monkeypatch.setattr(published, "document", lambda: changed)
    assert getattr(published, name)()


def test_a_source_of_nonces_that_repeats_is_seen() -> None:
    assert nonces.of_rows(bytes)


def test_a_counter_that_starts_again_is_seen() -> None:
    calls = 0

    def counting(size: int) -> bytes:
        nonlocal calls
        calls = calls % (nonces.ROWS + 1) + 1
        return calls.to_bytes(size)

    assert nonces.of_rows(counting)


def test_a_function_that_takes_a_nonce_is_seen() -> None:
    def seal_row(plaintext: bytes, nonce: bytes) -> bytes:
        return plaintext + nonce

    module = ModuleType("invented")
    seal_row.__module__ = "invented"
    module.__dict__["seal_row"] = seal_row
    assert nonces.of_signatures_of_functions((module,)) == ["invented.seal_row has a parameter 'nonce'"]
