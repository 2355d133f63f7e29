"""Fills the table of opt-outs, and makes addresses that are in it, and others that are not."""

from datetime import UTC, datetime

from sqlalchemy import Engine, bindparam, text

from models.types import UTCDateTime
from sync.devtools.bench.servers import settle

FILL_STEP = 250_000
NUMBERS_MAX = 10_000_000

_SERIES = {
    "postgresql": "SELECT n FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n",
    "sqlite": "WITH RECURSIVE series(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM series WHERE n < :last) "
    "SELECT n FROM series",
}
# Numbers lie scattered, as people's do: a multiplier that shares no factor with their count meets each of them once.
_SCATTER = 7_654_321
_FILL = (
    "INSERT INTO opt_outs (channel, address, sender, opted_out_at, received_at, source, updated_at) SELECT "
    "'sms', '+2449' || (10000000 + (n * {scatter}) % {most}), '', :now, :now, 'import', :now FROM ({series}) AS made"
)


def opted_out(number: int) -> str:
    """Return the address of the opt-out `number`, counted from 0, in E.164."""
    return f"+2449{10_000_000 + number * _SCATTER % NUMBERS_MAX}"


def never_opted_out(number: int) -> str:
    """Return an address that no opt-out has."""
    return f"+2449{20_000_000 + number * _SCATTER % NUMBERS_MAX}"


def fill(engine: Engine, filled: int, count: int) -> None:
    """Bring the table from `filled` to `count` opt-outs, at most NUMBERS_MAX, and let the database tidy up."""
    kind = engine.dialect.name
    statement = text(_FILL.format(scatter=_SCATTER, most=NUMBERS_MAX, series=_SERIES[kind]))
    for first in range(filled, count, FILL_STEP):
        now = bindparam("now", datetime.now(UTC), type_=UTCDateTime())
        with engine.begin() as connection:
            connection.execute(statement.bindparams(now), {"first": first, "last": min(first + FILL_STEP, count) - 1})
    if kind == "postgresql":
        settle(engine, "opt_outs")
