"""The lists that forms choose from and the words of codes that the pack names. Pure: pack and words in, texts out."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from case_system.desk.bodies import SCOPES, parties_of
from case_system.desk.steps import BUTTONS
from case_system.desk.words import Words
from case_system.grants import GRANTS, Relation, may
from case_system.matters import Attention
from case_system.record import Pair
from referral.lifecycle import Role
from referral.operations import ConsentMethod, Op
from referral.programme import Programme
from referral.views import Happening, TimelineEntry

Choices = list[tuple[str, str]]
# Which list of the pack the code of a line comes from; other lines take their words from the desk's table.
_LISTS: Mapping[Happening, str] = {
    Happening.REDIRECTED: "redirect_reason",
    Happening.SAO_DECLINED: "sao_decline_reason",
    Happening.SAO_ASKED: "need_info_reason",
    Happening.CLOSED: "close_reason",
    Happening.REOPENED: "reopen_reason",
    Happening.WITHDRAWN: "withdraw_reason",
    Happening.WITHDRAWAL_ASKED: "withdraw_reason",
    Happening.NOT_COMPLETED: "not_completed_reason",
    Happening.ON_THE_WAY: "destination",
}
_WORDS: Mapping[Happening, str] = {
    Happening.SAO_CALLED: "sao",
    Happening.CONTACTED: "contact",
    Happening.RELEASE_CHANGED: "release",
}


def of_pack(pack: Programme, name: str, code: str, say: Words) -> str:
    """A code of one of the pack's lists in words."""
    choice = pack.choice(name, code)
    return say.code(name, code) if choice is None else say.pack(choice.text)


def line_code(line: TimelineEntry, pack: Programme, say: Words) -> str:
    """What a timeline line says beside what happened."""
    code = str(line.code)
    if line.what in _LISTS:
        return of_pack(pack, _LISTS[line.what], code, say)
    if line.what in (Happening.VOTED_YES, Happening.VOTED_NO):
        return party_name(pack, code, say)
    return say.code(_WORDS.get(line.what, "code"), code)


def reason_list(pack: Programme, name: str, say: Words) -> Choices:
    """The pack's list of reasons."""
    return [(choice.code, say.pack(choice.text)) for choice in pack.choices[name]]


def partner_list(pack: Programme, say: Words) -> Choices:
    """The partners who vote."""
    return [(partner.id, say.pack(partner.name)) for partner in pack.partners if partner.votes]


def party_list(pack: Programme, say: Words) -> Choices:
    """Whom a release may name."""
    return [(party, party_name(pack, party, say)) for party in parties_of(pack)]


def party_name(pack: Programme, party: str, say: Words) -> str:
    """Someone whom a release names."""
    text = parties_of(pack).get(party)
    return say.code("party", party) if text is None else say.pack(text)


def scope_list(say: Words) -> Choices:
    """What a release may open."""
    return [(scope, say.code("scope", scope)) for scope in SCOPES]


def method_list(say: Words) -> Choices:
    """How consent may be given."""
    return [(method.value, say.code("method", method)) for method in ConsentMethod]


def pair_list(pairs: Mapping[str, Pair], pack: Programme, say: Words) -> Choices:
    """The pairs with a free place, and how full they are."""
    cap = pack.caps.caseload_hard
    return [
        (pair.pair, say("referral.pair_of", pair=pair.pair, n=pair.enrolled, cap=cap))
        for pair in sorted(pairs.values(), key=lambda p: (p.enrolled, p.pair))
        if pair.active and pair.enrolled < cap
    ]


def button_keys(role: Role, quick: bool) -> list[tuple[str, str]]:
    """The keys of the buttons that a role may ever press."""
    return [(b.key, b.name) for b in BUTTONS if role in GRANTS[b.op] and (b.quick or not quick)]


def advice(one: Attention, part: str, say: Words) -> str:
    """Why something needs a person, or what to do about it (`part`: why, todo)."""
    key = f"trouble.{one.why or f'flag_{one.flag}'}.{part}"
    return say(key) if say.has(key) else str(getattr(one.advice, part))


def may_decide(role: Role, related: Collection[Relation]) -> bool:
    """True when the person may take a flag down here."""
    return may(Op.RESOLVE, role, related)


def age(seconds: int) -> str:
    """5 min, 3 h, 2 d"""
    for size, unit in ((86400, "d"), (3600, "h")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds // 60} min"
