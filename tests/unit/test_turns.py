"""Turns that deliveries come before."""

import socket
from collections.abc import Iterator
from itertools import count
from time import perf_counter

import gevent
import pytest
from gevent.socket import wait_read

from receiver.turns import ITEMS_PER_LOOK, PATIENCE_SECONDS, TURN_SECONDS, give_way, in_turns


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


def test_who_is_told_to_stop_while_waiting_leaves_the_turn_to_others() -> None:
    stopped = gevent.spawn(give_way)
    gevent.spawn(stopped.kill)
    gevent.sleep(0.01)
    gevent.spawn(give_way).get(timeout=5)


def test_long_work_gives_way_and_yields_all_in_order() -> None:
    others = count()
    seen = []

    def other() -> None:
        while True:
            next(others)
            gevent.sleep(0.000001)

    running = gevent.spawn(other)
    for item in in_turns(range(5 * ITEMS_PER_LOOK)):
        seen.append(item)
        spin(2 * TURN_SECONDS / ITEMS_PER_LOOK)
    running.kill()
    assert seen == list(range(5 * ITEMS_PER_LOOK))
    assert next(others) >= 4


def test_short_work_gives_way_to_nobody() -> None:
    others = count()
    running = gevent.spawn(lambda: next(others))
    assert list(in_turns("abc")) == ["a", "b", "c"]
    assert next(others) == 0
    running.kill()
