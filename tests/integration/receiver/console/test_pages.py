"""What the pages tell is what the commands tell, and what operators do stands in the history with their name."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import URL, Engine, select, text

from models.tables import AUDIT_LOG, DEAD_LETTERS, HISTORY, OUTAGES
from receiver.console.app import CONSOLE_PATH
from sync.cli import main
from tests.integration.receiver.console.conftest import ANA, DELIVERED, FAILED, RUI, STOPPED
from tests.support.consoles import Visitor

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def cells(html: str) -> list[list[str]]:
    """The texts of the rows of all tables."""
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in re.findall(r"<t[hd].*?</t[hd]>", row)] for row in rows]


def reported(name: str, url: URL, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setenv("DATABASE_URL", url.render_as_string(hide_password=False).replace("+psycopg", ""))
    result = CliRunner().invoke(main, ["report", name, "--json"], catch_exceptions=False)
    rows: list[dict[str, Any]] = json.loads(result.stdout)["rows"]
    return rows


def test_the_numbers_of_the_overview_are_those_of_the_report(
    operator: Visitor, migrated_url: URL, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = reported("daily", migrated_url, monkeypatch)
    shown = cells(operator.get("/").text)
    names = {"sms": "SMS", "whatsapp": "WhatsApp"}
    for row in rows:
        counts = [str(row[name]) for name in ("finalised", "delivered", "failed", "undeliverable", "opt_outs")]
        assert [names[row["channel"]], "", *counts, f"{row['delivery_rate']:.1%}"] in shown
    total = [str(sum(row[name] for row in rows)) for name in ("finalised", "delivered", "failed", "undeliverable")]
    assert total == ["3", "2", "1", "0"]
    assert any(cell[1:5] == total for cell in shown)
    of_day = cells(operator.get(f"/day?day={rows[0]['day']}").text)
    assert [cell[1] for cell in of_day[1:]] == ["ACME", "—"]


def test_a_message_is_found_by_an_address_in_any_spelling_and_by_its_id(operator: Visitor) -> None:
    operator.get("/messages")
    for term in ("912 345 678", "+244912345678", "244912345678@s.whatsapp.net", "tel:+244-912-345-678"):
        response = operator.post("/messages", term=term)
        assert response.status_code == 200, term
        assert {row[0] for row in cells(response.text)[1:]} == {DELIVERED, STOPPED}, term
    by_id = operator.post("/messages", term=FAILED)
    assert by_id.headers["Location"] == f"/console/message?id={FAILED}"


def test_a_message_says_which_fact_decided_its_status_and_why(operator: Visitor) -> None:
    page = operator.get(f"/message?id={STOPPED}").text
    assert "delivered, because message.delivered" in page
    assert "is a decision of the recipient and changes no status" in page
    (decisive,) = re.findall(r'<li class="decides">(.*?)</li>', page, re.DOTALL)
    assert "delivered" in decisive
    unknown = operator.get("/message?id=unknown")
    assert unknown.status_code == 404
    assert "<title>Nothing is known of this message · zexa-sync</title>" in unknown.text


def test_an_opt_out_is_added_found_explained_and_removed_with_the_name_of_who_did_it(
    operator: Visitor, filled: Engine
) -> None:
    operator.get("/opt-outs")
    added = operator.follow(operator.post("/opt-outs/add", address="923 000 111", reason="asked by phone"))
    assert "Must not be messaged" in added.text
    operator.get("/messages")
    assert "Must not be messaged" in operator.post("/person", address="+244 923-000-111").text
    removed = operator.follow(operator.post("/opt-outs/remove", address=RUI, reason="signed up again"))
    assert "May be messaged: the opt-out was ended" in removed.text
    assert "Zexa or a carrier may still block" in removed.text
    with filled.connect() as connection:
        columns = [HISTORY.c[name] for name in ("id", "kind", "address", "stated_by", "reason")]
        stated = connection.execute(select(*columns).where(HISTORY.c.source == "manual").order_by(HISTORY.c.id)).all()
        noted = connection.execute(select(AUDIT_LOG.c.name, AUDIT_LOG.c.action, AUDIT_LOG.c.subject)).all()
    assert [tuple(row[1:]) for row in stated] == [
        ("opted_out", RUI, "Maria", "asked by phone"),
        ("opted_in", RUI, "Maria", "signed up again"),
    ]
    assert ("Maria", "opt_out_added", str(stated[0].id)) in noted
    assert ("Maria", "opt_out_removed", str(stated[1].id)) in noted


@on_sqlite
def test_what_is_no_address_or_has_no_reason_is_not_recorded(operator: Visitor, filled: Engine) -> None:
    operator.get("/opt-outs")
    for path, fields in (
        ("/opt-outs/add", {"address": "12", "reason": "asked"}),
        ("/opt-outs/add", {"address": ANA, "reason": " "}),
        ("/opt-outs/add", {"address": "undefined", "reason": "asked"}),
        ("/opt-outs/remove", {"address": ANA, "reason": ""}),
        ("/opt-outs/remove", {"address": "", "reason": "asked"}),
    ):
        assert operator.post(path, **fields).status_code == 422, (path, fields)
        with filled.connect() as connection:
            stated = connection.execute(select(HISTORY.c.id).where(HISTORY.c.source == "manual")).all()
        assert stated == [], (path, fields)


def test_the_evidence_has_the_signed_body_and_who_made_the_page(operator: Visitor, statement: int) -> None:
    page = operator.get(f"/evidence?statement={statement}").text
    assert ANA in page
    assert "message.optout" in page
    assert "by Maria" in page


@on_sqlite
def test_a_dead_letter_that_may_be_an_opt_out_is_urgent(operator: Visitor) -> None:
    assert re.search(r'<li class="urgent">.*1 dead letter waits for a decision', operator.get("/").text)


def test_a_dead_letter_is_put_aside_by_name(operator: Visitor, filled: Engine) -> None:
    with filled.connect() as connection:
        digest = connection.execute(select(DEAD_LETTERS.c.digest)).scalar_one()
    assert digest[:12] in operator.get("/dead-letters").text
    assert "{no json" in operator.get(f"/dead-letter?digest={digest}").text
    assert operator.follow(operator.post("/dead-letter/resolve", digest=digest)).status_code == 200
    assert digest[:12] not in operator.get("/dead-letters").text
    with filled.connect() as connection:
        assert connection.execute(select(DEAD_LETTERS.c.resolved_at)).scalar_one() is not None
        assert ("Maria", "dead_letter_resolved", digest) in connection.execute(
            select(AUDIT_LOG.c.name, AUDIT_LOG.c.action, AUDIT_LOG.c.subject)
        ).all()


@on_sqlite
def test_after_today_no_day_is_led_to(operator: Visitor) -> None:
    today = datetime.now(UTC).date()
    assert len(re.findall("/day[?]day=", operator.get(f"/day?day={today - timedelta(days=3)}").text)) == 2
    of_channel = operator.get(f"/day?day={today - timedelta(days=3)}&channel=sms").text
    assert len(re.findall("/day[?]day=[0-9-]+&amp;channel=sms", of_channel)) == 2
    assert f"day={today + timedelta(days=2)}" not in operator.get(f"/day?day={today + timedelta(days=1)}").text


@on_sqlite
def test_in_portuguese_what_stands_with_numbers_is_in_the_plural(operator: Visitor) -> None:
    overview = operator.get("/", Accept_Language="pt").text
    assert '<th scope="col">entregues</th><th scope="col">falhadas</th>' in overview
    assert ">falhou<" not in overview


@on_sqlite
def test_campaigns_and_failures_say_how_it_went(operator: Visitor) -> None:
    assert "Spring" in operator.get("/campaigns").text
    campaign = operator.get("/campaign?id=cmp_spring").text
    assert "66.7% of 3 messages that ended were delivered" in campaign
    assert "30007" in campaign
    failures = operator.get("/failures").text
    assert "1 of 3 messages did not arrive, 33.3% of all" in failures
    assert re.search(r"Most often: 30007[^(]*, (SMS|WhatsApp) \(100.0%\)", failures)


@on_sqlite
def test_the_language_is_the_browsers_until_the_switch_chooses_another(operator: Visitor) -> None:
    portuguese = operator.get("/", Accept_Language="pt-AO,pt;q=0.9,en;q=0.5").text
    assert "Visão geral" in portuguese
    assert '<html lang="pt">' in portuguese
    assert "66,7" in portuguese
    assert "Overview" in operator.get("/", Accept_Language="de").text
    links = re.findall(r'<a href="([^"]*)" lang="pt"', operator.get(f"/message?id={STOPPED}").text)
    assert "porque" in operator.get("/message" + links[0].replace("&amp;", "&")).text
    assert operator.get("/person?lang=pt").status_code == 302
    operator.get("/?lang=pt")
    assert "Visão geral" in operator.get("/", Accept_Language="en").text
    assert "porque message.delivered" in operator.get(f"/message?id={STOPPED}").text


@on_sqlite
def test_a_page_that_the_database_does_not_answer_says_so(operator: Visitor, filled: Engine) -> None:
    with filled.begin() as connection:
        connection.execute(text("DROP VIEW report_daily"))
    response = operator.get("/")
    assert response.status_code == 503
    assert "The database did not answer" in response.text


@on_sqlite
def test_what_is_asked_for_in_a_strange_way_is_no_mistake_of_ours(operator: Visitor) -> None:
    strange = ("%00", "%ff%fe", "'; DROP", "9" * 30, "a" * 5000, "%F0%9F%92%A9", "-1", "")
    for name in ("message?id=", "person?statement=", "person?message=", "campaign?id=", "campaigns?after=", "day?day="):
        for value in strange:
            assert operator.get(f"/{name}{value}").status_code in (200, 302, 404), (name, value)
    for path in ("dead-letter?digest=", "opt-outs?before=", "log?before=", "failures?days=", "?channel=", "?lang="):
        for value in strange:
            assert operator.get(f"/{path}{value}").status_code in (200, 404), (path, value)
    operator.get("/")
    for value in ("\0", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "(((", "9" * 400, "a@", "@"):
        assert operator.post("/messages", term=value).status_code in (200, 404, 422), value
        assert operator.post("/person", address=value).status_code in (200, 404), value
    assert CONSOLE_PATH == "/console/"


@on_sqlite
def test_an_outage_that_nobody_has_looked_after_needs_somebody(operator: Visitor, filled: Engine) -> None:
    began = datetime.now(UTC) - timedelta(hours=3)
    with filled.begin() as connection:
        connection.execute(
            OUTAGES.insert(), {"began_at": began, "ended_at": began + timedelta(hours=2), "kind": "no_process"}
        )
    assert "1 outage may have cost deliveries" in operator.get("/").text
    assert "When no delivery could be acknowledged" in operator.get("/health").text
