"""How a browser wants the pages: language and theme, in a cookie that holds nothing else.

The language is the browser's choice, else the person's own, else what the browser asks for. `auto` follows the device's light
or dark; `contrast` is the app's sunlight theme.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from case_system.desk.words import LANGUAGES

LOOK_COOKIE = "lead_look"
THEMES = ("auto", "light", "dark", "contrast")


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """language: one of LANGUAGES. theme: one of THEMES."""

    language: str = "en"
    theme: str = "auto"

    @property
    def cookie(self) -> str:
        """The cookie's value."""
        return f"{self.language}.{self.theme}"


def look_of(request: Request, own: str | None = None) -> Look:
    """The look of this browser; `own` is the language of who is signed in."""
    language, _, theme = request.cookies.get(LOOK_COOKIE, "").partition(".")
    if language not in LANGUAGES:
        language = own if own in LANGUAGES else _asked(request.headers.get("accept-language", ""))
    return Look(language=language, theme=theme if theme in THEMES else THEMES[0])


def chosen(language: str, theme: str, before: Look) -> Look:
    """The look after a choice; what is no choice leaves it as it was."""
    return Look(
        language=language if language in LANGUAGES else before.language,
        theme=theme if theme in THEMES else before.theme,
    )


def _asked(header: str) -> str:
    first = header.split(",")[0].strip().lower()[:2]
    return first if first in LANGUAGES else LANGUAGES[0]
