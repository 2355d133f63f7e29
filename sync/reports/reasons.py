"""Why messages did not arrive: what is one reason, and the reasons of a campaign, of so many messages at the most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import Connection, RowMapping, func, select, union_all

from models.tables import MESSAGES
from sync.rollups.contribution import FINAL
from sync.terminal.masking import masked_text

LOOKED_AT = 10_000


class FailureReason(NamedTuple):
    """Why messages fail, as it is counted: '' is what is not known, and what looks like an address is masked.

    So reasons that differ only in an address which they quote are one.
    """

    channel: str
    code: str
    reason: str


def reason_of(row: Mapping[str, Any] | RowMapping) -> FailureReason:
    """Return the reason of a row of `report_failures` or `message_status`."""
    return FailureReason(row["channel"] or "", row["failure_code"] or "", masked_text(row["failure_reason"] or ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignReason:
    """How many messages failed for a reason, on any channel; one of them is `message_id`.

    Both texts are '' if no event tells them, and what looks like an address is masked.
    """

    code: str
    reason: str
    messages: int
    message_id: str


def campaign_reasons(connection: Connection, campaign_id: str, *, limit: int) -> Sequence[CampaignReason]:
    """Return the `limit` most frequent reasons, among LOOKED_AT messages of each status."""
    columns = MESSAGES.c
    looked_at = union_all(
        *(
            select(
                select(columns.failure_code, columns.failure_reason, columns.message_id)
                .where(columns.campaign_id == campaign_id, columns.status == status)
                .order_by(columns.message_id)
                .limit(LOOKED_AT)
                .subquery()
            )
            for status in FINAL[1:]
        )
    ).subquery()
    code, reason = (func.coalesce(looked_at.c[name], "") for name in ("failure_code", "failure_reason"))
    query = select(code, reason, func.count(), func.min(looked_at.c.message_id)).group_by(code, reason)
    reasons: dict[tuple[str, str], CampaignReason] = {}
    for code, reason, messages, message_id in connection.execute(query):
        key = code, masked_text(reason)
        earlier = reasons.setdefault(key, CampaignReason(code=code, reason=key[1], messages=0, message_id=message_id))
        reasons[key] = replace(earlier, messages=earlier.messages + messages)
    return sorted(reasons.values(), key=lambda counts: (-counts.messages, counts.code, counts.reason))[:limit]
