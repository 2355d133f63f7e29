"""`zexa-sync reconcile`: whom it asks for, how often, what it merges, and what it says when it cannot."""

import json
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import Engine, text

from sync.devtools.fake_provider.account import FakeFault
from sync.events.raw import RawEvent
from sync.provider import retries
from sync.provider.ask import Asker
from sync.provider.client import ProviderClient
from sync.provider.silent_messages import AskSelection, find_due
from sync.queue.connection import open_queue
from sync.queue.counted import read_counts
from sync.settings.provider import ProviderSettings
from sync.store.apply import apply
from tests.integration.provider.asking import KEY, Command, ids_file, message_answer, statuses
from tests.support.events_builder import ANA, AO, body, minute, rows
from tests.support.fake_provider import FakeProvider
from tests.support.forked import Forked, run_forked
from tests.support.processes import wait_for

# So many messages are asked for through a kill in the middle. The demand is 10,000, which take minutes.
IDS = int(os.environ.get("ZEXA_TEST_RECONCILE_IDS", "100"))


def deliver(engine: Engine, *bodies: bytes, at: datetime | None = None) -> None:
    now = at or datetime.now(UTC)
    apply(engine, [RawEvent(body=content, received_at=now) for content in bodies], options=AO, now=now)


def stop_of(message_id: str, **data: str) -> bytes:
    """All that is known of such a message is an opt-out."""
    return body("message.optout", minute(1), message_id=message_id, to=ANA, **data)


def an_hour_later(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE asked_messages SET asked_at = :then"), {"then": _ago(hours=1)})


def _ago(**parts: float) -> str:
    return (datetime.now(UTC) - timedelta(**parts)).replace(tzinfo=None).isoformat(sep=" ")


def test_messages_without_a_final_status_get_it_known_ones_and_ids_of_a_file(
    engine: Engine, command: Command, provider: FakeProvider, tmp_path: Path, redis: Redis
) -> None:
    deliver(engine, stop_of("known"), body("message.delivered", minute(1), message_id="done"))
    provider.account.messages = {
        "known": message_answer("known", "delivered", 5),
        "lost": message_answer("lost", "failed", 6, error_code="30003"),
        "under way": message_answer("under way", "sent", 7),
        "odd": message_answer("odd", "unknown"),
    }
    file = ids_file(tmp_path, "lost", "done", "under way", "odd", "nobody's", "lost", "")
    result = command("--ids", file, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {
        **{"is_done": True, "due": 5, "asked": 5, "repaired": 2, "unchanged": 0, "unfinished": 1, "unknown": 1},
        **{"not_understood": 1, "failed": 0, "asked_just_now": 0, "rows_without_id": 1},
    }
    assert statuses(engine) == {
        "known": ("delivered", minute(5)),
        "done": ("delivered", minute(1)),
        "lost": ("failed", minute(6)),
        "under way": ("sent", minute(7)),
    }
    opted_out = {row["message_id"]: row["opted_out_at"] for row in rows(engine, "message_status")}
    assert opted_out == {"known": minute(1), "done": None, "lost": None, "under way": None}
    assert read_counts(open_queue(redis)).totals["reconciled"] == 2


def test_no_message_is_asked_for_twice_within_an_hour_and_those_that_are_final_never(
    engine: Engine, command: Command, provider: FakeProvider, tmp_path: Path
) -> None:
    provider.account.messages = {"a": message_answer("a", "sent"), "b": message_answer("b", "delivered")}
    file = ids_file(tmp_path, "a", "b", "c", column="id")
    assert command("--ids", file).exit_code == 0
    again = command("--ids", file)
    assert again.exit_code == 0
    assert again.stdout == "Nothing to ask for now: 2 messages asked for within the last hour.\n"
    assert provider.account.asked_ids == ["a", "b"]
    an_hour_later(engine)
    assert command("--ids", file).exit_code == 0
    assert provider.account.asked_ids == ["a", "b", "a"]


def test_of_two_runs_side_by_side_each_asks_for_what_the_other_did_not(engine: Engine, provider: FakeProvider) -> None:
    names = [f"m{number}" for number in range(6)]
    provider.account.messages = {name: message_answer(name, "sent") for name in names}
    due = find_due(engine, AskSelection(ids=names), datetime.now(UTC)).due
    with ProviderClient(ProviderSettings.read(provider.settings)) as client:
        for part in (due[:4], due):
            assert Asker(engine, client, options=AO, rate=1000).ask(part)
    assert provider.account.asked_ids == names


def test_known_messages_are_chosen_by_campaign_and_by_when_they_were_heard_of(
    engine: Engine, command: Command, provider: FakeProvider
) -> None:
    then = datetime.now(UTC) - timedelta(days=2)
    deliver(engine, stop_of("old", campaign_id="cmp_1"), at=then)
    deliver(engine, stop_of("new", campaign_id="cmp_1"), stop_of("other", campaign_id="cmp_2"))
    provider.account.messages = {name: message_answer(name, "sent") for name in ("old", "new", "other")}
    since = (then + timedelta(days=1)).isoformat()
    assert command("--since", since, "--campaign", "cmp_1").exit_code == 0
    assert provider.account.asked_ids == ["new"]
    assert command("--campaign", "cmp_1").exit_code == 0
    assert provider.account.asked_ids == ["new", "old"]
    assert command().exit_code == 0
    assert provider.account.asked_ids == ["new", "old", "other"]


def test_it_waits_if_the_provider_takes_no_more_requests_and_asks_for_everything(
    command: Command, provider: FakeProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "WAIT_SECONDS_MAX", 0.0)
    names = [f"m{number}" for number in range(6)]
    provider.account.messages = {name: message_answer(name, "delivered", 5) for name in names}
    provider.account.fail("GET /messages/{id}", 429, 429)
    result = command("--ids", ids_file(tmp_path, *names))
    assert result.exit_code == 0, result.output
    assert result.stderr.count("waiting 1.0 s") == 2
    assert provider.account.asked_ids == names


@pytest.mark.parametrize(
    ("faults", "words", "left"),
    [
        ([401], "does not accept the key", ["a", "b", "c", "d"]),
        ([FakeFault.REDIRECT], "leads elsewhere", ["a", "b", "c", "d"]),
        ([500] * 15, "failed to answer", ["a", "b", "c", "d"]),
    ],
)
def test_a_provider_that_does_not_answer_ends_it_and_the_next_run_goes_on(
    command: Command, provider: FakeProvider, tmp_path: Path, faults: list[int | FakeFault], words: str, left: list[str]
) -> None:
    provider.account.messages = {name: message_answer(name, "delivered", 5) for name in "abcd"}
    provider.account.fail("GET /messages/{id}", *faults)
    file = ids_file(tmp_path, *"abcd")
    result = command("--ids", file)
    assert result.exit_code == 1
    assert words in result.stderr
    assert "run the same again to go on" in result.stderr
    assert KEY not in result.output
    assert ANA not in result.output
    assert command("--ids", file).exit_code == 0
    assert provider.account.asked_ids == left


def test_one_message_that_fails_stops_no_other(command: Command, provider: FakeProvider, tmp_path: Path) -> None:
    provider.account.messages = {name: message_answer(name, "delivered", 5) for name in "abcd"}
    provider.account.fail("GET /messages/{id}", *[FakeFault.PAGE])
    result = command("--ids", ids_file(tmp_path, *"abcd"), "--json")
    assert (result.exit_code, json.loads(result.stdout)["failed"]) == (1, 1)
    assert provider.account.asked_ids == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("environment", "header", "words"),
    [
        ({"ZEXA_API_KEY": ""}, "id", "ZEXA_API_KEY is not set"),
        ({"REDIS_URL": ""}, "id", "REDIS_URL is not set"),
        ({}, "telephone", "message_id or messageId or id"),
    ],
)
def test_wrong_use_is_said_before_anything_is_asked(
    command: Command, provider: FakeProvider, tmp_path: Path, environment: dict[str, str], header: str, words: str
) -> None:
    result = command("--ids", ids_file(tmp_path, "a", column=header), **environment)
    assert (result.exit_code, words in result.stderr) == (2, True), result.output
    assert not provider.account.requests


def test_a_kill_in_the_middle_makes_no_message_be_asked_for_twice(
    engine: Engine, environ: dict[str, str], provider: FakeProvider, tmp_path: Path
) -> None:
    account = provider.account
    names = [f"msg_{number}" for number in range(IDS)]
    account.messages = {name: message_answer(name, "delivered", 5) for name in names}
    account.limit_per_second = max(40, IDS // 100)  # so that it must wait more than once
    words = ["python", "-m", "sync", "reconcile", "--ids", ids_file(tmp_path, *names), "--rate", "1000", "--json"]

    first = Forked(words, env=os.environ | environ)
    wait_for(lambda: len(account.asked_ids) > IDS // 3, seconds=1800, what="a third to be asked for")
    first.kill()
    first.wait()
    asked_before = len(account.asked_ids)
    assert asked_before < IDS
    second = run_forked(words, env=os.environ | environ, timeout=1800)
    document = json.loads(second.stdout)
    assert second.returncode == 0
    assert {name: count for name, count in Counter(account.asked_ids).items() if count > 1} == {}
    # What was under way may be lost, and nothing else is.
    assert IDS - 1 <= len(account.asked_ids) <= IDS
    final = sum(status == "delivered" for status, _ in statuses(engine).values())
    assert IDS - 1 <= final <= IDS
    assert document["asked"] + asked_before == len(account.asked_ids)
