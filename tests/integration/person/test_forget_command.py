"""`zexa-sync person forget`: what it refuses, what it waits for, and what stays of a person on both databases."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from rq.job import Job, JobStatus
from sqlalchemy import URL, Engine, insert, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from models import Inbox
from models.forget_keys import hold_forget_keys, require_forget_keys
from models.refusals import ForgetKeyMissing
from sync.cli import main
from sync.devtools.dev.embedded import RedisServer
from sync.events.forget_keys import ForgetKey
from sync.events.raw import RawEvent
from sync.person.record import record_forgotten
from sync.queue.connection import SERIALIZER, open_queue
from sync.queue.counts import LATEST_KEY, given_forget_keys
from sync.queue.jobs import enqueue
from sync.store.apply import apply
from sync.store.singly import ItemsHeld
from sync.suppression import Lookup
from sync.tasks import add_task
from tests.integration.person.forgetting import BY, KEY, OPTIONS, REASON, dumped, forget
from tests.support.events_builder import ANA, AO, RECEIVED, RUI, body, minute, raw
from tests.support.people import NUMBERS

Command = Callable[..., Result]

DIGITS = ANA.removeprefix("+244")
PSEUDONYM = OPTIONS.forget_keys[0].pseudonym(ANA)
OTHER_KEY = ForgetKey.from_secret(b"another key of the tests, of nobody")
STOP = body("message.optout", minute(5), to=ANA, from_="ZEXA", channel="sms", message_id="m1")
FAILED = body("message.failed", minute(6), to=ANA, channel="sms", message_id="m2", error=f"{DIGITS} is away")


@pytest.fixture
def command(migrated_url: URL, redis_server: RedisServer, redis: Redis) -> Command:
    assert redis.dbsize() == 0
    environ = {
        "DATABASE_URL": migrated_url.render_as_string(hide_password=False),
        "REDIS_URL": redis_server.url,
        "REDIS_TLS_VERIFY": "",
        "ZEXA_DEFAULT_REGION": "",
        "ZEXA_FORGET_KEY": KEY,
    }

    def run(*words: str, **more: str) -> Result:
        return CliRunner().invoke(main, list(words), env=environ | more)

    return run


def give(engine: Engine, *bodies: bytes, received_at: datetime = RECEIVED) -> None:
    apply(engine, [raw(content, received_at) for content in bodies], options=OPTIONS, now=minute(121))


def asked(engine: Engine, redis: Redis, *addresses: str, keys: tuple[ForgetKey, ...] = OPTIONS.forget_keys) -> set[str]:
    lookup = Lookup(engine, open_queue(redis), default_region="AO", forget_keys=keys)
    return {str(answer.status) for answer in lookup.check(addresses)}


def read(engine: Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["951234567"], "may be two people's"),
        (["undefined"], "nobody's address"),
        (["91234567"], "no telephone number has this country code and length"),
        (["ana@"], "nobody's address"),
        (["general"], "nobody's address"),
        ([PSEUDONYM], "a hash stands for a forgotten person"),
        ([ANA, "--reason", f"letter of {DIGITS}"], "--by or --reason names the person"),
        ([ANA, "--by", "ana of 912 345 678"], "--by or --reason names the person"),
    ],
)
def test_what_may_mean_somebody_else_or_would_keep_the_name_is_refused(
    engine: Engine, command: Command, words: list[str], sentence: str
) -> None:
    give(engine, STOP)
    before = dumped(engine)
    refused = command("person", "forget", "--by", BY, "--reason", REASON, *words)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert sentence in refused.stderr
    assert dumped(engine) == before


def test_without_a_key_nobody_is_forgotten_and_a_short_one_is_refused(command: Command) -> None:
    for key, sentence in (("", "ZEXA_FORGET_KEY is not set"), ("short", "less than 32 characters")):
        refused = command("person", "forget", ANA, "--by", BY, "--reason", REASON, ZEXA_FORGET_KEY=key)
        assert refused.exit_code == 2
        assert sentence in refused.stderr


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nobody_is_forgotten_while_a_process_runs_that_lacks_the_key(command: Command, redis: Redis) -> None:
    key, words = OPTIONS.forget_keys[0].key_id, ("person", "forget", ANA, "--by", BY, "--reason", REASON)
    keyless = given_forget_keys("web", ())
    now = time.time()
    redis.zadd(LATEST_KEY, {keyless: now, given_forget_keys("worker", ("another", key)): now})
    refused = command(*words)
    assert (refused.exit_code, "for web, which ran" in refused.stderr) == (2, True)
    assert "nothing was erased" in refused.stderr
    redis.zadd(LATEST_KEY, {keyless: now - 61})
    assert command(*words).exit_code == 0


def test_the_person_is_suppressed_by_every_spelling_until_opt_outs_remove_ends_it(
    engine: Engine, redis: Redis, command: Command
) -> None:
    give(engine, body("message.delivered", minute(1), to=ANA, message_id="m3", channel="sms"))
    assert command("person", "forget", f"tel:{ANA}", "--by", BY, "--reason", REASON).exit_code == 0
    spellings = [
        spelling.format(DIGITS) for spelling in NUMBERS.values() if ".0" not in spelling and "," not in spelling
    ]
    assert asked(engine, redis, *spellings) == {"suppressed"}
    assert asked(engine, redis, RUI) == {"allowed"}
    history = "SELECT kind, address, stated_by, reason FROM opt_out_history ORDER BY id"
    assert read(engine, history) == [("opted_out", PSEUDONYM, BY, REASON)]
    removed = command("opt-outs", "remove", "912345678", "--by", BY, "--reason", f"{DIGITS} called")
    assert removed.exit_code == 0
    assert PSEUDONYM not in removed.stdout
    assert read(engine, history)[1:] == [("opted_in", PSEUDONYM, BY, "(erased)")]
    assert asked(engine, redis, *spellings) == {"allowed"}
    give(engine, STOP, received_at=minute(10**6))
    assert asked(engine, redis, *spellings) == {"suppressed"}
    command("opt-outs", "add", ANA, "--by", BY, "--reason", f"told by {DIGITS}")
    evidence = command("opt-outs", "evidence", ANA)
    assert evidence.exit_code == 0
    assert "What remains of the body, of somebody who was forgotten" in evidence.stdout
    assert "as it was signed" not in evidence.stdout
    exported = command("opt-outs", "export")
    assert (len(exported.stdout.splitlines()), "opt-outs of forgotten people" in exported.stderr) == (1, True)
    assert DIGITS not in dumped(engine)


def test_an_id_of_slacks_is_forgotten_if_something_is_held_about_it(engine: Engine, command: Command) -> None:
    give(engine, body("message.delivered", minute(1), to="ana.silva", channel="slack", message_id="m1"))
    for _ in range(2):
        assert command("person", "forget", "ana.silva", "--by", BY, "--reason", REASON).exit_code == 0
    assert "ana.silva" not in dumped(engine)


def test_the_hash_that_stands_for_a_person_ends_no_opt_out(engine: Engine, redis: Redis, command: Command) -> None:
    forget(engine, ANA)
    before = dumped(engine)
    for words in ((PSEUDONYM,), (f" {PSEUDONYM}",), (PSEUDONYM, "--channel", "slack")):
        refused = command("opt-outs", "remove", *words, "--by", BY, "--reason", "a mistake")
        assert (refused.exit_code, "give the address; nothing was ended" in refused.stderr) == (2, True)
    assert dumped(engine) == before
    assert asked(engine, redis, ANA) == {"suppressed"}


def test_a_second_time_changes_nothing_of_somebody_whose_number_holds_the_same_digits(
    engine: Engine, command: Command
) -> None:
    portugal = f"+351{DIGITS}"
    give(engine, STOP, body("message.optout", minute(5), to=portugal, channel="sms", message_id="m5"))
    forget(engine, ANA)
    assert read(engine, "SELECT address FROM opt_outs WHERE message_id = 'm5'") == [(portugal,)]
    before = dumped(engine)
    again = command("person", "forget", ANA, "--by", BY, "--reason", REASON)
    assert (again.exit_code, "erased from 0 bodies" in again.stdout) == (0, True)
    assert dumped(engine) == before


def test_what_is_held_of_a_forgotten_person_is_shown_without_address_or_body(engine: Engine, command: Command) -> None:
    give(engine, STOP, FAILED)
    forget(engine, ANA)
    exported = command("person", "export", ANA)
    assert exported.exit_code == 0
    assert '"failure_reason": "(erased)"' in exported.stdout
    shown = command("trace", "m2")
    assert (shown.exit_code, DIGITS in shown.stdout) == (0, False)


def test_counts_of_reports_stay(engine: Engine) -> None:
    give(engine, STOP, FAILED, body("message.failed", minute(7), to=RUI, channel="sms", message_id="m4", error="busy"))
    # An id that names the person is another one afterwards.
    give(engine, body("message.failed", minute(8), to=ANA, channel="sms", message_id=f"m-{DIGITS}", error="busy"))
    reports = ("report_daily", "report_campaigns", "report_lag")
    before = {name: read(engine, f"SELECT * FROM {name}") for name in reports}
    forget(engine, ANA)
    assert {name: read(engine, f"SELECT * FROM {name}") for name in reports} == before
    reasons = read(engine, "SELECT failure_reason, messages FROM report_failures ORDER BY 1")
    assert reasons == [("(erased)", 1), ("busy", 2)]


def test_what_waits_in_inbox_queue_and_failed_jobs_goes_too(
    engine: Engine, redis: Redis, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sync.person.forget_command.QUEUE_SECONDS", 0.3)
    queue = open_queue(redis)
    for content in (STOP, b'{"to": "912 345 678"', body("message.delivered", minute(1), to=RUI, message_id="rui")):
        enqueue(queue, [RawEvent(body=content, received_at=minute(5))], at_front=False)
    taken, failed, other = [job.id for job in queue.get_jobs()]
    queue.remove(failed)
    queue.failed_job_registry.add(Job.fetch(failed, connection=redis, serializer=SERIALIZER), ttl=-1)
    with engine.begin() as connection:
        connection.execute(insert(Inbox).values(body=FAILED, received_at=minute(3), due_at=minute(10**6)))
    nobody_takes = command("person", "forget", ANA, "--by", BY, "--reason", REASON)
    assert nobody_takes.exit_code == 1
    assert "1 jobs of the queue name the person, and nothing takes them" in nobody_takes.stderr
    assert not Job.exists(failed, connection=redis)
    assert asked(engine, redis, ANA) == {"suppressed"}

    def take() -> None:
        job = Job.fetch(taken, connection=redis, serializer=SERIALIZER)
        time.sleep(0.1)
        apply(engine, [RawEvent(body=STOP, received_at=minute(5))], options=OPTIONS, now=minute(6))
        job.delete()

    monkeypatch.setattr("sync.person.forget_command.QUEUE_SECONDS", 60)
    worker = threading.Thread(target=take)
    worker.start()
    again = command("person", "forget", ANA, "--by", BY, "--reason", REASON)
    worker.join()
    assert again.exit_code == 0
    assert DIGITS not in dumped(engine)
    assert Job.exists(other, connection=redis)
    rows = read(engine, "SELECT reason, length(body), resolved_at IS NOT NULL FROM dead_letters")
    assert [(reason, size, bool(is_resolved)) for reason, size, is_resolved in rows] == [("not_json", 0, True)]
    assert job_status(redis, other) is JobStatus.QUEUED


def job_status(redis: Redis, job_id: str) -> JobStatus | None:
    return Job.fetch(job_id, connection=redis, serializer=SERIALIZER).get_status()


def test_what_was_uploaded_and_asked_for_in_the_console_goes_too(engine: Engine, command: Command) -> None:
    with engine.begin() as connection:
        for parameters in ({"address": f"00{DIGITS}"}, {"digests": [sha256(STOP).hexdigest()]}):
            add_task(connection, "a kind", by=BY, parameters=parameters, now=RECEIVED)
        list_of_numbers = [DIGITS[:4].encode(), DIGITS[4:].encode()]
        add_task(connection, "a kind", by=BY, parameters={"name": "a list"}, now=RECEIVED, files=list_of_numbers)
    forgotten = command("person", "forget", ANA, "--by", BY, "--reason", REASON)
    assert (forgotten.exit_code, "3 tasks" in forgotten.output) == (0, True)
    assert [text for text in (DIGITS, sha256(STOP).hexdigest()) if text in dumped(engine)] == []
    assert set(read(engine, "SELECT state, failure FROM tasks")) == {("failed", "forgotten")}


def test_without_the_key_nothing_is_applied_and_look_ups_say_unknown(engine: Engine, redis: Redis) -> None:
    forget(engine, ANA)
    for keys in ((), (OTHER_KEY,)):
        assert asked(engine, redis, ANA, RUI, keys=keys) == {"unknown"}
        with pytest.raises(ForgetKeyMissing, match=OPTIONS.forget_keys[0].key_id):
            require_forget_keys(engine, {key.key_id for key in keys})
        with capture_logs(), pytest.raises(ItemsHeld):
            apply(engine, [raw(STOP)], options=replace(AO, forget_keys=keys), now=minute(121))
    assert read(engine, "SELECT count(*) FROM dead_letters") == [(0,)]
    assert asked(engine, redis, ANA, keys=(OTHER_KEY, *OPTIONS.forget_keys)) == {"suppressed"}


@pytest.mark.parametrize("words", [("person", "show"), ("person", "export"), ("opt-outs", "evidence")])
def test_without_the_key_no_command_says_that_nothing_is_held(
    engine: Engine, command: Command, words: tuple[str, ...]
) -> None:
    give(engine, STOP)
    forget(engine, ANA)
    for address in (ANA, RUI):
        lacking = command(*words, address, ZEXA_FORGET_KEY="")
        assert (lacking.exit_code, lacking.stdout) == (1, "")
        assert f"ZEXA_FORGET_KEY lacks the key {OPTIONS.forget_keys[0].key_id}" in lacking.stderr
    assert command(*words, ANA).exit_code == 0


def test_without_the_key_no_list_is_written(engine: Engine, command: Command, tmp_path: Path) -> None:
    forget(engine, ANA)
    source, clean, removed, invalid = (
        tmp_path / name for name in ("list.csv", "clean.csv", "removed.csv", "invalid.csv")
    )
    source.write_text(f"phone\n{RUI}\n")
    files = ("--column", "phone", "--out", str(clean), "--removed", str(removed), "--invalid", str(invalid))
    lacking = command("opt-outs", "scrub", str(source), *files, ZEXA_FORGET_KEY="")
    assert (lacking.exit_code, clean.exists()) == (1, False)
    assert "nothing was written: give the key that web and worker have" in lacking.stderr
    assert command("opt-outs", "scrub", str(source), *files).exit_code == 0


def test_a_new_key_is_added_before_the_old_one_which_its_people_keep(engine: Engine, redis: Redis) -> None:
    give(engine, STOP)
    forget(engine, ANA)
    rotated = replace(OPTIONS, forget_keys=(OTHER_KEY, *OPTIONS.forget_keys))
    before = dumped(engine)
    forget(engine, ANA, rotated)
    assert dumped(engine) == before
    forget(engine, RUI, rotated)
    assert asked(engine, redis, ANA, RUI, keys=rotated.forget_keys) == {"suppressed"}
    assert asked(engine, redis, ANA, RUI, keys=OPTIONS.forget_keys) == {"suppressed", "unknown"}
    apply(engine, [raw(FAILED)], options=rotated, now=minute(121))
    assert read(engine, "SELECT recipient FROM message_status WHERE message_id = 'm2'") == [(PSEUDONYM,)]


def test_no_row_holds_what_the_list_of_all_numbers_could_be_compared_with(engine: Engine) -> None:
    give(engine, STOP, FAILED, f"to={ANA}".encode(), body("message.optout", minute(8), to=DIGITS, channel="sms"))
    forget(engine, ANA)
    stored = dumped(engine)
    spellings = [ANA, ANA[1:], DIGITS, f"digits:{DIGITS}", f"person:{ANA}"]
    bodies = [STOP, FAILED, f"to={ANA}".encode(), body("message.optout", minute(8), to=DIGITS, channel="sms")]
    plain = [sha256(candidate).hexdigest() for candidate in [*bodies, *(text.encode() for text in spellings)]]
    twice = [sha256(digest.encode()).hexdigest() for digest in plain]
    assert not [digest for digest in [*plain, *twice] if digest in stored]
    assert DIGITS not in stored


def test_every_hash_of_a_person_changes_with_the_key(both_engines: list[Engine]) -> None:
    keyed = []
    for engine, key in zip(both_engines, (OPTIONS.forget_keys[0], OTHER_KEY), strict=True):
        options = replace(AO, forget_keys=(key,))
        apply(engine, [raw(STOP), raw(FAILED), raw(f"to={ANA}".encode())], options=options, now=minute(121))
        forget(engine, ANA, options)
        with engine.connect() as connection:
            values = set()
            for query in (
                "SELECT digest FROM events UNION SELECT digest FROM dead_letters",
                "SELECT recipient FROM message_status",
                "SELECT address FROM opt_outs UNION SELECT digest FROM opt_out_history WHERE digest IS NOT NULL",
                "SELECT marks FROM forgotten_people UNION SELECT key_id FROM forget_keys",
            ):
                values |= set(connection.execute(text(query)).scalars())
        keyed.append(values)
    assert not keyed[0] & keyed[1]


def test_the_history_lets_nothing_else_pass_while_a_person_is_erased(engine: Engine) -> None:
    give(engine, STOP)
    forget(engine, RUI)
    refused = ("UPDATE opt_out_history SET address = 'x'", "DELETE FROM opt_out_history")
    for statement in refused:
        with (
            pytest.raises(DBAPIError, match="only ever added to"),
            engine.begin() as connection,
        ):
            connection.execute(text(statement))
    with engine.begin() as connection:
        connection.execute(text("UPDATE forgotten_people SET is_erasing = true"))
        with pytest.raises(DBAPIError):
            connection.execute(text("UPDATE opt_out_history SET kind = 'opted_in'"))


@pytest.mark.parametrize(
    "column", ["address", "sender", "message_id", "event", "digest", "opt_out_id", "stated_by", "reason"]
)
def test_while_a_person_is_erased_nothing_but_hashes_takes_the_place_of_texts(engine: Engine, column: str) -> None:
    give(engine, STOP)
    forget(engine, RUI)
    for value in ("'x'", "NULL"):
        with engine.begin() as connection:
            connection.execute(text("UPDATE forgotten_people SET is_erasing = true"))
            with pytest.raises(DBAPIError):
                connection.execute(text(f"UPDATE opt_out_history SET {column} = {value}"))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_forgetting_waits_for_the_batch_that_did_not_know_of_it(engine: Engine) -> None:
    recorded = threading.Event()

    def record() -> None:
        record_forgotten(engine, ANA, OPTIONS, by=BY, reason=REASON)
        recorded.set()

    with engine.begin() as batch:
        hold_forget_keys(batch, set())
        recorder = threading.Thread(target=record)
        recorder.start()
        assert not recorded.wait(0.3)
    assert recorded.wait(5)
    recorder.join()
    with engine.begin() as batch:
        assert hold_forget_keys(batch, {OPTIONS.forget_keys[0].key_id})


def test_rows_written_by_hand_are_renamed_too(engine: Engine, redis: Redis) -> None:
    insert_row = (
        "INSERT INTO opt_outs"
        " (channel, address, sender, opted_out_at, received_at, source, note, opt_out_id, updated_at)"
        " VALUES ('sms', :address, '', :at, :at, 'import', :note, :id, :at)"
    )
    at = "2026-06-24 10:00:00.000000"
    with engine.begin() as connection:
        for address, note in ((ANA, "list of May"), (RUI, f"told by {DIGITS}")):
            values = {"address": address, "at": at, "note": note, "id": sha256(address.encode()).hexdigest()}
            connection.execute(text(insert_row), values)
        connection.execute(
            text(
                "INSERT INTO message_status (message_id, recipient, conflict, updated_at) VALUES ('m', :to, :no, :at)"
            ),
            {"to": ANA, "no": False, "at": at},
        )
        outage = "INSERT INTO outages (began_at, kind, resolved_by, resolved_reason, resolved_at)"
        outage_values = {"at": at, "reason": f"{DIGITS} called"}
        connection.execute(text(f"{outage} VALUES (:at, 'no_store', 'Maria', :reason, :at)"), outage_values)
    forget(engine, ANA)
    rows = read(engine, "SELECT address, note FROM opt_outs WHERE channel = 'sms' ORDER BY address")
    assert rows == [(RUI, "(erased)"), (PSEUDONYM, "list of May")]
    assert read(engine, "SELECT recipient FROM message_status") == [(PSEUDONYM,)]
    assert read(engine, "SELECT resolved_by, resolved_reason FROM outages") == [("Maria", "(erased)")]
    stored = dumped(engine)
    assert not [text for text in (DIGITS, sha256(ANA.encode()).hexdigest()) if text in stored]
    assert asked(engine, redis, RUI) == {"suppressed"}
