"""The circuit: no request waits for a store that is known to be away, and the store is tried again by itself."""

from receiver.webhook.circuit import PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN, Circuit


class World:
    def __init__(self) -> None:
        self.now = 1000.0
        self.told: list[str | None] = []
        self.circuit = Circuit(self.told.append, clock=lambda: self.now)

    def tries_until_open(self, seconds: float) -> int:
        """How many of a hundred looks in `seconds` are tries, all of which fail."""
        tries = 0
        for _ in range(100):
            self.now += seconds / 100
            if not self.circuit.is_open:
                tries += 1
                self.circuit.failed("ConnectionError")
        return tries


def test_it_is_closed_at_first_and_stays_so_while_all_is_well() -> None:
    world = World()
    for _ in range(3):
        assert not world.circuit.is_open
        world.circuit.succeeded()
    assert world.told == []


def test_a_failure_opens_it_for_a_pause() -> None:
    world = World()
    world.circuit.failed("ConnectionError")
    assert world.circuit.is_open
    world.now += PAUSE_SECONDS_MIN * 0.99
    assert world.circuit.is_open
    world.now += PAUSE_SECONDS_MIN * 0.02
    assert not world.circuit.is_open


def test_after_the_pause_one_tries_and_the_others_do_not_wait_for_it() -> None:
    world = World()
    world.circuit.failed("ConnectionError")
    world.now += PAUSE_SECONDS_MIN
    assert [world.circuit.is_open for _ in range(3)] == [False, True, True]


def test_a_try_that_nobody_tells_of_is_made_again() -> None:
    world = World()
    world.circuit.failed("ConnectionError")
    world.now += PAUSE_SECONDS_MIN
    assert not world.circuit.is_open
    world.now += PAUSE_SECONDS_MIN
    assert not world.circuit.is_open


def test_the_pauses_grow_to_a_bound() -> None:
    world = World()
    world.circuit.failed("ConnectionError")
    world.tries_until_open(60)
    assert world.tries_until_open(100 * PAUSE_SECONDS_MAX) == 100
    assert world.tries_until_open(10 * PAUSE_SECONDS_MAX) in (9, 10)


def test_a_success_closes_it_and_the_next_pause_is_short_again() -> None:
    world = World()
    for _ in range(5):
        world.circuit.failed("ConnectionError")
    world.circuit.succeeded()
    assert not world.circuit.is_open
    world.circuit.failed("TimeoutError")
    world.now += PAUSE_SECONDS_MIN
    assert not world.circuit.is_open


def test_each_change_is_told_once() -> None:
    world = World()
    for _ in range(3):
        world.circuit.failed("ConnectionError")
    for _ in range(3):
        world.circuit.succeeded()
    world.circuit.failed("TimeoutError")
    assert world.told == ["ConnectionError", None, "TimeoutError"]


def test_it_tells_for_how_long_the_store_has_been_away() -> None:
    world = World()
    assert world.circuit.away_seconds == 0
    world.circuit.failed("ConnectionError")
    world.now += 50
    world.circuit.failed("ConnectionError")
    world.now += 50
    assert world.circuit.away_seconds == 100
    world.circuit.succeeded()
    assert world.circuit.away_seconds == 0
