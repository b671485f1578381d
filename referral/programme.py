"""The programme pack: everything that a city decides, as frozen values.

A second city is a second pack, not a fork. `load` takes the pack's files as bytes (callers read them from disk or from
a sync answer), checks every row and either returns a whole `Programme` or raises `PackError` with all that is wrong:
there is no half-loaded programme. Values that the sources do not settle are listed in `unverified` and shown as such.

    load(files: Mapping[str, bytes]) -> Programme          PACK_FILES: the five names
    programme.stamp                                         "baltimore/1", kept on each referral
    programme.is_unverified("/timers/intake_days") -> bool
    programme.choices["outside_reason"] -> tuple[Choice, ...]    Choice(code, text: Text(en, es))
    programme.choice("reason", "drug_use") -> Choice | None
    programme.contacts["duty_case_manager"] -> Contact(name, phone, hours, synthetic)
    programme.offences["4 3550"] -> Offence                 in picker order; looked up by referral/offences.py
    programme.zone -> Outline(ring=((lat, lon), ...), boundary_m, name, bounds)
    programme.blocks, .corners, .landmarks, .addresses      read by referral/place.py
    programme.timers, .caps, .rules, .hours, .partners, .categories, .languages, .provenance

Knows nothing of referrals, people or devices. Reading and checking is in referral/pack_reading.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from functools import cache
from zoneinfo import ZoneInfo

from referral.model import Zone

PACK_FORMAT = 1
PACK_FILES = ("programme.json", "zone.geojson", "offences.csv", "blocks.csv", "corners.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class PackFault:
    """One thing wrong in a pack: the file, the row (1 is the first after the header; 0 is none) and the field."""

    file: str
    row: int
    field: str
    message: str

    def __str__(self) -> str:
        row = f", row {self.row}" if self.row else ""
        return f"{self.file}{row}, {self.field}: {self.message}"


class PackError(Exception):
    """The pack cannot be used. `faults` lists everything that is wrong, not only the first."""

    def __init__(self, faults: tuple[PackFault, ...]) -> None:
        self.faults = faults
        more = f" (and {len(faults) - 5} more)" if len(faults) > 5 else ""
        super().__init__("; ".join(str(fault) for fault in faults[:5]) + more)


@dataclass(frozen=True, slots=True)
class Text:
    """One short text in the languages that every pack carries."""

    en: str
    es: str

    def in_(self, language: str) -> str:
        """The text in `language` ("es", "es-MX", ...); English for any other language."""
        return self.es if language.lower().startswith("es") else self.en


class Ruling(StrEnum):
    """Whether LEAD may divert an offence. REVIEW: nobody has ruled."""

    YES = "yes"
    NO = "no"
    REVIEW = "review"


class NoAnswer(StrEnum):
    """What an officer does when the State's Attorney's reviewer does not answer."""

    MEET_PENDING = "meet_pending"
    BOOK = "book"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One answer of a pack list: the code that travels and the words people read."""

    code: str
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A group of offences. `asks_amount`: the question "personal amount or more?" makes sense."""

    code: str
    text: Text
    asks_amount: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Offence:
    """A charge code. `settled`: a source rules it, not only this pack's judgement. `count`: arrests seen with it."""

    code: str
    description: str
    category: Category
    divertible: Ruling
    settled: bool
    note: Text | None
    count: int
    last_seen: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The zone's edge: corners as (lat, lon) degrees, WGS84, without the closing one; and the doubt around the line."""

    name: Text
    bounds: Text
    boundary_m: float
    ring: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of a street: `number` 0 is the unit block (1-99); low and high are its house numbers."""

    street: str
    number: int
    low: int
    high: int
    lat: float
    lon: float
    zone: Zone

    @property
    def text(self) -> str:
        """As people write it: "300 block W Lexington St", "Unit block E Pratt St"."""
        return f"{self.number or 'Unit'} block {self.street}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corner:
    """Where two streets meet."""

    street_a: str
    street_b: str
    lat: float
    lon: float
    zone: Zone
    alley: bool

    @property
    def text(self) -> str:
        """As people write it: "W Saratoga St & N Howard St"."""
        return f"{self.street_a} & {self.street_b}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmark:
    """A place known by name: a point, or another name for a block (`block` is set and the point is the block's)."""

    text: str
    names: tuple[str, ...]
    lat: float
    lon: float
    block: Block | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """How streets are written here. Street names are in upper case with short types: "ST PAUL ST".

    `needs_direction`: E/W or N/S is part of the address, so without it the address is open.
    `spellings`: what people write -> the street.
    North changes to South at one street and East to West at another; at a crossing with it both directions are right.
    """

    needs_direction: frozenset[str]
    spellings: Mapping[str, str]
    north_south_changes_at: str
    east_west_changes_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """A human to call. `synthetic`: the number is made up for demonstration and must be replaced before use."""

    id: str
    name: Text
    phone: str
    hours: Text
    synthetic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """An agency of the programme; `votes`: its approval is needed."""

    id: str
    name: Text
    votes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Agency:
    """Who runs the programme, the notice shown at sign-in, and the partners' agreement."""

    id: str
    name: Text
    banner: Text
    agreement: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenHours:
    """Some days of the week (0 = Monday) with local opening and closing times."""

    days: tuple[int, ...]
    opens: time
    closes: time


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """When the desk works: what is not urgent waits for it. Times are local to `time_zone` (an IANA name)."""

    time_zone: str
    open: tuple[OpenHours, ...]
    digest_at: time
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the eligibility rules of this city need to know."""

    minimum_age_years: int
    quantity_limit_grams: float | None
    exclusions: tuple[str, ...]
    look_back_months: int
    look_back_needs_date: tuple[str, ...]
    sao_no_answer: NoAnswer
    all_partners_vote: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Timers:
    """Every waiting time of the programme; the unit is in the name."""

    duty_pair_rings_minutes: int
    on_call_list_rings_minutes: int
    supervisor_rings_minutes: int
    sao_reviewer_rings_minutes: tuple[int, ...]
    warm_handoff_goal_minutes: int
    intake_days: int
    intake_warning_days: tuple[int, ...]
    unsent_officer_minutes: int
    unsent_sergeant_minutes: int
    unsent_administrator_hours: int
    not_asked_name_days: int
    retention_declined_days: int
    retention_refused_days: int
    retention_withdrawn_days: int
    notice_expiry_hours: int
    shrink_hours: int
    reoffer_days: int
    lease_days: int
    attempt_lock_release_minutes: int
    idle_lock_minutes: int
    idle_lock_longest_minutes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """People per case-manager-and-peer pair, counted over enrolled people: the hard cap and the line to warn at."""

    caseload_hard: int
    caseload_soft: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where some of the pack's files come from, on what terms, and what was judged rather than read."""

    files: tuple[str, ...]
    origin: str
    terms: str
    judgement: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Programme:
    """A whole, checked pack. Two programmes are equal when their `digest` (SHA-256 hex over the files) is."""

    id: str
    version: str
    digest: str
    name: Text
    agency: Agency
    languages: tuple[str, ...]
    zone: Outline
    rules: Rules
    timers: Timers
    caps: Caps
    hours: Hours
    contacts: Mapping[str, Contact]
    partners: tuple[Partner, ...]
    categories: Mapping[str, Category]
    choices: Mapping[str, tuple[Choice, ...]]
    offences: Mapping[str, Offence] = field(repr=False)
    blocks: tuple[Block, ...] = field(repr=False)
    corners: tuple[Corner, ...] = field(repr=False)
    landmarks: tuple[Landmark, ...] = field(repr=False)
    addresses: Addresses = field(repr=False)
    unverified: frozenset[str]
    provenance: tuple[Provenance, ...] = field(repr=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Programme) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def stamp(self) -> str:
        """The pack's id and version, as kept on each referral: "baltimore/1"."""
        return f"{self.id}/{self.version}"

    @property
    def destinations(self) -> tuple[Choice, ...]:
        """Where an officer may bring a person."""
        return self.choices["destination"]

    def day(self, moment: datetime) -> date:
        """The programme's calendar day at an aware moment: the "today" of its officers, on which ages are taken."""
        return moment.astimezone(_zone(self.hours.time_zone)).date()

    def choice(self, field_name: str, code: str) -> Choice | None:
        """The choice with `code` in the list of `field_name`, or None (an older or newer pack may have it)."""
        return next((c for c in self.choices.get(field_name, ()) if c.code == code), None)

    def is_unverified(self, pointer: str) -> bool:
        """True when the value at the JSON pointer, or something that holds it, is not settled by the sources."""
        parts = pointer.split("/")
        return any("/".join(parts[:n]) in self.unverified for n in range(2, len(parts) + 1))


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def load(files: Mapping[str, bytes]) -> Programme:
    """A checked programme from the pack's files (name -> bytes; others are ignored), or `PackError` with all faults."""
    from referral.pack_reading import read_pack

    return read_pack(files)
