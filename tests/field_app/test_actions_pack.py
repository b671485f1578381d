"""What the case system changes on a device: a newer pack, another agency key, and news that come while the vault is shut."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from field_app.courier import DeviceSide
from field_app.store.outbox import Outgoing
from field_app.vault.errors import VaultLocked
from referral.envelope import AgencyPrivateKey, open_, read_header
from referral.model import OpId, ReferralId
from referral.operations import decode
from referral.port import AgencyKey, PackDelivery
from referral.programme import load
from tests.support.packs import baltimore, baltimore_files
from tests.support.station import ARREST, Station


def newer_pack() -> PackDelivery:
    files = {name: data.decode() for name, data in baltimore_files().items()}
    document = json.loads(files["programme.json"]) | {"version": "2"}
    files["programme.json"] = json.dumps(document)
    programme = load({name: text.encode() for name, text in files.items()})
    return PackDelivery(version="2", digest=programme.digest, files=files)


def test_a_newer_pack_is_installed_and_stays(officer: Station) -> None:
    DeviceSide(officer.device).install(newer_pack())
    officer.save(referral_id="r-1")
    referral = officer.actions.detail(ReferralId("r-1")).referral
    assert referral is not None
    assert referral.pack == "baltimore/2"
    officer.open_again()
    programme = officer.actions.snapshot().programme
    assert programme is not None
    assert programme.version == "2"


@pytest.mark.parametrize("harm", ["digest", "file", "json"])
def test_a_pack_that_is_not_whole_changes_nothing(officer: Station, harm: str) -> None:
    pack = newer_pack()
    match harm:
        case "digest":
            pack = replace(pack, digest="0" * 64)
        case "file":
            pack = replace(pack, files={name: text for name, text in pack.files.items() if name != "blocks.csv"})
        case _:
            pack = replace(pack, files={**pack.files, "programme.json": "{"})
    DeviceSide(officer.device).install(pack)
    assert officer.actions.snapshot().programme == baltimore()
    officer.open_again()
    assert officer.actions.snapshot().programme == baltimore()


def test_an_installed_pack_that_was_changed_is_not_used(officer: Station) -> None:
    officer.actions.close()
    first, copy = sorted((officer.folder / "programme").glob("*/programme.json"))
    whole = first.read_bytes()
    for harmed in (first, copy):
        harmed.write_bytes(whole.replace(b"410-555-0101", b"410-555-0666"))
        assert officer.restart().trouble is None
        assert officer.actions.snapshot().programme == baltimore()
        officer.actions.close()
    for harmed in (first, copy):
        harmed.write_bytes(whole.replace(b"410-555-0101", b"410-555-0666"))
    assert officer.restart().trouble is not None


@pytest.mark.parametrize("harm", ["file", "folder"])
def test_one_damaged_pack_stops_nothing_and_is_mended(officer: Station, harm: str) -> None:
    officer.save(referral_id="r-1")
    folder = officer.device.folder.pack(baltimore().digest)
    officer.actions.close()
    whole = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in folder.iterdir():
        path.unlink()
        if harm == "file":
            break
    officer.restart()
    assert officer.actions.sync_now().accepted == 1
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == whole


def test_for_a_newer_agency_key_the_same_operation_is_sealed_again(officer: Station) -> None:
    first = officer.save(referral_id="r-1")
    key = AgencyPrivateKey.generate()
    side = DeviceSide(officer.device)
    with side.write() as filing:
        side.adopt_key(filing, AgencyKey(key_id=key.key_id.hex(), public_key=key.public().to_bytes()))
        outgoing = side.reseal(filing, first.op_id)
        assert isinstance(outgoing, Outgoing)
        officer.device.outbox.replace(filing.tx, first.op_id, outgoing)
    with officer.device.store.read() as tx:
        old = officer.device.outbox.envelope(tx, first.op_id)
    assert old is not None
    assert read_header(outgoing.envelope).key_id == key.key_id
    assert read_header(outgoing.envelope).op_id != read_header(old).op_id
    operation = decode(open_(outgoing.envelope, {key.key_id: key}))
    session = officer.device.session
    assert session is not None
    assert session.holdings.operations(ReferralId("r-1")) == (operation,)
    again = officer.actions.submit_referral(ARREST | {"referral_id": "r-1"})
    assert getattr(again, "op_id", None) == OpId(read_header(outgoing.envelope).op_id.hex())
    officer.open_again()
    saved = officer.save(referral_id="r-2")
    with officer.device.store.read() as tx:
        envelope = officer.device.outbox.envelope(tx, saved.op_id)
    assert read_header(envelope or b"").key_id == key.key_id


def test_while_shut_nothing_is_sealed_again_and_no_news_are_taken(officer: Station) -> None:
    saved = officer.save(referral_id="r-1")
    officer.actions.lock()
    side = DeviceSide(officer.device)
    assert side.access().read_token is None
    with side.write() as filing:
        assert side.reseal(filing, saved.op_id) is None
        with pytest.raises(VaultLocked):
            side.apply(filing, (), reset=False)
