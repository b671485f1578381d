"""Live forms: start, answer, convert, discard, restore, save. Each answer is sealed before the method returns."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from field_app.acting import Acting, Failed
from field_app.answers import complete, spelled
from field_app.draft import Draft, answered, begin, converted
from field_app.draft import missing as missing_of
from field_app.draft import open_questions as open_of
from field_app.draft import outlook as outlook_of
from field_app.outcomes import Missing, Saved, Trouble
from field_app.projection import call_of, unheard
from field_app.troubles import FAULTS, refused, trouble
from referral.eligibility import Outlook
from referral.model import Kind, Referral, ReferralId
from referral.problems import FieldError, ProblemCode

Json = Any


class Forms(Acting):
    """The part of `Actions` that makes new referrals."""

    @cached_property
    def _blanks(self) -> dict[ReferralId, Draft]:
        """Forms without an answer: not worth a write, and not worth bringing back."""
        return {}

    def start(self, kind: Kind, scene_of: ReferralId | None = None) -> Draft:
        """A new form; with `scene_of`, place, offence and incident of that person. Errors: Failed."""
        with self._turn:
            scene = None
            if scene_of is not None and (record := self._session().holdings.records.get(scene_of)) is not None:
                scene = record.referral
            referral_id = ReferralId(self.surroundings.random_bytes(16).hex())
            draft = begin(referral_id, kind, self._now(), scene)
            if draft.answers:
                self._keep(draft)
            else:
                self._session()
                self._blanks[referral_id] = draft
            return draft

    def resume(self, referral_id: ReferralId) -> Draft:
        """The form as it was left. Errors: Failed; ValueError when there is none."""
        with self._turn:
            known = self._session().holdings.drafts.get(referral_id)
            if known is not None:
                return known[1]
            if referral_id in self._blanks:
                return self._blanks[referral_id]
            raise ValueError("there is no such draft")

    def answer(self, referral_id: ReferralId, path: str, value: Json) -> Draft:
        """Set the answer at the wire path, or clear it with None; sealed at once. Errors: FieldError, Failed."""
        with self._turn:
            programme = self._open_device().programme
            draft = answered(self.resume(referral_id), path, value, programme, self._now())
            self._keep(draft)
            return draft

    def convert(self, referral_id: ReferralId) -> Draft:
        """Turn an arrest's form into a social contact's. Errors: Failed."""
        with self._turn:
            draft = converted(self.resume(referral_id), self._open_device().programme, self._now())
            self._keep(draft)
            return draft

    def discard(self, referral_id: ReferralId) -> Draft:
        """Forget a form; what is returned can be restored. Errors: Failed."""
        with self._turn:
            draft, session = self.resume(referral_id), self._session()
            try:
                session.drop_draft(referral_id)
            except FAULTS as error:
                raise Failed(trouble(error)) from error
            self._blanks.pop(referral_id, None)
            self._changed()
            return draft

    def restore(self, draft: Draft) -> None:
        """Bring a discarded form back. Errors: Failed."""
        with self._turn:
            self._keep(draft)

    def outlook(self, draft: Draft) -> Outlook:
        """What the answers so far say about eligibility."""
        programme = self._open_device().programme
        return outlook_of(draft, programme, programme.day(self._now()))

    def missing(self, draft: Draft) -> tuple[str, ...]:
        """What Save still needs, as wire names."""
        return missing_of(draft)

    def open_questions(self, draft: Draft) -> tuple[str, ...]:
        """What may stay "to finish", as wire names."""
        return open_of(draft.wire, self._open_device().programme)

    def submit(self, referral_id: ReferralId) -> Saved | Missing | Trouble:
        """Save a form as a referral. A second tap returns the first result."""
        try:
            with self._turn:
                session = self._session()
                record = session.holdings.records.get(referral_id)
                if record is not None and referral_id not in session.holdings.drafts:
                    return self._saved(referral_id, record.op_id)
                draft = self.resume(referral_id)
                if left := missing_of(draft):
                    return Missing(fields=left)
                return self._submit(draft.wire)
        except FieldError as error:
            if error.code is ProblemCode.MISSING_ANSWER:
                return Missing(fields=(error.field,))
            return refused(error)
        except Failed as failed:
            return failed.trouble

    def submit_referral(self, wire: Json) -> Saved | Trouble:
        """Save a referral given in wire form; `referral_id` is optional, and the same id again returns the first result.

        Errors: FieldError names the field of an answer that does not fit; nothing is saved then.
        """
        try:
            with self._turn:
                given = spelled(wire)
                if given.get("referral_id") is None:
                    given["referral_id"] = self.surroundings.random_bytes(16).hex()
                return self._submit(given)
        except Failed as failed:
            return failed.trouble

    def _submit(self, wire: Json) -> Saved | Trouble:
        device, session = self._open_device(), self._open_session()
        referral: Referral = complete(wire, device.programme, device.programme.day(self._now()))
        try:
            op_id, new = session.create(referral)
        except FAULTS as error:
            return trouble(error)
        if not new:
            return self._saved(referral.referral_id, op_id)
        self._wake()
        self._changed()
        call = call_of(referral.referral_id, device.programme) if unheard(referral) else None
        return Saved(referral_id=referral.referral_id, op_id=op_id, call=call)

    def _keep(self, draft: Draft) -> None:
        try:
            self._session().keep_draft(draft, self._open_device().programme)
        except FAULTS as error:
            raise Failed(trouble(error)) from error
        self._blanks.pop(draft.referral_id, None)
        self._changed()
