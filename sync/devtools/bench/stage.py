"""Runs the real processes of one measurement: the Procfile's commands, and yardsticks in their place.

Each stage begins with empty tables and an empty queue, and none of its processes outlives it.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from rich.console import Console
from sqlalchemy import Engine

from models.database import disposing, open_database
from receiver.server.paths import DELIVERY_PATH
from sync.devtools.bench.servers import Database, empty
from sync.devtools.dev.embedded import free_port
from sync.devtools.dev.processes import Child, DevelopmentError, Processes
from sync.devtools.dev.proof import request
from sync.devtools.dev.setup import ROOT, Setup, prepare
from sync.events.raw import RawEvent, to_json
from sync.queue.connection import QUEUE_NAME, SERIALIZER, open_queue
from sync.queue.jobs import JOB_FUNCTION, enqueue
from sync.settings.worker import WorkerSettings
from sync.terminal.signals import StopAsked

READY_SECONDS = 30
WORK_SECONDS = 600
# A look at the queue costs the worker a little of its time.
WORK_PAUSE_SECONDS = 0.1

# Where RQ keeps the names of its workers.
WORKERS_KEY = "rq:workers"
HELD_KEY = "zexa-sync bench: held"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all measurements of a run share."""

    folder: Path
    redis_url: str
    secret: str
    rounds: int  # of each measurement that is repeated; its median is reported
    console: Console
    is_stop_asked: Callable[[], bool]

    def say(self, line: str) -> None:
        """Tell a person how far we are, and stop here if we are asked to."""
        self.console.print(f"  ..  {line}", highlight=False, markup=False)
        if self.is_stop_asked():
            raise StopAsked


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A web process: of a yardstick's application in place of ours, and with options and settings of its own."""

    application: str | None = None
    options: Sequence[str] = ()  # of gunicorn, and stronger than those of the Procfile's command
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    port: int
    child: Child

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{DELIVERY_PATH}"


class Stage:
    def __init__(self, setup: Setup, database: Database, processes: Processes, client: Redis, engine: Engine) -> None:
        self.database = database
        self.processes = processes
        self.client = client
        self.engine = engine
        self.queue = open_queue(client)
        self._setup = setup

    def migrate(self) -> None:
        self.processes.run("release", self._setup.commands["release"])

    @property
    def batch_size(self) -> int:
        return WorkerSettings.read(self._setup.environ).batch_size

    def start_webs(self, variants: Sequence[Variant] = (Variant(),)) -> list[Web]:
        """Start one web process each by the Procfile's command."""
        webs = [self._start_web(f"web-{index}", variant) for index, variant in enumerate(variants)]

        def all_answer() -> bool:
            return all(request("GET", "/", web.port)[0] is not None for web in webs)

        if not self.processes.wait_until(all_answer, seconds=READY_SECONDS):
            raise DevelopmentError(f"the web processes did not answer within {READY_SECONDS} s")
        return webs

    def _start_web(self, name: str, variant: Variant) -> Web:
        port = free_port()
        command = prepare(self._setup.data, port, self._setup.environ).commands["web"]
        if variant.application:
            # Everything else of the command stays: the same configuration and access log.
            command = [variant.application if word.startswith("receiver.app:") else word for word in command]
        return Web(port=port, child=self.processes.start(name, [*command, *variant.options], variant.environ))

    def start_workers(self, number: int) -> list[Child]:
        """Start `number` workers by the Procfile's command; return once they listen."""
        command = self._setup.commands["worker"]
        return self._listening([self.processes.start(f"worker-{index}", command) for index in range(number)])

    def start_stock_worker(self) -> list[Child]:
        """Start RQ's own SimpleWorker; it finds Redis by RQ_REDIS_URL."""
        kind = ["--worker-class", "rq.worker.SimpleWorker", "--serializer", SERIALIZER]
        return self._listening([self.processes.start("stock-worker", ["rq", "worker", *kind, QUEUE_NAME])])

    def _listening(self, workers: list[Child]) -> list[Child]:
        if not self.processes.wait_until(lambda: self.client.scard(WORKERS_KEY) >= len(workers), seconds=READY_SECONDS):
            raise DevelopmentError(f"{workers[0].name} did not start within {READY_SECONDS} s")
        return workers

    def enqueue_groups(self, raw_events: Iterable[list[RawEvent]]) -> None:
        """Put each group on the queue as one job, as our receiver does, and hold all of them back."""
        for group in raw_events:
            enqueue(self.queue, group, at_front=False)
        self.client.rename(self.queue.key, HELD_KEY)

    def enqueue_plainly(self, raw_events: Iterable[RawEvent]) -> None:
        """Put each raw event on the queue as a plain job, and hold all of them back."""
        for raw in raw_events:
            self.queue.enqueue(JOB_FUNCTION, to_json([raw]), description="raw event")
        self.client.rename(self.queue.key, HELD_KEY)

    def release(self) -> None:
        """Let the workers at what was held back, all of it at one moment."""
        self.client.rename(HELD_KEY, self.queue.key)

    def wait_until_applied(self, *, pause_seconds: float = WORK_PAUSE_SECONDS) -> None:
        """Return once no job waits and none is in hand, after looks `pause_seconds` apart."""
        keys = (self.queue.key, self.queue.intermediate_queue_key)
        is_empty = self.processes.wait_until(
            lambda: not self.client.exists(*keys), seconds=WORK_SECONDS, pause_seconds=pause_seconds
        )
        if not is_empty:
            raise DevelopmentError(f"the queue was not empty after {WORK_SECONDS} s")


@contextmanager
def open_stage(bench: Bench, database: Database, *, keeps_rows: bool = False) -> Iterator[Stage]:
    """Yield a stage on `database`, which is at the newest schema."""
    stage_environ = {
        "DATABASE_URL": database.url.render_as_string(hide_password=False),
        "ZEXA_DATABASE_SCHEMA": "",  # the URL says it
        "REDIS_URL": bench.redis_url,
        "RQ_REDIS_URL": bench.redis_url,
        "WEB_CONCURRENCY": "1",
        "ZEXA_WEBHOOK_SECRET": bench.secret,
    }
    setup = prepare(bench.folder, free_port(), os.environ | stage_environ)
    with disposing(open_database(database.url)) as engine:
        if not keeps_rows:
            empty(engine)
        with (
            Redis.from_url(bench.redis_url) as client,
            Processes(
                logs=bench.folder,
                folder=ROOT,
                environ=setup.environ,
                on_start=lambda _child: None,
                is_stop_asked=bench.is_stop_asked,
            ) as processes,
        ):
            client.flushdb()
            yield Stage(setup, database, processes, client, engine)


def migrate(bench: Bench, database: Database) -> None:
    """Bring `database` to the newest schema by the Procfile's own command."""
    with open_stage(bench, database, keeps_rows=True) as stage:
        stage.migrate()
