"""The page *Failures*: its numbers are those of the report, each leads to its rows, and codes are only proposed."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape

import pytest
from flask import Flask
from sqlalchemy import URL, Engine, select

from models.tables import MESSAGES
from receiver.console import listing
from receiver.console.pages import STORES
from sync.events.interpretation import ParseOptions
from sync.reports import messages as counted
from sync.reports.failure_codes.judge import FailureCode, JudgedCode
from sync.reports.failure_codes.store import store_count
from sync.store.apply import apply
from tests.integration.receiver.console.conftest import FAILED, RUI, delivery
from tests.integration.receiver.console.test_pages import cells, on_sqlite, reported
from tests.support.consoles import Visitor

# Of each reason: channel, code, text and how many messages of each day back failed for it.
FAILURES = (
    ("sms", "30003", "switched off", (5, 3, 0, 2)),
    ("sms", "21610", "has opted out", (2, 2, 2, 2)),
    ("sms", "30007", "blocked 912345678", (1, 0, 1)),
    ("sms", "30007", "blocked 923000111", (1, 1)),
    ("whatsapp", "131026", "no such number", (0, 2)),
    ("email", "550", None, (1, 1)),
    ("email", None, "mailbox full", (1,)),
    ("email", "421", "try later", (0, 1)),
)


@pytest.fixture
def failing(filled: Engine) -> Engine:
    """Messages of four days that failed for many reasons, two of which quote a number."""
    now = datetime.now(UTC) - timedelta(seconds=60)
    raw = []
    for place, (channel, code, reason, of_days) in enumerate(FAILURES):
        for back, number in enumerate(of_days):
            for each in range(number):
                names = {"error_code": code, "error": reason}
                fields = {name: value for name, value in names.items() if value is not None}
                event = "message.failed" if each % 2 else "message.undeliverable"
                at = now - timedelta(days=back)
                raw.append(delivery(event, at, message_id=f"f{place}-{back}-{each}", channel=channel, to=RUI, **fields))
    apply(filled, raw, options=ParseOptions(default_region="AO"), now=datetime.now(UTC))
    return filled


def number_links(html: str) -> list[tuple[int, str]]:
    links = re.findall(r'<a[^>]* href="/console(/(?:failed|messages)\?[^"]*)">([\d,]+)</a>', html)
    return [(int(number.replace(",", "")), unescape(path)) for path, number in links]


def ids_behind(visitor: Visitor, path: str) -> list[str]:
    """The ids on a page of messages that failed, and on the older ones."""
    page = visitor.get(path)
    assert page.status_code == 200
    ids = re.findall(r'href="/console/message\?id=([^"]+)"', page.text)
    older = re.findall(r'<nav class="pager".*?href="/console([^"]+)"', page.text, re.DOTALL)
    return ids + (ids_behind(visitor, unescape(older[0])) if older else [])


@pytest.mark.usefixtures("failing")
def test_the_numbers_of_the_page_are_those_of_the_report(
    operator: Visitor, migrated_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = reported("failures", migrated_url, monkeypatch)
    sums: dict[tuple[str, ...], int] = {}
    by_day: dict[str, int] = {}
    for row in rows:
        key = (row["channel"], row["failure_code"], row["failure_reason"])
        sums[key] = sums.get(key, 0) + row["messages"]
        by_day[row["day"]] = by_day.get(row["day"], 0) + row["messages"]
    assert sum(sums.values()) == sum(sum(of_days) for *_, of_days in FAILURES) + 1
    with_bars = [row for row in cells(operator.get("/failures?days=30").text) if len(row) == 6 and row[1] == ""]
    names = {"sms": "SMS", "whatsapp": "WhatsApp", "email": "E-mail"}
    assert sorted((row[4], unescape(row[0]), row[2]) for row in with_bars) == sorted(
        (names[channel], " · ".join(filter(None, (code, reason))), str(number))
        for (channel, code, reason), number in sums.items()
    )
    of_days = table(operator.get("/failures?days=7").text, "The reasons, day by day")
    assert {row[0]: int(row[-1]) for row in of_days if row[-1] != "0"} == {
        f"{day.day} {day:%b} {day.year}": by_day[day.isoformat()] for day in map(date.fromisoformat, by_day)
    }


def table(html: str, summary: str) -> list[list[str]]:
    return cells(html.split(f"<summary>{summary}</summary>")[1].split("</table>", maxsplit=1)[0])[1:]


@pytest.mark.usefixtures("failing")
def test_every_number_leads_to_as_many_rows(operator: Visitor) -> None:
    links = number_links(operator.get("/failures?days=7").text)
    assert len(links) > 25
    assert any("unlike" in path for _, path in links)
    for number, path in links:
        ids = ids_behind(operator, path)
        assert len(ids) == len(set(ids)) == number, path


@pytest.mark.usefixtures("failing")
def test_rows_are_looked_at_by_key_and_no_more_than_a_page_may(
    operator: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = number_links(operator.get("/failures?days=7").text)
    monkeypatch.setattr(counted, "REASONS_READ", 3)
    monkeypatch.setattr(listing, "ROWS_ON_A_PAGE", 2)
    for number, path in links:
        ids = ids_behind(operator, path)
        assert len(ids) == len(set(ids)) == number, path


@pytest.mark.usefixtures("failing")
def test_no_url_of_the_page_names_an_address_though_a_reason_does(operator: Visitor) -> None:
    page = operator.get("/failures?days=7").text
    assert "30007 · blocked" in page
    assert not re.search("912345678|923000111", page)
    (number,) = {number for number, path in number_links(page) if "like=f2-" in path and "until" in path} & {4}
    assert number == 4  # two texts that differ in the number they quote are one reason


@on_sqlite
def test_a_reason_of_a_message_that_is_gone_leads_to_no_rows(operator: Visitor) -> None:
    assert FAILED in operator.get(f"/failed?like={FAILED}").text
    for path in ("/failed?", f"/messages?status=missed&day={datetime.now(UTC).date() - timedelta(days=2)}&"):
        gone = operator.get(f"{path}like=nobody")
        assert gone.status_code == 200
        assert FAILED not in gone.text


@on_sqlite
def test_failures_are_listed_the_latest_first(operator: Visitor, failing: Engine) -> None:
    with failing.connect() as connection:
        columns = MESSAGES.c
        failed = select(columns.message_id).where(columns.status.in_(("failed", "undeliverable")))
        ids = connection.execute(failed.order_by(columns.status_at.desc(), columns.message_id.desc())).scalars().all()
    assert ids_behind(operator, "/failed?since=2020-01-01") == ids


@on_sqlite
def test_reasons_of_a_campaign_that_differ_in_an_address_are_one_too(operator: Visitor, failing: Engine) -> None:
    now = datetime.now(UTC) - timedelta(seconds=60)
    texts = ("blocked 912345678", "blocked 923000111", "blocked")
    of_campaign = [
        delivery("message.failed", now, message_id=text[-3:], channel="sms", to=RUI, error=text, campaign_id="c")
        for text in texts
    ]
    apply(failing, of_campaign, options=ParseOptions(default_region="AO"), now=datetime.now(UTC))
    (path,) = [
        path for number, path in number_links(operator.get("/campaign?id=c").text) if "like=" in path and number == 2
    ]
    assert sorted(ids_behind(operator, path)) == ["111", "678"]


@on_sqlite
def test_a_day_is_one_of_the_reports_time_zone(operator: Visitor, failing: Engine) -> None:
    """Luanda's day begins at eleven in the evening, UTC."""
    at = datetime(2026, 6, 23, 23, 30, tzinfo=UTC)
    late = delivery("message.failed", at, message_id="late", channel="sms", to=RUI)
    apply(failing, [late], options=ParseOptions(default_region="AO"), now=datetime.now(UTC))
    assert ids_behind(operator, "/failed?since=2026-06-24&until=2026-06-24") == ["late"]
    assert ids_behind(operator, "/failed?since=2026-06-23&until=2026-06-23") == []


@on_sqlite
@pytest.mark.usefixtures("failing")
def test_days_are_at_most_a_month(operator: Visitor) -> None:
    assert "late" not in ids_behind(operator, "/failed?since=2000-01-01")
    assert operator.get("/failed?since=0001-01-01&until=0001-01-01").status_code == 200
    assert operator.get("/failed?since=9999-12-31&until=9999-12-31").status_code == 200


def proposal(entry: str, *, received_before: int = 40) -> JudgedCode:
    counted = FailureCode(
        channel="sms", entry=entry, code=None, addresses=50, never_again=49, received_before=received_before
    )
    return JudgedCode(counted=counted, at_least=0.895, others=200, others_never_again=20, is_proposed=True)


def propose(engine: Engine, *codes: JudgedCode, already: str = "") -> None:
    now = datetime.now(UTC)
    since, until = now - timedelta(days=90), now - timedelta(days=1)
    store_count(engine, codes, counted_at=now, since=since, until=until, already=already)


def test_proposals_are_shown_with_their_numbers_in_words_and_the_line_that_sets_them(
    viewer: Visitor, filled: Engine
) -> None:
    assert "They are not counted yet." in viewer.get("/failures").text
    propose(filled)
    assert "No further code looks like an opt-out" in viewer.get("/failures").text
    propose(filled, proposal("21610"), already="103")
    page = viewer.get("/failures").text
    assert "1 code looks like an opt-out" in page
    assert "of 50 addresses that got it and were tried again a day later or more, 49 never received" in page
    assert "surely 89.5% at least. After other failures it was 20 of 200." in page
    assert "40 of those that never did had received one before." in page
    assert "Most had never received any" not in page
    assert "<code>ZEXA_OPT_OUT_FAILURES=103,21610</code>" in page
    propose(filled, proposal("no such number", received_before=1))
    page = viewer.get("/failures").text
    assert "Most had never received any" in page
    assert "ZEXA_OPT_OUT_FAILURES=&#34;no such number&#34;" in page
    assert "1 código parece uma recusa" in viewer.get("/failures?lang=pt").text


@on_sqlite
def test_of_many_counted_codes_the_most_frequent_are_shown(viewer: Visitor, filled: Engine) -> None:
    others = [replace(proposal(f"code-{number}"), is_proposed=False) for number in range(60)]
    propose(filled, proposal("21610"), *others)
    page = viewer.get("/failures").text
    assert page.count("code-") == 49
    assert "The 50 most frequent are shown." in page


@on_sqlite
def test_what_web_has_set_by_now_is_no_proposal(viewer: Visitor, filled: Engine, app: Flask) -> None:
    reason = proposal("has opted out")
    reason = replace(reason, counted=replace(reason.counted, code="21610"))
    propose(filled, proposal("21610"), reason)
    stores = app.extensions[STORES]
    options = ParseOptions(default_region="AO", opt_out_failures=frozenset({"21610"}))
    object.__setattr__(stores, "options", options)
    assert "No further code looks like an opt-out" in viewer.get("/failures").text
