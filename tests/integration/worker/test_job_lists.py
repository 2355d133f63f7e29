"""Between the queue and the workers no job is lost, stuck or left in Redis, if any process is killed at any moment.

Two workers and RQ's maintenance work on one queue. Each of their steps may be killed before any of its commands, or be
interrupted there by a whole step of another process. Maintenance is as hasty as it can be: it takes a job that it sees
for the second time for stranded, though the worker that holds it may be alive.
"""

from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from redis import Redis
from redis.client import Pipeline
from rq import SimpleWorker

from sync.events.raw import RawEvent
from sync.queue.connection import QUEUE_NAME, SERIALIZER, open_queue
from sync.queue.counts import Counts
from sync.queue.jobs import enqueue
from sync.queue.waiting import OPT_OUTS_KEY, WAITING_KEY
from sync.worker import job_lists
from sync.worker.fetch import fetch_jobs, raw_events_held
from sync.worker.job_lists import EventQueue, finish, give_back, show_in_hand, take
from tests.support.events_builder import patient

RECEIVED = datetime(2026, 6, 24, 12, 0, tzinfo=UTC)
COMMANDS_MAX = 11  # of a step with two jobs


class Killed(BaseException):
    """The process is gone: nothing in it runs any more."""


class Steps:
    """Counts the commands that go to Redis, and does something before one of them."""

    def __init__(self) -> None:
        self._left: int | None = None
        self._deed: Callable[[], None] = lambda: None

    def before_a_command(self) -> None:
        if self._left == 0:
            self._left = None  # what it does has commands of its own
            self._deed()
        elif self._left is not None:
            self._left -= 1

    @contextmanager
    def doing(self, deed: Callable[[], None], at: int) -> Any:
        self._left, self._deed = at, deed
        try:
            yield
        except Killed:
            pass
        finally:
            self._left = None


class WatchedPipeline(Pipeline):
    """A pipeline of one transaction is one command. Any other may be cut between two of its commands."""

    steps: Steps

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        if self.is_transaction or not self.command_stack:
            self.steps.before_a_command()
            return super().execute(raise_on_error)
        commands, results = self.command_stack, []
        for command in commands:
            self.steps.before_a_command()
            self.command_stack = [command]
            results += super().execute(raise_on_error)
        return results


class WatchedRedis(Redis):
    steps: Steps

    def execute_command(self, *arguments: Any, **options: Any) -> Any:
        self.steps.before_a_command()
        return super().execute_command(*arguments, **options)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        pipeline = WatchedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.steps = self.steps
        pipeline.is_transaction = transaction
        return pipeline


class Machine(RuleBasedStateMachine):
    """What the queue, two workers and maintenance do, in any order and with any interruption."""

    redis: Redis

    def __init__(self) -> None:
        super().__init__()
        self.redis.flushdb()
        self.steps = Steps()
        self.connection = WatchedRedis(connection_pool=self.redis.connection_pool)
        self.connection.steps = self.steps
        self.queue = EventQueue(QUEUE_NAME, connection=self.connection, serializer=SERIALIZER)
        self.maintainer = SimpleWorker([self.queue], connection=self.connection, serializer=SERIALIZER)
        self.in_hand: list[list[str]] = [[], []]
        self.stored: set[bytes] = set()
        self.applied: Counter[bytes] = Counter()

    def step(self, name: str, worker: int) -> None:
        """Do one step of a worker's life, whole."""
        hand = self.in_hand[worker]
        if name == "take" and not hand:
            taken = take(self.queue, 2)
            hand += taken
        elif name == "finish" and hand:
            for _, data in fetch_jobs(hand, self.connection):
                self.applied.update(raw.body for raw in raw_events_held(data))
            done = list(hand)
            hand.clear()
            finish(self.queue, done, worker_key=f"rq:worker:{worker}", counts=Counts())
        elif name == "give back" and hand:
            held = list(hand)
            hand.clear()
            give_back(self.queue, held)
        elif name == "show" and hand:
            show_in_hand(self.queue, hand)
        elif name == "maintain":
            self.maintain()

    def maintain(self) -> None:
        self.queue.intermediate_queue.cleanup(self.maintainer, self.queue)

    @rule(events=st.integers(1, 2), at_front=st.booleans())
    def store(self, events: int, at_front: bool) -> None:
        bodies = [b"%d" % (len(self.stored) + number) for number in range(events)]
        enqueue(
            open_queue(self.redis), [RawEvent(body=body, received_at=RECEIVED) for body in bodies], at_front=at_front
        )
        self.stored.update(bodies)

    steps_of_all = st.tuples(
        st.sampled_from(["take", "take", "finish", "finish", "give back", "show", "maintain"]), st.integers(0, 1)
    )

    @rule(deed=steps_of_all)
    def go_on(self, deed: tuple[str, int]) -> None:
        self.step(*deed)

    @rule(deed=steps_of_all, at=st.integers(0, COMMANDS_MAX))
    def be_killed(self, deed: tuple[str, int], at: int) -> None:
        _, worker = deed

        def kill() -> None:
            raise Killed

        with self.steps.doing(kill, at):
            self.step(*deed)
        self.in_hand[worker].clear()  # another process takes its place

    @rule(deed=steps_of_all, other=steps_of_all, at=st.integers(0, COMMANDS_MAX))
    def be_interrupted(self, deed: tuple[str, int], other: tuple[str, int], at: int) -> None:
        if deed[0] != "maintain" and other[0] != "maintain" and deed[1] == other[1]:
            return  # a worker does one thing at a time
        with self.steps.doing(lambda: self.step(*other), at):
            self.step(*deed)

    def teardown(self) -> None:
        """However it went, workers that live on apply all that was stored, and leave nothing behind."""
        for _ in range(4):
            for worker in (0, 1):
                self.step("finish", worker)
                while True:
                    self.step("take", worker)
                    if not self.in_hand[worker]:
                        break
                    self.step("finish", worker)
            self.maintain()
            if not self.redis.exists(self.queue.key, self.queue.intermediate_queue_key):
                break
        assert set(self.applied) == self.stored
        ours = (b"rq:job:", b"rq:results:", b"rq:queue:")
        left = [key for key in self.redis.scan_iter() if key.startswith(ours) and self.redis.ttl(key) < 0]
        assert left == [], "something stays in Redis for ever"
        assert self.redis.zcard(WAITING_KEY) == self.redis.zcard(OPT_OUTS_KEY) == 0
        assert self.queue.failed_job_registry.count == 0


@pytest.mark.timeout(300)
def test_no_job_is_lost_stuck_or_left_whoever_is_killed_at_whatever_moment(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_lists, "STRANDED_SECONDS", -1)
    machine = type("MachineOnRedis", (Machine,), {"redis": redis})
    run_state_machine_as_test(machine, settings=settings(patient, max_examples=300, stateful_step_count=30))


@pytest.mark.parametrize("name", ["take", "finish", "give back", "show", "maintain"])
def test_a_kill_before_any_command_of_a_step_loses_and_leaves_nothing(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(job_lists, "STRANDED_SECONDS", -1)
    for is_seen, at in product([False, True], range(COMMANDS_MAX + 4)):
        machine = type("MachineOnRedis", (Machine,), {"redis": redis})()
        machine.store(events=2, at_front=True)
        machine.store(events=1, at_front=False)
        machine.step("take" if name != "take" else "show", 0)
        if is_seen:
            machine.maintain()
        machine.be_killed(deed=(name, 0), at=at)
        machine.teardown()
