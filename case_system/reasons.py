"""The written reason of every choice: who is rung for a handoff, and which pair a person joins.

The code stands on the timeline and with the record; the sentence is for the weekly meeting. Pure; holds no personal data.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Why(StrEnum):
    # which pair
    OWN_PAIR = "own_pair"
    ASKED_FOR = "asked_for"
    HOLDS_IT = "holds_it"
    SPEAKS_LANGUAGE = "speaks_language"
    FEWEST_PEOPLE = "fewest_people"
    NO_PEER_YET = "no_peer_yet"
    # who is rung
    ON_DUTY = "on_duty"
    ALSO_SPEAKS = "also_speaks"
    NOBODY_ON_DUTY = "nobody_on_duty"
    OFFERED_AGAIN = "offered_again"


SENTENCES: Mapping[Why, tuple[str, str]] = MappingProxyType({
    Why.OWN_PAIR: ("The person is with this pair already.", "La persona ya está con esta pareja."),
    Why.ASKED_FOR: ("A supervisor chose this pair.", "Un supervisor eligió esta pareja."),
    Why.HOLDS_IT: ("This pair met the person.", "Esta pareja atendió a la persona."),
    Why.SPEAKS_LANGUAGE: ("Of the pairs that speak the person's language, this one has the fewest people.", "De las parejas que hablan el idioma de la persona, esta tiene menos personas."),
    Why.FEWEST_PEOPLE: ("This pair has the fewest people.", "Esta pareja tiene menos personas."),
    Why.NO_PEER_YET: ("No pair with a peer had a place; this one has none yet.", "Ninguna pareja con acompañante tenía lugar; esta todavía no tiene acompañante."),
    Why.ON_DUTY: ("They are on duty.", "Están de turno."),
    Why.ALSO_SPEAKS: ("The pair on duty does not speak the person's language, so someone who does is rung with them.", "La pareja de turno no habla el idioma de la persona; se llama también a quien lo habla."),
    Why.NOBODY_ON_DUTY: ("Nobody is on duty, so the on-call list is rung at once.", "No hay nadie de turno; se llama enseguida a la lista de guardia."),
    Why.OFFERED_AGAIN: ("Somebody at the desk offered it again.", "Alguien en la mesa lo ofreció de nuevo."),
})  # fmt: skip


def sentence(why: Why, language: str = "en") -> str:
    """The reason in words."""
    english, spanish = SENTENCES[why]
    return spanish if language == "es" else english
