"""The hand-off on an event loop: puts raw events on the queue over one connection of its own.

What a job is, and which commands store it, is said in `sync.queue.jobs`.
"""

from collections.abc import Sequence
from typing import Any

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection, ConnectionPool, parse_url
from redis.exceptions import ConnectionError as ConnectionBroken
from redis.exceptions import RedisError

from sync.events.raw import RawEvent
from sync.queue.connection import QueueUnavailable, connection_options
from sync.queue.counts import TAIL_KEY, Command
from sync.queue.jobs import enqueue_commands
from sync.settings.environment import RedisSettings


class QueueWriter:
    """Puts jobs on the queue, one after another. For one event loop; nothing is connected yet.

    Connecting takes at most `seconds`. How long an answer may take is for the caller to bound: a call that is
    cancelled gives its connection up.
    """

    def __init__(self, settings: RedisSettings, *, seconds: float) -> None:
        options = connection_options(settings, parse=parse_url)
        self._pool = ConnectionPool(**options | {"socket_connect_timeout": seconds, "socket_timeout": None})
        self._connection: AbstractConnection | None = None

    async def enqueue(self, raw_events: Sequence[RawEvent], *, at_front: bool, counts: Sequence[Command] = ()) -> bool:
        """Do as `enqueue`: one job, in one round trip, once more over a new connection if one was broken.

        `counts` go in the same transaction; what Redis says of them does not matter. Return whether somebody watches
        deliveries. Raises QueueUnavailable, and what is no error of Redis, such as a name that no name server would be
        asked for.
        """
        commands = enqueue_commands(raw_events, at_front=at_front)
        further_commands = (*counts, ("EXISTS", TAIL_KEY))
        try:
            if self._connection is None:
                return await self._send(commands, further_commands)
            try:
                return await self._send(commands, further_commands)
            except ConnectionBroken:  # perhaps while it rested
                return await self._send(commands, further_commands)
        except RedisError as error:
            raise QueueUnavailable(type(error).__name__) from None

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.disconnect()
            self._connection = None

    async def _send(self, commands: Sequence[Command], further_commands: Sequence[Command]) -> bool:
        """Run all as one transaction, and return whether the answer to the last of `further_commands` is 1.

        Raises what one of `commands` raised.
        Whatever goes wrong, nobody knows what the connection would say next.
        """
        connection = self._connection or self._pool.make_connection()
        self._connection = None
        try:
            # Packed in C: the asynchronous connection's own way takes ten times as long.
            packed = b"".join(map(pack_command, (("MULTI",), *commands, *further_commands, ("EXEC",))))
            await connection.send_packed_command(packed)
            for _ in range(len(commands) + len(further_commands) + 1):
                await connection.read_response()
            results: list[Any] = await connection.read_response()
            refusal = next((result for result in results[: len(commands)] if isinstance(result, RedisError)), None)
            if refusal is not None:
                raise refusal
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        self._connection = connection
        return bool(results[-1] == 1)
