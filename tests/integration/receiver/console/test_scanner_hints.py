"""Every page that shows an e-mail opt-out which may be a mail scanner's says so, and the opt-out holds."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select

from models.tables import HISTORY, OPT_OUTS
from sync.events.interpretation import ParseOptions
from sync.opt_outs import find_scanner_hints as finding
from sync.opt_outs.find_scanner_hints import find_scanner_hints, latest_scanner_hints
from sync.store.apply import apply
from tests.integration.receiver.console.conftest import delivery
from tests.support.consoles import Visitor

HINT = "perhaps a mail scanner"
SOON, LATE = "soon@example.org", "late@example.org"
BURST = [f"p{number}@burst.example" for number in range(12)]


@pytest.fixture
def scanned(filled: Engine) -> Engine:
    """Somebody opted out 2 s after the delivery, somebody an hour after it, and twelve of one domain in a minute."""
    at = datetime.now(UTC) - timedelta(hours=3)
    stops = [(SOON, 2, 1), (LATE, 3600, 1), *((address, 600 + place * 4, 0) for place, address in enumerate(BURST))]
    raw = []
    for number, (address, seconds, is_delivered) in enumerate(stops):
        of_message = {"message_id": f"mail_{number}", "to": address, "channel": "email"}
        if is_delivered:
            raw.append(delivery("message.delivered", at, **of_message))
        raw.append(delivery("message.optout", at + timedelta(seconds=seconds), **of_message))
    apply(filled, raw, options=ParseOptions(default_region="AO"), now=datetime.now(UTC))
    return filled


def ids(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {row.address: row.id for row in connection.execute(select(HISTORY.c.address, HISTORY.c.id))}


def hints(engine: Engine, *addresses: str) -> dict[str, tuple[float | None, int]]:
    id_of = ids(engine)
    with engine.connect() as connection:
        hint_of = find_scanner_hints(connection, [id_of[address] for address in addresses])
    names = {number: address for address, number in id_of.items()}
    return {names[number]: (hint.seconds_after_delivery, hint.burst) for number, hint in hint_of.items()}


def test_soon_after_the_delivery_and_in_a_burst_of_one_domain_has_a_hint(scanned: Engine) -> None:
    everybody = ids(scanned)
    assert hints(scanned, *everybody) == {SOON: (2.0, 0)} | dict.fromkeys(BURST, (None, 12))
    # Of one alone the neighbours tell too.
    assert hints(scanned, BURST[3]) == {BURST[3]: (None, 12)}
    assert hints(scanned, LATE) == {}
    with scanned.connect() as connection:
        latest = latest_scanner_hints(connection)
        # The person stays suppressed.
        assert connection.execute(select(func.count()).where(OPT_OUTS.c.opted_in_at.is_(None))).scalar_one() >= 14
    assert latest.mail_opt_outs == 14
    assert [row.address for row, _ in latest.hinted] == [*reversed(BURST), SOON]


def test_what_is_read_is_bounded(scanned: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "NEIGHBOURS", 4)
    assert hints(scanned, BURST[0]) == {}  # only five of them are looked at
    monkeypatch.setattr(finding, "LATEST", 3)
    with scanned.connect() as connection:
        assert latest_scanner_hints(connection).mail_opt_outs == 3
    monkeypatch.setattr(finding, "IDS_MAX", 1)
    id_of = ids(scanned)
    with scanned.connect() as connection:
        assert find_scanner_hints(connection, [id_of[SOON], max(id_of.values()) + 1]) == {}


def test_pages_say_why_and_that_it_holds(operator: Visitor, scanned: Engine) -> None:
    id_of = ids(scanned)
    listed = operator.get("/opt-outs").text
    assert listed.count(HINT) == 13
    assert "2.0\u00a0s after the delivery" in listed
    assert listed.count("12 addresses of burst.example within 60 s") == 12
    for page in ("person", "evidence"):
        assert HINT in operator.get(f"/{page}?statement={id_of[SOON]}").text
        assert HINT not in operator.get(f"/{page}?statement={id_of[LATE]}").text
    person = operator.get(f"/person?statement={id_of[SOON]}").text
    assert "Must not be messaged" in person
    failures = operator.get("/failures").text
    assert "13 of the latest 14 opt-outs by e-mail may be a mail scanner\u2019s" in failures
    assert "These people stay opted out all the same" in failures


def test_a_viewer_sees_the_hints_and_no_address(viewer: Visitor, scanned: Engine) -> None:
    for page in ("opt-outs", "failures", f"person?statement={ids(scanned)[SOON]}"):
        text = viewer.get(f"/{page}").text
        assert "2.0\u00a0s after the delivery" in text
        assert not re.search(r"soon@|p\d+@", text)
