"""A person asks what is held, and complains: through the Procfile's own processes, and the commands as they are run."""

import json
import signal
import subprocess
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, text

from tests.support.events_builder import ANA, body
from tests.support.forked import run_forked
from tests.support.processes import Platform, wait_for

DIGITS = ANA.removeprefix("+244")


def run(platform: Platform, *words: str) -> subprocess.CompletedProcess[str]:
    ended = run_forked(["python", "-m", "sync", "person", *words], env=platform.environ)
    assert ended.returncode == 0, ended.stderr
    return ended


def test_a_person_is_shown_and_exported_wherever_the_events_are(migrated_platform: Platform, reader: Engine) -> None:
    platform, now = migrated_platform, datetime.now(UTC)
    platform.start_web()
    worker = platform.start_worker()
    stop = body("message.optout", now - timedelta(hours=2), to=DIGITS, channel="sms", message_id="m1")
    late = body("message.delivered", now - timedelta(minutes=6), to=ANA, channel="sms", message_id="m2")
    unreadable = f"to={ANA}&event=message.unknown".encode()
    for content in (stop, late, unreadable):
        assert platform.deliver(content) == 200

    def is_applied() -> bool:
        with reader.connect() as connection:
            counts = [connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in TABLES]
        return counts == [1, 1, 2]

    wait_for(is_applied, seconds=20, what="three events to be applied")
    worker.send_signal(signal.SIGTERM)
    worker.wait(20)
    waits = body("message.delivered", now, to=ANA, channel="sms", message_id="m3")
    assert platform.deliver(waits) == 200

    shown = run(platform, "show", f"({DIGITS[:3]}) {DIGITS[3:]}")
    assert "1 message 1 h 54 min after STOP; the STOP reached us" in shown.stdout
    assert "that message's status: sent before we knew. Opted out since" in shown.stdout
    assert "Waiting in the queue: 1 of 1" in shown.stdout
    assert DIGITS not in shown.stdout

    exported = run(platform, "export", ANA)
    document = json.loads(exported.stdout)
    assert {fact["body"] for fact in document["facts"]} == {stop.decode(), late.decode()}
    assert [row["body"] for row in document["dead_letters"]["rows"]] == [unreadable.decode()]
    assert [row["body"] for row in document["queue"]["rows"]] == [waits.decode()]
    for log in (platform.logs(), shown.stderr, exported.stderr):
        assert DIGITS not in log


TABLES = ("dead_letters", "opt_outs", "message_status")
