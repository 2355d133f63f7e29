"""Asks the provider for message after message, and merges what it answers.

A message is claimed before it is asked for, in the transaction that merges the answer before. So a process that is
killed asks for no message twice, and loses one answer at the most. That message may be asked for an hour later.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from sync.events.event import Event
from sync.events.interpretation import ParseOptions
from sync.events.polled import answer_body, parse_answer
from sync.events.statuses import is_final
from sync.provider.asked import Due, claim, release, tidy
from sync.provider.client import ProviderAnswer, ProviderClient
from sync.provider.errors import ProviderError, ProviderFailure
from sync.store.polled import merge_answers

# After so many messages in a row without an answer nobody asks on.
FAILURES_MAX = 3
# How long to wait if the provider takes no more requests, and does not say for how long; and how often in a row.
LIMITED_SECONDS = 60.0
LIMITED_MAX = 20
_WAKE_SECONDS = 0.1
# What no other message will mend.
_HOPELESS = frozenset(
    {
        ProviderFailure.UNAUTHORIZED,
        ProviderFailure.REDIRECT,
        ProviderFailure.TLS,
        ProviderFailure.UNREACHABLE,
        ProviderFailure.REFUSED,
    }
)


@dataclass(slots=True, kw_only=True)
class AskCounts:
    """What became of messages: `asked` = `repaired` + `unchanged` + `unfinished` + `unknown` + `not_understood`."""

    asked: int = 0  # and answered
    repaired: int = 0  # got a final status by it
    unchanged: int = 0  # had one by then: their event came meanwhile
    unfinished: int = 0  # are queued or sent
    unknown: int = 0  # the provider knows nothing of them
    not_understood: int = 0  # the answer names no status that this version knows
    failed: int = 0  # were asked for without an answer


class AskingFailed(Exception):  # noqa: N818 - it names what happened, not a bug of zexa-sync
    """Asking on makes no sense; the text is the provider's error, one sentence without a full stop."""


class Asker:
    """Asks for messages, at most `rate` a second. Counts in `counts` while it goes on.

    `is_stop_asked` is asked ten times a second at least. `on_answer` is called after each message, `on_wait` with the
    seconds if the provider takes no more requests. `on_repaired` is told how many messages got a final status.
    """

    def __init__(
        self,
        engine: Engine,
        client: ProviderClient,
        *,
        options: ParseOptions,
        rate: float,
        is_stop_asked: Callable[[], bool] = lambda: False,
        on_answer: Callable[[], None] = lambda: None,
        on_wait: Callable[[float], None] = lambda _seconds: None,
        on_repaired: Callable[[int], None] = lambda _count: None,
    ) -> None:
        self.counts = AskCounts()
        self._engine = engine
        self._client = client
        self._options = options
        self._seconds_apart = 1 / rate
        self._is_stop_asked = is_stop_asked
        self._on_answer, self._on_wait, self._on_repaired = on_answer, on_wait, on_repaired
        self._next_at = time.monotonic()
        self._answer: Event | None = None
        self._failures = 0

    def ask(self, due: Sequence[Due]) -> bool:
        """Ask for each of `due`; return False if asked to stop. Raises AskingFailed, and errors of the database."""
        try:
            is_done = self._ask_all(due)
        finally:
            with self._engine.begin() as connection:
                repaired = self._merge(connection)
            self._note(repaired)
        with self._engine.begin() as connection:
            tidy(connection, datetime.now(UTC))
        return is_done

    def _ask_all(self, due: Sequence[Due]) -> bool:
        for message in due:
            if not self._pause(self._next_at - time.monotonic()):
                return False
            self._next_at = max(self._next_at + self._seconds_apart, time.monotonic())
            if self._claim(message) and not self._ask_one(message):
                return False
            self._on_answer()
        return True

    def _claim(self, message: Due) -> bool:
        """Merge the answer before, and note that `message` is asked for, in one transaction."""
        with self._engine.begin() as connection:
            repaired = self._merge(connection)
            is_ours = claim(connection, message, datetime.now(UTC))
        self._note(repaired)
        return is_ours

    def _merge(self, connection: Connection) -> int | None:
        if self._answer is None:
            return None
        return merge_answers(connection, [self._answer], self._options, datetime.now(UTC))

    def _note(self, repaired: int | None) -> None:
        """Count the answer that was merged, now that this is committed."""
        if repaired is None or self._answer is None:
            return
        if not is_final(self._answer):
            self.counts.unfinished += 1
        elif repaired:
            self.counts.repaired += repaired
            self._on_repaired(repaired)
        else:
            self.counts.unchanged += 1
        self._answer = None

    def _ask_one(self, message: Due) -> bool:
        """Ask for `message` and keep the answer; return False if asked to stop while the provider takes no requests."""
        limited: ProviderError | None = None
        for _ in range(LIMITED_MAX):
            asked_at = datetime.now(UTC)
            try:
                answer = self._client.get_message(message.message_id)
            except ProviderError as error:
                if error.failure is not ProviderFailure.RATE_LIMITED:
                    self._count_failure(message, error)
                    return True
                limited, seconds = error, error.retry_after_seconds or LIMITED_SECONDS
            else:
                self._keep(message, answer, asked_at)
                return True
            self._on_wait(seconds)
            if not self._pause(seconds):
                self._release(message)
                return False
        self._release(message)
        raise AskingFailed(str(limited))

    def _keep(self, message: Due, answer: ProviderAnswer, asked_at: datetime) -> None:
        self._failures = 0
        self.counts.asked += 1
        body = answer_body(message.message_id, answer.body)
        self._answer = parse_answer(body, asked_at, self._options)
        self.counts.not_understood += self._answer is None

    def _count_failure(self, message: Due, error: ProviderError) -> None:
        if error.failure is ProviderFailure.NOT_FOUND:
            self._failures = 0
            self.counts.asked += 1
            self.counts.unknown += 1
            return
        self._release(message)
        self.counts.failed += 1
        self._failures += 1
        if error.failure in _HOPELESS or self._failures == FAILURES_MAX:
            raise AskingFailed(str(error))

    def _release(self, message: Due) -> None:
        with self._engine.begin() as connection:
            release(connection, message)

    def _pause(self, seconds: float) -> bool:
        """Wait; return False as soon as asked to stop."""
        until = time.monotonic() + seconds
        while not self._is_stop_asked():
            if (left := until - time.monotonic()) <= 0:
                return True
            time.sleep(min(left, _WAKE_SECONDS))
        return False
