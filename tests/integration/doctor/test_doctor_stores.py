"""`doctor` on stores that were broken on purpose: the right check comes first, with its remedy."""

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, make_url

from models.database import open_database
from models.schema import COMPATIBILITY_TABLE, VERSION_TABLE
from sync.devtools.dev.embedded import free_port
from sync.events.forget_keys import ForgetKey
from tests.conftest import administrating, migrate, new_database
from tests.support.doctors import (
    PASSWORD,
    SECONDS_MAX,
    Installation,
    assert_first,
    configured,
    execute,
    installation,
    spelled,
)
from tests.support.forked import run_forked
from tests.support.postgres_servers import following, role
from tests.support.processes import wait_for
from tests.support.redis_servers import redis_with
from tests.support.tls import tls_front

# An address that nothing answers at (RFC 5737).
NOWHERE = "192.0.2.1"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A healthy installation; each test breaks one thing for it alone."""
    with installation(tmp_path_factory.mktemp("doctor")) as ours:
        yield ours


@pytest.fixture
def empty(house: Installation) -> Iterator[URL]:
    """A database that no process uses."""
    with administrating(house.url) as admin, new_database(admin, "template1") as name:
        yield house.url.set(database=name)


@pytest.fixture(scope="module")
def template(house: Installation) -> Iterator[str]:
    """A database at the newest schema, to be copied."""
    with administrating(house.url) as admin, new_database(admin, "template1") as name:
        migrate(house.url.set(database=name))
        yield name


@pytest.fixture
def spare(house: Installation, template: str) -> Iterator[URL]:
    """A migrated database that no process uses, to be broken for good."""
    with administrating(house.url) as admin, new_database(admin, template) as name:
        yield house.url.set(database=name)


def test_a_healthy_installation_has_no_problem_and_no_warning(house: Installation) -> None:
    answer = house.doctor()
    assert answer.exit_code == 0
    worse = {check["check"]: check["found"] for check in answer.checks if check["status"] != "ok"}
    assert worse.keys() <= {"silence", "copies", "outages", "probe"}, worse


# Redis


def test_a_redis_that_is_away(house: Installation) -> None:
    answer = house.doctor(REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert_first(answer, "redis", "connection refused", "start it, or correct REDIS_URL")
    assert answer.status("workers") == answer.status("redis_policy") == "unknown"
    assert answer.status("database") == "ok"


def test_a_redis_without_tls_if_tls_is_expected(house: Installation) -> None:
    answer = house.doctor(REDIS_URL=house.environ["REDIS_URL"].replace("redis://", "rediss://"))
    assert_first(answer, "redis", "no answer in time; does it speak TLS", "correct REDIS_URL")


def test_a_redis_whose_certificate_nobody_signed(house: Installation) -> None:
    port = house.redis.connection_pool.connection_kwargs["port"]
    with tls_front(port) as front:
        answer = house.doctor(REDIS_URL=f"rediss://localhost:{front}/0")
    assert_first(answer, "redis", "its certificate could not be verified", "correct REDIS_URL")


def test_a_redis_with_another_password(house: Installation, tmp_path: Path) -> None:
    with redis_with(tmp_path, "--requirepass", "another") as url:
        answer = house.doctor(REDIS_URL=url.replace("redis://", f"redis://:{PASSWORD}@"))
    assert_first(answer, "redis", "wrong user or password", "correct user and password in REDIS_URL")


def test_a_redis_user_without_rights(house: Installation) -> None:
    house.redis.acl_setuser("reader", enabled=True, passwords=[f"+{PASSWORD}"], commands=["+ping", "+hello"])
    url = house.environ["REDIS_URL"].replace("redis://", f"redis://reader:{PASSWORD}@")
    assert_first(house.doctor(REDIS_URL=url), "redis", "may not run a command", "it needs all commands on all keys")


def test_a_redis_cluster(house: Installation, tmp_path: Path) -> None:
    # The port of its bus would otherwise be 10,000 above its own, which may be none.
    with redis_with(tmp_path, "--cluster-enabled", "yes", "--cluster-port", str(free_port())) as url:
        assert_first(house.doctor(REDIS_URL=url), "redis", "it is a Redis Cluster", "use a single server")


def test_a_replica(house: Installation, tmp_path: Path) -> None:
    with redis_with(tmp_path, "--replicaof", f"127.0.0.1 {free_port()}") as url:
        assert_first(house.doctor(REDIS_URL=url), "redis", "it is a replica", "point REDIS_URL at the primary")


def test_a_redis_that_lacks_the_replicas_that_it_waits_for(house: Installation) -> None:
    with configured(house.redis, min_replicas_to_write=1):
        assert_first(house.doctor(), "redis", "refuses to be written to: NOREPLICAS", "as the error says")


def test_a_full_redis(house: Installation) -> None:
    with configured(house.redis, maxmemory=1):
        answer = house.doctor()
    assert_first(answer, "redis", "refuses to be written to: OutOfMemory", "give it memory")
    assert answer.status("redis_memory") == "problem"


def test_a_redis_that_evicts(house: Installation) -> None:
    with configured(house.redis, maxmemory_policy="allkeys-lru"):
        assert_first(house.doctor(), "redis_policy", "allkeys-lru", "set maxmemory-policy noeviction")


def test_a_redis_that_forgets_at_a_restart(house: Installation) -> None:
    with configured(house.redis, appendonly="no"):
        assert_first(house.doctor(), "redis_persistence", "no append-only file", "appendonly yes and appendfsync")
        assert house.doctor(ZEXA_JOURNAL="1").exit_code == 0


def test_a_redis_that_never_waits_for_its_disk(house: Installation) -> None:
    with configured(house.redis, appendfsync="no"):
        assert_first(house.doctor(), "redis_persistence", "appendfsync is no", "set appendfsync always")


@pytest.mark.parametrize(
    ("check", "setting", "finding", "remedy"),
    [
        ("redis_persistence", {"appendfsync": "everysec"}, "appendfsync is everysec", "set appendfsync always"),
        ("redis_memory", {"maxmemory": 0}, "maxmemory is not set", "set maxmemory"),
    ],
)
def test_a_redis_that_may_lose_a_little_is_a_warning(
    house: Installation, check: str, setting: dict[str, str], finding: str, remedy: str
) -> None:
    with configured(house.redis, **setting):
        assert_first(house.doctor(), check, finding, remedy, status="warning")


# The database


def test_a_database_that_is_away(house: Installation) -> None:
    answer = house.doctor(DATABASE_URL=f"postgres://somebody:{PASSWORD}@127.0.0.1:{free_port()}/zexa")
    assert_first(answer, "database", "onnection refused", "start it, or correct DATABASE_URL")
    assert answer.status("schema") == "unknown"
    assert answer.status("redis") == "ok"


def test_a_database_that_is_not_there(house: Installation, spare: URL) -> None:
    answer = house.doctor(DATABASE_URL=spelled(spare.set(database="elsewhere")))
    assert_first(answer, "database", 'database "elsewhere" does not exist', "or make what is missing")


def test_a_database_without_our_tables(house: Installation, empty: URL) -> None:
    answer = house.doctor(DATABASE_URL=spelled(empty))
    assert_first(answer, "schema", "the database schema is empty", "run `alembic upgrade head`")
    assert answer.status("foreign_tables") == "ok"


def test_a_schema_that_is_ahead(house: Installation, spare: URL) -> None:
    execute(spare, f"UPDATE {VERSION_TABLE} SET version_num = '0099'")
    ahead = house.doctor(DATABASE_URL=spelled(spare))
    assert_first(ahead, "schema", "ahead of this version", "deploy the newer version", status="warning")
    execute(spare, f"UPDATE {COMPATIBILITY_TABLE} SET oldest_revision = '0099'")
    assert_first(house.doctor(DATABASE_URL=spelled(spare)), "schema", "needs code of 0099", "deploy the newer version")


def test_tables_of_another_program(house: Installation, empty: URL) -> None:
    execute(empty, "CREATE TABLE events (id serial PRIMARY KEY, title text)", "CREATE TABLE inbox (id integer)")
    answer = house.doctor(DATABASE_URL=spelled(empty))
    assert_first(answer, "schema", "is empty", "run `alembic upgrade head`")
    assert answer.check("foreign_tables")["status"] == "problem"
    assert "names of ours: events, inbox" in answer.check("foreign_tables")["found"]
    assert "set ZEXA_DATABASE_SCHEMA" in answer.check("foreign_tables")["remedy"]


def test_a_table_that_was_changed(house: Installation, spare: URL) -> None:
    execute(spare, "ALTER TABLE campaign_status DROP COLUMN sent_at CASCADE")
    answer = house.doctor(DATABASE_URL=spelled(spare))
    assert_first(answer, "foreign_tables", "lack columns, though the migrations made them: campaign_status", "restore")


def test_a_revoked_insert(house: Installation, spare: URL) -> None:
    engine = open_database(spare)
    with role(engine, spare) as url:
        assert house.doctor(DATABASE_URL=spelled(url)).exit_code == 0
        execute(spare, f"REVOKE INSERT ON inbox FROM {url.username}")
        answer = house.doctor(DATABASE_URL=spelled(url))
    engine.dispose()
    assert_first(answer, "database_writable", "our role lacks rights: INSERT on inbox", "GRANT SELECT, INSERT")


def test_a_trigger_that_refuses_the_inbox(house: Installation, spare: URL) -> None:
    execute(
        spare,
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '+244912345678'; END $$",
        "CREATE TRIGGER own BEFORE INSERT ON inbox FOR EACH ROW EXECUTE FUNCTION refuse()",
    )
    answer = house.doctor(DATABASE_URL=spelled(spare))
    assert_first(answer, "database_writable", "a row of the inbox is refused", "find the trigger")


def test_commits_that_are_not_on_disk(house: Installation, spare: URL) -> None:
    execute(spare, f"ALTER DATABASE {spare.database} SET synchronous_commit = off")
    answer = house.doctor(DATABASE_URL=spelled(spare))
    assert_first(answer, "durability", "synchronous_commit is off", "SET synchronous_commit = on")


def test_a_database_with_another_clock(house: Installation, spare: URL) -> None:
    execute(
        spare,
        "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
        "$$ SELECT pg_catalog.clock_timestamp() + interval '2 hours' $$",
        f"ALTER DATABASE {spare.database} SET search_path = public, pg_catalog",
    )
    answer = house.doctor(DATABASE_URL=spelled(spare))
    assert_first(answer, "clock", "the database is 7,200.0 s ahead of this machine", "by NTP")


def test_a_standby(house: Installation) -> None:
    with following(house.primary) as standby:
        answer = house.doctor(DATABASE_URL=spelled(standby))
    assert_first(answer, "database_writable", "the database is a standby", "point DATABASE_URL at the primary")


def test_a_database_that_never_waits_for_its_disk(house: Installation) -> None:
    with administrating(house.url) as admin:
        for setting in ("SET fsync = off", "RESET fsync"):
            admin.exec_driver_sql(f"ALTER SYSTEM {setting}")
            admin.exec_driver_sql("SELECT pg_reload_conf()")
            if "off" in setting:
                wait_for(lambda: house.doctor().exit_code == 1, seconds=10, what="the setting being read")
                assert_first(house.doctor(), "durability", "fsync is off", "set fsync = on")
    wait_for(lambda: house.doctor().exit_code == 0, seconds=10, what="the setting being read")


def test_a_sqlite_file(house: Installation, tmp_path: Path) -> None:
    url = make_url(f"sqlite:///{tmp_path}/zexa.db")
    migrate(url)
    answer = house.doctor(DATABASE_URL=str(url))
    assert answer.exit_code == 0
    for name in ("database", "schema", "database_writable", "durability", "pooler", "foreign_tables", "clock"):
        assert answer.status(name) == "ok", answer.output
    answer = house.doctor(DATABASE_URL=f"sqlite:///{tmp_path}/nowhere/zexa.db")
    assert_first(answer, "database", "the database cannot be used: unable to open database file", "or make what is mis")


def test_no_table_of_ours_is_taken_for_one_of_another_program(tmp_path: Path) -> None:
    migrate(make_url(f"sqlite:///{tmp_path}/zexa.db"))
    environ = {"PATH": os.environ["PATH"], "DATABASE_URL": f"sqlite:///{tmp_path}/zexa.db"}
    # A process of its own: in this one the tests have loaded every table.
    result = run_forked(["python", "-m", "sync", "doctor"], env=environ)
    assert re.search(r"^ok +foreign_tables +the tables are ours$", result.stdout, re.MULTILINE), result.stdout


def test_a_key_of_forgotten_people_that_is_not_set(house: Installation, spare: URL) -> None:
    key, other = "a key of the tests for forgotten people", "another key of the tests for nobody"
    execute(spare, f"INSERT INTO forget_keys (key_id) VALUES ('{ForgetKey.from_secret(key.encode()).key_id}')")
    url = spelled(spare)
    answer = house.doctor(DATABASE_URL=url, ZEXA_FORGET_KEY=other)
    assert_first(
        answer, "forget_key", ForgetKey.from_secret(key.encode()).key_id, "give web, worker and the commands these keys"
    )
    assert house.doctor(DATABASE_URL=url, ZEXA_FORGET_KEY=f"{other},{key}").status("forget_key") == "ok"


def test_a_network_that_swallows_everything_ends_in_time(house: Installation) -> None:
    """Run as a process of its own, which must end though its threads still wait."""
    environ = house.environ | {
        "DATABASE_URL": f"postgres://somebody:{PASSWORD}@{NOWHERE}/zexa",
        "REDIS_URL": f"redis://:{PASSWORD}@{NOWHERE}/0",
        "PATH": house.platform.environ["PATH"],
    }
    begun = time.monotonic()
    command = ["python", "-m", "sync", "doctor", "--url", f"http://{NOWHERE}/webhooks/zexa"]
    process = run_forked(command, env=environ)
    assert time.monotonic() - begun < SECONDS_MAX
    assert process.returncode == 1
    assert process.stderr == ""
    first, second = process.stdout.splitlines()[0:3:2]
    assert first.startswith("problem  redis ")
    assert second.startswith("problem  database ")
    assert "problem  probe" in process.stdout
    assert PASSWORD not in process.stdout


# Settings


@pytest.mark.parametrize(
    ("environ", "finding"),
    [
        ({"ZEXA_WEBHOOK_SECRET": ""}, "ZEXA_WEBHOOK_SECRET is not set"),
        ({"ZEXA_WEBHOOK_SECRETS": "abc"}, "did you mean ZEXA_WEBHOOK_SECRET?"),
        ({"DATABASE_URL": "mysql://somebody:secret@host/name"}, "DATABASE_URL names mysql"),
        ({"REDIS_URL": "http://host", "ZEXA_BATCH_SIZE": "0"}, "REDIS_URL is not a redis:// or rediss:// URL; ZEXA_B"),
    ],
)
def test_a_wrong_setting(house: Installation, environ: dict[str, str], finding: str) -> None:
    answer = house.doctor(**environ)
    assert_first(answer, "settings", finding, "correct it in the environment")
