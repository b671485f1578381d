"""A small honest case system in memory, over the same port as the real one: verifies, opens, dedupes, feeds, signs.

It keeps nothing on disk and knows no programme. What a test wants to go wrong is said by its fields: `verdicts` for single
operations, `before` and `after` for whole requests, `tamper` for an answer that was signed already.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from referral.envelope import (
    AgencyPrivateKey,
    BadSignature,
    DevicePublicKey,
    Malformed,
    ServerSigningKey,
    UnknownKey,
    fingerprint,
    open_,
    read_header,
    verify,
)
from referral.lifecycle import Role
from referral.model import DeviceId, OpId, ReferralId, UserId
from referral.numbers import receipt_number
from referral.operations import Operation, decode
from referral.port import (
    ENROL_DOMAIN,
    SIGNATURE_DOMAIN,
    AgencyKey,
    Change,
    ChangeKind,
    DeviceOrders,
    DeviceState,
    Enrolment,
    EnrolRequest,
    Outcome,
    PackDelivery,
    Receipt,
    Refused,
    SyncRequest,
    SyncResponse,
    enrol_proof,
    plain_code,
    receipt_digest,
    signed_bytes,
)
from referral.problems import ProblemCode

Verdict = tuple[Outcome, ProblemCode | None]
PACK = PackDelivery(version="1", digest="0" * 64, files={})


@dataclass
class MemoryDevice:
    """What the case system knows of one device."""

    device_id: DeviceId
    key: DevicePublicKey
    append_token: str
    read_token: str


@dataclass
class MemoryCaseSystem:
    """The case system; `now` is its clock."""

    now: datetime
    epoch: str = "e1"
    page: int = 200
    codes: set[str] = field(default_factory=set)
    devices: dict[DeviceId, MemoryDevice] = field(default_factory=dict)
    receipts: dict[tuple[DeviceId, OpId], Receipt] = field(default_factory=dict)
    applied: list[Operation] = field(default_factory=list)
    feed: list[Change] = field(default_factory=list)
    floor: int = 0
    requests: list[SyncRequest] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    verdicts: dict[OpId, Verdict] = field(default_factory=dict)
    before: Callable[[SyncRequest], None] | None = None
    after: Callable[[SyncResponse], SyncResponse | None] | None = None
    tamper: Callable[[SyncResponse], SyncResponse] | None = None
    lose_replies: int = 0
    orders: DeviceOrders | None = None
    pack: PackDelivery | None = None
    agency: AgencyPrivateKey = field(default_factory=AgencyPrivateKey.generate)
    server_key: ServerSigningKey = field(default_factory=ServerSigningKey.generate)
    retired: set[bytes] = field(default_factory=set)

    # -------------------------------------------------------------------------------------------- the port
    def enrol(self, request: EnrolRequest) -> Enrolment:
        """Bind a device."""
        if plain_code(request.code) not in self.codes:
            raise Refused(ProblemCode.CODE_NOT_VALID)
        key = DevicePublicKey.from_bytes(request.device_key)
        key.verify(ENROL_DOMAIN, enrol_proof(request.code, request.device_id), request.proof)
        self.codes.discard(plain_code(request.code))
        device = self.add_device(request.device_id, key)
        return Enrolment(
            user=UserId("officer.example"),
            name="Officer Example",
            role=Role.OFFICER,
            agency="11" * 8,
            agency_name="Example agency",
            agency_key=self.agency_key,
            server_key=self.server_key.public().to_bytes(),
            epoch=self.epoch,
            append_token=device.append_token,
            read_token=device.read_token,
            lease_until=self.now + timedelta(days=14),
            pack=PACK,
            server_time=self.now,
        )

    def sync(self, token: str, request: SyncRequest) -> SyncResponse:
        """Take envelopes, then answer."""
        self.requests.append(request)
        assert len(self.requests) < 3000, "the device asks for ever"
        self.tokens.append(token)
        if self.before is not None:
            self.before(request)
        device = next((d for d in self.devices.values() if token in (d.append_token, d.read_token)), None)
        if device is None:
            raise Refused(ProblemCode.NOT_SIGNED_IN)
        results = [r for raw in request.envelopes if (r := self._take(device, raw)) is not None]
        response = SyncResponse(
            epoch=self.epoch,
            nonce=request.nonce,
            device_id=device.device_id,
            results=tuple(results),
            device=self._orders(device, request),
            pack=self.pack,
            server_time=self.now,
        )
        if request.pull and token == device.read_token:
            response = self._pulled(response, request)
        if request.envelopes and read_header(request.envelopes[-1]).key_id != self.agency.key_id:
            response = replace(response, agency_key=self.agency_key)
        if self.after is not None:
            response = self.after(response) or response
        signature = self.server_key.sign(SIGNATURE_DOMAIN, signed_bytes(response))
        response = replace(response, signature=signature)
        if self.lose_replies:
            self.lose_replies -= 1
            raise ReplyLost
        return response if self.tamper is None else self.tamper(response)

    # -------------------------------------------------------------------------------------------- what a test may do
    @property
    def agency_key(self) -> AgencyKey:
        """The key to seal for."""
        return AgencyKey(key_id=self.agency.key_id.hex(), public_key=self.agency.public().to_bytes())

    def add_device(self, device_id: DeviceId, key: DevicePublicKey) -> MemoryDevice:
        """Know a device."""
        device = MemoryDevice(device_id, key, "append-" + secrets.token_hex(8), "read-" + secrets.token_hex(8))
        self.devices[device_id] = device
        return device

    def rotate_key(self) -> None:
        """The agency takes a new key, and the old one is gone."""
        self.retired.add(self.agency.key_id)
        self.agency = AgencyPrivateKey.generate()

    def restore(self, epoch: str, *, keep: int = 0) -> None:
        """Come back from a backup that has the first `keep` receipts only."""
        self.epoch = epoch
        self.receipts = dict(list(self.receipts.items())[:keep])
        self.applied = self.applied[:keep]
        self.feed = self.feed[:keep]

    def publish(self, n: int = 1) -> None:
        """Add changes to the feed."""
        for _ in range(n):
            seq = len(self.feed) + 1
            self.feed.append(Change(seq=seq, kind=ChangeKind.GONE, referral_id=ReferralId(f"r{seq}")))

    def judge(self, op_id: OpId, outcome: Outcome, code: ProblemCode | None = None) -> None:
        """Settle later what was stored, and say so in the feed."""
        device_id = next(d for d, o in self.receipts if o == op_id)
        receipt = replace(self.receipts[device_id, op_id], outcome=outcome, code=code)
        self.receipts[device_id, op_id] = receipt
        self.feed.append(Change(seq=len(self.feed) + 1, kind=ChangeKind.RECEIPT, receipt=receipt))

    # -------------------------------------------------------------------------------------------- inside
    def _take(self, device: MemoryDevice, raw: bytes) -> Receipt | None:
        header = read_header(raw)
        op_id, print_ = OpId(header.op_id.hex()), fingerprint(raw).hex()

        def answer(outcome: Outcome, code: ProblemCode | None = None, number: str | None = None) -> Receipt:
            return Receipt(op_id=op_id, fingerprint=print_, outcome=outcome, code=code, receipt=number, at=self.now)

        try:
            verify(raw, device.key)
        except (BadSignature, Malformed):
            return answer(Outcome.REFUSED, ProblemCode.BAD_SIGNATURE)
        known = self.receipts.get((device.device_id, op_id))
        if known is not None:
            same = known.fingerprint == print_
            return known if same else answer(Outcome.REFUSED, ProblemCode.OTHER_BYTES)
        outcome, code = self.verdicts.get(op_id, (Outcome.ACCEPTED, None))
        if outcome is Outcome.REFUSED:
            return answer(outcome, code)
        if header.key_id in self.retired:
            return answer(Outcome.REFUSED, ProblemCode.KEY_RETIRED)
        try:
            operation = decode(open_(raw, {self.agency.key_id: self.agency}))
        except UnknownKey:
            return answer(Outcome.REFUSED, ProblemCode.UNKNOWN_KEY)
        receipt = answer(outcome, code, receipt_number(secrets.token_bytes(8)))
        self.receipts[device.device_id, op_id] = receipt
        nonces = {(o.referral_id, o.base, o.nonce) for o in self.applied}
        if (operation.referral_id, operation.base, operation.nonce) not in nonces:
            self.applied.append(operation)
            self.feed.append(Change(seq=len(self.feed) + 1, kind=ChangeKind.GONE, referral_id=operation.referral_id))
        return receipt

    def _orders(self, device: MemoryDevice, request: SyncRequest) -> DeviceOrders:
        orders = self.orders or DeviceOrders(state=DeviceState.ACTIVE, lease_until=self.now + timedelta(days=14))
        if request.receipts is None:
            return orders
        since = request.receipts.since
        ours = [
            op_id
            for (device_id, op_id), r in self.receipts.items()
            if device_id == device.device_id and r.outcome is Outcome.ACCEPTED and r.at >= since
        ]
        return replace(orders, reoffer=receipt_digest(ours, since) != request.receipts)

    def _pulled(self, response: SyncResponse, request: SyncRequest) -> SyncResponse:
        seq, reset = 0, False
        if request.cursor is not None:
            epoch, _, text = request.cursor.partition(":")
            seq = int(text)
            reset = epoch != self.epoch or seq < self.floor
            seq = 0 if reset else seq
        rows = [change for change in self.feed if change.seq > seq]
        page = tuple(rows[: self.page])
        end = page[-1].seq if page else seq
        return replace(response, changes=page, cursor=f"{self.epoch}:{end}", more=len(rows) > len(page), reset=reset)


class ReplyLost(ConnectionError):
    """The request arrived and was answered; the answer never came. Transports turn it into their own fault."""
