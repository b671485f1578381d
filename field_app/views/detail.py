"""One referral opened: where it stands on the five tracks, what comes next, what is still to finish, and who it is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import flet as ft

from field_app.snapshot import Call, Delivery, Detail, ReferralRow
from field_app.views import states
from field_app.views.boundary import component, handler, screen
from field_app.views.outlook import contact_call
from field_app.views.parts import (
    C,
    S,
    Tone,
    card,
    chip,
    column,
    empty,
    heading,
    margins,
    notice,
    outlined,
    small,
    spoken,
    text,
    working,
    wrap,
)
from field_app.views.rows import call_card, dial_button
from field_app.views.shell import room, shell
from field_app.views.stage import Stage, go, stage
from field_app.views.standing import standing
from field_app.views.states import KINDS, chips, handoff_word, title_of
from field_app.views.steps import Steps
from referral.lifecycle import Charge, Handoff, Release, Review
from referral.model import Birth, Kind, Referral, ReferralId
from referral.operations import Op
from referral.views import TimelineEntry


def row_of(here: Stage, referral_id: ReferralId) -> ReferralRow | None:
    """The row of a referral that this device holds."""
    rows = (*here.snapshot.inbox, *here.snapshot.referrals)
    return next((row for row in rows if row.referral_id == referral_id), None)


def next_step(row: ReferralRow) -> str | None:
    """The key of the sentence that says what comes next, or None when nothing is due."""
    if row.delivery is Delivery.NEEDS_ATTENTION:
        return "next.attention"
    if row.delivery is Delivery.WAITING:
        return "next.waiting"
    if row.review is Review.DECLINED:
        return "next.declined"
    if row.review is Review.NEED_INFO:
        return "next.need_info"
    match row.handoff:
        case Handoff.OFFERED:
            return "next.offered"
        case Handoff.ACCEPTED:
            return "next.accepted"
        case Handoff.REDIRECTED:
            return "next.redirected"
        case Handoff.MET:
            return "next.met"
        case _:
            return "next.received" if row.receipt else None


def tracks(row: ReferralRow, here: Stage) -> ft.Control:
    """The five tracks, each with its name, icon and word."""
    words = here.words
    icon, tone = states.DELIVERIES[row.delivery]
    lines: list[tuple[str, ft.IconData, Tone, str]] = [
        ("track.delivery", icon, tone, words(f"delivery.{row.delivery}"))
    ]
    if row.review is not None:
        icon, tone = states.REVIEWS[row.review]
        lines.append(("track.review", icon, tone, words(f"review.{row.review}")))
    if row.handoff is not None:
        icon, tone = states.HANDOFFS[row.handoff]
        lines.append(("track.handoff", icon, tone, handoff_word(row, words)))
    if row.charge not in (None, Charge.NONE):
        icon, tone = states.CHARGES[row.charge]
        lines.append(("track.charge", icon, tone, words(f"charge.{row.charge}")))
    if row.release not in (None, Release.NONE):
        icon, tone = states.RELEASES[row.release]
        lines.append(("track.release", icon, tone, words(f"release.{row.release}")))
    made: list[ft.Control | None] = [
        ft.Row(
            [small(words(name), expand=2), ft.Row([chip(i, word, t)], expand=3, wrap=True)],
            spacing=8,
            vertical_alignment=ft.CrossAxisAlignment.CENTER,
        )
        for name, i, t, word in lines
    ]
    return column(made, spacing=8)


def timeline(entries: Sequence[TimelineEntry], here: Stage) -> ft.Control:
    """What happened, newest first, with who and when."""
    words = here.words
    made: list[ft.Control | None] = []
    for entry in reversed(entries):
        said = words(f"happened.{entry.what}")
        facts = [words.when(entry.at, here.snapshot.now)]
        if entry.by:
            facts.append(entry.by)
        if entry.code:
            facts.append(code_word(entry.code, here))
        icon = states.HAPPENINGS[entry.what]
        line = column([text(said, S.BODY_LARGE), small(" · ".join(facts))], spacing=0, expand=True)
        made.append(
            ft.Row(
                [ft.Icon(icon, size=22, color=C.PRIMARY), line],
                spacing=14,
                vertical_alignment=ft.CrossAxisAlignment.START,
            )
        )
    return column(made, spacing=14)


def code_word(code: str, here: Stage) -> str:
    """A pack code or an answer in words; the code itself when the pack is older."""
    for listed in here.programme.choices.values():
        for choice in listed:
            if choice.code == code:
                return here.words.pack(choice.text)
    for partner in here.programme.partners:
        if partner.id == code:
            return here.words.pack(partner.name)
    key = next((key for key in (f"sao.{code}", f"code.{code}") if here.words.has(key)), None)
    return here.words(key) if key is not None else code


def age_words(birth: Birth | None, here: Stage) -> str | None:
    """The age as told, or the birth date with the age that follows."""
    if birth is None:
        return None
    if birth.adult:
        return here.words("person.adult")
    years = birth.age_on(here.words.local(here.snapshot.now).date())
    return here.words("person.years", n=years) if years is not None else None


def facts_of(referral: Referral, here: Stage) -> list[tuple[str, str]]:
    """The answers that this reader may see, as (question, answer)."""
    words, programme = here.words, here.programme

    def pack(name: str, code: str | None) -> str | None:
        found = programme.choice(name, code) if code else None
        return words.pack(found.text) if found else code

    offences = [
        f"{o.description} · {code}" if (o := programme.offences.get(code)) else code for code in referral.offence_codes
    ]
    reach = referral.reach
    listed: list[tuple[str, str | None]] = [
        ("ask.person.name", referral.person.name),
        ("fact.descriptor", referral.person.descriptor),
        ("ask.person.birth", age_words(referral.person.birth, here)),
        ("ask.willing", words(f"answer.willing.{referral.willing}")),
        ("ask.whereabouts", words(f"answer.whereabouts.{referral.whereabouts}") if referral.whereabouts else None),
        ("ask.eta_at", words.when(referral.eta_at, here.snapshot.now) if referral.eta_at else None),
        ("ask.destination", pack("destination", referral.destination)),
        (
            "ask.reach.how",
            " · ".join(x for x in (words(f"answer.reach.{reach.how}"), reach.detail) if x) if reach else None,
        ),
        (
            "ask.reach.permission",
            words(f"answer.permission.{reach.permission}") if reach and reach.permission else None,
        ),
        ("ask.immediate_need", ", ".join(words(f"answer.need.{n}") for n in referral.immediate_need) or None),
        ("ask.language", pack("language", referral.language)),
        ("ask.interpreter", None if referral.interpreter is None else words("yes" if referral.interpreter else "no")),
        ("ask.offence_codes", ", ".join(offences) or None),
        ("ask.place", referral.place.text if referral.place else None),
        ("ask.basis", words(f"answer.basis.{referral.basis}") if referral.basis else None),
        ("ask.urgency", words(f"answer.urgency.{referral.urgency}") if referral.urgency else None),
        ("ask.reason", pack("reason", referral.reason)),
        ("ask.note", referral.note),
        ("ask.incident_number", referral.incident_number),
    ]
    return [(words(key), value) for key, value in listed if value]


def facts_card(referral: Referral, here: Stage) -> ft.Control:
    """The answers, question by question."""
    made: list[ft.Control | None] = [
        column([small(label), text(value, S.BODY_LARGE)], spacing=0) for label, value in facts_of(referral, here)
    ]
    return column(made, spacing=12)


def to_finish(row: ReferralRow, here: Stage, base: str) -> ft.Control:
    """The questions that are still open; each leads to where it is answered."""
    words = here.words
    made: list[ft.Control | None] = []
    for name in row.to_finish:
        key = f"ask.{'reach.how' if name == 'reach' else name}"
        label = words(key) if words.has(key) else name
        made.append(
            outlined(
                words("finish.add", what=label),
                lambda _, n=name: go(f"{base}/finish/{n}"),
                icon=ft.Icons.ADD,
                key=f"finish-{name}",
            )
        )
    return column(made, spacing=8)


def numbers(here: Stage, kind: Kind) -> ft.Control:
    """Whom to call about this referral."""
    names = (
        ("duty_case_manager", "sao_on_call", "lead_desk") if kind is Kind.ARREST else ("lead_desk", "duty_case_manager")
    )
    made: list[ft.Control | None] = []
    for name in names:
        contact = here.programme.contacts.get(name)
        if contact is not None:
            call: Call = contact_call(contact, here)
            made.append(
                column([small(f"{call.label} · {here.words.pack(contact.hours)}"), dial_button(call, here)], spacing=4)
            )
    return column(made, spacing=12)


@component
def DetailPane(referral_id: ReferralId, width: float, base: str = "") -> ft.Control:
    """Everything about one referral, as a pane or a page."""
    here = stage()
    words = here.words
    detail, set_detail = ft.use_state(cast("Detail | None", None))
    row = row_of(here, referral_id)

    async def load() -> None:
        if row is not None:
            set_detail(await here.do(here.actions.detail, referral_id))

    ft.use_effect(handler(load), [referral_id, row])
    if row is None:
        return empty(ft.Icons.SEARCH_OFF, words("detail.gone"), words("detail.gone_body"))
    root = base or f"/referral/{referral_id}"
    top = column(
        [
            ft.Row(
                [
                    ft.Icon(KINDS[row.kind], size=30, color=C.PRIMARY),
                    column(
                        [
                            ft.Semantics(content=text(title_of(row, words), S.HEADLINE_SMALL), header=True),
                            small(
                                words(
                                    "detail.line",
                                    kind=words(f"kind.{row.kind}"),
                                    when=words.when(row.created_at, here.snapshot.now),
                                )
                            ),
                        ],
                        spacing=2,
                        expand=True,
                    ),
                ],
                spacing=14,
                vertical_alignment=ft.CrossAxisAlignment.START,
            ),
            wrap(chips(row, words)),
        ],
        spacing=10,
    )
    parts: list[ft.Control | None] = [top]
    if row.call is not None:
        parts.append(call_card(row, row.call, here))
    coming = next_step(row)
    if coming == "next.offered" and not here.officer:
        coming = "next.offered_to_me"
    if coming is not None:
        who = row.case_manager or words("someone")
        parts.append(spoken(notice(ft.Icons.ARROW_FORWARD, words("next.title"), words(coming, name=who), Tone.PLAIN)))
    parts += standing(row, here)
    if row.reason is not None:
        title, meaning = words.problem(row.reason)
        parts.append(notice(ft.Icons.ERROR_OUTLINE, title, meaning, Tone.BAD))
    if detail is not None and detail.row.referral_id == referral_id:
        parts.append(Steps(detail, key=f"steps-{referral_id}"))
    else:
        parts.append(working(words("detail.loading")))
    if row.to_finish and here.officer and detail is not None and Op.AMEND in detail.steps:
        parts.append(
            card(
                column(
                    [heading(words("finish.title"), 3), small(words("finish.body")), to_finish(row, here, root)],
                    spacing=10,
                )
            )
        )
    receipt = words("row.receipt", receipt=row.receipt) if row.receipt else words("detail.no_receipt")
    if row.receipt and row.received_at:
        receipt = words("detail.received", receipt=row.receipt, when=words.when(row.received_at, here.snapshot.now))
    parts.append(
        card(
            column([heading(words("detail.tracks"), 3), tracks(row, here), small(receipt, selectable=True)], spacing=12)
        )
    )
    if detail is not None and detail.referral is not None:
        parts.append(card(column([heading(words("detail.person"), 3), facts_card(detail.referral, here)], spacing=12)))
    elif row.shrunk:
        parts.append(small(words("detail.shrunk")))
    if detail is not None and detail.timeline:
        parts.append(card(column([heading(words("detail.timeline"), 3), timeline(detail.timeline, here)], spacing=14)))
    parts.append(card(column([heading(words("detail.numbers"), 3), numbers(here, row.kind)], spacing=12)))
    if here.officer and not row.shrunk:

        async def another(_: object) -> None:
            draft = await here.do(here.actions.start, row.kind, referral_id)
            go(f"/form/{draft.referral_id}")

        parts.append(outlined(words("saved.another"), another, icon=ft.Icons.PERSON_ADD_ALT_OUTLINED))
    side = margins(width)
    return ft.Column(
        [ft.Container(column(parts, spacing=14), padding=ft.Padding.only(left=side, right=side, top=8, bottom=28))],
        scroll=ft.ScrollMode.AUTO,
        expand=True,
        horizontal_alignment=ft.CrossAxisAlignment.STRETCH,
        on_scroll=handler(lambda _: here.touched()),
    )


@screen
def DetailScreen() -> ft.View:
    """One referral as a screen; on tablets with the list beside it."""
    here = stage()
    referral_id = ReferralId(ft.use_route_params()["id"])
    path = ft.use_view_path()
    side = None
    if here.wide:
        from field_app.views.home import officer_side
        from field_app.views.inbox import case_manager_side

        side = officer_side(here, referral_id) if here.officer else case_manager_side(here, referral_id, path)
    body = DetailPane(referral_id, room(here, beside_list=side is not None), path, key=f"pane-{referral_id}")
    tab = "/" if here.wide else None
    return shell(here, path, here.words("detail.title"), body, tab=tab, side=side)
