"""What a test over the shim needs from the machine."""

from tests.faults.disk.shim import ENABLE, REQUIRE_CC, compiler
from tests.support.requirements import missing


def need_compiler() -> None:
    """Skip the test where the shim cannot be built, fail it where continuous integration promised a compiler."""
    if compiler() is None:
        missing("A C compiler on Linux", ENABLE, REQUIRE_CC)
