"""What somebody asks for in the console is done by the Procfile's workers, though one is killed in the middle."""

import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine, text

from sync.devtools.dev.embedded import RedisServer
from sync.tasks.take import DEAD_AFTER
from sync.users.accounts import Role
from tests.acceptance.test_console_http import Client
from tests.integration.dead_letters.letters import digest, keep, letters
from tests.integration.tasks.working import age, task
from tests.support.consoles import KEY, add_person, link_of
from tests.support.events_builder import ANA, TEN, body
from tests.support.processes import platform, wait_for

GOOD, DEAD, PAGE = 90, 30, 50
WAITS = text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_replay_whose_worker_is_killed_in_the_middle_is_finished_by_another_and_counted_once(
    tmp_path: Path, migrated_url: URL, engine: Engine, redis_server: RedisServer
) -> None:
    good = [body("message.delivered", TEN, message_id=f"msg_{n}", to=ANA, channel="sms") for n in range(GOOD)]
    bodies = [*good, *(b"{%d" % number for number in range(DEAD))]
    for content in bodies:
        keep(engine, content)
    of_page_two = sorted(map(digest, bodies))[PAGE + 20]
    add_person(engine, "Maria", Role.OPERATOR)
    link = f"/console{link_of(engine, 'Maria')}"
    with platform(
        tmp_path / "logs", migrated_url, redis_server.url, forks=True, ZEXA_CONSOLE_KEY=KEY.decode()
    ) as running:
        running.start_web()
        client = Client(running)
        client.get(link)
        assert client.post(link)[0] == 303
        question = client.get("/console/dead-letters/replay")[2].decode()
        assert f"{GOOD + DEAD} dead letters" in question
        until = question.partition('name="until" value="')[2].partition('"')[0]
        status, headers, _ = client.post("/console/dead-letters/replay", until=until)
        assert status == 303
        page, asked = headers["Location"], headers["Location"].partition("id=")[2]

        with engine.connect() as connection:
            connection.execute(text("SELECT * FROM dead_letters WHERE digest = :of FOR UPDATE"), {"of": of_page_two})
            worker = running.start_worker()
            wait_for(lambda: task(engine, asked).steps_done == PAGE, seconds=30, what="the first page")
            wait_for(lambda: _count_waiting(engine), seconds=30, what="the worker to wait within the second")
            assert f"{PAGE} of {GOOD + DEAD}" in client.get(page)[2].decode()
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            connection.rollback()
        age(engine, asked, seen_at=datetime.now(UTC) - DEAD_AFTER)
        running.start_worker()
        wait_for(lambda: task(engine, asked).is_over, seconds=30, what="the other worker to finish")
        assert f"Done: {GOOD} applied, {DEAD} still dead" in _sorted(client.get(page)[2].decode())
        running.stop_all()
        log = running.logs()

    done = task(engine, asked)
    assert {name: count for name, count in done.outcome.items() if count} == {"applied": GOOD, "still_dead": DEAD}
    assert (done.steps_done, done.deaths) == (GOOD + DEAD, 1)
    assert {letter["attempts"] for letter in letters(engine).values() if not letter["resolved_at"]} == {2}
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM events")).scalar() == GOOD
        assert connection.execute(text("SELECT sum(delivered) FROM rollup_daily_now")).scalar() == GOOD
    assert "Maria" not in log


def _count_waiting(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(WAITS).scalar_one())


def _sorted(page: str) -> str:
    """The page with the counts of its heading in order: which comes first depends on digests."""
    before, heading, after = page.partition("Done: ")
    counts, end, remainder = after.partition("<")
    return (
        before
        + heading
        + ", ".join(sorted(counts.split(", "), key=lambda text: text.split(" ", 1)[1]))
        + end
        + remainder
    )
