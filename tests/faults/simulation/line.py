"""The network between one device and the case system: a `CaseSystem` that loses, repeats, delays and forges.

The steps of an exchange are passed in their order; a fault strikes by raising what the real transport would raise, or by marking
the exchange. While a message is on its way, the rest of the world goes on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from case_system.storage import StorageError
from field_app.sync.errors import Interrupted, NoConnection
from field_app.sync.reading import read_response
from referral.codec import canonical, parse, sorted_canonical, to_wire
from referral.envelope import fingerprint, read_header
from referral.model import OpId
from referral.port import (
    SIGNATURE_DOMAIN,
    DeviceOrders,
    DeviceState,
    Enrolment,
    EnrolRequest,
    Outcome,
    Receipt,
    Refused,
    SyncRequest,
    SyncResponse,
    signed_bytes,
)
from referral.problems import ProblemCode
from tests.faults.simulation.central import ServerCrashed
from tests.faults.simulation.faults import Step

if TYPE_CHECKING:
    from tests.faults.simulation.phone import Phone

TRAVEL_MS = 40


@dataclass
class Exchange:
    """One request on its way, and what the faults have marked it with."""

    token: str
    request: SyncRequest
    delay_ms: int = 0
    copies: int = 1
    late_copy_ms: int | None = None
    forged: bool = False
    answer: SyncResponse | None = field(default=None, repr=False)


class Line:
    """The line of one phone."""

    def __init__(self, phone: Phone) -> None:
        self._phone = phone
        self._last: SyncResponse | None = None
        self.exchange: Exchange | None = None

    def enrol(self, request: EnrolRequest) -> Enrolment:
        """Devices of a case are enrolled already."""
        raise NoConnection("nobody answers")

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        """One exchange."""
        phone = self._phone
        exchange = Exchange(token=token, request=request)
        outer, self.exchange = self.exchange, exchange
        try:
            phone.world.watch.asked(phone, exchange)
            answer = self._exchange(phone, exchange)
            phone.phase = "filing"
            return answer
        except Exception:
            phone.phase = "noting"
            raise
        finally:
            self.exchange = outer

    def _exchange(self, phone: Phone, exchange: Exchange) -> SyncResponse:
        world, life = phone.world, phone.life
        phone.passing(Step.LEAVING)
        phone.passing(Step.GOING)
        self._travel(exchange, life)
        if exchange.late_copy_ms is not None:
            world.later(exchange.late_copy_ms, lambda: self._stray(exchange))
        answer = self._made_up(exchange) if exchange.forged else self.serve(exchange)
        for _ in range(exchange.copies - 1):
            answer = self.serve(exchange)
        exchange.answer, exchange.delay_ms = answer, 0
        phone.passing(Step.COMING)
        self._travel(exchange, life)
        answer = exchange.answer
        world.watch.answered(phone, exchange, answer)
        phone.passing(Step.ARRIVED)
        self._last = answer
        return answer

    def _travel(self, exchange: Exchange, life: int) -> None:
        phone = self._phone
        phone.world.elapse(TRAVEL_MS + exchange.delay_ms)
        phone.still(life)

    def serve(self, exchange: Exchange) -> SyncResponse:
        """What the case system answers. Errors: Refused, and what a transport says of a dead one."""
        world = self._phone.world
        if world.now < world.central_up_at:
            raise NoConnection("nobody listens")
        self._refuse(exchange)
        before, world.serving = world.serving, self._phone
        try:
            answer = world.central.sync(exchange.token, exchange.request)
        except ServerCrashed as error:
            world.server_died()
            raise Interrupted("the exchange was cut") from error
        finally:
            world.serving = before
        world.watch.served(self._phone, exchange, answer)
        return read_response(parse(canonical(to_wire(answer)))) if world.wired else answer

    def _refuse(self, exchange: Exchange) -> None:
        """What stands before the case system refuses for as long as a fault lasts."""
        phone = self._phone
        if phone.barred_until > phone.world.now:
            raise Refused(phone.barred_by)
        if phone.expired_until > phone.world.now and exchange.token != phone.device.binding.append_token:
            raise Refused(ProblemCode.NOT_SIGNED_IN)
        poisoned = phone.world.poisoned
        if poisoned and any(read_header(e).op_id.hex() in poisoned for e in exchange.request.envelopes):
            raise Refused(ProblemCode.INTERNAL)

    def _stray(self, exchange: Exchange) -> None:
        """A copy that comes late: its answer goes nowhere."""
        try:
            self.serve(exchange)
        except (ConnectionError, StorageError):
            return
        except Exception as refused:  # noqa: BLE001 - recorded in the log of the case
            self._phone.world.note(f"late copy: {refused!r}")

    # ------------------------------------------------------------------------------------------------ what faults do
    def _made_up(self, exchange: Exchange) -> SyncResponse:
        """An answer by somebody who read the request and has no key: all of it is accepted."""
        world, request = self._phone.world, exchange.request
        headers = [(read_header(envelope), fingerprint(envelope).hex()) for envelope in request.envelopes]
        results = tuple(
            Receipt(
                op_id=OpId(h.op_id.hex()), fingerprint=p, outcome=Outcome.ACCEPTED, receipt="0000-0000", at=world.moment
            )
            for h, p in headers
        )
        orders = DeviceOrders(state=DeviceState.ACTIVE, lease_until=world.moment)
        return SyncResponse(
            epoch=world.central.epoch,
            nonce=request.nonce,
            device_id=self._phone.device.binding.device_id,
            results=results,
            device=orders,
            server_time=world.moment,
            signature=bytes(64),
        )

    def forged(self, answer: SyncResponse) -> SyncResponse:
        """What somebody without the key would say: everything is fine."""
        exchange = self.exchange
        assert exchange is not None
        told = {result.op_id for result in answer.results}
        fine = tuple(replace(r, outcome=Outcome.ACCEPTED, code=None) for r in answer.results)
        return replace(answer, results=fine, signature=bytes(64)) if told else replace(answer, signature=bytes(64))

    def older(self, answer: SyncResponse) -> SyncResponse:
        """The answer before this one, played again."""
        return self._last or answer

    def part_of(self, answer: SyncResponse, keep: int) -> SyncResponse:
        """The same answer with some of its results only, signed again."""
        if not answer.results:
            return answer
        kept = tuple(r for n, r in enumerate(answer.results) if keep >> (n % 30) & 1 == 0)
        return self._signed(replace(answer, results=kept))

    def newer(self, answer: SyncResponse) -> SyncResponse:
        """The same from a case system of a later version: with fields, an outcome and a change that are not known here."""
        wire: dict[str, Any] = parse(canonical(to_wire(answer)))
        wire["weather"] = {"wind": 3}
        wire["results"] = [r | {"mood": 1} for r in wire.get("results", [])]
        if wire["results"]:
            wire["results"][0]["outcome"] = "pondered"
        if "cursor" in wire:
            wire["changes"] = [*wire.get("changes", []), {"seq": 1, "kind": "weather", "weather": {"wind": 4}}]
        del wire["signature"]
        key = self._phone.world.central.keys.server_key
        signature = key.sign(SIGNATURE_DOMAIN, sorted_canonical(wire))
        return read_response(parse(canonical(wire | {"signature": to_wire(signature)})))

    def _signed(self, answer: SyncResponse) -> SyncResponse:
        key = self._phone.world.central.keys.server_key
        return replace(answer, signature=key.sign(SIGNATURE_DOMAIN, signed_bytes(answer)))


def receipts_in(answer: SyncResponse) -> list[Receipt]:
    """Every receipt that an answer carries."""
    return [*answer.results, *(change.receipt for change in answer.changes if change.receipt is not None)]
