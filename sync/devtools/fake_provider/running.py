"""Runs the fake provider: in a thread, for tests, or as a process of `zexa-sync dev`."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from aiohttp import web

from sync.devtools.fake_provider.account import FakeAccount
from sync.devtools.fake_provider.server import BASE, FakeApi
from sync.devtools.simulate.counts import SendCounts

START_SECONDS = 10
STOP_SECONDS = 0.1


class FakeProvider:
    """A running one. What its `account` says counts from the next request on."""

    def __init__(self, account: FakeAccount, port: int, api: FakeApi, loop: asyncio.AbstractEventLoop) -> None:
        self.account = account
        self.port = port
        self._api = api
        self._loop = loop

    @property
    def url(self) -> str:
        """Return the base of its API."""
        return f"http://127.0.0.1:{self.port}{BASE}"

    @property
    def settings(self) -> dict[str, str]:
        """Return the environment in which it is the provider."""
        return {"ZEXA_API_URL": self.url, "ZEXA_API_KEY": self.account.key}

    @property
    def counts(self) -> SendCounts:
        """Return what became of its deliveries so far."""
        return self._api.deliveries.counts

    def tell(self, bodies: Iterable[bytes]) -> None:
        """Deliver events to its webhooks. Returns at once."""
        all_bodies = list(bodies)
        self._loop.call_soon_threadsafe(self._api.deliveries.tell, all_bodies)


@contextmanager
def fake_provider(port: int = 0, **account: Any) -> Iterator[FakeProvider]:
    """Run one in a thread, on `port` of this machine or a free one, until the block ends."""
    played = FakeAccount(**account)
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="fake provider", daemon=True)
    thread.start()
    api = FakeApi(played)
    runner, bound = asyncio.run_coroutine_threadsafe(started(api, port), loop).result(START_SECONDS)
    try:
        yield FakeProvider(played, bound, api, loop)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(START_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def started(api: FakeApi, port: int) -> tuple[web.AppRunner, int]:
    """Listen on `port`, or a free one; return what stops it, and the port."""
    runner = web.AppRunner(api.application(), access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    return runner, runner.addresses[0][1]
