"""A web process with the console on, over a database in which thirty days of the simulator's traffic are applied."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from sqlalchemy import URL, select

from models.database import open_database
from models.tables import HISTORY, MESSAGES
from sync.devtools.simulate.traffic import generate
from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent
from sync.store.apply import apply
from sync.users.accounts import LinkKind, Role, add_account, make_link
from tests.support.processes import Platform, platform

KEY = "a key of the tests, 32 or more characters"
DAYS = 30
EVENTS_A_DAY = 200
OPTIONS = ParseOptions(default_region="AO")


class ConsolePlatform:
    """The pages of the console of a running web process, and links that sign in to it."""

    def __init__(self, running: Platform, database_url: URL) -> None:
        self.running = running
        self.url = f"http://127.0.0.1:{running.port}/console"
        self._engine = open_database(database_url)

    def close(self) -> None:
        self._engine.dispose()

    def receive(self) -> None:
        """Have a few deliveries of this moment come in, and a worker apply them."""
        self.running.start_worker()
        for delivery in generate(events=40, start=datetime.now(UTC) - timedelta(hours=2), seed=DAYS):
            assert self.running.deliver(delivery.body) == 200

    def link(self, name: str = "Maria", role: Role = Role.OPERATOR) -> str:
        now = datetime.now(UTC)
        with self._engine.begin() as connection:
            add_account(connection, name, role, None, now)
            return f"{self.url}/link/{make_link(connection, name, LinkKind.SIGN_IN, now)}"

    def message(self) -> str:
        """The id of a message whose recipient has opted out."""
        has_opted_out = MESSAGES.c.opted_out_at.is_not(None), MESSAGES.c.recipient.like("+%")
        with self._engine.connect() as connection:
            query = select(MESSAGES.c.message_id).where(*has_opted_out).order_by(MESSAGES.c.message_id).limit(1)
            return str(connection.execute(query).scalar_one())

    def stated(self) -> list[tuple[str, str, str, str]]:
        """What people stated, in order: kind, address, by whom and why."""
        columns = [HISTORY.c[name] for name in ("kind", "address", "stated_by", "reason")]
        query = select(*columns).where(HISTORY.c.source == "manual").order_by(HISTORY.c.id)
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]


def fill(database_url: URL) -> None:
    """Apply thirty days of traffic, fewer messages on Saturdays and Sundays."""
    engine, now, random = open_database(database_url), datetime.now(UTC), Random(4)
    for back in range(DAYS - 1, -1, -1):
        start = now - timedelta(days=back, hours=2, minutes=30)
        events = int(EVENTS_A_DAY * random.uniform(0.6, 1.5) * (0.5 if start.weekday() >= 5 else 1))
        received_at = start + timedelta(hours=2)
        raw = [
            RawEvent(body=it.body, received_at=received_at) for it in generate(events=events, start=start, seed=back)
        ]
        apply(engine, raw, options=OPTIONS, now=received_at)
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
