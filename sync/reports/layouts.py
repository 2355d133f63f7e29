"""What of each report a person is shown, and what is added up for that."""

from collections.abc import Mapping, Sequence
from typing import Any

from sync.reports.queries import Row
from sync.reports.text import Layout, count, seconds, share, time, words


def _by_reason(rows: Sequence[Row]) -> list[Row]:
    """Add up the days: one row per channel, code and reason, the most frequent first; shares are of the channel."""
    reasons: dict[tuple[str, str, str], dict[str, Any]] = {}
    of_channel: dict[str, int] = {}
    for row in rows:
        key = row["channel"], row["failure_code"], row["failure_reason"]
        of_channel[row["channel"]] = of_channel.get(row["channel"], 0) + row["messages"]
        earlier = reasons.get(key)
        if earlier is None:
            reasons[key] = dict(row)
            continue
        earlier["messages"] += row["messages"]
        earlier["first_seen_at"] = min(earlier["first_seen_at"], row["first_seen_at"])
        earlier["last_seen_at"] = max(earlier["last_seen_at"], row["last_seen_at"])
    for reason in reasons.values():
        reason["failures"] = of_channel[reason["channel"]]
        reason["share"] = reason["messages"] / reason["failures"]
    return sorted(reasons.values(), key=lambda row: (-row["messages"], row["channel"], row["failure_code"]))


LAYOUTS: Mapping[str, Layout] = {
    "daily": Layout(
        columns=(
            words("day"),
            words("channel"),
            words("sender", rank=1),
            count("finalised"),
            count("delivered"),
            count("failed", rank=2),
            count("undeliverable", rank=3),
            share("delivery_rate", "delivery rate"),
            count("opt_outs", "opt-outs", rank=4),
            share("opt_out_rate", "opt-out rate", rank=5),
            count("conflicts", rank=6),
        ),
        part="delivered",
        whole="finalised",
    ),
    "campaigns": Layout(
        columns=(
            words("campaign_id", "campaign"),
            words("name", rank=2),
            words("channel", rank=8),
            words("status"),
            time("sent_at", "sent", rank=3),
            seconds("duration_seconds", "duration", rank=4),
            count("message_total", "total", rank=5),
            count("messages"),
            count("delivered", rank=1),
            count("failed", rank=6),
            count("undeliverable", rank=7),
            count("unfinished", rank=9),
            count("silent"),
            share("delivery_rate", "delivery rate"),
            share("opt_out_rate", "opt-out rate", rank=10),
        ),
        part="delivered",
        whole="messages",
    ),
    "failures": Layout(
        columns=(
            words("channel"),
            words("failure_code", "code", rank=1),
            words("failure_reason", "reason"),
            count("messages"),
            count("failures", "of", rank=2),
            share("share", "share"),
            time("first_seen_at", "first seen", rank=4),
            time("last_seen_at", "last seen", rank=3),
        ),
        part="messages",
        whole="failures",
        fold=_by_reason,
    ),
    "opt-outs": Layout(
        columns=(
            words("day"),
            words("channel"),
            words("source"),
            count("opt_outs", "opt-outs"),
            count("in_force", "in force"),
            count("delivered", rank=1),
            share("opt_out_rate", "opt-out rate"),
        ),
        part="in_force",
        whole="opt_outs",
    ),
    "lag": Layout(
        columns=(
            time("hour", "hour"),
            count("events"),
            seconds("received_p50_seconds", "received p50"),
            seconds("received_p90_seconds", "received p90", rank=1),
            seconds("received_p99_seconds", "received p99"),
            seconds("applied_p50_seconds", "applied p50"),
            seconds("applied_p90_seconds", "applied p90", rank=2),
            seconds("applied_p99_seconds", "applied p99"),
        ),
        part="events",
        whole="events",
    ),
}
