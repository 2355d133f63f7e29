"""The REST API of the fake provider.

https://zexa.ao/docs has the paths, the statuses and the codes of errors. The shape of an error's body is made up. It
repeats what it was asked, key and all, so that a caller who quotes it is found out.
"""

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from aiohttp import web
from yarl import URL

from sync.devtools.fake_provider.account import FakeAccount, FakeFault, FakeWebhook
from sync.devtools.fake_provider.deliveries import Deliveries
from sync.events.event import EventType
from sync.settings.http_urls import is_loopback_host

BASE = "/v1"
EVENTS = frozenset({"*", *EventType})
CODES = {400: "invalid_request", 401: "unauthorized", 422: "validation_error", 429: "rate_limited", 404: "not_found"}
# Somebody's, for a caller who would quote an answer.
SOMEBODY = "+244912345678"
AGES = 3600.0
STOP_SECONDS = 0.1
_DONE_FIRST = (FakeFault.DONE_THEN_500, FakeFault.DONE_THEN_SILENCE)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FakeApi:
    """Answers for one account, in one event loop."""

    def __init__(self, account: FakeAccount) -> None:
        self._account = account
        self.deliveries = Deliveries(account)
        self._second = 0
        self._taken = 0

    def application(self) -> web.Application:
        application = web.Application(middlewares=[self._as_told])
        application.add_routes(
            [
                web.post(f"{BASE}/webhooks", self._create_webhook),
                web.get(f"{BASE}/webhooks", self._list_webhooks),
                web.delete(f"{BASE}/webhooks/{{id}}", self._delete_webhook),
                web.get(f"{BASE}/messages/{{id}}", self._get_message),
                web.get(f"{BASE}/campaigns/{{id}}", self._get_campaign),
            ]
        )

        async def stop(_application: web.Application) -> None:
            await self.deliveries.stop()

        application.on_cleanup.append(stop)
        return application

    @web.middleware
    async def _as_told(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count the request, and answer it by a fault that waits for it, by the limit, or as documented."""
        resource = request.match_info.route.resource
        kind = f"{request.method} {(resource.canonical if resource else request.path).removeprefix(BASE)}"
        self._account.requests[kind] += 1
        fault = self._account.next_fault(kind)
        if isinstance(fault, int):
            return _error(request, fault, retry_after=1 if fault == 429 else None)
        if fault is not None and fault not in _DONE_FIRST:
            return await _failed(request, fault)
        answer = await self._answered(request, handler)
        if fault is FakeFault.DONE_THEN_500:
            return _error(request, 500)
        if fault is FakeFault.DONE_THEN_SILENCE:
            return await _failed(request, FakeFault.SILENCE)
        return answer

    async def _answered(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"Bearer {self._account.key}":
            return _error(request, 401)
        if self._is_beyond_limit():
            return _error(request, 429, retry_after=1)
        try:
            return await handler(request)
        except web.HTTPException as refused:
            return _error(request, refused.status)

    def _is_beyond_limit(self) -> bool:
        limit = self._account.limit_per_second
        if limit is None:
            return False
        second = math.floor(asyncio.get_running_loop().time())
        self._taken = self._taken + 1 if second == self._second else 1
        self._second = second
        return self._taken > limit

    async def _create_webhook(self, request: web.Request) -> web.Response:
        try:
            document = await request.json()
            url, events = document["url"], document["events"]
        except (ValueError, KeyError, TypeError):
            return _error(request, 400)
        if not isinstance(url, str) or not isinstance(events, list) or not events:
            return _error(request, 400)
        if not _is_taken(url) or not set(map(str, events)) <= EVENTS:
            return _error(request, 422)
        webhook = FakeWebhook(id=f"wh_{token_hex(5)}", url=url, events=tuple(events), created_at=_now())
        self._account.webhooks.append(webhook)
        self._account.keep()
        if self._account.sends_test_event:
            self.deliveries.test(webhook)
        return web.json_response(_webhook_document(webhook), status=201)

    async def _list_webhooks(self, request: web.Request) -> web.Response:
        if not self._account.lists:
            return _error(request, 404)
        documents = map(_webhook_document, self._account.webhooks)
        listed_documents = [
            {name: document[name] for name in document if name not in self._account.unlisted} for document in documents
        ]
        return web.json_response({"data": listed_documents})

    async def _delete_webhook(self, request: web.Request) -> web.Response:
        webhooks = [webhook for webhook in self._account.webhooks if webhook.id != request.match_info["id"]]
        if not self._account.deletes or len(webhooks) == len(self._account.webhooks):
            return _error(request, 404)
        self._account.webhooks = webhooks
        self._account.keep()
        return web.Response(status=204)

    async def _get_message(self, request: web.Request) -> web.Response:
        return self._answer(request, self._account.messages.get(request.match_info["id"]))

    async def _get_campaign(self, request: web.Request) -> web.Response:
        return self._answer(request, self._account.campaign(request.match_info["id"]))

    def _answer(self, request: web.Request, document: Any) -> web.Response:
        if document is None:
            return _error(request, 404)
        self._account.asked_ids.append(request.match_info["id"])
        return web.json_response(document)


def _is_taken(url: str) -> bool:
    """A real provider takes HTTPS only. This one is on the machine of the person who plays with it."""
    parts = URL(url)
    return bool(parts.raw_host) and (parts.scheme == "https" or is_loopback_host(parts.raw_host or ""))


def _webhook_document(webhook: FakeWebhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.events),
        "created_at": webhook.created_at,
    }


def _error(request: web.Request, status: int, *, retry_after: int | None = None) -> web.Response:
    message = f"{request.method} {request.path} {request.headers.get('Authorization')} about {SOMEBODY}"
    document = {"error": {"code": CODES.get(status, "error"), "message": message}}
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return web.Response(status=status, text=json.dumps(document), content_type="application/json", headers=headers)


async def _failed(request: web.Request, fault: FakeFault) -> web.StreamResponse:
    if fault is FakeFault.SILENCE:
        await asyncio.sleep(AGES)
    if fault is FakeFault.REDIRECT:
        elsewhere = request.url.with_path("/elsewhere").with_user("user").with_password(SOMEBODY)
        return web.Response(status=308, headers={"Location": str(elsewhere)})
    if fault is FakeFault.CUT:
        assert request.transport is not None
        request.transport.close()
    return web.Response(text=f"<h1>Welcome {SOMEBODY}</h1>", content_type="text/html")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def started(api: FakeApi, port: int) -> tuple[web.AppRunner, int]:
    """Listen on `port`, or a free one; return what stops it, and the port."""
    runner = web.AppRunner(api.application(), access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    return runner, runner.addresses[0][1]
