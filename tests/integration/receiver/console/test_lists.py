"""Lists in the console: looked at before anything happens, then scrubbed and imported as the commands do."""

import errno
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import URL, Engine, func, select, update
from werkzeug import formparser
from werkzeug.test import TestResponse

from models.database import open_database
from models.tables import AUDIT_LOG, DEAD_LETTERS, HISTORY, OPT_OUTS, TASK_FILES, TASKS
from receiver.console import lists as console_lists
from receiver.console import uploads
from sync.cli import main
from sync.devtools.dev.embedded import RedisServer
from sync.events.interpretation import ParseOptions
from sync.opt_outs import import_file
from sync.opt_outs.list_tasks import FILES_KEPT
from sync.store.apply import apply
from sync.tasks import TaskRunner
from sync.tasks.files import delete_old_files
from sync.worker.tasks import KINDS
from tests.integration.receiver.console.conftest import ANA, RUI, deliveries
from tests.integration.receiver.console.test_who_may import LIST_ACTIONS
from tests.support.consoles import Visitor

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
OPTIONS = ParseOptions(default_region="AO")
LONG = b"n" * 1_000
# ANA has opted out. What people send: a mark, semicolons, both line ends, quotes that end nowhere, NULs, Latin-1.
MIXED = (
    b"\xef\xbb\xbfnome;phone;nota\r\n"
    b'"Ana ""A"" S";(912) 345-678;x\r\n'
    b"Rui;+244 923-000-111;y\n"
    b'Eva;923000112;"never closed\n'
    b"Jo\xe3o;923000113;\r\n"
    b"N\x00L;923000114;z\n"
    b"Nobody;;\n"
    b"Two;912345678, 923000111;\n"
    b"Long;923000115;x;y\n"
    b"Zoe;923000116;" + b"n" * 140_000 + b"\n"
    b"Mia;tel:+244-912-345-678;last"
)


class Lists:
    """An operator with lists, and a worker at hand."""

    def __init__(self, visitor: Visitor, engine: Engine, migrated_url: URL) -> None:
        self.visitor, self.engine = visitor, engine
        self.reader = open_database(migrated_url, is_read_only=True)
        self.is_stop_asked: Callable[[], bool] = lambda: False

    def upload(self, content: bytes, purpose: str = "scrub", **fields: str) -> TestResponse:
        self.visitor.get("/lists")
        reason = {"reason": "list of the shop"} if purpose == "import" else {}
        return self.visitor.post("/lists", purpose=purpose, file=content, **reason, **fields)

    def work(self) -> None:
        """Do what waits, as a worker does."""
        runner = TaskRunner(self.engine, self.reader, KINDS, options=OPTIONS, is_stop_asked=self.is_stop_asked)
        while runner.do_next() and not self.is_stop_asked():
            pass

    def looked_at(self, content: bytes, purpose: str = "scrub", **fields: str) -> tuple[str, TestResponse]:
        """Upload a list and have it looked at; return its id, and the page that shows what is in it."""
        answer = self.upload(content, purpose, **fields)
        assert answer.status_code == 303, answer.text
        self.work()
        return answer.headers["Location"].rpartition("=")[2], self.visitor.follow(answer)

    def done(self, content: bytes, purpose: str = "scrub", **fields: str) -> tuple[str, TestResponse]:
        """Have a list scrubbed or imported; return the id of that task, and the page that shows what became of it."""
        look, _ = self.looked_at(content, purpose, **fields)
        answer = self.visitor.post("/list/confirm", id=look)
        self.work()
        return answer.headers["Location"].rpartition("=")[2], self.visitor.follow(answer)

    def rows(self, table: Any, *columns: str) -> list[tuple[Any, ...]]:
        query = select(*(table.c[name] for name in columns)).order_by(*table.primary_key)
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(query)]


@pytest.fixture
def lists(
    operator: Visitor, filled: Engine, migrated_url: URL, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    with filled.begin() as connection:  # what nobody could read may be an opt-out, and so holds every answer back
        connection.execute(update(DEAD_LETTERS).values(resolved_at=datetime.now(UTC)))
    lists = Lists(operator, filled, migrated_url)
    yield lists
    lists.reader.dispose()


def facts(page: str) -> dict[str, str]:
    """The terms of a page and what it says of each."""
    texts = re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", page, re.DOTALL)
    return {name: re.sub(r"<[^>]+>", "", text).strip() for name, text in texts}


def command(url: URL, monkeypatch: pytest.MonkeyPatch, *words: str) -> Any:
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False))
    monkeypatch.setenv("ZEXA_DEFAULT_REGION", "AO")
    return CliRunner().invoke(main, ["opt-outs", *words], catch_exceptions=False)


def scrubbed_by_command(
    content: bytes, column: str, url: URL, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[bytes, dict[str, int]]:
    """What `opt-outs scrub` writes, and how many rows it counts in each file."""
    (folder / "in.csv").write_bytes(content)
    names = ("out", "removed", "invalid")
    options = [text for name in names for text in (f"--{name}", str(folder / f"{name}.csv"))]
    result = command(url, monkeypatch, "scrub", str(folder / "in.csv"), "--column", column, *options, "--json")
    counts = json.loads(result.stdout)
    return (folder / "out.csv").read_bytes(), {name: counts[name]["rows"] for name in ("clean", "removed", "invalid")}


def test_a_list_comes_back_byte_for_byte_as_the_command_writes_it(
    lists: Lists, migrated_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted, counts = scrubbed_by_command(MIXED, "phone", migrated_url, tmp_path, monkeypatch)
    look, page = lists.looked_at(MIXED)
    assert [
        facts(page.text)[name] for name in ("Rows", "People who have opted out", "No address, or not readable")
    ] == [
        "10",
        "2",
        str(counts["invalid"]),
    ]
    answer = lists.visitor.post("/list/confirm", id=look)
    assert "A worker takes it in a moment" in lists.visitor.follow(answer).text
    lists.work()
    after = lists.visitor.follow(answer)
    task = answer.headers["Location"].rpartition("=")[2]
    assert lists.rows(TASKS, "kind", "state") != []
    outcome = json.loads(lists.rows(TASKS.select().where(TASKS.c.id == task).subquery(), "outcome")[0][0])
    assert {name: outcome[name] for name in counts} == counts
    assert facts(after.text)["Left out: opted out"] == "2"
    file = lists.visitor.post("/list/download", id=task)
    assert file.data == wanted
    assert wanted.startswith(b"\xef\xbb\xbfnome;phone;nota\r\nRui;")
    assert file.headers["Cache-Control"] == "no-store"
    assert file.headers["Content-Length"] == str(len(wanted))
    assert file.headers["Content-Disposition"].startswith('attachment; filename="scrubbed-')
    noted = [row for row in lists.rows(AUDIT_LOG, "name", "action", "subject") if row[1].startswith("list_")]
    assert noted == [
        ("Maria", "list_uploaded", look),
        ("Maria", "list_confirmed", task),
        ("Maria", "list_downloaded", task),
    ]


@on_sqlite
def test_an_address_on_each_line_needs_no_header_and_rows_may_be_of_any_encoding(
    lists: Lists, migrated_url: URL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = b"+244 923-000-111\r\n912345678\r\nnobody\r\nana@example.com"
    wanted, _ = scrubbed_by_command(b"phone\r\n" + lines, "phone", migrated_url, tmp_path, monkeypatch)
    task, _ = lists.done(lines)
    assert lists.visitor.post("/list/download", id=task).data == wanted.removeprefix(b"phone\r\n")
    wide = "\ufeffTelefone,x\r\n912345678,1\r\n923000111,é\r\n".encode("utf-16-le")
    wanted, _ = scrubbed_by_command(wide, "Telefone", migrated_url, tmp_path, monkeypatch)
    task, _ = lists.done(wide, column="telefone")
    assert lists.visitor.post("/list/download", id=task).data == wanted


@on_sqlite
def test_a_scope_narrows_a_scrub_as_the_commands_options_do(lists: Lists) -> None:
    content = f"phone\n{ANA}\n{RUI}\n".encode()
    for fields, left in (({}, 1), ({"channel": "SMS"}, 1), ({"channel": "whatsapp"}, 2), ({"sender": "other"}, 2)):
        task, _ = lists.done(content, **fields)
        assert lists.visitor.post("/list/download", id=task).data.count(b"\n") == left + 1, fields


def statements_and_opt_outs(engine: Engine) -> list[list[dict[str, Any]]]:
    """What is stated and what stands, without who stated it, ids, and the times of now."""
    own = {"id", "applied_at", "updated_at", "stated_by", "opt_out_id"}
    with engine.connect() as connection:
        tables = [[dict(row) for row in connection.execute(table.select()).mappings()] for table in (HISTORY, OPT_OUTS)]
    for rows in tables:
        for row in rows:
            is_now = row["address"] == RUI and row["channel"] == "email"
            for name in own | ({"occurred_at", "opted_out_at", "received_at"} if is_now else set()):
                row.pop(name, None)
    return [sorted(rows, key=repr) for rows in tables]


def test_an_import_states_what_the_commands_states_but_for_the_name(
    lists: Lists, both_engines: list[Engine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = both_engines[lists.engine.dialect.name == "postgresql"]
    same, content = deliveries(), tmp_path / "import.csv"
    for engine in (lists.engine, other):
        apply(engine, same, options=OPTIONS, now=datetime.now(UTC))
    content.write_bytes(
        b"phone;channel;opted_out_at;opted_in_at;reason\r\n"
        b"912345678;sms;2026-06-24T10:05Z;;\r\n"
        b"'+244923000112;;2026-06-24;;by post\r\n"
        b"923000113;telegram;2026-06-24;2026-07-01;\r\n"
        b"951234567;;2026-06-24;;\r\n"
        b"923000114;;someday;;\r\n"
        b"nobody;;;;\r\n"
        b"923000112;;2026-06-24;;twice\r\n"
    )
    result = command(
        other.url, monkeypatch, "import", str(content), "--by", "Rosa", "--reason", "list of the shop", "--json"
    )
    task, page = lists.done(content.read_bytes(), "import")
    counts = json.loads(result.stdout)
    rows = TASKS.select().where(TASKS.c.id == task).subquery()
    assert json.loads(lists.rows(rows, "outcome")[0][0]) == {
        name: number for name, number in counts.items() if name != "rows"
    }
    assert "3 rows opted somebody out" in page.text
    assert facts(page.text)["Not taken: no address, or not readable"] == "2"
    assert facts(page.text)["A re-subscription is later"] == "1"
    mine, theirs = statements_and_opt_outs(lists.engine), statements_and_opt_outs(other)
    assert [row for row in mine[0] if row["source"] == "import"] == [
        row for row in theirs[0] if row["source"] == "import"
    ]
    assert [row for row in mine[1] if row["source"] == "import"] == [
        row for row in theirs[1] if row["source"] == "import"
    ]
    stated = [row[1:] for row in lists.rows(HISTORY, "source", "stated_by", "reason") if row[0] == "import"]
    assert set(stated) == {("Maria", "list of the shop"), ("Maria", "by post")}


def test_an_import_that_is_stopped_goes_on_behind_what_is_recorded_and_counts_each_row_once(
    lists: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_file, "ROWS_PER_TRANSACTION", 10)
    content = b"phone\n" + b"".join(b"9230%05d\n" % number for number in range(35)) + b"nobody\n"
    look, _ = lists.looked_at(content, "import")
    task = lists.visitor.post("/list/confirm", id=look).headers["Location"].rpartition("=")[2]
    imported = select(func.count()).select_from(HISTORY).where(HISTORY.c.source == "import")

    def recorded() -> int:
        with lists.reader.connect() as connection:
            return int(connection.execute(imported).scalar_one())

    lists.is_stop_asked = lambda: recorded() >= 20
    lists.work()
    assert recorded() == 20
    lists.is_stop_asked = lambda: False
    lists.work()
    page = lists.visitor.get(f"/list?id={task}")
    assert recorded() == 35
    assert "35 rows opted somebody out" in page.text
    assert facts(page.text)["Said no more than what stands"] == "0"
    assert facts(page.text)["Not taken: no address, or not readable"] == "1"
    _, again = lists.done(content, "import")
    assert facts(again.text)["Said no more than what stands"] == "35"
    assert recorded() == 35


@on_sqlite
def test_nothing_happens_before_somebody_has_seen_how_the_list_is_read_and_confirmed_it(lists: Lists) -> None:
    content = b"name,phone\nAna,912 345 678\nRui,923000111\n\nNobody,12\nEva,x@Example.com\n"
    before = lists.rows(HISTORY, "id")
    look, page = lists.looked_at(content, "import", at="2026-06-24")
    assert ANA in page.text
    assert "x@example.com" in page.text
    assert "line 5: the address is none: no telephone number has this country code and length" in page.text
    assert "<strong>phone</strong>" in page.text
    assert facts(page.text)["Reason"] == "list of the shop"
    assert lists.rows(HISTORY, "id") == before
    portuguese = lists.visitor.get(f"/list?id={look}&lang=pt").text
    assert "linha 5: o endereço não é nenhum: nenhum número de telefone" in portuguese
    lists.visitor.get("/?lang=en")
    lists.visitor.get("/lists")
    assert "Dropped" in lists.visitor.follow(lists.visitor.post("/list/cancel", id=look)).text
    assert lists.rows(TASK_FILES, "task_id") == []
    assert "gone" in lists.visitor.follow(lists.visitor.post("/list/confirm", id=look)).text
    lists.work()
    assert lists.rows(HISTORY, "id") == before
    assert lists.rows(TASKS, "kind") == [("look_at_list",)]


def test_a_list_is_confirmed_once_and_one_that_nobody_confirms_is_deleted_after_an_hour(lists: Lists) -> None:
    first, _ = lists.looked_at(b"phone\n912345678\n")
    second, _ = lists.looked_at(b"phone\n923000111\n")
    assert {row[0] for row in lists.rows(TASK_FILES, "task_id")} == {second}  # a person has one at a time
    assert "gone" in lists.visitor.get(f"/list?id={first}").text
    confirmed = lists.visitor.post("/list/confirm", id=second)
    lists.work()
    assert lists.visitor.follow(lists.visitor.post("/list/confirm", id=second)).status_code == 200
    task = confirmed.headers["Location"].rpartition("=")[2]
    assert [row for row in lists.rows(TASKS, "id", "kind") if row[1] == "scrub_list"] == [(task, "scrub_list")]
    third, _ = lists.looked_at(b"phone\n923000112\n")
    now = datetime.now(UTC)
    for later, left in (
        (timedelta(minutes=50), {task, third}),
        (timedelta(minutes=70), {task}),
        (timedelta(hours=25), set()),
    ):
        with lists.engine.begin() as connection:
            delete_old_files(connection, now + later, FILES_KEPT)
        assert {row[0] for row in lists.rows(TASK_FILES, "task_id") if row[0] != second} == left
    lists.visitor.get("/lists")
    assert "kept for a day" in lists.visitor.follow(lists.visitor.post("/list/download", id=task)).text


def test_nobody_is_told_that_a_list_is_dropped_which_was_confirmed_before(lists: Lists) -> None:
    look, _ = lists.looked_at(b"phone\n923000112\n", "import")
    confirmed = lists.visitor.post("/list/confirm", id=look)
    page = lists.visitor.follow(lists.visitor.post("/list/cancel", id=look)).text
    assert "Dropped" not in page
    assert "it was confirmed already" in page
    lists.work()
    assert "1 row opted somebody out" in lists.visitor.follow(confirmed).text
    task = confirmed.headers["Location"].rpartition("=")[2]
    assert "It had ended already" in lists.visitor.follow(lists.visitor.post("/list/cancel", id=task)).text
    assert "list_dropped" not in {row[0] for row in lists.rows(AUDIT_LOG, "action")}


@on_sqlite
def test_a_long_form_that_is_no_file_is_not_held(lists: Lists) -> None:
    lists.visitor.get("/lists")
    assert lists.visitor.post("/lists", purpose="scrub", list="x" * 1_000).status_code == 422
    assert lists.visitor.post("/lists", purpose="scrub", list="x" * 400_000).status_code == 413


@on_sqlite
def test_a_disk_that_is_full_once_the_form_is_read_is_told(lists: Lists, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, _content: object, /) -> int:
            raise OSError(errno.ENOSPC, "no room")

    monkeypatch.setattr(formparser, "SpooledTemporaryFile", lambda **_: Full())
    answer = lists.upload(b"phone\n" + b"923000111\n" * 100_000)
    assert answer.status_code == 507
    assert "There is no room for the list" in answer.text


NO_LISTS = [
    (b"", "Choose a file that is not empty"),
    (b"PK\x03\x04\x14\x00\x06\x00" + b"\x00" * 3_000, "a workbook, an archive or a document"),
    (b"\x1f\x8b\x08\x00" + b"\x00" * 3_000, "a workbook, an archive or a document"),
    (b"nome;telefone\nAna;912345678\n", "it has nome, telefone"),
    (b"912345678;Ana\n923000111;Rui\n", "it seems to hold data, not the names of columns"),
    (b"phone,email\n912345678,a@example.com\n", "the file has the columns phone, email: say which one is meant"),
    (b"Phone,PHONE\n1,2\n", "this column more than once"),
    ("phone\n912345678\n".encode("utf-16-le"), "holds NUL characters"),
    (b"\xff\xfep\x00h\x00o\x00n\x00e\x00\n\x00\x00\xd8\x00", "begins as UTF-16 and goes on as something else"),
    (b"\x01\x02\x03" * 500, "no column"),
    (b"sep=:\nphone\n", "a delimiter that is none of"),
    (b"x" * 1_000_000, "line 1 is longer than 262,144 bytes"),
]


@on_sqlite
def test_what_is_no_list_is_refused_in_words_and_not_kept(lists: Lists) -> None:
    for content, why in NO_LISTS:
        answer = lists.upload(content)
        assert answer.status_code == 422, why
        assert why in answer.text
        assert "912345678" not in answer.text, why
        assert lists.rows(TASKS, "id") == [], why


@on_sqlite
@pytest.mark.parametrize(
    ("content", "why"),
    [
        # The first half mebibyte is looked at before: rows are long, so that few are enough.
        (b"phone;\n" + b"923000111;%b\n" % LONG * 1_000 + b"x" * 1_000_000, "line 1,002 is longer than 262,144 bytes"),
        (b"phone\n" + b"\xff" * 200_000 + b"\n923000111\n", None),
        (("\ufeffphone;\n" + f"9;{LONG.decode()}\n" * 1_000).encode("utf-16-le") + b"x", "goes on as something else"),
    ],
)
def test_what_is_wrong_further_on_is_told_in_words_once_the_worker_comes_there(
    lists: Lists, content: bytes, why: str | None
) -> None:
    _, page = lists.looked_at(content)
    assert page.status_code == 200
    assert (why or "How the first rows are read") in page.text


NO_FORMS: list[tuple[dict[str, str], str]] = [
    ({"purpose": "nothing"}, "Say what the list is for"),
    ({"purpose": "import", "reason": " "}, "Say where the list is from"),
    ({"purpose": "import", "reason": "x" * 2_000}, "Say where the list is from"),
    ({"purpose": "import", "reason": "x", "at": "someday"}, "Give a day such as"),
    ({"purpose": "import", "reason": "x", "at": "1999-01-01"}, "Give a day such as"),
    ({"purpose": "scrub", "channel": "pigeon"}, "The channels are"),
    ({"purpose": "scrub", "sender": "undefined"}, "That names no sender"),
]


@on_sqlite
def test_what_a_form_cannot_mean_is_refused_in_words(lists: Lists) -> None:
    lists.visitor.get("/lists")
    for fields, why in NO_FORMS:
        answer = lists.visitor.post("/lists", file=b"phone\n912345678\n", **fields)
        assert answer.status_code == 422, fields
        assert why in answer.text, fields
        assert lists.rows(TASKS, "id") == [], fields


@on_sqlite
def test_a_list_that_is_too_long_is_answered_by_a_page_that_says_so(
    lists: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest = b"phone\n" + b"9" * 9 + b"\n"
    for module in (uploads, console_lists):
        monkeypatch.setattr(module, "LIST_BYTES_MAX", len(longest))
    assert lists.upload(longest).status_code == 303
    answer = lists.upload(longest + b"\n")
    assert answer.status_code == 413
    assert "A list has at most 32 MiB" in answer.text
    assert lists.upload(b"x" * (33 * 1024 * 1024)).status_code == 413


@on_sqlite
def test_a_scrub_that_cannot_know_who_has_opted_out_makes_no_list(
    lists: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, _ = lists.looked_at(b"phone\n912345678\n")
    answer = lists.visitor.post("/list/confirm", id=look)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    lists.work()
    page = lists.visitor.follow(answer).text
    assert "It cannot be known now who has opted out (Redis did not answer)" in page
    assert "Try again</button>" in page
    assert lists.rows(TASK_FILES.select().where(TASK_FILES.c.name == "output").subquery(), "part") == [
        (0,)
    ]  # the look's


def test_a_list_that_could_not_be_scrubbed_is_kept_for_an_hour_and_can_be_tried_again_once(
    lists: Lists, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept(later: timedelta) -> set[Any]:
        with lists.engine.begin() as connection:
            delete_old_files(connection, datetime.now(UTC) + later, FILES_KEPT)
        return {row[0] for row in lists.rows(TASK_FILES, "task_id", "name") if row[1] == "input"}

    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    failed, _ = lists.done(b"phone\n912345678\n923000111\n")
    assert kept(timedelta(minutes=50)) == {failed}
    monkeypatch.setenv("REDIS_URL", redis_server.url)
    lists.visitor.get(f"/list?id={failed}")
    assert "did not succeed this week" in lists.visitor.get("/").text
    again = lists.visitor.post("/list/confirm", id=failed)
    assert "did not succeed this week" not in lists.visitor.get("/").text
    lists.work()
    assert "1 row may be messaged" in lists.visitor.follow(again).text
    assert kept(timedelta(minutes=1)) == set()
    page = lists.visitor.get(f"/list?id={failed}").text
    assert "Try again</button>" not in page
    assert "Upload it again" in page
    assert "gone" in lists.visitor.follow(lists.visitor.post("/list/confirm", id=failed)).text
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    lists.done(b"phone\n912345678\n")
    assert kept(timedelta(minutes=70)) == set()


@on_sqlite
def test_a_look_that_cannot_know_who_has_opted_out_tells_no_smaller_number_as_if_sure(
    lists: Lists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    _, page = lists.looked_at(b"phone\n912345678\n923000111\n923000112\nnobody\n")
    found = "not known: at least 1, and of 2 rows it could not be found out"
    assert facts(page.text)["People who have opted out"] == found
    assert "2 of which nobody could know whether somebody has opted out" in lists.visitor.get("/tasks").text


def test_a_viewer_can_do_nothing_with_lists_by_page_or_by_request(lists: Lists, viewer: Visitor) -> None:
    look, _ = lists.looked_at(b"phone\n912345678\n")
    task, _ = lists.done(b"phone\n923000111\n")
    third, _ = lists.looked_at(b"phone\n912345678\n", "import")
    before = [lists.rows(table, *table.c.keys()) for table in (TASKS, TASK_FILES, AUDIT_LOG, HISTORY)]
    viewer.get("/")
    assert "/console/lists" not in viewer.get("/opt-outs").text
    for path in ("/lists", f"/list?id={task}", f"/list?id={third}"):
        assert viewer.get(path).status_code == 403
    for path in ("/tasks", f"/task?id={third}", f"/task?id={task}"):
        page = viewer.get(path)
        assert page.status_code == 200
        assert not re.search("list of the shop|912345678|923000111", page.text)
    fields = {"purpose": "scrub", "file": b"phone\n923000111\n"}
    for path in LIST_ACTIONS:
        for task_id in (look, task, third):
            assert viewer.post(path, id=task_id, **fields).status_code == 403, path
            assert lists.visitor.post(path, token="another", id=task_id, **fields).status_code == 403, path
            lists.visitor.get("/")
    assert [lists.rows(table, *table.c.keys()) for table in (TASKS, TASK_FILES, AUDIT_LOG, HISTORY)] == before


@on_sqlite
def test_of_a_task_that_was_emptied_since_somebody_was_forgotten_the_page_says_so(lists: Lists) -> None:
    look, _ = lists.looked_at(b"phone\n912345678\n")
    with lists.engine.begin() as connection:
        connection.execute(update(TASKS).values(parameters="{}", state="failed", failure="forgotten"))
    assert "A person was forgotten meanwhile" in lists.visitor.get(f"/list?id={look}").text
