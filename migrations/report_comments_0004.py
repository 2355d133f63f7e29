"""What the views of migration 0004 and their columns mean: comments on PostgreSQL, and text of docs/reporting.md."""

from collections.abc import Mapping

_DAY = "day, in the time zone of the reports, on which the messages got their final status"
_CHANNEL = "sms, whatsapp, telegram, email or slack; empty where no event names it"
_OPT_OUTS = "of these messages, those that were answered with an opt-out (STOP, or a click on unsubscribe)"
_CONFLICTS = "of these messages, those for which two different final statuses were told; the later one counts"
_DELIVERY_RATE = "delivered / finalised, from 0 to 1; null where the latter is 0"
_OPT_OUT_RATE = "opt_outs / delivered, from 0 to 1; null where the latter is 0"
_FINALISED = "messages with a final status: delivered + failed + undeliverable"

COMMENTS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "report_daily": (
        "How the messages of each day ended, one row per day, channel and sender.",
        {
            "day": _DAY,
            "channel": _CHANNEL,
            "sender": "the sender id or address; empty where no event names it",
            "finalised": _FINALISED,
            "delivered": "messages that reached the recipient, or that the carrier accepted",
            "failed": "messages that failed after all attempts",
            "undeliverable": "messages that cannot be delivered, such as to an invalid number",
            "opt_outs": _OPT_OUTS,
            "conflicts": _CONFLICTS,
            "delivery_rate": _DELIVERY_RATE,
            "opt_out_rate": _OPT_OUT_RATE,
        },
    ),
    "report_campaigns": (
        "Where each campaign stands, one row a campaign of which an event or a message is known.",
        {
            "campaign_id": "the campaign",
            "name": "its name, where an event tells it",
            "channel": "its channel, where an event tells it, else empty",
            "status": "sent or completed; null where only messages of it are known",
            "sent_at": "when all its messages were handed to carriers, UTC",
            "completed_at": "when every message had a final status, as the provider says, UTC",
            "duration_seconds": "completed_at - sent_at",
            "message_total": "how many messages it has, where an event tells it",
            "messages": "messages of it that are known: finalised + unfinished",
            "finalised": _FINALISED,
            "delivered": "messages that reached the recipient, or that the carrier accepted",
            "failed": "messages that failed after all attempts",
            "undeliverable": "messages that cannot be delivered",
            "unfinished": "messages that are known, but no final status of them",
            "opt_outs": _OPT_OUTS,
            "conflicts": _CONFLICTS,
            "silent": "message_total - finalised of a completed campaign: messages nobody told the end of; "
            "null while it is not completed, or where no event tells the total",
            "delivery_rate": _DELIVERY_RATE,
            "opt_out_rate": _OPT_OUT_RATE,
        },
    ),
    "report_failures": (
        "Why messages failed, one row per day, channel, code and reason.",
        {
            "day": _DAY,
            "channel": _CHANNEL,
            "failure_code": "the code the provider gives; empty where it gives none",
            "failure_reason": "the reason the provider gives, numbers and addresses in it masked; else empty",
            "messages": "messages that failed or are undeliverable for this reason",
            "failures": "all messages of this day and channel that failed or are undeliverable",
            "share": "messages / failures, from 0 to 1",
            "first_seen_at": "when the first of them failed that day, UTC",
            "last_seen_at": "when the last of them failed that day, UTC",
        },
    ),
    "report_opt_outs": (
        "How many left, one row per day, channel and source.",
        {
            "day": "day, in the time zone of the reports, of the opt-out itself",
            "channel": "the channel it holds for; empty where it holds for any",
            "source": "event or failure (both told by the provider), manual or import",
            "opt_outs": "rows of opt_outs of that day; of a person who opted out again the latest day counts",
            "in_force": "those of them that no later opt-in has ended",
            "delivered": "messages delivered that day on that channel; on all channels where it is empty",
            "opt_out_rate": "opt_outs / delivered; null where the latter is 0",
        },
    ),
    "report_lag": (
        "How long events take from the provider to the tables, one row an hour.",
        {
            "hour": "begin of the hour in which the events were received, UTC",
            "events": "facts of the ledger that were received in it",
            "dated": "those of them that name the moment they occurred",
            "received_p50_seconds": "median of received - occurred, of those that are dated",
            "received_p90_seconds": "nine of ten were received within this time after they occurred",
            "received_p99_seconds": "99 of a hundred were received within this time after they occurred",
            "applied_p50_seconds": "median of applied - received, of all",
            "applied_p90_seconds": "nine of ten were applied within this time after they were received",
            "applied_p99_seconds": "99 of a hundred were applied within this time after they were received",
        },
    ),
    "report_recipients": (
        "How messages to each address end: the list to clean. One row per channel and address.",
        {
            "channel": _CHANNEL,
            "address": "the address, masked as +24491****78 or a****@example.com",
            "messages": "messages to it that are known",
            "last_status": "how the last of them ended; null where none has a final status",
            "last_status_at": "when the last of them ended, UTC",
            "last_delivered_at": "when one was last delivered, UTC; null if never",
            "failures_in_a_row": "messages that failed or are undeliverable since then",
            "opted_out": "whether an opt-out of this address is in force, for whatever channel or sender",
            "message_id": "one of the messages: message_status has the full address under it",
        },
    ),
}
