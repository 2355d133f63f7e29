"""The chores of features, each for a thread of its own, until the worker is asked to stop."""

from sync.reports.failure_codes import FailureCodesChore
from sync.settings.provider import ProviderSettings
from sync.settings.worker import WorkerSettings
from sync.worker.applier import applier
from sync.worker.stop import Stop


def count_failure_codes(settings: WorkerSettings, stop: Stop) -> None:
    """Count now and then which failures look like opt-outs."""
    FailureCodesChore(
        database_url=settings.database_url,
        redis=settings.redis,
        options=settings.parse_options,
        is_stop_asked=lambda: stop.is_requested,
        sleep=stop.sleep,
    ).run()


def reconcile(settings: WorkerSettings, provider: ProviderSettings, stop: Stop) -> None:
    """Ask the provider for silent messages. Only then is loaded what asking needs."""
    from sync.provider.reconcile_chore import Reconciliation  # noqa: PLC0415

    Reconciliation(
        provider=provider,
        database_url=settings.database_url,
        redis=settings.redis,
        options=settings.parse_options,
        counts=applier().counts,
        is_stop_asked=lambda: stop.is_requested,
    ).run(stop.sleep)
