"""What is new for one reader: the feed from a cursor on, with the present truth of each thing once.

Cursor: "EPOCH:SEQ" (S11). Numbers are given in commit order, so a page ends at a number below which nothing can appear
later. A cursor of another epoch, or from before the retained feed, is answered with `reset` and everything from the
beginning (S13); the feed keeps the newest row of each thing for ever, so that "the beginning" is complete. A referral that
the reader may no longer see is `gone`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from case_system.storage import FeedItem, Reading
from case_system.views import view
from referral.lifecycle import Role
from referral.model import OpId, ReferralId, UserId
from referral.port import Change, ChangeKind
from referral.programme import Caps
from referral.views import CaseloadView

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """One page of changes. `reset`: the reader drops what it has first."""

    changes: tuple[Change, ...]
    cursor: str
    more: bool
    reset: bool


def place(cursor: str | None, epoch: str, floor: int, newest: int) -> tuple[int, bool]:
    """Where to go on, and whether the reader must begin anew."""
    if cursor is None:
        return 0, False
    said, _, number = cursor.rpartition(":")
    if said != epoch or not number.isascii() or not number.isdigit() or len(number) > 18:
        return 0, True
    seq = int(number)
    return (0, True) if seq > newest or (seq < floor and seq != 0) else (seq, False)


def pull(reading: Reading, reader: UserId, device_id: str, cursor: str | None, caps: Caps, limit: int = PAGE) -> Pulled:
    """The next page after `cursor`; `limit` counts things, not bytes."""
    epoch = reading.agency().epoch
    floor, newest = reading.feed_span()
    after, reset = place(cursor, epoch, floor, newest)
    items = reading.feed(reader, device_id, after, newest, limit + 1)
    more = len(items) > limit
    items = items[:limit]
    end = items[-1].seq if more else newest
    return Pulled(
        changes=_changes(reading, reader, device_id, items, caps), cursor=f"{epoch}:{end}", more=more, reset=reset
    )


def _changes(reading: Reading, reader: UserId, device_id: str, items: Sequence[FeedItem], caps: Caps) -> tuple[Change, ...]:  # fmt: skip
    of = {kind: [i.object_id for i in items if i.kind is kind] for kind in ChangeKind}
    wanted = [ReferralId(i) for i in of[ChangeKind.REFERRAL]]
    visible = reading.visible(reader, wanted)
    users = reading.users() if visible else {}
    person = users.get(reader)
    sees_body = person is not None and person.role in (Role.CASE_MANAGER, Role.PEER, Role.SUPERVISOR)
    records = reading.records(visible, opened=sees_body)
    lines = reading.timelines(visible)
    notices = reading.notices(of[ChangeKind.NOTICE])
    papers = reading.papers(device_id, [OpId(i) for i in of[ChangeKind.RECEIPT]])
    pairs = reading.pairs() if of[ChangeKind.CASELOAD] else {}
    out: list[Change] = []
    for item in items:
        match item.kind:
            case ChangeKind.REFERRAL | ChangeKind.GONE:
                here = ReferralId(item.object_id)
                record = records.get(here)
                seen = None
                if record is not None and person is not None:
                    seen = view(record, person, users, lines.get(here, ()))
                if seen is None:
                    out.append(Change(seq=item.seq, kind=ChangeKind.GONE, referral_id=here))
                else:
                    out.append(Change(seq=item.seq, kind=ChangeKind.REFERRAL, referral_id=here, referral=seen))
            case ChangeKind.NOTICE:
                notice = notices.get(item.object_id)
                if notice is not None:
                    out.append(Change(seq=item.seq, kind=ChangeKind.NOTICE, notice=notice))
            case ChangeKind.RECEIPT:
                paper = papers.get(OpId(item.object_id))
                if paper is not None:
                    out.append(Change(seq=item.seq, kind=ChangeKind.RECEIPT, receipt=paper.as_receipt))
            case ChangeKind.CASELOAD:
                pair = pairs.get(item.object_id)
                if pair is not None and reader in pair.members:
                    seen_load = CaseloadView(
                        pair=pair.pair, enrolled=pair.enrolled, soft=caps.caseload_soft, cap=caps.caseload_hard
                    )
                    out.append(Change(seq=item.seq, kind=ChangeKind.CASELOAD, caseload=seen_load))
    return tuple(out)
