"""What stands in the database of outages, whoever finds them, in whatever order. On both databases."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from sqlalchemy import Engine

from sync.provider.outages.losses import KnownOutage
from sync.provider.outages.marks import DATABASE_BEAT_SECONDS, Gap, OutageKind, RedisMarks, Span
from sync.provider.outages.record import begin_outage, read_mark, record_gaps, record_span
from sync.provider.outages.recorded import read_outages

# A morning, in epoch seconds.
TEN = 1_782_295_200.0
NO_PROCESS, NO_STORE = OutageKind.NO_PROCESS, OutageKind.NO_STORE


def able(since: float, at: float, *, before: float | None = None, kind: OutageKind = NO_PROCESS) -> Span:
    """What a process says that could acknowledge deliveries from `since` until `at`, in seconds after ten."""
    return Span(since=TEN + since, at=TEN + at, before=None if before is None else TEN + before, kind=kind)


def mark(engine: Engine, span: Span, *gaps: Gap, due_seconds: float = DATABASE_BEAT_SECONDS) -> None:
    with engine.begin() as connection:
        record_span(connection, span, gaps=gaps, due_seconds=due_seconds)


def gap(began: float | None, ended: float) -> Gap:
    return Gap(began=None if began is None else TEN + began, ended=TEN + ended, kind=NO_PROCESS)


def notice(engine: Engine, now: float, latest: float | None = None) -> None:
    """What a worker does that looks `now`; `latest` is the mark in Redis."""
    marks = None if latest is None else RedisMarks(latest=TEN + latest)
    with engine.begin() as connection:
        begin_outage(connection, TEN + now, marks)


def recorded(engine: Engine) -> list[tuple[float, float | None, str]]:
    with engine.connect() as connection:
        return [times_and_kind(outage) for outage in read_outages(connection)]


def times_and_kind(outage: KnownOutage) -> tuple[float, float | None, str]:
    ended = None if outage.ended_at is None else outage.ended_at.timestamp() - TEN
    return outage.began_at.timestamp() - TEN, ended, outage.kind


def test_a_fresh_install_has_no_outage_before_its_first_mark(engine: Engine) -> None:
    notice(engine, 0)
    mark(engine, able(0, 0), gap(None, 0))
    assert recorded(engine) == []
    with engine.connect() as connection:
        first_mark = read_mark(connection)
    assert first_mark is not None
    assert (first_mark.at, first_mark.due) == (TEN, TEN + DATABASE_BEAT_SECONDS)


def test_the_first_process_that_starts_records_the_outage_and_the_others_do_not(engine: Engine) -> None:
    mark(engine, able(0, 30))
    for since in (3000.0, 3000.2, 3001.0):
        mark(engine, able(since, since, before=40))
    assert recorded(engine) == [(40, 3000, NO_PROCESS)]


def test_processes_that_start_at_once_record_one_outage(engine: Engine) -> None:
    mark(engine, able(0, 30))
    starts = [able(3000 + number / 10, 3000 + number / 10, before=40) for number in range(6)]
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda span: mark(engine, span), starts))
    ((began, ended, _),) = recorded(engine)
    assert began == 40
    assert ended is not None
    assert 3000 <= ended < 3001


def test_a_restart_and_processes_that_take_over_from_each_other_are_no_outage(engine: Engine) -> None:
    mark(engine, able(0, 40))
    mark(engine, able(52, 52, before=40))
    mark(engine, able(60, 60, before=56))
    # What another process marked in Redis since is not known here: its next mark in the database is not overdue.
    mark(engine, able(95, 95))
    assert recorded(engine) == []


def test_a_process_that_was_there_all_the_time_ends_no_outage(engine: Engine) -> None:
    mark(engine, able(0, 30))
    mark(engine, able(5, 900))
    assert recorded(engine) == []


def test_what_was_judged_once_is_not_judged_again_by_what_redis_last_knew(engine: Engine) -> None:
    mark(engine, able(0, 58), due_seconds=0)
    started = able(60, 60, before=2)  # Redis was away in between
    mark(engine, started)
    mark(engine, replace(started, at=TEN + 90, is_recorded=True))
    assert recorded(engine) == []


def test_without_redis_the_marks_in_the_database_tell_a_short_outage(engine: Engine) -> None:
    mark(engine, able(0, 30), due_seconds=0)
    mark(engine, able(44, 44), due_seconds=0)
    assert recorded(engine) == [(30, 44, NO_PROCESS)]


def test_a_worker_records_the_outage_as_it_lasts_and_web_its_end(engine: Engine) -> None:
    mark(engine, able(0, 30))
    notice(engine, 50, latest=39)
    assert recorded(engine) == []
    for now in (52, 55, 1000):
        notice(engine, now, latest=39)
    assert recorded(engine) == [(39, None, NO_PROCESS)]
    mark(engine, able(3000, 3000, before=39, kind=NO_STORE))
    mark(engine, able(3000.5, 3000.5, before=39))
    notice(engine, 3002, latest=39)  # it asked Redis before web marked
    assert recorded(engine) == [(39, 3000, NO_STORE)]


def test_an_outage_that_a_worker_took_for_one_is_removed_by_the_process_that_was_there(engine: Engine) -> None:
    mark(engine, able(0, 30))
    notice(engine, 100)
    assert recorded(engine) == [(30, None, NO_PROCESS)]
    mark(engine, able(0, 101))
    assert recorded(engine) == []


def test_a_gap_that_redis_kept_is_recorded_though_later_marks_stand_already(engine: Engine) -> None:
    mark(engine, able(0, 30))
    mark(engine, able(5000, 6000, before=4996), gap(40, 3000))
    assert recorded(engine) == [(40, 3000, NO_PROCESS)]
    with engine.begin() as connection:
        record_gaps(connection, [gap(40, 3000), gap(40, 3000.4)], now=TEN + 6001)
    assert len(recorded(engine)) == 1


def test_if_redis_forgot_when_the_outage_began_the_database_knows_it_to_half_a_minute(engine: Engine) -> None:
    mark(engine, able(0, 30))
    mark(engine, able(3000, 3000), gap(None, 3000))
    assert recorded(engine) == [(30, 3000, NO_PROCESS)]


def test_a_mark_of_a_clock_that_was_ahead_hides_no_outage(engine: Engine) -> None:
    mark(engine, able(0, 30))
    mark(engine, able(0, 7200))
    mark(engine, able(100, 100, before=60))
    mark(engine, able(200, 200, before=104))
    assert recorded(engine)[-1] == (104, 200, NO_PROCESS)
