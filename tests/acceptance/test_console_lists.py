"""A list through the Procfile's own processes: over HTTP into web, by way of the database to a worker, and back."""

import re
import subprocess
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import URL, Engine

from sync.devtools.dev.embedded import RedisServer
from sync.users.accounts import Role
from tests.acceptance.test_console_http import Client
from tests.support.consoles import KEY, add_person, link_of
from tests.support.processes import platform, wait_for

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
MIB = 1024 * 1024
BOUNDARY = "between-the-fields-of-a-form"
# Less than the list: so neither process holds it, or half of what is made of it.
GROWTH_BYTES_MAX = 24 * MIB
STOPPED, ALLOWED, SECRET = b"+244912345678", b"+244923000111", b"what-stands-in-a-list"
NOTE = SECRET + b" " * 4_000


def list_of(size: int) -> tuple[bytes, bytes]:
    """A list of nearly `size` bytes in rows of some 4 KB, and what is left of it without who has opted out."""
    header, row, stopped = (
        b"name,phone,note\r\n",
        b"Rui,%b,%b\r\n" % (ALLOWED, NOTE),
        b"Ana,%b,%b\r\n" % (STOPPED, NOTE),
    )
    pairs = (size - len(header)) // len(row + stopped)
    return header + (row + stopped) * pairs, header + row * pairs


def multipart(client: Client, content: bytes, **fields: str) -> tuple[int, dict[str, str], bytes]:
    """Send a list as a browser does."""
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode()
        for name, text in (fields | {"form_token": client.token}).items()
    ]
    file = 'Content-Disposition: form-data; name="list"; filename="list.csv"\r\nContent-Type: text/csv\r\n\r\n'
    body = b"".join([*parts, f"--{BOUNDARY}\r\n{file}".encode(), content, f"\r\n--{BOUNDARY}--\r\n".encode()])
    headers = {
        "Cookie": f"zexa_console={client.cookie}",
        "Content_Type": f"multipart/form-data; boundary={BOUNDARY}",
    }
    return client.remember(client.running.request("POST", "/console/lists", body, **headers))


def most_held(process: subprocess.Popen[bytes]) -> int:
    """How much memory a process, or one that it started, held at the most since that was last begun."""
    held = []
    for pid in (process.pid, *children(process.pid)):
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        assert peak is not None
        held.append(int(peak[1]) * 1024)
    return max(held)


def begin_measuring(process: subprocess.Popen[bytes]) -> int:
    for pid in (process.pid, *children(process.pid)):
        Path(f"/proc/{pid}/clear_refs").write_text("5")
    return most_held(process)


def children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@on_sqlite
def test_a_list_of_the_largest_size_is_scrubbed_and_neither_process_holds_it(
    tmp_path: Path, migrated_url: URL, engine: Engine, redis_server: RedisServer
) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    content, wanted = list_of(32 * MIB)
    environ = {"ZEXA_CONSOLE_KEY": KEY.decode(), "TMPDIR": str(spool), "WEB_CONCURRENCY": "1"}
    with platform(tmp_path / "logs", migrated_url, redis_server.url, **environ) as running:
        web, worker = running.start_web(), running.start_worker()
        add_person(engine, "Maria", Role.OPERATOR)
        client = Client(running)
        link = f"/console{link_of(engine, 'Maria')}"
        client.get(link)
        assert client.post(link)[0] == 303
        client.get("/console/opt-outs")
        assert client.post("/console/opt-outs/add", address=STOPPED.decode(), reason="asked by phone")[0] == 303

        # Once with little, so that what is loaded for it, and for good, is loaded.
        scrubbed(client, *list_of(MIB))
        both = {"web": web, "worker": worker}
        before = {name: begin_measuring(process) for name, process in both.items()}
        scrubbed(client, content, wanted)
        grown = {name: most_held(process) - before[name] for name, process in both.items()}
        assert all(growth < GROWTH_BYTES_MAX for growth in grown.values()), grown

        client.get("/console/lists")
        status, _, page = multipart(client, content + NOTE * 300, purpose="scrub")
        assert (status, b"A list has at most 32 MiB" in page) == (413, True)
        stranger = Client(running)
        assert multipart(stranger, content[: 600 * 1024], purpose="scrub")[0] == 401
        assert client.post("/console/messages", term="x" * 300_000)[0] == 413
        assert running.request("POST", "/webhooks/zexa", content[: 300 * 1024])[0] == 413
        assert list(spool.iterdir()) == []
        running.stop_all()
        log = running.logs().encode()
    assert [secret for secret in (STOPPED[4:], ALLOWED[4:], SECRET) if secret in log] == []
    assert b'"path": "/console/lists", "status": 303' in log


def scrubbed(client: Client, content: bytes, wanted: bytes) -> None:
    """Have a list scrubbed, and see that it comes back as it should."""
    client.get("/console/lists")
    status, headers, _ = multipart(client, content, purpose="scrub")
    assert status == 303
    look = until_done(client, headers["Location"])
    assert b"How the first rows are read" in client.get(look)[2]
    headers = client.post("/console/list/confirm", id=look.rpartition("=")[2])[1]
    task = until_done(client, headers["Location"]).rpartition("=")[2]
    status, headers, file = client.post("/console/list/download", id=task)
    assert (status, headers["Content-Length"], headers["Cache-Control"]) == (200, str(len(wanted)), "no-store")
    assert file == wanted
    client.get("/console/lists")
    client.post("/console/list/cancel", id=task)


def until_done(client: Client, path: str) -> str:
    """Wait until a worker is done with what a page shows; return where that is."""
    wait_for(lambda: "Refresh" not in client.get(path)[1], seconds=60, what="the worker")
    assert b"done" in client.get(path)[2], urlencode({"path": path})
    return path
