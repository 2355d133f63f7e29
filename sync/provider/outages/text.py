"""Says of outages when they were, and what they may have cost. Every value is escaped. Pure."""

from collections.abc import Sequence
from datetime import datetime

from sync.provider.outages.find import OutageCost
from sync.provider.outages.losses import KnownOutage, Loss
from sync.provider.outages.marks import OutageKind
from sync.provider.outages.retries import Interval, RetrySchedule
from sync.provider.outages.silent_ids import SilentIds
from sync.terminal.text import number_text, table_text, visible
from sync.terminal.times import duration_text, time_text

CAMPAIGNS_SHOWN = 20
IDS_SHOWN = 20
_KINDS = {
    OutageKind.NO_PROCESS: "no web process ran, or all stood still",
    OutageKind.NO_STORE: "web ran and answered 503: neither Redis nor the database took deliveries",
}
STOPS = (
    "A STOP that was lost can be neither named nor asked for. Ask Zexa for its own opt-out list, import it\n"
    "(`zexa-sync opt-outs import FILE.csv --by NAME`), then `zexa-sync outages resolve --by NAME --reason TEXT`."
)


def outages_text(
    costs: Sequence[OutageCost], ids: SilentIds | None, now: datetime, schedule: RetrySchedule, *, is_redis_away: bool
) -> str:
    """Return a paragraph for each outage, one for the ids, and what to do."""
    parts = [_cost_text(cost, now, schedule) for cost in costs] or ["No outage."]
    if ids:
        parts.append(_ids_text(ids))
    if any(cost.loss.is_unresolved for cost in costs):
        parts.append(STOPS)
    if is_redis_away:
        parts.append("Redis does not answer: an outage that began within the last 45 s may not be shown.")
    return "\n\n".join(parts)


def outage_text(loss: Loss, now: datetime, schedule: RetrySchedule | None = None) -> str:
    """Return for example `unreachable 10:02 to 10:51; events first tried before 10:15 had their last try inside it`."""
    return f"{interval_text(loss.outage)}; {_lost_text(loss, now, schedule or RetrySchedule())}"


def interval_text(outage: KnownOutage) -> str:
    """Return when `outage` was."""
    began = second_text(outage.began_at)
    if outage.ended_at is None:
        return f"unreachable since {began}"
    seconds = (outage.ended_at - outage.began_at).total_seconds()
    return f"unreachable {began} to {second_text(outage.ended_at)} ({duration_text(seconds)})"


def second_text(time: datetime) -> str:
    """Return `time` to the second."""
    return time_text(time.replace(microsecond=0))


def _cost_text(cost: OutageCost, now: datetime, schedule: RetrySchedule) -> str:
    outage = cost.loss.outage
    name = "outage" if outage.number is None else f"outage {outage.number}"
    lines = [f"{name}: {outage_text(cost.loss, now, schedule)}", f"  {_KINDS[OutageKind(outage.kind)]}"]
    if cost.loss.perhaps:
        lines += [f"  {_usual_text(cost.usual_opt_outs)}", *_campaign_lines(cost)]
    if outage.resolved_at:
        resolver = f"{visible(outage.resolved_by or '-')}: {visible(outage.resolved_reason or '-')}"
        lines.append(f"  resolved {second_text(outage.resolved_at)} by {resolver}")
    return "\n".join(lines)


def _lost_text(loss: Loss, now: datetime, schedule: RetrySchedule) -> str:
    outage = loss.outage
    if loss.surely:
        return f"events first tried {_when_text(loss.surely, outage)} had their last try inside it"
    if loss.perhaps:
        return f"events first tried {_when_text(loss.perhaps, outage)} may have had their last try inside it"
    if outage.ended_at is not None:
        return "nothing was lost, Zexa tried again after it"
    left = outage.began_at + schedule.last_try_after - now
    return f"nothing is lost if it ends within {duration_text(max(0.0, left.total_seconds()))}"


def _when_text(windows: Sequence[Interval], outage: KnownOutage) -> str:
    if len(windows) == 1 and windows[0][0] >= outage.began_at:
        return f"before {second_text(windows[0][1])}"
    return " or ".join(f"between {second_text(began)} and {second_text(ended)}" for began, ended in windows)


def _usual_text(usual: Sequence[int]) -> str:
    if not usual:
        return "STOPs that are usual in that time: unknown, less than a week is recorded"
    numbers = ", ".join(f"{number:,}" for number in usual)
    return f"STOPs that are usual in that time: {sum(usual) / len(usual):,.1f} (in the weeks before: {numbers})"


def _campaign_lines(cost: OutageCost) -> list[str]:
    if not cost.campaigns:
        return ["  campaigns open then: none is known"]
    rows = [
        (
            campaign.campaign_id,
            campaign.name or "-",
            "-" if campaign.message_total is None else f"{campaign.message_total:,}",
            "unknown" if campaign.silent is None else f"{campaign.silent:,}",
        )
        for campaign in cost.campaigns[:CAMPAIGNS_SHOWN]
    ]
    table = table_text(("campaign", "name", "messages", "silent"), rows)
    more = len(cost.campaigns) - len(rows)
    beyond = [f"    and {more:,} more, which --json has"] if more else []
    return ["  campaigns open then:", *(f"    {line}" for line in table.splitlines()), *beyond]


def _ids_text(ids: SilentIds) -> str:
    counts = (
        f"Of {number_text(ids.given, 'id')} in the file: {ids.with_status:,} with a final status, "
        f"{ids.sent_later:,} sent too late to have lost it here, {len(ids.without_status):,} without one."
    )
    lines = [counts, *(f"  {visible(name)}" for name in ids.without_status[:IDS_SHOWN])]
    if (more := len(ids.without_status) - IDS_SHOWN) > 0:
        lines.append(f"  and {more:,} more, which --json has")
    if ids.unreadable_rows:
        lines.append(f"Rows of the file without an id: {ids.unreadable_rows:,}.")
    return "\n".join(lines)
