"""What the facts say about eligibility so far: three-valued, explained, by one pack, advisory.

    assess(Facts.of(referral, programme, on=day), programme) -> Outlook     a saved referral
    assess(Facts(kind=Kind.ARREST, offence_codes=("4 3550",)), programme)   a draft: whatever is known
    Outlook: answer, reasons (Reason: rule, answer, text, unverified), conversion, contacts, pack; .to_wire(line=, language=)

Invariants
- An unknown never counts as a no: without one `fail` the outlook is never `presumptively_not`; without all `pass` never
  `presumptively_eligible`.
- Learning more never turns a rule's `fail` into a `pass` (only changing an answer does).
- It advises and never blocks: nothing here refuses a referral. The same function runs on the phone and on the server.

Knows no clock (the day comes with the facts), no storage, no screen. Rules: BPD Policy 806 and the Baltimore LEAD slides
(arrest), California Penal Code 1001.87 (social contact); the pack says which of its values are unverified.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, assert_never

from referral.eligibility_words import BASES, CONVERSIONS, EXCLUSIONS, OUTLOOKS
from referral.eligibility_words import Conversion as Conversion
from referral.eligibility_words import OutlookAnswer as OutlookAnswer
from referral.eligibility_words import Verdict as Verdict
from referral.model import Answer, Basis, Birth, Exclusions, Kind, Quantity, Referral, Zone
from referral.place import zone_of
from referral.programme import Contact, Programme, Ruling, Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known, for the day on which it is judged. Everything but `kind` may still be open.

    `age` in years; `adult` when only that is known; `occurred_on` is the day of what was seen or recorded (None: not said).
    """

    kind: Kind
    offence_codes: tuple[str, ...] = ()
    quantity: Quantity | None = None
    zone: Zone = Zone.UNKNOWN
    exclusions: Exclusions = field(default_factory=Exclusions)
    age: int | None = None
    adult: bool = False
    basis: Basis | None = None
    reason: str | None = None
    occurred_on: date | None = None
    on: date | None = None

    @classmethod
    def of(cls, referral: Referral, programme: Programme, *, on: date) -> Facts:
        """The facts of a referral, with its place looked up in `programme` and its ages taken on the day `on`."""
        occurred = referral.occurred_at
        age, adult = age_of(referral.person.birth, on)
        return cls(
            kind=referral.kind,
            offence_codes=referral.offence_codes,
            quantity=referral.quantity,
            zone=zone_of(referral.place, programme),
            exclusions=referral.exclusions,
            age=age,
            adult=adult,
            basis=referral.basis,
            reason=referral.reason,
            occurred_on=programme.day(occurred) if occurred is not None else None,
            on=on,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One rule, how the facts stand to it, and a sentence that says so. `unverified`: a value of the rule is not settled."""

    rule: str
    answer: Verdict
    text: Text
    unverified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the facts say so far, by which pack, and what may be done next.

    `conversion` is None unless an arrest is presumptively not eligible; `contacts` are whom to call for someone under age.
    """

    answer: OutlookAnswer
    reasons: tuple[Reason, ...]
    pack: str
    conversion: Conversion | None = None
    contacts: tuple[Contact, ...] = ()

    @property
    def text(self) -> Text:
        """The outlook in one sentence."""
        return OUTLOOKS[self.answer]

    @property
    def conversion_text(self) -> Text | None:
        """What to say about turning the arrest into a social contact, or None where that is no question."""
        return CONVERSIONS[self.conversion] if self.conversion is not None else None

    def to_wire(self, *, line: int | None = None, language: str = "en") -> dict[str, Any]:
        """One entry of `field-app check`; `line` is the line of its JSONL file."""
        wire: dict[str, Any] = {} if line is None else {"line": line}
        wire["outlook"] = self.answer.value
        wire["reasons"] = [
            {"rule": r.rule, "answer": r.answer.value, "text": r.text.in_(language), "unverified": r.unverified}
            for r in self.reasons
        ]
        wire["pack"] = self.pack
        wire["conversion"] = None if self.conversion is None else self.conversion.value
        return wire


def age_of(birth: Birth | None, on: date) -> tuple[int | None, bool]:
    """The age on a day, and whether "adult" is all that is known: what `Facts` takes as `age` and `adult`."""
    if birth is None:
        return None, False
    return birth.age_on(on), birth.adult is True


def assess(facts: Facts, programme: Programme) -> Outlook:
    """The outlook of the facts under the programme's rules, with every rule that applies to their kind."""
    match facts.kind:
        case Kind.ARREST:
            reasons = (_adult(facts, programme), *_arrest(facts, programme), _zone(facts, programme))
        case Kind.SOCIAL:
            reasons = (_adult(facts, programme), _basis(facts), _zone(facts, programme), _look_back(facts, programme))
        case _:
            assert_never(facts.kind)
    answers = {reason.answer for reason in reasons}
    if Verdict.FAIL in answers:
        outlook = OutlookAnswer.NOT
    elif Verdict.UNKNOWN in answers:
        outlook = OutlookAnswer.CANNOT_TELL
    else:
        outlook = OutlookAnswer.ELIGIBLE
    minor = reasons[0].answer is Verdict.FAIL
    conversion = None
    if facts.kind is Kind.ARREST and outlook is OutlookAnswer.NOT:
        if minor:
            conversion = Conversion.MINOR
        else:
            warrant = facts.exclusions.open_warrant is Answer.YES
            conversion = Conversion.WARRANT_FIRST if warrant else Conversion.OFFERED
    return Outlook(
        answer=outlook,
        reasons=reasons,
        pack=programme.stamp,
        conversion=conversion,
        contacts=_contacts_for_minor(facts, programme) if minor else (),
    )


def _adult(facts: Facts, programme: Programme) -> Reason:
    least = programme.rules.minimum_age_years
    unverified = programme.is_unverified("/rules/minimum_age_years")

    def reason(answer: Verdict, en: str, es: str) -> Reason:
        return Reason(rule="adult", answer=answer, text=Text(en, es), unverified=unverified)

    if facts.age is None and not facts.adult:
        return reason(Verdict.UNKNOWN, "We do not know the age yet.", "Todavía no sabemos la edad.")
    if facts.age is not None and facts.age < least:
        return reason(
            Verdict.FAIL,
            f"LEAD is for people {least} and older. Call the number shown for young people.",
            f"LEAD es para personas de {least} años o más. Llame al número para jóvenes.",
        )
    return reason(Verdict.PASS, f"{least} or older.", f"Tiene {least} años o más.")


def _arrest(facts: Facts, programme: Programme) -> Iterator[Reason]:
    yield _offence(facts, programme)
    listed = [programme.offences[code] for code in facts.offence_codes if code in programme.offences]
    if any(offence.category.asks_amount for offence in listed):
        yield _amount(facts, programme)
    for rule in programme.rules.exclusions:
        said: Answer = getattr(facts.exclusions, rule)
        answer = {Answer.YES: Verdict.FAIL, Answer.NO: Verdict.PASS, Answer.UNKNOWN: Verdict.UNKNOWN}[said]
        yield Reason(rule=rule, answer=answer, text=EXCLUSIONS[rule][answer])


def _offence(facts: Facts, programme: Programme) -> Reason:
    def reason(answer: Verdict, en: str, es: str, note: Text | None = None, settled: bool = True) -> Reason:
        text = Text(f"{en} {note.en}", f"{es} {note.es}") if note else Text(en, es)
        return Reason(rule="offence", answer=answer, text=text, unverified=not settled)

    if not facts.offence_codes:
        return reason(Verdict.UNKNOWN, "No offense is entered yet.", "Todavía no hay un delito anotado.")
    listed = [programme.offences.get(code) for code in facts.offence_codes]
    for offence in listed:
        if offence is not None and offence.divertible is Ruling.NO:
            return reason(
                Verdict.FAIL,
                f"LEAD does not take {offence.code}, {offence.description}.",
                f"LEAD no acepta {offence.code}, {offence.description}.",
                offence.note,
                offence.settled,
            )
    for code, offence in zip(facts.offence_codes, listed, strict=True):
        if offence is None:
            return reason(
                Verdict.UNKNOWN,
                f"{code} is not in the list. The desk will check it.",
                f"{code} no está en la lista. La mesa lo revisará.",
            )
        if offence.divertible is Ruling.REVIEW:
            return reason(
                Verdict.UNKNOWN,
                f"{offence.code}, {offence.description}: a person must decide.",
                f"{offence.code}, {offence.description}: una persona debe decidir.",
                offence.note,
                offence.settled,
            )
    settled = all(offence is not None and offence.settled for offence in listed)
    return reason(
        Verdict.PASS,
        "The offense is on LEAD's list.",
        "El delito está en la lista de LEAD.",
        settled=settled,
    )


def _amount(facts: Facts, programme: Programme) -> Reason:
    answer = Verdict.PASS if facts.quantity is Quantity.PERSONAL else Verdict.UNKNOWN
    if facts.quantity is Quantity.PERSONAL:
        text = Text("A personal amount.", "Una cantidad personal.")
    elif facts.quantity is Quantity.MORE:
        text = Text("More than a personal amount: a person must decide.", "Más que una cantidad personal: una persona debe decidir.")  # fmt: skip
    else:
        text = Text("We do not know the amount yet.", "Todavía no sabemos la cantidad.")
    return Reason(
        rule="amount", answer=answer, text=text, unverified=programme.is_unverified("/rules/quantity_limit_grams")
    )


def _zone(facts: Facts, programme: Programme) -> Reason:
    name = programme.zone.name
    match facts.zone:
        case Zone.INSIDE:
            return Reason(
                rule="zone",
                answer=Verdict.PASS,
                text=Text(f"Inside the {name.en}.", f"Dentro de la {_lower(name.es)}."),
            )
        case Zone.OUTSIDE:
            return Reason(
                rule="zone",
                answer=Verdict.FAIL,
                text=Text(f"Outside the {name.en}.", f"Fuera de la {_lower(name.es)}."),
            )
        case Zone.BOUNDARY:
            return Reason(
                rule="zone",
                answer=Verdict.UNKNOWN,
                text=Text(
                    "On the edge of the zone: a person must decide.",
                    "En el límite de la zona: una persona debe decidir.",
                ),
                unverified=programme.is_unverified("/zone/boundary_m"),
            )
        case Zone.UNKNOWN:
            return Reason(
                rule="zone",
                answer=Verdict.UNKNOWN,
                text=Text(
                    "We do not know yet if the place is in the zone.",
                    "Todavía no sabemos si el lugar está en la zona.",
                ),
            )
        case _:
            assert_never(facts.zone)


def _basis(facts: Facts) -> Reason:
    if facts.basis is None:
        text = Text("Say how you know this person's need.", "Diga cómo sabe lo que necesita esta persona.")
        return Reason(rule="basis", answer=Verdict.UNKNOWN, text=text)
    return Reason(rule="basis", answer=Verdict.PASS, text=BASES[facts.basis])


def _look_back(facts: Facts, programme: Programme) -> Reason:
    months = programme.rules.look_back_months
    unverified = programme.is_unverified("/rules/look_back_months")

    def reason(answer: Verdict, en: str, es: str) -> Reason:
        return Reason(rule="look_back", answer=answer, text=Text(en, es), unverified=unverified)

    if facts.occurred_on is None:  # what an officer sees or is told now happened now; a record may be old
        if facts.basis is None or facts.basis.value in programme.rules.look_back_needs_date:
            return reason(Verdict.UNKNOWN, "Say when it happened.", "Diga cuándo pasó.")
        return reason(Verdict.PASS, "It is recent.", "Es reciente.")
    if facts.on is None:
        return reason(Verdict.UNKNOWN, "We cannot tell how long ago it was.", "No sabemos hace cuánto fue.")
    if facts.occurred_on > facts.on + timedelta(days=1):  # a day of grace for clocks and time zones
        return reason(Verdict.UNKNOWN, "The date is in the future. Check it.", "La fecha está en el futuro. Revísela.")
    if facts.occurred_on < months_before(facts.on, months):
        return reason(
            Verdict.FAIL,
            f"It was more than {months} months ago.",
            f"Fue hace más de {months} meses.",
        )
    return reason(
        Verdict.PASS,
        f"It was in the last {months} months.",
        f"Fue en los últimos {months} meses.",
    )


def months_before(day: date, months: int) -> date:
    """The same day of the month, `months` earlier, or that month's last day."""
    count = day.year * 12 + day.month - 1 - months
    year, month = divmod(count, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _contacts_for_minor(facts: Facts, programme: Programme) -> tuple[Contact, ...]:
    """Whom to call: where sex work is in question, the help for trafficked people comes first."""
    listed = (programme.offences.get(code) for code in facts.offence_codes)
    trafficked = facts.reason == "sex_work" or any(o is not None and o.category.code == "prostitution" for o in listed)
    names = ("trafficking", "juvenile") if trafficked else ("juvenile",)
    return tuple(programme.contacts[name] for name in names)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
