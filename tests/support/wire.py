"""A wire between a worker and Redis, to be cut in the middle of the commands by which a batch's jobs are removed."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

Command = list[bytes]


class Wire:
    """Carries all that is said, until the removal of jobs: of that the first `commands` arrive and nothing after.

    The removal begins with the first command that deletes a job or takes its id off a list. `is_cut` is set once
    Redis has been sent what it is to have.
    """

    def __init__(self, redis_port: int, commands: int) -> None:
        self.is_cut = threading.Event()
        self._redis_port = redis_port
        self._commands = commands
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def close(self) -> None:
        for connection in self._sockets:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._redis_port))
                self._sockets += [client, server]
                threading.Thread(target=self._carry_commands, args=(client, server), daemon=True).start()
                threading.Thread(target=self._carry_answers, args=(server, client), daemon=True).start()

    def _carry_answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(data)

    def _carry_commands(self, client: socket.socket, server: socket.socket) -> None:
        left: int | None = None  # of the removal, once it has begun
        with suppress(OSError):
            for command, raw in _commands(client):
                if left is None and _is_removal(command):
                    left = self._commands
                if left is not None:
                    if left == 0:
                        self.is_cut.set()
                        return
                    left -= 1
                server.sendall(raw)


def _is_removal(command: Command) -> bool:
    name, *arguments = command
    return name == b"LREM" or (name == b"DEL" and any(argument.startswith(b"rq:job:") for argument in arguments))


def _commands(client: socket.socket) -> Iterator[tuple[Command, bytes]]:
    """Yield each command, in parts and as it was sent: https://redis.io/docs/latest/develop/reference/protocol-spec/."""
    with client.makefile("rb") as stream:
        while head := stream.readline():
            command, raw = [], head
            for _ in range(int(head[1:])):
                size = stream.readline()
                part = stream.read(int(size[1:]) + 2)
                command.append(part[:-2])
                raw += size + part
            yield command, raw
