"""Numbers that people say aloud, and sentences that people read."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from referral.numbers import call_code, receipt_number
from referral.port import plain_code
from referral.problems import PROBLEMS, ProblemCode


@given(st.text("0123456789abcdef", min_size=32, max_size=32))
def test_a_call_code_is_short_and_always_the_same(referral_id: str) -> None:
    code = call_code(referral_id)
    assert re.fullmatch(r"[A-HJ-NP-Z]\d-\d\d", code)
    assert call_code(referral_id) == code


def test_call_codes_spread() -> None:
    assert len({call_code(str(i)) for i in range(2_000)}) > 1_850


def test_receipts_have_no_letters_that_are_misread() -> None:
    assert receipt_number(b"\x00" * 5) == "0000-0000"
    assert receipt_number(b"\xff" * 5) == "ZZZZ-ZZZZ"
    assert len({receipt_number(bytes([i]) * 5) for i in range(256)}) == 256


def test_codes_compare_as_people_type_them() -> None:
    assert plain_code("ab1o-ilzz 9") == plain_code("AB10-11ZZ-9")


def test_every_code_has_its_sentences() -> None:
    assert set(PROBLEMS) == set(ProblemCode)
    for problem in PROBLEMS.values():
        assert problem.title.endswith(".")
        assert problem.meaning.endswith(".")
