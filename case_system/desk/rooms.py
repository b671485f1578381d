"""The office's areas of pages, each over the part of the office that it needs."""

from __future__ import annotations

from typing import Protocol

from case_system.desk.caseloads import CaseloadPages, Enrols
from case_system.desk.defence import DefencePages
from case_system.desk.devices import DevicePages
from case_system.desk.duplicates import DuplicatePages
from case_system.desk.figures import FigurePages
from case_system.desk.frame import Area
from case_system.desk.notices import Alarms, NoticePages
from case_system.desk.people import PeoplePages
from case_system.desk.programme import PackPages
from case_system.desk.rota import RotaPages
from case_system.desk.search import SearchPages
from case_system.desk.trail import TrailPages
from case_system.office.building import Office


class RoomService(Enrols, Alarms, Protocol):
    """What the rooms ask of the service."""


def rooms(office: Office, service: RoomService) -> tuple[Area, ...]:
    """Every area, in the order of the navigation."""
    return (
        CaseloadPages(office.caseloads, service),
        SearchPages(office.finding),
        DuplicatePages(office.duplicates, service),
        RotaPages(office.rota),
        PeoplePages(office.people),
        DevicePages(office.devices),
        PackPages(office.pack),
        FigurePages(office.evaluation),
        TrailPages(office.trail),
        DefencePages(office.defenders),
        NoticePages(office.people, service),
    )
