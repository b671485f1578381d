"""Runs a Flet app or one component with no client: a real session over a connection that ends in this process.

Hooks, effects, routing, encoding and method calls are Flet's own; only the drawing is missing. What a person would
never notice in the log (a failed re-render freezes the real app) fails the test here. It reads Flet's private names,
so an upgrade of Flet breaks this file first.

    async with HeadlessApp(main) as ui:
        await ui.click(ui.one(ft.FilledButton, "Save"))
        assert "Saved on this phone." in ui.texts()
"""

import asyncio
import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self, TypeVar

import flet as ft
import msgpack
from flet.components.component import Component
from flet.components.public_utils import unwrap_component
from flet.controls.base_control import BaseControl
from flet.controls.context import _context_page, context
from flet.messaging.connection import Connection
from flet.messaging.protocol import (
    InvokeMethodRequestBody,
    Message,
    MessageAction,
    RegisterClientResponseBody,
    configure_encode_object_for_msgpack,
)
from flet.messaging.session import Session
from flet.pubsub.pubsub_hub import PubSubHub

TURNS = 30
LOOK_SECONDS = 0.01

C = TypeVar("C", bound=BaseControl)
Answer = Callable[[Any], object]


class LoopbackConnection(Connection):
    """A connection whose client is the test: encodes every message as for a real one, and answers method calls."""

    def __init__(self, app: "HeadlessApp") -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.app = app
        self.loop = asyncio.get_running_loop()
        self.executor = ThreadPoolExecutor(2)
        self.pubsubhub = PubSubHub(loop=self.loop)
        self.page_url = "http://127.0.0.1"

    def send_message(self, message: Message) -> None:
        """Take a message from the session. Encoding finds unsendable values and takes the snapshots of later diffs."""
        encode = configure_encode_object_for_msgpack(BaseControl)
        msgpack.packb([message.action, message.body], default=encode)
        match message.action:
            case MessageAction.SESSION_CRASHED:
                self.app.crashes.append(message.body.message)
            case MessageAction.INVOKE_METHOD:
                self.loop.call_soon(self.app.answer, message.body)
            case _:
                pass


class HeadlessApp:
    """An app on a screen that nobody looks at.

    `main` is the app's entry, or `lambda page: page.render(Component, ...)`. `methods` answers what the app asks of the
    device, by control type and method: `{("SecureStorage", "get"): lambda args: "key"}`; everything else gets None.
    """

    def __init__(
        self,
        main: Callable[[ft.Page], object],
        *,
        width: int = 390,
        height: int = 844,
        platform: str = "android",
        route: str = "/",
        methods: Mapping[tuple[str, str], Answer] | None = None,
    ) -> None:
        self.main = main
        self.methods = dict(methods or {})
        self.crashes: list[str] = []
        self.start = {"width": width, "height": height, "platform": platform, "route": route}
        self.tasks: set[asyncio.Future[None]] = set()

    async def __aenter__(self) -> Self:
        self.connection = LoopbackConnection(self)
        self.session = Session(self.connection)
        self.page = self.session.page
        self.session.apply_page_patch(self.start)
        self._token = _context_page.set(self.page)
        context.reset_auto_update()
        registered = RegisterClientResponseBody(self.session.id, self.session.get_page_patch(), "")
        self.connection.send_message(Message(MessageAction.REGISTER_CLIENT, registered))
        started = self.main(self.page)
        if inspect.isawaitable(started):
            await started
        await self.session.after_event(self.page)
        await self.settle()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.session.close()
        await asyncio.sleep(0)
        self.connection.executor.shutdown(wait=False)
        _context_page.reset(self._token)

    def answer(self, call: InvokeMethodRequestBody) -> None:
        """Answer a method call of the session, as the client would."""
        control = self.session.index.get(call.control_id)
        if call.name == "push_route":
            route = {"route": call.args["route"]}
            self.session.apply_page_patch(route)
            task = asyncio.ensure_future(self.session.dispatch_event(1, "route_change", route))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)
        method = self.methods.get((control._c if control else "", call.name), lambda args: None)
        try:
            result, error = method(call.args), None
        except Exception as fault:  # noqa: BLE001 - a client reports every fault to the session, which raises it
            result, error = None, str(fault)
        self.session.handle_invoke_method_results(call.control_id, call.call_id, result, error)

    async def settle(self) -> None:
        """Let the app come to rest; fails where a real app would have frozen or crashed."""
        for _ in range(TURNS):
            await asyncio.sleep(0)
        updates: asyncio.Task[None] | None = getattr(self.session, "_Session__updates_task", None)
        if updates is not None and updates.done() and not updates.cancelled() and (fault := updates.exception()):
            raise AssertionError("a re-render failed: the real app would be frozen") from fault
        assert not self.crashes, f"the app crashed: {self.crashes[0]}"

    async def until(self, condition: Callable[[], object], *, within: float = 10.0) -> None:
        """Wait, in seconds, for work that the app does in threads."""
        clock = asyncio.get_running_loop()
        end = clock.time() + within
        while not condition():
            assert clock.time() < end, f"never became true; on screen: {self.texts()}"
            await asyncio.sleep(LOOK_SECONDS)
            await self.settle()

    def controls(self) -> Iterator[BaseControl]:
        """Every visible control: views, dialogs and overlays, from the outside in."""
        yield from _walk([self.page.views, self.page._dialogs, self.page._overlay], set())

    def all(self, kind: type[C], name: str | None = None) -> list[C]:
        """The visible controls of a kind, in order; with `name`, those whose label, text, tooltip or key it is."""
        return [c for c in self.controls() if isinstance(c, kind) and (name is None or name in _names(c))]

    def one(self, kind: type[C], name: str | None = None) -> C:
        """The only such control; AssertionError, saying what is on screen, when there is none or more."""
        found = self.all(kind, name)
        assert len(found) == 1, f"{len(found)} x {kind.__name__} {name!r}; on screen: {self.texts()}"
        return found[0]

    def texts(self) -> list[str]:
        """The texts on the screen."""
        return [control.value for control in self.controls() if isinstance(control, ft.Text)]

    @property
    def routes(self) -> list[str | None]:
        """The routes of the stacked views, the visible one last."""
        return [unwrap_component(view).route for view in unwrap_component(self.page.views)]

    async def event(self, control: BaseControl, name: str, data: object = None, **props: object) -> None:
        """Do to a control what a client does: change its properties, then send the event."""
        assert not getattr(control, "disabled", False), "a person cannot use a disabled control"
        self.session.apply_patch(control._i, props)
        await self.session.dispatch_event(control._i, name, data)
        await self.settle()

    async def click(self, control: BaseControl) -> None:
        """Tap a control."""
        await self.event(control, "click")

    async def type(self, control: BaseControl, value: str) -> None:
        """Replace what a text field holds."""
        await self.event(control, "change", value, value=value)

    async def select(self, control: BaseControl, value: str) -> None:
        """Choose from a drop-down list."""
        await self.event(control, "select", value, value=value)

    async def back(self) -> None:
        """Press the back button of the device."""
        await self.event(self.page, "view_pop", {"route": self.routes[-1]})

    async def resize(self, width: int, height: int) -> None:
        """Turn the device, or change the window."""
        await self.event(self.page, "resize", {"width": width, "height": height}, width=width, height=height)


def _walk(node: object, seen: set[int]) -> Iterator[BaseControl]:
    if isinstance(node, Component):
        yield from _walk(node._b, seen)
    elif isinstance(node, list | tuple):
        for part in node:
            yield from _walk(part, seen)
    elif dataclasses.is_dataclass(node) and not isinstance(node, type) and id(node) not in seen:
        if getattr(node, "visible", True) is False:
            return
        seen.add(id(node))
        if isinstance(node, BaseControl):
            yield node
        for part in dataclasses.fields(node):
            if not part.metadata.get("skip") and part.name not in ("parent", "_parent"):
                yield from _walk(getattr(node, part.name, None), seen)


def _names(control: BaseControl) -> list[str]:
    values = [getattr(control, name, None) for name in ("label", "value", "content", "title", "tooltip", "key")]
    texts = [value.value if isinstance(value, ft.Text) else value for value in values]
    return [text for text in texts if isinstance(text, str)]
