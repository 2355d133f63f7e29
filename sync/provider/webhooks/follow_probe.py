"""Follows a probe from its acknowledgement to its row in the ledger, or to where it waits."""

import time
from collections.abc import Iterator

from sqlalchemy import URL, Engine, literal, select
from sqlalchemy.exc import SQLAlchemyError

from models.tables import INBOX, LEDGER
from sync.provider.webhooks import probe_findings as findings
from sync.provider.webhooks.probe import PROBE_EVENT, NotAccepted, Probe, make_probe, send_probe
from sync.queue.connection import OpenQueue, QueueUnavailable
from sync.queue.waiting import read_waiting
from sync.terminal.findings import Check, ok, unknown
from sync.terminal.stores import open_quickly

FOLLOW_SECONDS = 5.0
PAUSE_SECONDS = 0.1


def check_probe(
    url: str, secret: bytes, database_url: URL | None, queue: OpenQueue | None, until: float
) -> Iterator[Check]:
    """Send a probe to `url` and follow it for FOLLOW_SECONDS, but not beyond `until` on the monotonic clock."""
    probe = make_probe(secret)
    try:
        seconds = send_probe(url, probe)
    except NotAccepted as ended:
        yield ended.check
        return
    acknowledged = f"acknowledged within {seconds * 1000:,.0f} ms"
    if database_url is None:
        yield unknown("probe", f"{acknowledged}; without DATABASE_URL it cannot be followed")
        return
    engine = open_quickly(database_url, is_read_only=True)
    try:
        yield _follow(probe, acknowledged, engine, queue, until=until)
    except SQLAlchemyError:
        yield unknown("probe", f"{acknowledged}; the database does not answer, so it cannot be followed")
    finally:
        engine.dispose()


def _follow(probe: Probe, acknowledged: str, engine: Engine, queue: OpenQueue | None, *, until: float) -> Check:
    begun = time.monotonic()
    until = min(until, begun + FOLLOW_SECONDS)
    while not _is_applied(probe, engine):
        if time.monotonic() > until:
            return _waits(probe, engine, queue, seconds=round(time.monotonic() - begun))
        time.sleep(PAUSE_SECONDS)
    return ok("probe", f"{acknowledged}, and in the ledger {time.monotonic() - begun:.1f} s later")


def _is_applied(probe: Probe, engine: Engine) -> bool:
    query = select(LEDGER.c.event).where(LEDGER.c.subject_id == f"sha256:{probe.digest}", LEDGER.c.event == PROBE_EVENT)
    with engine.connect() as connection:
        return connection.execute(query).first() is not None


def _waits(probe: Probe, engine: Engine, queue: OpenQueue | None, *, seconds: int) -> Check:
    with engine.connect() as connection:
        if connection.execute(select(literal(1)).where(INBOX.c.body == probe.body).limit(1)).first():
            return findings.PROBE_WAITS(seconds=seconds, place="inbox")
    try:
        is_queued = queue is None or read_waiting(queue).oldest is not None
    except (QueueUnavailable, ValueError):
        is_queued = True
    return (
        findings.PROBE_WAITS(seconds=seconds, place="queue") if is_queued else findings.PROBE_ELSEWHERE(seconds=seconds)
    )
