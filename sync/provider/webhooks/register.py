"""Registers a webhook once, from however many processes, and never loses sight of one that may exist."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine

from sync.events.event import EventType
from sync.provider.client import ListedWebhook, ProviderClient
from sync.provider.errors import ProviderError, ProviderFailure
from sync.provider.webhooks import registrations
from sync.provider.webhooks.lock import registering
from sync.provider.webhooks.registrations import Registration
from sync.provider.webhooks.urls import ALL, CannotRegister, webhook_url


class MayExist(Exception):  # noqa: N818 - a state
    """A webhook may exist that was asked for at `asked_at`, and the provider does not tell. `because`: the answer."""

    def __init__(self, asked_at: datetime, because: ProviderError | None = None) -> None:
        super().__init__("a webhook may exist")
        self.asked_at = asked_at
        self.because = because


class NothingMade(Exception):  # noqa: N818 - an outcome
    """The provider failed, and its list shows that nothing was made."""

    def __init__(self, because: ProviderError) -> None:
        super().__init__(str(because))


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredWebhook:
    """The webhook that is in place. `is_new`: it was made just now; `is_found`, it was found in the provider's list.

    `left` are webhooks in place of which it was made, and which the provider does not delete for us.
    """

    registration: Registration
    is_new: bool = False
    is_found: bool = False
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registrar:
    """What it takes to register. `last_traffic` returns when the last delivery was received that is known of."""

    engine: Engine
    client: ProviderClient
    api_url: str
    last_traffic: Callable[[], datetime | None]

    def register(self, url: str, events: Sequence[str], *, again: bool = False) -> RegisteredWebhook:
        """Return the webhook of `url` for `events`, made only if there is none yet, or `again`.

        Raises ProviderError if nothing was made, MayExist if that is not known, Busy if another process is at it.
        """
        with registering(self.engine.url):
            recorded = self._recorded(url)
            for attempt in (registration for registration in recorded if registration.is_open):
                if again:
                    self._change(attempt, replaced_at=datetime.now(UTC))
                else:
                    self._resolved(attempt, recorded)
                    recorded = self._recorded(url)
            current = next(
                (
                    registration
                    for registration in reversed(recorded)
                    if registration.is_current and registration.events == tuple(events)
                ),
                None,
            )
            if current and not again:
                return self._in_place(current, recorded)
            if not again and (listed := self._add_listed(url, events, recorded)):
                return self._in_place(listed, recorded, is_found=True)
            return self._in_place(self._made(url, events, recorded), recorded, is_new=True)

    def _recorded(self, url: str) -> list[Registration]:
        with self.engine.begin() as connection:
            return registrations.registrations(connection, url=url)

    def _resolved(self, registration: Registration, recorded: Sequence[Registration]) -> Registration | None:
        """Return what became of a request whose answer is not known; None if nothing did. Raises MayExist."""
        listed = self._listed()
        if listed is None:
            raise MayExist(registration.asked_at)
        webhook = self._match(listed, registration.url, registration.events, recorded)
        if webhook:
            return self._change(registration, webhook_id=webhook.id, registered_at=datetime.now(UTC))
        if self._may_be_among(listed, registration, recorded):
            raise MayExist(registration.asked_at)
        with self.engine.begin() as connection:
            registrations.forget(connection, registration)
        return None

    def _add_listed(self, url: str, events: Sequence[str], recorded: Sequence[Registration]) -> Registration | None:
        """Return a webhook that the provider lists and we did not make, such as one of its dashboard."""
        webhook = self._match(self._listed() or (), url, events, recorded)
        if webhook is None:
            return None
        traffic_at, now = self.last_traffic(), datetime.now(UTC)
        with self.engine.begin() as connection:
            added = registrations.add(connection, url=url, events=events, asked_at=now, traffic_at=traffic_at)
            return registrations.change(connection, added, webhook_id=webhook.id, registered_at=now)

    def _made(self, url: str, events: Sequence[str], recorded: Sequence[Registration]) -> Registration:
        traffic_at = self.last_traffic()
        with self.engine.begin() as connection:
            # Before the provider is asked: a kill must not leave a webhook that nobody knows of.
            registration = registrations.add(
                connection, url=url, events=events, asked_at=datetime.now(UTC), traffic_at=traffic_at
            )
        try:
            webhook = self.client.create_webhook(url, events)
        except ProviderError as error:
            return self._after_failure(registration, recorded, error)
        return self._change(registration, webhook_id=webhook.id, registered_at=datetime.now(UTC))

    def _after_failure(
        self, attempt: Registration, recorded: Sequence[Registration], error: ProviderError
    ) -> Registration:
        if not error.may_have_been_done:
            with self.engine.begin() as connection:
                registrations.forget(connection, attempt)
            raise error
        try:
            registration = self._resolved(attempt, recorded)
        except (MayExist, ProviderError):
            raise MayExist(attempt.asked_at, error) from None
        if registration is None:
            raise NothingMade(error)
        return registration

    def _in_place(
        self,
        registration: Registration,
        recorded: Iterable[Registration],
        *,
        is_new: bool = False,
        is_found: bool = False,
    ) -> RegisteredWebhook:
        """Retire what `registration` takes the place of, which delivers until then."""
        left_ids = []
        for old in recorded:
            if old.id == registration.id or old.webhook_id is None or old.deleted_at:
                continue
            if old.replaced_at is None:
                self._change(old, replaced_at=datetime.now(UTC))
            elif not is_new and not is_found:
                continue
            if self._is_deleted(old.webhook_id):
                self._change(old, deleted_at=datetime.now(UTC))
            else:
                left_ids.append(old.webhook_id)
        return RegisteredWebhook(registration=registration, is_new=is_new, is_found=is_found, left=tuple(left_ids))

    def _is_deleted(self, webhook_id: str) -> bool:
        """Delete the webhook, and return whether it is surely gone."""
        try:
            self.client.delete_webhook(webhook_id)
        except ProviderError as error:
            if error.failure is not ProviderFailure.NOT_OFFERED:
                return False
            listed = self._listed()
            return listed is not None and webhook_id not in {webhook.id for webhook in listed}
        return True

    def _listed(self) -> list[ListedWebhook] | None:
        """Return the provider's webhooks, None if it does not list them or cannot now. Raises ProviderError."""
        try:
            return self.client.list_webhooks()
        except ProviderError as error:
            if error.failure is ProviderFailure.UNAUTHORIZED:
                raise
            return None

    def _match(
        self,
        listed: Iterable[ListedWebhook],
        url: str,
        events: Sequence[str],
        recorded: Iterable[Registration],
    ) -> ListedWebhook | None:
        ours = {registration.webhook_id for registration in recorded}
        for webhook in listed:
            is_same = self._spelled(webhook.url) == url and set(webhook.events or ()) == set(events)
            if is_same and webhook.id not in ours:
                return webhook
        return None

    def _may_be_among(
        self, listed: Iterable[ListedWebhook], attempt: Registration, recorded: Iterable[Registration]
    ) -> bool:
        """Return whether one of `listed` may be what was asked for, though the list does not say so in our words."""
        ours = {registration.webhook_id for registration in recorded}
        wanted_types = set(EventType) if attempt.events == (ALL,) else set(attempt.events)
        return any(
            webhook.id not in ours
            and (webhook.url is None or self._spelled(webhook.url) == attempt.url)
            and (webhook.events is None or wanted_types <= set(webhook.events))
            for webhook in listed
        )

    def _spelled(self, url: str | None) -> str | None:
        try:
            return webhook_url(url or "", api_url=self.api_url)
        except CannotRegister:
            return None

    def _change(self, registration: Registration, **values: object) -> Registration:
        with self.engine.begin() as connection:
            return registrations.change(connection, registration, **values)
