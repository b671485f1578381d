"""What is being typed stands: an older drawing never takes letters back, and the app can still put or clear a text."""

from __future__ import annotations

import flet as ft

from field_app.views.typed import TypedField, typed_field
from tests.support.headless import HeadlessApp


async def press(ui: HeadlessApp, text: str) -> None:
    """The client sends the new text; its event is still under way."""
    ui.session.apply_patch(ui.one(TypedField)._i, {"value": text})


async def told(ui: HeadlessApp, text: str) -> None:
    """The event of an earlier keystroke arrives while the field already holds newer text."""
    await ui.session.dispatch_event(ui.one(TypedField)._i, "change", text)
    await ui.settle()


@ft.component
def Screen(clears: int = 0) -> ft.Control:
    """A field whose drawing may be older than what the person sees."""
    text, set_text = ft.use_state("")
    tick, set_tick = ft.use_state(0)
    emptied, set_emptied = ft.use_state(0)

    def clear(_: object) -> None:
        set_text("")
        set_emptied(emptied + 1)

    return ft.Column(
        [
            typed_field(value=text, on_change=lambda e: set_text(str(e.control.value)), clears=emptied, label="Name"),
            ft.TextButton("tick", on_click=lambda _: set_tick(tick + 1)),
            ft.TextButton("put", on_click=lambda _: set_text("300 W Lexington St")),
            ft.TextButton("clear", on_click=clear),
            ft.Text(f"{tick}"),
        ]
    )


async def test_a_drawing_between_two_keystrokes_takes_nothing_back() -> None:
    async with HeadlessApp(lambda page: page.render(Screen)) as ui:
        await press(ui, "T")
        await ui.click(ui.one(ft.TextButton, "tick"))  # drawn again before the event of "T" was handled
        assert ui.one(TypedField).value == "T"
        await told(ui, "T")
        await press(ui, "Te")
        await ui.click(ui.one(ft.TextButton, "tick"))
        await press(ui, "Tes")
        await ui.click(ui.one(ft.TextButton, "tick"))
        assert ui.one(TypedField).value == "Tes"
        await told(ui, "Tes")
        assert ui.one(TypedField).value == "Tes"


async def test_a_text_of_the_app_replaces_what_was_typed() -> None:
    async with HeadlessApp(lambda page: page.render(Screen)) as ui:
        await ui.type(ui.one(TypedField), "300 lex")
        await ui.click(ui.one(ft.TextButton, "put"))
        assert ui.one(TypedField).value == "300 W Lexington St"


async def test_clearing_empties_the_field() -> None:
    async with HeadlessApp(lambda page: page.render(Screen)) as ui:
        await ui.type(ui.one(TypedField), "a")
        await ui.type(ui.one(TypedField), "ab")
        await ui.click(ui.one(ft.TextButton, "clear"))
        assert not ui.one(TypedField).value
        await ui.type(ui.one(TypedField), "c")
        assert ui.one(TypedField).value == "c"
