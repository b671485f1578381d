"""Draws the app's icon and splash pictures into assets/, each from the same motif and the same four colours.

The motif: beside a barred door stands an open one, and a path that turns away from the first leads through the second;
the end of the path is a person. Run `python -m tools.draw_icons`; it needs Chromium.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.support.chromium import chromium

ASSETS = Path(__file__).parents[1] / "assets"
TEAL, SAND, MIST, NIGHT = "#0B5C5A", "#F3EBDD", "#5FA39C", "#8FA8A0"
MOTIF = """
<g transform="translate(512 512) scale({scale}) translate(-516 -539)">
  <g fill="none" stroke="{barred}" stroke-width="40" stroke-linejoin="round">
    <path d="M204 560 V334 a114 114 0 0 1 228 0 V560 Z"/>
    <path d="M280 244 V560 M356 244 V560"/>
  </g>
  <g fill="none" stroke="{way}" stroke-linecap="round">
    <path stroke-width="56" d="M560 560 V346 a134 134 0 0 1 268 0 V560"/>
    <path stroke-width="76" d="M318 856 V802 a92 92 0 0 1 92 -92 H602 a92 92 0 0 0 92 -92 V520"/>
  </g>
  <circle cx="694" cy="392" r="56" fill="{way}"/>
</g>
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """One file: its size in pixels, how much of it the motif fills, and its colours."""

    name: str
    pixels: int
    scale: float
    way: str
    barred: str
    ground: str = "none"
    corner: int = 0

    def svg(self) -> str:
        """The drawing as it is rendered."""
        motif = MOTIF.format(scale=self.scale, way=self.way, barred=self.barred)
        ground = f'<rect width="1024" height="1024" rx="{self.corner}" fill="{self.ground}"/>'
        size = f'width="{self.pixels}" height="{self.pixels}"'
        return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1024 1024" {size}>{ground}{motif}</svg>'


PICTURES = (
    Picture(name="icon", pixels=1024, scale=0.94, way=SAND, barred=MIST, ground=TEAL),
    # Android cuts its own shape out of the middle two thirds and lays it over adaptive_icon_background.
    Picture(name="icon_android", pixels=1024, scale=0.68, way=SAND, barred=MIST),
    Picture(name="favicon", pixels=96, scale=1.12, way=SAND, barred=MIST, ground=TEAL, corner=200),
    Picture(name="splash", pixels=768, scale=0.8, way=TEAL, barred=NIGHT),
    Picture(name="splash_dark", pixels=768, scale=0.8, way=SAND, barred=MIST),
)


def main() -> None:
    """Draw every picture."""
    with chromium() as browser:
        for picture in PICTURES:
            page = browser.new_page(viewport={"width": picture.pixels, "height": picture.pixels})
            page.set_content(f"<style>* {{ margin: 0 }} svg {{ display: block }}</style>{picture.svg()}")
            page.screenshot(path=ASSETS / f"{picture.name}.png", omit_background=True)
            page.close()


if __name__ == "__main__":
    main()
