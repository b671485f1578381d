"""Error boundaries: a fault in one part of a screen is logged and shown in its place; the rest goes on.

Without them an exception in a re-render freezes the app silently, and one in a handler replaces it by an error page
(Flet 1.0). Logs carry the traceback and the part's name; records never hold personal data in their messages.
"""

from __future__ import annotations

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

import flet as ft

log = logging.getLogger("field_app.views")
C = TypeVar("C")
_SORRY = "This part cannot be shown. Nothing is lost. / Esta parte no se puede mostrar. No se perdió nada."


class Told(Exception):
    """The person has been told what went wrong; there is nothing more to do."""


def component(render: Callable[..., ft.Control]) -> Callable[..., ft.Control]:
    """A component (called with its arguments and, in lists, a `key`) whose failing render becomes a sentence."""
    return _component(render, whole=False)


def screen(render: Callable[..., ft.View]) -> Callable[..., ft.View]:
    """Like `component`, for one that returns a `View`."""
    return _component(render, whole=True)


def _component(render: Callable[..., C], *, whole: bool) -> Callable[..., C]:
    @functools.wraps(render)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return render(*args, **kwargs)
        except Exception:
            log.exception("render of %s failed", render.__name__)
            card = ft.Container(ft.Text(_SORRY, color=ft.Colors.ERROR), padding=24)
            return ft.View(controls=[ft.SafeArea(card)]) if whole else card

    return cast("Callable[..., C]", ft.component(guarded))


def handler(act: Callable[..., Any]) -> Callable[..., Awaitable[None]]:
    """An event handler (plain or async) whose fault is logged and said, and that leaves the app standing."""

    @functools.wraps(act)
    async def run(*event: Any) -> None:
        try:
            result = act(*event)
            if inspect.isawaitable(result):
                await result
        except Told:
            return
        except Exception:
            log.exception("handler %s failed", act.__qualname__)
            ft.context.page.show_dialog(ft.SnackBar(ft.Text(_SORRY)))

    return run
