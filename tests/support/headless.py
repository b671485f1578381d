"""Runs a Flet app or one component with no client: a real session over a fake connection.

Hooks, effects, routing, encoding and method calls are the real ones, and what a real app swallows (a failed re-render, a
crash in a handler) fails the test. It reads private names of Flet 1.0.5: an upgrade of Flet breaks this file first.

    async with HeadlessApp(main) as ui:
        await ui.click(ui.one(ft.FilledButton, "Save"))
"""

# mypy: disable-error-code="attr-defined"

from __future__ import annotations

import asyncio
import dataclasses
import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

import flet as ft
import msgpack
from flet.components.component import Component
from flet.components.public_utils import unwrap_component
from flet.controls.base_control import BaseControl
from flet.controls.context import _context_page, context
from flet.messaging.connection import Connection
from flet.messaging.protocol import (
    Message,
    MessageAction,
    RegisterClientResponseBody,
    configure_encode_object_for_msgpack,
)
from flet.messaging.session import Session
from flet.pubsub.pubsub_hub import PubSubHub

C = TypeVar("C", bound=BaseControl)
Methods = dict[tuple[str, str], Callable[[Any], Any]]


class FakeConnection(Connection):
    """Encodes what would be sent, which also takes the snapshots that later diffs need, and answers method calls."""

    def __init__(self, app: HeadlessApp) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.app, self.loop, self.executor = app, asyncio.get_running_loop(), ThreadPoolExecutor(2)
        self.pubsubhub, self.page_url = PubSubHub(loop=self.loop), "http://test"
        self.sent_bytes = 0

    def send_message(self, message: Message) -> None:
        packed = msgpack.packb([message.action, message.body], default=configure_encode_object_for_msgpack(BaseControl))
        self.sent_bytes += len(packed)
        if message.action == MessageAction.SESSION_CRASHED:
            self.app.crashes.append(message.body.message)
        elif message.action == MessageAction.INVOKE_METHOD:
            self.loop.call_soon(self.app._reply, message.body)


class HeadlessApp:
    """An app without a client. `methods` answers services: {("SecureStorage", "get"): lambda args: "key"}."""

    def __init__(
        self,
        main: Callable[[ft.Page], Any],
        width: float = 390,
        height: float = 844,
        platform: str = "android",
        methods: Methods | None = None,
        route: str = "/",
    ) -> None:
        self.main, self.crashes, self.methods = main, list[str](), methods or {}
        self.called: list[tuple[str | None, str, Any]] = []
        self.start = {"width": width, "height": height, "platform": platform, "route": route}

    async def __aenter__(self) -> Self:
        self.conn = FakeConnection(self)
        self.session = session = Session(self.conn)
        self.page: ft.Page = session.page
        session.apply_page_patch(self.start)
        self._token = _context_page.set(self.page)
        context.reset_auto_update()
        body = RegisterClientResponseBody(session.id, session.get_page_patch(), "")
        self.conn.send_message(Message(MessageAction.REGISTER_CLIENT, body))
        result = self.main(self.page)
        if inspect.isawaitable(result):
            await result
        await session.after_event(self.page)
        return await self.settle()

    async def __aexit__(self, *exc: object) -> None:
        self.session.close()
        await asyncio.sleep(0)
        self.conn.executor.shutdown(wait=False)
        _context_page.reset(self._token)

    def _reply(self, body: Any) -> None:
        control = self.session.index.get(body.control_id)
        kind = control._c if control else None
        self.called.append((kind, body.name, body.args))
        if body.name == "push_route":
            self.session.apply_page_patch({"route": body.args["route"]})
            event = self.session.dispatch_event(1, "route_change", {"route": body.args["route"]})
            self.pending = asyncio.ensure_future(event)
        method = self.methods.get((kind, body.name)) if kind else None
        result, error = None, None
        if method is not None:
            try:
                result = method(body.args)
            except RuntimeError as fault:
                error = str(fault)
        self.session.handle_invoke_method_results(body.control_id, body.call_id, result, error)

    async def settle(self) -> Self:
        """Let everything that is due on the event loop happen; fails when a render failed."""
        for _ in range(30):
            await asyncio.sleep(0)
        task = self.session._Session__updates_task
        if task and task.done() and not task.cancelled() and task.exception():
            raise AssertionError("render failed: the real app would freeze") from task.exception()
        assert not self.crashes, "app crashed: " + self.crashes[0]
        return self

    async def until(self, condition: Callable[[], Any], tries: int = 500) -> None:
        """Wait for work in threads to show."""
        await self.settle()
        while not condition():
            tries -= 1
            assert tries, f"never became true; on screen: {self.texts()}"
            await asyncio.sleep(0.01)
            await self.settle()

    def walk(self, *node: Any, seen: set[int] | None = None) -> Iterator[BaseControl]:
        """Every control that is shown, in the order of the screen."""
        here: Any = node[0] if node else [self.page.views, self.page._dialogs, self.page._overlay]
        seen = set() if seen is None else seen
        if isinstance(here, Component):
            yield from self.walk(here._b, seen=seen)
        elif isinstance(here, (list, tuple)):
            for one in here:
                yield from self.walk(one, seen=seen)
        elif (
            dataclasses.is_dataclass(here)
            and not isinstance(here, type)
            and id(here) not in seen
            and getattr(here, "visible", True) is not False
        ):
            seen.add(id(here))
            if isinstance(here, BaseControl):
                yield here
            for one_field in dataclasses.fields(here):
                if not one_field.metadata.get("skip") and one_field.name not in ("parent", "_parent"):
                    yield from self.walk(getattr(here, one_field.name, None), seen=seen)

    @property
    def top(self) -> Any:
        """The view in front."""
        return unwrap_component(unwrap_component(self.page.views)[-1])

    def all(self, kind: type[C], name: str | None = None) -> list[C]:
        """Every control of a kind in the front view and its dialogs, by any of its names."""

        def names(control: BaseControl) -> list[Any]:
            values = [getattr(control, a, None) for a in ("label", "value", "content", "title", "tooltip", "key")]
            return [getattr(v, "value", v) if isinstance(v, ft.Text) else v for v in values]

        nodes = self.walk([self.top, self.page._dialogs, self.page._overlay])
        return [c for c in nodes if isinstance(c, kind) and (name is None or name in names(c))]

    def one(self, kind: type[C], name: str | None = None) -> C:
        """The only control of that kind and name."""
        found = self.all(kind, name)
        assert len(found) == 1, f"{len(found)} x {kind.__name__} {name!r}; on screen: {self.texts()}"
        return found[0]

    def texts(self) -> list[str]:
        """Every text of the front view and its dialogs."""
        return [
            c.value for c in self.walk([self.top, self.page._dialogs, self.page._overlay]) if isinstance(c, ft.Text)
        ]

    def says(self, part: str) -> bool:
        """True when a text on the screen holds `part`."""
        return any(part in text for text in self.texts())

    @property
    def routes(self) -> list[str]:
        """The routes of the stacked views, the front one last."""
        return [unwrap_component(v).route for v in unwrap_component(self.page.views)]

    async def event(self, control: BaseControl, name: str, data: Any = None, **props: Any) -> Self:
        """Let the client change properties of a control and raise an event on it."""
        assert not getattr(control, "disabled", False), "disabled"
        self.session.apply_patch(control._i, props)
        await self.session.dispatch_event(control._i, name, data)
        return await self.settle()

    async def click(self, control: BaseControl) -> None:
        """Tap."""
        await self.event(control, "click")

    async def type(self, control: BaseControl, text: str) -> None:
        """Replace the text of a field."""
        await self.event(control, "change", text, value=text)

    async def select(self, control: BaseControl, value: str) -> None:
        """Choose from a drop-down list."""
        await self.event(control, "select", value, value=value)

    async def back(self) -> None:
        """The back button."""
        await self.event(self.page, "view_pop", {"route": self.routes[-1]})

    async def resize(self, width: float, height: float) -> None:
        """Turn or stretch the window."""
        await self.event(self.page, "resize", {"width": width, "height": height}, width=width, height=height)
