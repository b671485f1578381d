"""Where it happened: confirm the fix, or type a block or a corner and pick it, offline; a sketch of the zone shows the dot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import flet as ft
from flet import canvas

from field_app.views.asking import Asking, Change
from field_app.views.boundary import component, handler
from field_app.views.hands import Fix
from field_app.views.parts import (
    C,
    Option,
    S,
    Tone,
    card,
    chip,
    choices,
    column,
    outlined,
    question,
    quiet,
    small,
    spoken,
    text,
    text_field,
    tonal,
    working,
    wrap,
)
from referral.model import PlaceSource, Zone
from referral.place import Ask, PlaceAnswer, locate, locate_point, suggest
from referral.programme import Outline

ZONES: dict[Zone, tuple[ft.IconData, Tone]] = {
    Zone.INSIDE: (ft.Icons.CHECK_CIRCLE_OUTLINE, Tone.GOOD),
    Zone.BOUNDARY: (ft.Icons.HELP_OUTLINE, Tone.WAIT),
    Zone.OUTSIDE: (ft.Icons.WRONG_LOCATION_OUTLINED, Tone.BAD),
    Zone.UNKNOWN: (ft.Icons.HELP_OUTLINE, Tone.WAIT),
}
SKETCH = (128.0, 112.0)
SUGGESTIONS = 6


def sketch(outline: Outline, lat: float | None, lon: float | None, label: str) -> ft.Control:
    """The zone's outline with the place as a dot; a place outside lies at the edge of the sketch."""
    width, height = SKETCH
    south, north = min(p[0] for p in outline.ring), max(p[0] for p in outline.ring)
    west, east = min(p[1] for p in outline.ring), max(p[1] for p in outline.ring)
    stretch = math.cos(math.radians((south + north) / 2))
    scale = min((width - 28) / ((east - west) * stretch), (height - 28) / (north - south))
    middle_lat, middle_lon = (south + north) / 2, (west + east) / 2

    def spot(point_lat: float, point_lon: float) -> tuple[float, float]:
        x = width / 2 + (point_lon - middle_lon) * stretch * scale
        y = height / 2 - (point_lat - middle_lat) * scale
        return min(width - 7, max(7, x)), min(height - 7, max(7, y))

    corners = [spot(*corner) for corner in outline.ring]
    path: list[canvas.Path.PathElement] = [canvas.Path.MoveTo(*corners[0])]
    path += [canvas.Path.LineTo(*corner) for corner in corners[1:]]
    path.append(canvas.Path.Close())
    fill = ft.Paint(style=ft.PaintingStyle.FILL, color=C.PRIMARY_CONTAINER)
    line = ft.Paint(style=ft.PaintingStyle.STROKE, stroke_width=2, color=C.PRIMARY)
    shapes: list[canvas.Shape] = [canvas.Path(path, paint=fill), canvas.Path(path, paint=line)]
    if lat is not None and lon is not None:
        x, y = spot(lat, lon)
        shapes.append(
            canvas.Circle(x, y, 7, paint=ft.Paint(style=ft.PaintingStyle.FILL, color=C.SURFACE_CONTAINER_LOWEST))
        )
        shapes.append(canvas.Circle(x, y, 5, paint=ft.Paint(style=ft.PaintingStyle.FILL, color=C.ERROR)))
    drawn = canvas.Canvas(shapes, width=width, height=height)
    return ft.Semantics(content=drawn, label=label, exclude_semantics=True)


def picked(text_: str, lat: float, lon: float, zone: Zone, source: PlaceSource) -> dict[str, Any]:
    """The wire form of a place of the pack."""
    return {"text": text_, "lat": lat, "lon": lon, "source": source.value, "zone": zone.value}


def from_fix(fix: Fix, answer: PlaceAnswer, near: str) -> dict[str, Any]:
    """The wire form of a confirmed fix."""
    place: dict[str, Any] = {
        "lat": round(fix.lat, 6),
        "lon": round(fix.lon, 6),
        "source": PlaceSource.GPS.value,
        "zone": answer.zone.value,
        "fix_age_s": 0,
    }
    if answer.nearest:
        place["text"] = near
    if fix.accuracy_m is not None:
        place["accuracy_m"] = round(min(fix.accuracy_m, 100_000), 1)
    return place


def answered(ask: Asking, place: Mapping[str, Any], change: Any) -> ft.Control:
    """The place that was chosen: its words, its zone, the sketch, and a way to change it."""
    words = ask.here.words
    zone = Zone(place.get("zone") or Zone.UNKNOWN)
    icon, tone = ZONES[zone]
    said = place.get("text") or words("place.fix_only")
    facts = [words(f"place.source.{place.get('source') or 'typed'}")]
    if place.get("accuracy_m") is not None:
        facts.append(words("place.accuracy", n=round(place["accuracy_m"])))
    left = column(
        [
            text(str(said), S.TITLE_MEDIUM),
            small(" · ".join(facts)),
            wrap([chip(icon, words(f"zone.{zone}"), tone)]),
            quiet(words("place.change"), change, icon=ft.Icons.EDIT_LOCATION_ALT_OUTLINED),
        ],
        spacing=6,
        expand=True,
    )
    map_ = sketch(
        ask.programme.zone, place.get("lat"), place.get("lon"), words("place.sketch", zone=words(f"zone.{zone}"))
    )
    body: list[ft.Control | None] = [
        spoken(card(ft.Row([left, map_], spacing=8, vertical_alignment=ft.CrossAxisAlignment.START)))
    ]
    if zone in (Zone.OUTSIDE, Zone.BOUNDARY):
        options = [
            Option(value=c.code, label=words.pack(c.text)) for c in ask.programme.choices.get("outside_reason", ())
        ]

        async def why(code: str) -> None:
            await ask.put([("place", {**place, "outside_reason": code})])

        body.append(
            question(
                words("ask.place.outside_reason"),
                choices(options, place.get("outside_reason"), why, narrow=ask.here.cramped),
            )
        )
    return column(body, spacing=12)


@component
def PlaceQuestion(ask: Asking) -> ft.Control:
    """The place, in one tap where there is a fix, else in a few letters."""
    here, words, programme = ask.here, ask.here.words, ask.programme
    query, set_query = ft.use_state("")
    fix, set_fix = ft.use_state(cast("Fix | None", None))
    state, set_state = ft.use_state("looking")
    place = ask.get("place")

    async def look(ask_first: bool) -> None:
        set_state("looking")
        found = await here.hands.position(ask=ask_first)
        set_fix(found)
        set_state("found" if found else ("none" if ask_first else "idle"))

    ft.use_effect(handler(lambda: look(False)), [])

    async def take(value: dict[str, Any]) -> None:
        set_query("")
        await ask.put([("place", value)])

    async def change(_: object) -> None:
        changes: list[Change] = [("place", None)]
        await ask.put(changes)

    def typing(event: ft.Event[ft.TextField]) -> None:
        here.touched()
        set_query(str(event.control.value or ""))

    if isinstance(place, Mapping):
        return question(words("ask.place"), answered(ask, place, change), key="ask-place")
    parts: list[ft.Control | None] = []
    if state == "looking":
        parts.append(working(words("place.looking")))
    elif fix is not None:
        answer = locate_point(fix.lat, fix.lon, programme, fix.accuracy_m)
        near = words("place.near", text=answer.nearest) if answer.nearest else words("place.fix_only")
        icon, tone = ZONES[answer.zone]
        confirm = tonal(
            words("place.use_fix"),
            lambda _: take(from_fix(fix, answer, near)),
            icon=ft.Icons.MY_LOCATION,
            key="use-fix",
        )
        facts = near if fix.accuracy_m is None else f"{near} · {words('place.accuracy', n=round(fix.accuracy_m))}"
        left = column(
            [text(facts, S.TITLE_SMALL), wrap([chip(icon, words(f"zone.{answer.zone}"), tone)]), confirm],
            spacing=10,
            expand=True,
        )
        label = words("place.sketch", zone=words(f"zone.{answer.zone}"))
        parts.append(card(ft.Row([left, sketch(programme.zone, fix.lat, fix.lon, label)], spacing=8)))
    else:
        ask_phone = outlined(words("place.ask_fix"), lambda _: look(True), icon=ft.Icons.MY_LOCATION)
        parts.append(ask_phone if state == "idle" else small(words("place.no_fix")))
    parts.append(
        text_field(
            label=words("place.type"),
            helper=words("place.type_hint"),
            helper_max_lines=3,
            value=query,
            prefix_icon=ft.Icons.SEARCH,
            keyboard_type=ft.KeyboardType.STREET_ADDRESS,
            capitalization=ft.TextCapitalization.WORDS,
            autocorrect=False,
            enable_suggestions=False,
            on_change=handler(typing),
        )
    )
    if query.strip():
        parts += _found(ask, query, take, set_query)
    return question(words("ask.place"), column(parts, spacing=12), key="ask-place")


def _found(ask: Asking, query: str, take: Any, set_query: Any) -> list[ft.Control]:
    """What the typed words may be: a question about the direction, matches to pick, and the words as they are."""
    words, programme = ask.here.words, ask.programme
    made: list[ft.Control] = []
    answer = locate(query, programme)
    matches = suggest(query, programme, SUGGESTIONS) or answer.matches[:SUGGESTIONS]
    if answer.ask is Ask.DIRECTION:
        sides = [Option(value=side, label=words(f"side.{side}")) for side in answer.directions]
        made.append(
            question(
                words("place.which_side"),
                choices(sides, None, lambda side: set_query(with_side(query, side)), narrow=ask.here.cramped),
            )
        )
    for match in matches:
        icon, tone = ZONES[match.zone]
        value = picked(match.text, match.lat, match.lon, match.zone, PlaceSource.PICKED)
        row = ft.Row(
            [text(match.text, S.BODY_LARGE, expand=True), chip(icon, words(f"zone.{match.zone}"), tone)], spacing=8
        )
        made.append(card(row, on_click=lambda _, v=value: take(v), padding=14, key=f"place-{match.text}"))
    whole: dict[str, Any] = {
        "text": " ".join(query.split())[:200],
        "source": PlaceSource.TYPED.value,
        "zone": answer.zone.value,
    }
    if answer.lat is not None and answer.lon is not None:
        whole |= {"lat": answer.lat, "lon": answer.lon}
    label = words("place.use_typed", text=whole["text"])
    made.append(quiet(label, lambda _: take(whole), icon=ft.Icons.KEYBOARD_RETURN))
    return [column(made, spacing=8)]


def with_side(query: str, side: str) -> str:
    """The typed address with a direction before its street: "300 baltimore", "W" -> "300 W baltimore"."""
    parts = query.split()
    head = 1 if parts and parts[0][0].isdigit() else 0
    while head < len(parts) and parts[head].lower().rstrip(".") in ("block", "blk", "of", "unit"):
        head += 1
    return " ".join([*parts[:head], side, *parts[head:]])
