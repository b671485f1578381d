"""Starts the app on a computer: a window, or a page in this machine's browser (`field-app run [--web]`)."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from field_app.app import ASSETS, run, show
from field_app.compose import open_device
from field_app.web import free_port
from field_app.web import serve as serve_page


def open_window(folder: Path, *, ca_file: str | None = None) -> int:
    """Show the app of `folder` in a window until it is closed; the exit code. Needs a screen."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        # without a screen Flet would serve the app to the whole network instead
        print("There is no screen here. Use: field-app run --web", file=sys.stderr)
        return 1
    actions = open_device(folder, background=True, ca_file=ca_file)
    try:
        run(actions)
    finally:
        actions.close()
    return 0


def serve(folder: Path, *, port: int = 0, ca_file: str | None = None) -> int:
    """Serve the app of `folder` on loopback under a fresh secret path until interrupted; prints the address first."""
    actions = open_device(folder, background=True, ca_file=ca_file)

    def ready(address: str) -> None:
        print(f"LEAD Field is at {address}", flush=True)

    try:
        serve_page(
            lambda page: show(page, actions),
            port=port or free_port(),
            secret=secrets.token_urlsafe(24),
            assets=ASSETS,
            ready=ready,
        )
    except KeyboardInterrupt:
        pass
    finally:
        actions.close()
    return 0
