"""What is recorded whatever web processes start and die, and however clocks are set: on clocks of the test's own."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis
from sqlalchemy import Engine, delete

from models.tables import LAST_REACHABLE, OUTAGES
from receiver.webhook import marker
from receiver.webhook.marker import REDIS_SECONDS, Clocks, Marker
from sync.devtools.dev.embedded import RedisServer
from sync.provider.outages.in_redis import read_marks
from sync.provider.outages.marks import BEAT_SECONDS, DATABASE_BEAT_SECONDS, GAP_SECONDS
from sync.provider.outages.record import begin_outage
from sync.provider.outages.recorded import read_outages
from sync.queue.connection import connect
from sync.settings.environment import RedisSettings
from tests.support.events_builder import patient

START = 1_782_295_200.0
HOUR = 3600.0

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _one_connection_to_redis(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Markers close theirs after each mark. To open so many takes longer than the marks, and decides none of them."""
    client = connect(RedisSettings(url=redis_server.url, verify_tls=True), connections=1, seconds=REDIS_SECONDS)
    close = client.connection_pool.disconnect
    monkeypatch.setattr(client.connection_pool, "disconnect", lambda: None)
    monkeypatch.setattr(marker, "connect", lambda *_, **__: client)
    yield
    close()


@dataclass
class Site:
    """Web processes with clocks that the test sets, on real stores."""

    redis: Redis
    engine: Engine
    now: float = START
    elapsed: float = 0.0
    marks: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.redis.flushall()
        with self.engine.begin() as connection:
            for table in (OUTAGES, LAST_REACHABLE):
                connection.execute(delete(table))

    def new_process(self) -> Marker:
        options = self.redis.connection_pool.connection_kwargs
        url = f"redis://{options['host']}:{options['port']}/0"
        settings = RedisSettings(url=url, verify_tls=True)
        return Marker(settings, self.engine.url, lambda: None, clocks=lambda: Clocks(self.now, self.elapsed))

    def beat(self, process: Marker) -> None:
        process.beat()
        self.marks.append(self.now)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.elapsed += seconds

    def look(self) -> None:
        """What a worker does now and then."""
        with self.engine.begin() as connection:
            begin_outage(connection, self.now, read_marks(self.redis))

    def recorded(self) -> list[tuple[float, float | None]]:
        with self.engine.connect() as connection:
            outages = read_outages(connection)
        return [(each.began_at.timestamp(), each.ended_at and each.ended_at.timestamp()) for each in outages]

    def gaps(self) -> list[tuple[float, float]]:
        return [(began, ended) for began, ended in pairwise(self.marks) if ended - began > GAP_SECONDS]


# Of each step: how many beats pass, which of three processes live then, whether a worker looks, if Redis forgets.
steps = st.lists(
    st.tuples(st.integers(1, 12), st.sets(st.integers(0, 2)), st.booleans(), st.sampled_from([False] * 4 + [True])),
    min_size=2,
    max_size=8,
)


def play(site: Site, played: list[tuple[int, set[int], bool, bool]], *, forgets: bool) -> None:
    """Let processes live and die; each begins at the moment it is first in a step, and none is idle in between."""
    processes = {0: site.new_process()}
    site.beat(processes[0])
    for beats, living, looks, is_forgotten in played:
        processes = {name: processes.get(name) or site.new_process() for name in sorted(living)}
        if forgets and is_forgotten:
            site.redis.flushall()
        for _ in range(beats):
            site.pass_time(BEAT_SECONDS)
            for process in processes.values():
                site.beat(process)
            if looks:
                site.look()
    site.pass_time(BEAT_SECONDS)
    site.beat(site.new_process())


@on_sqlite
def test_each_time_without_marks_is_recorded_once_and_nothing_else_is(redis: Redis, engine: Engine) -> None:
    @given(steps)
    @settings(patient, max_examples=25)
    def hold(played: list[tuple[int, set[int], bool, bool]]) -> None:
        site = Site(redis, engine)
        play(site, played, forgets=False)
        assert site.recorded() == site.gaps()

    hold()


@on_sqlite
def test_a_redis_that_forgets_makes_no_outage_and_hides_none_that_could_cost_something(
    redis: Redis, engine: Engine
) -> None:
    @given(steps)
    @settings(patient, max_examples=25)
    def hold(played: list[tuple[int, set[int], bool, bool]]) -> None:
        site = Site(redis, engine)
        play(site, played, forgets=True)
        recorded, gaps = site.recorded(), site.gaps()
        ends = {ended: began for began, ended in gaps}
        for began, ended in recorded:
            assert ended is not None
            assert 0 <= ends[ended] - began <= DATABASE_BEAT_SECONDS
        long = [ended for began, ended in gaps if ended - began > GAP_SECONDS + DATABASE_BEAT_SECONDS]
        assert set(long) <= {ended for _, ended in recorded}

    hold()


@on_sqlite
@pytest.mark.parametrize("jump", [HOUR, -HOUR])
def test_a_clock_that_is_set_makes_no_outage(redis: Redis, engine: Engine, jump: float) -> None:
    site = Site(redis, engine)
    process = site.new_process()
    for _ in range(3):
        site.beat(process)
        site.pass_time(BEAT_SECONDS)
    site.now += jump
    for _ in range(12):
        site.beat(process)
        site.look()
        site.pass_time(BEAT_SECONDS)
    assert site.recorded() == []
    # And what follows is not hidden by marks of the other time.
    site.pass_time(HOUR)
    site.beat(site.new_process())
    ((began, ended),) = site.recorded()
    assert (began, ended) == (site.marks[-2], site.marks[-1])


@on_sqlite
def test_a_machine_that_was_asleep_was_unreachable(redis: Redis, engine: Engine) -> None:
    site = Site(redis, engine)
    process = site.new_process()
    site.beat(process)
    site.pass_time(HOUR)
    site.look()
    site.beat(process)
    assert site.recorded() == [(START, START + HOUR)]
