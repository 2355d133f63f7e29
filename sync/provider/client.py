"""Asks the provider's REST API. Never follows a redirect, never logs, and never quotes the key or an answer."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from msgspec import DecodeError
from msgspec.json import decode, encode
from urllib3 import Timeout
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from sync.events.raw import letters_of
from sync.events.values import usable_identity
from sync.provider.bounded_answers import AnswerTooLong, bounded_pools
from sync.provider.errors import (
    error_of_connection,
    error_of_status,
    no_such_path,
    not_offered,
    too_long,
    unreadable,
)
from sync.provider.retries import never, repeats, retry_after_seconds
from sync.settings.provider import ProviderSettings

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
# An API that does not know a call says one of these; 403 may mean that only this key does not have it.
_NOT_OFFERED = frozenset({403, 404, 405, 501})
_GONE = 410
# Names under which an API may answer a list.
_LISTS = ("data", "webhooks", "items", "results")
# Names under which one may say that there is more than it lists.
_MORE = frozenset({b"hasmore", b"hasnext", b"next", b"nextcursor", b"nextpage", b"nextpagetoken", b"nextpageurl"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAnswer:
    """A JSON object as it came: `body` is its exact bytes."""

    body: bytes = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedWebhook:
    """A webhook as the provider has it; what it does not say is None. `events` is ("*",) for all."""

    id: str
    url: str | None
    events: tuple[str, ...] | None
    created_at: str | None


class ProviderClient(AbstractContextManager["ProviderClient"]):
    """One connection to the API. Each method raises ProviderError, and nothing else.

    With `is_repeated` what failed for the moment is asked for again, with growing pauses, for up to a minute or two. A
    POST is repeated only if nothing can have been made by the one before. Otherwise everything is asked for once.
    """

    def __init__(self, settings: ProviderSettings, *, is_repeated: bool = True) -> None:
        # It warns of each repetition and of odd headers, with the path: what becomes of a request says the caller.
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        self._base = settings.api_url
        self._retries = repeats() if is_repeated else never()
        self._pool = bounded_pools(
            num_pools=1,
            headers={
                "Authorization": f"Bearer {settings.api_key}",
                "Accept": "application/json",
                "User-Agent": "zexa-sync",
            },
            timeout=Timeout(connect=CONNECT_SECONDS, read=ANSWER_SECONDS),
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __enter__(self) -> Self:
        return self

    def close(self) -> None:
        self._pool.clear()

    def create_webhook(self, url: str, events: Sequence[str]) -> ListedWebhook:
        """Register `url` for `events` (("*",) for all), and return the webhook as the provider has it.

        If the error `may_have_been_done`, a webhook may exist all the same.
        """
        response = self._send("POST", "/webhooks", {"url": url, "events": list(events)})
        if response.status == 404:
            raise no_such_path()
        _require_success(response)
        webhook = _webhook(_object(response))
        if webhook is None:
            raise unreadable(response.status)
        return webhook

    def list_webhooks(self) -> list[ListedWebhook]:
        """Return the webhooks of this account. The call is undocumented: the error may be `NOT_OFFERED`."""
        response = self._send("GET", "/webhooks")
        if response.status in _NOT_OFFERED:
            raise not_offered("list webhooks")
        _require_success(response)
        document = _json(response)
        entries = _entries(document)
        if entries is None:
            raise not_offered("list webhooks")  # a page, or something else that happens to stand at this path
        if _has_more(document):
            raise not_offered("list all webhooks at once")  # what is not on this page may be on another one
        return [webhook for entry in entries if (webhook := _webhook(entry))]

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete the webhook. The call is undocumented: the error may be `NOT_OFFERED`, or the webhook gone by then."""
        response = self._send("DELETE", f"/webhooks/{_segment(webhook_id)}")
        if response.status in _NOT_OFFERED:
            raise not_offered("delete webhooks")
        if response.status != _GONE:
            _require_success(response)

    def get_message(self, message_id: str) -> ProviderAnswer:
        """Return what the provider says of a message: its fields are not documented beyond `status`."""
        return self._get("/messages", message_id)

    def get_campaign(self, campaign_id: str) -> ProviderAnswer:
        """Return what the provider says of a campaign: a status and counts, whose names are not documented."""
        return self._get("/campaigns", campaign_id)

    def _get(self, path: str, id: str) -> ProviderAnswer:  # noqa: A002 - what the API calls it
        response = self._send("GET", f"{path}/{_segment(id)}")
        _require_success(response)
        return ProviderAnswer(body=response.data, document=_object(response))

    def _send(self, method: str, path: str, document: Mapping[str, Any] | None = None) -> BaseHTTPResponse:
        body = None if document is None else encode(document)
        headers = self._pool.headers if body is None else {**self._pool.headers, "Content-Type": "application/json"}
        try:
            return self._pool.request(
                method,
                self._base + path,
                body=body,
                headers=headers,
                redirect=False,
                retries=self._retries,
                decode_content=False,  # nothing packed was asked for, and a few bytes may unpack to very many
            )
        except AnswerTooLong:
            raise too_long() from None
        except HTTPError as error:
            raise error_of_connection(error, ANSWER_SECONDS) from None


def _segment(id: str) -> str:  # noqa: A002
    """Return `id` as one segment of a path."""
    if id in ("", ".", ".."):  # these mean another path, however they are written
        raise error_of_status(404)
    return quote(id.encode("utf-8", "surrogatepass"), safe="")


def _require_success(response: BaseHTTPResponse) -> None:
    if not 200 <= response.status < 300:
        raise error_of_status(response.status, retry_after_seconds(response))


def _json(response: BaseHTTPResponse) -> Any:
    try:
        return decode(response.data)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _object(response: BaseHTTPResponse) -> dict[str, Any]:
    document = _json(response)
    if not isinstance(document, dict):
        raise unreadable(response.status)
    return document


def _entries(document: Any) -> list[Any] | None:
    """Return the entries of a list that stands alone, or under a name that is usual for one."""
    candidates = [document.get(name) for name in _LISTS] if isinstance(document, dict) else [document]
    return next((entries for entries in candidates if isinstance(entries, list)), None)


def _has_more(document: Any) -> bool:
    """Return whether `document`, or what it says about its pages, says that it is not the whole list."""
    if not isinstance(document, dict):
        return False
    places = [document, *(inner for inner in document.values() if isinstance(inner, dict))]
    return any(value for place in places for name, value in place.items() if letters_of(name.encode()) in _MORE)


def _webhook(document: Any) -> ListedWebhook | None:
    """Return the webhook that `document` describes, also if it stands in an envelope; None without an id."""
    if not isinstance(document, dict):
        return None
    if "id" not in document and isinstance(document.get("data"), dict):
        document = document["data"]
    url, events = document.get("url"), document.get("events")
    created_at = document.get("created_at") or document.get("createdAt")
    webhook_id = usable_identity([document.get("id")])
    if webhook_id is None or not webhook_id.isprintable():
        return None
    return ListedWebhook(
        id=webhook_id,
        url=url if isinstance(url, str) else None,
        events=tuple(event for event in events if isinstance(event, str)) if isinstance(events, list) else None,
        created_at=created_at if isinstance(created_at, str) else None,
    )
