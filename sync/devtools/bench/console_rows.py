"""Fills the tables for measuring the console: what the reports have, and all else that a page shows.

Everything is made by the database itself, and lies scattered over a year.
"""

import json
from datetime import UTC, datetime, timedelta
from secrets import token_hex

from sqlalchemy import Connection, Engine, bindparam, insert, text

from models.tables import FAILURE_CODES, FAILURE_COUNTS, HISTORY, OUTAGES, TASKS
from models.types import UTCDateTime
from sync.dead_letters.find import LetterSelection
from sync.dead_letters.replay_request import KIND as REPLAY
from sync.dead_letters.replay_request import parameters_of
from sync.devtools.bench.report_rows import fill as fill_messages
from sync.devtools.bench.reports import let_deltas_wait
from sync.devtools.bench.servers import AS_BYTES, settle
from sync.devtools.bench.stage import Bench
from sync.rollups.recount import remake
from sync.settings.worker import DEFAULT_REPORT_TIMEZONE

# So many messages for each row of these; at least ROWS_MIN, so that a list has a second page.
MESSAGES_PER_LETTER = 1000
MESSAGES_PER_DEED = 1000
ROWS_MIN = 120
CAMPAIGNS_RUNNING = 3
OUTAGES_KEPT = 30
SCANNED = 200
# As many codes and reasons as the messages have.
CODES = 40
CODE_CHANNELS = ("sms", "whatsapp", "telegram", "email")

_SERIES = {
    "postgresql": "SELECT n, CAST(:now AS timestamptz) - n * interval '50 minutes' AS at "
    "FROM generate_series(CAST(1 AS bigint), CAST(:rows AS bigint)) AS n",
    "sqlite": "WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < :rows) "
    "SELECT n, strftime('%Y-%m-%d %H:%M:%f', :now, (n * -50) || ' minutes') || '000' AS at FROM series",
}
_DIGEST = {
    "postgresql": "encode(sha256(convert_to('row ' || {}, 'UTF8')), 'hex')",
    "sqlite": "lower(hex(randomblob(32)))",
}
# Each opt-out was stated by an event, and one in ten by a person beside it.
_STATEMENTS = (
    "INSERT INTO opt_out_history (kind, channel, address, sender, occurred_at, applied_at, source, message_id, event, "
    "digest) SELECT 'opted_out', channel, address, sender, opted_out_at, received_at, 'event', message_id, "
    "'message.optout', {digest} FROM opt_outs ORDER BY received_at"
)
_WORDS = (
    "INSERT INTO opt_out_history (kind, channel, address, sender, applied_at, source, stated_by, reason) "
    "SELECT 'opted_out', channel, address, sender, received_at, 'manual', 'Maria', 'asked by phone' "
    "FROM opt_outs WHERE substr(message_id, 11, 1) = '0'"
)
# Half of the letters wait for somebody.
_LETTERS = (
    "INSERT INTO dead_letters (digest, body, reason, error, received_at, attempts, resolved_at, may_opt_out) "
    "SELECT {digest}, {body}, CASE WHEN n % 3 = 0 THEN 'refused' ELSE 'no_subject' END, "
    "'neither a message nor an address is named', at, 1, CASE WHEN n % 2 = 0 THEN at END, false FROM ({series}) AS made"
)
_LETTER_BODY = (
    """'{"event":"message.optout","timestamp":"2026-06-24T10:05:00Z","data":{"campaign_id":"cmp_' || n || '"}}'"""
)
_DEEDS = (
    "INSERT INTO audit_log (done_at, name, action, subject) "
    "SELECT at, 'Maria', CASE WHEN n % 2 = 0 THEN 'signed_in' ELSE 'opt_out_added' END, "
    "CASE WHEN n % 2 = 1 THEN CAST(n AS text) END FROM ({series}) AS made"
)
_RUNNING = (
    "UPDATE campaign_status SET status = 'sent', completed_at = NULL WHERE campaign_id IN "
    "(SELECT campaign_id FROM campaign_status ORDER BY sent_at DESC LIMIT :running)"
)
# Who has many messages, and is looked for. No body names them, as few of the others' do.
PHONE, EMAIL = "+244923456789", "ana@example.com"
MESSAGES_OF_ONE = 300
_ADDRESSED = (
    "UPDATE message_status SET recipient = :address WHERE message_id IN (SELECT 'msg_' || "
    "substr(CAST(1000000000 + n * :step + :offset AS text), 2) FROM ({series}) AS made)"
)
_TIDIED = (
    "message_status, opt_out_history, dead_letters, audit_log, campaign_status, rollup_daily, rollup_campaigns, "
    "rollup_deltas"
)


def fill(bench: Bench, engine: Engine, messages: int) -> None:
    """Fill the empty tables with `messages` of the year until now, and with what a console has of such a year."""
    now, kind = datetime.now(UTC), engine.dialect.name
    fill_messages(bench, engine, messages, now)
    bench.say("console: filling the other tables")
    with engine.begin() as connection:
        _state_opt_outs(connection, kind)
        letters, deeds = (max(ROWS_MIN, messages // every) for every in (MESSAGES_PER_LETTER, MESSAGES_PER_DEED))
        body = AS_BYTES[kind].format(_LETTER_BODY.replace(":", r"\:"))
        made = {"digest": _DIGEST[kind].format("n"), "body": body, "series": _SERIES[kind]}
        for statement, rows in ((_LETTERS, letters), (_DEEDS, deeds)):
            at = bindparam("now", now, type_=UTCDateTime())
            connection.execute(text(statement.format(**made)).bindparams(at), {"rows": rows})
        for offset, address in enumerate((PHONE, EMAIL)):
            at = bindparam("now", now, type_=UTCDateTime())
            values = {
                "address": address,
                "step": messages // MESSAGES_OF_ONE,
                "offset": offset,
                "rows": MESSAGES_OF_ONE,
            }
            connection.execute(text(_ADDRESSED.format(series=_SERIES[kind])).bindparams(at), values)
        connection.execute(text(_RUNNING), {"running": CAMPAIGNS_RUNNING})
        for table, row, rows in (
            (OUTAGES, _outage, OUTAGES_KEPT),
            (HISTORY, _scanned, SCANNED),
            (FAILURE_CODES, _counted, CODES * len(CODE_CHANNELS)),
            (TASKS, _task, ROWS_MIN),
        ):
            connection.execute(insert(table), [row(now, number) for number in range(rows)])
        count = {"id": 1, "counted_at": now, "since": now - timedelta(days=90), "until": now, "opt_out_failures": ""}
        connection.execute(insert(FAILURE_COUNTS), count)
    bench.say("console: counting the roll-ups")
    remake(engine, DEFAULT_REPORT_TIMEZONE)
    settle(engine, _TIDIED)
    let_deltas_wait(engine, now)


def _state_opt_outs(connection: Connection, kind: str) -> None:
    connection.execute(text(_STATEMENTS.format(digest=_DIGEST[kind].format("message_id"))))
    connection.execute(text(_WORDS))


def _outage(now: datetime, number: int) -> dict[str, object]:
    began_at = now - timedelta(days=10 * number + 1)
    resolved = {"resolved_by": "Maria", "resolved_reason": "asked Zexa", "resolved_at": now} if number else {}
    nobody = {"resolved_by": None, "resolved_reason": None, "resolved_at": None}
    return {"began_at": began_at, "ended_at": began_at + timedelta(minutes=9), "kind": "no_process"} | nobody | resolved


def _scanned(now: datetime, number: int) -> dict[str, object]:
    """One of many opt-outs that a mail scanner brought about, within a minute."""
    at = now - timedelta(milliseconds=50 * (SCANNED - number))
    address = f"person{number}@firm.example"
    stated = {"kind": "opted_out", "source": "event", "event": "message.optout", "digest": token_hex(32)}
    return {"channel": "email", "address": address, "sender": "", "occurred_at": at, "applied_at": at} | stated


def _counted(_now: datetime, number: int) -> dict[str, object]:
    """What a worker counted of a code, or of the reason beside it, on one channel; few look like opt-outs."""
    code, is_reason = divmod(number // len(CODE_CHANNELS), 2)
    counts = {"addresses": 200, "never_again": 190, "received_before": 150, "others": 9000, "others_never_again": 900}
    return counts | {
        "channel": CODE_CHANNELS[number % len(CODE_CHANNELS)],
        "entry": f"reason {code}" if is_reason else f"code {code}",
        "code": f"code {code}" if is_reason else None,
        "at_least": 0.91,
        "is_proposed": code == 0 and not is_reason,
    }


def _task(now: datetime, number: int) -> dict[str, object]:
    at = now - timedelta(days=number)
    times = {"asked_at": at, "begun_at": at, "ended_at": at + timedelta(minutes=1)}
    work = {"steps_done": 100, "steps_total": 100, "outcome": '{"applied": 90, "still_dead": 10}', "deaths": 0}
    request = {
        "kind": REPLAY,
        "asked_by": "Maria",
        "parameters": json.dumps(parameters_of(LetterSelection())),
        "state": "done",
    }
    return {"id": token_hex(8)} | times | work | request
