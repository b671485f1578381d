"""The files of this repository, as the tests about the repository itself see them."""

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_OURS = frozenset({".git", ".venv", "__pycache__", "build", "dist", "test-results"})


def tracked() -> list[Path]:
    """Every file under version control, or outside a clone every file that is not a tool's; relative to ROOT."""
    if (ROOT / ".git").exists() and (git := shutil.which("git")):
        listing = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        names = [Path(name) for name in listing.split("\0") if name]
    else:
        names = [path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file()]
        names = [name for name in names if not NOT_OURS.intersection(name.parts)]
    return sorted(name for name in names if (ROOT / name).is_file())


def texts() -> dict[Path, str]:
    """The text of every tracked file that is text."""
    found = {}
    for name in tracked():
        content = (ROOT / name).read_bytes()
        if b"\0" in content or (name.parts[:2] == ("tests", "golden") and name.suffix not in (".json", ".py")):
            continue  # no text, or frozen bytes
        found[name] = content.decode("utf-8")
    return found
