"""Why messages of a campaign did not arrive: the reasons of those that failed, of so many at the most."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select, union_all

from models.tables import MESSAGES

LOOKED_AT = 10_000
_FAILED = ("failed", "undeliverable")


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignReason:
    """How many messages failed for a reason; one of them is `message_id`. Both texts are '' if no event tells them."""

    code: str
    reason: str
    messages: int
    message_id: str


def campaign_reasons(connection: Connection, campaign_id: str, *, limit: int) -> Sequence[CampaignReason]:
    """Return the `limit` most frequent reasons, among LOOKED_AT messages of each status. The caller masks them."""
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
            for status in _FAILED
        )
    ).subquery()
    code, reason = (func.coalesce(looked_at.c[name], "") for name in ("failure_code", "failure_reason"))
    count = func.count().label("messages")
    query = select(code, reason, count, func.min(looked_at.c.message_id)).group_by(code, reason)
    rows = connection.execute(query.order_by(count.desc(), code, reason).limit(limit))
    return [
        CampaignReason(code=code, reason=reason, messages=messages, message_id=message_id)
        for code, reason, messages, message_id in rows
    ]
