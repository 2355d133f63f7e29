"""Every metric that an alert or the dashboard asks for is in a real scrape of `/metrics`."""

import json
import re
import time
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import URL

from sync.devtools.dev.embedded import RedisServer
from sync.queue.counts import USUAL_GAPS_KEY
from sync.rollups.usual_gaps import HOURS_OF_WEEK
from tests.support.events_builder import body
from tests.support.processes import ROOT, Platform, platform

TOKEN = "a-token-of-the-tests"


def asked_for() -> set[str]:
    """The metrics of the alerts' and the dashboard's expressions."""
    alerts = re.sub(r"^ *#.*$|^ +(summary|runbook): .*$", "", _text("prometheus/alerts.yml"), flags=re.MULTILINE)
    panels = json.loads(_text("grafana/dashboard.json"))["panels"]
    expressions = [alerts, *(target["expr"] for panel in panels for target in panel["targets"])]
    return set(re.findall(r"\bzexa_[a-z_]+\b", "\n".join(expressions)))


def _text(path: str) -> str:
    return (ROOT / "deploy" / path).read_text()


def scraped(started: Platform) -> set[str]:
    status, _, text = started.request("GET", "/metrics", Authorization=f"Bearer {TOKEN}")
    assert status == 200
    return set(re.findall(r"^(zexa_[a-z_]+)(?=[ {])", text.decode(), re.MULTILINE))


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_every_metric_of_alerts_and_dashboard_is_scraped(
    tmp_path: Path, migrated_url: URL, redis_server: RedisServer, redis: Redis
) -> None:
    assert len(asked_for()) > 15
    with platform(tmp_path / "logs", migrated_url, redis_server.url, forks=True, ZEXA_LOOKUP_TOKEN=TOKEN) as started:
        started.start_web()
        started.start_worker()
        assert started.deliver(body("message.delivered", message_id="msg_1", to="+244912345678")) == 200
        assert started.deliver(body("message.optout", message_id="msg_1", to="+244912345678")) == 200
        # What two weeks of traffic would have left.
        redis.hset(USUAL_GAPS_KEY, mapping=dict.fromkeys(range(HOURS_OF_WEEK), 600))
        deadline = time.monotonic() + 20
        while (missing := asked_for() - scraped(started)) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert missing == set()
