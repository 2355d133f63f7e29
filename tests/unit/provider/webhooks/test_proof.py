"""What proves a registration: a delivery of the provider's that came after it, never a probe of our own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sync.provider.webhooks.proof import ArrivalEvidence, ProvedBy, Watch
from sync.provider.webhooks.registrations import Registration
from sync.queue.counts import fingerprint

ASKED = datetime(2026, 6, 24, 10, tzinfo=UTC)
AT = ASKED.timestamp()
SECRETS = (b"old", b"new")
OLD, NEW = (f"secret:{fingerprint(secret)}" for secret in SECRETS)
KNOWN = {fingerprint(secret): AT - 3600 for secret in SECRETS}


def judged(
    latest: dict[str, float],
    *,
    traffic_at: datetime | None = None,
    before: dict[str, float] | None = None,
    secrets_since: dict[str, float] | None = None,
    minutes: float = 0.5,
) -> ArrivalEvidence:
    others: dict[str, Any] = dict.fromkeys(
        ("registered_at", "proved_at", "proved_by", "secret", "replaced_at", "deleted_at")
    )
    registration = Registration(
        id=1,
        url="https://example.com/",
        events=("*",),
        asked_at=ASKED,
        traffic_at=traffic_at,
        webhook_id="wh_1",
        **others,
    )
    watch = Watch(registration=registration, secrets=SECRETS, before=before)
    return watch.judge(latest, KNOWN if secrets_since is None else secrets_since, ASKED + timedelta(minutes=minutes))


def test_a_test_event_proves_it_and_names_the_secret_by_its_place() -> None:
    evidence = judged({"test": AT + 0.84, NEW: AT + 0.83, OLD: AT + 0.1})
    assert evidence.proved_by is ProvedBy.TEST_EVENT
    assert evidence.proved_at == ASKED + timedelta(seconds=0.84)
    assert (evidence.position, evidence.secret) == (2, fingerprint(b"new"))


def test_a_secret_that_this_process_does_not_have_has_no_place() -> None:
    evidence = judged({"test": AT + 1, "secret:another": AT + 1})
    assert evidence.proved_at
    assert (evidence.position, evidence.secret) == (None, None)


def test_of_two_secrets_that_matched_long_before_or_after_neither_is_named() -> None:
    assert judged({"test": AT + 10, NEW: AT + 20, OLD: AT + 1}).position is None


@pytest.mark.parametrize("name", ["test", "traffic"])
def test_what_came_before_proves_nothing(name: str) -> None:
    assert judged({name: AT - 1, NEW: AT - 1}) == ArrivalEvidence()
    # A clock of another machine may be ahead: what was seen when the provider was asked does not count either.
    assert judged({name: AT + 9, NEW: AT + 9}, before={name: AT + 9, NEW: AT + 9}) == ArrivalEvidence()
    assert judged({name: AT - 1, NEW: AT - 1}, before={name: AT - 2}).proved_at


def test_a_probe_of_our_own_proves_nothing() -> None:
    assert judged({"delivery": AT + 1, OLD: AT + 1}) == ArrivalEvidence()


def test_the_first_delivery_proves_it_if_none_came_before() -> None:
    assert judged({"traffic": AT + 1, OLD: AT + 1}).proved_by is ProvedBy.DELIVERY
    assert judged({"traffic": AT + 1, OLD: AT + 1}, traffic_at=ASKED - timedelta(days=2)).position == 1


def test_if_deliveries_came_before_one_more_of_them_proves_nothing_at_once() -> None:
    busy = ASKED - timedelta(minutes=1)
    seen = {"traffic": AT + 61, OLD: AT + 61}
    assert judged({"traffic": AT + 1, OLD: AT + 1}, traffic_at=busy) == ArrivalEvidence()
    assert judged(seen, traffic_at=busy, minutes=1.1).proved_by is ProvedBy.DELIVERY
    assert judged(seen | {"refused:wrong": AT + 30}, traffic_at=busy, minutes=1.1) == ArrivalEvidence(refused="wrong")


@pytest.mark.parametrize("reason", ["wrong", "retired"])
def test_a_delivery_that_another_secret_signed_says_so(reason: str) -> None:
    assert judged({f"refused:{reason}": AT + 1}) == ArrivalEvidence(refused=reason)
    assert judged({f"refused:{reason}": AT - 1}) == ArrivalEvidence()


def test_a_refusal_before_web_had_the_secret_of_today_does_not_count() -> None:
    secrets_since = KNOWN | {fingerprint(b"new"): AT + 60}
    assert judged({"refused:wrong": AT + 1}, secrets_since=secrets_since) == ArrivalEvidence()
    assert judged({"refused:wrong": AT + 61}, secrets_since=secrets_since) == ArrivalEvidence(refused="wrong")


def test_a_refusal_of_anybodys_does_not_hide_the_test_event() -> None:
    assert judged({"refused:wrong": AT + 1, "test": AT + 0.5, OLD: AT + 0.5}).proved_by is ProvedBy.TEST_EVENT
