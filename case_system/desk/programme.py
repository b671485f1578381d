"""The programme pack: upload, look at, put in force, go back.

GET  /desk/programme          what is in force and what is kept     POST /desk/programme         a zip of a pack's folder
GET  /desk/programme/DIGEST   a kept pack beside the one in force   POST /desk/programme/force   put it in force
"""

from __future__ import annotations

from fastapi import Response
from starlette.datastructures import UploadFile

from case_system.desk.frame import Frame, Visit
from case_system.office.programme import Pack
from case_system.office.upload import UPLOAD_LIMIT, PackCode, PackRefused


class PackPages:
    """The list and the preview."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place("/desk/programme", "nav.programme", "pack")
        frame.route("GET /desk/programme", self.listed)
        frame.route("POST /desk/programme", self.upload)
        frame.route("GET /desk/programme/{digest}", self.preview)
        frame.route("POST /desk/programme/force", self.force)

    async def listed(self, visit: Visit) -> Response:
        """What is in force, what is kept, and the form."""
        return await self._listed(visit)

    async def _listed(self, visit: Visit, refused: PackRefused | None = None) -> Response:
        editions, programme, may = await self._frame.work(self._pack.listed, visit.who.user_id)
        status = 200 if refused is None else 413 if refused.code is PackCode.TOO_LARGE else 422
        return self._frame.page(
            visit, "programme.html", status=status, editions=editions, programme=programme, may=may, refused=refused
        )

    async def upload(self, visit: Visit) -> Response:
        """Check an uploaded pack; its preview, or everything that is wrong with it."""
        sent = visit.form.get("pack")
        data = await sent.read(UPLOAD_LIMIT + 1) if isinstance(sent, UploadFile) else b""
        try:
            digest = await self._frame.work(self._pack.take, visit.who.user_id, data)
        except PackRefused as refused:
            return await self._listed(visit, refused)
        return self._frame.go(f"/desk/programme/{digest}", "pack_kept")

    async def preview(self, visit: Visit) -> Response:
        """What a kept pack changes."""
        try:
            shown = await self._frame.work(self._pack.preview, visit.who.user_id, visit.part("digest"))
        except PackRefused as refused:
            return self._frame.go("/desk/programme", refused.code.value)
        _, _, may = await self._frame.work(self._pack.listed, visit.who.user_id)
        return self._frame.page(visit, "programme_preview.html", shown=shown, may=may)

    async def force(self, visit: Visit) -> Response:
        """Put a kept pack in force."""
        try:
            await self._frame.work(
                self._pack.put_in_force, visit.who.user_id, visit.text("digest"), visit.text("instead_of")
            )
        except PackRefused as refused:
            return self._frame.go("/desk/programme", refused.code.value)
        return self._frame.go("/desk/programme", "pack_forced")
