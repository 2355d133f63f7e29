"""Reports counted from messages that an index finds: those of one campaign, and failures of a few days.

The views do not know campaigns, and work out the day of every failure before they leave any failure out.
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Float,
    FunctionElement,
    Integer,
    Select,
    Subquery,
    TextClause,
    and_,
    case,
    cast,
    func,
    select,
)
from sqlalchemy.ext.compiler import compiles

from models.indexed import HAS_ENDED, HAS_FAILED
from models.tables import MESSAGES, REPORT_CALENDAR
from sync.rollups.contribution import FINAL


class day_of(FunctionElement[Any]):  # noqa: N801 - it reads as the function that it is
    """The day of a moment (the first argument) by clocks so many seconds ahead of UTC (the second argument)."""

    type = Date()
    inherit_cache = True
    name = "day_of"


@compiles(day_of, "postgresql")
def _on_postgresql(element: day_of, compiler: Any, **options: Any) -> str:
    time, seconds = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CAST(({time} AT TIME ZONE 'UTC') + make_interval(secs => {seconds}) AS date)"


@compiles(day_of, "sqlite")
def _on_sqlite(element: day_of, compiler: Any, **options: Any) -> str:
    time, seconds = (compiler.process(clause, **options) for clause in element.clauses)
    return f"date({time}, {seconds} || ' seconds')"


def daily(condition: ColumnElement[bool]) -> Select[Any]:
    """Return a query for the columns of `report_daily`, of messages for which `condition` is true."""
    messages = _messages(condition, HAS_ENDED)
    counts = {status: _count(messages.c.status == status) for status in FINAL}
    delivered, opt_outs = counts["delivered"], _count(messages.c.opted_out_at.is_not(None))
    counted = (
        select(
            messages.c.day,
            messages.c.channel,
            messages.c.sender,
            func.count().label("finalised"),
            *(count.label(status) for status, count in counts.items()),
            opt_outs.label("opt_outs"),
            _count(messages.c.conflict).label("conflicts"),
            (cast(delivered, Float) / func.count()).label("delivery_rate"),
            (cast(opt_outs, Float) / func.nullif(delivered, 0)).label("opt_out_rate"),
        )
        .group_by(messages.c.day, messages.c.channel, messages.c.sender)
        .subquery()
    )
    return select(counted)


def failures(condition: ColumnElement[bool]) -> Select[Any]:
    """Return a query for the columns of `report_failures`, of messages for which `condition` is true.

    Reasons are as the provider wrote them: the code that shows them masks them.
    """
    messages = _messages(condition, HAS_FAILED)
    keys = messages.c.day, messages.c.channel, messages.c.failure_code, messages.c.failure_reason
    reasons = (
        select(
            *keys,
            func.count().label("messages"),
            func.min(messages.c.status_at).label("first_seen_at"),
            func.max(messages.c.status_at).label("last_seen_at"),
            func.min(messages.c.message_id).label("message_id"),
        )
        .group_by(*keys)
        .subquery()
    )
    of_day = cast(func.sum(reasons.c.messages).over(partition_by=[reasons.c.day, reasons.c.channel]), Integer)
    shared = select(
        reasons.c.day,
        reasons.c.channel,
        reasons.c.failure_code,
        reasons.c.failure_reason,
        reasons.c.messages,
        of_day.label("failures"),
        (cast(reasons.c.messages, Float) / of_day).label("share"),
        reasons.c.first_seen_at,
        reasons.c.last_seen_at,
        reasons.c.message_id,
    ).subquery()
    return select(shared)


def _messages(condition: ColumnElement[bool], has_status: TextClause) -> Subquery:
    columns = MESSAGES.c
    is_of_span = and_(columns.status_at >= REPORT_CALENDAR.c.begins_at, columns.status_at < REPORT_CALENDAR.c.ends_at)
    return (
        select(
            day_of(columns.status_at, REPORT_CALENDAR.c.offset_seconds).label("day"),
            func.coalesce(columns.channel, "").label("channel"),
            sender_as_counted(columns.sender).label("sender"),
            *(func.coalesce(columns[name], "").label(name) for name in ("failure_code", "failure_reason")),
            *(columns[name] for name in ("message_id", "status", "status_at", "opted_out_at", "conflict")),
        )
        .join(REPORT_CALENDAR, is_of_span)
        .where(condition, has_status)
        .subquery()
    )


def sender_as_counted(sender: ColumnElement[Any]) -> ColumnElement[str]:
    """Return under which name a sender is counted, as `contribution.counted_sender` has it."""
    name = func.coalesce(sender, "")
    return case((name.like("%@%"), name), else_=func.upper(name))


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))
