"""Every text of the console is there in Portuguese, and numbers and times are written as the language has them."""

import ast
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from flask import Flask, g

from receiver.console import dead_letters, findings, language, tasks
from receiver.console.language import EVENTS
from receiver.console.listing import TITLES
from receiver.console.needs import HELD_BY
from receiver.console.portuguese import PORTUGUESE
from receiver.console.sentences import in_portuguese
from sync.doctor import store_findings, traffic_findings
from sync.doctor.in_console import CHECKED
from sync.events.event import EventType, Unreadable
from sync.events.interpretation import ParseOptions
from sync.events.parse import parse
from sync.events.raw import RawEvent
from sync.terminal.findings import Finding
from sync.users.audit import Action

CONSOLE = Path(language.__file__).parent
PLACES = re.compile(r"{(\w+)}")
OF_TASKS = (tasks.KINDS, tasks.OUTCOMES, tasks.FAILURES, tasks.STATES, dead_letters.STATES)
OF_VALUES = {"queued", "sent", "delivered", "failed", "undeliverable", *HELD_BY.values()}
OF_VALUES |= {*findings.NAMES.values(), *EVENTS.values()}
OF_DOCTOR = [it for it in (vars(store_findings) | vars(traffic_findings)).values() if isinstance(it, Finding)]
OF_VALUES |= {text for it in OF_DOCTOR if it.check in CHECKED for text in (it.found, it.remedy)}
OF_VALUES |= {*TITLES.values(), *(str(action).replace("_", " ") for action in Action)}
OF_VALUES |= dead_letters.ERRORS | dead_letters.REASONS
OF_VALUES |= {text for texts in OF_TASKS for text in texts.values()}


def texts_of_templates() -> Iterator[str]:
    for path in CONSOLE.glob("templates/*.html"):
        for called in re.finditer(r"\b_\((?:\"([^\"]*)\"|'([^']*)')", path.read_text()):
            yield called[1] or called[2]
        for called in re.finditer(r"\bcounted\([^\"]*\"([^\"]*)\", \"([^\"]*)\"", path.read_text()):
            yield from called.groups()


def texts_of_code() -> Iterator[str]:
    for path in CONSOLE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("_", "counted"):
                yield from (str(text.value) for text in node.args if isinstance(text, ast.Constant))


TEXTS = {*texts_of_templates(), *texts_of_code(), *OF_VALUES}


def test_every_event_of_a_message_has_words() -> None:
    assert {event for event in EventType if event.startswith("message.")} <= EVENTS.keys()


def test_every_text_is_there_in_portuguese_and_no_other() -> None:
    assert TEXTS - PORTUGUESE.keys() == set()
    assert PORTUGUESE.keys() - TEXTS == set()
    assert len(TEXTS) > 200


def test_a_translation_has_the_places_of_its_text() -> None:
    places = {text: (set(PLACES.findall(text)), set(PLACES.findall(other))) for text, other in PORTUGUESE.items()}
    assert {text: (ours, theirs) for text, (ours, theirs) in places.items() if ours != theirs} == {}
    assert any(ours for ours, _ in places.values())


@pytest.fixture
def speaking(request: pytest.FixtureRequest) -> Iterator[None]:
    with Flask(__name__).app_context():
        g.language, g.timezone = request.param, "Africa/Luanda"
        yield


@pytest.mark.usefixtures("speaking")
@pytest.mark.parametrize("speaking", ["en"], indirect=True)
def test_numbers_and_times_in_english() -> None:
    assert language.number_text(1_234_567) == "1,234,567"
    assert language.share_text(0.9345) == "93.5%"
    assert language.full_day_text(date(2026, 6, 4)) == "4 Jun 2026"
    assert "4 Jun 2026, 11:05:00" in language.time_of(datetime(2026, 6, 4, 10, 5, tzinfo=UTC))
    assert 'datetime="2026-06-04T10:05:00Z"' in language.time_of(datetime(2026, 6, 4, 10, 5, tzinfo=UTC))


@pytest.mark.usefixtures("speaking")
@pytest.mark.parametrize("speaking", ["pt"], indirect=True)
def test_numbers_and_times_in_portuguese() -> None:
    assert language.number_text(1_234_567) == "1\u202f234\u202f567"
    assert language.share_text(0.9345) == "93,5\u00a0%"
    assert language.full_day_text(date(2026, 6, 4)) == "4 de jun de 2026"
    assert language.counted(1, "{n} message", "{n} messages") == "1 mensagem"
    assert [language.of_many(status) for status in ("delivered", "ended")] == ["entregues", "terminadas"]
    assert language.duration_text(1.5) == "1,5\u00a0s"


@pytest.mark.usefixtures("speaking")
@pytest.mark.parametrize("speaking", ["pt"], indirect=True)
def test_what_became_of_one_message_is_told_in_the_singular() -> None:
    assert (
        language.ends_text(delivered=1, failed=1, undeliverable=1) == "1 entregue, 1 falhada, 1 impossível de entregar"
    )
    several = "2 entregues, 0 falhadas, 1\u202f000 impossíveis de entregar"
    assert language.ends_text(delivered=2, failed=0, undeliverable=1_000) == several


@pytest.mark.usefixtures("speaking")
@pytest.mark.parametrize("speaking", ["pt"], indirect=True)
def test_a_reason_of_dead_letters_has_a_name_and_one_of_another_version_stays() -> None:
    assert dead_letters.reason_name("not_json") == "não é JSON"
    assert dead_letters.reason_name("<b>") == "<b>"


@pytest.mark.usefixtures("speaking")
@pytest.mark.parametrize("speaking", ["en"], indirect=True)
def test_one_message_is_told_of_in_the_singular() -> None:
    singular, plural = "In 30 days {share} of {n} message arrived", "In 30 days {share} of {n} messages arrived"
    assert language.counted(1, singular, plural, share="100.0%") == "In 30 days 100.0% of 1 message arrived"
    assert language.counted(2_000, singular, plural, share="95.4%") == "In 30 days 95.4% of 2,000 messages arrived"


def test_values_in_a_text_are_escaped() -> None:
    with Flask(__name__).app_context():
        g.language = "en"
        assert "<b>" not in language._("Welcome, {name}", name="<b>")


def test_why_a_message_has_its_status_is_told_in_portuguese() -> None:
    portuguese = in_portuguese(
        "delivered, because message.delivered (occurred 2026-06-24 10:00:00Z) is the latest final event; "
        "it outranks message.failed (occurred 2026-06-24 09:00:00Z)."
    )
    assert portuguese == (
        "entregue, porque message.delivered (ocorreu em 2026-06-24 10:00:00Z) é o último evento final; "
        "prevalece sobre message.failed (ocorreu em 2026-06-24 09:00:00Z)."
    )
    assert in_portuguese("a sentence of another form, delivered") == "a sentence of another form, delivered"


@pytest.mark.usefixtures("speaking")
@pytest.mark.parametrize("speaking", ["pt"], indirect=True)
def test_why_a_body_cannot_be_read_is_told_in_portuguese() -> None:
    nested, nul = b"[" * 100_000, b'{"event": "message.delivered", "data": {"message_id": "a\\u0000"}}'
    half = nul.replace(b"\\u0000", b"\\ud800")
    long = nul.replace(b"\\u0000", b"a" * 10_000)
    nameless = b'{"event": "message.optout", "data": {}}'
    for body in (b"\xff", b"{", b"[]", nested, nul, half, long, nameless):
        with pytest.raises(Unreadable) as unreadable:
            parse(RawEvent(body=body, received_at=datetime(2026, 6, 4, tzinfo=UTC)), ParseOptions(default_region="AO"))
        portuguese = dead_letters.error_text(unreadable.value.detail)
        assert re.match("(o corpo|a recusa|um campo) ", portuguese), portuguese


@pytest.mark.usefixtures("speaking")
@pytest.mark.parametrize("speaking", ["pt"], indirect=True)
def test_what_doctor_finds_is_told_in_portuguese_with_its_values_and_commands() -> None:
    assert findings.NAMES.keys() == set(CHECKED)
    gone = traffic_findings.WORKERS_GONE(ago="5 min ago")
    assert (
        findings.found_text(gone)
        == "nenhum worker foi visto no último minuto, o último há 5 min: o que é aceite espera"
    )
    assert "<code>zexa-sync worker</code>" in findings.remedy_text(gone)
    assert "&lt;b&gt;" in findings.found_text(traffic_findings.CLOCKS_DRIFT(seconds="2", lines="<b>"))
