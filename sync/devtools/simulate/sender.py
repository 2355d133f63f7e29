"""Delivers bodies over HTTP as the provider does: signed, 10 s for an answer, three retries, then lost for good.

It never looks into a body, never follows a redirect and never learns from an answer but its status.
"""

import asyncio
import hmac
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

import aiohttp
from yarl import URL

from sync.devtools.simulate.counts import SendCounts

ANSWER_SECONDS = 10
# "3 retries, about 1, 5 and 30 minutes after" says the provider's page on webhooks.
RETRY_SECONDS = (60.0, 300.0, 1800.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where deliveries go, and how fast. `rate_per_second` 0 means as fast as they are answered."""

    url: URL
    secret: bytes = field(repr=False)
    concurrency: int = 16
    rate_per_second: float = 0.0
    timeout_seconds: float = ANSWER_SECONDS
    retry_seconds: tuple[float, ...] = RETRY_SECONDS
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)  # beside the provider's own


class _Parcel(NamedTuple):
    """A body and when it is due; of two due at one moment the one with the lower `number` comes first."""

    due: float
    number: int
    failures: int
    body: bytes


class Sender:
    """Sends one stream of bodies. `counts` is right at every moment, also after an interruption.

    A delivery leaves when it is due and one of the `concurrency` connections is free. With a rate, the time when
    it is due does not depend on the answers: a slow server makes deliveries late, which `counts` shows. A delivery
    that waits for a retry holds no connection, only its place in memory.
    """

    def __init__(self, plan: Plan, bodies: Iterator[bytes], counts: SendCounts) -> None:
        self._plan = plan
        self._bodies = bodies
        self._counts = counts
        self._started = 0.0
        self._waiting: list[_Parcel] = []
        self._numbers = count()
        self._in_flight = 0
        self._changed = asyncio.Event()

    async def send(self) -> None:
        """Return once every body was accepted or given up. Call once."""
        # Making the first one may take a while, and happens before the clock starts.
        first = next(self._bodies, None)
        self._started = self._now()
        if first is not None:
            self._wait(first, due=self._started)
        async with _open_session(self._plan) as session, asyncio.TaskGroup() as attempts:
            while parcel := await self._next_due():
                self._depart(parcel)
                attempts.create_task(self._attempt(session, parcel))

    async def _next_due(self) -> _Parcel | None:
        """Return the next parcel once it is due and a connection is free; None when nothing is left."""
        while self._waiting or self._in_flight:
            seconds = None
            if self._waiting and self._in_flight < self._plan.concurrency:
                seconds = self._waiting[0].due - self._now()
                if seconds <= 0:
                    return heappop(self._waiting)
            self._changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait()
        return None

    def _depart(self, parcel: _Parcel) -> None:
        self._in_flight += 1
        self._counts.deliveries += 1
        if parcel.failures:
            self._counts.waiting -= 1
            return
        now = self._now()
        self._counts.begun += 1
        self._counts.begun_seconds = now - self._started
        rate = self._plan.rate_per_second
        if rate:
            self._counts.late_seconds_max = max(self._counts.late_seconds_max, now - parcel.due)
        if (body := next(self._bodies, None)) is not None:
            self._wait(body, due=self._started + self._counts.begun / rate if rate else now)

    async def _attempt(self, session: aiohttp.ClientSession, parcel: _Parcel) -> None:
        is_accepted = await self._deliver(session, parcel.body)
        self._in_flight -= 1
        if is_accepted:
            self._counts.accepted += 1
        elif parcel.failures < len(self._plan.retry_seconds):
            self._counts.waiting += 1
            due = self._now() + self._plan.retry_seconds[parcel.failures]
            self._wait(parcel.body, due=due, failures=parcel.failures + 1)
        else:
            self._counts.given_up += 1
        self._counts.seconds = self._now() - self._started
        self._changed.set()

    async def _deliver(self, session: aiohttp.ClientSession, body: bytes) -> bool:
        begun = self._now()
        headers = {"X-Zexa-Signature": sign(body, self._plan.secret)}
        try:
            async with session.post(self._plan.url, data=body, headers=headers, allow_redirects=False) as response:
                await response.read()
        except TimeoutError:
            self._counts.timed_out += 1
            return False
        except (aiohttp.ClientError, OSError):
            self._counts.unanswered += 1
            return False
        self._counts.latencies.add(self._now() - begun)
        if 200 <= response.status < 300:
            return True
        self._counts.refused[response.status] += 1
        return False

    def _wait(self, body: bytes, *, due: float, failures: int = 0) -> None:
        heappush(self._waiting, _Parcel(due, next(self._numbers), failures, body))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def sign(body: bytes, secret: bytes) -> str:
    """Return the provider's signature; written apart from the receiver's, so that one can prove the other wrong."""
    return hmac.new(secret, body, "sha256").hexdigest()


def _open_session(plan: Plan) -> aiohttp.ClientSession:
    # By default aiohttp rounds longer timeouts up to a whole second of its clock.
    timeout = aiohttp.ClientTimeout(total=plan.timeout_seconds, ceil_threshold=plan.timeout_seconds)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=plan.concurrency),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Content-Type": "application/json", "User-Agent": "zexa-sync simulate", **plan.headers},
        timeout=timeout,
    )
