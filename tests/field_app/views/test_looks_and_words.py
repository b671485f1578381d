"""Colours can be read, words are complete in both languages, and no hook hides in a branch."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from field_app import wording
from field_app.snapshot import Connection, Delivery, Sending, ThemeChoice
from field_app.views import states, theme
from field_app.wording import Words, texts
from referral.eligibility import Verdict
from referral.lifecycle import Charge, Episode, Handoff, Release, Review, Role
from referral.model import (
    Answer,
    Basis,
    Kind,
    Need,
    Permission,
    Quantity,
    ReachHow,
    Urgency,
    Whereabouts,
    Willing,
    Zone,
)
from referral.operations import NotCompletedReason, Op, SaoAnswer
from referral.problems import ProblemCode
from referral.programme import Ruling
from referral.views import Flag, Happening, NoticeKind

VIEWS = Path(wording.__file__).parent / "views"
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in VIEWS.glob("*.py")}
HOOK = re.compile(
    r"\b(?:ft\.)?(use_state|use_effect|use_memo|use_ref|use_context|use_route_params|use_view_path|stage)\Z"
)
FAMILIES: dict[str, type] = {
    "kind": Kind, "delivery": Delivery, "connection": Connection, "review": Review, "handoff": Handoff, "charge": Charge,
    "release": Release, "episode": Episode, "flag": Flag, "happened": Happening, "notice": NoticeKind, "op": Op, "role": Role,
    "zone": Zone, "verdict": Verdict, "ruling": Ruling, "theme": ThemeChoice, "sending": Sending, "sao": SaoAnswer,
    "not_completed": NotCompletedReason, "answer.exclusion": Answer, "answer.quantity": Quantity, "answer.willing": Willing,
    "answer.whereabouts": Whereabouts, "answer.reach": ReachHow, "answer.permission": Permission, "answer.basis": Basis,
    "answer.urgency": Urgency, "answer.need": Need,
}  # fmt: skip


@pytest.mark.parametrize("name", theme.PALETTES)
def test_text_can_be_read_on_its_ground(name: str) -> None:
    palette = theme.PALETTES[name]
    least = 7.0 if name == "sunlight" else 4.5
    poor = {
        (text, ground): round(theme.contrast(getattr(palette, text), getattr(palette, ground)), 2)
        for text, ground in theme.PAIRS
        if theme.contrast(getattr(palette, text), getattr(palette, ground)) < least
    }
    assert poor == {}


@pytest.mark.parametrize("name", theme.PALETTES)
def test_outlines_of_controls_can_be_seen(name: str) -> None:
    palette = theme.PALETTES[name]
    for ground in ("surface", "surface_container", "surface_container_lowest"):
        assert theme.contrast(palette.outline, getattr(palette, ground)) >= 3


def test_contrast_is_the_one_of_wcag() -> None:
    assert theme.contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert theme.contrast("#777777", "#FFFFFF") == pytest.approx(4.48, abs=0.01)


def test_no_view_names_a_colour_of_its_own() -> None:
    for name, source in SOURCES.items():
        if name != "theme.py":
            assert not re.search(r"#[0-9A-Fa-f]{6}", source), name


def test_both_languages_have_every_text() -> None:
    english, spanish = set(texts("en")), {key for key in texts("es") if not key.startswith("problem.")}
    assert english == spanish


def test_values_in_texts_are_the_same_in_both_languages() -> None:
    holes = re.compile(r"\{(\w+)\}")
    for key, english in texts("en").items():
        assert set(holes.findall(english)) == set(holes.findall(texts("es")[key])), key


def test_every_problem_is_told_in_spanish() -> None:
    for code in ProblemCode:
        title, meaning = Words(language="es").problem(code)
        assert title
        assert meaning


@pytest.mark.parametrize("family", FAMILIES)
def test_every_value_has_a_word(family: str) -> None:
    for member in FAMILIES[family]:  # type: ignore[attr-defined]
        assert Words().has(f"{family}.{member.value}"), member


def test_tables_of_looks_are_whole() -> None:
    assert set(states.DELIVERIES) == set(Delivery)
    assert set(states.REVIEWS) == set(Review)
    assert set(states.HANDOFFS) == set(Handoff)
    assert set(states.CHARGES) == set(Charge)
    assert set(states.RELEASES) == set(Release)
    assert set(states.EPISODES) == set(Episode)
    assert set(states.HAPPENINGS) == set(Happening)
    assert set(states.KINDS) == set(Kind)


def test_every_text_that_a_screen_names_exists() -> None:
    known = texts("en")
    for name, source in SOURCES.items():
        for key in re.findall(r"(?:words|here\.words)\(\s*\"([a-z_.]+)\"", source):
            assert key in known, (name, key)
        for key in re.findall(r"words\.count\(\s*\"([a-z_.]+)\"", source):
            assert {f"{key}.one", f"{key}.other"} <= set(known), (name, key)


def _called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def test_no_hook_is_called_in_a_branch_a_loop_or_a_handler() -> None:
    for name, source in SOURCES.items():
        for function in ast.walk(ast.parse(source)):
            if not isinstance(function, ast.FunctionDef):
                continue
            for statement in function.body:
                if isinstance(statement, (ast.If, ast.For, ast.While, ast.Try, ast.FunctionDef, ast.AsyncFunctionDef)):
                    bad = [n for n in ast.walk(statement) if isinstance(n, ast.Call) and HOOK.match(_called(n))]
                    assert not bad, (name, function.name, [n.lineno for n in bad])


def test_times_are_local_in_the_clock_of_the_region() -> None:
    zone = timezone(timedelta(hours=-5))
    moment = datetime(2026, 2, 3, 7, 10, tzinfo=UTC)
    assert Words(zone=zone).time(moment) == "2:10 am"
    assert Words(zone=zone, region="ES", language="es").time(moment) == "02:10"
    assert Words(zone=zone).when(moment, moment + timedelta(days=1)) == "Feb 3, 2:10 am"
    assert Words(zone=zone, language="es").day(moment) == "3 de feb."


def test_ages_and_clocks() -> None:
    words = Words()
    assert [words.age(s) for s in (5, 720, 7200 + 60, 3 * 86400)] == ["just now", "12 min", "2 h", "3 days"]
    assert [words.clock(s) for s in (-3, 247, 3753)] == ["0:00", "4:07", "1:02:33"]
