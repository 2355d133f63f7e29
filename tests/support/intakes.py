"""An intake in an event loop of its own, for tests that are no coroutines."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from receiver.webhook.inbox import InboxWriter
from receiver.webhook.intake import Intake
from receiver.webhook.reporter import Reporter
from sync.settings.environment import RedisSettings


class DrivenIntake:
    """Calls an intake and waits for it. The loop stands still in between."""

    def __init__(self, runner: asyncio.Runner, intake: Intake) -> None:
        self.runner = runner
        self.intake = intake

    def store(self, body: bytes) -> None:
        self.runner.run(self.intake.store(body))

    def store_all(self, bodies: Iterable[bytes]) -> list[BaseException | None]:
        """Store `bodies` at the same moment; return the error of each, None if it was stored."""

        async def store_all() -> list[BaseException | None]:
            return await asyncio.gather(*map(self.intake.store, bodies), return_exceptions=True)

        return self.runner.run(store_all())


@contextmanager
def driven_intake(
    url: str, inbox: InboxWriter, *, is_journalled: bool = False, failures_may_opt_out: bool = False
) -> Iterator[DrivenIntake]:
    """Yield an intake for the Redis at `url`; close its connections, and those of `inbox`, afterwards."""
    settings = RedisSettings(url=url, verify_tls=True)
    reporter = Reporter(settings, [])
    intake = Intake(
        settings,
        inbox,
        reporter,
        is_journalled=is_journalled,
        failures_may_opt_out=failures_may_opt_out,
    )
    with asyncio.Runner() as runner:
        yield DrivenIntake(runner, intake)
        runner.run(intake.close())
        reporter.stop()
    inbox.close()
