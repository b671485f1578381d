"""The frame around every screen of an open app: a bar at the bottom on phones, a rail and two panes on tablets."""

from __future__ import annotations

from dataclasses import dataclass

import flet as ft

from field_app.snapshot import Delivery
from field_app.views.boundary import handler
from field_app.views.parts import C, S, icon_button, text
from field_app.views.stage import Stage, go
from field_app.views.theme import GAP

RAIL = 96
LIST = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """One place of the navigation."""

    route: str
    word: str
    icon: ft.IconData
    chosen: ft.IconData


I = ft.Icons  # noqa: E741
_HOME = Tab(route="/", word="tab.referrals", icon=I.LIST_ALT_OUTLINED, chosen=I.LIST_ALT)
_INBOX = Tab(route="/", word="tab.inbox", icon=I.INBOX_OUTLINED, chosen=I.INBOX)
_PEOPLE = Tab(route="/people", word="tab.people", icon=I.GROUPS_OUTLINED, chosen=I.GROUPS)
_OUTBOX = Tab(route="/outbox", word="tab.outbox", icon=I.OUTBOX_OUTLINED, chosen=I.OUTBOX)
_CARD = Tab(route="/card", word="tab.card", icon=I.CONTACT_PAGE_OUTLINED, chosen=I.CONTACT_PAGE)
_SETTINGS = Tab(route="/settings", word="tab.settings", icon=I.SETTINGS_OUTLINED, chosen=I.SETTINGS)


def tabs(stage: Stage) -> tuple[Tab, ...]:
    """Where this person can go."""
    first = (_HOME,) if stage.officer else (_INBOX, _PEOPLE)
    return (*first, _OUTBOX, _CARD, _SETTINGS)


def _badge(stage: Stage, tab: Tab) -> ft.Badge | None:
    count = 0
    if tab is _OUTBOX:
        count = sum(row.state in (Delivery.WAITING, Delivery.NEEDS_ATTENTION) for row in stage.snapshot.outbox)
    elif tab is _INBOX:
        count = len(stage.snapshot.inbox)
    return ft.Badge(label=str(count), bgcolor=C.ERROR, text_color=C.ON_ERROR) if count else None


def room(stage: Stage, *, beside_list: bool = False) -> float:
    """The width in dp that a screen's own content has."""
    if not stage.wide:
        return stage.width
    return stage.width - RAIL - (LIST + 1 if beside_list else 0)


def shell(
    stage: Stage,
    route: str,
    title: str,
    body: ft.Control,
    *,
    tab: str | None = None,
    side: ft.Control | None = None,
    bottom: ft.Control | None = None,
    actions: list[ft.Control] | None = None,
) -> ft.View:
    """A view. `tab`: the route of its tab (None: a screen with a way back). `side`: the list beside it, on tablets."""
    places = tabs(stage)
    at = next((i for i, place in enumerate(places) if place.route == tab), 0)

    @handler
    def move(event: ft.Event[ft.NavigationBar] | ft.Event[ft.NavigationRail]) -> None:
        stage.touched()
        go(places[int(event.control.selected_index or 0)].route)

    @handler
    def lock(_: object = None) -> object:
        return stage.do(stage.actions.lock)

    main: ft.Control = (
        body
        if bottom is None
        else ft.Column([body, bottom], spacing=0, expand=True, horizontal_alignment=ft.CrossAxisAlignment.STRETCH)
    )
    main = ft.Container(main, expand=True)
    controls: list[ft.Control] = [main]
    if stage.wide:
        rail = ft.NavigationRail(
            selected_index=at,
            on_change=move,
            min_width=RAIL,
            label_type=ft.NavigationRailLabelType.ALL,
            group_alignment=-0.9,
            destinations=[
                ft.NavigationRailDestination(
                    icon=ft.Icon(p.icon, badge=_badge(stage, p)), selected_icon=p.chosen, label=stage.words(p.word)
                )
                for p in places
            ],
        )
        controls = [rail, ft.VerticalDivider(width=1)]
        if side is not None:
            controls += [ft.Container(side, width=LIST), ft.VerticalDivider(width=1)]
        controls.append(main)
    bar = None
    if not stage.wide and tab is not None:
        behavior = ft.NavigationBarLabelBehavior
        bar = ft.NavigationBar(
            label_behavior=behavior.ALWAYS_HIDE if stage.cramped else behavior.ALWAYS_SHOW,
            selected_index=at,
            on_change=move,
            destinations=[
                ft.NavigationBarDestination(
                    icon=ft.Icon(p.icon, badge=_badge(stage, p)), selected_icon=p.chosen, label=stage.words(p.word)
                )
                for p in places
            ],
        )
    lead = None
    if tab is None:
        lead = icon_button(I.ARROW_BACK, stage.words("nav.back"), lambda _: _up(route))
    return ft.View(
        route=route,
        padding=0,
        spacing=0,
        bgcolor=C.SURFACE,
        appbar=ft.AppBar(
            leading=lead,
            automatically_imply_leading=False,
            title=ft.Semantics(
                content=text(title, S.TITLE_SMALL if stage.cramped else S.TITLE_LARGE), header=True, heading_level=1
            ),
            title_spacing=GAP if lead is None else 0,
            bgcolor=C.SURFACE,
            actions=[*(actions or []), icon_button(I.LOCK_OUTLINE, stage.words("nav.lock"), lock)],
        ),
        navigation_bar=bar,
        controls=[
            ft.SafeArea(
                ft.Row(controls, spacing=0, expand=True, vertical_alignment=ft.CrossAxisAlignment.STRETCH),
                expand=True,
                avoid_intrusions_bottom=bar is None and bottom is None,
            )
        ],
    )


def _up(route: str) -> None:
    """One level up: from /people/referral/ID to /people, from /referral/ID/finish to /referral/ID."""
    parts = route.strip("/").split("/")
    if len(parts) >= 2 and parts[-2] in ("referral", "form", "finish", "saved"):
        parts = parts[:-2]
    else:
        parts = parts[:-1]
    go("/" + "/".join(parts))
