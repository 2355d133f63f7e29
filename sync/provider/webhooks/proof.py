"""Did a delivery of the provider's reach us, and which secret signed it? By what web and workers saw last, in Redis.

Our own probes are no proof: they are signed with our secret, not with the provider's.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from sync.provider.webhooks.registrations import Registration
from sync.queue.connection import OpenQueue
from sync.queue.counted import read_latest
from sync.queue.counts import REFUSED_PREFIX, SECRET_PREFIX, TEST_EVENT, TRAFFIC, fingerprint

PAUSE_SECONDS = 0.1
REFUSED_SECONDS = 2.0
# A delivery is noted, and with it the secret that matched, within one request.
MATCHED_WITHIN_SECONDS = 2.0
# If deliveries came before, a new webhook has to sign some of those that come after with a secret of ours.
BUSY_WITHIN = timedelta(days=1)
SETTLED_AFTER = timedelta(minutes=1)


class ProvedBy(StrEnum):
    """What a registration is proved by."""

    TEST_EVENT = "test_event"  # the provider's, which names itself one
    DELIVERY = "delivery"  # a delivery of its traffic, or a test event that looks like one


@dataclass(frozen=True, slots=True, kw_only=True)
class ArrivalEvidence:
    """What came after a registration was asked for.

    `position` is the place of the secret that signed it among ours, from 1, `secret` its fingerprint. Both are None if
    this process does not know that secret. `refused` is why a delivery was refused that somebody else's secret signed,
    or a retired one: "wrong" or "retired".
    """

    proved_at: datetime | None = None
    proved_by: ProvedBy | None = None
    position: int | None = None
    secret: str | None = None
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Looks for evidence of one registration. `before` is what had been seen when the provider was asked, if known.

    Times of several machines are not compared if they need not be: what was seen before does not count.
    """

    registration: Registration
    secrets: Sequence[bytes] = field(repr=False)
    before: Mapping[str, float] | None = None

    def look(self, queue: OpenQueue) -> ArrivalEvidence:
        """Return what is known by now. Raises QueueUnavailable."""
        latest, secrets_since = read_latest(queue)
        return self.judge(latest, secrets_since, datetime.now(UTC))

    def wait(self, queue: OpenQueue, seconds: float) -> ArrivalEvidence:
        """Return what is known as soon as it says something, or after `seconds`. Raises QueueUnavailable."""
        deadline = time.monotonic() + seconds
        while True:
            evidence = self.look(queue)
            if evidence.refused:  # by anybody, and the provider's own may be on its way
                deadline = min(deadline, time.monotonic() + REFUSED_SECONDS)
            if evidence.proved_at or time.monotonic() >= deadline:
                return evidence
            time.sleep(min(PAUSE_SECONDS, max(0.0, deadline - time.monotonic())))

    def judge(self, latest: Mapping[str, float], secrets_since: Mapping[str, float], now: datetime) -> ArrivalEvidence:
        """Return what follows from when everything was seen last, and since when `web` has which secret."""
        seen = {name: at for name, at in latest.items() if self._is_new(name, at)}
        refused = self._refused(seen, secrets_since)
        if TEST_EVENT in seen:
            return self._proved(ProvedBy.TEST_EVENT, seen[TEST_EVENT], seen)
        if TRAFFIC in seen and self._speaks_for_it(now, is_any_refused=refused is not None):
            return self._proved(ProvedBy.DELIVERY, seen[TRAFFIC], seen)
        return ArrivalEvidence(refused=refused)

    def _is_new(self, name: str, at: float) -> bool:
        if self.before is not None:
            return at > self.before.get(name, 0.0)
        return at >= self.registration.asked_at.timestamp()

    def _refused(self, seen: Mapping[str, float], secrets_since: Mapping[str, float]) -> str | None:
        """Return why a delivery was refused, if it would be refused now too: no secret of ours came after it."""
        newest = max((secrets_since.get(fingerprint(secret), math.inf) for secret in self.secrets), default=math.inf)
        reasons = [reason for reason in ("wrong", "retired") if seen.get(f"{REFUSED_PREFIX}{reason}", 0.0) > newest]
        return next(iter(reasons), None)

    def _speaks_for_it(self, now: datetime, *, is_any_refused: bool) -> bool:
        """Return whether an accepted delivery can be only this webhook's, or must be among those of this webhook."""
        asked_at, traffic_at = self.registration.asked_at, self.registration.traffic_at
        is_alone = traffic_at is None or asked_at - traffic_at > BUSY_WITHIN
        return is_alone or (now - asked_at > SETTLED_AFTER and not is_any_refused)

    def _proved(self, by: ProvedBy, at: float, seen: Mapping[str, float]) -> ArrivalEvidence:
        names = [fingerprint(secret) for secret in self.secrets]
        apart = {
            position: abs(seen[f"{SECRET_PREFIX}{name}"] - at)
            for position, name in enumerate(names, start=1)
            if f"{SECRET_PREFIX}{name}" in seen
        }
        nearest = min(apart, key=apart.__getitem__, default=None)
        if nearest is not None and len(apart) > 1 and apart[nearest] > MATCHED_WITHIN_SECONDS:
            nearest = None
        return ArrivalEvidence(
            proved_at=datetime.fromtimestamp(at, UTC),
            proved_by=by,
            position=nearest,
            secret=names[nearest - 1] if nearest else None,
        )
