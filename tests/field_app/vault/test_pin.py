"""The PIN policy, and the app's own PINs."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from field_app.vault.keys import StoreName
from field_app.vault.pin import BLOCKED, Origin, PinVerdict, judge_pin, make_pin, pin_bytes
from tests.field_app.vault.conftest import seeded

K, F = StoreName.KEYRING, StoreName.FILE


@pytest.mark.parametrize(
    ("text", "store", "origin", "verdict"),
    [
        ("473920", K, Origin.APP, PinVerdict.FINE),
        ("473920", F, Origin.APP, PinVerdict.WEAK_STORE),
        ("473920", F, Origin.FILE, PinVerdict.WEAK_STORE),
        ("473920", K, Origin.FILE, PinVerdict.FINE),
        ("473920", K, Origin.CHOSEN, PinVerdict.TOO_SHORT),
        ("47392", K, Origin.APP, PinVerdict.TOO_SHORT),
        ("abcxyz", K, Origin.FILE, PinVerdict.TOO_SHORT),
        ("heron-7", K, Origin.CHOSEN, PinVerdict.TOO_SHORT),
        ("heron-77", K, Origin.CHOSEN, PinVerdict.FINE),
        ("heron-77", F, Origin.FILE, PinVerdict.WEAK_STORE),
        ("heron-77", F, Origin.CHOSEN, PinVerdict.TOO_SHORT),
        ("heron-77-heron7", F, Origin.CHOSEN, PinVerdict.FINE),
        ("heron-77-heron", F, Origin.CHOSEN, PinVerdict.TOO_SHORT),
        ("heron\x0077777", K, Origin.CHOSEN, PinVerdict.UNUSABLE),
        ("heron\u037877777", K, Origin.CHOSEN, PinVerdict.UNUSABLE),
        ("Password1!", K, Origin.CHOSEN, PinVerdict.COMMON),
        ("BALTIMORE2026", K, Origin.CHOSEN, PinVerdict.COMMON),
        ("\uff30assword1", K, Origin.CHOSEN, PinVerdict.COMMON),
        ("12345678", K, Origin.CHOSEN, PinVerdict.COMMON),
        ("87654321", K, Origin.CHOSEN, PinVerdict.COMMON),
        ("abcdefgh", K, Origin.CHOSEN, PinVerdict.COMMON),
        ("poiuytrewq", K, Origin.CHOSEN, PinVerdict.COMMON),
        ("heronheron", K, Origin.CHOSEN, PinVerdict.COMMON),
        ("aaaaaaab", K, Origin.CHOSEN, PinVerdict.COMMON),
        ("111111", K, Origin.APP, PinVerdict.COMMON),
        ("123123", K, Origin.APP, PinVerdict.COMMON),
        ("567890", K, Origin.APP, PinVerdict.COMMON),
        ("112122", K, Origin.APP, PinVerdict.COMMON),
        ("112131", K, Origin.APP, PinVerdict.FINE),
        ("123412", K, Origin.APP, PinVerdict.FINE),
    ],
)
def test_policy(text: str, store: StoreName, origin: Origin, verdict: PinVerdict) -> None:
    assert judge_pin(text, store=store, origin=origin) is verdict
    assert verdict.allowed == (verdict in (PinVerdict.FINE, PinVerdict.WEAK_STORE))


def test_the_block_list_has_the_ten_values_the_rule_asks_for() -> None:
    assert len(BLOCKED) >= 10
    for word in BLOCKED:
        assert judge_pin(word.ljust(15, "1"), store=K, origin=Origin.CHOSEN) is PinVerdict.COMMON


def test_made_pins_pass_the_policy_and_spread_evenly() -> None:
    random_bytes = seeded(b"pins")
    pins = [make_pin(random_bytes) for _ in range(20_000)]
    assert all(judge_pin(pin, store=K, origin=Origin.APP) is PinVerdict.FINE for pin in pins)
    assert all(len(pin) == 6 and pin.isdecimal() for pin in pins)
    assert len(set(pins)) > 19_700  # 10^6 values: about 200 pairs are expected
    first = Counter(pin[0] for pin in pins)
    assert len(first) == 10
    assert all(1800 < n < 2200 for n in first.values())


def test_draws_that_would_favour_small_pins_are_thrown_away() -> None:
    draws = iter([b"\xff\xff\xff\xff", (4_294_000_000).to_bytes(4, "big"), (7_473_920).to_bytes(4, "big")])
    assert make_pin(lambda size: next(draws)) == "473920"


@pytest.mark.parametrize(
    ("drawn", "taken"), [(4_294_000_000 - 1, False), (4_293_473_920, True), (4_294_000_001, False)]
)
def test_the_last_draws_are_taken_or_not(drawn: int, taken: bool) -> None:
    draws = iter([drawn.to_bytes(4), (582_931).to_bytes(4)])
    assert make_pin(lambda size: next(draws)) == ("473920" if taken else "582931")


@pytest.mark.parametrize("drawn", [4_294_473_920, 4_294_900_417])
def test_a_draw_beyond_the_last_whole_million_is_never_a_pin(drawn: int) -> None:
    draws = iter([drawn.to_bytes(4), (582_931).to_bytes(4)])
    assert make_pin(lambda size: next(draws)) == "582931"


def test_a_draw_just_before_it_is_one() -> None:
    assert make_pin(lambda size: (4_293_999_748).to_bytes(4)) == "999748"


@given(st.text())
def test_any_text_has_bytes_and_typing_it_again_gives_the_same(text: str) -> None:
    once = pin_bytes(text)
    assert pin_bytes(once.decode("utf-8", "surrogatepass")) == once


def test_a_lone_surrogate_has_bytes_and_is_refused() -> None:
    assert pin_bytes("\ud800")
    assert judge_pin("heron-77\ud800", store=K, origin=Origin.CHOSEN) is PinVerdict.UNUSABLE
