"""A button of a page: once however often it is sent, never on a page that is no longer true, and nothing half done."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from case_system.desk import work
from case_system.store import schema
from referral.model import Exclusions
from referral.operations import Intake, Op, RecordsCheck
from referral.views import Flag
from tests.case_system.desk.test_pages import app, form_of, press, sign_in, told
from tests.support.agency import Agency
from tests.support.packs import baltimore

__all__ = ["app"]  # the fixture


def count(agency: Agency, op: Op) -> int:
    """How often an operation lies in the file."""
    t = schema.operations
    (row,) = agency.rows(select(func.count().label("n")).where(t.c.op == op.value))
    return int(row["n"])


async def page_of(client: httpx.AsyncClient, referral_id: str) -> str:
    return (await client.get(f"/desk/r/{referral_id}")).text


async def test_a_double_click_is_one_act_with_one_answer(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    client = await sign_in(app, "cm1")
    fields = form_of(await page_of(client, made.referral_id), "accept")
    answers = await asyncio.gather(*(client.post("/desk/do", data=fields) for _ in range(3)))
    assert {answer.status_code for answer in answers} == {200}
    assert all("The officer is told your name" in answer.text for answer in answers)
    assert count(agency, Op.ACCEPT) == 1
    record = agency.service.look(agency.device("cm1").user, made.referral_id)
    assert (record.handoff, record.revision, record.flags) == ("accepted", 2, frozenset())


async def test_who_comes_second_reads_who_was_faster_and_nothing_is_flagged(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    first, second = await sign_in(app, "cm1"), await sign_in(app, "cm2")
    fields = form_of((await second.get("/desk")).text, "accept")
    agency.clock.go(minutes=1)
    await press(first, "accept", made.referral_id)
    answer = await second.post("/desk/do", data=fields)
    assert answer.status_code == 409
    assert 'data-code="changed_meanwhile"' in answer.text
    assert "CM1" in answer.text
    assert "2:11 am" in answer.text
    record = agency.service.look(agency.device("cm1").user, made.referral_id)
    assert (record.holder, record.flags) == ("cm1", frozenset())
    assert count(agency, Op.ACCEPT) == 1


async def test_a_handoff_is_accepted_although_an_answer_was_added_meanwhile(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    client = await sign_in(app, "cm1")
    fields = form_of(await page_of(client, made.referral_id), "accept")
    agency.desk("sup", Op.RECORDS_CHECK, made.referral_id, RecordsCheck(exclusions=Exclusions()), base=1)
    assert "The officer is told your name" in (await client.post("/desk/do", data=fields)).text


async def test_a_decision_that_stands_on_the_answers_is_not_made_on_old_ones(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    client = await sign_in(app, "sao1")
    fields = form_of(await page_of(client, made.referral_id), "approve")
    agency.clock.go(minutes=2)
    agency.desk("sup", Op.RECORDS_CHECK, made.referral_id, RecordsCheck(exclusions=Exclusions()), base=1)
    answer = await client.post("/desk/do", data=fields)
    assert answer.status_code == 409
    assert "Records were checked" in answer.text
    assert count(agency, Op.SAO_APPROVE) == 0
    assert "Approved. The officer and LEAD are told." in await press(client, "approve", made.referral_id)


async def test_a_form_that_no_page_made_is_refused(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    client = await sign_in(app, "cm1")
    fields = form_of(await page_of(client, made.referral_id), "accept")
    for odd in (
        {"base": ""},
        {"base": "-1"},
        {"base": "7"},
        {"once": ""},
        {"referral_id": "../x"},
        {"button": "nothing"},
    ):
        answer = await client.post("/desk/do", data=fields | odd)
        assert 'class="said bad"' in answer.text, odd
    assert count(agency, Op.ACCEPT) == 0
    stranger = await sign_in(app, "sao1")
    mine = fields | {"csrf": form_of(await page_of(stranger, made.referral_id), "approve")["csrf"]}
    assert 'data-code="not_permitted"' in (await stranger.post("/desk/do", data=mine)).text
    assert Flag.NEEDS_ATTENTION not in agency.service.look(agency.device("sup").user, made.referral_id).flags


async def test_the_whole_way_of_one_person_through_the_forms(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    case_manager, supervisor, reviewer = [await sign_in(app, user) for user in ("cm1", "sup", "sao1")]
    here, closing = made.referral_id, baltimore().choices["close_reason"][0].code
    unknown = dict.fromkeys(Exclusions.__dataclass_fields__, "unknown")
    await press(case_manager, "accept", here)
    assert "The records check is saved" in await press(
        case_manager, "records_check", here, **(unknown | {"open_warrant": "no"})
    )
    assert "The vote is recorded" in await press(reviewer, "vote", here, partner="sao", approve="yes")
    await press(reviewer, "approve", here)
    assert "the charge was not filed" in await press(reviewer, "not_filed", here)
    assert "you met" in await press(case_manager, "met", here)
    assert "missing" in await press(case_manager, "release", here, event="signed", parties="police", scope="status")
    assert "The release is recorded" in await press(case_manager, "release", here, event="signed", parties="police", scope="status", expires_on="2026-12-31", method="on_paper")  # fmt: skip
    assert "Signed, on paper" in await page_of(case_manager, here)
    assert "intake is done" in await press(case_manager, "intake", here)
    assert "42 CFR Part 2" in await page_of(case_manager, here)
    assert "42 CFR Part 2" not in await page_of(reviewer, here)
    for partner in ("bpd", "bhsb", "opd", "dpp", "bchd"):
        assert "The vote is recorded" in await press(supervisor, "vote", here, partner=partner, approve="yes")
    assert "joined LEAD" in await press(supervisor, "enrol", here)
    assert "The contact is saved" in await press(case_manager, "contact", here, reached="yes")
    assert "Closed." in await press(supervisor, "close", here, reason=closing)
    assert "Open again." in await press(supervisor, "reopen", here, reason="found_again")
    record = agency.service.look(agency.device("sup").user, here)
    assert (record.review, record.handoff, record.charge, record.episode) == ("approved", "intake_complete", "not_filed", "open")  # fmt: skip
    page = await page_of(reviewer, here)
    assert "Intake done" not in page
    assert "Joined LEAD" not in page


async def test_what_needs_a_person_says_why_and_is_decided_with_one_button(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    agency.desk("cm1", Op.INTAKE, made.referral_id, Intake(on=agency.clock().date()), base=1)  # nobody has met them
    client = await sign_in(app, "sup")
    assert "Ask who did it what really happened." in (await client.get("/desk")).text
    said = await press(client, "resolve", made.referral_id, decision="settled")
    assert "Decided, and taken off the list." in said
    assert "Ask who did it" not in (await client.get("/desk")).text
    assert Flag.NEEDS_ATTENTION not in agency.service.look(agency.device("sup").user, made.referral_id).flags


async def test_a_decision_on_an_old_page_settles_nothing_that_its_person_did_not_see(
    app: FastAPI, agency: Agency
) -> None:
    """T1, case 2133: the flag came down for what was kept since the page was made, too."""
    made = told(agency)
    agency.desk("cm1", Op.INTAKE, made.referral_id, Intake(on=agency.clock().date()), base=1)
    client = await sign_in(app, "sup")
    fields = form_of(await page_of(client, made.referral_id), "resolve")
    agency.desk("cm1", Op.INTAKE, made.referral_id, Intake(on=agency.clock().date()), base=2)
    await client.post("/desk/do", data=fields | {"decision": "settled"}, follow_redirects=True)
    record = agency.service.look(agency.device("sup").user, made.referral_id)
    assert Flag.NEEDS_ATTENTION in record.flags
    assert agency.rows(select(schema.matters.c.settled_at).where(schema.matters.c.settled_at.is_not(None))) == []


async def test_a_long_list_shows_its_first_and_who_waits_to_be_met_is_never_left_out(
    app: FastAPI, agency: Agency, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "MOST", 1)
    coming = [told(agency).referral_id for _ in range(3)]
    reviewer, case_manager = [await sign_in(app, user) for user in ("sao1", "cm1")]
    reviews = (await reviewer.get("/desk")).text
    assert sum(f'id="reviews-{one}"' in reviews for one in coming) == 1
    assert "2 more are not shown here" in reviews
    incoming = (await case_manager.get("/desk")).text
    assert all(f'id="incoming-{one}"' in incoming for one in coming)
    assert "more are not shown" not in incoming


async def test_a_form_from_a_page_of_a_far_future_is_one_of_now(app: FastAPI, agency: Agency) -> None:
    made = told(agency)
    client = await sign_in(app, "cm1")
    fields = form_of(await page_of(client, made.referral_id), "accept")
    for seen in ("9" * 15, "253402300800000"):  # beyond the calendar's last year
        answer = await client.post("/desk/do", data=fields | {"seen": seen})
        assert "The officer is told your name" in answer.text
    assert count(agency, Op.ACCEPT) == 1
