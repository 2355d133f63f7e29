"""Looks that questions share: everyone is answered by one that began after they asked."""

from collections.abc import Callable

import gevent
import pytest
from gevent.event import Event

from receiver.shared_looks import PERSONS_MAX, SharedLooks


class Store:
    """Answers a look with what was wanted of it, once it is let."""

    def __init__(self) -> None:
        self.looks: list[frozenset[str]] = []
        self.is_open = Event()

    def look(self, wanted: set[str]) -> frozenset[str]:
        self.looks.append(frozenset(wanted))
        self.is_open.wait(5)
        return frozenset(wanted)


def at_once() -> float:
    return 0.0


@pytest.fixture
def store() -> Store:
    return Store()


def ask(looks: SharedLooks[frozenset[str]], *questions: str) -> list[gevent.Greenlet]:
    asking = [gevent.spawn(looks.look, {wanted}) for wanted in questions]
    gevent.sleep(0.001)
    return asking


def test_who_comes_alone_is_looked_for_at_once(store: Store) -> None:
    store.is_open.set()
    looks = SharedLooks(store.look, at_once=1, wait_seconds=at_once)
    assert [looks.look({name}) for name in "ab"] == [{"a"}, {"b"}]
    assert store.looks == [{"a"}, {"b"}]


def test_who_comes_while_a_look_is_on_its_way_waits_for_the_next_together(store: Store) -> None:
    looks = SharedLooks(store.look, at_once=1, wait_seconds=at_once)
    asking = ask(looks, "a")
    asking += ask(looks, "b", "c")
    assert store.looks == [{"a"}]  # never by one that began before they asked
    store.is_open.set()
    gevent.joinall(asking, timeout=5, raise_error=True)
    assert store.looks == [{"a"}, {"b", "c"}]
    assert [one.value for one in asking] == [{"a"}, {"b", "c"}, {"b", "c"}]


def test_who_comes_while_another_waits_for_company_joins_it(store: Store) -> None:
    store.is_open.set()
    looks = SharedLooks(store.look, at_once=1, wait_seconds=lambda: 0.02)
    asking = ask(looks, "a")
    asking += ask(looks, "b")
    assert store.looks == []
    gevent.joinall(asking, timeout=5, raise_error=True)
    assert store.looks == [{"a", "b"}]
    assert [one.value for one in asking] == [{"a", "b"}] * 2


def test_a_look_grows_no_longer_than_its_bound(store: Store) -> None:
    looks = SharedLooks(store.look, at_once=1, wait_seconds=at_once)
    asking = ask(looks, "a", "b")
    many = {str(number) for number in range(PERSONS_MAX)}
    asking.append(gevent.spawn(looks.look, many))
    store.is_open.set()
    gevent.joinall(asking, timeout=5, raise_error=True)
    assert store.looks == [{"a"}, {"b"}, many]


@pytest.mark.parametrize("kind", [RuntimeError, BaseException])
def test_whatever_ends_a_look_everyone_is_told_and_the_next_begins(kind: type[BaseException]) -> None:
    is_open = Event()

    def look(wanted: set[str]) -> set[str]:
        is_open.wait(5)
        if "bad" in wanted:
            raise kind
        return wanted

    looks: SharedLooks[set[str]] = SharedLooks(look, at_once=1, wait_seconds=at_once)
    told: list[object] = []

    def asker(name: str) -> Callable[[], None]:
        def run() -> None:
            try:
                told.append(looks.look({name}))
            except kind:
                told.append(kind)

        return run

    asking = []
    for name in ("good", "bad", "also"):
        asking.append(gevent.spawn(asker(name)))
        gevent.sleep(0.001)
    is_open.set()
    gevent.joinall(asking, timeout=5, raise_error=True)
    assert told == [{"good"}, kind, kind]
    assert looks.look({"next"}) == {"next"}
