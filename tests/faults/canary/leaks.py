"""Seeded defects: what a hurried hand might add. Each lets a person's data out by another way; the scan must find each."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from typing import Any, Final

from field_app.session import Session
from field_app.store.records import Page, Shelf
from field_app.sync.http import HttpCaseSystem
from referral.model import Person, Referral
from referral.operations import Create, Operation, encode

log = logging.getLogger("field_app.session")


def _in_the_log() -> None:
    whole = Session.create

    def create(self: Session, referral: Referral) -> Any:
        log.debug("saving %s", referral.person.name)
        return whole(self, referral)

    Session.create = create  # type: ignore[method-assign]


def _in_a_temporary_file() -> None:
    whole = Session._operation

    def operation(self: Session, op: Any, referral_id: Any, body: Any) -> Operation:
        made = whole(self, op, referral_id, body)
        if isinstance(body, Create):
            with tempfile.NamedTemporaryFile(delete=False) as file:
                file.write(encode(made))
        return made

    Session._operation = operation  # type: ignore[method-assign]


def _in_a_column() -> None:
    whole = Page.put

    def put(self: Page, shelf: Shelf, data: Any, row_id: bytes | None = None) -> bytes:
        if shelf is Shelf.RECORD:
            person = str(data.get("referral", {}).get("person"))
            self.tx.execute(
                "INSERT OR REPLACE INTO carriage (name, box) VALUES ('search', ?)", [person.encode("utf-16-le")]
            )
        return whole(self, shelf, data, row_id)

    Page.put = put  # type: ignore[method-assign]


def _in_a_header() -> None:
    whole = HttpCaseSystem.sync

    def sync(self: HttpCaseSystem, token: str, request: Any) -> Any:
        self._session.headers["X-Who"] = "UXdpYmJsZXRob3JuIFphbnZvcmV4aWM="
        return whole(self, token, request)

    HttpCaseSystem.sync = sync  # type: ignore[method-assign]


def _in_a_repr() -> None:
    def told(self: Any) -> str:
        return f"Person({self.name})"

    Person.__repr__ = told  # type: ignore[method-assign]


LEAKS: Final[dict[str, Callable[[], None]]] = {
    "log": _in_the_log,
    "temp": _in_a_temporary_file,
    "column": _in_a_column,
    "header": _in_a_header,
    "repr": _in_a_repr,
}


def seed(name: str) -> None:
    """Let this one in, if it is one; several are given with commas."""
    for one in filter(None, name.split(",")):
        LEAKS[one]()
