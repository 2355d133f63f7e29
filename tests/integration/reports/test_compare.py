"""`report campaigns --compare` puts the provider's counts beside ours, and ends with 1 if some are missing here."""

import csv
import io
import json
import os
from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import URL, Engine
from structlog.testing import capture_logs

from sync.cli import main
from sync.devtools.fake_provider.running import FakeProvider, fake_provider
from sync.store.apply import apply
from tests.conftest import NOW
from tests.support.doctors import spelled
from tests.support.events_builder import ANA, AO, TEN, body, minute, raw

KEY = "zxk_hunter2"
SILENT = ["msg_7", "msg_8"]


@pytest.fixture
def provider() -> Iterator[FakeProvider]:
    with fake_provider(key=KEY) as running:
        yield running


@pytest.fixture
def _two_campaigns(engine: Engine) -> None:
    """Of the first two messages have no final status here; of the second all have one."""
    data = {"campaign_id": "cmp_1", "channel": "sms", "to": ANA}
    bodies = [
        *(body("message.delivered", TEN, message_id=f"msg_{number}", **data) for number in range(7)),
        *(body("message.optout", TEN, message_id=message_id, **data) for message_id in SILENT),
        body("campaign.completed", minute(41), campaign_id="cmp_1", message_total=10),
        body("message.failed", TEN, message_id="msg_other", **data | {"campaign_id": "cmp_2"}),
    ]
    with capture_logs():
        apply(engine, [raw(content) for content in bodies], options=AO, now=NOW)


def compared(provider: FakeProvider, url: URL, *words: str, **environ: str) -> Result:
    cleared = {name: None for name in os.environ if name.startswith(("ZEXA_", "REDIS_", "DATABASE_"))}
    settings = provider.settings | {"DATABASE_URL": spelled(url)} | environ
    result = CliRunner().invoke(main, ["report", "campaigns", "--compare", *words], env={**cleared, **settings})
    assert KEY not in result.output
    assert ANA not in result.output
    return result


@pytest.mark.usefixtures("_two_campaigns")
def test_what_is_missing_here_is_counted_and_named(provider: FakeProvider, migrated_url: URL) -> None:
    provider.account.campaigns |= {
        "cmp_1": {"status": "completed", "counts": {"delivered": 9, "failed": 1}, "total": 10},
        "cmp_2": {"status": "completed", "failed": 1, "delivered": 0},
    }
    table = compared(provider, migrated_url)
    assert table.exit_code == 1
    assert "\ncmp_1: ours 7, Zexa 10; 3 silent since 2026-06-24 10:41Z: msg_7, msg_8\n" in table.output
    assert "\ncmp_2: ours 1, Zexa 1\n" in table.output
    (first, second) = json.loads(compared(provider, migrated_url, "--json").output)["rows"]
    assert (first["provider_total"], first["provider_delivered"], first["finalised"]) == (10, 9, 7)
    assert (first["silent_since"], first["silent_ids"]) == ("2026-06-24T10:41:00Z", " ".join(SILENT))
    assert (second["provider_failed"], second["silent_ids"]) == (1, "")
    rows = list(csv.DictReader(io.StringIO(compared(provider, migrated_url, "--csv").output)))
    assert [row["provider_delivered"] for row in rows] == ["9", "0"]
    provider.account.campaigns["cmp_1"] = {"status": "sending", "delivered": 9}
    assert compared(provider, migrated_url).exit_code == 0


@pytest.mark.usefixtures("_two_campaigns")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_campaign_that_the_provider_does_not_know_is_no_failure(provider: FakeProvider, migrated_url: URL) -> None:
    result = compared(provider, migrated_url, "--campaign", "cmp_2")
    assert (result.exit_code, provider.account.requests.total()) == (0, 1)
    assert "cmp_2: Zexa does not know it, or not with this key" in result.output
    assert "check that ZEXA_API_URL ends with /v1" in result.stderr
    provider.account.campaigns["cmp_1"] = {"status": "completed", "delivered": 9}
    assert "ZEXA_API_URL" not in compared(provider, migrated_url).stderr


@pytest.mark.usefixtures("_two_campaigns")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_provider_that_cannot_be_asked_is_one_sentence(provider: FakeProvider, migrated_url: URL) -> None:
    refused = compared(provider, migrated_url, ZEXA_API_KEY="zxk_another")
    assert (refused.exit_code, refused.output.count("\n")) == (1, 1)
    assert "401 unauthorized" in refused.output
    unset = compared(provider, migrated_url, ZEXA_API_KEY="")
    assert (unset.exit_code, "ZEXA_API_KEY is not set" in unset.output) == (2, True)
