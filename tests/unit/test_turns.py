"""Turns that deliveries come before."""

import socket
from collections.abc import Iterator
from time import perf_counter

import gevent
import pytest
from gevent.socket import wait_read

from receiver.turns import PATIENCE_SECONDS, TURN_SECONDS, give_way, in_turns


def spin(seconds: float) -> None:
    until = perf_counter() + seconds
    while perf_counter() < until:
        pass


@pytest.fixture
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


def test_what_has_come_in_is_done_before_the_next_turn(connection: tuple[socket.socket, socket.socket]) -> None:
    there, here = connection
    done: list[str] = []

    def delivery() -> None:
        wait_read(here.fileno())
        done.append("read")
        gevent.sleep(0)  # as a request goes on in steps
        done.append("stored")

    def lookup() -> None:
        there.send(b"x")
        give_way()
        done.append("looked up")

    gevent.joinall([gevent.spawn(delivery), gevent.spawn(lookup)], timeout=5, raise_error=True)
    assert done == ["read", "stored", "looked up"]


def test_of_several_who_wait_only_one_begins_before_connections_are_looked_at_again(
    connection: tuple[socket.socket, socket.socket],
) -> None:
    there, here = connection
    done: list[str] = []

    def delivery() -> None:
        wait_read(here.fileno())
        done.append("delivery")

    def lookup(name: str) -> None:
        give_way()
        done.append(name)
        if name == "first":
            there.send(b"x")  # arrives during its turn

    waiting = [gevent.spawn(delivery), gevent.spawn(lookup, "first"), gevent.spawn(lookup, "second")]
    gevent.joinall(waiting, timeout=5, raise_error=True)
    assert done == ["first", "delivery", "second"]


def test_where_deliveries_never_end_there_is_a_turn_all_the_same() -> None:
    def busy() -> None:
        while True:
            spin(PATIENCE_SECONDS / 10)
            gevent.sleep(0.000001)

    running = [gevent.spawn(busy) for _ in range(3)]
    begun = perf_counter()
    asking = [gevent.spawn(give_way) for _ in range(20)]
    gevent.joinall(asking, timeout=5, raise_error=True)
    gevent.killall(running)
    assert all(one.successful() for one in asking)
    assert perf_counter() - begun < 100 * PATIENCE_SECONDS


@pytest.mark.parametrize("stopped", [0, 1])
def test_who_is_told_to_stop_while_waiting_leaves_the_turn_to_others(stopped: int) -> None:
    asking = [gevent.spawn(give_way) for _ in range(3)]
    gevent.sleep(0)  # now the first waits for a quiet moment, and the others for the first
    asking[stopped].kill(block=False)
    gevent.joinall(asking, timeout=5)
    assert all(one.successful() for one in asking)
    gevent.spawn(give_way).get(timeout=5)


def test_who_works_long_lets_others_have_their_turns_meanwhile() -> None:
    ended: list[str] = []

    def long_work() -> None:
        for _ in in_turns(range(100)):
            spin(2 * TURN_SECONDS)
        ended.append("long")

    def short_work(name: str) -> None:
        give_way()
        ended.append(name)

    working = [gevent.spawn(long_work), *(gevent.spawn(short_work, name) for name in "ab")]
    gevent.joinall(working, timeout=5, raise_error=True)
    assert ended == ["a", "b", "long"]


@pytest.fixture
def given_way(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that `in_turns` gave way."""
    given: list[int] = []
    monkeypatch.setattr("receiver.turns.give_way", lambda: given.append(1))
    return given


def test_long_work_gives_way_after_each_turn_and_yields_all_in_order(given_way: list[int]) -> None:
    seen = []
    for item in in_turns(range(5)):
        seen.append((item, len(given_way)))
        spin(2 * TURN_SECONDS)
    assert seen == [(number, number) for number in range(5)]


def test_short_work_gives_way_to_nobody(given_way: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("receiver.turns.TURN_SECONDS", 60)
    assert list(in_turns(range(1000))) == list(range(1000))
    assert given_way == []
