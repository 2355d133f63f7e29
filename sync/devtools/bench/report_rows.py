"""Fills the tables for measuring the reports: a year of messages, campaigns and opt-outs, made by the database itself.

Each message has three facts, of which two are of a type that no row follows from. Channels, senders, campaigns and
reasons of failures are as many as a marketing account has.
"""

from datetime import datetime, timedelta

from sqlalchemy import Engine, bindparam, text

from models.types import UTCDateTime
from sync.devtools.bench.servers import AS_BYTES, settle
from sync.devtools.bench.stage import Bench

FACTS_PER_MESSAGE = 3
DAYS = 365
MESSAGES_PER_CAMPAIGN = 1000
STEP = 200_000

_SERIES = {
    "postgresql": "SELECT n, CAST(:first_at AS timestamptz) + n * make_interval(secs => :step_seconds) AS at "
    "FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n",
    "sqlite": "SELECT n, strftime('%Y-%m-%d %H:%M:%f', :first_at, (n * :step_seconds) || ' seconds') || '000' AS at "
    "FROM (WITH RECURSIVE series(n) AS (SELECT :first UNION ALL SELECT n + 1 FROM series WHERE n < :last) "
    "SELECT n FROM series)",
}
_LATER = {
    "postgresql": "at + make_interval(secs => {})",
    "sqlite": "strftime('%Y-%m-%d %H:%M:%f', at, ({}) || ' seconds') || '000'",
}

_ID = "'msg_' || substr(CAST(1000000000 + n AS text), 2)"
_ADDRESS = "'+2449' || substr(CAST(100000000 + (n * 7919) % {addresses} AS text), 2)"
_CAMPAIGN = f"'cmp_' || (n / {MESSAGES_PER_CAMPAIGN})"
_CHANNEL = (
    f"CASE WHEN (n / {MESSAGES_PER_CAMPAIGN}) % 10 < 6 THEN 'sms' WHEN (n / {MESSAGES_PER_CAMPAIGN}) % 10 < 8 "
    "THEN 'whatsapp' WHEN n % 3 = 0 THEN 'telegram' ELSE 'email' END"
)
_SENDER = f"'SENDER ' || ((n / {MESSAGES_PER_CAMPAIGN}) % 3)"
_STATUS = "CASE WHEN n % 100 < 93 THEN 'delivered' WHEN n % 100 < 97 THEN 'failed' ELSE 'undeliverable' END"
_BODY = (
    """'{"event":"message.' || name || '","timestamp":"2026-06-24T10:05:00Z","data":{"message_id":"' || """
    + _ID
    + """ || '","channel":"sms","to":"+244912345678","status":"delivered","delivered_at":"2026-06-24T10:04:55Z"}}'"""
)
# SQLite computes no digests: any text as long takes the same room.
_DIGEST = {"postgresql": f"encode(sha256(convert_to({_ID} || name, 'UTF8')), 'hex')", "sqlite": "hex(randomblob(32))"}
_FACTS = "SELECT 0 AS place, 'delivered' AS name UNION ALL SELECT 1, 'sent' UNION ALL SELECT 2, 'read'"
_BODY_ID = f"1 + n * {FACTS_PER_MESSAGE} + place"


def fill(bench: Bench, engine: Engine, messages: int, now: datetime) -> None:
    """Fill the empty tables with `messages` of the year before `now`; the roll-ups stay empty."""
    kind = engine.dialect.name
    statements = [statement.format(addresses=max(1, messages // 4)) for statement in _statements(kind)]
    step_seconds = DAYS * 86_400 / messages
    first_at = bindparam("first_at", now - timedelta(days=DAYS), type_=UTCDateTime())
    for first in range(0, messages, STEP):
        bench.say(f"reports: filling the tables, {first:,} of {messages:,} messages")
        values = {"first": first, "last": min(first + STEP, messages) - 1, "step_seconds": step_seconds}
        with engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement).bindparams(first_at), values)
    if kind == "postgresql":
        with engine.begin() as connection:
            # The ids of bodies were given, not taken.
            connection.execute(text("SELECT setval('bodies_id_seq', (SELECT max(id) FROM bodies))"))
    settle(engine, "events, bodies, message_status, campaign_status, opt_outs")


def _statements(kind: str) -> list[str]:
    series, later = _SERIES[kind], _LATER[kind]
    facts = (
        "INSERT INTO events (subject_id, event, occurred_at, received_at, applied_at, body_id, is_dated, outcome, "
        f"digest) SELECT {_ID}, 'message.' || name, at, {later.format('0.5 + n % 97')}, {later.format('1 + n % 97')}, "
        f"{_BODY_ID}, true, CASE WHEN name = 'delivered' THEN 'applied' ELSE 'ignored' END, {_DIGEST[kind]} "
        f"FROM ({series}) AS made CROSS JOIN ({_FACTS}) AS facts"
    )
    bodies = (
        "INSERT INTO bodies (id, received_at, subject_id, event, body) "
        f"SELECT {_BODY_ID}, {later.format('0.5 + n % 97')}, {_ID}, 'message.' || name, "
        f"{AS_BYTES[kind].format(_literal(_BODY))} FROM ({series}) AS made CROSS JOIN ({_FACTS}) AS facts"
    )
    messages = (
        "INSERT INTO message_status (message_id, channel, recipient, sender, campaign_id, status, status_at, "
        "failure_code, failure_reason, opted_out_at, conflict, updated_at) "
        f"SELECT {_ID}, {_CHANNEL}, {_ADDRESS}, {_SENDER}, {_CAMPAIGN}, {_STATUS}, at, "
        "CASE WHEN n % 100 >= 93 THEN 'code ' || (n % 20) END, CASE WHEN n % 100 >= 93 THEN 'reason ' || (n % 20) END, "
        f"CASE WHEN n % 100 = 0 THEN at END, n % 1000 = 999, at FROM ({series}) AS made"
    )
    campaigns = (
        "INSERT INTO campaign_status (campaign_id, status, sent_at, completed_at, name, channel, details, updated_at, "
        f"message_total) SELECT {_CAMPAIGN}, 'completed', at, {later.format('3000')}, 'June', {_CHANNEL}, '{{{{}}}}', "
        f"at, {MESSAGES_PER_CAMPAIGN} + 1 FROM ({series}) AS made WHERE n % {MESSAGES_PER_CAMPAIGN} = 0"
    )
    opt_outs = (
        "INSERT INTO opt_outs (channel, address, sender, opted_out_at, received_at, source, message_id, updated_at) "
        f"SELECT {_CHANNEL}, {_ADDRESS}, {_SENDER}, at, {later.format('0.5 + n % 97')}, 'event', {_ID}, at "
        f"FROM ({series}) AS made WHERE n % 100 = 0 ON CONFLICT DO NOTHING"
    )
    return [facts, bodies, messages, campaigns, opt_outs]


def _literal(phrase: str) -> str:
    """Neither a brace nor a colon of a body is a placeholder."""
    return phrase.replace("{", "{{").replace("}", "}}").replace(":", r"\:")
