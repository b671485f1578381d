"""The figures of the attempt counters as pure values."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from field_app.vault import attempts
from field_app.vault.attempts import DESTROYED_AT, LOCKED_AT, AttemptFile, Attempts
from field_app.vault.errors import KeyStoreUnavailable
from tests.field_app.vault.conftest import NOON

u32 = st.integers(0, 2**32 - 1)
figures = st.builds(Attempts, started=u32, wrong=u32, latest=st.integers(0, 2**40))


class Place:
    """A place in memory that can be silent."""

    def __init__(self) -> None:
        self.record: bytes | None = None
        self.silent = False

    def load(self) -> bytes | None:
        self.answer()
        return self.record

    def save(self, record: bytes) -> None:
        self.answer()
        self.record = record

    def answer(self) -> None:
        if self.silent:
            raise KeyStoreUnavailable


@given(figures)
def test_a_record_comes_back_and_every_changed_byte_is_noticed(value: Attempts) -> None:
    record = value.to_bytes()
    assert Attempts.from_bytes(record) == value
    for at in range(len(record)):
        assert Attempts.from_bytes(record[:at] + bytes((record[at] ^ 1,)) + record[at + 1 :]) is None
        assert Attempts.from_bytes(record[:at]) is None


@given(figures, figures)
def test_of_two_places_the_larger_of_each_figure_counts(one: Attempts, other: Attempts) -> None:
    places = (Place(), Place())
    places[0].record, places[1].record = one.to_bytes(), other.to_bytes()
    found = attempts.load(places, NOON)
    assert found.started == max(one.started, other.started)
    assert found.wrong == max(one.wrong, other.wrong)
    assert found.latest == max(one.latest, other.latest)


def test_a_lock_for_want_of_records_lasts_but_is_not_written_while_a_place_is_silent() -> None:
    places = (Place(), Place())
    places[0].silent = True
    assert attempts.load(places, NOON).locked
    assert places[1].record is None
    places[0].silent = False
    lock = attempts.load(places, NOON)
    assert attempts.load(places, NOON + timedelta(hours=1)) == lock
    assert places[0].record == places[1].record == lock.to_bytes()


def test_one_working_place_suffices_to_save_and_none_does_not() -> None:
    places = (Place(), Place())
    for silent in (0, 1):
        places[silent].silent, places[1 - silent].silent = True, False
        attempts.save(places, Attempts(started=silent + 1))
        assert places[1 - silent].record == Attempts(started=silent + 1).to_bytes()
    places[0].silent = True
    with pytest.raises(KeyStoreUnavailable):
        attempts.save(places, Attempts())


def test_the_end_of_time_is_no_release_and_no_crash() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    count = Attempts().start(last)
    assert count.until(timedelta(minutes=15)) is None
    assert Attempts(latest=2**63).until(timedelta(0)) is None
    assert Attempts().start(datetime(1901, 1, 1, tzinfo=UTC)).latest == 0
    with pytest.raises(ValueError, match="aware"):
        Attempts().start(datetime(2026, 1, 1))  # noqa: DTZ001 - the misuse under test


def test_a_file_place_keeps_its_record(tmp_path: Path) -> None:
    place = AttemptFile(tmp_path / "attempts")
    assert place.load() is None
    place.save(b"record")
    assert AttemptFile(tmp_path / "attempts").load() == b"record"


class Counting(RuleBasedStateMachine):
    """Any run of kills, wrong answers, releases and successes, with old records put back in one place."""

    def __init__(self) -> None:
        super().__init__()
        self.places = (Place(), Place())
        self.now = NOON
        self.starts = self.wrongs = 0
        attempts.save(self.places, Attempts())
        self.older = [self.places[0].record]

    def save(self, value: Attempts) -> None:
        attempts.save(self.places, value)
        self.older.append(self.places[0].record)

    def begin(self) -> Attempts | None:
        count = attempts.load(self.places, self.now)
        if count.locked or count.destroyed:
            return None
        self.save(count.start(self.now))
        self.starts += 1
        return count.start(self.now)

    @rule()
    def kill(self) -> None:
        self.begin()

    @rule()
    def answer_wrong(self) -> None:
        if (count := self.begin()) is not None:
            self.save(count.fail())
            self.wrongs += 1

    @rule()
    def succeed(self) -> None:
        if self.begin() is not None:
            self.save(Attempts())
            self.starts = self.wrongs = 0

    @rule()
    def release(self) -> None:
        self.save(attempts.load(self.places, self.now).released())
        self.starts = 0

    @rule(place=st.integers(0, 1), back=st.integers(1, 3))
    def look_after_an_older_record_was_put_back(self, place: int, back: int) -> None:
        kept = self.places[place].record
        self.places[place].record = self.older[max(0, len(self.older) - back)]
        found = attempts.load(self.places, self.now)
        assert found.started >= self.starts
        assert found.wrong >= self.wrongs
        self.places[place].record = kept

    @rule(days=st.integers(-400, 400))
    def set_the_clock(self, days: int) -> None:
        self.now = NOON + timedelta(days=days)

    @invariant()
    def figures_agree(self) -> None:
        found = attempts.load(self.places, self.now)
        assert (found.started, found.wrong) == (self.starts, self.wrongs)
        assert found.started <= LOCKED_AT
        assert found.wrong <= DESTROYED_AT
        assert found.locked == (self.starts == LOCKED_AT)
        assert found.destroyed == (self.wrongs == DESTROYED_AT)


TestCounting = Counting.TestCase
