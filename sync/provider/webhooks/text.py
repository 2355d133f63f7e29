"""What `zexa-sync webhooks` says. Pure; quotes no key, no secret, and no query of a URL."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sync.provider.client import ListedWebhook
from sync.provider.webhooks.proof import ArrivalEvidence, ProvedBy
from sync.provider.webhooks.register import MayExist, RegisteredWebhook
from sync.provider.webhooks.registrations import Registration
from sync.provider.webhooks.urls import ALL, shown_url
from sync.terminal.text import table_text
from sync.terminal.times import duration_text, iso_text

ANOTHER_SECRET = {
    "wrong": "a delivery came, signed with another secret: copy the secret from Settings, Webhooks of Zexa's dashboard "
    "into ZEXA_WEBHOOK_SECRET, and restart web",
    "retired": "a delivery came, signed with a secret of ZEXA_RETIRED_SECRETS: move it back to ZEXA_WEBHOOK_SECRET, or "
    "change the secret in Zexa's dashboard, Settings, Webhooks",
}
_WHAT = {ProvedBy.TEST_EVENT: "the test event", ProvedBy.DELIVERY: "a delivery"}


def registered_text(registered: RegisteredWebhook) -> str:
    """Return which webhook is in place, and what is left to do in the provider's dashboard."""
    registration = registered.registration
    webhook = f"{registration.webhook_id}, for {events_text(registration.events)}"
    if registered.is_new:
        lines = [f"registered: {webhook}"]
    elif registered.is_found:
        lines = [f"the provider has it already: {webhook}"]
    else:
        lines = [f"registered since {minute_text(registration.registered_at)}: {webhook}"]
    if registered.left:
        old = ", ".join(registered.left)
        lines.append(
            f"{registration.webhook_id} takes the place of {old}, which the provider did not delete for us: delete it "
            "in Zexa's dashboard (Settings, Webhooks); until then each event comes twice, which changes nothing"
        )
    return "\n".join(lines)


def events_text(events: Sequence[str]) -> str:
    return "all events" if tuple(events) == (ALL,) else ", ".join(events)


def may_exist_text(error: MayExist) -> str:
    """Return that a webhook may exist, and how a person makes sure."""
    because = f"{error.because}; " if error.because else ""
    return (
        f"{because}one may exist since {minute_text(error.asked_at)}, and the provider does not tell: look into Zexa's "
        "dashboard (Settings, Webhooks), delete what is there, then run this again with --again"
    )


def verified_text(evidence: ArrivalEvidence, registration: Registration, secrets: int) -> str:
    """Return what proves it; `secrets` is how many there are."""
    signed = f"with secret {evidence.position} of {secrets}" if evidence.position else "with a secret of web's"
    assert evidence.proved_at
    seconds = max(0.0, (evidence.proved_at - registration.asked_at).total_seconds())
    by_what = "" if evidence.proved_by is ProvedBy.TEST_EVENT else ", by a delivery"
    return f"verified {signed} after {duration_text(seconds)}{by_what}"


def already_text(registration: Registration, position: int | None, secrets: int) -> str:
    signed = f", with secret {position} of {secrets}" if position else ""
    proof = _WHAT[ProvedBy(registration.proved_by or ProvedBy.DELIVERY)]
    return f"already verified: by {proof} of {minute_text(registration.proved_at)}{signed}"


def none_came_text(seconds: float) -> str:
    """Return that no test event came. The documents promise one for the dashboard only."""
    return (
        f"no test event came within {duration_text(seconds)}; Zexa documents one only for webhooks that its dashboard "
        "saves"
    )


def probe_text(found: str, remedy: str, *, is_ok: bool) -> str:
    """Return how our own probe went."""
    if is_ok:
        return f"our own probe: {found}. Secret not yet proved: the first delivery does that, then run this again"
    return f"our own probe came no further: {found}; {remedy}" if remedy else f"our own probe: {found}"


def minute_text(time: datetime | None) -> str:
    return "-" if time is None else f"{time:%Y-%m-%d %H:%MZ}"


def state_text(registration: Registration) -> str:
    """Return in a few words where a registration stands."""
    if registration.deleted_at:
        return f"deleted {minute_text(registration.deleted_at)}"
    if registration.webhook_id is None:
        state = f"may exist since {minute_text(registration.asked_at)}"
    else:
        state = f"registered {minute_text(registration.registered_at)}"
    if registration.replaced_at:
        return f"{state}, replaced: delete it in Zexa's dashboard"
    if registration.webhook_id is None:
        return state
    proof = f"verified {minute_text(registration.proved_at)}" if registration.proved_at else "secret not yet proved"
    return f"{state}, {proof}"


def list_text(ours: Sequence[Registration], listed: Sequence[ListedWebhook] | None, sentence: str | None) -> str:
    """Return our record, then the provider's list, or in `sentence` why there is none."""
    rows = [
        (
            registration.webhook_id or "-",
            shown_url(registration.url),
            events_text(registration.events),
            state_text(registration),
        )
        for registration in ours
    ]
    lines = [table_text(("id", "url", "events", "state"), rows) if rows else "No webhook was registered from here."]
    if listed is None:
        return "\n".join([*lines, "", f"The provider's list: {sentence}."])
    theirs = [
        (
            webhook.id,
            shown_url(webhook.url or "-"),
            events_text(webhook.events or ()) or "-",
            _known_text(webhook, ours),
        )
        for webhook in listed
    ]
    return "\n".join(
        [*lines, "", "At the provider:", table_text(("id", "url", "events", "recorded here"), theirs)]
        if theirs
        else [*lines, "", "The provider has none."]
    )


def _known_text(webhook: ListedWebhook, ours: Iterable[Registration]) -> str:
    registration = next((recorded for recorded in ours if recorded.webhook_id == webhook.id), None)
    return "no" if registration is None else "yes, replaced: delete it" if registration.replaced_at else "yes"


def list_document(
    ours: Sequence[Registration], listed: Sequence[ListedWebhook] | None, sentence: str | None
) -> dict[str, Any]:
    """Return the same as JSON's types."""
    return {
        "ours": [
            {
                "webhook_id": registration.webhook_id,
                "url": shown_url(registration.url),
                "events": list(registration.events),
                "asked_at": iso_text(registration.asked_at),
                "registered_at": iso_text(registration.registered_at),
                "proved_at": iso_text(registration.proved_at),
                "proved_by": registration.proved_by,
                "replaced_at": iso_text(registration.replaced_at),
                "deleted_at": iso_text(registration.deleted_at),
            }
            for registration in ours
        ],
        "provider": None
        if listed is None
        else [
            {
                "webhook_id": webhook.id,
                "url": webhook.url and shown_url(webhook.url),
                "events": webhook.events and list(webhook.events),
            }
            for webhook in listed
        ],
        "provider_says": sentence,
    }
