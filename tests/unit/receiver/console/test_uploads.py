"""An upload is read from an operator only, into a file without a name, and never more of it than is allowed."""

import asyncio
import os
from http import HTTPStatus
from typing import Any

import pytest

from receiver.console import uploads as module
from receiver.console.uploads import Uploads
from receiver.server.asgi import Reply
from receiver.server.wsgi import RequestBody
from tests.unit.receiver.webhook.test_body import sender

MIB = b"x" * 1024 * 1024
LATE = Reply(HTTPStatus.SERVICE_UNAVAILABLE)
SCOPE = {"method": "POST", "path": "/console/lists", "query_string": b"", "scheme": "http", "http_version": "1.1"}


def read(receive: Any, *, length: int = 0, is_allowed: bool | None = True) -> RequestBody | Reply:
    async def run(work: Any) -> bool | None:
        work()
        return is_allowed

    async def take() -> RequestBody | Reply:
        scope: Any = SCOPE | {"client": None, "headers": [(b"content-length", b"%d" % length)]}
        return await Uploads(lambda _environ: True, run=run, late=LATE).read(scope, receive)

    return asyncio.run(take())


async def unread() -> Any:
    raise AssertionError("it was read")


def test_a_list_of_the_largest_size_is_kept_in_a_file_that_has_no_name() -> None:
    body = read(sender([MIB] * 32 + [b"end"]))
    assert isinstance(body, RequestBody)
    assert (body.length, body.problem) == (32 * len(MIB) + 3, "")
    assert isinstance(body.stream.fileno(), int)
    assert os.fstat(body.stream.fileno()).st_nlink == 0
    assert len(body.stream.read()) == body.length
    body.stream.close()


def test_of_somebody_who_may_not_upload_nothing_is_read() -> None:
    body = read(unread, is_allowed=False)
    assert isinstance(body, RequestBody)
    assert (body.length, body.problem) == (0, "")
    assert read(unread, is_allowed=None) is LATE


@pytest.mark.parametrize("is_announced", [True, False])
def test_what_is_too_long_is_read_to_its_end_without_being_kept_so_that_its_sender_is_told(is_announced: bool) -> None:
    parts = [MIB] * 34
    assert problem(read(sender(parts), length=34 * len(MIB) * is_announced)) == module.TOO_LARGE


def test_what_is_longer_by_far_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problem(read(unread, length=module.UNKEPT_BYTES_MAX + 1)) == module.TOO_LARGE
    monkeypatch.setattr(module, "UNKEPT_BYTES_MAX", len(MIB))
    assert problem(read(sender([MIB, b"x"], is_whole=False, then_waits=True))) == module.TOO_LARGE


def test_an_upload_that_breaks_off_or_takes_too_long_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert problem(read(sender([MIB], is_whole=False))) == module.INCOMPLETE
    monkeypatch.setattr(module, "UPLOAD_SECONDS", 0.05)
    assert problem(read(sender([b"x"], is_whole=False, then_waits=True))) == module.INCOMPLETE


def test_a_disk_without_room_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TemporaryFile", lambda: open("/dev/full", "wb"))  # noqa: SIM115
    assert problem(read(sender([MIB]))) == module.NO_ROOM
    # On a disk that was full at the first upload of the process already, no folder counts as one for such files.
    monkeypatch.setattr(module, "TemporaryFile", lambda: open("/nowhere/at/all", "wb"))  # noqa: SIM115
    assert problem(read(unread)) == module.NO_ROOM


def problem(body: RequestBody | Reply) -> str:
    assert isinstance(body, RequestBody)
    assert (body.length, body.stream.read()) == (0, b"")
    return body.problem
