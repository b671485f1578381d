"""The answers an outlook can give, and the sentences for them in English and Spanish, at a 6th-grade reading level.

Sentences that need a pack's value (an age, a street, an offence) are made in referral/eligibility.py, beside their rule.
"""

from __future__ import annotations

from enum import StrEnum

from referral.model import Basis
from referral.programme import Text


class Verdict(StrEnum):
    """How the facts stand to one rule."""

    PASS = "pass"  # noqa: S105 - a wire value
    FAIL = "fail"
    UNKNOWN = "unknown"


class OutlookAnswer(StrEnum):
    ELIGIBLE = "presumptively_eligible"
    NOT = "presumptively_not"
    CANNOT_TELL = "cannot_tell_yet"


class Conversion(StrEnum):
    """Whether an arrest that is presumptively not eligible may become a social contact."""

    OFFERED = "offered"
    MINOR = "minor"
    WARRANT_FIRST = "warrant_first"


OUTLOOKS = {
    OutlookAnswer.ELIGIBLE: Text("It looks like LEAD can take this.", "Parece que LEAD puede aceptar este caso."),
    OutlookAnswer.NOT: Text(
        "It looks like LEAD cannot take this. You can still send it.",
        "Parece que LEAD no puede aceptar este caso. Aun así puede enviarlo.",
    ),
    OutlookAnswer.CANNOT_TELL: Text(
        "We cannot tell yet. Send it even if you are not sure.",
        "Todavía no se sabe. Envíelo aunque no esté seguro.",
    ),
}
CONVERSIONS = {
    Conversion.OFFERED: Text(
        "You can turn this into a social contact. No arrest is needed.",
        "Puede convertirlo en un contacto social. No se necesita un arresto.",
    ),
    Conversion.MINOR: Text(
        "LEAD keeps no record of a person under 18. Call the number shown.",
        "LEAD no guarda datos de menores de 18 años. Llame al número que aparece.",
    ),
    Conversion.WARRANT_FIRST: Text(
        "The warrant must be handled first.", "Primero hay que resolver la orden de arresto."
    ),
}
EXCLUSIONS = {
    "open_warrant": {
        Verdict.PASS: Text("No open warrant.", "Sin orden de arresto pendiente."),
        Verdict.FAIL: Text("There is an open warrant.", "Hay una orden de arresto pendiente."),
        Verdict.UNKNOWN: Text(
            "Open warrant: the records desk will check.", "Orden de arresto: la mesa de registros lo revisará."
        ),
    },
    "safety_threat": {
        Verdict.PASS: Text("No threat to public safety.", "Sin amenaza para la seguridad pública."),
        Verdict.FAIL: Text("There is a threat to public safety.", "Hay una amenaza para la seguridad pública."),
        Verdict.UNKNOWN: Text(
            "Threat to public safety: not answered yet.", "Amenaza para la seguridad pública: falta responder."
        ),
    },
    "under_supervision": {
        Verdict.PASS: Text("Not on probation or parole.", "No está en libertad condicional o a prueba."),
        Verdict.FAIL: Text("On probation or parole.", "Está en libertad condicional o a prueba."),
        Verdict.UNKNOWN: Text(
            "Probation or parole: the records desk will check.",
            "Libertad condicional o a prueba: la mesa de registros lo revisará.",
        ),
    },
    "disqualifying_record": {
        Verdict.PASS: Text("No past case that LEAD does not take.", "Sin un caso anterior que LEAD no acepta."),
        Verdict.FAIL: Text("There is a past case that LEAD does not take.", "Hay un caso anterior que LEAD no acepta."),
        Verdict.UNKNOWN: Text(
            "Past cases: the records desk will check.", "Casos anteriores: la mesa de registros lo revisará."
        ),
    },
    "open_case": {
        Verdict.PASS: Text("No open court case.", "Sin un caso abierto en la corte."),
        Verdict.FAIL: Text("There is an open court case.", "Hay un caso abierto en la corte."),
        Verdict.UNKNOWN: Text(
            "Open court case: the records desk will check.", "Caso abierto: la mesa de registros lo revisará."
        ),
    },
}
BASES = {
    Basis.OBSERVED: Text("An officer saw it.", "Un oficial lo vio."),
    Basis.RECORD: Text("There is a record of it.", "Hay un registro de ello."),
    Basis.THIRD_PARTY: Text("Someone we trust told us.", "Nos lo dijo alguien de confianza."),
    Basis.ASKED_FOR_HELP: Text("The person asked for help.", "La persona pidió ayuda."),
}
