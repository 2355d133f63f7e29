"""`zexa-sync opt-outs` check, add, remove and list: what people ask and state of opt-outs, on both databases."""

import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result
from redis import Redis
from sqlalchemy import URL, Engine, select

from models.tables import HISTORY, OPT_OUTS
from sync.cli import main
from sync.dead_letters.find import LetterSelection
from sync.dead_letters.replay import replay
from sync.devtools.dev.embedded import RedisServer
from sync.events.raw import RawEvent
from sync.opt_outs.remove import AHEAD_SECONDS_MAX, Resubscription, resubscribe, resubscribe_patiently
from sync.queue.connection import open_queue
from sync.queue.jobs import enqueue
from sync.store.apply import apply
from sync.store.dead_letters import NewDeadLetter, keep_dead_letters
from tests.conftest import NOW
from tests.events_builder import ANA, AO, RECEIVED, RUI, body, minute, raw

Command = Callable[..., Result]

STATED = {"by": "Maria", "reason": "asked by phone"}
BY = ("--by", STATED["by"])
WHY = (*BY, "--reason", STATED["reason"])
SPELLED = "(912) 345-678"


@pytest.fixture
def command(migrated_url: URL, redis: Redis, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `opt-outs` on the test's database and an empty Redis."""
    assert redis.dbsize() == 0
    monkeypatch.setenv("DATABASE_URL", migrated_url.render_as_string(hide_password=False))
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    for name in ("ZEXA_DEFAULT_REGION", "REDIS_TLS_VERIFY", "DYNO"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments, **given: CliRunner().invoke(
        main, ["opt-outs", *arguments], catch_exceptions=False, **given
    )


def stop(at: datetime, to: str = ANA, **data: object) -> bytes:
    return body("message.optout", at, to=to, **data)


def give(engine: Engine, *bodies: bytes, received: datetime = RECEIVED) -> None:
    apply(engine, [raw(one, received) for one in bodies], options=AO, now=NOW)


def table(engine: Engine, of: Any) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(of)).mappings()]


def history(engine: Engine) -> list[dict[str, Any]]:
    return sorted(table(engine, HISTORY), key=lambda row: row["id"])


def status(command: Command, *arguments: str) -> list[str]:
    return [one["status"] for one in json.loads(command("check", "--json", *arguments).stdout)["results"]]


# check


def test_a_look_up_allows_only_where_every_address_is_allowed(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1), channel="sms"))
    assert [command("check", *given).exit_code for given in ((RUI,), (RUI, SPELLED), ("Ana",), (ANA,))] == [0, 1, 1, 1]


def test_a_look_up_says_the_status_the_address_and_the_opt_out(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1), channel="sms", message_id="m1"))
    names, first, second, third, as_of = command("check", SPELLED, RUI, "Ana").stdout.splitlines()
    assert names.split() == ["status", "given", "address", "opt-out"]
    assert first.split(maxsplit=4)[0] == "suppressed"
    assert ANA in first
    assert "sms, any sender, since 2026-06-24 10:01:00Z (event, message m1)" in first
    assert second.split() == ["allowed", RUI, RUI, "-"]
    assert third.split() == ["invalid", "Ana", "-", "-"]
    assert as_of.startswith("As of 20")


def test_a_look_up_as_json_has_an_answer_for_each_address_in_order(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1), channel="sms", message_id="m1", **{"from": "A"}))
    begun = datetime.now(UTC)
    document = json.loads(command("check", "--json", RUI, SPELLED).stdout)
    assert begun <= datetime.fromisoformat(document.pop("as_of")) <= datetime.now(UTC)
    match = {"channel": "sms", "sender": "A", "since": "2026-06-24T10:01:00Z", "source": "event", "message_id": "m1"}
    assert document == {
        "held_by": None,
        "results": [
            {"input": RUI, "address": RUI, "status": "allowed", "match": None},
            {"input": SPELLED, "address": ANA, "status": "suppressed", "match": match},
        ],
    }


def test_a_narrower_scope_must_be_asked_for(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1), channel="sms", **{"from": "A"}))
    assert status(command, ANA, "--channel", "SMS", "--sender", "A") == ["suppressed"]
    assert status(command, ANA, "--channel", "whatsapp") == ["allowed"]
    assert status(command, ANA, "--sender", "B") == ["allowed"]


def test_addresses_may_come_from_standard_input_one_a_line(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1)))
    lines = b"\xef\xbb\xbf912345678\r\n\r\n" + RUI.encode() + b"\n\xff912345678"
    result = command("check", "-", "--json", input=lines)
    assert [one["status"] for one in json.loads(result.stdout)["results"]] == ["suppressed", "allowed", "invalid"]
    assert command("check", "-", input=b"\n").exit_code == 2


def test_what_holds_a_look_up_back_is_told_and_nobody_is_allowed(command: Command, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=5)
    enqueue(open_queue(redis), [RawEvent(body=stop(received), received_at=received)], at_front=True)
    result = command("check", RUI)
    assert (result.exit_code, result.stdout.splitlines()[1].split()[0]) == (1, "unknown")
    assert "waits in the queue" in result.stdout.splitlines()[-1]
    assert command("check", RUI, "--max-staleness", "360").exit_code == 0


def test_where_a_store_is_away_nobody_is_allowed(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    result = command("check", RUI)
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (1, "As of unknown: Redis did not answer.")
    monkeypatch.setenv("DATABASE_URL", "postgres://127.0.0.1:1/zexa")
    assert command("check", RUI).stdout.splitlines()[-1] == "As of unknown: the database did not answer."


# add


def test_an_opt_out_by_a_persons_word_holds_at_once_and_is_kept_with_who_and_why(
    engine: Engine, command: Command
) -> None:
    begun = datetime.now(UTC)
    result = command("add", SPELLED, *WHY)
    assert (result.exit_code, result.stdout) == (0, f"{ANA}  opted out (any channel, any sender)\n")
    (row,) = table(engine, OPT_OUTS)
    assert begun <= row["opted_out_at"] <= datetime.now(UTC)
    assert (row["address"], row["channel"], row["sender"], row["source"]) == (ANA, "", "", "manual")
    (noted,) = history(engine)
    assert (noted["kind"], noted["source"], noted["stated_by"]) == ("opted_out", "manual", STATED["by"])
    assert (noted["reason"], noted["digest"], noted["occurred_at"]) == (STATED["reason"], None, row["opted_out_at"])
    assert status(command, ANA) == ["suppressed"]


def test_an_opt_out_may_name_its_scope_and_its_time(engine: Engine, command: Command) -> None:
    scope = ("--channel", "Email", "--sender", " news ", "--at", "2026-06-24T11:01:00+01:00")
    assert command("add", " Ana@Example.com", *BY, *scope).exit_code == 0
    (row,) = table(engine, OPT_OUTS)
    assert (row["address"], row["channel"], row["sender"]) == ("ana@example.com", "email", "news")
    assert (row["opted_out_at"], row["note"]) == (minute(1), None)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("Ana", "no address"),
        ("12", "no telephone number has this country code and length"),
        ("", "no address"),
        ("912345678 923000111", "an extension or a second number"),
        ("912345678;923000111", "two addresses"),
        ("\udcff912345678", "too long or no text"),
        ("9" * 1100, "too long or no text"),
    ],
)
def test_what_is_no_address_is_refused_without_being_repeated_and_nothing_is_recorded(
    engine: Engine, command: Command, bad: str, why: str
) -> None:
    result = command("add", ANA, bad, *BY)
    assert (result.exit_code, result.stdout) == (2, "")
    what = "address 2 of 2 is no number, e-mail address or Slack id"
    assert result.stderr == f"Error: {what}: {why}; nothing was recorded\n"
    assert table(engine, OPT_OUTS) == history(engine) == []


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--by", " "),
        (*BY, "--at", "yesterday"),
        (*BY, "--at", "1999-01-01"),
        (*BY, "--channel", "no channel"),
        (*BY, "--channel", "fax"),
        (*BY, "--reason", "\udcff"),
    ],
)
def test_wrong_use_records_nothing(engine: Engine, command: Command, options: tuple[str, ...]) -> None:
    assert command("add", ANA, *options).exit_code == 2
    assert history(engine) == []


def test_an_opt_out_at_a_time_ahead_counts_as_now(engine: Engine, command: Command) -> None:
    begun = datetime.now(UTC)
    assert command("add", ANA, *BY, "--at", "2099-01-01").exit_code == 0
    (row,) = table(engine, OPT_OUTS)
    assert begun <= row["opted_out_at"] == row["received_at"] <= datetime.now(UTC)
    assert command("remove", ANA, *WHY).exit_code == 0
    assert status(command, ANA) == ["allowed"]


def test_an_opt_out_never_weakens_one_that_stands(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(5), message_id="m1"))
    before = table(engine, OPT_OUTS)
    result = command("add", ANA, *BY, "--at", minute(1).isoformat())
    assert (result.exit_code, result.stdout.split()[1]) == (0, "unchanged:")
    assert table(engine, OPT_OUTS) == before
    assert [noted["source"] for noted in history(engine)] == ["event", "manual"]  # it was said all the same


def test_an_opt_out_earlier_than_a_re_subscription_is_not_in_force_and_says_so(command: Command) -> None:
    command("add", ANA, *BY)
    command("remove", ANA, *WHY)
    result = command("add", ANA, *BY, "--at", minute(1).isoformat())
    assert (result.exit_code, result.stdout.split("  ")[1][:12]) == (1, "not in force")
    assert status(command, ANA) == ["allowed"]


# remove


def test_a_re_subscription_ends_every_scope_of_an_address_in_any_spelling(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1), channel="sms", **{"from": "A"}), stop(minute(2)), stop(minute(3), RUI))
    begun = datetime.now(UTC)
    result = command("remove", SPELLED, "912 345 678", *WHY)
    assert (result.exit_code, result.stdout.splitlines()) == (
        0,
        [
            f"{ANA}  ended: any channel, any sender, since 2026-06-24 10:02:00Z (event)",
            f"{ANA}  ended: sms, sender A, since 2026-06-24 10:01:00Z (event)",
        ],
    )
    assert status(command, ANA, RUI) == ["allowed", "suppressed"]
    ended = [row for row in table(engine, OPT_OUTS) if row["address"] == ANA]
    moments = {row["opted_in_at"] for row in ended}
    assert all(begun <= moment <= datetime.now(UTC) for moment in moments)
    noted = [row for row in history(engine) if row["kind"] == "opted_in"]
    assert [(of["address"], of["channel"], of["sender"]) for of in noted] == [(ANA, None, None)]
    assert {of["occurred_at"] for of in noted} == moments
    assert {(of["source"], of["stated_by"], of["reason"]) for of in noted} == {("manual", *STATED.values())}


def test_a_narrowed_re_subscription_says_what_remains_in_force(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1), channel="sms"), stop(minute(2), channel="whatsapp"), stop(minute(3)))
    result = command("remove", ANA, *WHY, "--channel", "sms")
    assert (result.exit_code, [line.split("  ")[1] for line in result.stdout.splitlines()]) == (
        0,
        [
            "ended: sms, any sender, since 2026-06-24 10:01:00Z (event)",
            "remains in force: any channel, any sender, since 2026-06-24 10:03:00Z (event)",
            "remains in force: whatsapp, any sender, since 2026-06-24 10:02:00Z (event)",
        ],
    )
    assert status(command, ANA) == ["suppressed"]


def test_a_re_subscription_with_nothing_to_end_is_a_negative_answer_and_noted_all_the_same(
    engine: Engine, command: Command
) -> None:
    give(engine, stop(minute(1)))
    assert command("remove", ANA, *WHY, "--channel", "sms").stdout.splitlines()[0] == f"{ANA}  nothing to end"
    result = command("remove", RUI, ANA, *WHY)
    assert (result.exit_code, result.stdout.splitlines()[0]) == (1, f"{RUI}  nothing to end: no opt-out is in force")
    assert command("remove", ANA, *WHY).exit_code == 1  # it is ended already
    noted = [(row["kind"], row["address"], row["channel"]) for row in history(engine)]
    assert noted[:2] == [("opted_out", ANA, ""), ("opted_in", ANA, "sms")]
    assert sorted(noted[2:]) == [("opted_in", ANA, None), ("opted_in", ANA, None), ("opted_in", RUI, None)]


def test_a_re_subscription_holds_for_an_opt_out_that_was_received_before_and_is_applied_later(
    engine: Engine, command: Command
) -> None:
    received = datetime.now(UTC) - timedelta(seconds=1)
    assert command("remove", SPELLED, *WHY).exit_code == 1
    give(engine, stop(minute(1), message_id="m1"), received=received)
    give(engine, body("message.optout", None, message_id="m2"), received=received)
    give(engine, body("message.delivered", minute(1), message_id="m2", to=ANA, channel="sms"))
    assert [row["channel"] for row in table(engine, OPT_OUTS)] == ["", "sms"]
    assert status(command, ANA) == ["allowed"]


@pytest.mark.parametrize("is_applied_first", [True, False])
def test_a_re_subscription_holds_under_every_spelling_whether_the_opt_out_is_applied_before_or_after(
    engine: Engine, command: Command, is_applied_first: bool
) -> None:
    """An opt-out on a channel without numbers stands as it was spelled, and a look-up asks for that too."""
    stops = [
        stop(minute(1), "912345678", channel="slack"),
        stop(minute(1), "Ana@Example.com", channel="slack"),
        stop(minute(1), "+5215512345678", channel="whatsapp"),
    ]
    if is_applied_first:
        give(engine, *stops)
    command("remove", "912345678", "Ana@Example.com", "+52 55 1234 5678", *WHY)
    if not is_applied_first:
        give(engine, *stops)
    stands = sorted(row["address"] for row in table(engine, OPT_OUTS))
    assert stands == ["+5215512345678", "912345678", "ana@example.com"]
    assert status(command, "912345678", "Ana@Example.com", "+5215512345678", "+525512345678") == ["allowed"] * 4


def test_a_narrow_re_subscription_holds_for_no_other_opt_out_that_is_applied_later(
    engine: Engine, command: Command
) -> None:
    received = datetime.now(UTC) - timedelta(seconds=1)
    command("remove", ANA, *WHY, "--channel", "sms", "--sender", "A")
    scopes = [("sms", "A"), ("sms", "B"), ("whatsapp", "A"), (None, "A"), ("sms", None)]
    for number, (channel, sender) in enumerate(scopes):
        give(engine, stop(minute(1), message_id=f"m{number}", channel=channel, from_=sender), received=received)
    ended = {(row["channel"], row["sender"]) for row in table(engine, OPT_OUTS) if row["opted_in_at"]}
    assert ended == {("sms", "A")}
    assert len(table(engine, OPT_OUTS)) == len(scopes)


@pytest.mark.parametrize("options", [BY, WHY[2:], (), ("--by", "", "--reason", " ")])
def test_a_re_subscription_needs_who_and_why(engine: Engine, command: Command, options: tuple[str, ...]) -> None:
    give(engine, stop(minute(1)))
    assert command("remove", ANA, *options).exit_code == 2
    assert status(command, ANA) == ["suppressed"]


@pytest.mark.parametrize("bad", ["", " ", "\udcff912345678", "9" * 1100])
def test_what_could_be_no_address_ends_nothing(engine: Engine, command: Command, bad: str) -> None:
    give(engine, stop(minute(1)))
    result = command("remove", ANA, bad, *WHY)
    assert (result.exit_code, result.stdout) == (2, "")
    assert status(command, ANA) == ["suppressed"]


@pytest.mark.parametrize("claimed", [minute(1), datetime(2050, 1, 1, tzinfo=UTC), None])
def test_a_stop_received_later_opts_out_again_whatever_time_it_claims_and_one_received_earlier_does_not(
    engine: Engine, command: Command, claimed: datetime | None
) -> None:
    def stop_of(message_id: str) -> bytes:
        return body("message.optout", claimed, to=ANA, message_id=message_id)

    before = datetime.now(UTC)
    give(engine, stop_of("m1"), received=before)
    assert command("remove", ANA, *WHY).exit_code == 0
    give(engine, stop_of("m2"), received=before)
    assert status(command, ANA) == ["allowed"]
    give(engine, stop_of("m3"), received=datetime.now(UTC))
    assert status(command, ANA) == ["suppressed"]
    assert command("remove", ANA, *WHY).exit_code == 0
    assert command("add", ANA, *BY).exit_code == 0
    assert status(command, ANA) == ["suppressed"]


@pytest.mark.parametrize("claimed", [minute(1), None])
def test_a_copy_of_a_stop_does_not_opt_out_anew(engine: Engine, command: Command, claimed: datetime | None) -> None:
    content = body("message.optout", claimed, to=ANA, message_id="m1")
    give(engine, content)
    assert command("remove", ANA, *WHY).exit_code == 0
    give(engine, content, received=datetime.now(UTC))
    assert status(command, ANA) == ["allowed"]


def test_a_replay_of_a_stop_does_not_opt_out_anew(engine: Engine, command: Command) -> None:
    """What counts is when it was received, also of a dead letter that a later version can read."""
    content = stop(minute(1), message_id="m1")
    with engine.begin() as connection:
        keep_dead_letters(connection, [NewDeadLetter(raw(content), "refused", "a mistake of ours")], AO)
    assert command("remove", ANA, *WHY).exit_code == 1
    (replayed,) = replay(engine, LetterSelection(), options=AO)
    assert replayed.verdict == "applied"
    assert (len(table(engine, OPT_OUTS)), status(command, ANA)) == (1, ["allowed"])


# Clocks that are ahead


def test_an_opt_out_that_claims_to_be_later_than_now_ends_at_once(engine: Engine, command: Command) -> None:
    claimed = datetime.now(UTC) + timedelta(hours=12)
    give(engine, stop(claimed, message_id="m1"), received=datetime.now(UTC))
    begun = time.monotonic()
    assert command("remove", ANA, *WHY).exit_code == 0
    assert time.monotonic() - begun < 2
    (row,) = table(engine, OPT_OUTS)
    assert row["opted_out_at"] == claimed
    assert row["opted_in_at"] <= datetime.now(UTC)
    assert status(command, ANA) == ["allowed"]
    assert command("add", ANA, *BY).exit_code == 0  # a person's word holds all the same
    assert status(command, ANA) == ["suppressed"]


def test_an_opt_out_received_by_a_clock_that_is_ahead_is_waited_for_and_ends(engine: Engine, command: Command) -> None:
    received = datetime.now(UTC) + timedelta(seconds=1.5)
    give(engine, stop(minute(1)), received=received)
    result = command("remove", ANA, *WHY)
    assert (result.exit_code, result.stdout.split("  ")[1][:6]) == (0, "ended:")
    (row,) = table(engine, OPT_OUTS)
    assert received < row["opted_in_at"] <= datetime.now(UTC)
    assert status(command, ANA) == ["allowed"]


def test_an_opt_out_received_by_a_clock_that_is_far_ahead_stays_in_force_and_the_command_says_so(
    engine: Engine, command: Command
) -> None:
    received = datetime.now(UTC) + timedelta(seconds=AHEAD_SECONDS_MAX + 60)
    give(engine, stop(minute(1), channel="sms"), received=received)
    give(engine, stop(minute(2), RUI))
    begun = datetime.now(UTC)
    result = command("remove", ANA, RUI, *WHY)
    assert result.exit_code == 1
    said = [line for line in result.stdout.splitlines() if line.startswith(ANA)]
    assert "remains in force: sms, any sender, since 2026-06-24 10:01:00Z (event)" in said[1]
    assert f"received at {received:%Y-%m-%d %H:%M:%S}" in said[2]
    assert "clock" in said[2]
    assert f"{RUI}  ended:" in result.stdout
    assert status(command, ANA, RUI) == ["suppressed", "allowed"]
    # It is never stated for a time that is still to come, and holds for what it can.
    ends = [row["occurred_at"] for row in history(engine) if row["kind"] == "opted_in"]
    assert len(ends) == 2
    assert all(begun <= end <= datetime.now(UTC) for end in ends)
    give(engine, stop(minute(3), channel="email", message_id="m3"), received=begun)
    in_force = [row for row in table(engine, OPT_OUTS) if row["address"] == ANA and row["channel"] == "email"]
    assert in_force[0]["opted_in_at"] is not None


def test_an_opt_out_that_is_said_now_holds_though_it_was_ended_by_a_clock_that_is_ahead(
    engine: Engine, command: Command
) -> None:
    ahead = datetime.now(UTC) + timedelta(minutes=10)
    stated = Resubscription(channel=None, sender=None, by="Maria", reason="form")
    with engine.begin() as connection:
        resubscribe(connection, [ANA], stated, clock=lambda: ahead, default_region="AO")
    assert command("add", ANA, *BY).exit_code == 0
    (row,) = table(engine, OPT_OUTS)
    assert row["opted_out_at"] == row["received_at"] == row["opted_in_at"] == ahead
    assert status(command, ANA) == ["suppressed"]


def test_an_opt_out_beyond_the_scope_is_not_waited_for(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1), channel="sms"))
    give(engine, stop(minute(1), channel="email"), received=datetime.now(UTC) + timedelta(seconds=4))
    begun = time.monotonic()
    assert command("remove", ANA, *WHY, "--channel", "sms").exit_code == 0
    assert time.monotonic() - begun < 2


def test_who_waits_for_a_clock_keeps_nobody_from_opting_out(engine: Engine) -> None:
    give(engine, stop(minute(1)), received=datetime.now(UTC) + timedelta(seconds=3))
    stated = Resubscription(channel=None, sender=None, by="Maria", reason="form")
    with ThreadPoolExecutor(1) as pool:
        removing = pool.submit(resubscribe_patiently, engine, [ANA], stated, default_region="AO")
        time.sleep(0.5)
        give(engine, stop(minute(1), RUI))
        assert not removing.done()
        (of,) = removing.result()
    assert (len(of.ended), of.in_force, of.ahead) == (1, [], [])


def test_a_re_subscription_and_its_history_are_one_transaction(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1)))
    stated = Resubscription(channel=None, sender=None, by="Maria", reason="form")
    with engine.connect() as connection:
        resubscribe(connection, [ANA], stated, clock=lambda: NOW, default_region="AO")
        connection.rollback()
    assert status(command, ANA) == ["suppressed"]
    assert [row["kind"] for row in history(engine)] == ["opted_out"]


# list


def test_opt_outs_are_listed_the_latest_first_masked_and_counted(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1), channel="sms"), stop(minute(2), RUI))
    command("add", "ana@example.com", *BY, "--reason", f"she has {ANA} too", "--at", minute(3).isoformat())
    lines = command("list").stdout.splitlines()
    assert lines[0] == "Opt-outs in force: 3"
    assert lines[1].split("  ")[0] == "opted out"
    assert [line.split()[4 - 1] for line in lines[2:5]] == ["a…@example.com", "+244…111", "+244…678"]
    assert "she has +244…678 too" in lines[2]
    assert lines[5] == "By channel: any 2, sms 1"
    assert all(address not in "\n".join(lines) for address in (ANA, RUI))
    assert RUI in command("list", "--show-addresses").stdout


def test_opt_outs_are_listed_by_scope_source_time_and_whether_they_are_in_force(
    engine: Engine, command: Command
) -> None:
    give(engine, stop(minute(1), channel="sms", **{"from": "A"}), stop(minute(2), RUI))
    command("add", "ana@example.com", *BY, "--at", minute(3).isoformat())
    command("remove", RUI, *WHY)

    def listed(*options: str) -> list[str]:
        document = json.loads(command("list", "--json", "--show-addresses", *options).stdout)
        assert document["count"] == sum(document["channels"].values())
        return [row["address"] for row in document["opt_outs"]]

    assert listed() == ["ana@example.com", ANA]
    assert listed("--all") == ["ana@example.com", RUI, ANA]
    assert listed("--all", "--limit", "1") == ["ana@example.com"]
    assert listed("--channel", "sms") == listed("--sender", "A") == [ANA]
    assert listed("--source", "manual") == ["ana@example.com"]
    assert listed("--since", minute(2).isoformat()) == ["ana@example.com"]
    assert command("list", "--channel", "telegram").stdout == "No opt-outs.\n"
    assert command("list", "--channel", "fax").exit_code == 2


def test_opt_outs_as_json_are_masked_unless_asked_for(engine: Engine, command: Command) -> None:
    content = stop(minute(1), channel="sms", message_id="m1")
    give(engine, content)
    document = json.loads(command("list", "--json").stdout)
    (row,) = document["opt_outs"]
    assert row.pop("updated_at")
    assert row == {
        "channel": "sms",
        "address": "+244…678",
        "sender": "",
        "opted_out_at": "2026-06-24T10:01:00Z",
        "opted_in_at": None,
        "received_at": "2026-06-24T12:00:00Z",
        "source": "event",
        "message_id": "m1",
        "note": None,
        "opt_out_id": hashlib.sha256(content).hexdigest(),
        "person": "+244…678",
        "is_in_force": True,
    }
    command("add", RUI, *BY)
    shown = command("list", "--json").stdout
    assert RUI not in shown
    assert RUI in command("list", "--json", "--show-addresses").stdout


def test_a_database_that_is_away_is_one_line(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://127.0.0.1:1/zexa")
    for arguments in (("list",), ("add", ANA, *BY), ("remove", ANA, *WHY)):
        result = command(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.count("\n") == 1
        assert ANA not in result.stderr
