"""`zexa-sync outages`: what it names of an outage, and how a person resolves it. On both databases."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from sqlalchemy import Engine, insert

from models.tables import OUTAGES
from sync.cli import main
from sync.events.raw import RawEvent
from sync.provider.outages.in_redis import REACHABLE
from sync.provider.outages.resolve import resolve
from sync.queue.counts import LATEST_KEY
from sync.rollups.compact import compact
from sync.store.apply import merge, read
from tests.support.doctors import doctor
from tests.support.events_builder import AO, body

Run = Callable[..., Result]
# The outage lasted from two hours ago until 71 minutes ago: 49 minutes, of which the first 13 cost events.
NOW = datetime.now(UTC).replace(microsecond=0)


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


def seconds_text(time: datetime) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ")


@pytest.fixture
def environ(engine: Engine, redis: Redis) -> dict[str, str]:
    options = redis.connection_pool.connection_kwargs
    url = engine.url.render_as_string(hide_password=False).replace("postgresql+psycopg", "postgresql")
    return {
        "DATABASE_URL": url,
        "REDIS_URL": f"redis://{options['host']}:{options['port']}/0",
        "ZEXA_WEBHOOK_SECRET": "a secret of the tests",
    }


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    return lambda *words: CliRunner().invoke(main, ["outages", *words], env=environ)


def shown(run: Run, *words: str) -> Any:
    result = run(*words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def record(engine: Engine, began: datetime, ended: datetime | None) -> None:
    with engine.begin() as connection:
        connection.execute(insert(OUTAGES).values(began_at=began, ended_at=ended, kind="no_process"))


def apply(engine: Engine, *bodies: bytes, at: datetime) -> None:
    """Apply `bodies` as if that had been done `at` a time."""
    raw_events = [RawEvent(body=each, received_at=at) for each in bodies]
    merge(engine, read(raw_events, AO), options=AO, now=at)


def campaign_messages(engine: Engine, delivered: int, total: int) -> None:
    apply(
        engine,
        body("campaign.sent", ago(130), campaign_id="cmp_1", name="Saldos", messages=total),
        *(
            body("message.delivered", ago(60), message_id=f"msg_{number}", campaign_id="cmp_1")
            for number in range(delivered)
        ),
        at=ago(50),
    )


def test_an_outage_is_named_with_its_campaigns_and_the_ids_without_a_status(
    engine: Engine, run: Run, tmp_path: Path
) -> None:
    record(engine, ago(120), ago(71))
    campaign_messages(engine, delivered=7, total=10)
    file = tmp_path / "sent.csv"
    rows = [f"msg_{number},{ago(119 if number < 9 else 80).isoformat()}" for number in range(10)]
    file.write_text("\n".join(["id,sent_at", *rows, "msg_without_a_time,", ","]))
    document = shown(run, "--ids", str(file))
    (outage,) = document["outages"]
    (window,) = outage["lost_first_tried"]
    assert datetime.fromisoformat(window["until"]) == ago(71 + 36)
    ids = document["ids"]
    assert ids["without_status"] == ["msg_7", "msg_8", "msg_without_a_time"]
    assert (ids["given"], ids["with_status"], ids["sent_later"]) == (11, 7, 1)
    assert [(campaign["campaign_id"], campaign["silent"]) for campaign in outage["campaigns"]] == [("cmp_1", 3)]
    text = run("--ids", str(file)).output
    expected = (
        f"unreachable {seconds_text(ago(120))} to {seconds_text(ago(71))} (49 min); "
        f"events first tried before {seconds_text(ago(107))} had their last try inside it"
    )
    assert expected in text
    assert "Saldos  10        3" in text
    assert "can be neither named nor asked for" in text


def test_the_usual_number_of_stops_is_that_of_the_same_hours_of_earlier_weeks(engine: Engine, run: Run) -> None:
    week = timedelta(weeks=1)
    for weeks, stops in ((1, 3), (2, 1), (3, 0)):
        at = ago(115) - weeks * week
        names = [f"week {weeks} person {number}" for number in range(stops)]
        bodies = [
            body("message.optout", message_id=name, to=f"person{place}@example.com", channel="email")
            for place, name in enumerate(names)
        ]
        # One that is not of these hours, and gives the day a message.
        late = body("message.delivered", at, message_id=f"msg_{weeks}")
        apply(engine, *bodies, late, at=at)
    compact(engine)
    record(engine, ago(120), ago(71))
    (outage,) = shown(run)["outages"]
    # Of the third week only a part of the first day is known.
    assert outage["usual_opt_outs"] == [3, 1]
    assert "2.0 (in the weeks before: 3, 1)" in run().output


def test_an_outage_is_a_problem_until_a_person_resolves_it(
    engine: Engine, run: Run, environ: dict[str, str], redis: Redis
) -> None:
    redis.zadd(LATEST_KEY, {REACHABLE: datetime.now(UTC).timestamp()})
    record(engine, ago(120), ago(71))
    record(engine, ago(30), ago(29))
    assert doctor(environ).status("outages") == "problem"
    result = run("resolve", "1", "--by", "Ana", "--reason", "imported the list")
    assert (result.exit_code, result.output) == (0, "Resolved 1 outage.\n")
    assert doctor(environ).status("outages") == "ok"
    first, second = shown(run)["outages"]
    assert (first["resolved_by"], first["resolved_reason"], second["resolved_by"]) == ("Ana", "imported the list", None)
    assert "by Ana: imported the list" in run().output
    assert run("resolve", "--by", "Rui", "--reason", "all").output == "Resolved 1 outage.\n"
    assert [outage["resolved_by"] for outage in shown(run)["outages"]] == ["Ana", "Rui"]


def test_of_two_people_who_resolve_an_outage_at_once_the_first_is_kept(engine: Engine, run: Run) -> None:
    record(engine, ago(120), ago(71))

    def by(name: str) -> list[int]:
        with engine.begin() as connection:
            return resolve(connection, [1], by=name, reason="done", now=NOW)

    with ThreadPoolExecutor(1) as threads:
        with engine.begin() as connection:
            assert resolve(connection, [1], by="Ana", reason="imported the list", now=NOW) == [1]
            second = threads.submit(by, "Rui")
            time.sleep(0.3)  # the second one has looked, and waits for the row or for the file
        assert second.result() == []
    (outage,) = shown(run)["outages"]
    assert outage["resolved_by"] == "Ana"


def test_an_outage_that_lasts_or_is_not_there_cannot_be_resolved(engine: Engine, run: Run) -> None:
    record(engine, ago(120), ago(71))
    record(engine, ago(30), None)
    for number, words in (("2", "outage 2 still lasts"), ("3", "there is no outage 3")):
        result = run("resolve", "1", number, "--by", "Ana", "--reason", "done")
        assert result.exit_code == 1
        assert words in result.output
    assert run("resolve", "1", "--by", " ", "--reason", "done").exit_code == 2
    assert [outage["resolved_at"] for outage in shown(run)["outages"]] == [None, None]


def test_an_outage_that_nobody_has_recorded_is_shown_by_the_marks(run: Run, redis: Redis) -> None:
    assert shown(run) == {"outages": [], "ids": None, "redis_answers": True}
    began = datetime.now(UTC) - timedelta(seconds=14)
    redis.zadd(LATEST_KEY, {REACHABLE: began.timestamp()})
    (outage,) = shown(run)["outages"]
    assert (outage["number"], outage["ended_at"], outage["is_unresolved"]) == (None, None, False)
    assert "nothing is lost if it ends within 35 min" in run().output


def test_outages_are_shown_since_a_time_and_old_ones_only_if_they_cost_something(engine: Engine, run: Run) -> None:
    day = 24 * 60
    record(engine, ago(90 * day), ago(90 * day - 1))
    record(engine, ago(60 * day), ago(59 * day))
    record(engine, ago(40), ago(39))
    assert [outage["number"] for outage in shown(run)["outages"]] == [2, 3]
    assert [outage["number"] for outage in shown(run, "--since", "2001-01-01")["outages"]] == [1, 2, 3]
    assert [outage["number"] for outage in shown(run, "--since", ago(50).isoformat())["outages"]] == [3]


def test_other_pauses_between_tries_lose_other_events(engine: Engine, run: Run) -> None:
    record(engine, ago(40), ago(39))
    (outage,) = shown(run, "--retries", "1s,5s,30s")["outages"]
    assert outage["lost_first_tried"][0]["until"] == (ago(39) - timedelta(seconds=36)).isoformat().replace(
        "+00:00", "Z"
    )
    assert run("--retries", "soon").exit_code == 2


def test_a_file_without_ids_is_refused_in_a_line(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "sent.csv"
    file.write_text("phone\n912345678\n")
    result = run("--ids", str(file))
    assert result.exit_code == 1
    assert "no column named message_id" in result.output
    assert "912345678" not in result.output
