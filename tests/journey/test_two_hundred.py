"""Real input: 200 synthetic referrals at real places with real charge codes, recorded offline, delivered once; and again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from referral.offences import find_offences
from tests.journey.central import Central
from tests.support.packs import baltimore
from tools.synthetic import referrals, wordings

MADE = referrals(200)


def lines(folder: Path) -> str:
    path = folder / "referrals.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in MADE), encoding="utf-8")
    return str(path)


def test_two_hundred_recorded_offline_arrive_once(central: Central, tmp_path: Path) -> None:
    central.start()
    station = central.station("officer.one", "officer")
    central.stop()

    recorded = station.say("record", lines(tmp_path))
    assert [row["referral_id"] for row in recorded] == [one["referral_id"] for one in MADE]
    assert len({row["op_id"] for row in recorded}) == 200
    code, _, error = station.try_("sync")
    assert (code, error.count("\n")) == (1, 1)
    assert station.say("status")["waiting"] == 200

    central.start()
    counts = station.say("sync")
    assert (counts["sent"], counts["accepted"], counts["waiting"], counts["needs_attention"]) == (200, 200, 0, 0)

    rows = {row["referral_id"]: row for row in central.say("referrals")}
    assert rows.keys() == {one["referral_id"] for one in MADE}
    assert len({row["receipt"] for row in rows.values()}) == 200
    for one in MADE:
        coming = one.get("whereabouts") in ("coming_in", "case_manager_coming")
        assert (rows[one["referral_id"]]["handoff"] == "offered") is coming
    assert any(one.get("whereabouts") == "coming_in" for one in MADE)
    notices = central.say("notices")
    offered = Counter(n["referral_id"] for n in notices if n["kind"] == "handoff_offered")
    assert offered == {rid: 2 for rid, row in rows.items() if row["handoff"] == "offered"}  # the duty pair, once each

    again = station.say("record", lines(tmp_path))
    assert again == recorded
    assert station.say("sync")["sent"] == 0
    assert len(central.say("referrals")) == 200
    assert len(central.say("notices")) == len(notices)
    assert central.say("audit", "verify")

    listed = {row["referral_id"]: row for row in station.say("list")}
    assert listed.keys() == rows.keys()
    assert {row["delivery"] for row in listed.values()} == {"accepted"}


def test_the_charges_of_the_run_are_real_and_are_found_by_their_real_words() -> None:
    used = [code for one in MADE for code in one.get("offence_codes", ())]
    assert len(set(used)) > 8
    assert set(used) <= baltimore().offences.keys()
    official = {row["code"]: row["official"] for row in wordings() if row["official"]}
    for code in set(used) & official.keys() - {"1 3550"}:  # "Cds-Dist." alone names four charges
        assert code in [offence.code for offence in find_offences(official[code], baltimore())]


def test_a_bad_line_is_refused_with_its_number_and_field_and_the_others_are_saved(
    central: Central, tmp_path: Path
) -> None:
    central.start()
    station = central.station("officer.one", "officer")
    path = tmp_path / "mixed.jsonl"
    good = [json.dumps(one) for one in MADE[:2]]
    bad = ["{", json.dumps(MADE[2] | {"willing": "perhaps"}), json.dumps(MADE[3] | {"ssn": "000-00-0000"})]
    path.write_text("\n".join([good[0], *bad, good[1]]) + "\n", encoding="utf-8")
    code, answer, _ = station.try_("record", str(path))
    assert code == 1
    assert [row["line"] for row in answer] == [1, 2, 3, 4, 5]
    assert [row["error"]["field"] for row in answer if "error" in row][1:] == ["willing", "ssn"]
    assert all("000-00" not in json.dumps(row) for row in answer)
    assert len(station.say("list")) == 2
