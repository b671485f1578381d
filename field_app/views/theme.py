"""The look: three palettes (light, dark, sunlight), one type scale, one set of shapes. Nothing else names a colour.

Controls use Flet's colour roles (`ft.Colors.PRIMARY` ...), which the palette fills, so that a theme changes without a
render. Deep teal on warm sand; amber for "look here", brick for trouble. `PAIRS` lists each text-on-ground pair that
screens use: a test computes their WCAG 2.2 contrast. Text size is the person's own factor on the whole scale.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import flet as ft

from field_app.snapshot import ThemeChoice

TOUCH = 52  # dp; WCAG and Android ask for 48, gloves ask for more
GAP = 16
RADIUS = 16
WIDE = 840  # dp: from here on list and detail stand side by side
CRAMPED = 240  # dp of width for text at 100 %: below this there is one thing to a line
READING = 640  # dp: no column of text is wider


@dataclass(frozen=True, slots=True, kw_only=True)
class Palette:
    """The colour roles of one theme, as #RRGGBB."""

    primary: str
    on_primary: str
    primary_container: str
    on_primary_container: str
    secondary: str
    on_secondary: str
    secondary_container: str
    on_secondary_container: str
    tertiary: str
    on_tertiary: str
    tertiary_container: str
    on_tertiary_container: str
    error: str
    on_error: str
    error_container: str
    on_error_container: str
    surface: str
    on_surface: str
    on_surface_variant: str
    surface_container_lowest: str
    surface_container_low: str
    surface_container: str
    surface_container_high: str
    surface_container_highest: str
    outline: str
    outline_variant: str
    inverse_surface: str
    on_inverse_surface: str
    inverse_primary: str


LIGHT = Palette(
    primary="#0B5C5A",
    on_primary="#FFFFFF",
    primary_container="#CBE7E1",
    on_primary_container="#053B3A",
    secondary="#5B5340",
    on_secondary="#FFFFFF",
    secondary_container="#E9DFC9",
    on_secondary_container="#3A3322",
    tertiary="#7A4A00",
    on_tertiary="#FFFFFF",
    tertiary_container="#FBE2B4",
    on_tertiary_container="#4A2D00",
    error="#9C2B1F",
    on_error="#FFFFFF",
    error_container="#FADAD3",
    on_error_container="#66160D",
    surface="#F3EBDD",
    on_surface="#1F1C16",
    on_surface_variant="#544E41",
    surface_container_lowest="#FFFDF8",
    surface_container_low="#FAF5EA",
    surface_container="#FBF7EE",
    surface_container_high="#EFE6D4",
    surface_container_highest="#E6DBC5",
    outline="#7C7362",
    outline_variant="#D8CDB8",
    inverse_surface="#2B2A26",
    on_inverse_surface="#F6F0E4",
    inverse_primary="#8FD3CB",
)
DARK = Palette(
    primary="#8FD3CB",
    on_primary="#003735",
    primary_container="#114B49",
    on_primary_container="#C9EEE8",
    secondary="#D5C9AE",
    on_secondary="#3A3322",
    secondary_container="#433C2D",
    on_secondary_container="#EFE4CB",
    tertiary="#F3BF6B",
    on_tertiary="#432B00",
    tertiary_container="#543A0B",
    on_tertiary_container="#FFE3B3",
    error="#FFB4A6",
    on_error="#5C1108",
    error_container="#6E241A",
    on_error_container="#FFDAD3",
    surface="#12171A",
    on_surface="#ECE6DA",
    on_surface_variant="#C6BEAF",
    surface_container_lowest="#0D1113",
    surface_container_low="#181E21",
    surface_container="#1D2427",
    surface_container_high="#273034",
    surface_container_highest="#313B3F",
    outline="#948C7D",
    outline_variant="#3A4448",
    inverse_surface="#ECE6DA",
    on_inverse_surface="#26231D",
    inverse_primary="#0B5C5A",
)
SUNLIGHT = Palette(
    primary="#00403F",
    on_primary="#FFFFFF",
    primary_container="#D6F5F0",
    on_primary_container="#00201F",
    secondary="#2E2A1F",
    on_secondary="#FFFFFF",
    secondary_container="#F1EADA",
    on_secondary_container="#1A160C",
    tertiary="#5A3400",
    on_tertiary="#FFFFFF",
    tertiary_container="#FFE9C2",
    on_tertiary_container="#2E1B00",
    error="#7A0F05",
    on_error="#FFFFFF",
    error_container="#FFE1DB",
    on_error_container="#430700",
    surface="#FFFFFF",
    on_surface="#000000",
    on_surface_variant="#26231C",
    surface_container_lowest="#FFFFFF",
    surface_container_low="#FFFFFF",
    surface_container="#FFFFFF",
    surface_container_high="#F2EEE4",
    surface_container_highest="#E8E2D4",
    outline="#3C372C",
    outline_variant="#6E675A",
    inverse_surface="#000000",
    on_inverse_surface="#FFFFFF",
    inverse_primary="#A9F0E7",
)
PALETTES = {"light": LIGHT, "dark": DARK, "sunlight": SUNLIGHT}

PAIRS: tuple[tuple[str, str], ...] = (
    ("on_primary", "primary"),
    ("on_primary_container", "primary_container"),
    ("on_secondary_container", "secondary_container"),
    ("on_tertiary_container", "tertiary_container"),
    ("on_error_container", "error_container"),
    ("on_error", "error"),
    ("on_inverse_surface", "inverse_surface"),
    ("inverse_primary", "inverse_surface"),
    *(
        (text, ground)
        for text in ("on_surface", "on_surface_variant", "primary", "error", "tertiary")
        for ground in ("surface", "surface_container_lowest", "surface_container_low", "surface_container")
    ),
    ("on_surface", "surface_container_high"),
    ("on_surface_variant", "surface_container_high"),
    ("on_surface", "surface_container_highest"),
)


def luminance(colour: str) -> float:
    """The relative luminance of #RRGGBB (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two colours, 1 to 21 (WCAG 2.2, 1.4.3)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


# The type scale: role -> (size in dp at 100 %, line height, weight).
_SCALE: dict[str, tuple[float, float, ft.FontWeight]] = {
    "display_small": (34, 1.2, ft.FontWeight.W_600),
    "headline_medium": (27, 1.25, ft.FontWeight.W_600),
    "headline_small": (23, 1.3, ft.FontWeight.W_600),
    "title_large": (20, 1.3, ft.FontWeight.W_600),
    "title_medium": (17, 1.35, ft.FontWeight.W_600),
    "title_small": (15, 1.4, ft.FontWeight.W_600),
    "body_large": (17, 1.45, ft.FontWeight.W_400),
    "body_medium": (15.5, 1.45, ft.FontWeight.W_400),
    "body_small": (14, 1.4, ft.FontWeight.W_400),
    "label_large": (16, 1.3, ft.FontWeight.W_600),
    "label_medium": (13.5, 1.3, ft.FontWeight.W_500),
    "label_small": (13, 1.3, ft.FontWeight.W_500),
}


def text_theme(percent: int) -> ft.TextTheme:
    """The type scale at the person's text size (100 to 200 %)."""
    factor = max(100, min(200, percent)) / 100
    return ft.TextTheme(
        **{
            role: ft.TextStyle(size=size * factor, height=height, weight=weight, letter_spacing=0.1)
            for role, (size, height, weight) in _SCALE.items()
        }
    )


def theme_of(palette: Palette, percent: int) -> ft.Theme:
    """Flet's theme for a palette and a text size."""
    colours = {f.name: getattr(palette, f.name) for f in fields(palette)}
    rounded = ft.RoundedRectangleBorder(radius=RADIUS)
    still = ft.PageTransitionTheme.FADE_FORWARDS
    scheme = ft.ColorScheme(**colours, surface_tint="#00000000", shadow="#000000", scrim="#000000")
    return ft.Theme(
        color_scheme=scheme,
        text_theme=text_theme(percent),
        use_material3=True,
        page_transitions=ft.PageTransitionsTheme(
            android=still,
            ios=ft.PageTransitionTheme.CUPERTINO,
            linux=ft.PageTransitionTheme.NONE,
            macos=ft.PageTransitionTheme.NONE,
            windows=ft.PageTransitionTheme.NONE,
        ),
        appbar_theme=ft.AppBarTheme(bgcolor=palette.surface, color=palette.on_surface, elevation=0, center_title=False),
        navigation_bar_theme=ft.NavigationBarTheme(
            bgcolor=palette.surface_container,
            indicator_color=palette.primary_container,
            label_text_style=ft.TextStyle(
                color=palette.on_surface, size=13.5 * min(1.2, percent / 100), weight=ft.FontWeight.W_500
            ),
        ),
        navigation_rail_theme=ft.NavigationRailTheme(
            bgcolor=palette.surface_container, indicator_color=palette.primary_container
        ),
        snackbar_theme=ft.SnackBarTheme(
            bgcolor=palette.inverse_surface,
            action_text_color=palette.inverse_primary,
            content_text_style=ft.TextStyle(color=palette.on_inverse_surface, size=15.5 * max(100, percent) / 100),
            behavior=ft.SnackBarBehavior.FLOATING,
            shape=rounded,
        ),
        divider_theme=ft.DividerTheme(color=palette.outline_variant, thickness=1, space=1),
    )


def apply(page: ft.Page, choice: ThemeChoice, percent: int) -> None:
    """Put the chosen theme and text size on the page; the controls themselves do not change."""
    page.theme = theme_of(SUNLIGHT if choice is ThemeChoice.SUNLIGHT else LIGHT, percent)
    page.dark_theme = theme_of(DARK, percent)
    page.theme_mode = {
        ThemeChoice.SYSTEM: ft.ThemeMode.SYSTEM,
        ThemeChoice.LIGHT: ft.ThemeMode.LIGHT,
        ThemeChoice.SUNLIGHT: ft.ThemeMode.LIGHT,
        ThemeChoice.DARK: ft.ThemeMode.DARK,
    }[choice]
