"""T8: state machines over real code, each against a model that is too simple to be wrong in the same way."""

from __future__ import annotations

from collections.abc import Sequence

from tests.faults.machines.audit_chain import AuditChain
from tests.faults.machines.caseloads import Caseloads
from tests.faults.machines.consent import Consent
from tests.faults.machines.delivery import Delivery
from tests.faults.machines.driving import Machine, run_in_turn
from tests.faults.machines.guessing import Guessing
from tests.faults.machines.vault_and_dict import VaultAndDict
from tests.proof.part import Part, Tally

MACHINES: tuple[type[Machine], ...] = (VaultAndDict, Guessing, Delivery, AuditChain, Consent, Caseloads)
# the two that need a whole case system cost ten times as much, and come once where the others come five times
TURNS: tuple[type[Machine], ...] = (*MACHINES[:4] * 2, Consent, *MACHINES[:4] * 2, Caseloads, *MACHINES[:4])


def run(first: int, count: int) -> Tally:
    """Run these cases."""
    return run_in_turn(TURNS, first, count)


def demand(tally: Tally) -> Sequence[str]:
    """Everything that a machine is there to meet was met."""
    return [
        f"{machine.title}: never met: {what}"
        for machine in MACHINES
        for what in machine.needed
        if not tally.counts.get(f"{machine.title}: {what}")
    ]


PART = Part(
    name="T8",
    title="Hypothesis state machines",
    unit="examples",
    holds_when="vault and dict, PIN and lock, delivery, audit chain, consent and caseloads agree with their models",
    ci=500,
    release=50_000,
    chunk=440,
    run=run,
    demand=demand,
)
