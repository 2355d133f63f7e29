"""`zexa-sync opt-outs scrub`: every row goes, as it is, to exactly one file, and no opted-out person into `clean`."""

import errno
import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from sqlalchemy import URL

from models.database import open_database
from sync.events.addresses import AddressProblem
from sync.events.raw import RawEvent
from sync.opt_outs import scrub_file
from sync.opt_outs.scrub_file import Files, ScrubCounts, ScrubScope, scrub
from sync.queue.connection import open_queue
from sync.queue.jobs import enqueue
from sync.store.apply import apply
from sync.suppression import Lookup
from sync.terminal.csv_file import NOT_READABLE, named, opened_csv
from sync.terminal.csv_records import read_records
from sync.terminal.csv_write import written_together
from tests.conftest import NOW, migrate
from tests.support.events_builder import ANA, AO, RUI, body, minute, patient, raw

Scrub = Callable[..., Result]

NAMES = ("clean.csv", "removed.csv", "invalid.csv")
UNREADABLE = b"the row cannot be read or has not the columns of the header"
ARGUMENTS = ("--out", NAMES[0], "--removed", NAMES[1], "--invalid", NAMES[2])


@pytest.fixture
def command(
    command_line: Callable[..., Result], migrated_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Scrub:
    """Scrubs the content given, in a folder of its own, after ANA has opted out."""
    opt_out(migrated_url, "sms")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def run(content: bytes, *options: str, column: str = "phone") -> Result:
        Path("in.csv").write_bytes(content)
        return command_line("opt-outs", "scrub", "in.csv", "--column", column, *ARGUMENTS, *options)

    return run


def opt_out(url: URL, channel: str) -> None:
    engine = open_database(url)
    apply(engine, [raw(body("message.optout", minute(1), to=ANA, channel=channel))], options=AO, now=NOW)
    engine.dispose()


def written() -> list[bytes]:
    return [Path(name).read_bytes() for name in NAMES]


def nothing_written() -> bool:
    return os.listdir() == ["in.csv"]


def test_each_row_goes_as_it_is_to_one_of_three_files_that_all_have_the_header(command: Scrub) -> None:
    result = command(
        b'name,phone,"note, more"\r\n'
        b'"Ana ""A"" S", (912) 345-678,x\r\n'
        b"Rui,+244923000111,y\r\n"
        b'"Eva\r\nof two lines",923000112,\r\n'
        b"Nobody,,z\r\n"
    )
    assert result.exit_code == 0, result.output
    head = b'name,phone,"note, more"\r\n'
    assert written() == [
        head + b'Rui,+244923000111,y\r\n"Eva\r\nof two lines",923000112,\r\n',
        head + b'"Ana ""A"" S", (912) 345-678,x\r\n',
        b'name,phone,"note, more",invalid_reason\r\nNobody,,z,no address\r\n',
    ]
    *counts, as_of = result.stdout.splitlines()
    numbers = [["clean", "2", NAMES[0]], ["removed", "1", NAMES[1]], ["invalid", "1", NAMES[2]]]
    assert [line.split() for line in counts] == numbers
    assert as_of.startswith("As of 20")


def test_counts_as_json(command: Scrub) -> None:
    begun = datetime.now(UTC)
    document = json.loads(command(b"phone\n912345678\n923000111\n923000112\nx\n", "--json").stdout)
    assert begun <= datetime.fromisoformat(document.pop("as_of")) <= datetime.now(UTC)
    assert document == {
        "rows": 4,
        "clean": {"rows": 2, "file": NAMES[0]},
        "removed": {"rows": 1, "file": NAMES[1]},
        "invalid": {"rows": 1, "file": NAMES[2]},
        "held_by": None,
    }


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_the_one_with_which_the_header_has_the_column(command: Scrub, delimiter: str) -> None:
    rows = [["a, b; c|d\te", "phone"], ["1", "912345678"], ["2", "923000111"]]
    lines = [delimiter.join([f'"{row[0]}"', row[1]]).encode() + b"\n" for row in rows]
    assert command(b"".join(lines)).exit_code == 0
    of_invalid = lines[0].replace(b"\n", f"{delimiter}invalid_reason\n".encode())
    assert written() == [lines[0] + lines[2], lines[0] + lines[1], of_invalid]


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [("utf-8", b""), ("utf-8", b"\xef\xbb\xbf"), ("utf-16-le", b"\xff\xfe"), ("utf-16-be", b"\xfe\xff")],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_byte_order_mark_encoding_and_line_ends_stay(command: Scrub, encoding: str, mark: bytes, end: str) -> None:
    lines = ("nome;phone", "Ança;912345678", "Zoë;923000111", "Bé;x", "nome;phone;invalid_reason", "Bé;x;no address")
    header, ana, rui, bad, of_invalid, bad_with_reason = (f"{line}{end}".encode(encoding) for line in lines)
    assert command(mark + header + ana + bad + rui).exit_code == 0
    assert written() == [mark + header + rui, mark + header + ana, mark + of_invalid + bad_with_reason]


def test_bytes_that_are_no_utf_8_survive_and_are_no_address(command: Scrub) -> None:
    head = b"n\xe3o,phone\n"
    assert command(head + b"Jos\xe9,923000111\nx,923\xff000111\n").exit_code == 0
    of_invalid = b"n\xe3o,phone,invalid_reason\nx,923\xff000111,too long or no text\n"
    assert written() == [head + b"Jos\xe9,923000111\n", head, of_invalid]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (b"Rui", UNREADABLE),  # too short to have the column
        (b"", UNREADABLE),
        (b'"Rui"x,923000111', UNREADABLE),
        (b'Rui,923000111,"open', UNREADABLE),
        (b"Silva, Rui,923000111,", b"no address"),  # something moved the columns: more fields than the header has
        (b"Rui,923000111,,more", UNREADABLE),
        (b"Rui,923000111.0", b"a decimal number"),
        (b"Rui,9.23000111E+8", b"an extension or a second number"),
        (b"Rui,923000111;923000112", b"two addresses"),
        (b"Rui,923000111 Ana,", b"an extension or a second number"),
        (b'"' + b"long " * 40_000 + b'",923000111', UNREADABLE),
    ],
)
def test_what_cannot_be_read_is_never_clean_and_takes_no_other_row_with_it(
    command: Scrub, row: bytes, why: bytes
) -> None:
    head, good = b"name,phone,note\n", b"Eva,923000112,\n"
    assert command(head + good + row + b"\n" + good).exit_code == 0
    of_invalid = b"name,phone,note,invalid_reason\n"
    assert written() == [head + good + good, head, of_invalid + row + b"," + why + b"\n"]


def test_surplus_fields_that_are_blank_do_no_harm(command: Scrub) -> None:
    assert command(b"phone\n923000111,, \n", "--delimiter", ",").exit_code == 0
    assert written()[0] == b"phone\n923000111,, \n"


def test_the_last_row_needs_no_line_end_and_a_file_no_rows(command: Scrub) -> None:
    assert command(b"phone\n912345678").exit_code == 0
    assert written() == [b"phone\n", b"phone\n912345678", b"phone,invalid_reason\n"]
    assert command(b"phone\nx").exit_code == 0
    assert written() == [b"phone\n", b"phone\n", b"phone,invalid_reason\nx,no address\n"]
    assert command(b"phone").exit_code == 0
    assert written() == [b"phone", b"phone", b"phone,invalid_reason\n"]


@pytest.mark.parametrize("content", [b"", b"\n", b"number\n1\n", b"phone,phone\n1,2\n", b"Phone,PHONE\n1,2\n"])
def test_without_just_one_such_column_nothing_is_written(command: Scrub, content: bytes) -> None:
    result = command(content)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert nothing_written()


def test_a_column_is_found_in_any_case_and_between_blanks(command: Scrub) -> None:
    assert command(b"x; Phone \n1;912345678\n").exit_code == 0
    assert written()[1] == b"x; Phone \n1;912345678\n"


def test_a_scope_may_be_asked_for(command: Scrub) -> None:
    command(b"phone\n912345678\n", "--channel", "whatsapp")
    assert written() == [b"phone\n912345678\n", b"phone\n", b"phone,invalid_reason\n"]


def test_a_stale_answer_writes_nothing_unless_it_is_allowed(command: Scrub, redis: Redis) -> None:
    received = datetime.now(UTC) - timedelta(minutes=5)
    stop = body("message.optout", received, to=RUI)
    enqueue(open_queue(redis), [RawEvent(body=stop, received_at=received)], at_front=True)
    result = command(b"phone\n912345678\n923000111\n")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "nothing was written" in result.stderr
    assert "waits in the queue" in result.stderr
    assert nothing_written()
    result = command(b"phone\n912345678\n923000111\n", "--allow-stale")
    assert result.exit_code == 0
    assert written()[1] == b"phone\n912345678\n"  # who is known to have opted out is removed all the same
    assert "waits in the queue" in result.stdout


@pytest.mark.parametrize("name", ["REDIS_URL", "DATABASE_URL"])
@pytest.mark.parametrize("options", [(), ("--allow-stale",)])
def test_where_a_store_is_away_nothing_is_written(
    command: Scrub, monkeypatch: pytest.MonkeyPatch, name: str, options: tuple[str, ...]
) -> None:
    monkeypatch.setenv(name, {"REDIS_URL": "redis", "DATABASE_URL": "postgres"}[name] + "://127.0.0.1:1/0")
    result = command(b"phone\n912345678\n", *options)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "did not answer; nothing was written" in result.stderr
    assert nothing_written()


def test_a_store_that_goes_away_meanwhile_leaves_nothing(
    command: Scrub, monkeypatch: pytest.MonkeyPatch, migrated_url: URL
) -> None:
    monkeypatch.setattr(scrub_file, "ROWS_PER_LOOK", 2)
    before = Lookup.check

    def check(self: Lookup, *arguments: object) -> object:
        engine = open_database(migrated_url)
        with engine.begin() as connection:
            # On PostgreSQL the views that read it go too.
            cascade = " CASCADE" if engine.dialect.name == "postgresql" else ""
            connection.exec_driver_sql(f"DROP TABLE IF EXISTS opt_outs{cascade}")
        engine.dispose()
        return before(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Lookup, "check", check)
    assert command(b"phone\n" + b"923000111\n" * 10).exit_code == 1
    assert nothing_written()


def test_what_was_there_stays_where_the_run_fails_or_is_stopped(
    command: Scrub, monkeypatch: pytest.MonkeyPatch
) -> None:
    command(b"phone\n923000111\n")
    before = written()
    for failure in (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), None):

        def fail(*_arguments: object, failure: OSError | None = failure) -> None:
            if failure:
                raise failure
            os.kill(os.getpid(), signal.SIGINT)

        monkeypatch.setattr(scrub_file, "require_fresh", fail)
        result = command(b"phone\n912345678\n")
        assert result.exit_code == 1
        assert "nothing was written" in result.stderr
        assert written() == before
        assert sorted(os.listdir()) == sorted(["in.csv", *NAMES])


def test_an_exception_leaves_no_file(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), written_together([tmp_path / "a", tmp_path / "b"]) as files:
        files[0].write(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [
        ("--out", "in.csv"),
        ("--removed", "clean.csv"),
        ("--invalid", "./removed.csv"),
        ("--out", "link.csv"),
        ("--out", "hard.csv"),
        ("--removed", "/dev/null"),
    ],
)
def test_no_file_is_written_that_is_read_or_written_already(command: Scrub, options: tuple[str, ...]) -> None:
    Path("in.csv").touch()
    Path("link.csv").symlink_to("in.csv")
    Path("hard.csv").hardlink_to("in.csv")
    content = b"phone\n923000111\n"
    assert command(content, *options).exit_code == 2
    assert Path("in.csv").read_bytes() == content
    assert sorted(os.listdir()) == ["hard.csv", "in.csv", "link.csv"]


def test_a_folder_that_is_not_there_is_one_line(command: Scrub) -> None:
    result = command(b"phone\n923000111\n", "--out", "nowhere/clean.csv")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert nothing_written()


def test_a_file_keeps_its_permissions_and_a_link_its_place(command: Scrub) -> None:
    Path("kept.csv").touch(mode=0o600)
    Path("clean.csv").symlink_to("kept.csv")
    assert command(b"phone\n923000111\n").exit_code == 0
    assert Path("clean.csv").is_symlink()
    assert Path("kept.csv").read_bytes() == b"phone\n923000111\n"
    assert Path("kept.csv").stat().st_mode & 0o777 == 0o600


def test_more_rows_than_one_look_takes_stay_in_order(command: Scrub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrub_file, "ROWS_PER_LOOK", 7)
    lines = [f"{ANA if number % 3 else f'9230001{number:02}'}\n".encode() for number in range(50)]
    assert command(b"phone\n" + b"".join(lines)).exit_code == 0
    assert written() == [
        b"phone\n" + b"".join(lines[::3]),
        b"phone\n" + b"".join(line for number, line in enumerate(lines) if number % 3),
        b"phone,invalid_reason\n",
    ]


# Any file


@contextmanager
def opened_lookup(folder: Path, redis: Redis) -> Iterator[Lookup]:
    url = URL.create("sqlite", database=str(folder / "any.db"))
    migrate(url)
    opt_out(url, "sms")
    engine = open_database(url, is_read_only=True)
    yield Lookup(engine, open_queue(redis), default_region="AO")
    engine.dispose()


cells = st.one_of(
    st.text(st.sampled_from('ab,;|\t"\n\r 9é\udce9\u2028\0.'), max_size=6),
    st.sampled_from(
        [
            "912345678",
            "+244 912 345 678",
            "tel:912345678",
            "\uff19\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18",
            "923000111",
            '"912345678"',
        ]
    ),
)
rows = st.lists(cells, max_size=4).map(",".join)
contents = st.lists(st.tuples(rows, st.sampled_from(["\n", "\r\n", "\r", ""])), max_size=8)


@pytest.fixture(scope="module")
def any_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("any")


REASON = re.compile(
    b",(?:" + b"|".join(re.escape(why.encode()) for why in (NOT_READABLE, *AddressProblem)) + b")(?=[\r\n])"
)


def test_of_any_file_every_row_is_in_one_output_and_no_opt_out_is_clean(any_folder: Path, redis: Redis) -> None:
    with opened_lookup(any_folder, redis) as lookup:

        @patient
        @given(contents, st.sampled_from(["", "\ufeff"]), st.integers(1, 5))
        def holds(lines: list[tuple[str, str]], mark: str, rows_per_look: int) -> None:
            text = mark + "name,phone,note\n" + "".join(row + end for row, end in lines)
            content = text.encode("utf-8", "surrogateescape")
            scrub_file.ROWS_PER_LOOK = rows_per_look
            clean, removed, invalid = scrubbed(any_folder, lookup, content)
            header = (mark + "name,phone,note\n").encode()
            of_invalid = (mark + "name,phone,note,invalid_reason\n").encode()
            headers = (header, header, of_invalid)
            outputs = (clean, removed, invalid)
            assert all(part.startswith(head) for part, head in zip(outputs, headers, strict=True))
            parts = [part.removeprefix(head) for part, head in zip(outputs, headers, strict=True)]
            parts[2] = REASON.sub(b"", parts[2])
            # A last row without a line end has one behind its reason.
            last = [parts[2], parts[2].removesuffix(b"\n")]
            assert any(is_a_merge(content.removeprefix(header), [*parts[:2], rows]) for rows in last)
            # Read again, each output has only rows of its kind.
            assert scrubbed(any_folder, lookup, clean) == [clean, header, of_invalid]
            assert scrubbed(any_folder, lookup, removed) == [header, removed, of_invalid]
            assert scrubbed(any_folder, lookup, invalid)[0] == of_invalid
            for _, _, fields in list(read_records(iter(lines_of(clean)), ","))[1:]:
                assert fields
                assert not lookup.is_suppressed(fields[1])

        try:
            holds()
        finally:
            scrub_file.ROWS_PER_LOOK = 20_000


def scrubbed(folder: Path, lookup: Lookup, content: bytes) -> list[bytes]:
    source, *paths = (folder / name for name in ("any.csv", *NAMES))
    source.write_bytes(content)
    asked = ScrubScope(channel=None, sender=None, max_staleness=timedelta(minutes=1))
    with (
        opened_csv(source, named("phone"), column_text="phone", delimiter=",") as file,
        written_together(paths) as (clean, removed, invalid),
    ):
        files = Files(clean=clean, removed=removed, invalid=invalid)
        counts: ScrubCounts = scrub(lookup, file, files, asked, lambda _counts: None)
    assert counts.rows == counts.clean + counts.removed + counts.invalid
    return [path.read_bytes() for path in paths]


def lines_of(content: bytes) -> list[str]:
    text = content.decode("utf-8-sig", "surrogateescape")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1] or [text]


def is_a_merge(whole: bytes, parts: list[bytes]) -> bool:
    """Whether `whole` is the pieces of `parts`, each in its order, without one lost or added."""
    reachable = {(0, 0, 0)}
    for byte in whole:
        reachable = {
            tuple(at + (which == index) for index, at in enumerate(places))  # type: ignore[misc]
            for places in reachable
            for which in range(3)
            if places[which] < len(parts[which]) and parts[which][places[which]] == byte
        }
    return tuple(map(len, parts)) in reachable
