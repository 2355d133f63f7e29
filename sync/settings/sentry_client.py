"""What goes wrong goes to Sentry too, if SENTRY_DSN is set: its kind and its place in the code, and the log's words.

Never a value: the text of an exception, a local variable or a request may hold a body, an address or a secret.
Sentry's SDK is loaded only if it is used.
"""

import time
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from sentry_sdk.types import Event, Hint

# One process repeats an event no sooner: a store that comes and goes each second is one trouble.
QUIET_SECONDS = 300.0
# How long a process that ends waits for what is not sent yet.
FLUSH_SECONDS = 2
QUEUE_EVENTS_MAX = 20
# What is left of an event: whatever else the SDK or an integration would add stays here.
SENT = frozenset(
    {
        *("event_id", "timestamp", "platform", "level", "message", "fingerprint", "tags", "exception"),
        *("release", "environment", "server_name", "contexts", "sdk"),
    }
)

_sent_at: dict[tuple[str, ...], float] = {}
_is_on = False


def start_sentry(dsn: str | None, version: str) -> None:
    """Send what `report` is given from now on, unless `dsn` is None. For a process that does not fork any more.

    `version` is that of this code, for the name of the release.
    """
    global _is_on  # noqa: PLW0603 - the SDK has one client a process too
    if dsn is None:
        return
    import sentry_sdk  # noqa: PLC0415
    from sentry_sdk.integrations.atexit import AtexitIntegration  # noqa: PLC0415
    from sentry_sdk.integrations.excepthook import ExcepthookIntegration  # noqa: PLC0415

    sentry_sdk.init(
        dsn,
        release=f"zexa-sync@{version}",
        # No other: they would collect requests, log lines, arguments of commands and statements.
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[AtexitIntegration(callback=_say_nothing), ExcepthookIntegration()],
        before_send=without_values,
        send_default_pii=False,
        max_request_body_size="never",
        include_local_variables=False,
        # Would also keep the source of every module of a traceback in memory.
        include_source_context=False,
        max_breadcrumbs=0,
        traces_sample_rate=None,
        auto_session_tracking=False,
        send_client_reports=False,
        enable_metrics=False,
        enable_backpressure_handling=False,
        spotlight=False,
        transport_queue_size=QUEUE_EVENTS_MAX,
        shutdown_timeout=FLUSH_SECONDS,
    )
    _is_on = True


def report(event: str, reason: str, error: BaseException | None = None, **tags: str) -> None:
    """Send `event`, a name of a log line, with the line's own `reason` and the place where `error` was raised.

    Returns at once, and never raises: a thread of the SDK sends it, or drops it if Sentry does not answer.
    """
    if not _is_on or _is_repeated((event, *tags.values())):
        return
    import sentry_sdk  # noqa: PLC0415
    from sentry_sdk.utils import event_from_exception  # noqa: PLC0415

    described: Event = {"level": "error"}
    if error:
        described = event_from_exception(error, client_options=sentry_sdk.get_client().options)[0]
    described["message"] = f"{event}: {reason}"
    described["fingerprint"] = [event]
    described["tags"] = {"event": event, **tags}
    sentry_sdk.capture_event(described, hint={"reason": f"{event}: {reason}"})


def without_values(event: "Event", hint: "Hint") -> "Event":
    """Return `event` with the kinds and places of its exceptions, and none of their texts but the log's own."""
    sent_event: Any = {name: value for name, value in event.items() if name in SENT}
    exceptions = sent_event.get("exception", {}).get("values", [])
    for exception in exceptions:
        exception["value"] = ""
    if exceptions:
        exceptions[-1]["value"] = hint.get("reason", "")
    return cast("Event", sent_event)


def _is_repeated(trouble: tuple[str, ...]) -> bool:
    now = time.monotonic()
    if now - _sent_at.get(trouble, -QUIET_SECONDS) < QUIET_SECONDS:
        return True
    _sent_at[trouble] = now
    return False


def _say_nothing(_pending: int, _seconds: float) -> None:
    """Keep the SDK from writing about what it sends last."""
