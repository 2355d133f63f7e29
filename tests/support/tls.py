"""A TLS front for a Redis without TLS, with a certificate that no authority signed, as hosted Redis has."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CERTIFICATE = Path(__file__).parent / "self_signed.pem"


@contextmanager
def tls_front(port: int) -> Iterator[int]:
    """Yield a port on which TLS connections reach 127.0.0.1:`port`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, context, port), daemon=True).start()
        yield listener.getsockname()[1]


def _accept(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_join, args=(client, context, port), daemon=True).start()


def _join(client: socket.socket, context: ssl.SSLContext, port: int) -> None:
    """Pass bytes both ways; one thread, because a TLS socket is not for two."""
    with (
        suppress(OSError),
        context.wrap_socket(client, server_side=True) as near,
        socket.create_connection(("127.0.0.1", port)) as far,
    ):
        near.settimeout(0.005)
        far.settimeout(0.005)
        while _pass(near, far) and _pass(far, near):
            pass


def _pass(source: socket.socket, target: socket.socket) -> bool:
    try:
        data = source.recv(65536)
    except TimeoutError:
        return True
    if data:
        target.settimeout(None)
        target.sendall(data)
        target.settimeout(0.005)
    return bool(data)
