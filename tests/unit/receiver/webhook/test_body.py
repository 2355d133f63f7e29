"""Bodies are read whole or not at all, and never more of them than allowed."""

import asyncio
import io
from collections.abc import Iterable
from typing import Any

import pytest

from receiver.server.asgi import Receive
from receiver.webhook import body as module
from receiver.webhook.body import BodyIncomplete, BodyReader, BodyTooLarge, read_stream
from sync.events.raw import BODY_BYTES_MAX


def sender(parts: Iterable[bytes], *, is_whole: bool = True, then_waits: bool = False) -> Receive:
    """An ASGI `receive` that gives `parts`, and then whatever it is told to."""
    messages: list[Any] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if is_whole:
        messages[-1]["more_body"] = False
    elif not then_waits:
        messages.append({"type": "http.disconnect"})

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    return receive


def read(receive: Receive, length: int = 0) -> bytes:
    return asyncio.run(BodyReader().read(receive, length))


@pytest.mark.parametrize("parts", [[b""], [b"ab"], [b"a", b"b"], [b"", b"a", b"", b"b", b""]])
def test_a_body_is_all_of_its_parts(parts: list[bytes]) -> None:
    assert read(sender(parts)) == b"".join(parts)


@pytest.mark.parametrize("size", [1, 1000, BODY_BYTES_MAX])
def test_a_body_may_be_as_long_as_allowed_and_no_longer(size: int) -> None:
    whole = [b"x" * min(size, BODY_BYTES_MAX - start) for start in range(0, BODY_BYTES_MAX, size)]
    if size == 1:
        whole = [b"x" * (BODY_BYTES_MAX - 3), b"x", b"x", b"x"]
    assert len(read(sender(whole))) == BODY_BYTES_MAX
    with pytest.raises(BodyTooLarge):
        read(sender([*whole, b"x"]))


def test_a_body_that_is_announced_as_too_long_is_not_read() -> None:
    async def receive() -> Any:
        raise AssertionError("it was read")

    with pytest.raises(BodyTooLarge):
        read(receive, BODY_BYTES_MAX + 1)


@pytest.mark.parametrize("parts", [[], [b"a"], [b"a", b"b"]])
def test_a_body_whose_sender_goes_away_is_none(parts: list[bytes]) -> None:
    with pytest.raises(BodyIncomplete):
        read(sender(parts, is_whole=False))


def test_a_body_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BODY_SECONDS", 0.05)
    with pytest.raises(BodyIncomplete):
        read(sender([b"a"], is_whole=False, then_waits=True))


def test_when_unfinished_bodies_take_too_much_memory_the_oldest_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNFINISHED_BYTES_MAX", 1000)

    async def read_all() -> list[Any]:
        bodies = BodyReader()
        slow = [
            asyncio.create_task(bodies.read(sender([b"x" * 400], is_whole=False, then_waits=True), 0)) for _ in range(3)
        ]
        await asyncio.sleep(0.05)
        assert [task.done() for task in slow] == [True, False, False]
        whole = await bodies.read(sender([b"x" * 100, b"y" * 99]), 0)
        for task in slow:
            task.cancel()
        return [whole, *await asyncio.gather(*slow, return_exceptions=True)]

    whole, oldest, *_ = asyncio.run(read_all())
    assert len(whole) == 199
    assert isinstance(oldest, BodyIncomplete)


def test_by_wsgi_the_same_bodies_are_taken_and_refused() -> None:
    assert read_stream(io.BytesIO(b"ab"), 2) == b"ab"
    assert len(read_stream(io.BytesIO(b"x" * BODY_BYTES_MAX), 0)) == BODY_BYTES_MAX
    for length in (0, BODY_BYTES_MAX + 1):
        with pytest.raises(BodyTooLarge):
            read_stream(io.BytesIO(b"x" * (BODY_BYTES_MAX + 1)), length)
    with pytest.raises(BodyIncomplete):
        read_stream(io.BytesIO(b"ab"), 3)
