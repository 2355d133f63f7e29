"""How soon a STOP takes effect: from its receipt until a look-up finds it, out of the history of opt-outs."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from models.views import OPT_OUT_STATEMENTS

AT_ONCE_SECONDS = 1.0
LAST_DAY = timedelta(days=1)
ROWS_PER_STEP = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Of the opt-outs that took effect in a span of time: seconds from received to effective, None if none did."""

    opt_outs: int
    p50_seconds: float | None
    p99_seconds: float | None
    within_one_second: int

    @property
    def share_within_one_second(self) -> float | None:
        return self.within_one_second / self.opt_outs if self.opt_outs else None


def latency(connection: Connection, now: datetime, span: timedelta = LAST_DAY) -> Latency:
    """Return the latency of what took effect in the `span` before `now`. What people state takes effect at once.

    Rows are read step by step, which on PostgreSQL takes a transaction.
    """
    query = select(OPT_OUT_STATEMENTS.c.received_at, OPT_OUT_STATEMENTS.c.applied_at).where(
        OPT_OUT_STATEMENTS.c.applied_at > now - span, OPT_OUT_STATEMENTS.c.received_at.is_not(None)
    )
    rows = connection.execute(query, execution_options={"yield_per": ROWS_PER_STEP})
    seconds = sorted((row.applied_at - row.received_at).total_seconds() for row in rows)
    return Latency(
        opt_outs=len(seconds),
        p50_seconds=_percentile(seconds, 0.50),
        p99_seconds=_percentile(seconds, 0.99),
        within_one_second=sum(latency <= AT_ONCE_SECONDS for latency in seconds),
    )


def _percentile(ordered: list[float], share: float) -> float | None:
    """Return the smallest value that at least `share` of all do not exceed: the nearest-rank method."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None
