"""The form: tap budgets, autosave, the outlook, the place, and what happens when it is left."""

from __future__ import annotations

import flet as ft

from field_app.views.asking import read_birth
from field_app.views.finish import patch_between
from referral.model import Kind
from referral.operations import merge
from tests.field_app.views.people import MARKET, Person, in_front_of
from tests.support.demo_actions import DemoActions


async def begin(person: Person, kind: str) -> None:
    await person.tap(f"new-{kind}")
    await person.ui.until(lambda: person.ui.routes[-1].startswith("/form/"))
    await person.ui.until(lambda: person.buttons("save") and not person.ui.says("Opening the form"))


def only_draft(actions: DemoActions) -> dict[str, object]:
    (draft,) = actions.drafts.values()
    return dict(draft.answers)


async def test_shortest_honest_arrest_takes_nine_taps() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions, fix=MARKET) as person:
        await begin(person, "arrest")
        await person.answer("offence_codes", "4 3550")
        await person.tap("use-fix")
        await person.answer("exclusions.open_warrant", "no")
        await person.answer("exclusions.safety_threat", "no")
        await person.answer("willing", "yes")
        await person.answer("whereabouts", "coming_in")
        await person.tap("save")
        await person.ui.until(lambda: person.ui.routes[-1].startswith("/saved/"))
        await person.sees("Saved on this phone", "LEAD has not been told yet", "give code")
        assert person.taps <= 9
        wire = next(iter(w for k, w in actions.records.items() if k.startswith("fff")))
        assert wire["destination"] == "central_district"
        assert wire["place"]["source"] == "gps"
        assert wire["place"]["zone"] == "inside"


async def test_whole_arrest_takes_eighteen_taps_and_few_letters() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions, fix=MARKET) as person:
        await begin(person, "arrest")
        await person.answer("offence_codes", "4 3550")
        await person.answer("quantity", "personal")
        await person.tap("use-fix")
        await person.answer("exclusions.open_warrant", "no")
        await person.answer("exclusions.safety_threat", "no")
        await person.tap("I know some of these")
        await person.tap("I checked: none of the three")
        await person.answer("willing", "yes")
        await person.answer("whereabouts", "coming_in")
        await person.answer("eta_at", "20")
        await person.type("Name as given", "Ada E")
        await person.type("Age, or month/day/year", "34")
        await person.answer("reach", "phone")
        await person.type("Phone number", "4105550199")
        await person.answer("reach.permission", "ok_no_message")
        await person.sees("It looks like LEAD can take this.")
        await person.tap("save")
        await person.ui.until(lambda: person.ui.routes[-1].startswith("/saved/"))
        await person.type("Incident or CAD number", "26B0123")
        assert person.taps <= 18
        assert person.typed <= 25
        wire = next(iter(w for k, w in actions.records.items() if k.startswith("fff")))
        assert wire["person"] == {"name": "Ada E", "birth": {"age": 34}}
        assert wire["reach"] == {"how": "phone", "detail": "4105550199", "permission": "ok_no_message"}
        assert set(wire["exclusions"].values()) == {"no"}


async def test_whole_social_contact_takes_twelve_taps() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions, fix=MARKET) as person:
        await begin(person, "social")
        await person.answer("willing", "yes")
        await person.type("Name as given", "Ada E")
        await person.type("Age, or month/day/year", "34")
        await person.answer("reach", "phone")
        await person.type("Phone number", "4105550199")
        await person.answer("reach.permission", "ok")
        await person.tap("use-fix")
        await person.answer("basis", "observed")
        await person.answer("urgency", "today")
        await person.answer("reason", "overdose_response")
        await person.tap("save")
        await person.ui.until(lambda: person.ui.routes[-1].startswith("/saved/"))
        assert person.taps <= 12
        await person.sees("Not sent yet")


async def test_save_says_what_is_missing() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await begin(person, "arrest")
        await person.sees()
        assert person.buttons("Still needed: do they agree?")
        await person.answer("willing", "later")
        await person.ui.until(lambda: person.buttons("Still needed: where are they now?"))
        await person.answer("whereabouts", "hospital")
        await person.ui.until(lambda: person.buttons("Save"))


async def test_second_tap_takes_an_answer_back() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await begin(person, "arrest")
        await person.answer("exclusions.open_warrant", "yes")
        assert only_draft(actions) == {"exclusions": {"open_warrant": "yes"}}
        await person.answer("exclusions.open_warrant", "yes")
        assert only_draft(actions) == {}


async def test_typed_text_survives_a_lock_in_the_middle_of_a_word() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await begin(person, "arrest")
        await person.ui.type(person.ui.one(ft.TextField, "Name as given"), "Ada Exam")
        state = ft.AppLifecycleState.HIDE
        await person.ui.event(person.ui.page, "app_lifecycle_state_change", {"state": state.value})
        await person.ui.until(lambda: actions.shot.phase == "shut")
        assert only_draft(actions) == {"person": {"name": "Ada Exam"}}
        await person.ui.event(
            person.ui.page, "app_lifecycle_state_change", {"state": ft.AppLifecycleState.RESUME.value}
        )
        await person.unlock()
        await person.ui.until(lambda: person.ui.all(ft.TextField, "Name as given"))
        assert person.ui.one(ft.TextField, "Name as given").value == "Ada Exam"


async def test_leaving_keeps_the_draft_and_home_takes_it_up_again() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await begin(person, "social")
        await person.ui.type(person.ui.one(ft.TextField, "Name as given"), "B. Left")
        await person.tap("Back")
        await person.ui.until(lambda: person.ui.routes == ["/"])
        await person.sees("Not finished yet", "B. Left")
        (draft_id,) = actions.drafts
        await person.tap_card(f"draft-{draft_id}")
        await person.ui.until(lambda: person.ui.all(ft.TextField, "Name as given"))
        assert person.ui.one(ft.TextField, "Name as given").value == "B. Left"


async def test_discard_can_be_undone() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await begin(person, "arrest")
        await person.answer("willing", "yes")
        await person.tap("Throw this form away")
        await person.ui.until(lambda: not actions.drafts)
        bar = person.ui.all(ft.SnackBar)[-1]
        assert isinstance(bar.action, ft.SnackBarAction)
        await person.ui.click(bar.action)
        await person.ui.until(lambda: actions.drafts)
        assert only_draft(actions) == {"willing": "yes"}


async def test_open_warrant_says_so_and_offers_no_conversion() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await begin(person, "arrest")
        await person.answer("exclusions.open_warrant", "yes")
        await person.sees("There is an open warrant.", "The warrant must be handled first.")
        assert not person.buttons("Make it a social contact")


async def test_conversion_to_social_contact_and_undo() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await begin(person, "arrest")
        await person.answer("exclusions.safety_threat", "yes")
        await person.tap("Make it a social contact")
        await person.sees("Social contact", "How do you know?")
        bar = person.ui.all(ft.SnackBar)[-1]
        assert isinstance(bar.action, ft.SnackBarAction)
        await person.ui.click(bar.action)
        await person.ui.until(lambda: next(iter(actions.drafts.values())).kind is Kind.ARREST)


async def test_minor_shows_whom_to_call() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await begin(person, "social")
        await person.type("Age, or month/day/year", "15")
        await person.sees("LEAD is for people 18 and older", "Youth services")
        await person.tap("Call 410-555-0105")
        assert person.hands.dialled == ["410-555-0105"]


async def test_typed_place_is_picked_offline() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await begin(person, "arrest")
        await person.ui.type(person.ui.one(ft.TextField, "Block or corner"), "300 w lex")
        await person.tap_card("place-300 block W Lexington St")
        await person.sees("Picked from the list", "In the zone")
        assert only_draft(actions)["place"] == {
            "text": "300 block W Lexington St",
            "lat": actions.drafts[next(iter(actions.drafts))].answers["place"]["lat"],
            "lon": actions.drafts[next(iter(actions.drafts))].answers["place"]["lon"],
            "source": "picked",
            "zone": "inside",
        }


async def test_place_without_direction_asks_which_side() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await begin(person, "arrest")
        await person.ui.type(person.ui.one(ft.TextField, "Block or corner"), "400 Baltimore St")
        await person.sees("Which side of the street name?", "West")
        await person.tap("W")
        await person.ui.until(lambda: person.ui.one(ft.TextField, "Block or corner").value == "400 W Baltimore St")


async def test_place_outside_the_zone_asks_why() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions, fix=None) as person:
        await begin(person, "arrest")
        await person.ui.type(person.ui.one(ft.TextField, "Block or corner"), "39.3300, -76.6000")
        await person.tap("Keep as typed: 39.3300, -76.6000")
        await person.sees("Why LEAD, although it is not inside the zone?")
        await person.tap("lives_in_zone")
        await person.ui.until(lambda: "outside_reason" in str(only_draft(actions)))


async def test_amount_is_asked_for_drugs_only() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await begin(person, "arrest")
        assert not person.ui.says("How much?")
        await person.answer("offence_codes", "1 1093")
        assert not person.ui.says("How much?")
        await person.answer("offence_codes", "4 3550")
        await person.sees("How much?")


async def test_leaving_coming_in_takes_time_and_destination_back() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await begin(person, "arrest")
        await person.answer("whereabouts", "coming_in")
        await person.answer("eta_at", "10")
        assert {"whereabouts", "eta_at", "destination"} <= set(only_draft(actions))
        await person.answer("whereabouts", "hospital")
        await person.ui.until(lambda: set(only_draft(actions)) == {"whereabouts"})


async def test_refusal_says_that_no_name_is_kept() -> None:
    actions = DemoActions.officer(shut=False)
    async with in_front_of(actions) as person:
        await begin(person, "social")
        await person.answer("willing", "no")
        await person.sees("Then no name is kept")


def test_birth_is_read_as_age_or_date() -> None:
    assert read_birth("34") == {"age": 34}
    assert read_birth(" 5/2/1990 ") == {"date": "1990-05-02"}
    assert read_birth("1990-05-02") == {"date": "1990-05-02"}
    for wrong in ("121", "5/2", "2/30/1990", "May 2", "5/2/90"):
        try:
            read_birth(wrong)
        except ValueError:
            continue
        raise AssertionError(wrong)


def test_patch_between_takes_back_what_is_gone() -> None:
    before = {"person": {"name": "A", "birth": {"age": 3}}, "reach": {"how": "none"}}
    after = {"person": {"name": "A", "birth": {"date": "1990-05-02"}}, "basis": "observed"}
    patch = patch_between(before, after)
    assert patch == {"person": {"birth": {"age": None, "date": "1990-05-02"}}, "reach": None, "basis": "observed"}
    assert merge(before, patch) == after
    assert patch_between(after, after) == {}
