"""`zexa-sync opt-outs` import and export: files only ever add opt-outs, and the same file twice adds nothing."""

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL, Engine, delete, select

from models.database import open_database
from models.tables import HISTORY, OPT_OUTS
from sync.cli import main
from sync.opt_outs import import_file
from sync.opt_outs.import_file import ImportCounts, import_opt_outs
from sync.opt_outs.import_rows import Defaults
from sync.opt_outs.remove import Resubscription, resubscribe
from sync.store.apply import apply
from sync.terminal.csv_file import named, opened_csv
from tests.conftest import NOW, migrate
from tests.support.events_builder import ANA, AO, RECEIVED, RUI, body, minute, patient, raw

Command = Callable[..., Result]

BY = ("--by", "Maria")


@pytest.fixture
def command(migrated_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `opt-outs` on the test's database, in a folder of its own."""
    monkeypatch.setenv("DATABASE_URL", migrated_url.render_as_string(hide_password=False))
    for name in ("ZEXA_DEFAULT_REGION", "DYNO", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return lambda *arguments: CliRunner().invoke(main, ["opt-outs", *arguments], catch_exceptions=False)


def imported(command: Command, content: str | bytes, *options: str) -> dict[str, int]:
    """Import `content`; return the counts that are not 0."""
    Path("in.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    result = command("import", "in.csv", *BY, "--json", *options)
    counts = json.loads(result.stdout)
    assert result.exit_code == (1 if counts["invalid"] else 0)
    assert counts.pop("rows") == sum(counts.values())
    return {name: number for name, number in counts.items() if number}


def table(engine: Engine, selected: Any) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(selected).order_by(*selected.primary_key)).mappings()]


def everything(engine: Engine) -> list[list[dict[str, Any]]]:
    return [table(engine, OPT_OUTS), table(engine, HISTORY)]


def stop(engine: Engine, at: datetime, received: datetime = RECEIVED, **data: object) -> None:
    apply(engine, [raw(body("message.optout", at, to=ANA, **data), received)], options=AO, now=NOW)


def remove(engine: Engine, at: datetime) -> None:
    stated = Resubscription(channel=None, sender=None, by="Rosa", reason="form")
    with engine.begin() as connection:
        resubscribe(connection, [ANA], stated, clock=lambda: at, default_region="AO")


def test_a_file_opts_out_with_scope_time_and_reason_and_who_says_so(engine: Engine, command: Command) -> None:
    content = "name,phone,Channel,sender,opted_out_at,reason\nAna,912345678,SMS,A,2026-06-24T11:01+01:00,by post\n"
    assert imported(command, content) == {"new": 1}
    (row,), (noted,) = everything(engine)
    assert row["opted_out_at"] == row["received_at"] == noted["occurred_at"] == minute(1)
    for record in (row, noted):
        assert [record[name] for name in ("channel", "address", "sender", "source")] == ["sms", ANA, "A", "import"]
    assert (row["note"], noted["reason"], noted["stated_by"], noted["kind"]) == ("by post",) * 2 + (
        "Maria",
        "opted_out",
    )


@pytest.mark.parametrize("name", ["address", "Phone", " EMAIL ", "recipient", "to"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_column_with_the_addresses_is_found(command: Command, name: str, delimiter: str) -> None:
    assert imported(command, f"\ufeffx{delimiter}{name}\r\n1{delimiter}912345678\r\n") == {"new": 1}


def test_another_column_may_be_named_and_none_is_wrong_use(engine: Engine, command: Command) -> None:
    assert imported(command, "telefone\n912345678\n", "--column", "Telefone") == {"new": 1}
    for content in ("telefone\n923000111\n", "", "address,address\n1,2\n", "to,reason,Reason\n912345679,,\n"):
        Path("in.csv").write_text(content)
        result = command("import", "in.csv", *BY)
        assert (result.exit_code, result.stdout) == (2, "")
    assert len(table(engine, OPT_OUTS)) == 1
    assert command("import", "in.csv").exit_code == 2  # who says so?


def test_options_hold_where_a_row_says_nothing(engine: Engine, command: Command) -> None:
    content = "to,channel,sender,opted_out_at\n912345678,,,\n923000111,whatsapp,B,2026-06-24T10:02Z\n"
    options = ("--channel", "sms", "--sender", "A", "--at", minute(1).isoformat())
    assert imported(command, content, *options) == {"new": 2}
    rows = [(row["channel"], row["address"], row["sender"], row["opted_out_at"]) for row in table(engine, OPT_OUTS)]
    assert rows == [("sms", ANA, "A", minute(1)), ("whatsapp", RUI, "B", minute(2))]


def test_a_reason_holds_where_a_row_gives_none(engine: Engine, command: Command) -> None:
    content = "to,reason\n912345678,by post\n923000111,\n"
    assert imported(command, content, "--reason", "list of the shop") == {"new": 2}
    assert {row["address"]: row["reason"] for row in table(engine, HISTORY)} == {
        ANA: "by post",
        RUI: "list of the shop",
    }


@pytest.mark.parametrize(
    "times", [("", ""), ("2026-06-24T10:01Z", "2026-06-24T10:02Z"), ("", "2099-01-01"), ("2099-01-01", "")]
)
def test_a_file_imported_twice_changes_nothing_and_adds_no_history(
    engine: Engine, command: Command, times: tuple[str, str]
) -> None:
    content = "to,opted_out_at\n" + "".join(f"{to},{at}\n" for to in (ANA, RUI, "ana@example.com") for at in times)
    imported(command, content)
    before = everything(engine)
    assert imported(command, content) == {"unchanged": 6}
    assert everything(engine) == before


def test_who_opts_out_at_a_time_that_lies_ahead_has_opted_out_now(engine: Engine, command: Command) -> None:
    begun = datetime.now(UTC)
    assert imported(command, f"to,opted_out_at\n{ANA},2099-01-01\n") == {"new": 1}
    (row,), (noted,) = everything(engine)
    assert begun <= row["opted_out_at"] == noted["occurred_at"] <= datetime.now(UTC)


def test_a_row_that_may_mean_either_of_two_persons_opts_out_both(engine: Engine, command: Command) -> None:
    imported(command, "to\n951234567\n")
    assert {row["address"] for row in table(engine, OPT_OUTS)} == {"+244951234567", "+951234567"}


def test_a_file_never_clears_or_weakens_an_opt_out(engine: Engine, command: Command) -> None:
    stop(engine, minute(5), message_id="m1")
    before = everything(engine)
    content = (
        f"to,opted_out_at,opted_in_at\n{ANA},2026-06-24T10:01Z,\n{ANA},,\n{ANA},2026-06-24T10:01Z,2026-06-24T11:00Z\n"
    )
    assert imported(command, content) == {"unchanged": 2, "ended": 1}
    assert everything(engine) == before
    assert imported(command, f"to,opted_out_at\n{ANA},2026-06-24T10:06Z\n") == {"later": 1}
    (row,) = table(engine, OPT_OUTS)
    assert (row["opted_out_at"], row["opted_in_at"], row["source"]) == (minute(6), None, "import")


def test_a_row_with_a_time_does_not_undo_a_later_re_subscription_and_one_without_does(
    engine: Engine, command: Command
) -> None:
    stop(engine, minute(1))
    assert command("remove", ANA, *BY, "--reason", "form").exit_code == 0
    assert imported(command, f"to,opted_out_at\n{ANA},2026-06-24T10:02Z\n") == {"ended": 1}
    assert imported(command, f"to,opted_out_at\n{ANA},2026-06-24T10:02Z\n") == {"ended": 1}
    assert len(table(engine, HISTORY)) == 3  # it said something new once
    assert imported(command, f"to\n{ANA}\n") == {"later": 1}
    (row,) = table(engine, OPT_OUTS)
    assert row["opted_out_at"] > row["opted_in_at"]


def test_a_row_counts_by_its_time_also_where_a_stop_claims_to_be_later(engine: Engine, command: Command) -> None:
    """The STOP was received before it was ended, though it says that it was made afterwards."""
    stop(engine, minute(110), received=minute(30))
    remove(engine, minute(60))
    for at, counts in ((50, {"ended": 1}), (90, {"later": 1}), (90, {"unchanged": 1})):
        assert imported(command, f"to,opted_out_at\n{ANA},{minute(at).isoformat()}\n") == counts
    (row,) = table(engine, OPT_OUTS)
    assert (row["opted_out_at"], row["received_at"], row["source"]) == (minute(110), minute(90), "event")


def test_a_re_subscription_without_an_opt_out_holds_for_a_row_with_an_earlier_time(
    engine: Engine, command: Command
) -> None:
    remove(engine, minute(60))
    content = f"to,opted_out_at\n{ANA},{minute(50).isoformat()}\n"
    assert imported(command, content) == {"ended": 1}
    before = everything(engine)
    (row,) = before[0]
    assert (row["opted_out_at"], row["opted_in_at"]) == (minute(50), minute(60))
    assert imported(command, content) == {"ended": 1}
    assert everything(engine) == before
    assert imported(command, f"to\n{ANA}\n") == {"later": 1}


def test_invalid_rows_are_told_by_line_and_kept_as_they_are_and_the_others_are_taken(
    engine: Engine, command: Command
) -> None:
    unreadable = b"the row cannot be read or has not the columns of the header"
    bad = {
        b"Ana": b"the address is none: no address",
        b",sms,,": b"the address is none: no address",
        b"x912345678,,,": b"the address is none: no address",
        b"923000111;923000112,,,": b"the address is none: two addresses",
        b"923000111,,yesterday,": b"opted_out_at is no time such as 2026-06-24T10:05:00Z",
        b'"923000\n111",,,"\0"': b"reason is no text that can be kept",
        b"923000112,\xff,,": b"channel is no text that can be kept",
        b"923000113,email,,": b"the address is none: an address of another channel",
        b'"923000111"x,,,': unreadable,
    }
    header = b"to,channel,opted_out_at,reason"
    Path("in.csv").write_bytes(b"".join(line + b"\n" for line in (header, b"912345678,,,", *bad)))
    result = command("import", "in.csv", *BY, "--invalid", "bad.csv")
    assert result.exit_code == 1
    lines = [header + b",invalid_reason", *(line + b"," + why for line, why in bad.items())]
    assert Path("bad.csv").read_bytes() == b"".join(line + b"\n" for line in lines)
    assert [line.split(": ")[0] for line in result.stderr.splitlines()] == [
        f"line {n}" for n in (3, 4, 5, 6, 7, 8, 10, 11, 12)
    ]
    assert all(number not in result.output for number in ("912345678", "923000"))
    assert [row["address"] for row in table(engine, OPT_OUTS)] == [ANA]
    assert sorted(os.listdir()) == ["bad.csv", "in.csv"]
    assert command("import", "in.csv", *BY, "--invalid", "in.csv").exit_code == 2


def test_a_channel_of_no_known_name_in_a_row_names_none(engine: Engine, command: Command) -> None:
    assert imported(command, "to,channel\n912345678,Whats App\n923000111,no channel\n") == {"new": 2}
    assert [(row["channel"], row["address"]) for row in table(engine, OPT_OUTS)] == [("", RUI), ("whatsapp", ANA)]


def test_many_invalid_rows_are_told_by_their_number(command: Command) -> None:
    Path("in.csv").write_text("to\n" + "x\n" * 100)
    assert command("import", "in.csv", *BY).stderr.splitlines()[-1] == "and 80 more"


def test_a_large_file_is_taken_in_several_transactions(
    engine: Engine, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_file, "ROWS_PER_TRANSACTION", 7)
    content = "to\n" + "".join(f"9230001{number % 30:02}\n" for number in range(50))
    assert imported(command, content) == {"new": 30, "unchanged": 20}
    assert len(table(engine, HISTORY)) == 30


def test_what_is_exported_is_imported_as_it_was(engine: Engine, command: Command) -> None:
    stop(engine, minute(1), channel="sms", message_id="m1", **{"from": 'Z,"A'})
    assert command("add", "ana@example.com", *BY, "--reason", "a\nreason; as it is").exit_code == 0
    assert command("add", RUI, *BY).exit_code == 0
    assert command("remove", RUI, *BY, "--reason", "form").exit_code == 0
    assert command("export", "some.csv").exit_code == command("export", "--all", "all.csv").exit_code == 0
    assert command("export", "--all").stdout_bytes == Path("all.csv").read_bytes()
    before = everything(engine)
    for name, counts in (("some.csv", {"unchanged": 2}), ("all.csv", {"unchanged": 2, "ended": 1})):
        assert imported(command, Path(name).read_bytes()) == counts
    assert everything(engine) == before
    with engine.begin() as connection:
        connection.execute(delete(OPT_OUTS))
    assert imported(command, Path("all.csv").read_bytes()) == {"new": 2, "ended": 1}
    names = ("channel", "address", "sender", "opted_out_at", "note")
    in_force = [row for row in before[0] if row["address"] != RUI]
    again = [{name: row[name] for name in names} for row in table(engine, OPT_OUTS)]
    assert again == [{name: row[name] for name in names} for row in in_force]


def test_an_export_replaces_nothing_but_files(command: Command) -> None:
    assert command("export", "/dev/null").exit_code == 2
    assert command("export", "nowhere/all.csv").exit_code == 1


# Any file

moments = st.one_of(
    st.just(""), st.integers(0, 60).map(lambda number: minute(number).isoformat()), st.sampled_from(["2099-01-01", "x"])
)
rows = st.tuples(
    st.sampled_from([ANA, "912 345 678", RUI, "x", ""]), st.sampled_from(["", "sms", "SMS"]), moments, moments
)


@pytest.fixture(scope="module")
def any_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    url = URL.create("sqlite", database=str(tmp_path_factory.mktemp("any") / "any.db"))
    migrate(url)
    engine = open_database(url)
    yield engine
    engine.dispose()


@patient
@given(st.lists(rows, max_size=12), st.integers(1, 4))
def test_any_file_twice_is_as_once_and_makes_nothing_earlier(
    any_engine: Engine, tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[str, ...]], size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("to,channel,opted_out_at,opted_in_at\n" + "".join(",".join(line) + "\n" for line in lines))
    before = {row["address"] + row["channel"]: row for row in table(any_engine, OPT_OUTS)}
    import_file.ROWS_PER_TRANSACTION = size
    try:
        first, once = read(any_engine, path), everything(any_engine)
        second, twice = read(any_engine, path), everything(any_engine)
    finally:
        import_file.ROWS_PER_TRANSACTION = 2_000
    assert once == twice
    assert (second.new, second.later, first.rows) == (0, 0, len(lines))
    for row in once[0]:
        old = before.get(row["address"] + row["channel"])
        assert old is None or row["opted_out_at"] >= old["opted_out_at"]
        assert old is None or row["received_at"] >= old["received_at"]


def read(engine: Engine, path: Path) -> ImportCounts:
    defaults = Defaults(by="Maria", channel="", sender="", at=None, default_region="AO")
    with opened_csv(path, named("to"), column_text="to", delimiter=",") as file:
        return import_opt_outs(
            engine,
            file,
            defaults,
            clock=lambda: datetime.now(UTC),
            on_invalid=lambda _record, _why: None,
            on_batch=lambda _counts: None,
        )
