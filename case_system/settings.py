"""Every setting of the server, in one table: its environment variable, its option, what it is without either, and what it may be.

An option beats the environment, which beats the default; an empty variable counts as unset. A value that cannot be, and a variable
that begins like ours and is none, end the start with one sentence. docs/operations.md lists the same table, and a test holds
the two together.

    BadSetting      says which setting, what is wrong and what it may be
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

PREFIX = "CASE_SYSTEM_"
_FOR_TESTS = f"{PREFIX}TEST_"


class BadSetting(Exception):
    """A setting cannot be used as it is."""


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise ValueError
    return port


def _workers(text: str) -> int:
    workers = int(text)
    if not 1 <= workers <= 64:
        raise ValueError
    return workers


def _one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError
        return text

    return read


def _any(text: str) -> str:
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """may_be: for people. read: the value of a text, or ValueError. default None: worked out where it is used."""

    variable: str
    option: str | None
    default: str | None
    may_be: str
    read: Callable[[str], Any] = _any


SETTINGS: Mapping[str, Setting] = MappingProxyType({
    "db": Setting(variable="CASE_SYSTEM_DB", option="--db", default=None, may_be="a file, or a sqlite or postgresql URL"),
    "keys": Setting(variable="CASE_SYSTEM_KEYS", option="--keys", default=None, may_be="a folder"),
    "host": Setting(variable="CASE_SYSTEM_HOST", option="--host", default="127.0.0.1", may_be="a name or address to listen on"),
    "port": Setting(variable="CASE_SYSTEM_PORT", option="--port", default="8700", may_be="0 to 65535; 0 picks a free one", read=_port),
    "workers": Setting(variable="CASE_SYSTEM_WORKERS", option="--workers", default="1", may_be="1 to 64", read=_workers),
    "desk_code": Setting(
        variable="CASE_SYSTEM_DESK_CODE", option=None, default="required", may_be="required or offered",
        read=_one_of("required", "offered"),
    ),
    "push_hosts": Setting(variable="CASE_SYSTEM_PUSH_HOSTS", option=None, default=None, may_be="hosts or origins, with commas"),
    "push_contact": Setting(variable="CASE_SYSTEM_PUSH_CONTACT", option=None, default=None, may_be="an address to write to"),
    "log": Setting(variable="CASE_SYSTEM_LOG", option=None, default="json", may_be="json or text", read=_one_of("json", "text")),
    "log_level": Setting(
        variable="CASE_SYSTEM_LOG_LEVEL", option=None, default="INFO", may_be="DEBUG, INFO, WARNING or ERROR",
        read=_one_of("DEBUG", "INFO", "WARNING", "ERROR"),
    ),
})  # fmt: skip


def setting(name: str, said: Any = None, environment: Mapping[str, str] = os.environ) -> Any:
    """The value of one setting; raises BadSetting."""
    row = SETTINGS[name]
    text = said if said is not None else environment.get(row.variable) or row.default
    if text is None:
        return None
    try:
        return row.read(str(text))
    except ValueError:
        shown = row.option if said is not None and row.option else row.variable
        raise BadSetting(f"{shown} is {text!r}; it may be {row.may_be}") from None


def check(environment: Mapping[str, str] = os.environ) -> None:
    """Every setting can be used, and no variable is misspelt; raises BadSetting."""
    known = {row.variable for row in SETTINGS.values()}
    for variable in sorted(environment):
        if variable.startswith(PREFIX) and variable not in known and not variable.startswith(_FOR_TESTS):
            raise BadSetting(f"{variable} is no setting; there are {', '.join(sorted(known))}")
    for name in SETTINGS:
        setting(name, None, environment)
