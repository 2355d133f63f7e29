"""What ASGI calls its parts (https://asgi.readthedocs.io/en/latest/specs/www.html), and a whole answer of ours."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from http import HTTPStatus
from typing import Any, NamedTuple

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]
HeaderPairs = Iterable[tuple[bytes, bytes]]

Headers = list[tuple[str, str]]


class Reply(NamedTuple):
    """An answer, whole."""

    status: HTTPStatus
    headers: Headers = []
    body: bytes = b""


async def send_reply(send: Send, reply: Reply, *, has_body: bool = True) -> None:
    """Send `reply`; without its body if that was not asked for (HEAD), but with the length it would have."""
    headers = [*head_of(reply.headers), (b"Content-Length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status.value, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body if has_body else b""})


def head_of(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return the fields of a head as bytes."""
    return [(name.encode("latin-1"), text.encode("latin-1")) for name, text in headers]


def header(pairs: HeaderPairs, name: bytes) -> str | None:
    """Return the text of the header `name`, given in lower case, as WSGI would: several are one, between commas."""
    texts = [text for key, text in pairs if key == name]
    return b",".join(texts).decode("latin-1") if texts else None
