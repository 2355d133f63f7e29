"""Two workers meet on the same rows, or a worker and a person: at every step of the first one's transaction,
the rows are the rows that one worker makes.

The meeting is arranged, not hoped for. Before each statement in turn, the first worker is held until the second worker
waits for it or is through; on SQLite, where nobody else writes from BEGIN to commit, not before each.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from sync.events.raw import RawEvent
from tests.integration.store.test_oracle import Step, take
from tests.support.events_builder import ANA, AO, RUI, body, clear, minute, raw, without_random_ids
from tests.support.oracle import Added, Removed
from tests.support.processes import wait_for

MEETING_SECONDS = 15
BEGIN, COMMIT = "BEGIN IMMEDIATE", "COMMIT"


def of_message(status: str, at: int, **data: Any) -> RawEvent:
    return raw(body(f"message.{status}", minute(at), **({"message_id": "msg_1"} | data)))


def of_campaign(status: str, at: int) -> RawEvent:
    return raw(body(f"campaign.{status}", minute(at), campaign_id="cmp_1", name=status))


def stop(message_id: str, at: int) -> RawEvent:
    return of_message("optout", at, message_id=message_id, channel="sms", to=ANA)


DELIVERED = of_message("delivered", 3, channel="sms", to=ANA)
STOP = of_message("optout", 2)
FAILURES = [of_message("failed", at, error=f"at {at}") for at in range(3)]
REMOVED = Removed(address=ANA, at=minute(180))  # after all of these were received
ADDED = Added(channel="sms", address=ANA, at=minute(190))

# What is in the tables already, what the first worker applies, and what the second. A person may be either of them.
MEETINGS: dict[str, tuple[list[RawEvent], Step, Step]] = {
    "a new message and its STOP": ([], [DELIVERED], [STOP]),
    "the STOP of a new message and the message": ([], [STOP], [DELIVERED]),
    "a known message and its STOP": ([FAILURES[0]], [DELIVERED], [STOP]),
    "the STOP of a known message and its address": ([FAILURES[0]], [STOP], [DELIVERED]),
    "two statuses of a known message": ([STOP], [DELIVERED], [of_message("undeliverable", 1)]),
    "two statuses of a known message, the other way": ([STOP], [of_message("undeliverable", 1)], [DELIVERED]),
    "the same event twice": ([], [DELIVERED], [DELIVERED]),
    "the same event twice, received apart": ([], [DELIVERED], [raw(DELIVERED.body, minute(1))]),
    "two new bodies of one key": ([], [FAILURES[2]], [FAILURES[1]]),
    "two new bodies of one key, the other way": ([], [FAILURES[1]], [FAILURES[2]]),
    "two bodies in place of a third": ([FAILURES[0]], [FAILURES[2]], [FAILURES[1]]),
    "two bodies in place of a third, the other way": ([FAILURES[0]], [FAILURES[1]], [FAILURES[2]]),
    "two copies of a known body, received earlier": (
        [FAILURES[0]],
        [raw(FAILURES[0].body, minute(7))],
        [raw(FAILURES[0].body, minute(5))],
    ),
    "a copy of a body, received earlier, and a greater body": (
        [FAILURES[0]],
        [raw(FAILURES[0].body, minute(7))],
        [FAILURES[1]],
    ),
    "a greater body and an earlier copy of one that does not hold": (
        [FAILURES[0], FAILURES[1]],
        [FAILURES[2]],
        [raw(FAILURES[0].body, minute(7))],
    ),
    "a nameless STOP and a second body that tells the address": (
        [FAILURES[0]],
        [STOP],
        [of_message("failed", 1, to=ANA)],
    ),
    "two bodies of one STOP, each with an address": (
        [],
        [of_message("optout", 1, to=ANA)],
        [of_message("optout", 2, to=RUI)],
    ),
    "a STOP and a body that names another address": (
        [FAILURES[0]],
        [of_message("optout", 1, to=ANA)],
        [of_message("delivered", 2, to=RUI)],
    ),
    "a body that names another address and a STOP": (
        [FAILURES[0]],
        [of_message("delivered", 2, to=RUI)],
        [of_message("optout", 1, to=ANA)],
    ),
    "a STOP and a copy of it, received earlier": (
        [],
        [stop("msg_1", 1)],
        [raw(stop("msg_1", 1).body, minute(60))],
    ),
    "a STOP and who ends it": ([], [stop("msg_1", 1)], REMOVED),
    "who ends a STOP and the STOP": ([], REMOVED, [stop("msg_1", 1)]),
    "a second STOP and who ends both": ([stop("msg_1", 1)], [stop("msg_2", 2)], REMOVED),
    "who ends both and a second STOP": ([stop("msg_1", 1)], REMOVED, [stop("msg_2", 2)]),
    "who ends an opt-out and who states it anew": ([stop("msg_1", 1)], REMOVED, ADDED),
    "a STOP and who states the same": ([], [stop("msg_1", 1)], ADDED),
    "two opt-outs of one address": ([], [stop("msg_1", 2)], [stop("msg_2", 1)]),
    "two later opt-outs of one address": ([stop("msg_0", 0)], [stop("msg_1", 1)], [stop("msg_2", 2)]),
    "two events of a new campaign": ([], [of_campaign("completed", 2)], [of_campaign("sent", 1)]),
    "two events of a campaign and its second body": (
        [of_campaign("sent", 1)],
        [of_campaign("completed", 2)],
        [of_campaign("sent", 3)],
    ),
    "two dead letters": ([], [raw(b"{", minute(2))], [raw(b"{", minute(1))]),
    "rows in opposite order": (
        [],
        [stop("msg_1", 1), of_message("failed", 1, message_id="msg_2")],
        [of_message("failed", 1, message_id="msg_2"), stop("msg_1", 1)],
    ),
}


@pytest.mark.parametrize("meeting", MEETINGS)
def test_two_workers_who_meet_leave_what_one_would(
    engine: Engine, second_engine: Engine, observer: Engine, meeting: str
) -> None:
    before, first, second = MEETINGS[meeting]
    give(engine, before)
    with noted(engine) as steps:
        give(engine, first)
    give(engine, second)
    at_once = without_random_ids(engine)
    assert len(steps) >= 3
    for step in range(len(steps)) if engine.dialect.name == "postgresql" else few_of(steps):
        clear(engine)
        give(engine, before)
        other = Worker(second_engine, observer, second)
        with held(engine, step, other):
            give(engine, first)
        other.join()
        assert without_random_ids(engine) == at_once, f"the first worker was held before {steps[step]}"


def few_of(steps: list[str]) -> list[int]:
    """On SQLite nobody else writes from BEGIN to commit: the places around both, and a fourth of the others.

    So a transaction that is cut in two is seen, and one that does not begin as a writer.
    """
    ends = [place for place, step in enumerate(steps) if step in (BEGIN, COMMIT)]
    around = {place + further for place in ends for further in (0, 1)} | set(range(2, len(steps), 4))
    return sorted(around & set(range(len(steps))))


def give(engine: Engine, step: Step) -> None:
    if step:
        take(engine, [step], AO)


@contextmanager
def noted(engine: Engine) -> Iterator[list[str]]:
    """Yield the statements and commits of `engine` within the block."""
    steps: list[str] = []

    def note_statement(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        steps.append(statement)

    def note_commit(_connection: Any) -> None:
        steps.append(COMMIT)

    listeners = {"before_cursor_execute": note_statement, "commit": note_commit}
    for name, note in listeners.items():
        event.listen(engine, name, note)
    yield steps
    for name, note in listeners.items():
        event.remove(engine, name, note)


@contextmanager
def held(engine: Engine, step: int, other: "Worker") -> Iterator[None]:
    """Within the block, let `other` start before the `step`th statement or commit of `engine`, which then waits."""
    steps, is_held = count(), threading.Event()

    def hold(*_: Any) -> None:
        if next(steps) == step:
            is_held.set()
            other.thread.start()
            wait_for(other.has_come_as_far_as_it_can, seconds=MEETING_SECONDS, what="the second worker")

    for name in ("before_cursor_execute", "commit"):
        event.listen(engine, name, hold)
    try:
        yield
    finally:
        for name in ("before_cursor_execute", "commit"):
            event.remove(engine, name, hold)
    assert is_held.is_set()


class Worker:
    """Takes a step in a thread, and can say whether it waits for somebody else's transaction."""

    def __init__(self, engine: Engine, observer: Engine, step: Step) -> None:
        self.engine = engine
        self.observer = observer
        self.errors: list[BaseException] = []
        self.has_begun = threading.Event()
        self.thread = threading.Thread(target=self._work, args=(step,))
        event.listen(engine, "before_cursor_execute", self._note_begin)

    def _note_begin(self, *_: Any) -> None:
        self.has_begun.set()

    def _work(self, step: Step) -> None:
        try:
            give(self.engine, step)
        except BaseException as error:
            self.errors.append(error)

    def has_come_as_far_as_it_can(self) -> bool:
        """It waits for somebody else's transaction, or is through."""
        return not self.thread.is_alive() or self._is_waiting()

    def _is_waiting(self) -> bool:
        if self.engine.dialect.name == "sqlite":
            return self.has_begun.is_set()  # there is one writer at a time, so its first statement waits
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        with self.observer.connect() as connection:
            return bool(connection.execute(text(waiting)).scalar())

    def join(self) -> None:
        self.thread.join(MEETING_SECONDS)
        event.remove(self.engine, "before_cursor_execute", self._note_begin)
        assert not self.thread.is_alive()
        if self.errors:
            raise self.errors[0]
