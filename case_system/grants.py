"""Who may do what to which referral, and what of it they see: the one table, deny by default.

Theory. A person is related to a referral in some ways at a moment (`Relation`, found by `audience.relations`). A row grants an
operation to a role where one of the named relations holds; a row of `SIGHTS` says what a role sees where. What is in no row is
denied. Whether a granted step fits the referral's state is the business of `referral/lifecycle.py`, not of authorisation.

The door, the feed, the pages, docs/authorisation.md and the exhaustive test (tests/faults/authorisation) read this table.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from types import MappingProxyType

from referral.lifecycle import Role
from referral.operations import Op


class Relation(StrEnum):
    """How a person stands to a referral."""

    NEW = "new"  # nobody has used its id
    MADE = "made"  # made it, or it was made for them
    HOLDS = "holds"  # holds or is offered its handoff, or works in its pair, or is rung for it while it waits
    WAITS = "waits"  # its handoff waits for someone, whoever that will be
    FREE = "free"  # nobody has it, and the person stands on a post (duty or on call)
    REVIEWS = "reviews"  # a named arrest, open to the State's Attorney's reviewers
    TOLD = "told"  # is the recipient of the notice that the operation names
    ANY = "any"  # every referral


class Duty(StrEnum):
    """What is done or read of the programme itself, not of one referral; each is asked for by `office/`."""

    SEE_CASELOADS = "see_caseloads"  # every pair, how many people it has, and who waits for one
    SEE_MEETING = "see_meeting"  # the list of the weekly meeting; names under a release only
    SEE_PEOPLE = "see_people"
    CHANGE_PEOPLE = "change_people"  # of the roles of MANAGED_ROLES, and never oneself
    SEE_ROTA = "see_rota"
    CHANGE_ROTA = "change_rota"
    SEE_DEVICES = "see_devices"
    CHANGE_DEVICES = "change_devices"
    DECIDE_HELD = "decide_held"  # what a revoked device sent: pass or keep
    SEE_PACKS = "see_packs"
    CHANGE_PACK = "change_pack"
    SEARCH = "search"  # finds no more than what may be seen, see SIGHTS
    SEE_DUPLICATES = "see_duplicates"
    SEE_TRAIL = "see_trail"
    SEE_FIGURES = "see_figures"  # de-identified, small cells suppressed
    SEE_DEFENCE = "see_defence"  # under the client's signed release that names the defender
    OWN_NOTICES = "own_notices"  # one's own channels


class Channel(StrEnum):
    """Where something is read."""

    DEVICE = "device"  # the feed of an enrolled device
    PAGE = "page"  # a desk page; each look is audited


class Sight(StrEnum):
    """How much of a referral is seen."""

    NOTHING = "nothing"
    PROCESS = "process"  # states and names of colleagues, nothing of the person and nothing clinical
    REVIEW = "review"  # without note, descriptor and reach
    DE_IDENTIFIED = "de_identified"
    WHOLE = "whole"


_R = Relation
_MADE, _HOLDS, _ANY, _REVIEWS, _TOLD = (frozenset({r}) for r in (_R.MADE, _R.HOLDS, _R.ANY, _R.REVIEWS, _R.TOLD))
_MAKES = frozenset({_R.NEW, _R.MADE})
_STEPS_UP = frozenset({_R.HOLDS, _R.WAITS})  # whoever answers is right, rung or not
_TAKES = _STEPS_UP | {_R.FREE}
_DESK = frozenset({_R.HOLDS, _R.FREE})

_OFFICER, _CM, _PEER, _SUPERVISOR, _SAO = (
    Role.OFFICER, Role.CASE_MANAGER, Role.PEER, Role.SUPERVISOR, Role.SAO_REVIEWER,
)  # fmt: skip

GRANTS: Mapping[Op, Mapping[Role, frozenset[Relation]]] = MappingProxyType({
    Op.CREATE: {_OFFICER: _MAKES, _SUPERVISOR: _MAKES},
    Op.INCOMPLETE: {_OFFICER: _MAKES},
    Op.AMEND: {_OFFICER: _MADE},
    Op.WITHDRAW: {_OFFICER: _MADE},
    Op.ASK_WITHDRAWAL: {_OFFICER: _MADE},
    Op.SAO_CALL: {_OFFICER: _MADE},
    Op.ON_THE_WAY: {_OFFICER: _MADE},
    Op.MET: {_OFFICER: _MADE, _CM: _HOLDS, _PEER: _HOLDS},
    Op.NOT_COMPLETED: {_OFFICER: _MADE, _CM: _HOLDS, _PEER: _HOLDS, _SUPERVISOR: _ANY},
    Op.ACCEPT: {_CM: _TAKES, _PEER: _TAKES, _SUPERVISOR: _ANY},
    Op.REDIRECT: {_CM: _STEPS_UP, _PEER: _STEPS_UP, _SUPERVISOR: _ANY},
    Op.INTAKE: {_CM: _HOLDS},
    Op.CONTACT: {_CM: _HOLDS, _PEER: _HOLDS},
    Op.RELEASE: {_CM: _HOLDS, _PEER: _HOLDS},
    Op.ACKNOWLEDGE: {role: _TOLD for role in Role if role not in (Role.SYSTEM, Role.EVALUATOR)},
    Op.OFFER: {_CM: _DESK, _SUPERVISOR: _ANY},
    Op.RECORDS_CHECK: {_CM: _DESK, _SUPERVISOR: _ANY},
    Op.SAO_APPROVE: {_SAO: _REVIEWS},
    Op.SAO_DECLINE: {_SAO: _REVIEWS},
    Op.SAO_ASK: {_SAO: _REVIEWS},
    Op.CONFIRM_SAO_CALL: {_SAO: _REVIEWS},
    Op.PARTNER_VOTE: {_SAO: _REVIEWS, _SUPERVISOR: _ANY},
    Op.CHARGE: {_SAO: _REVIEWS},
    Op.ENROL: {_SUPERVISOR: _ANY},
    Op.CLOSE: {_CM: _HOLDS, _SUPERVISOR: _ANY},
    Op.REOPEN: {_SUPERVISOR: _ANY},
    Op.SEND_TO_SAO: {_CM: _DESK, _SUPERVISOR: _ANY},
    Op.RESOLVE: {_CM: _HOLDS, _SUPERVISOR: _ANY},  # some flags are for the supervisor alone: rulings.py
    Op.JUDGE_DUPLICATE: {_CM: _HOLDS, _SUPERVISOR: _ANY},
})  # fmt: skip

# The first row that fits counts: an officer's own referral stays process only, whatever else they are to it.
SIGHTS: Mapping[Channel, Mapping[Role, tuple[tuple[Relation, Sight], ...]]] = MappingProxyType({
    Channel.DEVICE: {
        _OFFICER: ((_R.MADE, Sight.PROCESS),),
        _CM: ((_R.HOLDS, Sight.WHOLE),),
        _PEER: ((_R.HOLDS, Sight.WHOLE),),
        _SUPERVISOR: ((_R.MADE, Sight.PROCESS), (_R.HOLDS, Sight.WHOLE)),
    },
    Channel.PAGE: {
        _CM: ((_R.HOLDS, Sight.WHOLE), (_R.WAITS, Sight.WHOLE)),
        _PEER: ((_R.HOLDS, Sight.WHOLE), (_R.WAITS, Sight.WHOLE)),
        _SAO: ((_R.REVIEWS, Sight.REVIEW),),
        _SUPERVISOR: ((_R.ANY, Sight.WHOLE),),
        Role.EVALUATOR: ((_R.ANY, Sight.DE_IDENTIFIED),),
    },
})  # fmt: skip

_CODES = frozenset({
    "referral_id", "kind", "willing", "whereabouts", "eta_at", "destination", "offence_codes", "quantity", "exclusions.open_warrant",
    "exclusions.safety_threat", "exclusions.under_supervision", "exclusions.disqualifying_record", "exclusions.open_case",
    "safety_reason", "person.birth.age", "person.birth.adult", "basis", "urgency", "reason", "language", "interpreter", "immediate_need",
    "occurred_at", "pack", "form",
})  # fmt: skip

# What a sight shows of what was recorded, by wire path; a field that is not here is not shown. WHOLE shows all that is kept.
SHOWN: Mapping[Sight, frozenset[str]] = MappingProxyType({
    Sight.NOTHING: frozenset(),
    Sight.PROCESS: frozenset(),
    Sight.DE_IDENTIFIED: _CODES,
    Sight.REVIEW: _CODES | {
        "place.text", "place.lat", "place.lon", "place.accuracy_m", "place.source", "place.outside_reason", "place.zone",
        "place.fix_age_s", "person.name", "person.birth.date", "incident_number", "scene_id", "for_officer",
    },
})  # fmt: skip

# What the process shows of a view. Of handoff, release, episode and timeline it shows the clinical part only under a signed
# release that names police (42 CFR Part 2).
PROCESS_SHOWN: frozenset[str] = frozenset({
    "referral_id", "revision", "kind", "receipt", "received_at", "review", "handoff", "charge", "release", "episode", "flags", "officer",
    "officer_name", "case_manager", "offered_at", "unanswered_since", "timeline", "recorded_at", "custody", "met_by", "no_answer", "more",
})  # fmt: skip

_ADMIN, _EVALUATOR, _DEFENDER = Role.ADMINISTRATOR, Role.EVALUATOR, Role.DEFENDER
_LEAD = frozenset({_CM, _PEER, _SUPERVISOR})
_RUNS = frozenset({_SUPERVISOR, _ADMIN})
DUTIES: Mapping[Duty, frozenset[Role]] = MappingProxyType({
    Duty.SEE_CASELOADS: _LEAD,
    Duty.SEE_MEETING: frozenset({_SUPERVISOR}),
    Duty.SEE_PEOPLE: _RUNS,
    Duty.CHANGE_PEOPLE: _RUNS,
    Duty.SEE_ROTA: _LEAD | {_SAO},
    Duty.CHANGE_ROTA: frozenset({_SUPERVISOR}),
    Duty.SEE_DEVICES: _RUNS,
    Duty.CHANGE_DEVICES: _RUNS,
    Duty.DECIDE_HELD: frozenset({_SUPERVISOR}),
    Duty.SEE_PACKS: _RUNS,
    Duty.CHANGE_PACK: frozenset({_ADMIN}),
    Duty.SEARCH: _LEAD | {_SAO},
    Duty.SEE_DUPLICATES: frozenset({_SUPERVISOR}),
    Duty.SEE_TRAIL: frozenset({_ADMIN}),
    Duty.SEE_FIGURES: frozenset({_SUPERVISOR, _EVALUATOR}),
    Duty.SEE_DEFENCE: frozenset({_DEFENDER}),
    Duty.OWN_NOTICES: _LEAD | {_SAO, _ADMIN, _EVALUATOR, _DEFENDER},
})  # fmt: skip

# Whose accounts and devices a role looks after. A supervisor never gets hold of the sign-in of a reviewer, a defender or an
# administrator: their words count because they are theirs.
MANAGED_ROLES: Mapping[Role, frozenset[Role]] = MappingProxyType({
    _SUPERVISOR: frozenset({_OFFICER, _CM, _PEER}),
    _ADMIN: frozenset(Role) - {Role.SYSTEM},
})  # fmt: skip

_AT_DESK = frozenset({_CM, _PEER, _SAO, _SUPERVISOR})
_SIGNS_IN = frozenset(Role) - {_OFFICER, Role.SYSTEM}
# Desk routes, and who may use them at all; everybody else is shown the sign-in page.
DESK_ROUTES: Mapping[str, frozenset[Role]] = MappingProxyType({
    "GET /desk": _AT_DESK,
    "GET /desk/board": _AT_DESK,
    "GET /desk/stream": _SIGNS_IN,
    "GET /desk/r/{referral_id}": _AT_DESK,
    "GET /desk/r/{referral_id}/now": _AT_DESK,
    "GET /desk/code": _SIGNS_IN,
    "POST /desk/code": _SIGNS_IN,
    "POST /desk/do": _AT_DESK,
    "POST /desk/out": _SIGNS_IN,
    "GET /desk/push/key": DUTIES[Duty.OWN_NOTICES],
    "POST /desk/push": DUTIES[Duty.OWN_NOTICES],
    "POST /desk/provisional": frozenset({_CM, _PEER, _SUPERVISOR}),
    "GET /desk/caseloads": DUTIES[Duty.SEE_CASELOADS],
    "POST /desk/caseloads/enrol": frozenset({_SUPERVISOR}),
    "GET /desk/caseloads/meeting": DUTIES[Duty.SEE_MEETING],
    "GET /desk/search": DUTIES[Duty.SEARCH],
    "POST /desk/search": DUTIES[Duty.SEARCH],
    "GET /desk/duplicates": DUTIES[Duty.SEE_DUPLICATES],
    "GET /desk/duplicates/{referral_id}": DUTIES[Duty.SEE_DUPLICATES],
    "POST /desk/duplicates/judge": frozenset({_SUPERVISOR}),
    "GET /desk/rota": DUTIES[Duty.SEE_ROTA],
    "POST /desk/rota": DUTIES[Duty.CHANGE_ROTA],
    "POST /desk/rota/shift": DUTIES[Duty.CHANGE_ROTA],
    "POST /desk/rota/away": DUTIES[Duty.CHANGE_ROTA],
    "GET /desk/people": DUTIES[Duty.SEE_PEOPLE],
    "GET /desk/people/{user_id}": DUTIES[Duty.SEE_PEOPLE],
    "POST /desk/people/add": DUTIES[Duty.CHANGE_PEOPLE],
    "POST /desk/people/change": DUTIES[Duty.CHANGE_PEOPLE],
    "POST /desk/people/active": DUTIES[Duty.CHANGE_PEOPLE],
    "POST /desk/people/languages": DUTIES[Duty.CHANGE_PEOPLE],
    "POST /desk/people/secret": DUTIES[Duty.CHANGE_PEOPLE],
    "POST /desk/people/channel": DUTIES[Duty.OWN_NOTICES],
    "GET /desk/notices": DUTIES[Duty.OWN_NOTICES],
    "POST /desk/notices/seen": DUTIES[Duty.OWN_NOTICES],
    "GET /desk/devices": DUTIES[Duty.SEE_DEVICES],
    "POST /desk/devices/invite": DUTIES[Duty.CHANGE_DEVICES],
    "POST /desk/devices/do": DUTIES[Duty.CHANGE_DEVICES],
    "POST /desk/devices/held": DUTIES[Duty.DECIDE_HELD],
    "GET /desk/programme": DUTIES[Duty.SEE_PACKS],
    "POST /desk/programme": DUTIES[Duty.CHANGE_PACK],
    "GET /desk/programme/{digest}": DUTIES[Duty.SEE_PACKS],
    "POST /desk/programme/force": DUTIES[Duty.CHANGE_PACK],
    "GET /desk/figures": DUTIES[Duty.SEE_FIGURES],
    "GET /desk/figures/csv": DUTIES[Duty.SEE_FIGURES],
    "GET /desk/trail": DUTIES[Duty.SEE_TRAIL],
    "POST /desk/trail": DUTIES[Duty.SEE_TRAIL],
    "POST /desk/trail/verify": DUTIES[Duty.SEE_TRAIL],
    "GET /desk/defence": DUTIES[Duty.SEE_DEFENCE],
    "GET /desk/defence/{referral_id}": DUTIES[Duty.SEE_DEFENCE],
})  # fmt: skip


def has_duty(duty: Duty, role: Role) -> bool:
    """True when the table gives the duty to the role."""
    return role in DUTIES.get(duty, frozenset())


def manages(role: Role, other: Role) -> bool:
    """True when people of the role look after accounts and devices of people of the other role."""
    return other in MANAGED_ROLES.get(role, frozenset())


def may(op: Op, role: Role, relations: Collection[Relation]) -> bool:
    """True when the table grants the operation to the role in one of these relations."""
    return not GRANTS.get(op, {}).get(role, frozenset()).isdisjoint(relations)


def sight(channel: Channel, role: Role, relations: Collection[Relation]) -> Sight:
    """How much the role sees there."""
    rows = SIGHTS[channel].get(role, ())
    return next((seen for relation, seen in rows if relation in relations), Sight.NOTHING)
