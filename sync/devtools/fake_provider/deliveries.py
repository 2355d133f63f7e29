"""Delivers events to the webhooks of the fake provider, with the sender of `zexa-sync simulate`."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime

from yarl import URL

from sync.devtools.fake_provider.account import FakeAccount, FakeWebhook
from sync.devtools.simulate.counts import SendCounts
from sync.devtools.simulate.sender import RETRY_SECONDS, Plan, Sender

TEST_EVENT = "webhook.test"


class Deliveries:
    """What is under way. Belongs to one event loop."""

    def __init__(self, account: FakeAccount) -> None:
        self._account = account
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts = SendCounts()

    def test(self, webhook: FakeWebhook) -> None:
        """Deliver the test event that follows a registration. Nothing documents its shape."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        document = {"event": TEST_EVENT, "timestamp": now, "data": {"webhook_id": webhook.id}}
        self._send(webhook, [json.dumps(document).encode()])

    def tell(self, bodies: Iterable[bytes]) -> None:
        """Deliver each of `bodies` to every webhook that wants its event, and answer from now on what they say."""
        documents = [(json.loads(body), body) for body in bodies]
        for document, _ in documents:
            self._account.learn(document)
        events = [(document["event"], body) for document, body in documents]
        for webhook in self._account.webhooks:
            self._send(webhook, [body for event, body in events if webhook.wants(event)])

    def _send(self, webhook: FakeWebhook, bodies: list[bytes]) -> None:
        plan = Plan(
            url=URL(webhook.url),
            secret=self._account.secret,
            retry_seconds=tuple(seconds * self._account.retry_scale for seconds in RETRY_SECONDS),
        )
        task = asyncio.get_running_loop().create_task(Sender(plan, iter(bodies), self.counts).send())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
