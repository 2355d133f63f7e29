"""Health says what doctor and status say, with remedies; an outage is looked after by somebody, with a reason."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, select

from models.tables import AUDIT_LOG, FORGET_KEYS, OUTAGES, TASKS
from receiver.console.pages import STORES
from receiver.console.stores import Stores
from sync.doctor.check import CHECKS
from sync.doctor.in_console import CHECKED, NOT_CHECKED, check_for_page
from sync.status import measure
from sync.tasks import add_task
from tests.support.consoles import Visitor

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
BEGAN = datetime.now(UTC) - timedelta(hours=5)


@pytest.fixture
def outage(filled: Engine) -> int:
    """An outage of two hours, which costs what was first tried in most of them."""
    row = {"began_at": BEGAN, "ended_at": BEGAN + timedelta(hours=2), "kind": "no_process"}
    with filled.begin() as connection:
        return int(connection.execute(OUTAGES.insert().returning(OUTAGES.c.id), row).scalar_one())


def test_every_check_is_made_on_the_page_or_named_as_one_of_the_command(operator: Visitor) -> None:
    stores: Stores = operator.client.application.extensions[STORES]
    numbers = measure(stores.reader, stores.queue, default_region="AO", secrets=stores.secrets)
    queue = stores.queue.connection
    of_web = {"secrets": stores.secrets, "is_journalled": False, "forget_key_ids": ()}
    checks = check_for_page(numbers, stores.reader, queue, **of_web)
    assert {check.check for check in checks} == set(CHECKED)
    assert set(CHECKED) | set(NOT_CHECKED) == set(CHECKS)


@on_sqlite
def test_what_doctor_finds_is_told_with_its_remedy_in_both_languages(operator: Visitor, outage: int) -> None:
    english = operator.get("/health").text
    assert "no worker runs: what is accepted waits" in english
    assert "start the worker process of the Procfile (<code>zexa-sync worker</code>)" in english
    assert "events may be missing: unreachable" in english
    assert re.search(r"\d problems need you", english)
    portuguese = operator.get("/health?lang=pt").text
    assert "nenhum worker corre: o que é aceite espera" in portuguese
    assert "inicie o processo worker do Procfile (<code>zexa-sync worker</code>)" in portuguese
    assert "podem faltar eventos: sem confirmar de" in portuguese
    assert f'"/console/outage?number={outage}"' in portuguese


@on_sqlite
def test_a_key_of_forgotten_people_that_web_lacks_is_told_by_its_fingerprint(operator: Visitor, filled: Engine) -> None:
    assert "Keys of forgotten people" in operator.get("/health").text
    with filled.begin() as connection:
        connection.execute(FORGET_KEYS.insert(), {"key_id": "0f1e2d3c"})
    assert "ZEXA_FORGET_KEY lacks keys that forgotten people were hashed with: 0f1e2d3c" in operator.get("/health").text
    portuguese = operator.get("/health?lang=pt").text
    assert "faltam na ZEXA_FORGET_KEY chaves dos hashes de pessoas esquecidas: 0f1e2d3c" in portuguese


@on_sqlite
def test_a_secret_is_told_by_its_position_and_never_by_its_value(operator: Visitor) -> None:
    page = operator.get("/health").text
    assert "Which secret signs" in page
    assert "No web process has it." in page
    assert ">secret<" not in page


def test_an_outage_is_looked_after_by_name_and_with_what_was_done(
    operator: Visitor, filled: Engine, outage: int
) -> None:
    page = operator.get(f"/outage?number={outage}").text
    assert "Events may be missing since this outage" in page
    assert "those first tried from" in page
    assert operator.post("/outage/resolve", number=str(outage), reason=" ").status_code == 422
    answer = operator.post("/outage/resolve", number=str(outage), reason="imported the list")
    assert "Looked after." in operator.follow(answer).text
    with filled.connect() as connection:
        row = connection.execute(select(OUTAGES).where(OUTAGES.c.id == outage)).one()
        noted = connection.execute(select(AUDIT_LOG.c.name, AUDIT_LOG.c.action, AUDIT_LOG.c.subject)).all()
    assert (row.resolved_by, row.resolved_reason) == ("Maria", "imported the list")
    assert ("Maria", "outage_resolved", str(outage)) in [tuple(entry) for entry in noted]
    assert "Maria: imported the list" in operator.get(f"/outage?number={outage}").text
    assert f"outage?number={outage}" in operator.get("/log").text


@on_sqlite
def test_an_outage_that_is_not_there_is_no_mistake_of_ours(operator: Visitor) -> None:
    operator.get("/health")
    for number in ("", "0", "x", "9" * 30, "12"):
        assert operator.get(f"/outage?number={number}").status_code == 404, number
        assert operator.post("/outage/resolve", number=number, reason="done").status_code == 404, number


def test_work_that_failed_needs_somebody(operator: Visitor, filled: Engine) -> None:
    now, ids = datetime.now(UTC), []
    with filled.begin() as connection:
        for back in (1, 9):
            at = now - timedelta(days=back)
            failed = add_task(connection, "replay_dead_letters", by="Ana", parameters={}, now=at)
            ids.append(failed)
            ended = {"state": "failed", "ended_at": at, "failure": "died"}
            connection.execute(TASKS.update().where(TASKS.c.id == failed).values(ended))
    text = "1 piece of work that somebody asked for did not succeed this week."
    assert text in operator.get("/").text
    for task_id in ids:
        assert "take it off the overview" in operator.get(f"/task?id={task_id}").text
    page = operator.follow(operator.post("/task/resolve", id=ids[0])).text
    assert "The overview names it no more." in page
    assert "take it off the overview" not in page
    assert text not in operator.get("/").text
    assert "task_resolved" not in operator.get("/log").text
    with filled.connect() as connection:
        noted = connection.execute(select(AUDIT_LOG.c.name, AUDIT_LOG.c.action, AUDIT_LOG.c.subject)).all()
    assert ("Maria", "task_resolved", ids[0]) in [tuple(entry) for entry in noted]
