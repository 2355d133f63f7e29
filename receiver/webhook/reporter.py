"""Counts what one web process answers, and sends it to Redis each second if no delivery takes it along.

It also shows that the process lives, and publishes deliveries while somebody watches them (`zexa-sync tail`).
"""

import json
import os
import time
from collections import Counter, deque
from collections.abc import Sequence
from http import HTTPStatus
from socket import gethostname
from threading import Event, Lock
from typing import Any

from redis.exceptions import RedisError

from receiver.webhook.background import Background
from sync.events.raw import RawEvent
from sync.queue.connection import connect
from sync.queue.counts import (
    ACCEPTED,
    LATEST_KEY,
    REFUSED_PREFIX,
    SECRET_PREFIX,
    SECRETS_KEY,
    TAIL_CHANNEL,
    TAIL_KEY,
    WEB_KEY,
    Command,
    Counts,
    fingerprint,
    given_forget_keys,
)
from sync.settings.environment import RedisSettings

SEND_SECONDS = 1.0
BEAT_SECONDS = 5.0
REDIS_SECONDS = 0.5
# How long a web process is remembered that is not seen any more.
FORGET_SECONDS = 24 * 3600
# What is kept for those who watch, in one second; a longer body is shown without its content.
WATCHED_MAX = 200
WATCHED_BODY_BYTES_MAX = 16 * 1024


class Reporter:
    """One per process; safe for threads. Its thread begins with `start`, or with the first delivery not accepted."""

    def __init__(self, redis: RedisSettings, secrets: Sequence[bytes], forget_key_ids: Sequence[str] = ()) -> None:
        self.counts = Counts()
        self._redis = connect(redis, connections=1, seconds=REDIS_SECONDS)
        self._fingerprints = [fingerprint(secret) for secret in secrets]
        self._given = given_forget_keys("web", forget_key_ids)
        self._names = [f"{SECRET_PREFIX}{name}" for name in self._fingerprints]
        self._watched: deque[dict[str, Any]] = deque(maxlen=WATCHED_MAX)
        self._beat_at = 0.0
        self._has_stored = self._has_failed = False
        self._sending = Lock()
        self._background = Background("reporter", self._run, at_exit=self.stop)

    def start(self) -> None:
        """Show from now on that this process lives. Not before it forks."""
        self._background.start()

    def stop(self) -> None:
        """Send what is left, unless Redis is away, and nothing after that."""
        self._background.stop()
        self._send(is_last=True)

    def matched(self, place: int) -> None:
        """Note that the secret at `place` matched."""
        self.counts.see(self._names[place], at=time.time())

    def stored(self) -> None:
        """Note that deliveries were acknowledged."""
        self._has_stored = True

    def take_answers(self) -> bool | None:
        """Return whether deliveries were acknowledged since this was asked last, False if all were answered 503.

        None if there was neither answer.
        """
        has_stored, has_failed = self._has_stored, self._has_failed
        self._has_stored = self._has_failed = False
        return has_stored or (False if has_failed else None)

    def not_accepted(self, status: HTTPStatus, reason: str, **shown: Any) -> None:
        """Count a delivery that was refused for `reason`, or could not be stored. `shown` is for those who watch."""
        names = [f"code:{status.value}"]
        if status is HTTPStatus.SERVICE_UNAVAILABLE:
            self._has_failed = True
        else:
            names.append(f"{REFUSED_PREFIX}{reason}")
            self.counts.see(names[-1], at=time.time())
        self.counts.add(*names)
        self._watched.append({"at": time.time(), "code": status.value, "reason": reason, **shown})
        self.start()

    def accepted_elsewhere(self, number: int) -> None:
        """Count deliveries that the inbox took: Redis hears of them later."""
        self.stored()
        self.counts.add_all(Counter({ACCEPTED: number}))
        self.counts.see("delivery", at=time.time())
        self.start()

    def watched(self, raw_events: Sequence[RawEvent]) -> None:
        """Show accepted deliveries to those who watch."""
        for raw in raw_events:
            body = raw.body.decode("latin-1") if len(raw.body) <= WATCHED_BODY_BYTES_MAX else None
            at = raw.received_at.timestamp()
            size, request_id = len(raw.body), raw.request_id
            self._watched.append(
                {"at": at, "code": 200, "reason": None, "body": body, "bytes": size, "request_id": request_id}
            )
        self.start()

    def _run(self, is_over: Event) -> None:
        while not is_over.wait(SEND_SECONDS):
            self._send()

    def _send(self, *, is_last: bool = False) -> None:
        """Send what is pending, over a connection that is closed again: small plans have few."""
        with self._sending:
            now = time.time()
            is_due = now - self._beat_at >= BEAT_SECONDS and not is_last
            pending = self.counts.take()
            if not pending and not is_due and not self._watched:
                return
            commands = pending.commands(now) + (self._beat(now) if is_due else [])
            try:
                self._execute(commands)
            except (RedisError, OSError, ValueError):  # ValueError: a name that no name server would be asked for
                self.counts.restore(pending)
            else:
                self._beat_at = now if is_due else self._beat_at
            finally:
                self._redis.connection_pool.disconnect()

    def _beat(self, now: float) -> list[Command]:
        scores = [part for name in self._fingerprints for part in (f"{now:.3f}", name)]
        return [
            ("ZADD", WEB_KEY, f"{now:.3f}", f"{gethostname()}:{os.getpid()}"),
            ("ZREMRANGEBYSCORE", WEB_KEY, "-inf", f"{now - FORGET_SECONDS:.3f}"),
            ("ZADD", LATEST_KEY, "GT", f"{now:.3f}", "web", f"{now:.3f}", self._given),
            ("ZADD", SECRETS_KEY, "NX", *scores),
        ]

    def _execute(self, commands: Sequence[Command]) -> None:
        with self._redis.pipeline() as pipeline:
            for command in (*commands, ("EXISTS", TAIL_KEY)):
                pipeline.execute_command(*command)
            # What Redis says of one count does not matter: a transaction counts all of them, or none.
            is_watched = pipeline.execute(raise_on_error=False)[-1] == 1
        watched = [self._watched.popleft() for _ in range(len(self._watched))]
        if is_watched and watched:
            self._redis.publish(TAIL_CHANNEL, json.dumps(watched))
