"""`zexa-sync opt-outs remove`: a re-subscription ends what was received before it, and nothing later."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from models.tables import OPT_OUTS
from sync.dead_letters.find import LetterSelection
from sync.dead_letters.replay import replay
from sync.opt_outs.remove import AHEAD_SECONDS_MAX, Resubscription, resubscribe, resubscribe_patiently
from sync.store.dead_letters import NewDeadLetter, keep_dead_letters
from tests.conftest import NOW
from tests.integration.opt_outs.commands import BY, SPELLED, STATED, WHY, Command, give, history, status, stop, table
from tests.support.events_builder import ANA, AO, RUI, body, minute, raw

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
    assert [(row["address"], row["channel"], row["sender"]) for row in noted] == [(ANA, None, None)]
    assert {row["occurred_at"] for row in noted} == moments
    assert {(row["source"], row["stated_by"], row["reason"]) for row in noted} == {("manual", *STATED.values())}


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
    lines = [line for line in result.stdout.splitlines() if line.startswith(ANA)]
    assert "remains in force: sms, any sender, since 2026-06-24 10:01:00Z (event)" in lines[1]
    assert f"received at {received:%Y-%m-%d %H:%M:%S}" in lines[2]
    assert "clock" in lines[2]
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
        (outcome,) = removing.result()
    assert (len(outcome.ended), outcome.in_force, outcome.ahead) == (1, [], [])


def test_a_re_subscription_and_its_history_are_one_transaction(engine: Engine, command: Command) -> None:
    give(engine, stop(minute(1)))
    stated = Resubscription(channel=None, sender=None, by="Maria", reason="form")
    with engine.connect() as connection:
        resubscribe(connection, [ANA], stated, clock=lambda: NOW, default_region="AO")
        connection.rollback()
    assert status(command, ANA) == ["suppressed"]
    assert [row["kind"] for row in history(engine)] == ["opted_out"]
