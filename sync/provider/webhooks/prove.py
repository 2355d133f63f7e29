"""Registers, watches, and writes down what proves the registration: for the command and for `zexa-sync dev`."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from sqlalchemy import Engine

from sync.provider.client import ProviderClient
from sync.provider.webhooks import registrations
from sync.provider.webhooks.proof import ArrivalEvidence, Watch
from sync.provider.webhooks.register import RegisteredWebhook, Registrar
from sync.provider.webhooks.registrations import Registration
from sync.queue.connection import OpenQueue, QueueUnavailable, opened_queue
from sync.queue.counted import read_latest
from sync.queue.counts import TRAFFIC, fingerprint
from sync.settings.environment import RedisSettings
from sync.settings.provider import ProviderSettings

REDIS_SECONDS = 2.0


@dataclass(slots=True, kw_only=True)
class RegistrationRun:
    """One run of `webhooks register`. `redis` is None if this process is not told where Redis is."""

    engine: Engine
    settings: ProviderSettings
    redis: RedisSettings | None = field(repr=False)
    secrets: Sequence[bytes] = field(repr=False)
    _queue: OpenQueue | None = field(default=None, init=False)
    _before: Mapping[str, float] | None = field(default=None, init=False)
    _opened: ExitStack = field(default_factory=ExitStack, init=False)

    def __enter__(self) -> Self:
        if self.redis is not None:
            self._queue = self._opened.enter_context(opened_queue(self.redis, seconds=REDIS_SECONDS))
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    @property
    def queue(self) -> OpenQueue | None:
        return self._queue

    def register(self, url: str, events: Sequence[str], *, again: bool = False) -> RegisteredWebhook:
        """Do as `Registrar.register`, and raise what that raises."""
        with ProviderClient(self.settings) as client:
            registrar = Registrar(
                engine=self.engine,
                client=client,
                api_url=self.settings.api_url,
                last_traffic=self._note_what_was_seen,
            )
            return registrar.register(url, events, again=again)

    def wait(self, registered: RegisteredWebhook, seconds: float) -> ArrivalEvidence:
        """Return what came until now, or does within `seconds`; write down what proves it.

        Raises QueueUnavailable, also if this process is not told where Redis is.
        """
        if self._queue is None:
            raise QueueUnavailable("REDIS_URL is not set")
        before = self._before if registered.is_new else None
        watch = Watch(registration=registered.registration, secrets=self.secrets, before=before)
        evidence = watch.wait(self._queue, seconds)
        if evidence.proved_at:
            with self.engine.begin() as connection:
                registrations.change(
                    connection,
                    registered.registration,
                    proved_at=evidence.proved_at,
                    proved_by=evidence.proved_by,
                    secret=evidence.secret,
                )
        return evidence

    def position(self, registration: Registration) -> int | None:
        """Return the place of the secret that it is proved with among ours, from 1; None if it is not there."""
        names = [fingerprint(secret) for secret in self.secrets]
        return names.index(registration.secret) + 1 if registration.secret in names else None

    def is_proved(self, registration: Registration) -> bool:
        """Return whether it is proved, with a secret that is still ours as far as this process knows."""
        if registration.proved_at is None:
            return False
        return not registration.secret or not self.secrets or self.position(registration) is not None

    def _note_what_was_seen(self) -> datetime | None:
        """Return when the last delivery came; now if Redis does not say, as if deliveries came all the time."""
        try:
            if self._queue is None:
                return datetime.now(UTC)
            self._before, _ = read_latest(self._queue)
        except (QueueUnavailable, ValueError):  # ValueError: a name that no name server would be asked for
            return datetime.now(UTC)
        at = self._before.get(TRAFFIC)
        return None if at is None else datetime.fromtimestamp(at, UTC)
