"""Devices: what they say of themselves, enrolling, taking out of service, wiping, and what revoked ones sent.

GET  /desk/devices           every device          POST /desk/devices/invite   a code and a QR code, shown once
POST /desk/devices/do        revoke, wipe, release  POST /desk/devices/held     let a held operation pass, or keep it
"""

from __future__ import annotations

from fastapi import Response

from case_system.desk.codes import qr
from case_system.desk.frame import Frame, Visit, number_of
from case_system.office.fleet import CODE_HOURS, Devices
from case_system.storage import NotSo
from referral.model import OpId, UserId
from referral.port import Outcome, Receipt, Refused
from referral.problems import ProblemCode

SHORT = 6  # letters of a device's id that people read and type


class DevicePages:
    """The page and its forms."""

    def __init__(self, devices: Devices) -> None:
        self._devices = devices

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place("/desk/devices", "nav.devices", "device")
        frame.route("GET /desk/devices", self.show)
        frame.route("POST /desk/devices/invite", self.invite)
        frame.route("POST /desk/devices/do", self.do)
        frame.route("POST /desk/devices/held", self.held)

    async def show(self, visit: Visit) -> Response:
        """Every device, those with a warning first."""
        fleet = await self._frame.work(self._devices.view, visit.who.user_id)
        base = visit.request.base_url
        return self._frame.page(
            visit, "devices.html", fleet=fleet, server=f"{base.scheme}://{base.netloc}", hours=CODE_HOURS, short=SHORT
        )

    async def invite(self, visit: Visit) -> Response:
        """A code for one device, on a page that is shown once."""
        hours = number_of(visit.text("hours")) or 0
        invited = await self._frame.work(
            self._devices.invite, visit.who.user_id, UserId(visit.text("user_id")), visit.text("server"), hours
        )
        return self._frame.page(visit, "invitation.html", invited=invited, code=qr(invited.link, visit.say("invite.qr")))  # fmt: skip

    async def do(self, visit: Visit) -> Response:
        """One button of one device; a wipe asks for the first letters of its number."""
        who, device = visit.who.user_id, visit.text("device_id")
        match visit.text("button"):
            case "release":
                await self._frame.work(self._devices.release, who, device)
                return self._frame.go("/desk/devices", "device_released")
            case "revoke":
                await self._frame.work(self._devices.revoke, who, device, wipe=False)
                return self._frame.go("/desk/devices", "device_out")
            case "wipe":
                if not device or visit.text("typed").lower() != device[:SHORT]:
                    raise NotSo("the letters are not those of the device", "not_typed")
                await self._frame.work(self._devices.revoke, who, device, wipe=True)
                return self._frame.go("/desk/devices", "device_wiped")
            case _:
                raise Refused(ProblemCode.INVALID_VALUE)

    async def held(self, visit: Visit) -> Response:
        """Let a held operation pass, or keep it where it is."""
        who, device, op_id = visit.who.user_id, visit.text("device_id"), OpId(visit.text("op_id"))
        if visit.text("button") == "keep":
            await self._frame.work(self._devices.keep, who, device, op_id)
            return self._frame.go("/desk/devices", "held_kept")
        receipt: Receipt = await self._frame.work(self._devices.let_pass, who, device, op_id)
        if receipt.outcome is Outcome.ACCEPTED:
            return self._frame.go("/desk/devices", "held_passed")
        return self._frame.go("/desk/devices", (receipt.code or ProblemCode.NOT_POSSIBLE_NOW).value)
