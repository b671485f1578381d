"""The one observable of a page: it holds one frozen snapshot, replaced whole. Made in `main`, never a module global."""

from __future__ import annotations

from dataclasses import dataclass

import flet as ft

from field_app.snapshot import Snapshot


@ft.observable
@dataclass
class Model:
    """What the page shows now. Replace `snapshot` on the page's own loop (`page.run_task`)."""

    snapshot: Snapshot
