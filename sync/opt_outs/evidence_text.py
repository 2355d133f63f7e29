"""Lays out what can be proved, for a person and as JSON's types. Every value is escaped, bodies are exact."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sync.events.event import Origin
from sync.events.remains import MARK, is_remains
from sync.opt_outs.evidence import Evidence
from sync.opt_outs.verdict import knowledge_of, verdict_cell, verdict_document, verdict_text
from sync.suppression.text import STATED, scope_text
from sync.terminal.masking import masked_address, masked_text
from sync.terminal.text import POLLED, body_document, body_text, number_text, rows_shown_text, table_text, visible
from sync.terminal.times import duration_text, row_in_json, time_text

Row = Mapping[str, Any]

_STATED_BY = {"event": "the recipient, by Zexa", "failure": "a carrier, by Zexa"}


def evidence_document(evidence: Evidence) -> dict[str, Any]:
    """Return all of it as JSON's types; a body is text in `body` or, if it is not UTF-8, in `body_base64`."""
    return {
        "address": evidence.address,
        "verdict": verdict_document(evidence.late),
        "opt_outs": [_document(row) | {"is_active": bool(row["is_active"])} for row in evidence.opt_outs],
        "statements": [_document(row) for row in evidence.statements],
        "facts": [_document(row) for row in evidence.facts],
        "messages_afterwards": [_document(row) for row in evidence.messages_afterwards],
    }


def _document(row: Row) -> dict[str, Any]:
    document = row_in_json(row)
    if "body" not in row:
        return document
    body = row["body"]
    return document | ({"body": None, "body_base64": None} if body is None else body_document(bytes(body)))


def evidence_text(evidence: Evidence) -> str:
    """Return the evidence in the order in which somebody would tell it."""
    if not evidence.is_known:
        return f"Nothing was ever stated about {visible(evidence.address)}."
    return "\n\n".join(_parts(evidence))


def _parts(evidence: Evidence) -> Iterator[str]:
    verdict = " ".join([verdict_text(evidence.late), *_polled_sentences(evidence)])
    yield f"Evidence of {visible(evidence.address)}. All times are UTC.\n{visible(verdict)}"
    yield _titled(
        "In force or ended", _opt_outs_text(evidence.opt_outs) if evidence.opt_outs else "  no row of opt_outs"
    )
    for number, row in enumerate(evidence.statements, 1):
        yield _statement_text(number, row)
    for row in evidence.facts:
        yield _fact_text(row)
    after = evidence.messages_afterwards
    yield _titled("Messages with a status later than the first opt-out", _messages_text(after) if after else "  none")


def _polled_sentences(evidence: Evidence) -> Iterator[str]:
    """Say if a status that counts against us was not signed: it may have come about long before we asked."""
    late = {row["message_id"] for row in evidence.late}
    polled = [row for row in evidence.messages_afterwards if row["status_origin"] == Origin.POLLED]
    count = sum(row["message_id"] in late for row in polled)
    if count:
        yield f"Of {number_text(count, 'message')} the status was {POLLED}: it may have come about earlier."


def _titled(title: str, text: str) -> str:
    return f"{title}\n{text}"


def _opt_outs_text(rows: Sequence[Row]) -> str:
    names = ("in force", "opted out", "opted in", "holds for", "source", "message")
    return table_text(
        names,
        [
            (
                "yes" if row["is_active"] else "no",
                time_text(row["opted_out_at"]),
                time_text(row["opted_in_at"]),
                scope_text(row["channel"], row["sender"]),
                row["source"],
                row["message_id"] or "-",
            )
            for row in rows
        ],
    )


def _statement_text(number: int, row: Row) -> str:
    by = row["stated_by"] or _STATED_BY.get(row["source"], "-")
    fields = {
        "occurred": time_text(row["occurred_at"]),
        "received": time_text(row["received_at"]),
        "applied": f"{time_text(row['applied_at'])}, the moment it took effect",
        "holds for": scope_text(row["channel"], row["sender"]),
        "stated by": f"{by} ({row['source']})",
        "reason": row["reason"],
        "message": row["message_id"],
        "event": row["event"],
        "sha-256": row["digest"],
    }
    title = f"Statement {number}: {STATED[row['kind']]}"
    body = "" if row["body"] is None else _body_text(bytes(row["body"]))
    return _titled(title, _fields_text(fields)) + body


def _body_text(body: bytes, *, is_polled: bool = False) -> str:
    if is_remains(body):
        source = f"answer, {POLLED}, of" if is_polled else "body, of"
        return body_text(f"  What remains of the {source} somebody who was forgotten", body.removeprefix(MARK))
    return body_text(f"  Answer, {POLLED}" if is_polled else "  Body as it was signed", body)


def _fact_text(row: Row) -> str:
    is_polled = row["origin"] == Origin.POLLED
    fields = {"occurred": time_text(row["occurred_at"])}
    fields["asked for" if is_polled else "received"] = time_text(row["received_at"])
    title = f"Fact of message {visible(row['subject_id'])}: {visible(row['event'])}"
    return _titled(title, _fields_text(fields)) + _body_text(bytes(row["body"]), is_polled=is_polled)


def _fields_text(fields: Mapping[str, str | None]) -> str:
    return "\n".join(f"  {name:<9}  {visible(value)}" for name, value in fields.items() if value)


def _messages_text(rows: Sequence[Row]) -> str:
    names = ("status at", "status", "channel", "sender", "message")
    return table_text(names, [_message_cells(row) for row in rows])


def _message_cells(row: Row) -> Sequence[str]:
    channel, sender = row["channel"] or "-", row["sender"] or "-"
    status = f"{row['status']}, {POLLED}" if row["status_origin"] == Origin.POLLED else row["status"] or "-"
    return time_text(row["status_at"]), status, channel, sender, row["message_id"]


def late_document(row: Row, *, shows_addresses: bool) -> dict[str, Any]:
    """Return a row of `sent_after_opt_out` as JSON's types, what names a person masked unless asked for.

    `knowledge` says what we knew of the opt-out by then, as `Knowledge` does.
    """
    document = _document(row) | {"knowledge": str(knowledge_of(row))}
    if not shows_addresses:
        document["address"] = masked_address(row["address"])
        for name in ("sender", "opt_out_sender"):
            document[name] = row[name] and masked_text(row[name])
    return document


def late_text(rows: Sequence[Row], count: int, *, shows_addresses: bool) -> str:
    """Return a table of these messages, the first of `count`."""
    if not rows:
        return "No message was sent after an opt-out of its address."
    documents = [late_document(row, shows_addresses=shows_addresses) | {"row": row} for row in rows]
    names = ("status at", "after", "known", "status", "address", "opted out", "holds for", "message")
    cells = [
        (
            time_text(late["row"]["status_at"]),
            duration_text(late["seconds_after_opt_out"]),
            verdict_cell(late["row"]),
            late["status"],
            late["address"],
            time_text(late["row"]["opted_out_at"]),
            scope_text(late["opt_out_channel"], late["opt_out_sender"]),
            late["message_id"],
        )
        for late in documents
    ]
    number = rows_shown_text(len(rows), count, "latest")
    return f"Messages with a status later than an opt-out of their address: {number}\n{table_text(names, cells)}"
