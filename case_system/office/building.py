"""The whole office: its parts over one entry. Made by the composition root; pages take the part that they need."""

from __future__ import annotations

from dataclasses import dataclass

from case_system.office.caseloads import Caseloads
from case_system.office.defence import Defenders
from case_system.office.duplicates import Duplicates
from case_system.office.figures import Evaluation
from case_system.office.finding import Finding
from case_system.office.fleet import Devices
from case_system.office.people import People
from case_system.office.programme import Pack
from case_system.office.rota import DutyRota
from case_system.office.trail import Trail


@dataclass(frozen=True, slots=True, kw_only=True)
class Office:
    """Everything that supervisors, administrators, evaluators and defenders do beside one referral."""

    people: People
    rota: DutyRota
    caseloads: Caseloads
    devices: Devices
    pack: Pack
    finding: Finding
    duplicates: Duplicates
    trail: Trail
    evaluation: Evaluation
    defenders: Defenders
