"""The pieces screens are made of: plain functions from frozen data to a control. No hooks, no page, no actions.

Invariants: whatever can be tapped is at least `TOUCH` high and has a name; a state is an icon and a word, never a colour
alone; nothing that holds text has a fixed height, so that 200 % text and 320 dp fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import flet as ft

from field_app.views.boundary import handler
from field_app.views.theme import GAP, RADIUS, READING, TOUCH
from field_app.views.typed import typed_field

Tap = Callable[..., Any]
C = ft.Colors
S = ft.TextThemeStyle


class Tone(Enum):
    """What a piece says at a glance; the word beside it says the same. (text colour, ground colour)"""

    PLAIN = (C.ON_SECONDARY_CONTAINER, C.SECONDARY_CONTAINER)
    GOOD = (C.ON_PRIMARY_CONTAINER, C.PRIMARY_CONTAINER)
    WAIT = (C.ON_TERTIARY_CONTAINER, C.TERTIARY_CONTAINER)
    BAD = (C.ON_ERROR_CONTAINER, C.ERROR_CONTAINER)

    @property
    def ink(self) -> ft.Colors:
        """The colour of its text and icon."""
        return self.value[0]

    @property
    def ground(self) -> ft.Colors:
        """The colour behind it."""
        return self.value[1]


def text(value: str, style: ft.TextThemeStyle = S.BODY_LARGE, *, quiet: bool = False, **more: Any) -> ft.Text:
    """Running text; `quiet` for what is of second rank."""
    more.setdefault("color", C.ON_SURFACE_VARIANT if quiet else C.ON_SURFACE)
    return ft.Text(value, theme_style=style, **more)


def small(value: str, **more: Any) -> ft.Text:
    """A second line."""
    return text(value, S.BODY_MEDIUM, quiet=True, **more)


def heading(value: str, level: int = 2) -> ft.Control:
    """A heading that a screen reader can jump to."""
    style = {1: S.HEADLINE_SMALL, 2: S.TITLE_LARGE, 3: S.TITLE_MEDIUM}[level]
    return ft.Semantics(content=text(value, style), header=True, heading_level=level)


def spoken(control: ft.Control) -> ft.Control:
    """A status line that screen readers say when it changes."""
    return ft.Semantics(content=control, live_region=True)


def column(controls: Iterable[ft.Control | None], spacing: float = GAP, **more: Any) -> ft.Column:
    """Things under each other, stretched; None is left out."""
    more.setdefault("horizontal_alignment", ft.CrossAxisAlignment.STRETCH)
    more.setdefault("tight", True)
    return ft.Column([c for c in controls if c is not None], spacing=spacing, **more)


def wrap(controls: Iterable[ft.Control | None], spacing: float = 8) -> ft.Row:
    """Things beside each other, in as many lines as they need."""
    return ft.Row([c for c in controls if c is not None], wrap=True, spacing=spacing, run_spacing=spacing)


def card(
    content: ft.Control,
    *,
    tone: Tone | None = None,
    on_click: Tap | None = None,
    key: str | None = None,
    padding: float = GAP,
) -> ft.Container:
    """A sheet of paper: the ground on which one thing lies."""
    ground = C.SURFACE_CONTAINER if tone is None else tone.ground
    return ft.Container(
        content,
        key=key,
        padding=padding,
        border_radius=RADIUS,
        bgcolor=ground,
        border=ft.Border.all(1, C.OUTLINE_VARIANT) if tone is None else None,
        ink=on_click is not None,
        on_click=handler(on_click) if on_click else None,
    )


def chip(icon: ft.IconData, word: str, tone: Tone = Tone.PLAIN) -> ft.Container:
    """A state: an icon and a word."""
    return ft.Container(
        ft.Row(
            [ft.Icon(icon, size=18, color=tone.ink), ft.Text(word, theme_style=S.LABEL_MEDIUM, color=tone.ink)],
            spacing=6,
            tight=True,
        ),
        padding=ft.Padding.symmetric(horizontal=10, vertical=5),
        border_radius=999,
        bgcolor=tone.ground,
    )


def notice(
    icon: ft.IconData,
    title: str,
    body: str | None = None,
    tone: Tone = Tone.PLAIN,
    actions: Sequence[ft.Control] = (),
    key: str | None = None,
) -> ft.Container:
    """Something the person must know: what happened, what it means, what to do."""
    words = column(
        [
            ft.Text(title, theme_style=S.TITLE_MEDIUM, color=tone.ink),
            ft.Text(body, theme_style=S.BODY_MEDIUM, color=tone.ink) if body else None,
            wrap(actions) if actions else None,
        ],
        spacing=6,
        expand=True,
    )
    row = ft.Row(
        [ft.Icon(icon, size=26, color=tone.ink), words], spacing=14, vertical_alignment=ft.CrossAxisAlignment.START
    )
    return ft.Container(row, padding=GAP, border_radius=RADIUS, bgcolor=tone.ground, key=key)


def _style(*, pad: float = 18, high: float = 16) -> ft.ButtonStyle:
    """Padding, not height, makes a button `TOUCH` high: it grows with its text."""
    return ft.ButtonStyle(
        shape=ft.RoundedRectangleBorder(radius=14),
        padding=ft.Padding.symmetric(horizontal=pad, vertical=high),
        visual_density=ft.VisualDensity.STANDARD,
    )


def primary(
    label: str, on_click: Tap, *, icon: ft.IconData | None = None, disabled: bool = False, **more: Any
) -> ft.FilledButton:
    """The one thing to do here."""
    return ft.FilledButton(
        content=label,
        icon=icon,
        disabled=disabled,
        on_click=handler(on_click),
        style=_style(),
        **more,
    )


def tonal(label: str, on_click: Tap, *, icon: ft.IconData | None = None, **more: Any) -> ft.FilledTonalButton:
    """Another thing that may well be done."""
    return ft.FilledTonalButton(
        content=label,
        icon=icon,
        on_click=handler(on_click),
        style=_style(),
        **more,
    )


def outlined(label: str, on_click: Tap, *, icon: ft.IconData | None = None, **more: Any) -> ft.OutlinedButton:
    """A thing that is possible."""
    return ft.OutlinedButton(
        content=label,
        icon=icon,
        on_click=handler(on_click),
        style=_style(),
        **more,
    )


def quiet(label: str, on_click: Tap, *, icon: ft.IconData | None = None, **more: Any) -> ft.TextButton:
    """A thing that is seldom done."""
    return ft.TextButton(
        content=label,
        icon=icon,
        on_click=handler(on_click),
        style=_style(pad=12),
        **more,
    )


def icon_button(icon: ft.IconData, name: str, on_click: Tap, **more: Any) -> ft.Control:
    """An icon that can be tapped; its name is read aloud and shown on a long press.

    It is a node of its own: otherwise its name would melt into the texts around it.
    """
    button = ft.IconButton(
        icon=icon,
        tooltip=name,
        on_click=handler(on_click),
        size_constraints=ft.BoxConstraints(min_width=TOUCH, min_height=TOUCH),
        **more,
    )
    return ft.Semantics(content=button, container=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One answer of a choice: the value that travels and the words people read."""

    value: str
    label: str
    hint: str | None = None


def option_button(
    option: Option, chosen: bool, on_click: Tap, *, expand: bool = False, start: bool = False
) -> ft.Control:
    """A big answer; the chosen one has a tick, a filled ground and says that it is chosen."""
    ink = C.ON_PRIMARY if chosen else C.ON_SURFACE
    label = ft.Text(
        option.label,
        theme_style=S.LABEL_LARGE,
        color=ink,
        text_align=ft.TextAlign.START if start else ft.TextAlign.CENTER,
    )
    button = ft.FilledButton(
        content=label,
        icon=ft.Icons.CHECK if chosen else None,
        icon_color=ink,
        on_click=handler(on_click),
        key=option.value,
        style=ft.ButtonStyle(
            shape=ft.RoundedRectangleBorder(radius=14),
            side=ft.BorderSide(1.5, C.PRIMARY if chosen else C.OUTLINE),
            bgcolor=C.PRIMARY if chosen else C.SURFACE_CONTAINER_LOWEST,
            color=ink,
            elevation=0,
            alignment=ft.Alignment.CENTER_LEFT if start else ft.Alignment.CENTER,
            padding=ft.Padding.symmetric(horizontal=6 if expand else 14, vertical=16),
            visual_density=ft.VisualDensity.STANDARD,
        ),
    )
    return ft.MergeSemantics(
        ft.Semantics(content=button, selected=chosen), key=f"option-{option.value}", expand=1 if expand else None
    )


def choices(
    options: Sequence[Option],
    chosen: str | Iterable[str] | None,
    on_pick: Callable[[str], Any],
    *,
    narrow: bool = False,
) -> ft.Control:
    """A row of big answers: side by side when there are up to three short ones, under each other when one is long.

    narrow: there is room for one thing to a line only (`Stage.cramped`).
    """
    picked = {chosen} if isinstance(chosen, str) else set(chosen or ())
    longest = max((len(o.label) for o in options), default=0)
    short = len(options) <= 3 and longest <= 14 and not narrow
    tall = longest > 24 or narrow
    made = [
        option_button(o, o.value in picked, lambda _=None, v=o.value: on_pick(v), expand=short, start=tall)
        for o in options
    ]
    if short:
        return ft.Row(made, spacing=8, vertical_alignment=ft.CrossAxisAlignment.STRETCH, intrinsic_height=True)
    return column(made, spacing=8) if tall else wrap(made)


def question(
    label: str, content: ft.Control, *, hint: str | None = None, error: str | None = None, key: str | None = None
) -> ft.Control:
    """A question with its answer under it."""
    return column(
        [
            text(label, S.TITLE_SMALL),
            small(hint) if hint else None,
            content,
            spoken(ft.Text(error, theme_style=S.BODY_MEDIUM, color=C.ERROR)) if error else None,
        ],
        spacing=8,
        key=ft.ScrollKey(key) if key else None,  # type: ignore[call-arg]
    )


def text_field(label: str, value: str, **more: Any) -> ft.TextField:
    """A field to type into, in the app's looks; what is being typed stands (see typed.py)."""
    if more.get("max_length") is not None and not more.get("multiline"):
        more.setdefault("counter", ft.Container(width=0, height=0))  # a limit is enforced; counting to it is for notes
    return typed_field(
        label=label,
        value=value,
        on_change=more.pop("on_change", None),
        filled=True,
        fill_color=C.SURFACE_CONTAINER_LOWEST,
        border=ft.OutlineInputBorder(side=ft.BorderSide(1.2, C.OUTLINE), border_radius=14),
        **more,
    )


def empty(icon: ft.IconData, title: str, body: str) -> ft.Control:
    """What a list shows when there is nothing in it."""
    return ft.Container(
        ft.Column(
            [
                ft.Icon(icon, size=44, color=C.PRIMARY),
                text(title, S.TITLE_MEDIUM, text_align=ft.TextAlign.CENTER),
                small(body, text_align=ft.TextAlign.CENTER),
            ],
            horizontal_alignment=ft.CrossAxisAlignment.CENTER,
            spacing=10,
        ),
        padding=ft.Padding.symmetric(horizontal=24, vertical=40),
        alignment=ft.Alignment.TOP_CENTER,
    )


def working(label: str) -> ft.Control:
    """Something takes longer than a moment, and this is what."""
    return ft.Row(
        [ft.ProgressRing(width=22, height=22, stroke_width=3), spoken(small(label))],
        spacing=14,
        alignment=ft.MainAxisAlignment.CENTER,
    )


def margins(width: float, widest: float = READING) -> float:
    """The space left and right of a column that is at most `widest` in a room of `width` dp."""
    return max(GAP, (width - widest) / 2)


def pinned(content: ft.Control, width: float) -> ft.Control:
    """At thumb height, above everything that scrolls; in the middle of a room of `width` dp."""
    side = margins(width)
    return ft.Container(
        ft.SafeArea(content, avoid_intrusions_top=False),
        padding=ft.Padding.only(left=side, right=side, top=12, bottom=12),
        bgcolor=C.SURFACE_CONTAINER,
        border=ft.Border(top=ft.BorderSide(1, C.OUTLINE_VARIANT)),
    )
