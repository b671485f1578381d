"""A live form: the answers so far, in wire form, valid one by one; what Save still needs, and what stays "to finish".

A draft is frozen; an answer makes a new one. An answer that cannot be right is refused at once; one that only waits for
another (a longitude without its latitude) is kept. Pure: time, ids and the pack are arguments. Knows no storage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Final

from field_app.answers import PACK_FIELDS, check_choice, complete, spelled
from referral.codec import from_wire, to_wire
from referral.eligibility import Facts, Outlook, age_of, assess
from referral.model import Birth, Exclusions, Kind, Place, Referral, ReferralId, Whereabouts, Willing
from referral.operations import merge
from referral.place import zone_of
from referral.problems import FieldError, ProblemCode
from referral.programme import Programme

Json = Any

_ARREST_ONLY: Final = (
    "whereabouts",
    "eta_at",
    "destination",
    "offence_codes",
    "quantity",
    "exclusions",
    "safety_reason",
)
_SCENE: Final = ("place", "offence_codes", "incident_number", "occurred_at")
_GIVEN: Final = ("referral_id", "kind", "pack", "form", "scene_id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One live form. `answers` is nested like the wire form, without id and kind. `scene_of`: the person it was added to."""

    referral_id: ReferralId
    kind: Kind
    answers: Mapping[str, Json] = field(default_factory=dict, repr=False)
    started_at: datetime
    saved_at: datetime
    scene_of: ReferralId | None = None

    @property
    def wire(self) -> dict[str, Json]:
        """The referral's wire form as far as it is answered."""
        return {"referral_id": self.referral_id, "kind": self.kind.value, **self.answers}

    @property
    def title(self) -> str:
        """The name, else the descriptor, else nothing."""
        return title_of(self.answers)


def begin(referral_id: ReferralId, kind: Kind, now: datetime, scene: Referral | None = None) -> Draft:
    """A new form; "Add another person here" copies place, offence, incident and time of `scene`, and nothing else."""
    answers: dict[str, Json] = {}
    if scene is not None:
        wire = to_wire(scene)
        wanted = _SCENE if kind is Kind.ARREST else tuple(name for name in _SCENE if name not in _ARREST_ONLY)
        answers = {name: wire[name] for name in wanted if name in wire}
        answers["scene_id"] = scene.scene_id or scene.referral_id
    scene_of = None if scene is None else scene.referral_id
    return Draft(referral_id=referral_id, kind=kind, answers=answers, started_at=now, saved_at=now, scene_of=scene_of)


def answered(draft: Draft, path: str, value: Json, programme: Programme, now: datetime) -> Draft:
    """The draft with the answer at the wire path ("person.name") set, or cleared by None. Errors: FieldError."""
    names = path.split(".")
    if not path or names[0] in _GIVEN:
        raise FieldError(path, ProblemCode.UNKNOWN_FIELD, "is not a question")
    patch: Json = value if value not in ("", [], {}) else None
    for name in reversed(names):
        patch = {name: patch}
    answers = _pruned(spelled(merge(draft.answers, patch)))
    if names[0] in answers and value is not None:
        _check(draft.kind, names[0], answers[names[0]], path, programme)
    return replace(draft, answers=answers, saved_at=now)


def converted(draft: Draft, programme: Programme, now: datetime) -> Draft:
    """The same draft as a social contact: what belongs to an arrest is left out, what was told of the person stays."""
    if draft.kind is not Kind.ARREST:
        raise ValueError("only an arrest is turned into a social contact")
    answers = {name: value for name, value in draft.answers.items() if name not in _ARREST_ONLY}
    if programme.choice("reason", "not_arrest_eligible") is not None:
        answers["reason"] = "not_arrest_eligible"
    return replace(draft, kind=Kind.SOCIAL, answers=answers, saved_at=now)


def missing(draft: Draft) -> tuple[str, ...]:
    """What Save still needs, as wire names in the order of the form."""
    needed = ("willing", "whereabouts") if draft.kind is Kind.ARREST else ("willing",)
    return tuple(name for name in needed if draft.answers.get(name) is None)


def submitted(draft: Draft, programme: Programme, today: date) -> Referral:
    """The referral that Save makes of the draft. Errors: FieldError for what does not fit together."""
    return complete(draft.wire, programme, today)


def open_questions(wire: Mapping[str, Json], programme: Programme | None = None) -> tuple[str, ...]:
    """What stays "to finish" of a draft or a saved referral in wire form, as wire names in the order of the form."""
    person, kind = wire.get("person") or {}, wire.get("kind")
    willing = wire.get("willing")
    named = willing != Willing.NO.value
    exclusions = wire.get("exclusions") or {}
    codes = wire.get("offence_codes") or ()
    offences = [programme.offences.get(code) for code in codes] if programme else []
    amount = any(offence is not None and offence.category.asks_amount for offence in offences)
    open_ = {
        "offence_codes": not codes,
        "quantity": amount and not wire.get("quantity"),
        "place": not wire.get("place"),
        "exclusions.open_warrant": "open_warrant" not in exclusions,
        "exclusions.safety_threat": "safety_threat" not in exclusions,
        "willing": willing in (None, Willing.NOT_ASKED.value),
        "whereabouts": not wire.get("whereabouts"),
        "eta_at": wire.get("whereabouts") == Whereabouts.COMING_IN.value and not wire.get("eta_at"),
        "person.name": named and not (person.get("name") or person.get("descriptor")),
        "person.birth": named and not person.get("birth"),
        "reach": named and not wire.get("reach"),
        "basis": not wire.get("basis"),
        "urgency": not wire.get("urgency"),
        "reason": not wire.get("reason"),
        "incident_number": not wire.get("incident_number"),
    }
    order = _ARREST_ORDER if kind == Kind.ARREST.value else _SOCIAL_ORDER
    return tuple(name for name in order if open_[name])


_ARREST_ORDER: Final = (
    "offence_codes", "quantity", "place", "exclusions.open_warrant", "exclusions.safety_threat", "willing", "whereabouts",
    "eta_at", "person.name", "person.birth", "reach", "incident_number",
)  # fmt: skip
_SOCIAL_ORDER: Final = ("willing", "person.name", "person.birth", "reach", "place", "basis", "urgency", "reason")


def outlook(draft: Draft, programme: Programme, today: date) -> Outlook:
    """What the answers so far say about eligibility; an answer that is not whole yet counts as not given."""
    wire = draft.answers
    birth = _part(Birth, (wire.get("person") or {}).get("birth"))
    place = _part(Place, wire.get("place"))
    age, adult = age_of(birth, today)
    probe = _probe(draft.kind, {name: wire[name] for name in _FACTS if name in wire})
    referral = from_wire(Referral, probe)
    occurred = referral.occurred_at
    facts = Facts(
        kind=draft.kind,
        offence_codes=referral.offence_codes,
        quantity=referral.quantity,
        zone=zone_of(place, programme),
        exclusions=_part(Exclusions, wire.get("exclusions")) or Exclusions(),
        age=age,
        adult=adult,
        basis=referral.basis,
        reason=referral.reason,
        occurred_on=None if occurred is None else programme.day(occurred),
        on=today,
    )
    return assess(facts, programme)


_FACTS: Final = ("offence_codes", "quantity", "basis", "reason", "occurred_at")


def title_of(wire: Mapping[str, Json]) -> str:
    """The name in a wire form, else the descriptor, else nothing."""
    person = wire.get("person") or {}
    return str(person.get("name") or person.get("descriptor") or "")


def _check(kind: Kind, top: str, value: Json, path: str, programme: Programme) -> None:
    """Refuse the answer at `path` if it cannot be right; faults elsewhere wait for Save."""
    if top == "place" and isinstance(value, Mapping):
        value = {"text": "-", "lat": 0.0 if "lon" in value else None, "lon": 0.0 if "lat" in value else None, **value}
    try:
        referral = from_wire(Referral, _probe(kind, {top: value}))
        if top in PACK_FIELDS:
            check_choice(top, getattr(referral, top), programme)
        if referral.place is not None:
            check_choice("outside_reason", referral.place.outside_reason, programme, "place.outside_reason")
    except FieldError as error:
        waits = error.code is ProblemCode.MISSING_ANSWER or (
            error.code is ProblemCode.NOT_RECORDED_HERE and top == "person"  # dropped at Save, kept until then
        )
        here = error.field.startswith(path) or path.startswith(error.field)
        if here and not waits:
            raise


def _probe(kind: Kind, answers: Mapping[str, Json]) -> dict[str, Json]:
    """A wire form in which only `answers` can be at fault."""
    probe: dict[str, Json] = {"referral_id": "probe", "kind": kind.value, "willing": Willing.YES.value}
    if kind is Kind.ARREST:
        probe["whereabouts"] = Whereabouts.COMING_IN.value
    return probe | dict(answers)


def _part(record: type[Any], wire: Json) -> Any:
    if wire is None:
        return None
    try:
        return from_wire(record, wire)
    except FieldError:
        return None


def _pruned(wire: dict[str, Json]) -> dict[str, Json]:
    """Without empty objects, which say nothing."""
    return {name: value for name, value in wire.items() if value != {}}


def check_answers(kind: Kind, wire: Mapping[str, Json], programme: Programme) -> Place | None:
    """Refuse answers that cannot be right, each on its own; the place among them, if there is one. Errors: FieldError."""
    for name, value in wire.items():
        if name not in _GIVEN and value is not None:
            _check(kind, name, value, name, programme)
    place: Place | None = _part(Place, wire.get("place"))
    return place
