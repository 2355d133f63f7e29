"""Takes the bodies of uploads: from an operator only, to a file without a name, and never more than is allowed.

The file is on the disk only as long as it is open, so nothing of a list stays there, whatever happens to the process.
"""

import asyncio
import io
from collections.abc import Awaitable, Callable
from contextlib import suppress
from tempfile import TemporaryFile
from typing import Any

from receiver.server.asgi import Receive, Reply, Scope, header
from receiver.server.threads import Threads
from receiver.server.wsgi import RequestBody, wsgi_environ
from receiver.webhook.endpoint import announced

LIST_BYTES_MAX = 32 * 1024 * 1024
# The form around the list: its other fields, and what stands between them.
BODY_BYTES_MAX = LIST_BYTES_MAX + 64 * 1024
# So much more is read without being kept. A browser shows no answer before it has sent all.
UNKEPT_BYTES_MAX = 4 * LIST_BYTES_MAX
# At 1 Mbit/s the largest list takes 270 s.
UPLOAD_SECONDS = 300.0
UPLOADS_AT_ONCE = 2
WRITTEN_BYTES = 256 * 1024

# What is told of a body that was not taken.
TOO_LARGE, INCOMPLETE, NO_ROOM = "too_large", "incomplete", "no_room"


class Uploads:
    """Reads uploads of one process, UPLOADS_AT_ONCE at a time.

    `may_upload` is asked by `run`, in a thread of pages; `run` returns None if that takes too long, answered by `late`.
    """

    def __init__(
        self,
        may_upload: Callable[[dict[str, Any]], bool],
        *,
        run: Callable[[Callable[[], bool]], Awaitable[bool | None]],
        late: Reply,
    ) -> None:
        self._may_upload = may_upload
        self._run = run
        self._late = late
        self._threads = Threads("upload", most=UPLOADS_AT_ONCE)
        self._places = asyncio.Semaphore(UPLOADS_AT_ONCE)

    async def read(self, scope: Scope, receive: Receive) -> RequestBody | Reply:
        """Return the body of an upload; of somebody who may not upload nothing, and nothing of it is read."""
        is_allowed = await self._run(lambda: self._may_upload(wsgi_environ(scope)))
        if not is_allowed:
            return self._late if is_allowed is None else RequestBody.from_bytes(b"")
        length = announced(header(scope["headers"], b"content-length"))
        if length > UNKEPT_BYTES_MAX:
            return _untaken(TOO_LARGE)
        try:
            file = TemporaryFile()  # noqa: SIM115 - whoever answers the request closes it
        except OSError:
            return _untaken(NO_ROOM)
        try:
            async with asyncio.timeout(UPLOAD_SECONDS), self._places:
                problem, size = await self._spool(receive, file, is_kept=length <= BODY_BYTES_MAX)
        except TimeoutError:
            problem, size = INCOMPLETE, 0
        except OSError:
            problem, size = NO_ROOM, 0
        except BaseException:
            file.close()
            raise
        if problem:
            with suppress(OSError):
                file.close()
            return _untaken(problem)
        return RequestBody(file, size)

    async def _spool(self, receive: Receive, file: Any, *, is_kept: bool) -> tuple[str, int]:
        """Write the body to `file` as it comes; return what is wrong with it, '' if nothing, and its length."""
        buffer, size, is_whole = bytearray(), 0, False
        while not is_whole:
            message = await receive()
            if message["type"] != "http.request":
                return INCOMPLETE, 0
            part, is_whole = message.get("body", b""), not message.get("more_body")
            size += len(part)
            if size > UNKEPT_BYTES_MAX:
                return TOO_LARGE, 0
            if is_kept and size <= BODY_BYTES_MAX:
                buffer += part
            if len(buffer) >= WRITTEN_BYTES:
                await self._write(file, buffer)
        await self._write(file, buffer)
        if not is_kept or size > BODY_BYTES_MAX:
            return TOO_LARGE, 0
        file.seek(0)
        return "", size

    async def _write(self, file: Any, buffer: bytearray) -> None:
        """Write and forget what is held, in a thread: a disk may keep one waiting."""
        await self._threads.run(lambda: file.write(buffer), seconds=UPLOAD_SECONDS)
        buffer.clear()


def _untaken(problem: str) -> RequestBody:
    return RequestBody(io.BytesIO(), 0, problem)
