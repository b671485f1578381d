"""Finds a charge by what officers write: "cds poss", "p w/i dist narc", "pros", "4 3550", "43550".

Words are cut at punctuation, read through the shorthand of arrest records, and matched by their beginnings; a word that
fits nothing costs, it never hides. Among equals the charge that is made more often comes first, attempts and conspiracies
after the act itself unless they are asked for. Pure; knows the pack's catalogue only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from referral.programme import Offence, Programme

# Shorthand as officers wrote it in the city's arrest records of 2013-2015 (tests/data/charge_descriptions_2013_2015.csv).
_SHORTHAND = {
    "poss": "possess", "posses": "possess", "possesion": "possess", "possession": "possess", "possessing": "possess", "psn": "possess",
    "dist": "distribute", "distr": "distribute", "distribution": "distribute", "distributing": "distribute", "sale": "distribute", "sell": "distribute",
    "selling": "distribute", "pwid": "intent", "pwi": "intent", "int": "intent", "inten": "intent", "wi": "intent", "pwit": "intent",
    "manuf": "manufacture", "mfg": "manufacture", "man": "manufacture",
    "marijuana": "marihuana", "mari": "marihuana", "marj": "marihuana", "mj": "marihuana", "marihuanna": "marihuana", "weed": "marihuana", "cannabis": "marihuana",
    "para": "paraphernalia", "paraph": "paraphernalia", "parap": "paraphernalia", "paraphanalia": "paraphernalia", "paraphenalia": "paraphernalia",
    "narc": "narcotic", "narcotics": "narcotic", "heroin": "narcotic", "cocaine": "narcotic", "crack": "narcotic",
    "pros": "prostitution", "prost": "prostitution", "prostitute": "prostitution", "solicitation": "prostitution", "soliciting": "prostitution",
    "att": "attempt", "atmpt": "attempt", "attempted": "attempt", "con": "conspiracy", "consp": "conspiracy", "conspire": "conspiracy",
    "drug": "cds", "drugs": "cds", "hyd": "house", "admin": "administer", "equip": "equipment",
    "lt": "less", "l": "less",
}  # fmt: skip
_WORD = re.compile(r"[a-z0-9]+")
_CODE = re.compile(r"(\d)\s*([ac]?)\s*(\d{4})\Z", re.IGNORECASE)


def plain_code(text: str) -> str | None:
    """The catalogue's form of a code however typed ("43550" -> "4 3550", "2a3550" -> "2A3550"), or None."""
    match = _CODE.match(text.strip())
    return f"{match[1]}{match[2].upper() or ' '}{match[3]}" if match else None


def _words(text: str) -> tuple[str, ...]:
    flat = (
        text.lower()
        .replace("w/i", " wi ")
        .replace("l/t", " lt ")
        .replace("p/w/i", " pwi ")
        .replace("pwid", " possess intent distribute ")
    )
    return tuple(_SHORTHAND.get(word, word) for word in _WORD.findall(flat))


class _Known(NamedTuple):
    """One charge as it is looked for. exact: the words of its own wording; words: with those of its category and form, too."""

    offence: Offence
    words: frozenset[str]
    exact: frozenset[str]


@lru_cache(maxsize=4)
def _catalogue(programme: Programme) -> tuple[_Known, ...]:
    """Every charge, the one that is made most often first."""
    often = sorted(programme.offences.values(), key=lambda offence: -offence.count)
    return tuple(_Known(o, frozenset(_offence_words(o)), frozenset(_words(o.description))) for o in often)


def _offence_words(offence: Offence) -> set[str]:
    words = set(_words(offence.description)) | set(_words(f"{offence.category.text.en} {offence.category.text.es}"))
    if offence.code[1] == "A":
        words.add("attempt")
    if offence.code[1] == "C":
        words.add("conspiracy")
    if offence.category.code.startswith("drug"):
        words.add("cds")
    return words


def _score(asked: tuple[str, ...], known: _Known) -> float:
    words = known.words
    hits = sum(1.0 if word in words else 0.8 if any(w.startswith(word) for w in words) else 0.0 for word in asked)
    unasked = {"attempt", "conspiracy", "intent", "distribute", "manufacture"} & words - set(asked)
    other_drug = "marihuana" in asked and "not" in words and "not" not in asked
    exact = known.exact == set(asked)
    return hits + exact - 0.25 * len(unasked) - 0.5 * other_drug


def find_offences(text: str, programme: Programme, limit: int = 8) -> tuple[Offence, ...]:
    """Charges that fit what was typed, best first; empty text gives the most frequent. At most `limit`.

    Every word should fit at least by its beginning; when no charge has them all, those with the most come.
    """
    code = plain_code(text)
    if code is not None and code in programme.offences:
        return (programme.offences[code],)
    digits = re.sub(r"\s", "", text)
    if digits.isdigit() and len(digits) > 1:
        fits = [o for o in programme.offences.values() if digits in o.code.replace(" ", "")]
        return tuple(sorted(fits, key=lambda o: -o.count)[:limit])
    asked = tuple(dict.fromkeys(_words(text)))
    scored = [(_score(asked, known), known.offence) for known in _catalogue(programme)]
    ranked = sorted(scored, key=lambda pair: -pair[0])  # stable: among equals the more frequent first
    return tuple(offence for score, offence in ranked if not asked or score > 0)[:limit]
