"""Files and commands go by person: who opted out is not clean, no stranger is opted out, and what is none says so."""

import csv
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import Engine, select

from models.tables import HISTORY, OPT_OUTS
from sync.events.addresses import AddressProblem
from sync.store.apply import apply
from sync.terminal.csv_file import DELIMITERS, NOT_READABLE
from tests.conftest import NOW
from tests.support.events_builder import AO, clear, raw
from tests.support.people import (
    CHANNELS,
    EMAIL,
    EMAIL_KEPT,
    EMAILS,
    GLUED,
    NUMBERS,
    NUMERIC_SENDERS,
    SENDERS,
    TWO_NUMBERS,
    UNREADABLE,
    stop,
)

Command = Callable[..., Result]
PERSON = "911000002"
STRANGER = "911000005"
BY = ("--by", "Maria")
WHY = (*BY, "--reason", "form 1234")
DECIMALS = ("{}.0", "{}.00", "244{}.0", "{},0")


@pytest.fixture
def command(command_line: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `opt-outs` on the test's database and an empty Redis, in a folder of its own."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return partial(command_line, "opt-outs")


def give(engine: Engine, *bodies: bytes) -> None:
    apply(engine, [raw(content) for content in bodies], options=AO, now=NOW)


def write(cells: Iterable[str], name: str = "in.csv") -> None:
    with Path(name).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["phone", "note"])
        writer.writerows([cell, place] for place, cell in enumerate(cells))


def cells(name: str) -> list[list[str]]:
    with Path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def scrubbed(command: Command, *options: str) -> dict[str, list[list[str]]]:
    names = {"out": "clean.csv", "removed": "removed.csv", "invalid": "invalid.csv"}
    files = [word for option, name in names.items() for word in (f"--{option}", name)]
    assert command("scrub", "in.csv", "--column", "phone", *files, *options).exit_code in (0, 1)
    return {option: cells(name) for option, name in names.items()}


def persons(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(select(OPT_OUTS.c.person)).scalars())


# Files


def test_nobody_who_opted_out_is_left_in_a_list_under_any_spelling(engine: Engine, command: Command) -> None:
    give(engine, stop("+244" + PERSON, channel="sms"), stop(EMAILS["name"], channel="email"))
    give(engine, *(stop(pair[place % 2], message_id=pair[0]) for place, pair in enumerate(TWO_NUMBERS.values())))
    people = [form.format(PERSON) for form in NUMBERS.values()] + list(EMAILS.values())
    people += [spelling for pair in TWO_NUMBERS.values() for number in pair for spelling in (number, number[1:])]
    write(people)
    rows = scrubbed(command)
    assert (rows["out"], rows["invalid"]) == ([], [])
    assert [row[0] for row in rows["removed"]] == people


def test_what_names_nobody_is_invalid_in_a_list_with_its_reason(engine: Engine, command: Command) -> None:
    give(engine, stop("+244" + PERSON))
    nobody = [form.format(number) for form in GLUED for number in (PERSON, STRANGER)]
    nobody += [*UNREADABLE, *(form.format(STRANGER) for form in DECIMALS), "a" * 2000]
    write(nobody)
    rows = scrubbed(command)
    assert (rows["out"], rows["removed"]) == ([], [])
    assert [row[:2] for row in rows["invalid"]] == [[cell, str(place)] for place, cell in enumerate(nobody)]
    reasons = {str(problem) for problem in AddressProblem}
    assert [row for row in rows["invalid"] if len(row) != 3 or row[2] not in reasons] == []


def test_a_reason_is_one_cell_with_any_delimiter() -> None:
    reasons = [*map(str, AddressProblem), NOT_READABLE]
    assert [reason for reason in reasons if any(sign in reason for sign in (*DELIMITERS, '"', "\n"))] == []


def test_a_list_of_two_exports_put_together_hides_nobody(engine: Engine, command: Command) -> None:
    give(engine, stop("+244" + PERSON), stop(EMAIL))
    export = f'phone,note\n{PERSON},1\n"{EMAIL}","a, b"\n'
    other = f'"{PERSON}","c, d"\n"{EMAIL}",2\n{STRANGER},3\n'
    Path("in.csv").write_text(f"\ufeff{export}\ufeff{other}\ufeff{export}", encoding="utf-8")
    rows = scrubbed(command)
    assert [row[0] for row in rows["out"]] == [STRANGER]
    assert len(rows["removed"]) == 6
    assert [row[2] for row in rows["invalid"]] == [str(AddressProblem.NO_ADDRESS)]  # the second header


def test_a_list_is_scrubbed_by_channel_and_sender_in_any_spelling(engine: Engine, command: Command) -> None:
    give(engine, stop("+244" + PERSON, channel="whatsapp", from_="ZEXA"))
    write([PERSON])
    for options in (
        *(["--sender", sender] for sender in SENDERS),
        *(["--channel", channel] for channel in CHANNELS["whatsapp"]),
    ):
        assert scrubbed(command, *options)["out"] == [], options
    assert len(scrubbed(command, "--sender", "ZEXB")["out"]) == 1
    assert len(scrubbed(command, "--channel", "sms")["out"]) == 1


def test_an_import_opts_out_who_is_meant_and_no_stranger(engine: Engine, command: Command) -> None:
    nobody = [form.format(STRANGER) for form in GLUED] + [form.format(STRANGER) for form in DECIMALS]
    nobody += UNREADABLE
    people = [form.format(PERSON) for kind, form in NUMBERS.items() if not kind.startswith("decimal")]
    people += EMAILS.values()
    write([*nobody, *people])
    result = command("import", "in.csv", *BY, "--json", "--invalid", "invalid.csv")
    counts = json.loads(result.stdout)
    assert (counts["invalid"], counts["new"], counts["unchanged"]) == (len(nobody), 2, len(people) - 2)
    assert persons(engine) == {"+244" + PERSON, EMAIL_KEPT}
    assert [row[:2] for row in cells("invalid.csv")] == [[cell, str(place)] for place, cell in enumerate(nobody)]
    reasons = {f"the address is none: {problem}" for problem in AddressProblem}
    assert [row for row in cells("invalid.csv") if row[2] not in reasons] == []


def test_an_import_of_one_person_under_two_numbers_is_one_person(engine: Engine, command: Command) -> None:
    for pair in TWO_NUMBERS.values():
        write([*pair, pair[0][1:]])
        command("import", "in.csv", *BY)
        assert persons(engine) == {min(pair, key=len)}
        write([*pair, *(number[1:] for number in pair)])
        assert scrubbed(command)["out"] == []
        clear(engine)


# Commands


@pytest.mark.parametrize("name", ["add", "remove", "list", "export", "check"])
def test_a_sender_that_is_none_is_refused(engine: Engine, command: Command, name: str) -> None:
    """It would mean the opt-outs that hold for any sender, which no person asked to end or to see alone."""
    give(engine, stop("+244" + PERSON))
    address = {"add": (PERSON, *BY), "remove": (PERSON, *WHY), "check": (PERSON,)}.get(name, ())
    for sender in ("undefined", "null", "\u200b", "\ufeff "):
        assert command(name, *address, "--sender", sender).exit_code == 2, sender
    assert command("check", PERSON).exit_code == 1


def test_what_a_person_says_holds_for_every_spelling(engine: Engine, command: Command) -> None:
    spellings = [
        [form.format(PERSON) for kind, form in NUMBERS.items() if not kind.startswith("decimal")],
        list(EMAILS.values()),
        *([*pair, pair[0][1:], pair[1][1:]] for pair in TWO_NUMBERS.values()),
    ]
    if engine.dialect.name == "postgresql":
        # Which spellings are one person's is known before any database is asked, so one database shows all of them.
        spellings = [of_one[:3] for of_one in spellings]
    for of_one in spellings:
        for stated, asked in zip(of_one, (*of_one[1:], of_one[0]), strict=True):
            assert command("add", stated, *BY).exit_code == 0, stated
            assert command("check", asked).exit_code == 1, (stated, asked)
            assert command("evidence", asked).exit_code == 0, (stated, asked)
            assert command("remove", asked, *WHY).exit_code == 0, (stated, asked)
            assert command("check", stated).exit_code == 0, (stated, asked)
            assert command("remove", stated, *WHY).exit_code == 1  # nothing is left to end
        assert len(persons(engine)) == 1
        clear(engine)


@pytest.mark.parametrize("name", ["add", "check"])
def test_who_says_something_of_nobody_is_told_so(engine: Engine, command: Command, name: str) -> None:
    for text in (*(form.format(STRANGER) for form in (*GLUED, *DECIMALS)), *UNREADABLE):
        result = command(name, *(BY if name == "add" else ()), "--", text)
        if text == "-" and name == "check":
            continue  # it reads addresses from standard input
        assert result.exit_code == (2 if name == "add" else 1), text
        words = map(str, AddressProblem) if name == "add" else ("invalid",)
        assert any(word in result.output for word in words), text
    with engine.connect() as connection:
        assert connection.execute(select(HISTORY.c.id)).all() == []


def test_one_person_given_in_several_spellings_is_ended_and_told_once(engine: Engine, command: Command) -> None:
    short, long = TWO_NUMBERS["Brazil"]
    give(engine, stop(long), stop("+244" + PERSON))
    result = command("remove", short, long, PERSON, f"00244{PERSON}", *WHY)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 2)
    with engine.connect() as connection:
        ends = connection.execute(select(HISTORY.c.person).where(HISTORY.c.kind == "opted_in")).scalars().all()
    # Beside the persons the ids of Slack that these texts may be, for a STOP that is still to be applied.
    assert sorted(ends) == sorted([short, "+244" + PERSON, PERSON, f"00244{PERSON}"])


def test_nobodys_opt_outs_are_not_ended(engine: Engine, command: Command) -> None:
    give(engine, stop("+244" + PERSON))
    for text in ("+24491*****02", "a@example.com, b@example.com", "123456789012345@lid"):
        result = command("remove", text, *WHY)
        assert (result.exit_code, result.stdout) == (2, ""), text
        assert any(str(problem) in result.stderr for problem in AddressProblem)
    for text in ("911000002/02", "undefined"):
        assert command("remove", text, *WHY, "--channel", "sms").exit_code == 2, text
    assert command("check", PERSON).exit_code == 1


def test_ending_ends_every_row_of_the_person_and_of_its_scope(engine: Engine, command: Command) -> None:
    for short, long in TWO_NUMBERS.values():
        give(engine, *(stop(number, message_id=number, channel="sms", from_="ZEXA") for number in (short, long)))
        assert command("remove", long[1:], *WHY, "--sender", "zexb").exit_code == 1
        assert command("check", short).exit_code == 1
        assert command("remove", long[1:], *WHY, "--sender", " zexa", "--channel", "S.M.S").exit_code == 0
        assert command("check", short, long).exit_code == 0
        clear(engine)


@pytest.mark.parametrize(
    "spellings",
    [SENDERS, NUMERIC_SENDERS, ("Promo\u00e7\u00e3o", "PROMO\u00c7\u00c3O"), ("+525512345678", "5215512345678")],
    ids=["name", "number", "letters beyond ASCII", "two numbers"],
)
def test_opt_outs_are_listed_exported_and_ended_by_any_spelling_of_the_sender(
    engine: Engine, command: Command, spellings: tuple[str, ...]
) -> None:
    for stated, asked in zip(spellings, (*spellings[1:], spellings[0]), strict=True):
        assert command("add", PERSON, *BY, "--sender", stated).exit_code == 0
        assert json.loads(command("list", "--json", "--sender", asked).stdout)["count"] == 1, (stated, asked)
        command("export", "out.csv", "--sender", asked)
        assert len(cells("out.csv")) == 1, (stated, asked)
        assert json.loads(command("list", "--json", "--sender", "ZEXB").stdout)["count"] == 0
        assert command("remove", PERSON, *WHY, "--sender", asked).exit_code == 0
        clear(engine)


def test_what_is_exported_is_the_same_people_when_it_is_imported(engine: Engine, command: Command) -> None:
    give(engine, stop("951234567"), stop(EMAILS["name"], channel="email"), stop("U024BE7LH", channel="slack"))
    give(engine, *(stop(pair[1], message_id=pair[0]) for pair in TWO_NUMBERS.values()))
    before = persons(engine)
    assert command("export", "out.csv").exit_code == 0
    clear(engine)
    assert command("import", "out.csv", *BY).exit_code == 0
    assert persons(engine) == before
