"""A small Flet app for the tests of the drivers: one counter, one field, one second view."""

import sys

import flet as ft


@ft.component
def Counter() -> ft.Control:
    """Counts taps, greets by name and shows how wide its window is."""
    count, set_count = ft.use_state(0)
    name, set_name = ft.use_state("")
    return ft.SafeArea(
        ft.Column(
            [
                ft.Text(f"Tapped {count} times"),
                ft.TextField(label="Name", value=name, on_change=lambda e: set_name(e.control.value)),
                ft.Text(f"Hello {name}"),
                ft.FilledButton("Tap", on_click=lambda _: set_count(count + 1)),
                ft.FilledButton("Break", on_click=lambda _: set_count("one")),  # type: ignore[arg-type]
                ft.Text(f"Next is {count + 1}"),
            ]
        )
    )


def main(page: ft.Page) -> None:
    """Show the counter."""
    page.title = "Sample"
    page.render(Counter)


if __name__ == "__main__":
    ft.run(main, view=ft.AppView.WEB_BROWSER, host="127.0.0.1", port=int(sys.argv[1]), no_cdn=True)
