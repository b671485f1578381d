"""A dispatcher whose leases end soon, as a process: `python -m tests.case_system.short_lease DATABASE-URL KEY-FOLDER`."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from case_system.app import assemble
from case_system.loops import DispatcherLoop

if __name__ == "__main__":
    system = assemble(sys.argv[1], Path(sys.argv[2]))
    dispatcher = replace(system.dispatcher, lease=timedelta(seconds=4))
    loop = DispatcherLoop(dispatcher, changed=system.changed, clock=system.clock)
    loop.start()
    loop.join()
