"""A person is forgotten while workers apply events of theirs: nothing slips through, and nobody waits in a circle."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import URL, Engine
from structlog.testing import capture_logs

from models.database import open_database
from sync.store.apply import apply
from tests.integration.person.forgetting import OPTIONS, dumped, forget
from tests.integration.store.test_oracle import drifts
from tests.support.events_builder import ANA, RUI, body, minute, raw

DIGITS = ANA.removeprefix("+244")
WORKERS, BATCHES = 3, 12


def batch(chance: random.Random) -> list[bytes]:
    """Some events of few messages, each of the person or of somebody else, so that bodies often meet."""
    return [
        body(
            chance.choice(["message.delivered", "message.failed", "message.optout", "message.seen"]),
            minute(chance.randint(0, 30)),
            to=chance.choice([ANA, DIGITS, RUI]),
            channel="sms",
            message_id=f"m{chance.randint(0, 40)}",
            error=chance.choice([None, f"like {DIGITS}"]),
        )
        for _ in range(8)
    ] + [f"{{{chance.choice([DIGITS, RUI])}".encode()]


def test_forgotten_beside_workers_nothing_slips_through(engine: Engine, migrated_url: URL) -> None:
    begun = threading.Barrier(WORKERS + 1)

    def work(number: int) -> None:
        chance, own = random.Random(number), open_database(migrated_url)
        for count in range(BATCHES):
            if count == BATCHES // 3:
                begun.wait(30)
            with capture_logs():
                apply(own, [raw(content) for content in batch(chance)], options=OPTIONS, now=minute(121))
        own.dispose()

    with ThreadPoolExecutor(WORKERS) as pool:
        working = [pool.submit(work, number) for number in range(WORKERS)]
        begun.wait(30)
        forget(engine, ANA)
        for done in working:
            done.result()
    assert DIGITS not in dumped(engine)
    assert drifts(engine, OPTIONS) == []
