"""Whom a try to sign in is counted of: who else may say so than a router of our own network?"""

import pytest
from flask import Flask

from receiver.console.signing import client

VISITOR, SPOOFED = "198.51.100.7", "198.51.100.8"


@pytest.mark.parametrize(
    ("peer", "forwarded", "meant"),
    [
        ("10.1.2.3", VISITOR, VISITOR),
        ("10.1.2.3", f"{SPOOFED}, {VISITOR}", VISITOR),
        ("", VISITOR, VISITOR),  # a Unix socket
        ("10.1.2.3", None, "10.1.2.3"),
        ("10.1.2.3", "nobody", "10.1.2.3"),
        ("8.8.8.8", SPOOFED, "8.8.8.8"),
    ],
)
def test_a_visitor_is_the_peer_or_whom_a_private_peer_forwards(peer: str, forwarded: str | None, meant: str) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    with Flask(__name__).test_request_context("/", environ_overrides={"REMOTE_ADDR": peer}, headers=headers):
        assert client() == meant
