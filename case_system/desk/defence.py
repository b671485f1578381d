"""What a client's defender reads: only under the client's release, and only three things.

GET /desk/defence   clients whose release names the defender      GET /desk/defence/ID   one of them; looking is audited
"""

from __future__ import annotations

from fastapi import Response

from case_system.desk.frame import Frame, Visit
from case_system.office.defence import Defenders
from referral.model import ReferralId


class DefencePages:
    """The list and one client."""

    def __init__(self, defenders: Defenders) -> None:
        self._defenders = defenders

    def attach(self, frame: Frame) -> None:
        """Say the routes and the place."""
        self._frame = frame
        frame.place("/desk/defence", "nav.defence", "scale")
        frame.route("GET /desk/defence", self.listed)
        frame.route("GET /desk/defence/{referral_id}", self.one)

    async def listed(self, visit: Visit) -> Response:
        """The clients."""
        clients = await self._frame.work(self._defenders.clients, visit.who.user_id)
        return self._frame.page(visit, "defence.html", clients=clients)

    async def one(self, visit: Visit) -> Response:
        """One client."""
        seen = await self._frame.work(self._defenders.one, visit.who.user_id, ReferralId(visit.part("referral_id")))
        decline = seen.decline
        choice = self._frame.pack().choice("sao_decline_reason", decline.code) if decline and decline.code else None
        return self._frame.page(visit, "defence_client.html", seen=seen, decline_reason=choice)
