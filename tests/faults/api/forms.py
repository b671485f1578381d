"""What is typed into the desk's forms and addresses: mostly what a page would send, sometimes odd.

`FORMS` has a row for every form of the desk. A value is a text, several texts of one name, or `Known`: what the template laid.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any, Final

from case_system.alarms import AlarmKind
from case_system.assignment import Post
from case_system.desk.bodies import SCOPES
from case_system.desk.steps import BUTTONS, Asks, Button
from case_system.office.fleet import CODE_HOURS
from referral.decisions import DuplicateDecision, Resolution
from referral.lifecycle import Episode, Handoff, Review, Role
from referral.model import Answer, Exclusions, Kind
from referral.operations import CloseReason, ConsentMethod, NotCompletedReason, ReleaseEvent
from referral.views import Flag, NoticeKind
from tests.faults.api.acts import REFERRALS
from tests.faults.api.desk import PASSWORD
from tests.support.packs import baltimore


@dataclass(frozen=True, slots=True)
class Known:
    """What the template laid under this name; "own": of who asks."""

    name: str


HERE: Final = (*REFERRALS, "client", "ready", "twin-1", "twin-2")
PEOPLE: Final = ("o2", "cm2", "p2", "sao2")  # whose account is changed: nobody who is asked about here
NIGHT_MS: Final = 1772521800000  # when the town was laid
ODD_ONES, TORN_ONES = 0.12, 0.04
LONGEST_NUMBER: Final = "9" * 4400  # more digits than Python turns into a number
ODD_TEXT: Final = (
    "",
    " ",
    "\0",
    "\u202e",
    "x" * 300,
    "\U0001f600",
    "<b>",
    "%00",
    "../x",
    "nobody",
    "caf\u00e9",
    "a" * 40,
    "9" * 40,
)
ODD_NUMBERS: Final = ("", "-1", "0", "9" * 9, "9" * 15, "9" * 17, LONGEST_NUMBER, "\u0663", "\u00b2", "1.5")
ODD_DAYS: Final = ("", "2026-02-30", "0001-01-01", "9999-12-31", "2026-W10-2", "9" * 15)
ODD_MOMENTS: Final = (
    "",
    "0001-01-01T00:00",
    "9999-12-31T23:59",
    "9999-12-01T10:00",
    "2026-03-03T07:10+05:00",
    "2026-03-03",
)
Drawn = Callable[[Random], Any]


def odd_text(rng: Random) -> str:
    """Something that nobody types."""
    if rng.random() < 0.15:
        return "".join(
            chr(rng.choice((rng.randrange(0x250), rng.randrange(0xD800)))) for _ in range(rng.randrange(1, 12))
        )
    return rng.choice(ODD_TEXT)


def of(*usual: Any, odd: Sequence[str] | None = None) -> Drawn:
    """One of these, or now and then something odd."""

    def drawn(rng: Random) -> Any:
        if rng.random() < ODD_ONES:
            return odd_text(rng) if odd is None else rng.choice(odd)
        return rng.choice(usual)

    return drawn


def number(*usual: str | Known) -> Drawn:
    """A whole number in a form."""
    return of(*usual, odd=ODD_NUMBERS)


def day(*usual: str) -> Drawn:
    """A day in a form."""
    return of(*usual, odd=ODD_DAYS)


def moment(*usual: str) -> Drawn:
    """A local time in a form."""
    return of(*usual, odd=ODD_MOMENTS)


def one(kind: type[StrEnum]) -> Drawn:
    """A member of an enumeration."""
    return of(*(member.value for member in kind))


def several(*usual: str) -> Drawn:
    """Some of these, of one name."""
    each = of(*usual)
    return lambda rng: [each(rng) for _ in range(rng.randrange(4))]


def form(fields: Mapping[str, Drawn], **optional: Drawn) -> Drawn:
    """A form; now and then fields are missing."""

    def drawn(rng: Random) -> dict[str, Any]:
        torn = rng.random() < TORN_ONES
        kept = {name: field for name, field in fields.items() if not torn or rng.random() < 0.5}
        kept |= {name: field for name, field in optional.items() if rng.random() < 0.5}
        return {name: field(rng) for name, field in kept.items()}

    return drawn


def either(*forms: Drawn) -> Drawn:
    """One of these forms."""
    return lambda rng: rng.choice(forms)(rng)


REFERRAL: Final = of(*HERE)
MOMENTS: Final = ("2026-03-03T02:10", "2026-03-03T10:00", "2026-03-04T10:00", "2026-03-08T02:30", "2026-11-01T01:30")
_PACK: Final = baltimore()
BACK: Final = of("/desk", "/desk/r/own", "/desk/rota?said=x", "//evil.example.org", "/desk/in")


def _reason(button: Button) -> Drawn:
    if button.asks is Asks.ENDING:
        return one(CloseReason if button.name == "close" else NotCompletedReason)
    lists = [button.reasons] if button.reasons else ["override_reason"]
    return of(*(choice.code for name in lists for choice in _PACK.choices[name]))


def _pressed(button: Button) -> Drawn:
    fields: dict[str, Drawn] = {
        "button": lambda _: button.name,
        "referral_id": REFERRAL,
        "base": number("1", "2", "3", "4", "10"),
        "once": lambda rng: rng.randbytes(12).hex(),
        "seen": number(str(NIGHT_MS), "0"),
        "reason": _reason(button),
    }
    match button.asks:
        case Asks.REACHED:
            fields["reached"] = of("yes", "no")
        case Asks.EXCLUSIONS:
            fields |= {name: one(Answer) for name in Exclusions.__dataclass_fields__}
        case Asks.VOTE:
            fields |= {"partner": of(*(p.id for p in _PACK.partners)), "approve": of("yes", "no")}
        case Asks.CONSENT:
            fields |= {
                "event": one(ReleaseEvent), "method": one(ConsentMethod), "parties": several("police", "opd"), "scope": several(*SCOPES),
                "expires_on": day("2026-12-31", "2026-03-04"),
            }  # fmt: skip
        case Asks.PAIR:
            fields["pair"] = of("", "west", "east")
        case Asks.DECISION:
            fields |= {"flag": one(Flag), "decision": one(Resolution)}
        case Asks.NOTHING | Asks.REASON | Asks.ENDING:
            pass
    return form(fields)


_LANGUAGES: Final = of("en", "es")
_STANDING: Final = {"name": of("Testa Sample", "N"), "role": one(Role), "unit": of("", "Central"), "language": _LANGUAGES, "pair": of("", "west")}  # fmt: skip
_KINDS: Final = several(*NoticeKind, *AlarmKind)
_SPAN: Final = {"starts": moment(*MOMENTS), "ends": moment(*MOMENTS)}
_WHOM: Final = {"user_id": of(*PEOPLE)}
_WAY: Final = {"user_id": of(Known("own"), Known("own"), *PEOPLE), "kind": _KINDS, "hours": of("", "08:00-16:00")}
_CHANNEL: Final = of(Known("own channel"), Known("own channel"), Known("channel of evaluator"))
_DEVICE: Final = of(Known("other device"), Known("lost device"))

FORMS: Final[Mapping[str, Drawn]] = {
    "POST /desk/in": form({"user": of("eva", "def", "sup", "o1", "nobody"), "password": of(PASSWORD, PASSWORD, "wrong"), "code": of("", "123456")}),
    "POST /desk/look": form({"language": _LANGUAGES, "theme": of("auto", "light", "dark", "contrast")}),
    "POST /desk/out": form({}),
    "POST /desk/code": form({"sealed": of(Known("offer"), Known("offer"), "00" * 40), "code": number(Known("code"), Known("code"), "123456")}),
    "POST /desk/do": either(*(_pressed(button) for button in BUTTONS)),
    "POST /desk/push": form({
        "what": of("on", "on", "off"), "endpoint": of("https://fcm.googleapis.com/fcm/send/x", "http://169.254.169.254/"),
        "p256dh": of("BA" * 43 + "A", "AAAA"), "auth": of("A" * 22, "AAAA"),
    }),
    "POST /desk/provisional": form({"code": of(*(f"K7-{n}" for n in range(42, 50))), "officer": of("", "o1", "o2", "cm1")}),
    "POST /desk/caseloads/enrol": form({"referral_id": of("ready", "ready", *HERE), "pair": of("", "west", "east"), "reason": of("", "supervisor_decision")}),
    "POST /desk/search": form({}, receipt=of("Q7-K4-2"), call_code=of("K7-42"), officer=of("o1"), kind=one(Kind), review=one(Review), handoff=one(Handoff), episode=one(Episode), since=day("2026-01-01", "1900-01-01"), until=day("2026-12-31", "2200-12-31"), name=of("Testa Sample", "Sample"), born=day("1990-05-02")),
    "POST /desk/duplicates/judge": form({"referral_id": of("twin-2", "twin-2", *HERE), "other": of("twin-1", "twin-1", *HERE), "decision": one(DuplicateDecision)}),
    "POST /desk/rota": form({"post": one(Post), "user": several("cm2", "p2", "sao2", "sup", "cm1")}),
    "POST /desk/rota/shift": either(form({"post": one(Post), "user_id": of("cm2", "p2", "sao2", "sup"), **_SPAN, "weeks": number("1", "2", "52")}), form({"remove": of(Known("shift"))})),
    "POST /desk/rota/away": either(form({**_WHOM, **_SPAN, "cover": of("", "cm1", "p1", "sao1")}), form({**_WHOM, "back_again": of("1")})),
    "POST /desk/people/add": form({"user_id": of("n1", "n2", "n3"), **_STANDING}),
    "POST /desk/people/change": form({**_WHOM, **_STANDING}),
    "POST /desk/people/active": form({**_WHOM, "active": of("yes", "no")}),
    "POST /desk/people/languages": form({**_WHOM, "speaks": several("en", "es", "fr")}),
    "POST /desk/people/secret": form({**_WHOM, "kind": of("password", "totp")}),
    "POST /desk/notices/seen": form({"notice_id": of(Known("alarm"))}),
    "POST /desk/people/channel": either(form({**_WAY, "url": of("json://example.org/x", "mailto:a@example.org", "no address")}), form({**_WAY, "change": _CHANNEL}), form({"user_id": of(Known("own")), "remove": _CHANNEL})),
    "POST /desk/devices/invite": form({**_WHOM, "server": of("https://lead.example.org"), "hours": number(*(str(n) for n in CODE_HOURS))}),
    "POST /desk/devices/do": form({"device_id": _DEVICE, "button": of("revoke", "wipe", "release"), "typed": of(Known("other device's letters"))}),
    "POST /desk/devices/held": form({"device_id": of(Known("lost device")), "op_id": of(Known("held")), "button": of("keep", "pass")}),
    "POST /desk/programme": form({"pack": of(Known("pack"), Known("pack"), "PK\x03\x04", "no zip")}),
    "POST /desk/programme/force": form({"digest": of(Known("other pack"), Known("pack in force")), "instead_of": of(Known("pack in force"))}),
    "POST /desk/trail": form({"about": of("", "own", "cm1", "Q7-K4-2"), "by": of("", "cm1", "sup", "nobody")}),
    "POST /desk/trail/verify": form({}),
}  # fmt: skip

PARTS: Final[Mapping[str, Drawn]] = {
    "{referral_id}": of(*HERE, "twin-1", "client", "client"),
    "{user_id}": of("o1", "cm1", "sup", *PEOPLE),
    "{digest}": of(Known("pack in force"), Known("other pack")),
}
QUERIES: Final[Mapping[str, Mapping[str, Drawn]]] = {
    "GET /desk/in": {"back": BACK},
    "GET /desk/code": {"back": BACK},
    "GET /desk/people": {"page": number("1", "2", "9"), "role": of(*Role)},
    "GET /desk/trail": {"about": of("own", "cm1"), "by": of("cm1", "sup"), "before": number("1", "99")},
}
SAID: Final = of("opened", "done_accept", "not_permitted", "no_pack")
LOOKS: Final = ("", "", "en.dark", "es.contrast", "es.auto", "xx.yy", "es", "%ff.", "x" * 300)
