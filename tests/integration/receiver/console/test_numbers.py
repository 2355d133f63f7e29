"""Every number that counts messages is a link to as many, and equals the reports of the same moment."""

import re
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from random import Random
from urllib.parse import parse_qsl, quote
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import URL, Connection, Engine, delete, make_url, select

from models.database import open_database
from models.report_views import REPORT_CAMPAIGNS
from models.tables import CAMPAIGNS
from receiver.console.campaigns import CAMPAIGNS_ON_A_PAGE
from sync.devtools.simulate.traffic import generate
from sync.events.interpretation import ParseOptions
from sync.events.raw import RawEvent
from sync.reports import messages as counted
from sync.reports.few_campaigns import few_campaigns
from sync.reports.messages import CountedKind, CountedMessages, counted_messages
from sync.rollups.compact import compact
from sync.rollups.contribution import FINAL
from sync.store.apply import apply
from tests.conftest import end_sessions, new_database
from tests.integration.receiver.console.conftest import RUI, deliveries, delivery
from tests.integration.receiver.console.test_pages import cells, reported
from tests.support.consoles import Visitor

NUMBER_LINK = re.compile(r'<a class="n" href="/console([^"]+)">([\d,]+)</a>')
MESSAGE_LINK = re.compile(r'href="/console/message\?id=([^"]+)"')
NEXT_LINK = re.compile(r'rel="next" href="/console([^"]+)"')
# So many links are followed of a page, and so many campaigns looked at.
FOLLOWED = 12
CAMPAIGNS_SEEN = 4
TODAY = datetime.now(ZoneInfo("Africa/Luanda")).date()
DAYS = [f"/day?day={TODAY - timedelta(days=back)}" for back in (0, 1)]


@pytest.fixture(scope="module")
def migrated_file(migrated_file: Path, databases_folder: Path) -> Path:
    """Filled once, for each test to copy."""
    file = shutil.copyfile(migrated_file, databases_folder / "numbers.db")
    fill(make_url(f"sqlite:///{file}"))
    return file


@pytest.fixture(scope="module")
def migrated_template(postgres_server: URL, postgres_admin: Connection, migrated_template: str) -> Iterator[str]:
    """Filled once, for each test to copy."""
    with new_database(postgres_admin, migrated_template) as name:
        fill(postgres_server.set(database=name))
        end_sessions(postgres_admin, name)
        yield name


@pytest.fixture
def filled(engine: Engine) -> Engine:
    return engine


def fill(url: URL) -> None:
    """Store two days of the simulator's traffic besides: several channels, senders and campaigns."""
    engine = open_database(url)
    now, options = datetime.now(UTC), ParseOptions(default_region="AO")
    for back in (0, 1):
        at = now - timedelta(days=back, minutes=30)
        events = generate(events=300, start=at - timedelta(minutes=20), seed=back)
        apply(engine, [RawEvent(body=it.body, received_at=at) for it in events], options=options, now=at)
    apply(engine, deliveries(), options=options, now=now)
    engine.dispose()


def rows_behind(visitor: Visitor, path: str) -> list[str]:
    """The ids of the messages on this page and on those that follow."""
    ids: list[str] = []
    for _ in range(100):
        page = visitor.get(unescape(path)).text
        ids += MESSAGE_LINK.findall(page)
        following = NEXT_LINK.search(page)
        if following is None:
            return ids
        path = following[1]
    raise AssertionError("there is no last page")


def numbers_of(visitor: Visitor, path: str) -> Iterator[tuple[str, int]]:
    """Each number of a page that is a link to messages, and where it leads."""
    for link, number in NUMBER_LINK.findall(visitor.get(path).text):
        yield link, int(number.replace(",", ""))


def campaign_pages(visitor: Visitor) -> list[str]:
    links = re.findall(r'"/console(/campaign\?id=[^"#]+)"', visitor.get("/campaigns").text)
    return sorted({unescape(path) for path in links})


def test_every_number_leads_to_as_many_messages(operator: Visitor) -> None:
    pages = ["/", "/?channel=sms", *DAYS, "/campaigns", *campaign_pages(operator)[:CAMPAIGNS_SEEN]]
    seen: dict[str, int] = {}
    for page in pages:
        number_of = dict(numbers_of(operator, page))
        assert number_of, page
        assert all(seen.get(link, number) == number for link, number in number_of.items()), page
        counting = [link for link, number in number_of.items() if number]
        chosen = Random(1).sample(counting, min(FOLLOWED, len(counting)))
        seen |= {
            link: number_of[link]
            for link in [*chosen, *(link for link, number in number_of.items() if not number)][: 2 * FOLLOWED]
        }
    assert len([number for number in seen.values() if number]) > 60
    for link, number in seen.items():
        ids = rows_behind(operator, link)
        assert (len(ids), len(set(ids))) == (number, number), link


def test_odd_ids_and_names_are_counted_and_listed_alike(operator: Visitor, filled: Engine) -> None:
    """Blanks around an id are of the id, and names may look like the sign for none."""
    at = datetime.now(UTC) - timedelta(seconds=30)
    campaign, long_id = " 50% & <off>/? ", "m" * 1023
    raw = [
        delivery(
            "message.failed",
            at,
            message_id=message_id,
            to=RUI,
            channel=channel,
            error="é" * 1024,
            campaign_id=campaign,
            **{"from": sender} if sender else {},
        )
        for message_id, channel, sender in (
            (" odd 1 ", "-", "-"),
            (f"{long_id}1", "--", "--"),
            (f"{long_id}2", "sms", "50%_off"),
            *((f"odd{place:02}", "-", "") for place in range(60)),
        )
    ]
    apply(filled, raw, options=ParseOptions(default_region="AO"), now=at)
    page = f"/campaign?id={quote(campaign)}"
    assert operator.get(f"/message?id={quote(' odd 1 ')}").status_code == 200
    for path in (page, DAYS[0]):
        number_of = {link: number for link, number in numbers_of(operator, path) if number}
        for link, number in number_of.items():
            ids = rows_behind(operator, link)
            assert (len(ids), len(set(ids))) == (number, number), link
    assert linked(operator, page)[filters(campaign=campaign, status="missed", like=" odd 1 ")] == 63


def test_a_channel_that_appears_between_two_pages_repeats_no_message(filled: Engine) -> None:
    asked, at = CountedMessages(kind=CountedKind.ENDED, since=TODAY, until=TODAY), datetime.now(UTC)
    with filled.connect() as connection:
        every = {row.message_id for row in counted_messages(connection, asked, after="", limit=1000).rows}
        first = counted_messages(connection, asked, after="", limit=len(every) - 1)
    late = delivery("message.delivered", at - timedelta(seconds=10), message_id="late", to=RUI, channel="aaa")
    apply(filled, [late], options=ParseOptions(default_region="AO"), now=at)
    with filled.connect() as connection:
        second = counted_messages(connection, asked, after=first.after or "", limit=1000)
    assert [row.message_id for row in second.rows] == sorted(every - {row.message_id for row in first.rows})


def linked(visitor: Visitor, path: str) -> dict[tuple[tuple[str, str], ...], int]:
    """Each number of a page that is a link to messages, by the filters that the link has."""
    return {
        tuple(sorted(parse_qsl(unescape(link).partition("?")[2]))): number for link, number in numbers_of(visitor, path)
    }


def filters(**values: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(values.items()))


def text_of(number: int | None) -> str:
    return "—" if number is None else f"{number:,}"


COUNTS = {"finalised": "ended", **{name: name for name in ("delivered", "failed", "undeliverable", "opt_outs")}}


def test_every_number_is_that_of_the_report_of_this_moment(
    operator: Visitor, migrated_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    daily = reported("daily", migrated_url, monkeypatch)
    overview, by_sms = linked(operator, "/"), linked(operator, "/?channel=sms")
    for day in sorted({row["day"] for row in daily}):
        of_day = linked(operator, f"/day?day={day}")
        rows = [row for row in daily if row["day"] == day]
        assert len(of_day) == len(rows) * len(COUNTS)
        for name, status in COUNTS.items():
            assert overview[filters(status=status, day=day)] == sum(row[name] for row in rows)
            of_sms = sum(row[name] for row in rows if row["channel"] == "sms")
            assert by_sms[filters(status=status, day=day, channel="sms")] == of_sms
            for row in rows:
                scope = {"channel": row["channel"] or "-", "sender": row["sender"] or "-"}
                assert of_day[filters(status=status, day=day, **scope)] == row[name]
    campaigns = {row["campaign_id"]: row for row in reported("campaigns", migrated_url, monkeypatch)}
    listed = linked(operator, "/campaigns")
    assert len(listed) == min(len(campaigns), CAMPAIGNS_ON_A_PAGE) * 6
    header, *rows_of_campaigns = cells(operator.get("/campaigns").text)
    places = {name: header.index(name) for name in ("by Zexa's count", "known", "silent")}
    column_of = {"by Zexa's count": "message_total", "known": "messages", "silent": "silent"}
    shown_counts = sorted(tuple(row[place] for place in places.values()) for row in rows_of_campaigns)
    assert len(campaigns) <= CAMPAIGNS_ON_A_PAGE
    assert shown_counts == sorted(tuple(text_of(row[column_of[name]]) for name in places) for row in campaigns.values())
    of_campaign = {"messages": "all", "unfinished": "unfinished", **COUNTS}
    for campaign_id in [key for key, row in campaigns.items() if row["failed"]][:CAMPAIGNS_SEEN]:
        row, shown = campaigns[campaign_id], linked(operator, f"/campaign?id={quote(campaign_id)}")
        for name, status in of_campaign.items():
            assert shown[filters(campaign=campaign_id, status=status)] == row[name], (campaign_id, name)
        in_steps = dict.fromkeys(COUNTS, 0)
        for key, number in shown.items():
            filters_of_link = dict(key)
            if "from" in filters_of_link:
                in_steps[filters_of_link["status"]] += number
        assert {name: in_steps[name] for name in FINAL} == {name: row[name] for name in FINAL}
        because = sum(number for key, number in shown.items() if "like" in dict(key))
        assert because == row["failed"] + row["undeliverable"]


def test_a_page_of_few_that_are_meant_among_many_ends_early_and_leads_on(
    filled: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are looked at for a page, and however many rows it has, all pages together have each once."""
    for kind in CountedKind:
        of_campaign = CountedMessages(kind=kind, campaign_id="cmp_spring", sender="ACME", channel="sms")
        of_day = CountedMessages(kind=kind, since=TODAY - timedelta(days=1), until=TODAY, channel="sms")
        for asked, bounds in ((of_campaign, ((1, 10_000), (50, 1), (2, 3))), (of_day, ((9, 10_000), (50, 8), (6, 15)))):
            if not asked.is_bounded:
                continue
            monkeypatch.setattr(counted, "LOOKED_AT", 10_000)
            wanted = walked(filled, asked, 1000)
            for limit, looked_at in bounds:
                monkeypatch.setattr(counted, "LOOKED_AT", looked_at)
                assert walked(filled, asked, limit) == wanted, (kind, limit, looked_at)


def walked(engine: Engine, asked: CountedMessages, limit: int) -> list[str]:
    ids: list[str] = []
    after: str | None = ""
    with engine.connect() as connection:
        while after is not None:
            page = counted_messages(connection, asked, after=after, limit=limit)
            assert len(page.rows) <= limit
            ids += [row.message_id for row in page.rows]
            after = page.after
    assert len(set(ids)) == len(ids)
    return ids


def test_a_few_campaigns_are_read_as_the_view_has_them(filled: Engine) -> None:
    """Before and after compacting, also those of which only events or only messages are known."""
    with filled.begin() as connection:
        connection.execute(delete(CAMPAIGNS).where(CAMPAIGNS.c.campaign_id == "cmp_spring"))
        event = {"campaign_id": "cmp_empty", "status": "completed", "details": "{}", "message_total": 3}
        connection.execute(CAMPAIGNS.insert(), event | {"updated_at": datetime.now(UTC)})
    for _ in range(2):
        with filled.connect() as connection:
            rows = [dict(row) for row in connection.execute(select(REPORT_CAMPAIGNS)).mappings()]
            ids = [row["campaign_id"] for row in rows]
            assert {"cmp_spring", "cmp_empty"} <= set(ids)
            assert few_campaigns(connection, [*ids, "unknown"]) == [
                {name: pytest.approx(value) if isinstance(value, float) else value for name, value in row.items()}
                for row in rows
            ]
        compact(filled)


def test_what_no_index_finds_is_not_listed(operator: Visitor) -> None:
    for path in ("/messages?status=delivered", "/messages?channel=sms", "/messages?status=all&day=2026-06-24"):
        assert "Choose a day" in operator.get(path).text, path
    for after in ("x", "0~x~y", "99999~~", "0~2026-06-24~m", "1~2026-06-24T10:00:00+00:00~m", "~", "0~~" + "9" * 900):
        for path in ("/messages?campaign=cmp_spring&status=all", f"/messages?day={datetime.now(UTC).date()}"):
            assert operator.get(f"{path}&after={quote(after)}").status_code == 200, after
