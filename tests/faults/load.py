"""Plays the provider under pressure: a steady stream of signed deliveries, each sent again until acknowledged.

Runs in a thread of its own while a test hurts the servers. It keeps how every delivery was answered.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, islice
from typing import NamedTuple

import aiohttp

from tests.support.deliveries import Delivery
from tests.support.processes import signature, wait_for

RATE_PER_SECOND = 600
CONNECTIONS = 200
ANSWER_SECONDS = 10  # as the provider; it redelivers after 1, 5 and 30 minutes
REDELIVERY_SECONDS = (3.0, 5.0)  # then every 5 s
DRAIN_SECONDS = 90
TICK_SECONDS = 0.05


@dataclass(slots=True)
class Sent:
    """One event, with all its copies: when it was first tried, and when first acknowledged."""

    delivery: Delivery
    first_tried_at: float
    acknowledged_at: float = 0.0


class Due(NamedTuple):
    """A delivery after so many `refusals`; `number` orders what is due at one moment."""

    due_at: float
    number: int
    delivery: Delivery
    refusals: int


class Answer(NamedTuple):
    """`kind` is the status, or the name of the error if there was no answer."""

    begun_at: float
    seconds: float
    kind: str

    @property
    def is_answer(self) -> bool:
        return self.kind.isdecimal()


class Load(threading.Thread):
    """Offers RATE_PER_SECOND deliveries a second, independent of the answers, until stopped.

    It offers fewer only while all CONNECTIONS are taken. `stall_seconds_max` is the longest time for which this thread
    itself did not get the processor when it was to go on. Other threads may have been as late.
    """

    def __init__(self, port: int, deliveries: Iterator[Delivery]) -> None:
        super().__init__(name="load")
        self.url = f"http://127.0.0.1:{port}/webhooks/zexa"
        self.deliveries = deliveries
        self.sent: dict[bytes, Sent] = {}
        self.answers: list[Answer] = []
        self.offered = 0
        self.acknowledged = 0
        self.redelivered = 0  # not acknowledged when they were first tried
        self.began_at = self.ended_at = 0.0
        self.outage_seconds = self.stall_seconds_max = 0.0
        self._refused: list[Due] = []
        self._numbers = count()
        self._is_stopping = self._is_given_up = False
        self._error: BaseException | None = None

    @property
    def per_second(self) -> float:
        """What was acknowledged in a second of the time in which there was somebody to do so."""
        return self.acknowledged / (self.ended_at - self.began_at - self.outage_seconds)

    @property
    def seconds_max(self) -> float:
        return max(answer.seconds for answer in self.answers if answer.is_answer)

    @property
    def kinds(self) -> Counter[str]:
        return Counter(answer.kind for answer in self.answers)

    def between(self, begin: float, end: float) -> list[Answer]:
        """Return the answers to what was sent in this time."""
        return [answer for answer in self.answers if begin <= answer.begun_at <= end]

    @contextmanager
    def outage(self) -> Iterator[None]:
        """No process can acknowledge anything in this time."""
        begun = time.time()
        yield
        self.outage_seconds += time.time() - begun

    def wait_for(self, acknowledged: int) -> None:
        wait_for(lambda: self._error or self.acknowledged >= acknowledged, seconds=120, what="the first deliveries")

    def finish(self) -> None:
        """Offer nothing more; return once everything offered was acknowledged."""
        self._is_stopping = True
        acknowledged = -1
        while self.is_alive() and acknowledged < self.acknowledged:  # for as long as it goes on, however slowly
            acknowledged = self.acknowledged
            self.join(DRAIN_SECONDS)
        is_drained = not self.is_alive()
        self.give_up()
        assert is_drained, f"{self.offered - self.acknowledged} deliveries were never acknowledged: {self.kinds}"

    def give_up(self) -> None:
        self._is_stopping = self._is_given_up = True
        self.join()
        if self._error:
            raise self._error

    def run(self) -> None:
        try:
            asyncio.run(self._deliver_all())
        except BaseException as error:
            self._error = error

    async def _deliver_all(self) -> None:
        self.began_at = time.time()
        trying: set[asyncio.Task[None]] = set()
        async with _open_session() as session, asyncio.TaskGroup() as group:
            while not self._is_given_up and not (self._is_stopping and self.acknowledged == self.offered):
                # What finds no connection is not begun: a slow machine gets less, not ever more at once.
                for delivery, refusals in self._due(room=CONNECTIONS - len(trying)):
                    task = group.create_task(self._deliver(session, delivery, refusals))
                    trying.add(task)
                    task.add_done_callback(trying.discard)
                woken_at = time.monotonic() + TICK_SECONDS
                await asyncio.sleep(TICK_SECONDS)
                self.stall_seconds_max = max(self.stall_seconds_max, time.monotonic() - woken_at)
            for task in trying:
                task.cancel()
        self.ended_at = time.time()

    def _due(self, *, room: int) -> list[tuple[Delivery, int]]:
        """Return what to deliver now, at most `room` deliveries, and how often each was refused: such come first."""
        now = time.time()
        due: list[tuple[Delivery, int]] = []
        while self._refused and self._refused[0].due_at <= now and len(due) < room:
            again = heappop(self._refused)
            due.append((again.delivery, again.refusals))
        if not self._is_stopping:
            behind = int((now - self.began_at) * RATE_PER_SECOND) - self.offered
            fresh = list(islice(self.deliveries, max(0, min(behind, room - len(due)))))
            self.offered += len(fresh)
            due += [(delivery, 0) for delivery in fresh]
        return due

    async def _deliver(self, session: aiohttp.ClientSession, delivery: Delivery, refusals: int) -> None:
        """Deliver once; what is not acknowledged will be due again."""
        body = delivery.body
        begun_at = time.time()
        sent = self.sent.setdefault(body, Sent(delivery, begun_at))
        kind = await self._try(session, body, {"X-Zexa-Signature": signature(body)})
        now = time.time()
        self.answers.append(Answer(begun_at, now - begun_at, kind))
        if kind == "200":
            self.acknowledged += 1
            sent.acknowledged_at = sent.acknowledged_at or now
            return
        self.redelivered += not refusals
        pause = REDELIVERY_SECONDS[min(refusals, len(REDELIVERY_SECONDS) - 1)]
        heappush(self._refused, Due(now + pause, next(self._numbers), delivery, refusals + 1))

    async def _try(self, session: aiohttp.ClientSession, body: bytes, headers: dict[str, str]) -> str:
        try:
            async with session.post(self.url, data=body, headers=headers) as response:
                await response.read()
                return str(response.status)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is one
            return type(error).__name__


def _open_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS),
        timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS, ceil_threshold=ANSWER_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
