"""Where Flet's builder and `flet run` look for the app; everything else is in field_app."""

import flet as ft

from field_app.app import ASSETS, main

if __name__ == "__main__":
    ft.run(main, assets_dir=str(ASSETS), no_cdn=True)
