"""A web process with the console on, over a database in which thirty days of the simulator's traffic are applied."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from secrets import token_hex
from zoneinfo import ZoneInfo

from sqlalchemy import URL, select

from models.database import open_database
from models.tables import CAMPAIGNS, DEAD_LETTERS, HISTORY, MESSAGES
from sync.devtools.simulate.traffic import generate
from sync.events.event import Reason
from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent
from sync.reports.queries import ReportSelection
from sync.rollups.recount import stored_timezone
from sync.store.apply import apply
from sync.users.accounts import LinkKind, Role, add_account, make_link, set_password
from tests.support.processes import Platform, platform

KEY = "a key of the tests, 32 or more characters"
DAYS = 30
EVENTS_A_DAY = 200
NO_OBJECTS = 3
OPTIONS = ParseOptions(default_region="AO")


class ConsolePlatform:
    """The pages of the console of a running web process, and links that sign in to it."""

    def __init__(self, running: Platform, database_url: URL) -> None:
        self.running = running
        self.url = f"http://127.0.0.1:{running.port}/console"
        self.engine = open_database(database_url)

    def close(self) -> None:
        self.engine.dispose()

    def receive(self) -> None:
        """Have a few deliveries of this moment come in, and a worker apply them."""
        self.running.start_worker()
        for delivery in generate(events=40, start=datetime.now(UTC) - timedelta(hours=2), seed=DAYS):
            assert self.running.deliver(delivery.body) == 200

    def thirty_days(self) -> ReportSelection:
        """The days that the overview shows."""
        with self.engine.connect() as connection:
            zone = ZoneInfo(stored_timezone(connection) or "UTC")
        today = datetime.now(zone).date()
        return ReportSelection(since=today - timedelta(days=DAYS - 1), until=today)

    def has_password(self, name: str, password: str) -> None:
        """Let `name` sign in with `password`."""
        now = datetime.now(UTC)
        with self.engine.begin() as connection:
            add_account(connection, name, Role.OPERATOR, None, now)
            set_password(connection, name, password)

    def link(self, name: str = "Maria", role: Role = Role.OPERATOR, kind: LinkKind = LinkKind.SIGN_IN) -> str:
        now = datetime.now(UTC)
        with self.engine.begin() as connection:
            add_account(connection, name, role, None, now)
            return f"{self.url}/link/{make_link(connection, name, kind, now)}"

    def message(self) -> str:
        """The id of a message whose recipient has opted out."""
        has_opted_out = MESSAGES.c.opted_out_at.is_not(None), MESSAGES.c.recipient.like("+%")
        with self.engine.connect() as connection:
            query = select(MESSAGES.c.message_id).where(*has_opted_out).order_by(MESSAGES.c.message_id).limit(1)
            return str(connection.execute(query).scalar_one())

    def campaign(self) -> str:
        """The id of the completed campaign with the most messages."""
        query = select(CAMPAIGNS.c.campaign_id).where(CAMPAIGNS.c.status == "completed")
        ordered = query.order_by(CAMPAIGNS.c.message_total.desc(), CAMPAIGNS.c.campaign_id)
        with self.engine.connect() as connection:
            return str(connection.execute(ordered.limit(1)).scalar_one())

    def undelivered(self) -> tuple[str, str, str]:
        """A message by SMS that did not arrive: its id, its recipient and the reason."""
        columns = MESSAGES.c.message_id, MESSAGES.c.recipient, MESSAGES.c.failure_reason
        did_not_arrive = MESSAGES.c.status == "failed", MESSAGES.c.failure_reason.is_not(None)
        query = select(*columns).where(*did_not_arrive, MESSAGES.c.recipient.like("+244%"), MESSAGES.c.channel == "sms")
        with self.engine.connect() as connection:
            message_id, recipient, reason = connection.execute(query.order_by(columns[0]).limit(1)).one()
        return message_id, recipient, reason

    def refused(self) -> tuple[str, str]:
        """A dead letter that the database refused and would take now: its digest, and the message it delivers."""
        now, message_id = datetime.now(UTC), f"msg_{token_hex(8)}"
        data = {"message_id": message_id, "to": "+244923000222", "channel": "sms"}
        body = json.dumps({"event": "message.delivered", "timestamp": now.isoformat(), "data": data}).encode()
        digest = hashlib.sha256(body).hexdigest()
        row = {"digest": digest, "body": body, "reason": Reason.REFUSED, "error": "refused", "received_at": now}
        with self.engine.begin() as connection:
            connection.execute(DEAD_LETTERS.insert(), row)
        return digest, message_id

    @contextmanager
    def worker(self) -> Iterator[None]:
        """Run a worker meanwhile."""
        worker = self.running.start_worker()
        try:
            yield
        finally:
            worker.terminate()
            worker.wait(30)

    def stated(self) -> list[tuple[str, str, str, str]]:
        """What people stated, in order: kind, address, by whom and why."""
        columns = [HISTORY.c[name] for name in ("kind", "address", "stated_by", "reason")]
        query = select(*columns).where(HISTORY.c.source == "manual").order_by(HISTORY.c.id)
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]


def fill(database_url: URL) -> None:
    """Apply thirty days of traffic, fewer messages on Saturdays and Sundays, and a few that are no event."""
    engine, now, random = open_database(database_url), datetime.now(UTC), Random(4)
    for back in range(DAYS - 1, -1, -1):
        start = now - timedelta(days=back, hours=2, minutes=30)
        events = int(EVENTS_A_DAY * random.uniform(0.6, 1.5) * (0.5 if start.weekday() >= 5 else 1))
        received_at = start + timedelta(hours=2)
        raw = [
            RawEvent(body=raw_event.body, received_at=received_at)
            for raw_event in generate(events=events, start=start, seed=back)
        ]
        apply(engine, raw, options=OPTIONS, now=received_at)
    bodies = [b'["message %d"]' % number for number in range(NO_OBJECTS)]
    apply(engine, [RawEvent(body=body, received_at=now) for body in bodies], options=OPTIONS, now=now)
    engine.dispose()


@contextmanager
def console_platform(folder: Path, database_url: URL, redis_url: str) -> Iterator[ConsolePlatform]:
    """Run the web process of the Procfile on a filled database."""
    fill(database_url)
    with platform(folder, database_url, redis_url, ZEXA_CONSOLE_KEY=KEY) as running:
        running.start_web()
        started = ConsolePlatform(running, database_url)
        try:
            yield started
        finally:
            started.close()
