"""The office's pages over the real office and a real database, each role with a real session."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from case_system.grants import DESK_ROUTES
from case_system.store import schema
from referral.lifecycle import Role
from referral.model import UserId
from referral.operations import Op, ReleaseEvent, ReleaseOfInformation
from referral.port import Heartbeat
from tests.case_system.office.test_reading import enrolled, named, release, told
from tests.support.agency import STAFF, Agency
from tests.support.desk import DeskUnderTest, said
from tests.support.device import Device
from tests.support.packs import baltimore_files

PEOPLE = {**{name: role for name, role, _ in STAFF}, "adm": Role.ADMINISTRATOR, "def": Role.DEFENDER}
SUP = UserId("sup")
OURS = [
    route for route in DESK_ROUTES
    if route.split()[1].split("/")[2:3] and route.split()[1].split("/")[2] in (
        "caseloads", "search", "duplicates", "rota", "people", "notices", "devices", "programme", "figures", "trail", "defence",
    )
]  # fmt: skip


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[DeskUnderTest]:
    agency = Agency.copied(tmp_path)
    yield DeskUnderTest.over(agency)
    agency.engine.dispose()


async def test_every_page_opens_for_its_roles_and_for_nobody_else(desk: DeskUnderTest) -> None:
    pages = [route.split()[1] for route in OURS if route.startswith("GET") and "{" not in route]
    for user, role in PEOPLE.items():
        if role is Role.OFFICER:
            continue
        for page in pages:
            answer = await desk.get(user, page)
            expected = 200 if role in DESK_ROUTES[f"GET {page}"] else 403
            assert answer.status_code == expected, (user, page)
            if expected == 200 and not page.endswith("csv"):
                assert answer.text.count("<h1") == 1, page
                assert "style=" not in answer.text, page  # the policy of content forbids it
                assert not re.search(r"<script(?![^>]* src=)", answer.text), page


async def test_a_role_without_work_lists_begins_at_its_first_place(desk: DeskUnderTest) -> None:
    for user, first in (("adm", "/desk/people"), ("eva", "/desk/figures"), ("def", "/desk/defence")):
        answer = await desk.get(user, "/desk")
        assert answer.url.path in (first, "/desk/notices")
        assert answer.status_code == 200


async def test_every_page_speaks_both_languages(desk: DeskUnderTest) -> None:
    for user in ("sup", "adm", "eva", "def"):
        for page in [
            r.split()[1] for r in OURS if r.startswith("GET") and "{" not in r and PEOPLE[user] in DESK_ROUTES[r]
        ]:
            async with desk.browser(user) as web:
                web.cookies.set("lead_look", "es.light")
                answer = await web.get(page)
            assert answer.status_code == 200
            assert page.endswith("csv") or '<html lang="es"' in answer.text


# ------------------------------------------------------------------------------------------------ people
async def test_a_person_is_added_changed_given_a_sign_in_once_and_let_out(desk: DeskUnderTest) -> None:
    form = {"user_id": "p9", "name": "Pat Sample", "role": "peer", "unit": "", "language": "es", "pair": "south"}
    answer = await desk.post("sup", "/desk/people/add", form)
    assert (answer.url.path, said(answer)) == ("/desk/people/p9", "person_added")
    assert said(await desk.post("sup", "/desk/people/add", form)) == "user_taken"
    changed = await desk.post("sup", "/desk/people/change", form | {"name": "Pat <b>Other", "back": "/desk/people/p9"})
    assert said(changed) == "person_changed"
    assert "Pat &lt;b&gt;Other" in changed.text
    secret = await desk.post("sup", "/desk/people/secret", {"user_id": "p9", "kind": "password"})
    shown = re.search(r'class="secret">([a-z2-7-]{19})<', secret.text)
    assert shown
    assert secret.headers["cache-control"] == "no-store"
    assert shown[1] not in (await desk.get("sup", "/desk/people/p9")).text
    code = await desk.post("sup", "/desk/people/secret", {"user_id": "p9", "kind": "totp"})
    assert '<svg role="img"' in code.text
    spoken = {"user_id": "p9", "speaks": ["es", "ne"], "back": "/desk/people/p9"}
    assert "Nepali" in (await desk.post("sup", "/desk/people/languages", spoken)).text
    assert next(p for p in desk.office.people.listed(SUP) if p.user_id == "p9").languages == ("es", "ne")
    assert said(await desk.post("sup", "/desk/people/languages", spoken | {"speaks": "xx"})) == "no_language"
    assert said(await desk.post("sup", "/desk/people/active", {"user_id": "p9", "active": "no"})) == "person_out"
    assert not next(p for p in desk.office.people.listed(SUP) if p.user_id == "p9").active
    assert said(await desk.post("sup", "/desk/people/active", {"user_id": "adm", "active": "no"})) == "not_yours"
    assert said(await desk.post("adm", "/desk/people/active", {"user_id": "adm", "active": "no"})) == "own_account"
    assert said(await desk.post("sup", "/desk/people/change", form | {"role": "king"})) == "no_role"
    assert said(await desk.post("sup", "/desk/people/secret", {"user_id": "p9", "kind": "other"})) == "invalid_value"


async def test_ones_own_notices_are_ones_own(desk: DeskUnderTest) -> None:
    form = {"user_id": "cm1", "url": "ntfys://push.example.org/hidden-topic", "back": "/desk/notices"}
    answer = await desk.post("cm1", "/desk/people/channel", form)
    assert said(answer) == "channel_added"
    assert "hidden-topic" not in answer.text
    assert said(await desk.post("cm2", "/desk/people/channel", form)) == "not_permitted"
    assert said(await desk.post("cm1", "/desk/people/channel", form | {"url": "nonsense"})) == "no_channel_url"
    (channel,) = desk.office.people.own_channels(UserId("cm1"))
    other = {"user_id": "cm1", "change": channel.channel_id, "kind": ["handoff_offered"], "hours": "mon-fri 07:00-22:00", "back": "/desk/notices"}  # fmt: skip
    assert said(await desk.post("cm1", "/desk/people/channel", other)) == "channel_changed"
    (channel,) = desk.office.people.own_channels(UserId("cm1"))
    assert (channel.kinds, channel.hours) == (("handoff_offered",), "mon-fri 07:00-22:00")
    assert said(await desk.post("cm1", "/desk/people/channel", other | {"hours": "late"})) == "bad_hours"
    assert said(await desk.post("cm2", "/desk/people/channel", other | {"user_id": "cm2"})) == "no_channel"
    gone = {"user_id": "cm1", "remove": channel.channel_id, "back": "/desk/notices"}
    assert said(await desk.post("cm1", "/desk/people/channel", gone)) == "channel_removed"


async def test_an_alarm_about_a_device_is_seen_by_its_recipient_and_goes(desk: DeskUnderTest) -> None:
    agency = desk.agency
    agency.clock.go(hours=8)  # office hours
    beat = Heartbeat(waiting=2, stored=0, needs_attention=0, oldest_unsent_s=3 * 3600, app="test/1")
    agency.device("o1").sync(heartbeat=beat)
    agency.service.climb(agency.clock())
    (alarm,) = agency.service.open_alarms(SUP)
    page = await desk.get("sup", "/desk/notices")
    assert "2 operations are not sent yet." in page.text
    assert alarm.notice_id not in (await desk.get("cm1", "/desk/notices")).text
    assert said(await desk.post("cm1", "/desk/notices/seen", {"notice_id": alarm.notice_id})) == "not_found"
    assert len(agency.service.open_alarms(SUP)) == 1
    assert said(await desk.post("sup", "/desk/notices/seen", {"notice_id": alarm.notice_id})) == "alarm_seen"
    assert agency.service.open_alarms(SUP) == []
    assert "not sent yet" not in (await desk.get("sup", "/desk/notices")).text


async def test_the_rota_is_set_from_its_form(desk: DeskUnderTest) -> None:
    answer = await desk.post("sup", "/desk/rota", {"post": "on_call", "user": ["cm2", "", "p2"]})
    assert said(answer) == "rota_set"
    assert [u.user_id for u in desk.office.rota.view(SUP).posts[1].standing] == ["cm2", "p2"]
    assert said(await desk.post("sup", "/desk/rota", {"post": "nowhere", "user": "cm2"})) == "invalid_value"
    assert said(await desk.post("sup", "/desk/rota", {"post": "sao", "user": "cm2"})) == "wrong_post"
    assert said(await desk.post("cm1", "/desk/rota", {"post": "duty", "user": "cm2"})) == "not_permitted"


async def test_shifts_and_absences_are_set_from_their_forms_in_local_time(desk: DeskUnderTest) -> None:
    shift = {"post": "duty", "user_id": "cm2", "starts": "2026-03-03T01:00", "ends": "2026-03-03T09:00", "weeks": "2"}
    answer = await desk.post("sup", "/desk/rota/shift", shift)
    assert said(answer) == "shift_added"
    line = desk.office.rota.view(SUP).posts[0]
    assert [u.user_id for u in line.rung] == ["cm2"]  # it is 2:10 in Baltimore
    assert len(line.shifts) == 2
    away = {"user_id": "cm2", "starts": "2026-03-03T00:00", "ends": "2026-03-05T00:00", "cover": "cm1"}
    assert said(await desk.post("sup", "/desk/rota/away", away)) == "away_set"
    assert [u.user_id for u in desk.office.rota.view(SUP).posts[0].rung] == ["cm1"]
    assert "CM1 covers" in (await desk.get("cm1", "/desk/rota")).text
    assert said(await desk.post("sup", "/desk/rota/away", {"user_id": "cm2", "back_again": "yes"})) == "away_back"
    assert said(await desk.post("sup", "/desk/rota/shift", {"remove": line.shifts[0].shift_id})) == "shift_removed"
    assert said(await desk.post("sup", "/desk/rota/shift", {"remove": line.shifts[0].shift_id})) == "no_shift"
    assert said(await desk.post("sup", "/desk/rota/shift", shift | {"ends": "2026-03-02T01:00"})) == "wrong_span"
    assert said(await desk.post("sup", "/desk/rota/shift", shift | {"starts": "soon"})) == "invalid_value"
    assert said(await desk.post("sup", "/desk/rota/shift", shift | {"weeks": "999"})) == "weeks"
    assert said(await desk.post("sup", "/desk/rota/away", away | {"cover": "sao1"})) == "wrong_cover"
    assert said(await desk.post("cm1", "/desk/rota/away", away)) == "not_permitted"


# ------------------------------------------------------------------------------------------------ devices
async def test_devices_warn_are_enrolled_wiped_with_typed_letters_and_their_work_is_decided(
    desk: DeskUnderTest,
) -> None:
    agency = desk.agency
    form = {"user_id": "o1", "server": "https://lead.example.org", "hours": "24"}
    invited = await desk.post("sup", "/desk/devices/invite", form)
    code = re.search(r'class="secret">([0-9A-Z-]+)<', invited.text)
    assert code
    assert '<svg role="img"' in invited.text
    device = Device.enrol(agency.service, code[1], agency.clock)
    beat = Heartbeat(waiting=2, stored=0, needs_attention=0, oldest_unsent_s=90_000, locked=True, clock_offset_ms=0, app="test/1")  # fmt: skip
    device.sync(heartbeat=beat)
    page = (await desk.get("sup", "/desk/devices")).text
    assert "Unsent for more than a day" in page
    assert "Too many wrong PINs" in page
    act = {"device_id": device.device_id}
    assert said(await desk.post("sup", "/desk/devices/do", act | {"button": "release"})) == "device_released"
    assert said(await desk.post("sup", "/desk/devices/do", act | {"button": "wipe", "typed": "wrong"})) == "not_typed"
    assert (
        said(await desk.post("sup", "/desk/devices/do", {"device_id": "", "button": "wipe", "typed": ""}))
        == "not_typed"
    )
    typed = {"button": "wipe", "typed": device.device_id[:6].upper()}
    assert said(await desk.post("sup", "/desk/devices/do", act | typed)) == "device_wiped"
    assert device.sync(locked=True).device.wipe
    made = named("Testa Held")
    device.sync([device.create(made)], locked=True)
    (row,) = desk.office.devices.view(SUP).held
    held = {"device_id": row.device_id, "op_id": row.op_id}
    assert said(await desk.post("sup", "/desk/devices/held", held | {"button": "keep"})) == "held_kept"
    assert "Kept by SUP" in (await desk.get("sup", "/desk/devices")).text
    assert said(await desk.post("sup", "/desk/devices/held", held | {"button": "pass"})) == "held_passed"
    assert said(await desk.post("sup", "/desk/devices/held", held | {"button": "pass"})) == "not_found"
    assert said(await desk.post("adm", "/desk/devices/held", held | {"button": "pass"})) == "not_permitted"


# ------------------------------------------------------------------------------------------------ the pack
def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


async def test_a_pack_is_uploaded_previewed_put_in_force_and_a_bad_one_is_refused_in_sentences(
    desk: DeskUnderTest,
) -> None:
    files = dict(baltimore_files())
    two = files | {"programme.json": files["programme.json"].replace(b'"version": "1"', b'"version": "2"').replace(b'"caseload_hard": 28', b'"caseload_hard": 26')}  # fmt: skip
    preview = await desk.post("adm", "/desk/programme", files={"pack": ("pack.zip", zipped(two), "application/zip")})
    assert said(preview) == "pack_kept"
    assert "/caps/caseload_hard" in preview.text
    assert "/rules/quantity_limit_grams" in preview.text
    digest = preview.url.path.rpartition("/")[2]
    before = desk.office.pack.listed(UserId("adm"))[1].digest
    force = {"digest": digest, "instead_of": before}
    assert said(await desk.post("sup", "/desk/programme/force", force)) == "not_permitted"
    assert said(await desk.post("adm", "/desk/programme/force", force)) == "pack_forced"
    assert desk.office.caseloads.board(SUP).cap == 26
    assert said(await desk.post("adm", "/desk/programme/force", force)) == "pack_in_force"
    broken = two | {"programme.json": b'{"format": 1}'}
    answer = await desk.post("adm", "/desk/programme", files={"pack": ("pack.zip", zipped(broken))})
    assert (answer.status_code, said(answer)) == (422, "pack_faults")
    assert "programme.json, /id: is not a text" in answer.text
    for data, status, code in ((b"no zip", 422, "pack_not_a_zip"), (zipped({"../x": b""}), 422, "pack_unsafe_path"), (b"0" * (1024 * 1024 + 1), 413, "pack_too_large")):  # fmt: skip
        answer = await desk.post("adm", "/desk/programme", files={"pack": ("pack.zip", data)})
        assert (answer.status_code, said(answer)) == (status, code)
    assert said(await desk.post("adm", "/desk/programme", {"pack": "text"})) == "pack_no_file"
    huge = await desk.post("adm", "/desk/programme", files={"pack": ("pack.zip", b"0" * (3 * 1024 * 1024))})
    assert said(huge) == "too_large"
    assert said(await desk.get("adm", f"/desk/programme/{'0' * 64}")) == "pack_unknown"


# ------------------------------------------------------------------------------------------------ referrals
async def test_searching_shows_the_name_only_in_the_answer_and_never_in_an_address(desk: DeskUnderTest) -> None:
    told(desk.agency, named("Testa Findable", "find"))
    answer = await desk.post("sup", "/desk/search", {"name": "findable"})
    assert "Testa Findable" in answer.text
    assert answer.url.query == b""
    assert "/desk/r/find" in answer.text
    assert "Nothing was found" in (await desk.post("cm2", "/desk/search", {"call_code": "A1-11"})).text
    for form, code in (({}, "missing_answer"), ({"born": "1990-05-02"}, "missing_answer"), ({"name": "?"}, "invalid_value"), ({"since": "soon"}, "invalid_value")):  # fmt: skip
        answer = await desk.post("sup", "/desk/search", form)
        assert answer.status_code == 422, form
        assert 'role="alert"' in answer.text
        assert code
    assert said(await desk.post("sup", "/desk/search", {"kind": "bribe"})) == "invalid_value"


def contents(folder: Path) -> bytes:
    """Everything in the database's files."""
    return b"".join(file.read_bytes() for file in sorted(folder.glob("case.db*"))).lower()


async def test_what_is_typed_and_shown_is_in_no_file_and_no_log(
    desk: DeskUnderTest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    told(desk.agency, named("Qwibblethorn Zanvorexic", "canary"))
    assert "Qwibblethorn Zanvorexic" in (await desk.post("sup", "/desk/search", {"name": "qwibblethorn"})).text
    await desk.post("sup", "/desk/search", {"name": "Vorpelsceniquand"})
    secret = re.search(r'class="secret">([^<]+)<', (await desk.post("sup", "/desk/people/secret", {"user_id": "cm2", "kind": "password"})).text)  # fmt: skip
    code = re.search(r'class="secret">([^<]+)<', (await desk.post("sup", "/desk/devices/invite", {"user_id": "o1", "server": "https://x.example", "hours": "1"})).text)  # fmt: skip
    await desk.post("cm1", "/desk/people/channel", {"user_id": "cm1", "url": "ntfys://push.example.org/Drombelwixen"})
    await desk.post("adm", "/desk/trail", {"about": "Mokkenfruzzle"})
    assert secret
    assert code
    ours = [r.getMessage() for r in caplog.records if not r.name.startswith(("httpx", "httpcore", "apprise"))]
    kept = contents(tmp_path) + " ".join(ours).lower().encode()
    for word in ("qwibblethorn", "vorpelsceniquand", "drombelwixen", "mokkenfruzzle", secret[1], code[1].lower()):
        assert word.encode() not in kept, word


async def test_duplicates_are_listed_without_names_and_opened_side_by_side(desk: DeskUnderTest) -> None:
    told(desk.agency, named("Testa Twice", "one"), named("TESTA twice", "two"))
    listed = (await desk.get("sup", "/desk/duplicates")).text
    assert "/desk/duplicates/two" in listed
    assert "twice" not in listed.casefold()
    side = (await desk.get("sup", "/desk/duplicates/two")).text
    assert "Testa Twice" in side
    assert "TESTA twice" in side
    assert (await desk.get("sup", "/desk/duplicates/none")).status_code == 404
    form = {"referral_id": "two", "other": "one"}
    assert said(await desk.post("sup", "/desk/duplicates/judge", form)) == "missing_answer"
    assert said(await desk.post("cm1", "/desk/duplicates/judge", form | {"decision": "same_event"})) == "not_permitted"
    answer = await desk.post("sup", "/desk/duplicates/judge", form | {"decision": "different_people"})
    assert said(answer) == "judged"
    assert "/desk/duplicates/two" not in answer.text


async def test_the_meetings_list_carries_the_notice_and_enrolment_goes_through_the_door(desk: DeskUnderTest) -> None:
    agency = desk.agency
    open_, shut = named("Testa Openly"), named("Testa Closely")
    told(agency, open_, shut)
    cm = agency.device("cm1")
    for made in (open_, shut):
        enrolled(agency, made.referral_id, cm)
    release(agency, cm, open_.referral_id, 6, "police", "sao")
    page = (await desk.get("sup", "/desk/caseloads/meeting")).text
    assert "42 CFR Part 2" in page
    assert "Testa Openly" in page
    assert "Testa Closely" not in page
    answer = await desk.post("sup", "/desk/caseloads/enrol", {"referral_id": open_.referral_id, "pair": "east"})
    assert said(answer) == "not_possible_now"
    assert said(await desk.post("cm1", "/desk/caseloads/enrol", {"referral_id": open_.referral_id})) == "not_permitted"


async def test_the_trail_is_read_and_checked(desk: DeskUnderTest) -> None:
    told(desk.agency, named("Testa Trail", "made"))
    desk.agency.service.look(UserId("sao1"), named("x", "made").referral_id)
    page = (await desk.get("adm", "/desk/trail?about=made")).text
    assert "looked at a referral" in page
    assert "SAO1" in page
    assert "are in order" in (await desk.post("adm", "/desk/trail/verify")).text
    assert (await desk.get("adm", "/desk/trail?about=Testa%20Trail")).status_code == 404
    assert (await desk.get("adm", "/desk/trail?before=nonsense")).status_code == 200


async def test_figures_are_counts_and_the_file_holds_the_same(desk: DeskUnderTest) -> None:
    told(desk.agency, *(named(f"Testa Number{n}") for n in range(7)))
    page = (await desk.get("eva", "/desk/figures")).text
    assert "<svg" in page
    assert "Testa" not in page
    answer = await desk.get("eva", "/desk/figures/csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "weeks,2026-03-02,arrest_diversion,7" in answer.text
    assert "Testa" not in answer.text


async def test_the_defender_sees_a_client_under_a_release_only(desk: DeskUnderTest) -> None:
    agency = desk.agency
    told(agency, named("Testa Client", "client"))
    cm = agency.device("cm1")
    assert (await desk.get("def", "/desk/defence/client")).status_code == 404
    release(agency, cm, "client", 1, "opd")
    agency.desk("sao1", Op.SAO_DECLINE, "client", base=2)
    listed = (await desk.get("def", "/desk/defence")).text
    assert "/desk/defence/client" in listed
    page = (await desk.get("def", "/desk/defence/client")).text
    assert "Who saw it" in page
    assert "Testa Client" not in page + listed
    assert "canary" not in page
    taken = ReleaseOfInformation(event=ReleaseEvent.REVOKED)
    cm.send(cm.seal(cm.operation(Op.RELEASE, "client", taken, base=3)))
    assert (await desk.get("def", "/desk/defence/client")).status_code == 404


async def test_a_form_of_another_session_changes_nothing(desk: DeskUnderTest) -> None:
    posts = [route.split()[1] for route in OURS if route.startswith("POST")]
    before = desk.agency.rows(select(schema.ledger.c.audit_n))
    desk.session("sup")
    desk.session("adm")
    before = desk.agency.rows(select(schema.ledger.c.audit_n))
    for path in posts:
        for user in ("sup", "adm"):
            answer = await desk.post(user, path, {"csrf": "0" * 64, "user_id": "cm1", "active": "no"})
            assert said(answer) in ("form_not_yours", "not_permitted"), path
    changed = [row for row in desk.agency.rows(select(schema.audit).where(schema.audit.c.n > before[0]["audit_n"])) if row["outcome"] not in ("done", "not_permitted")]  # fmt: skip
    assert not changed
    assert next(p for p in desk.office.people.listed(SUP) if p.user_id == "cm1").active


async def test_numbers_and_days_that_nobody_means_are_answered_in_a_sentence(desk: DeskUnderTest) -> None:
    long = "9" * 4400  # more digits than Python reads
    assert (await desk.get("sup", f"/desk/people?page={long}")).status_code == 200
    invited = {"user_id": "o2", "hours": long, "server": "https://lead.example.org"}
    assert said(await desk.post("sup", "/desk/devices/invite", invited)) == "invalid_value"
    for day in ("9999-12-31", "0001-01-01"):
        span = {"user_id": "cm2", "starts": f"{day}T10:00", "ends": f"{day}T18:00"}
        for form, path in (({"post": "on_call", "weeks": "2"}, "/desk/rota/shift"), ({}, "/desk/rota/away")):
            assert said(await desk.post("sup", path, span | form)) == "wrong_span", (day, path)
    assert (await desk.get("sup", "/desk/rota")).status_code == 200
