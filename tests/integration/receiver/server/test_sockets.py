"""A thread that waits for a PostgreSQL which does not answer is freed, and its pool is as good as new."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError

from models.database import open_database
from receiver.readiness import READY_SECONDS, Readiness
from receiver.server.sockets import OpenSockets
from receiver.webhook.inbox import INBOX_SECONDS, InboxUnavailable, InboxWriter
from sync.devtools.dev.embedded import RedisServer
from sync.queue.connection import connect
from sync.settings.environment import RedisSettings
from tests.support.intakes import driven_intake
from tests.support.processes import wait_for

on_postgres = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@on_postgres
def test_who_waits_is_told_that_the_connection_is_lost_and_the_next_one_is_served(database_url: URL) -> None:
    engine = open_database(database_url, pool_size=1)
    sockets = OpenSockets(engine)

    def wait() -> None:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_sleep(60)"))

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(wait)
        wait_for(lambda: engine.pool.checkedout() == 1, seconds=10, what="the statement being under way")
        time.sleep(0.2)
        begun = time.monotonic()
        sockets.shut()
        with pytest.raises(DBAPIError):
            waiting.result(10)
        assert time.monotonic() - begun < 10
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1
    engine.dispose()
    assert sockets.open_copies == {}


def silent_server() -> tuple[socket.socket, URL]:
    """A server that takes connections and never says anything."""
    server = socket.create_server(("127.0.0.1", 0))
    url = URL.create("postgresql+psycopg", "nobody", host="127.0.0.1", port=server.getsockname()[1], database="none")
    return server, url


def test_a_database_that_says_nothing_keeps_no_delivery_from_redis_and_is_told_of_in_time(
    redis_server: RedisServer,
) -> None:
    server, url = silent_server()
    with closing(server):
        inbox = InboxWriter(url)
        with driven_intake("redis://127.0.0.1:1/0", inbox) as away:
            begun = time.monotonic()
            errors = away.store_all([b"1", b'{"event": "message.optout"}'])
            assert all(errors)
            assert time.monotonic() - begun < INBOX_SECONDS + 2
            with driven_intake(redis_server.url, inbox) as intake:
                begun = time.monotonic()
                intake.store(b"2")
                assert time.monotonic() - begun < 1
        inbox.close()


def test_an_inbox_whose_every_thread_waits_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio
    from datetime import timedelta

    monkeypatch.setattr("receiver.webhook.inbox.INBOX_SECONDS", 0.1)
    server, url = silent_server()
    with closing(server):
        inbox = InboxWriter(url)

        async def put() -> str:
            try:
                await inbox.put([], due_after=timedelta(0), may_opt_out=False)
            except InboxUnavailable as error:
                return str(error)
            return "stored"

        async def put_many() -> list[str]:
            return await asyncio.gather(*(put() for _ in range(6)))

        outcomes = asyncio.run(put_many())
        # Two wait for the server, and two for one of the pool's connections, which may give up first.
        assert set(outcomes[:4]) <= {"Timeout", "TimeoutError"}
        assert outcomes[4:] == ["ThreadsBusy"] * 2
        inbox.close()


def test_readiness_tells_of_a_database_that_says_nothing_in_time(redis_server: RedisServer) -> None:
    server, url = silent_server()
    with closing(server):
        redis = connect(RedisSettings(url=redis_server.url, verify_tls=True), connections=1, seconds=0.5)
        readiness = Readiness(redis, url)
        for _ in range(2):
            begun = time.monotonic()
            assert readiness.look() == {"redis": True, "database": False, "schema": False}
            assert time.monotonic() - begun < READY_SECONDS + 2
        readiness.close()
        redis.connection_pool.disconnect()
