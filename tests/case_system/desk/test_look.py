"""The look of the pages: the app's colours, and nothing that the content policy would stop."""

from __future__ import annotations

import hashlib
import re
from dataclasses import fields

import pytest

from case_system.desk.frame import HERE
from field_app.views.theme import PALETTES, Palette
from tests.support.repository import ROOT

CSS = (HERE / "static" / "desk.css").read_text(encoding="utf-8")
BLOCKS = {
    "light": [r":root {"],
    "dark": [r":root[data-theme=dark] {", "(prefers-color-scheme: dark) { :root[data-theme=auto] {"],
    "sunlight": [r":root[data-theme=contrast] {", "(prefers-color-scheme: light) { :root[data-theme=auto] {"],
}


@pytest.mark.parametrize("name", sorted(PALETTES))
def test_the_desk_has_the_apps_colours(name: str) -> None:
    for start in BLOCKS[name]:
        block = CSS.split(start, 1)[1].split("}", 1)[0]
        found = dict(re.findall(r"--([a-z-]+): (#[0-9A-F]{6});", block))
        assert found == {f.name.replace("_", "-"): getattr(PALETTES[name], f.name) for f in fields(Palette)}


def test_no_rule_names_a_colour_of_its_own() -> None:
    rules = re.sub(r"@media print {.*", "", CSS[CSS.index("/* 2 -") :], flags=re.DOTALL)
    assert not re.findall(r"#[0-9a-fA-F]{3,8}\b", rules)
    assert set(re.findall(r"var\(--([a-z-]+)\)", rules)) <= {
        "card",
        *(f.name.replace("_", "-") for f in fields(Palette)),
    }


def test_every_icon_that_is_named_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="(\w+)"', (HERE / "static" / "icons.svg").read_text(encoding="utf-8")))
    for file in [*(HERE / "templates").glob("*.html"), *HERE.glob("*.py")]:
        text = file.read_text(encoding="utf-8")
        assert set(re.findall(r'icon\("(\w+)"\)', text)) <= drawn, file.name
        assert set(re.findall(r'\.place\([^)]*"(\w+)"\)', text)) <= drawn, file.name


def test_what_is_vendored_is_what_the_documents_say() -> None:
    told = (ROOT / "docs" / "case-system.md").read_text(encoding="utf-8")
    for file in (HERE / "static" / "vendor").glob("*.js"):
        assert hashlib.sha256(file.read_bytes()).hexdigest() in told, file.name
        assert (file.parent / f"{file.name.split('.')[0]}.LICENSE.txt").exists()
