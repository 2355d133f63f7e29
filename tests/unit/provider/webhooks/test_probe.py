"""What a probe is: pure, nothing is sent."""

import json
from datetime import UTC, datetime

from sync.events.interpretation import ParseOptions
from sync.events.parse import parse
from sync.events.raw import PROBE_MARK, RawEvent
from sync.provider.webhooks.probe import PROBE_EVENT, make_probe

NOW = datetime(2026, 6, 24, 12, 0, tzinfo=UTC)


def test_a_probe_names_nobody_and_is_an_event_that_no_version_knows() -> None:
    probe = make_probe(b"secret")
    assert probe.body.startswith(PROBE_MARK)
    assert probe.digest != make_probe(b"secret").digest
    assert json.loads(probe.body).keys() == {"event", "timestamp", "data"}
    event = parse(RawEvent(body=probe.body, received_at=NOW), ParseOptions(default_region="AO"))
    assert (event.name, event.subject_id, event.outcome) == (PROBE_EVENT, f"sha256:{probe.digest}", "ignored")
    assert event.message is None
