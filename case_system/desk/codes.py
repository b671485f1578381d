"""QR codes for pages: an inline SVG, black on white in every theme so that a phone can read it."""

from __future__ import annotations

import segno
from markupsafe import Markup


def qr(text: str, title: str) -> Markup:
    """The code of a text; `title` is what a screen reader says of it."""
    made = segno.make(text, error="m", micro=False)
    svg = made.svg_inline(
        border=4, light="#ffffff", dark="#000000", omitsize=True, svgclass="qr", lineclass=None, title=title
    )
    return Markup(svg.replace("<svg ", '<svg role="img" ', 1))  # noqa: S704  (segno escapes the title; the rest is numbers)
