"""Users and roles: who may change whom, what follows from it in the same moment, and that secrets are shown once."""

from __future__ import annotations

from collections.abc import Callable

import pyotp
import pytest
from sqlalchemy import select

from case_system.assignment import Post
from case_system.auth import SignedIn
from case_system.grants import DUTIES, Duty
from case_system.office.building import Office
from case_system.storage import NotSo, Standing
from case_system.store import schema
from referral.lifecycle import Role
from referral.model import UserId
from referral.operations import Op
from referral.port import Refused
from referral.problems import ProblemCode
from tests.support.agency import STAFF, Agency
from tests.support.device import arrest
from tests.support.office import sessions_of

ADM, SUP = UserId("adm"), UserId("sup")
PEOPLE = {**{name: role for name, role, _ in STAFF}, "adm": Role.ADMINISTRATOR, "def": Role.DEFENDER}


def standing(role: Role = Role.PEER, **more: str) -> Standing:
    return Standing(name="Someone New", role=role, **more)


def trail(agency: Agency, action: str) -> list[tuple[str, str | None, str]]:
    a = schema.audit
    rows = agency.rows(select(a.c.actor, a.c.object_id, a.c.outcome).where(a.c.action == action).order_by(a.c.n))
    return [(row["actor"], row["object_id"], row["outcome"]) for row in rows]


def refused(act: Callable[[], object]) -> str:
    """The stable code of the refusal."""
    try:
        act()
    except (NotSo, Refused) as error:
        return str(error.code)
    pytest.fail("it was done")


def test_who_may_open_each_room_is_what_the_table_says(office: Office, agency: Agency) -> None:
    rooms: dict[Duty, Callable[[UserId], object]] = {
        Duty.SEE_PEOPLE: office.people.listed,
        Duty.SEE_ROTA: office.rota.view,
        Duty.SEE_CASELOADS: office.caseloads.board,
        Duty.SEE_MEETING: office.caseloads.meeting,
        Duty.SEE_DEVICES: office.devices.view,
        Duty.SEE_PACKS: office.pack.listed,
        Duty.SEARCH: office.finding.officers,
        Duty.SEE_DUPLICATES: office.duplicates.listed,
        Duty.SEE_TRAIL: office.trail.page,
        Duty.SEE_FIGURES: office.evaluation.figures,
        Duty.SEE_DEFENCE: office.defenders.clients,
        Duty.OWN_NOTICES: office.people.own_channels,
    }
    for user, role in PEOPLE.items():
        for duty, room in rooms.items():
            if role in DUTIES[duty]:
                room(UserId(user))
            else:
                assert refused(lambda room=room, user=user: room(UserId(user))) == ProblemCode.NOT_PERMITTED, duty  # type: ignore[misc]
                assert (user, None, "not_permitted") in trail(agency, duty)
    assert refused(lambda: office.people.listed(UserId("nobody"))) == ProblemCode.NOT_PERMITTED
    assert ("unknown", None, "not_permitted") in trail(agency, Duty.SEE_PEOPLE)


def test_a_new_person_is_listed_and_the_one_who_added_them_is_in_the_trail(office: Office, agency: Agency) -> None:
    office.people.add(SUP, "p3", standing(unit="Central", language="es", pair="south"))
    person = next(p for p in office.people.listed(SUP) if p.user_id == "p3")
    assert (person.name, person.role, person.unit, person.language, person.pair) == ("Someone New", Role.PEER, "Central", "es", "south")  # fmt: skip
    assert (person.active, person.has_password, person.has_totp, person.devices, person.channels) == (True, False, False, 0, 0)  # fmt: skip
    assert trail(agency, "user_add")[-1] == ("sup", "p3", "peer")


def test_a_supervisor_never_gets_hold_of_another_partners_sign_in(office: Office, agency: Agency) -> None:
    people = office.people
    for role in (Role.SAO_REVIEWER, Role.DEFENDER, Role.ADMINISTRATOR, Role.SUPERVISOR, Role.EVALUATOR):
        assert refused(lambda role=role: people.add(SUP, "new", standing(role))) == "not_yours"  # type: ignore[misc]
        assert refused(lambda role=role: people.change(SUP, UserId("p2"), standing(role))) == "not_yours"  # type: ignore[misc]
    for whom in map(UserId, ("sao1", "def", "adm", "eva")):
        for act in (people.new_password, people.new_totp):
            assert refused(lambda act=act, whom=whom: act(SUP, whom)) == "not_yours"  # type: ignore[misc]
        assert refused(lambda whom=whom: people.let_in(SUP, whom, False)) == "not_yours"  # type: ignore[misc]
        assert refused(lambda whom=whom: people.add_channel(SUP, whom, "console://x")) == "not_yours"  # type: ignore[misc]
    assert not trail(agency, "password_set")


def test_nobody_changes_their_own_account_and_the_last_administrator_stays(office: Office) -> None:
    people = office.people
    assert refused(lambda: people.change(ADM, ADM, standing(Role.SUPERVISOR))) == "own_account"
    assert refused(lambda: people.let_in(ADM, ADM, False)) == "own_account"
    assert refused(lambda: people.new_password(ADM, ADM)) == "own_account"
    people.add(ADM, "adm2", standing(Role.ADMINISTRATOR))
    people.let_in(UserId("adm2"), ADM, False)
    people.add(UserId("adm2"), "adm3", standing(Role.ADMINISTRATOR))
    people.let_in(UserId("adm3"), UserId("adm2"), False)
    people.let_in(UserId("adm3"), ADM, True)
    assert refused(lambda: people.let_in(UserId("adm2"), UserId("adm3"), False)) == ProblemCode.NOT_PERMITTED
    people.let_in(ADM, UserId("adm3"), False)
    assert [p.user_id for p in people.listed(ADM) if p.role is Role.ADMINISTRATOR and p.active] == ["adm"]


NONSENSE = (
    ("Upper Case", standing(), "user_name"),
    ("cm1", standing(), "user_taken"),
    ("new", standing(pair="west"), "pair_taken"),
    ("new", standing(pair="West Side"), "pair_name"),
    ("new", Standing(name=" ", role=Role.PEER), "name_length"),
    ("new", Standing(name="x\ny", role=Role.PEER), "name_length"),
    ("new", standing(language="fr"), "no_language"),
)


def test_what_makes_no_sense_is_refused_with_its_own_code(office: Office) -> None:
    for user_id, said, code in NONSENSE:
        assert refused(lambda user_id=user_id, said=said: office.people.add(SUP, user_id, said)) == code  # type: ignore[misc]
    assert "new" not in {p.user_id for p in office.people.listed(SUP)}


def test_a_role_changes_only_when_post_and_device_allow_it(office: Office, agency: Agency) -> None:
    change = office.people.change
    assert refused(lambda: change(SUP, UserId("cm1"), standing(Role.OFFICER))) == "on_rota"
    agency.accounts.set_post(Post.DUTY, ["cm2"])
    agency.device("cm1")
    assert refused(lambda: change(SUP, UserId("cm1"), standing(Role.OFFICER))) == "has_device"
    (device,) = agency.rows(select(schema.devices.c.device_id))
    agency.accounts.revoke(device["device_id"])
    change(SUP, UserId("cm1"), standing(Role.OFFICER, pair="west"))
    person, _, _ = office.people.one(SUP, UserId("cm1"))
    assert (person.role, person.pair) == (Role.OFFICER, None)
    assert trail(agency, "user_change")[-1] == ("sup", "cm1", "officer")


def test_whoever_moves_to_another_pair_sees_its_people_and_no_longer_those_of_the_first(office: Office, agency: Agency) -> None:  # fmt: skip
    o1, cm1 = agency.device("o1"), agency.device("cm1")
    made = arrest()
    o1.send(o1.create(made))
    cm1.send(cm1.reason(Op.ACCEPT, made.referral_id))
    p1, p2 = agency.device("p1"), agency.device("p2")
    assert made.referral_id in p1.pull().referrals
    assert made.referral_id not in p2.pull().referrals
    office.people.change(SUP, UserId("p1"), standing(pair="south"))
    office.people.change(SUP, UserId("p2"), standing(pair="west"))
    assert made.referral_id in p1.pull().gone
    assert made.referral_id in p2.pull().referrals
    assert p2.replica.enrolled == 0


def test_a_temporary_password_and_a_code_sign_in_and_are_kept_nowhere(office: Office, agency: Agency) -> None:
    given = office.people.new_password(SUP, UserId("cm2"))
    fresh = office.people.new_totp(SUP, UserId("cm2"))
    assert given.password is not None
    assert fresh.totp_secret is not None
    assert fresh.totp_link is not None
    assert fresh.totp_link.startswith("otpauth://totp/LEAD%20desk:cm2?secret=")
    sessions = sessions_of(agency)
    code = pyotp.TOTP(fresh.totp_secret).at(int(agency.clock().timestamp()))
    assert isinstance(sessions.sign_in("cm2", given.password, code), SignedIn)
    kept = str([agency.rows(select(table)) for table in (schema.users, schema.audit)])
    assert given.password not in kept
    assert fresh.totp_secret not in kept
    assert given.password not in repr(given)
    assert fresh.totp_secret not in repr(fresh)
    assert trail(agency, "password_set") == [("sup", "cm2", "done")]
    assert trail(agency, "totp_set") == [("sup", "cm2", "done")]


def test_channels_are_added_listed_without_their_address_and_removed(office: Office, agency: Agency) -> None:
    me = UserId("cm1")
    office.people.add_channel(me, me, "ntfys://push.example.org/secret-topic")
    (channel,) = office.people.own_channels(me)
    assert channel.kind == "ntfys"
    assert "secret-topic" not in str(channel) + str(agency.rows(select(schema.channels)))
    assert refused(lambda: office.people.add_channel(me, me, "no address")) == "no_channel_url"
    assert (
        refused(lambda: office.people.remove_channel(UserId("cm2"), UserId("cm2"), channel.channel_id)) == "no_channel"
    )
    office.people.change_channel(me, me, channel.channel_id, kinds=["handoff_offered"], hours="mon-fri 07:00-22:00")
    (changed,) = office.people.own_channels(me)
    assert (changed.kinds, changed.hours) == (("handoff_offered",), "mon-fri 07:00-22:00")
    assert (
        refused(lambda: office.people.change_channel(me, me, channel.channel_id, kinds=(), hours="late")) == "bad_hours"
    )
    assert office.people.failing_channels(SUP) == ()
    office.people.remove_channel(me, me, channel.channel_id)
    assert office.people.own_channels(me) == ()
    assert trail(agency, "channel_remove") == [("cm1", channel.channel_id, "done")]


def test_the_rota_is_set_in_order_and_only_with_people_who_fit(office: Office, agency: Agency) -> None:
    rota = office.rota
    rota.set(SUP, Post.ON_CALL, [UserId("cm2"), UserId("p2")])
    line = next(x for x in rota.view(UserId("cm1")).posts if x.post is Post.ON_CALL)
    assert [u.user_id for u in line.standing] == ["cm2", "p2"]
    assert {u.user_id for u in line.may_stand} == {"cm1", "cm2", "p1", "p2"}
    assert not rota.view(UserId("cm1")).may_change
    assert refused(lambda: rota.set(UserId("cm1"), Post.ON_CALL, [])) == ProblemCode.NOT_PERMITTED
    assert refused(lambda: rota.set(SUP, Post.SAO, [UserId("cm1")])) == "wrong_post"
    assert refused(lambda: rota.set(SUP, Post.DUTY, [UserId("cm1"), UserId("cm1")])) == "named_twice"
    assert refused(lambda: rota.set(SUP, Post.DUTY, [UserId("nobody")])) == "no_user"
    agency.accounts.set_active("cm2", False)
    assert refused(lambda: rota.set(SUP, Post.DUTY, [UserId("cm2")])) == "not_active"
    assert trail(agency, "rota_set")[-1] == ("sup", "on_call", "done")
