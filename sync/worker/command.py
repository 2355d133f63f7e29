"""`zexa-sync worker`: the process that applies events."""

import os

import click

from sync import __version__
from sync.settings.log_lines import configure_logs
from sync.settings.sentry_client import start_sentry
from sync.settings.worker import WorkerSettings
from sync.worker.run import work


@click.command()
@click.option("--burst", is_flag=True, help="Stop as soon as the queue is empty.")
def worker(burst: bool) -> None:
    """Apply the events that wait in the queue, until stopped.

    Run as many as you like, on any number of machines: they share the work, and the tables come out the
    same. SIGTERM finishes the batch in hand. Reads DATABASE_URL, REDIS_URL, ZEXA_DEFAULT_REGION,
    ZEXA_BATCH_SIZE, ZEXA_REPORT_TIMEZONE and SENTRY_DSN.
    """
    configure_logs()
    settings = WorkerSettings.read(os.environ)
    start_sentry(settings.sentry_dsn, __version__)
    work(settings, burst=burst)
