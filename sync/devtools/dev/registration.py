"""Registers with the provider that `zexa-sync dev` plays, and waits for its signed test event, as with the real one."""

import time

from models.database import disposing, open_database
from sync.devtools.dev.processes import DevelopmentError, Processes
from sync.devtools.dev.proof import PATH, request
from sync.devtools.dev.setup import Setup
from sync.provider.errors import ProviderError
from sync.provider.webhooks.lock import Busy
from sync.provider.webhooks.proof import ArrivalEvidence
from sync.provider.webhooks.prove import RegistrationRun
from sync.provider.webhooks.register import MayExist, NothingMade, RegisteredWebhook
from sync.provider.webhooks.text import already_text, verified_text
from sync.provider.webhooks.urls import ALL
from sync.queue.connection import QueueUnavailable
from sync.settings.environment import read_redis_settings
from sync.settings.provider import ProviderSettings
from sync.settings.webhook_secrets import read_secrets

START_SECONDS = 30
ARRIVAL_SECONDS = 30


def register(processes: Processes, setup: Setup, provider_port: int) -> str:
    """Return in one line what proves the webhook of this run. Raises DevelopmentError if nothing does."""
    if not processes.wait_until(lambda: request("GET", "/", provider_port)[0] is not None, seconds=START_SECONDS):
        raise DevelopmentError(f"the provider did not answer; its log is {setup.data / 'provider.log'}")
    try:
        with (
            disposing(open_database(setup.database_url, pool_size=1)) as engine,
            RegistrationRun(
                engine=engine,
                settings=ProviderSettings.read(setup.environ),
                redis=read_redis_settings(setup.environ),
                secrets=read_secrets(setup.environ),
            ) as run,
        ):
            registered = _registered(run, f"http://127.0.0.1:{setup.port}{PATH}")
            if not registered.is_new:
                return already_text(registered.registration, run.position(registered.registration), len(run.secrets))
            evidence = _awaited(processes, run, registered)
            return f"registered; {verified_text(evidence, registered.registration, len(run.secrets))}"
    except (ProviderError, NothingMade, MayExist, Busy, QueueUnavailable) as error:
        raise DevelopmentError(f"the webhook was not registered: {error}") from None


def _registered(run: RegistrationRun, url: str) -> RegisteredWebhook:
    """Return the webhook of an earlier run if it is proved, else a new one, whose test event is on its way."""
    try:
        registered = run.register(url, (ALL,))
        if registered.is_new or run.is_proved(registered.registration):
            return registered
    except MayExist:  # an earlier run was killed
        pass
    return run.register(url, (ALL,), again=True)


def _awaited(processes: Processes, run: RegistrationRun, registered: RegisteredWebhook) -> ArrivalEvidence:
    evidence = ArrivalEvidence()

    def is_there() -> bool:
        nonlocal evidence
        evidence = run.wait(registered, 0.0)
        return evidence.proved_at is not None

    begun = time.monotonic()
    if not processes.wait_until(is_there, seconds=ARRIVAL_SECONDS):
        raise DevelopmentError(f"the test event of the provider did not arrive in {time.monotonic() - begun:.0f} s")
    return evidence
