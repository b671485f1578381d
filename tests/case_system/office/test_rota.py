"""Absences as the office sets them: who may stand in, and that coming back is one act."""

from __future__ import annotations

from datetime import timedelta

from case_system.office.building import Office
from referral.model import UserId
from tests.case_system.office.test_people import ADM, SUP, refused
from tests.support.agency import Agency

CM1, CM2 = UserId("cm1"), UserId("cm2")


def test_only_who_may_sign_in_stands_in_and_who_is_back_is_rung_again(office: Office, agency: Agency) -> None:
    now = agency.clock()
    week = now + timedelta(days=7)

    def away() -> list[tuple[str, str | None]]:
        return [(one.user_id, one.cover) for one in office.rota.view(SUP).absences]

    agency.accounts.set_active("cm2", False)
    assert refused(lambda: office.rota.set_away(SUP, CM1, now, week, CM2)) == "not_active"
    assert away() == []
    agency.accounts.set_active("cm2", True)
    office.rota.set_away(SUP, CM1, now, week, CM2)
    assert away() == [("cm1", "cm2")]
    assert refused(lambda: office.rota.back(ADM, CM1)) == "not_permitted"
    assert away() == [("cm1", "cm2")]
    office.rota.back(SUP, CM1)
    assert away() == []
