"""The desk: its areas of pages, put together over the service, the sessions and the streams."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from fastapi import APIRouter
from starlette.staticfiles import StaticFiles

from case_system.desk.frame import COOKIE, HERE, Area, Frame, PackOf, SignIns
from case_system.desk.live import Live
from case_system.desk.own_code import Codes, OwnCode
from case_system.desk.referral import OneReferral, ReferralService
from case_system.desk.signing import Signing
from case_system.desk.work import Work, WorkService
from case_system.ports import Clock, RandomBytes
from case_system.streams import Streams

__all__ = ["COOKIE", "Desk", "DeskService"]
FONTS = Path(__file__).resolve().parents[2] / "assets" / "fonts"


class DeskSessions(SignIns, Codes, Protocol):
    """What the pages ask of the sessions."""


class DeskService(WorkService, ReferralService, Protocol):
    """What the pages ask of the service."""


class Desk:
    """All pages. areas: further ones, of an administrator. code_first: nothing opens to a password alone."""

    def __init__(
        self, *, service: DeskService, sessions: DeskSessions, streams: Streams, pack: PackOf, clock: Clock, rng: RandomBytes,
        areas: Sequence[Area] = (), code_first: bool = False,
    ) -> None:  # fmt: skip
        self.frame = Frame(sessions=sessions, pack=pack, clock=clock, rng=rng, code_first=code_first)
        own: tuple[Area, ...] = (
            Signing(),
            OwnCode(sessions),
            Live(streams),
            Work(service),
            OneReferral(service, streams),
        )
        for area in (*own, *areas):
            area.attach(self.frame)

    def router(self) -> APIRouter:
        """The routes, to be mounted by the composition root."""
        router = self.frame.router
        router.mount("/desk/static/fonts", StaticFiles(directory=FONTS, check_dir=False))
        router.mount("/desk/static", StaticFiles(directory=HERE / "static"))
        return router
