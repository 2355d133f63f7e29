"""`zexa-sync opt-outs add`: a person's word holds at once and is kept with who said it and why."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from models.tables import OPT_OUTS
from tests.integration.opt_outs.commands import BY, SPELLED, STATED, WHY, Command, give, history, status, stop, table
from tests.support.events_builder import ANA, minute

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
