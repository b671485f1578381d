"""Each screen, without a client: what it says and what a tap does."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import flet as ft
import pytest

from field_app.snapshot import NoticeRow, Phase, Sending, Snapshot, ThemeChoice
from field_app.views.enrol import neat_code, read_link
from field_app.views.root import IDLE_CHECK_SECONDS
from referral.model import Kind
from referral.operations import SaoAnswer
from referral.views import NoticeKind
from tests.field_app.views.people import in_front_of, later
from tests.support.demo_actions import NOW, PIN, DemoActions


async def test_enrolment_takes_a_pasted_link_and_shows_the_pin_once() -> None:
    actions = DemoActions.new_device()
    async with in_front_of(actions) as person:
        link = "lead://enrol?server=http://127.0.0.1:8000&code=abcd-efgh-jkmn"
        await person.type("Server address", link)
        assert person.ui.one(ft.TextField, "Server address").value == "http://127.0.0.1:8000"
        await person.tap("Set up")
        await person.sees("This device is ready, nine", "It is shown only now", " ".join(PIN))
        await person.tap("I wrote it down")
        await person.sees("Hello, Officer Nine")
        assert not person.ui.says(" ".join(PIN))


async def test_enrolment_says_that_a_code_is_used() -> None:
    async with in_front_of(DemoActions.new_device()) as person:
        await person.type("Server address", "http://127.0.0.1:8000")
        await person.tap("Set up")
        await person.sees("The server or the code is missing")
        await person.type("Enrollment code", "WRNG-WRNG-WRNG")
        await person.tap("Set up")
        await person.sees("This enrolment code is used, expired or wrong.")


def test_codes_are_read_as_people_write_them() -> None:
    assert neat_code("abcd efgh jkmn") == "ABCD-EFGH-JKMN"
    assert neat_code("il0o-1111-2222") == "1100-1111-2222"
    assert read_link("https://example.org") is None
    assert read_link("lead://enrol?server=http://x&code=ABCD") == ("http://x", "ABCD")


async def test_wrong_pin_says_how_many_tries_are_left_and_the_right_one_opens() -> None:
    actions = DemoActions.officer()
    async with in_front_of(actions) as person:
        await person.sees(
            "1 saved referral step waits to be sent.", "What you do here is logged", "not used to prosecute"
        )
        assert not person.ui.says("R. Example")
        await person.unlock("111111")
        await person.sees("That PIN does not open this app.", "9 tries left")
        await person.unlock()
        await person.sees("My referrals", "R. Example")


async def test_passphrase_can_be_typed() -> None:
    actions = DemoActions.officer()
    async with in_front_of(actions) as person:
        await person.tap("Use the keyboard")
        await person.type("PIN or passphrase", PIN)
        await person.tap("Open")
        await person.sees("My referrals")


async def test_a_page_of_a_browser_asks_for_the_pin_even_when_the_vault_is_open() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions, own_door=True) as person:
        assert not person.ui.says("R. Example")
        await person.unlock()
        await person.sees("R. Example")


async def test_home_says_what_arrived_and_whom_to_call() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await person.sees(
            "1 waiting, oldest 12 min. No connection.",
            "LEAD has not been told yet",
            "Accepted by C. Manager",
            "More information needed",
        )
        await person.tap("Call 410-555-0101")
        assert person.hands.dialled == ["410-555-0101"]


async def test_without_a_telephone_the_number_is_said() -> None:
    async with in_front_of(DemoActions.officer(shut=False), phone=False) as person:
        await person.tap("Call 410-555-0101")
        await person.sees("This device cannot call. Dial 410-555-0101.")


async def test_search_finds_and_says_when_there_is_nothing() -> None:
    async with in_front_of(DemoActions.officer(shut=False)) as person:
        await person.type("Search my referrals", "sample")
        await person.ui.until(lambda: person.ui.says("M. Sample") and not person.ui.says("T. Invented"))
        await person.type("Search my referrals", "zzz")
        await person.sees("Nothing found")


async def test_a_thousand_rows_are_built_fifty_at_a_time() -> None:
    actions = DemoActions.officer(shut=False, count=1000)
    async with in_front_of(actions) as person:

        def rows() -> int:
            return sum(str(c.key).startswith("row-") for c in person.ui.all(ft.Container))

        assert rows() == 50
        await person.tap("Show 50 more (of 1000)")
        await person.ui.until(lambda: rows() == 100)
        assert person.ui.conn.sent_bytes < 600_000


async def test_detail_shows_tracks_steps_and_what_is_to_finish() -> None:
    actions = DemoActions.officer(shut=False)
    first = actions.shot.referrals[0].referral_id
    async with in_front_of(actions) as person:
        await person.tap_card(f"row-{first}")
        await person.sees("Where it stands", "No receipt yet", "To finish", "Numbers to call")
        await person.tap("Add: Incident or CAD number")
        await person.ui.until(lambda: person.ui.all(ft.TextField, "Incident or CAD number"))
        await person.type("Incident or CAD number", "26B77")
        await person.tap("Save the answer")
        await person.ui.until(lambda: actions.records[first].get("incident_number") == "26B77")
        assert actions.done[-1] == ("amend", {"incident_number": "26B77"})
        await person.ui.until(lambda: person.ui.routes[-1] == f"/referral/{first}")
        await person.ui.back()
        await person.ui.until(lambda: person.ui.routes == ["/"])


async def test_a_birth_date_replaces_an_age_whole() -> None:
    actions = DemoActions.officer(shut=False)
    first = actions.shot.referrals[0].referral_id
    actions.records[first]["person"] = {"name": "R. Example", "birth": {"age": 30}}
    async with in_front_of(actions, route=f"/referral/{first}/finish/person.birth") as person:
        await person.ui.until(lambda: person.ui.all(ft.TextField, "Age, or month/day/year"))
        await person.type("Age, or month/day/year", "5/2/1990")
        await person.tap("Save the answer")
        await person.ui.until(lambda: actions.records[first]["person"]["birth"] == {"date": "1990-05-02"})


async def test_officer_steps_are_recorded() -> None:
    actions = DemoActions.officer(shut=False)
    first = actions.shot.referrals[0].referral_id
    async with in_front_of(actions, route=f"/referral/{first}") as person:
        await person.tap("step-sao_call")
        await person.type("Who answered? (optional)", "Attorney Two")
        await person.tap("Approved")
        await person.ui.until(lambda: ("sao_call", ("Attorney Two", SaoAnswer.APPROVED)) in actions.done)
        await person.tap("step-on_the_way")
        await person.tap("20")
        await person.ui.until(lambda: ("on_the_way", (later(20), "central_district")) in actions.done)
        await person.tap("step-withdraw")
        await person.tap("person_said_no")
        await person.ui.until(lambda: ("withdraw", "person_said_no") in actions.done)


async def test_add_another_person_copies_the_scene_only() -> None:
    actions = DemoActions.officer(shut=False)
    first = actions.shot.referrals[0].referral_id
    async with in_front_of(actions, route=f"/referral/{first}") as person:
        await person.tap("Add another person here")
        await person.ui.until(lambda: bool(actions.drafts))
        (draft,) = actions.drafts.values()
        assert draft.scene_of == first
        assert set(draft.answers) == {"offence_codes", "scene_id"}


async def test_case_manager_accepts_with_one_tap() -> None:
    actions = DemoActions.case_manager(shut=False)
    first = actions.shot.inbox[0].referral_id
    async with in_front_of(actions) as person:
        await person.sees(
            "2 people are waiting for an answer", "Waiting 4:07", "Coming in, about ", "No one has answered"
        )
        await person.tap(f"accept-{first}")
        await person.ui.until(lambda: ("accept", None) in actions.done)
        assert person.taps <= 2
        await person.sees("1 person is waiting for an answer", "Accepted. Saved on this device.")


async def test_case_manager_passes_on_with_a_reason() -> None:
    actions = DemoActions.case_manager(shut=False)
    first = actions.shot.inbox[0].referral_id
    async with in_front_of(actions) as person:
        await person.tap(f"redirect-{first}")
        await person.tap("with_another_person")
        await person.ui.until(lambda: ("redirect", "with_another_person") in actions.done)


async def test_the_clock_of_an_offer_runs() -> None:
    actions = DemoActions.case_manager(shut=False)
    moments = [NOW, later(1)]

    def now() -> datetime:
        return moments[0]

    async with in_front_of(actions, now=now) as person:
        await person.sees("Waiting 4:07")
        moments[0] = later(1)
        await person.sees("Waiting 5:07")


async def test_caseload_and_my_people() -> None:
    actions = DemoActions.case_manager(shut=False)
    async with in_front_of(actions, route="/people") as person:
        await person.sees("Nearly full: 25 of 28 people.", "T. Invented", "A. Nobody", "In LEAD")
        await person.tap_card(f"row-{actions.shot.referrals[0].referral_id}")
        await person.sees("34 years", "410-555-0199", "Yes, but leave no message")
        await person.tap("step-intake")
        await person.ui.until(lambda: ("intake", None) in actions.done)
        await person.ui.back()
        await person.ui.until(lambda: person.ui.routes == ["/", "/people"])


async def test_a_notice_is_seen() -> None:
    actions = DemoActions.case_manager(shut=False)
    async with in_front_of(actions) as person:
        await person.sees("The State's Attorney answered")
        await person.tap("Seen")
        await person.ui.until(lambda: not person.ui.says("The State's Attorney answered"))


async def test_outbox_says_why_and_can_retry_export_and_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions, route="/outbox") as person:
        await person.sees("New referral: R. Example", "Saved 12 min ago", "3 tries", "There is no connection")
        await person.tap("Try now")
        await person.ui.until(lambda: ("retry", "a" * 32) in actions.done)
        await person.tap("Save as a file")
        await person.sees("Sealed copy saved at", str(tmp_path))
        await person.tap("Send now")
        await person.sees("Not sent yet. It is saved")
        await person.tap("Pause sending")
        await person.ui.until(lambda: person.buttons("Start sending again"))


async def test_language_and_theme_change_without_a_restart() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions, route="/settings") as person:
        await person.tap("es")
        await person.sees("Idioma y aspecto", "Tamaño del texto")
        await person.tap("sunlight")
        await person.ui.until(lambda: person.ui.page.theme_mode is ft.ThemeMode.LIGHT)
        await person.tap("dark")
        await person.ui.until(lambda: person.ui.page.theme_mode is ft.ThemeMode.DARK)
        await person.tap("200")
        await person.ui.until(lambda: actions.shot.settings.text_size == 200)
        await person.tap("paused")
        await person.ui.until(lambda: actions.shot.settings.sending is Sending.PAUSED)
        assert actions.shot.settings.theme is ThemeChoice.DARK


async def test_pin_is_changed() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions, route="/settings") as person:
        await person.tap("Change the PIN")
        await person.type("Present PIN", PIN)
        await person.type("New PIN or passphrase, 8 characters or more", "long enough secret")
        await person.type("New one again", "another")
        await person.tap("Change")
        await person.sees("The two new ones differ")
        await person.type("New one again", "long enough secret")
        await person.tap("Change")
        await person.sees("The PIN was changed.")


async def test_about_shows_what_is_not_confirmed() -> None:
    async with in_front_of(DemoActions.officer(shut=False), route="/settings") as person:
        await person.sees(
            "baltimore/1", "Not confirmed", "Largest amount in grams: not known", "Telephone numbers are made up"
        )


async def test_card_has_no_personal_data_and_two_languages() -> None:
    async with in_front_of(DemoActions.officer(shut=False), route="/card") as person:
        await person.sees("You can say no", "410-555-0108")
        assert not any(part in text for text in person.ui.texts() for part in ("Example", "Nine", "Sample"))
        await person.tap("es")
        await person.sees("Puede decir que no")


async def test_tablets_show_list_and_detail_side_by_side() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions, width=1024, height=768) as person:
        await person.sees("My referrals", "Where it stands")
        assert person.ui.all(ft.NavigationRail)
        await person.ui.resize(390, 844)
        await person.ui.until(lambda: not person.ui.all(ft.NavigationRail))
        assert person.ui.all(ft.NavigationBar)


@pytest.mark.parametrize(("width", "opened"), [(390, "/"), (1024, "/"), (1024, "/referral/{other}")])
async def test_who_is_to_be_called_is_said_once(width: int, opened: str) -> None:
    actions = DemoActions.officer(shut=False)
    told, other = [row for row in actions.shot.referrals if row.call is not None], actions.shot.referrals[1]
    assert len(told) == 1
    assert other not in told
    route = opened.format(other=other.referral_id)
    async with in_front_of(actions, width=width, height=800, route=route) as person:
        await person.sees("LEAD has not been told yet")
        assert person.ui.texts().count("LEAD has not been told yet") == 1


@pytest.mark.parametrize("state", [ft.AppLifecycleState.HIDE, ft.AppLifecycleState.PAUSE])
async def test_hiding_the_phone_app_locks_and_covers_it(state: ft.AppLifecycleState) -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await person.ui.event(person.ui.page, "app_lifecycle_state_change", {"state": state.value})
        await person.ui.until(lambda: actions.shot.phase is Phase.SHUT)
        assert person.ui.texts() == ["LEAD Field"]
        back = ft.AppLifecycleState.RESUME.value
        await person.ui.event(person.ui.page, "app_lifecycle_state_change", {"state": back})
        await person.sees("Hello, Officer Nine")


async def test_a_browser_that_hides_the_page_does_not_lock() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions, platform="linux") as person:
        await person.ui.event(person.ui.page, "app_lifecycle_state_change", {"state": ft.AppLifecycleState.HIDE.value})
        assert actions.shot.phase is Phase.OPEN


async def test_idle_minutes_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("field_app.views.root.IDLE_CHECK_SECONDS", 0.01)
    assert IDLE_CHECK_SECONDS > 1
    actions = DemoActions.officer(shut=False)
    moments = [NOW]
    async with in_front_of(actions, now=lambda: moments[0]) as person:
        await asyncio.sleep(0.05)
        assert actions.shot.phase is Phase.OPEN
        moments[0] = later(5.1)
        await person.ui.until(lambda: actions.shot.phase is Phase.SHUT)


class Slow(DemoActions):
    """A device that takes its time to answer; what it tells by itself arrives at once."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(snapshot)
        self.asked, self.go = threading.Semaphore(0), threading.Semaphore(1)  # the first answer is given at once

    def snapshot(self) -> Snapshot:
        taken = super().snapshot()
        self.asked.release()
        self.go.acquire(timeout=10)
        return taken


async def test_a_picture_from_before_the_lock_is_not_shown_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("field_app.views.root.IDLE_CHECK_SECONDS", 0.01)
    actions = Slow(DemoActions.officer(shut=False).shot)
    moments = [NOW]
    async with in_front_of(actions, now=lambda: moments[0]) as person:
        await person.sees("R. Example")
        assert actions.asked.acquire(timeout=5)
        moments[0] = later(1)
        assert await asyncio.to_thread(actions.asked.acquire, timeout=5)
        actions.lock()
        await person.sees("Hello, Officer Nine")
        actions.go.release()
        assert await asyncio.to_thread(actions.asked.acquire, timeout=5)  # the picture has arrived; it looks again
        await person.ui.settle()
        assert not person.ui.says("R. Example")
        assert person.ui.says("Hello, Officer Nine")
        actions.go.release(1000)


async def test_every_icon_button_has_a_name() -> None:
    for route in ("/", "/outbox", "/settings", "/card"):
        async with in_front_of(DemoActions.officer(shut=False), route=route) as person:
            assert all(button.tooltip for button in person.ui.all(ft.IconButton))


@pytest.mark.parametrize(("key", "kind"), [("new-arrest", Kind.ARREST), ("new-social", Kind.SOCIAL)])
async def test_kinds_have_their_own_doors(key: str, kind: Kind) -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await person.tap(key)
        await person.ui.until(lambda: bool(actions.drafts))
        assert next(iter(actions.drafts.values())).kind is kind


async def test_pin_is_typed_on_a_keyboard() -> None:
    actions = DemoActions.officer()
    async with in_front_of(actions) as person:
        for key in (*PIN[:3], "9", "Backspace", "Numpad " + PIN[3], *PIN[4:], "Enter"):
            data = {"key": key, "shift": False, "ctrl": False, "alt": False, "meta": False}
            await person.ui.event(person.ui.page, "keyboard_event", data)
        await person.sees("My referrals")


async def test_coming_back_sends_what_waits_unless_paused() -> None:
    actions = DemoActions.officer()
    back = {"state": ft.AppLifecycleState.RESUME.value}
    async with in_front_of(actions) as person:
        await person.ui.event(person.ui.page, "app_lifecycle_state_change", back)
        await person.ui.until(lambda: actions.done == [("sync", None)])
        actions.set_settings(replace(actions.shot.settings, sending=Sending.PAUSED))
        await person.ui.settle()
        await person.ui.event(person.ui.page, "app_lifecycle_state_change", back)
        assert actions.done == [("sync", None)]


async def test_an_accepted_handoff_is_no_notice_any_more() -> None:
    actions = DemoActions.case_manager(shut=False)
    first = actions.shot.inbox[0].referral_id
    async with in_front_of(actions) as person:
        await person.tap(f"accept-{first}")
        await person.sees("1 person is waiting for an answer")
        assert not person.ui.says("Handoff waiting")


async def test_an_officer_is_told_and_can_say_seen() -> None:
    actions = DemoActions.officer(shut=False)
    about = actions.shot.referrals[1].referral_id
    notice = NoticeRow(notice_id="n9", referral_id=about, kind=NoticeKind.ACCEPTED, created_at=NOW, acknowledged=False)
    actions.shot = replace(actions.shot, notices=(notice,))
    async with in_front_of(actions) as person:
        await person.sees("A handoff was accepted")
        await person.tap("Seen")
        await person.ui.until(lambda: not person.ui.says("A handoff was accepted"))
