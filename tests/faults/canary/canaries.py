"""Canaries: invented words that stand for a person's data, one for each place where such data can be typed, and nowhere else.

Each holds a core of twelve or more plain letters that no other text of the system has, so that a scanner may look for the core alone;
one more has letters outside ASCII, for whatever escapes those.
"""

from __future__ import annotations

from typing import Any, Final

CANARIES: Final[dict[str, str]] = {
    "name": "Qwibblethorn Zanvorexic",
    "descriptor": "Plumvizzardly hat by the Mokkenfruzzle stall",
    "reach": "call Drombelwixen at 664 5550 198",
    "place": "300 block W Lexington St behind Fizzwuddlekamp",
    "incident": "26Xyrplenthorique",
    "scene": "Vorpelsceniquand",
    "social_name": "Gnarfeldwimpoulez",
    "social_descriptor": "Jumbrelvaquinoct scarf",
    "social_place": "Wextonbrakelliur corner",
    "note": "said Kwolderimpastonque twice",
    "draft_name": "Brindlevoxwamperd",
    "draft_descriptor": "Ozmerthrackluvine",
    "amended": "Thwackermolendique",
    "discarded": "Yclepthindorvazzle",
    "accented": "Žðélwynquartœf Ñandúvexploriß",
    "refused": "Hobnarvelquistrop",
}
CORES: Final[dict[str, str]] = {
    "name": "Qwibblethorn",
    "surname": "Zanvorexic",
    "descriptor": "Plumvizzardly",
    "descriptor place": "Mokkenfruzzle",
    "reach": "Drombelwixen",
    "telephone": "664 5550 198",
    "place": "Fizzwuddlekamp",
    "incident": "Xyrplenthorique",
    "scene": "Vorpelsceniquand",
    "social name": "Gnarfeldwimpoulez",
    "social descriptor": "Jumbrelvaquinoct",
    "social place": "Wextonbrakelliur",
    "note": "Kwolderimpastonque",
    "draft name": "Brindlevoxwamperd",
    "draft descriptor": "Ozmerthrackluvine",
    "amended": "Thwackermolendique",
    "discarded": "Yclepthindorvazzle",
    "accented": "Žðélwynquartœf",
    "refused": "Hobnarvelquistrop",
    "latitude": "39.2912374",
    "longitude": "-76.6213958",
    "birth": "1971-09-23",
    "pin": "Vrandlequoxipith",
}
PIN: Final = f"{CORES['pin']} four"
BORN: Final = CORES["birth"]
LAT, LON = float(CORES["latitude"]), float(CORES["longitude"])


def arrest(referral_id: str, name: str = CANARIES["name"]) -> dict[str, Any]:
    """An arrest in wire form, each free answer a canary."""
    return {
        "referral_id": referral_id,
        "kind": "arrest",
        "willing": "yes",
        "whereabouts": "coming_in",
        "offence_codes": ["4 3550"],
        "quantity": "personal",
        "place": {"text": CANARIES["place"], "source": "gps", "lat": LAT, "lon": LON, "accuracy_m": 12},
        "exclusions": {"open_warrant": "no", "safety_threat": "no"},
        "person": {"name": name, "descriptor": CANARIES["descriptor"], "birth": {"date": BORN}},
        "reach": {"how": "phone", "detail": CANARIES["reach"], "permission": "ok"},
        "incident_number": CANARIES["incident"],
        "scene_id": CANARIES["scene"],
    }


def social(referral_id: str) -> dict[str, Any]:
    """A social contact in wire form."""
    return {
        "referral_id": referral_id,
        "kind": "social",
        "willing": "yes",
        "place": {"text": CANARIES["social_place"], "source": "typed"},
        "person": {"name": CANARIES["social_name"], "descriptor": CANARIES["social_descriptor"]},
        "basis": "observed",
        "urgency": "this_week",
        "reason": "overdose_response",
        "note": CANARIES["note"],
    }
