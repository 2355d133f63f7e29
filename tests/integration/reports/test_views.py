"""The reports are plain views: every column explained, the same on both databases, each with the rows it promises."""

import math
import random
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert, inspect, select, text
from structlog.testing import capture_logs

from models import LedgerEntry, MessageStatus, OptOut
from models.report_views import REPORT_RECIPIENTS, REPORT_VIEWS
from sync.events.raw import RawEvent
from sync.reports.queries import REPORTS
from tests.conftest import NOW, ROOT
from tests.integration.reports.views import COMMENTS, ON_POSTGRESQL, asked, failed, give
from tests.integration.rollups.books import Stream
from tests.support.events_builder import ANA, RUI, TEN, Row, body, clear, minute, raw


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with capture_logs():
        yield


# What the views are


def test_the_code_knows_every_column_of_every_view(engine: Engine) -> None:
    columns = {name: [column["name"] for column in inspect(engine).get_columns(name)] for name in COMMENTS}
    assert columns == {view.name: [column.name for column in view.columns] for view in REPORT_VIEWS}


@ON_POSTGRESQL
def test_every_column_carries_a_comment(engine: Engine) -> None:
    with engine.connect() as connection:
        for name, (about, columns) in COMMENTS.items():
            inspected = inspect(connection).get_columns(name)
            assert {column["name"]: column["comment"] for column in inspected} == columns
            comment = connection.execute(text("SELECT obj_description(CAST(:name AS regclass))"), {"name": name})
            assert comment.scalar_one() == about


def test_the_same_facts_make_the_same_reports_on_both_databases(both_engines: list[Engine]) -> None:
    silent = set(REPORTS)
    for seed in range(3):
        answers = []
        for engine in both_engines:
            chance = random.Random(seed)
            stream = Stream(chance)
            stream.messages = [f"msg_{number}" for number in range(9)]
            clear(engine)
            for _ in range(6):
                give(engine, *(stream.event() for _ in range(12)))
            answer: dict[str, list[Row]] = {name: asked(engine, name) for name in REPORTS}
            answer |= {
                f"daily of {campaign_id}": asked(engine, "daily", campaign_id=campaign_id) for campaign_id in "ab"
            }
            answer |= {
                f"failures of {campaign_id}": asked(engine, "failures", campaign_id=campaign_id) for campaign_id in "ab"
            }
            with engine.connect() as connection:
                recipients = connection.execute(
                    select(REPORT_RECIPIENTS).order_by(*REPORT_RECIPIENTS.columns)
                ).mappings()
                answer["recipients"] = [dict(row) for row in recipients]
            answers.append(answer)
        on_sqlite, on_postgresql = answers
        assert on_sqlite == on_postgresql
        silent -= {name for name, answer in on_sqlite.items() if answer}
    assert not silent, "these reports had nothing to say"


# What is written about them

REPORTING = ROOT / "docs" / "reporting.md"


def test_the_documentation_explains_every_column() -> None:
    document = REPORTING.read_text()
    for name, (about, columns) in COMMENTS.items():
        section = document.split(f"### `{name}`")[1].split("###")[0]
        assert about in section
        assert re.findall(r"^\| `(\w+)` \| (.*) \|$", section, re.MULTILINE) == list(columns.items())


def test_the_ten_questions_are_answered(engine: Engine) -> None:
    """Each with something, of a day on which there is something to say."""
    give(
        engine,
        *(
            raw(body("message.delivered", TEN, message_id=f"msg_{n}", channel="sms", campaign_id="a"))
            for n in range(120)
        ),
        raw(body("message.optout", minute(1), message_id="msg_0", channel="sms", to=ANA)),
        *(failed(200 + n, minute(n), to=RUI) for n in range(3)),
        raw(body("campaign.completed", minute(1), campaign_id="a", name="June", messages=900)),
        raw(body("campaign.sent", minute(-24 * 60), campaign_id="b")),
    )
    queries = re.findall(r"^```sql\n(.*?)^```", REPORTING.read_text(), re.DOTALL | re.MULTILINE)
    assert len(queries) == 10
    with engine.connect() as connection:
        for query in queries:
            assert connection.execute(text(query.strip().removesuffix(";"))).all(), query


# Each report


def test_days_have_their_rates_with_numerator_and_denominator(engine: Engine) -> None:
    give(
        engine,
        *(raw(body("message.delivered", TEN, message_id=f"msg_{n}", channel="sms", from_="ZEXA")) for n in range(3)),
        raw(body("message.optout", minute(2000), message_id="msg_0", channel="sms", to=ANA)),
        failed(3, TEN, from_="ZEXA"),
        failed(4, minute(14 * 60), from_="ZEXA"),
    )
    june_24, june_25 = asked(engine, "daily")
    assert june_24 == {
        "day": TEN.date(),
        "channel": "sms",
        "sender": "ZEXA",
        "finalised": 4,
        "delivered": 3,
        "failed": 1,
        "undeliverable": 0,
        "opt_outs": 1,
        "conflicts": 0,
        "delivery_rate": 0.75,
        "opt_out_rate": 1 / 3,
    }
    assert (june_25["day"], june_25["finalised"], june_25["opt_out_rate"]) == (minute(24 * 60).date(), 1, None)
    for selection, days in (
        ({"since": TEN.date()}, 2),
        ({"since": minute(24 * 60).date()}, 1),
        ({"until": TEN.date()}, 1),
        ({"until": minute(-24 * 60).date()}, 0),
        ({"channel": "sms"}, 2),
        ({"channel": "email"}, 0),
    ):
        assert len(asked(engine, "daily", **selection)) == days


def test_a_completed_campaign_tells_its_silent_messages(engine: Engine) -> None:
    def campaign(event: str, at: float, campaign_id: str, **data: Any) -> RawEvent:
        return raw(body(f"campaign.{event}", minute(at), campaign_id=campaign_id, **data))

    give(
        engine,
        campaign("sent", 1, "cmp_silent", name="June", channel="sms", messages=5),
        campaign("completed", 61, "cmp_silent", totals={"total": 5}),
        campaign("completed", 61, "cmp_untold"),
        campaign("sent", 1, "cmp_running", total=9),
        campaign("completed", 61, "cmp_more", total=1),
        *(failed(n, TEN, campaign_id="cmp_silent") for n in range(2)),
        raw(body("message.optout", TEN, message_id="msg_9", campaign_id="cmp_silent", to=RUI)),
        *(failed(n, TEN, campaign_id="cmp_more") for n in (10, 11)),
        failed(12, TEN, campaign_id="cmp_unknown"),
    )
    campaigns = {row["campaign_id"]: row for row in asked(engine, "campaigns")}
    assert {name: row["silent"] for name, row in campaigns.items()} == {
        "cmp_silent": 3,
        "cmp_untold": None,
        "cmp_running": None,
        "cmp_more": 0,
        "cmp_unknown": None,
    }
    silent = campaigns["cmp_silent"]
    assert (
        silent
        | {
            "name": "June",
            "channel": "sms",
            "status": "completed",
            "sent_at": minute(1),
            "completed_at": minute(61),
            "duration_seconds": 3600.0,
            "message_total": 5,
            "messages": 3,
            "finalised": 2,
            "failed": 2,
            "unfinished": 1,
            "opt_outs": 1,
            "delivery_rate": 0.0,
            "opt_out_rate": None,
        }
        == silent
    )
    assert (campaigns["cmp_unknown"]["status"], campaigns["cmp_unknown"]["messages"]) == (None, 1)
    assert [row["campaign_id"] for row in asked(engine, "campaigns", campaign_id="cmp_more")] == ["cmp_more"]
    # No event says when some of them were sent.
    later = asked(engine, "campaigns", since=minute(24 * 60).date())
    assert {row["campaign_id"] for row in later} == {"cmp_untold", "cmp_more", "cmp_unknown"}


def test_failures_have_their_share_and_when_they_were_seen(engine: Engine) -> None:
    give(
        engine,
        *(failed(n, minute(n), error={"code": 7, "message": "busy"}, campaign_id="a") for n in range(3)),
        failed(3, minute(3), error="no route", campaign_id="b"),
        failed(4, minute(4), channel="email"),
        failed(5, minute(15 * 60)),
        raw(body("message.delivered", TEN, message_id="msg_6")),
    )
    failures = {(row["day"], row["channel"], row["failure_reason"]): row for row in asked(engine, "failures")}
    today = TEN.date()
    assert failures[today, "sms", "busy"] == {
        "day": today,
        "channel": "sms",
        "failure_code": "7",
        "failure_reason": "busy",
        "messages": 3,
        "failures": 4,
        "share": 0.75,
        "first_seen_at": minute(0),
        "last_seen_at": minute(2),
        "message_id": "msg_0",
    }
    assert {key: row["share"] for key, row in failures.items()} == {
        (today, "sms", "busy"): 0.75,
        (today, "sms", "no route"): 0.25,
        (today, "email", "busy"): 1.0,
        (minute(24 * 60).date(), "sms", "busy"): 1.0,
    }
    (of_b,) = asked(engine, "failures", campaign_id="b")
    assert (of_b["failure_reason"], of_b["share"], of_b["first_seen_at"]) == ("no route", 1.0, minute(3))


@ON_POSTGRESQL
def test_numbers_and_addresses_in_reasons_are_masked_and_count_as_one(engine: Engine) -> None:
    give(
        engine,
        failed(1, TEN, error=f"{ANA} is busy"),
        failed(2, TEN, error=f"{RUI} is busy"),
        failed(3, TEN, error="ana@example.com is full, code 30007"),
    )
    messages = {row["failure_reason"]: row["messages"] for row in asked(engine, "failures")}
    assert messages == {"**** is busy": 2, "****@**** is full, code 30007": 1}


def test_opt_outs_are_counted_on_their_own_day(engine: Engine) -> None:
    def stop(channel: str, address: str, at: datetime, source: str = "event", **values: Any) -> dict[str, Any]:
        columns = {"channel": channel, "address": address, "sender": "", "opted_out_at": at, "opted_in_at": None}
        return columns | {"received_at": at, "source": source, "updated_at": NOW} | values

    give(
        engine,
        *(raw(body("message.delivered", TEN, message_id=f"msg_{n}", channel="sms")) for n in range(4)),
        raw(body("message.delivered", TEN, message_id="msg_9", channel="email")),
    )
    with engine.begin() as connection:
        connection.execute(
            insert(OptOut),
            [
                stop("sms", ANA, TEN),
                stop("sms", RUI, TEN, opted_in_at=minute(5)),
                stop("", ANA, minute(1)),
                stop("email", "a@example.com", TEN, "import"),
                stop("sms", "+244", minute(24 * 60)),
            ],
        )
    today, tomorrow = TEN.date(), minute(24 * 60).date()
    assert [tuple(row.values()) for row in asked(engine, "opt-outs")] == [
        (today, "", "event", 1, 1, 5, 0.2),
        (today, "email", "import", 1, 1, 1, 1.0),
        (today, "sms", "event", 2, 1, 4, 0.5),
        (tomorrow, "sms", "event", 1, 1, 0, None),
    ]


def percentile(values: list[float], percent: int) -> float | None:
    return sorted(values)[math.ceil(len(values) * percent / 100) - 1] if values else None


@pytest.mark.parametrize("number", [1, 2, 7, 100, 101])
def test_lags_are_percentiles_by_hour(engine: Engine, number: int) -> None:
    chance = random.Random(number)
    entries = []
    for n in range(number):
        received_at = TEN + timedelta(minutes=chance.choice([0, 59, 60]), microseconds=chance.randrange(10**6))
        lag = timedelta(seconds=chance.choice([0, 0.000001, 1.5, 59, 4000, -2]))
        entries.append(
            {
                "subject_id": f"msg_{n}",
                "event": "message.failed",
                "occurred_at": received_at - lag,
                "received_at": received_at,
                "applied_at": received_at + timedelta(seconds=chance.choice([0, 0.25, 3, 1e5])),
                "is_dated": chance.random() < 0.8,
                "outcome": "applied",
                "digest": f"{n:064x}",
                "body_id": n,
            }
        )
    with engine.begin() as connection:
        connection.execute(insert(LedgerEntry), entries)
    hours: dict[datetime, list[dict[str, Any]]] = {}
    for entry in entries:
        hours.setdefault(entry["received_at"].replace(minute=0, second=0, microsecond=0), []).append(entry)
    expected = []
    for hour, of_hour in sorted(hours.items()):
        # A body that names no moment has none that it could be late by.
        dated = [
            (entry["received_at"] - entry["occurred_at"]).total_seconds() for entry in of_hour if entry["is_dated"]
        ]
        applied = [(entry["applied_at"] - entry["received_at"]).total_seconds() for entry in of_hour]
        expected.append(
            {"hour": hour, "events": len(of_hour), "dated": len(dated)}
            | {f"received_p{percent}_seconds": percentile(dated, percent) for percent in (50, 90, 99)}
            | {f"applied_p{percent}_seconds": percentile(applied, percent) for percent in (50, 90, 99)}
        )
    assert asked(engine, "lag") == expected
    assert asked(engine, "lag", since=minute(24 * 60).date()) == []


def recipients(engine: Engine) -> dict[tuple[str, str], Row]:
    with engine.connect() as connection:
        rows = connection.execute(select(REPORT_RECIPIENTS)).mappings().all()
    return {(row["channel"], row["address"]): dict(row) for row in rows}


def test_recipients_tell_what_failed_since_the_last_delivery(engine: Engine) -> None:
    give(
        engine,
        failed(0, minute(0)),
        raw(body("message.delivered", minute(1), message_id="msg_1", channel="sms", to=ANA)),
        failed(2, minute(2)),
        raw(body("message.undeliverable", minute(3), message_id="msg_3", channel="sms", to=ANA)),
        failed(4, minute(4), channel="whatsapp"),
        raw(body("message.delivered", minute(5), message_id="msg_5", channel="sms", to=RUI)),
        failed(6, minute(5), to=RUI),
        raw(body("message.optout", minute(9), message_id="msg_7", channel="email", to="rui@example.com")),
        failed(8, minute(9), to=None),
    )
    by_recipient = recipients(engine)
    ana = {"channel": "sms", "address": "+24491****78", "messages": 4, "last_status": "undeliverable"}
    assert by_recipient["sms", "+24491****78"] == ana | {
        "last_status_at": minute(3),
        "last_delivered_at": minute(1),
        "failures_in_a_row": 2,
        "opted_out": False,
        "message_id": "msg_3",
    }
    assert by_recipient["whatsapp", "+24491****78"]["failures_in_a_row"] == 1
    assert by_recipient["whatsapp", "+24491****78"]["last_delivered_at"] is None
    # Of two at one moment the delivered one holds, as in the rule of merging.
    assert by_recipient["sms", "+24492****11"]["last_status"] == "delivered"
    assert by_recipient["sms", "+24492****11"]["failures_in_a_row"] == 0
    opted_out = by_recipient["email", "r****@example.com"]
    assert (opted_out["last_status"], opted_out["opted_out"], opted_out["failures_in_a_row"]) == (None, True, 0)
    assert len(by_recipient) == 4


@pytest.mark.parametrize(
    ("address", "masked"),
    [
        ("+244912345678", "+24491****78"),
        ("+12025550123", "+12025****23"),
        ("+1202555012", "+****"),
        ("912345678", "9****"),
        ("ana.silva@example.com", "a****@example.com"),
        ("a@b@example.com", "a****@example.com"),
        ("@home", "@****"),
        ("U024BE7LH", "U****"),
        ("é", "é****"),
    ],
)
def test_an_address_is_masked(engine: Engine, address: str, masked: str) -> None:
    with engine.begin() as connection:
        values = {"message_id": "msg_1", "recipient": address, "conflict": False, "updated_at": NOW}
        connection.execute(insert(MessageStatus).values(values))
    assert list(recipients(engine)) == [("", masked)]
