"""What mutation testing has found out is kept in the tree, and another machine goes on from it."""

import json
from pathlib import Path

from tools import verdicts

CODES = {
    "pkg.mod.x_one__mutmut_1": 1,
    "pkg.mod.x_one__mutmut_2": 0,
    "pkg.mod.x_one__mutmut_3": None,
    "pkg.mod.xǁKindǁtwo__mutmut_1": 37,
    "pkg.mod.xǁKindǁtwo__mutmut_2": -24,
    "pkg.mod.xǁKindǁtwo__mutmut_10": 33,
}
HASHES = {"x_one": "aa", "xǁKindǁtwo": "bb"}
CALLED = {**verdicts.LETTERS, -24: "o"}


def asked(folder: Path) -> Path:
    meta = {"exit_code_by_key": CODES, "hash_by_function_name": HASHES}
    place = folder / "pkg" / "mod.py.meta"
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps(meta), encoding="utf-8")
    return folder


def test_another_machine_knows_what_was_found_out(tmp_path: Path) -> None:
    kept, other = tmp_path / "T15-pkg.json", tmp_path / "other"
    verdicts.keep(kept, asked(tmp_path / "one"), "digest of the tests", CALLED)
    assert verdicts.restore(kept, other) == "digest of the tests"
    meta = json.loads((other / "pkg" / "mod.py.meta").read_text(encoding="utf-8"))
    assert meta["hash_by_function_name"] == HASHES
    found = {key: code for key, code in meta["exit_code_by_key"].items() if code is not None}
    assert found == {key: 36 if code == -24 else code for key, code in CODES.items() if code is not None}


def test_what_is_known_here_is_not_written_over(tmp_path: Path) -> None:
    kept, here = tmp_path / "T15-pkg.json", asked(tmp_path / "here")
    verdicts.keep(kept, here, "digest", CALLED)
    before = (here / "pkg" / "mod.py.meta").read_bytes()
    assert verdicts.restore(kept, here) is None
    assert verdicts.restore(tmp_path / "nothing.json", tmp_path / "empty") is None
    assert (here / "pkg" / "mod.py.meta").read_bytes() == before
