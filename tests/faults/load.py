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
from typing import NamedTuple

import aiohttp

from tests.deliveries import Delivery
from tests.processes import signature, wait_for

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


class Answer(NamedTuple):
    """`kind` is the status, or the name of the error where there was no answer."""

    begun_at: float
    seconds: float
    kind: str

    @property
    def is_answer(self) -> bool:
        return self.kind.isdecimal()


class Load(threading.Thread):
    """Offers RATE_PER_SECOND deliveries a second, whatever becomes of them, until stopped."""

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
        self.outage_seconds = 0.0
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
        """Nobody can acknowledge anything in this time."""
        begun = time.time()
        yield
        self.outage_seconds += time.time() - begun

    def wait_for(self, acknowledged: int) -> None:
        wait_for(lambda: self._error or self.acknowledged >= acknowledged, seconds=60, what="the first deliveries")

    def finish(self) -> None:
        """Offer nothing more; return once everything offered was acknowledged."""
        self._is_stopping = True
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
        tasks: set[asyncio.Task[None]] = set()
        async with _open_session() as session, asyncio.TaskGroup() as group:
            free = asyncio.Semaphore(CONNECTIONS)
            while not self._is_given_up and not (self._is_stopping and self.acknowledged == self.offered):
                due = 0 if self._is_stopping else int((time.time() - self.began_at) * RATE_PER_SECOND) - self.offered
                for _ in range(due):
                    self.offered += 1
                    task = group.create_task(self._deliver(session, free, next(self.deliveries)))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                await asyncio.sleep(TICK_SECONDS)
            for task in tasks:
                task.cancel()
        self.ended_at = time.time()

    async def _deliver(self, session: aiohttp.ClientSession, free: asyncio.Semaphore, delivery: Delivery) -> None:
        """Deliver until acknowledged."""
        body = delivery.body
        headers = {"X-Zexa-Signature": signature(body)}
        tries = 0
        while True:
            async with free:
                begun_at = time.time()
                sent = self.sent.setdefault(body, Sent(delivery, begun_at))
                kind = await self._try(session, body, headers)
                now = time.time()
            self.answers.append(Answer(begun_at, now - begun_at, kind))
            if kind == "200":
                self.acknowledged += 1
                sent.acknowledged_at = sent.acknowledged_at or now
                return
            self.redelivered += not tries
            await asyncio.sleep(REDELIVERY_SECONDS[min(tries, len(REDELIVERY_SECONDS) - 1)])
            tries += 1

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
