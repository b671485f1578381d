"""What the pages say: complete in both languages, the app's own words where both speak of the same, and no text without a row."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from case_system.desk.frame import HERE
from case_system.desk.steps import BUTTONS
from case_system.desk.words import LOCALE, Words, running, table
from case_system.matters import ADVICE, FLAG_ADVICE
from referral.problems import PROBLEMS, ProblemCode
from tests.support.repository import ROOT

_PLACES = re.compile(r"{(\w+)}")


def app_words(language: str) -> dict[str, str]:
    """The app's own texts."""
    found: dict[str, str] = json.loads((ROOT / "field_app" / "locale" / f"{language}.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", ["shared", "problems"])
def test_what_app_and_desk_both_say_they_say_in_the_same_words(name: str) -> None:
    english, spanish = app_words("en"), app_words("es")
    for key, said in json.loads((LOCALE / f"{name}.json").read_text(encoding="utf-8")).items():
        if name == "shared":
            assert said == [english[key], spanish[key]], key
        else:
            assert said[1] == spanish[key], key


def test_every_problem_is_said_as_it_is_everywhere() -> None:
    english = Words()
    for code in ProblemCode:
        assert english.problem(code) == (PROBLEMS[code].title, PROBLEMS[code].meaning)


def test_what_needs_a_person_is_explained_in_both_languages() -> None:
    english = Words()
    named = {why.value: advice for why, advice in ADVICE.items()} | {
        f"flag_{f.value}": a for f, a in FLAG_ADVICE.items()
    }
    for key, advice in named.items():
        assert english(f"trouble.{key}.why") == advice.why
        assert english(f"trouble.{key}.todo") == advice.todo


def test_both_languages_are_there_with_the_same_values() -> None:
    for key, (english, spanish) in table().items():
        assert english.strip(), key
        assert spanish.strip(), key
        assert set(_PLACES.findall(english)) == set(_PLACES.findall(spanish)), key
        assert "—" not in english + spanish, key
    for key in table():
        if key.endswith(".one"):
            assert f"{key.removesuffix('.one')}.other" in table(), key


def test_every_text_that_a_template_or_a_button_names_has_a_row() -> None:
    named = {f"button.{button.name}" for button in BUTTONS}
    for file in (HERE / "templates").glob("*.html"):
        named |= set(re.findall(r'say\("([a-z_.0-9]+)"[,)]', file.read_text(encoding="utf-8")))
        for key in re.findall(r'say\.count\("([a-z_.0-9]+)"', file.read_text(encoding="utf-8")):
            named |= {f"{key}.one", f"{key}.other"}
    missing = sorted(named - set(table()))
    assert not missing


def test_no_template_has_style_or_script_or_english_of_its_own() -> None:
    for file in (HERE / "templates").glob("*.html"):
        text = file.read_text(encoding="utf-8")
        assert " style=" not in text, file.name
        assert not re.search(r"<script(?![^>]* src=)", text), file.name
        assert not re.search(r"\son(click|change|submit|load|input|error|focus|blur|key\w+|mouse\w+)=", text), file.name
        bare = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "", text, flags=re.DOTALL)
        bare = re.sub(r"<[^>]*>", " ", bare)
        left = {word for word in re.findall(r"[A-Za-z]{2,}", bare) if word not in {"Enter", "Esc"}}
        assert not left, (file.name, left)


def test_times_are_the_programmes_and_clocks_run() -> None:
    zone = ZoneInfo("America/New_York")
    night = datetime(2026, 3, 3, 7, 10, tzinfo=UTC)
    assert Words(zone=zone).when(night, night) == "2:10 am"
    assert Words(zone=zone).when(night, night.replace(day=5)) == "Tue, Mar 3, 2026, 2:10 am"
    assert Words(language="es", zone=zone).when(night, night.replace(day=5)) == "mar. 3 de mar. 2026, 2:10 a. m."
    assert [running(night, night.replace(hour=h, minute=m, second=5)) for h, m in ((7, 14), (9, 12))] == [
        "4:05",
        "2:02:05",
    ]
    assert running(night, night.replace(day=6, hour=9)) == "3 d 2 h"
    assert running(None, night) == "0:00"
