"""T13: published vectors through the product's own code, and no nonce twice. One case a function.

Our own frozen vectors (tests/vectors/v1, with their recipes) are held by tests/field_app/vault/test_vectors.py and
tests/referral/test_envelope.py.
"""

from __future__ import annotations

from typing import Final

from tests.faults.vectors.nonces import NONCES
from tests.faults.vectors.published import PUBLISHED
from tests.proof.part import Part, Tally, Violation

_CHECKS: Final = (*PUBLISHED, *NONCES)


def run(first: int, count: int) -> Tally:
    """See `tests.proof.part.Part`."""
    tally = Tally(cases=0)
    for number in range(first, first + count):
        check = _CHECKS[number]
        wrong = tuple(Violation(case=number, sentence=f"{check.__name__}: {text}") for text in check())
        tally += Tally(cases=1, counts={check.__name__: 1}, violations=wrong)
    return tally


PART = Part(
    name="T13",
    title="vectors and nonces",
    unit="checks",
    holds_when="every published vector agrees, and no key sees a nonce twice",
    ci=len(_CHECKS),
    release=len(_CHECKS),
    chunk=len(_CHECKS),
    run=run,
)
