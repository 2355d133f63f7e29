"""Lays out what is held about a person. Every value is escaped, and bodies are exact. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sync.opt_outs import verdict_text
from sync.person.documents import row_document
from sync.person.find import Holdings
from sync.person.search import SearchResult
from sync.suppression.text import STATED, scope_text
from sync.terminal.masking import masked_address
from sync.terminal.text import body_text, rows_shown_text, table_text, value_text, visible
from sync.terminal.times import time_text

Row = Mapping[str, Any]

_UNKNOWN = "unknown: Redis did not answer"
_FACT = ("received_at", "event", "subject_id")
# Where bodies were searched, and what of each is shown.
_PLACES = {
    "other_facts": ("Other facts that name this person", _FACT),
    "dead_letters": ("Dead letters that name this person", ("received_at", "reason", "resolved_at", "digest")),
    "inbox": ("Waiting in the inbox", ("received_at", "due_at")),
    "queue": ("Waiting in the queue", ("received_at",)),
}


def nothing_text(holdings: Holdings) -> str:
    """Return that nothing is held, as far as that is known."""
    unread = [title for title, result in _searched(holdings) if result is None or not result.is_complete]
    unknown = f" Not known: {', '.join(title.lower() for title in unread)}." if unread else ""
    return f"Nothing is held about {_names(holdings, shows_addresses=False)}.{unknown}"


def person_text(holdings: Holdings, *, shows_addresses: bool, with_bodies: bool = False) -> str:
    """Return what is held, the verdict first, in the order in which somebody would tell it."""
    return "\n\n".join(_parts(holdings, shows_addresses, with_bodies))


def headline(holdings: Holdings) -> str:
    """Return whether the person may be messaged, and whether that was done all the same."""
    if not holdings.opt_outs and not holdings.late:
        return "No opt-out is known."
    since = holdings.opted_out_since
    state = f"Opted out since {time_text(since)}." if since else "Opted out once; no opt-out is in force."
    return f"{verdict_text(holdings.late)} {state}"


def _parts(holdings: Holdings, shows_addresses: bool, with_bodies: bool) -> Iterator[str]:
    def shown(row: Row) -> Row:
        return {**row, **row_document(_texts_only(row), shows_addresses=shows_addresses, with_bodies=False)}

    yield f"What is held about {_names(holdings, shows_addresses=shows_addresses)} (all times are UTC)"
    yield visible(headline(holdings))
    yield _messages_text([shown(row) for row in holdings.messages], holdings.message_count)
    yield _titled("Opt-outs", len(holdings.opt_outs), _opt_outs_text([shown(row) for row in holdings.opt_outs]))
    yield _titled(
        "Statements about opt-outs", len(holdings.history), _history_text([shown(row) for row in holdings.history])
    )
    if holdings.facts is not None:
        yield _titled("Facts of these messages and statements", len(holdings.facts), _rows_text(_FACT, holdings.facts))
    for name, (title, names) in _PLACES.items():
        yield _search_text(title, names, getattr(holdings, name))
    if with_bodies:
        yield from (body_text(title, row["body"]).lstrip("\n") for title, row in _bodies(holdings))


def _texts_only(row: Row) -> Row:
    return {name: value for name, value in row.items() if isinstance(value, str)}


def _names(holdings: Holdings, *, shows_addresses: bool) -> str:
    return " or ".join(visible(text if shows_addresses else masked_address(text)) for text in holdings.likely_meant)


def _titled(title: str, count: int, text: str) -> str:
    return f"{title}: {count:,}\n{text}" if count else f"{title}: none"


def _messages_text(rows: Sequence[Row], count: int) -> str:
    names = ("status at", "status", "channel", "sender", "failure", "message")
    lines = table_text(names, [_message_cells(row) for row in rows]).split("\n")
    shown_lines = [lines[0]]
    for line, row in zip(lines[1:], rows, strict=True):
        shown_lines += [line, f"    {visible(row['why'])}"] if row["why"] else [line]
    number = rows_shown_text(len(rows), count, "latest")
    return "\n".join([f"Messages: {number}", *shown_lines]) if rows else "Messages: none"


def _message_cells(row: Row) -> Sequence[str]:
    failure = " ".join(row[name] for name in ("failure_code", "failure_reason") if row[name])
    values = (row["status_at"], row["status"], row["channel"], row["sender"], failure, row["message_id"])
    return [value_text(value) for value in values]


def _opt_outs_text(rows: Sequence[Row]) -> str:
    names = ("in force", "opted out", "opted in", "holds for", "source", "message", "note")
    return table_text(
        names,
        [
            [
                value_text(bool(row["is_in_force"])),
                *(time_text(row[name]) for name in ("opted_out_at", "opted_in_at")),
                scope_text(row["channel"], row["sender"]),
                *(value_text(row[name]) for name in ("source", "message_id", "note")),
            ]
            for row in rows
        ],
    )


def _history_text(rows: Sequence[Row]) -> str:
    names = ("occurred", "received", "applied", "statement", "holds for", "stated by", "message", "reason")
    return table_text(
        names,
        [
            [
                *(time_text(row[f"{name}_at"]) for name in ("occurred", "received", "applied")),
                STATED[row["kind"]],
                scope_text(row["channel"], row["sender"]),
                f"{row['stated_by'] or 'Zexa'} ({row['source']})",
                *(value_text(row[name]) for name in ("message_id", "reason")),
            ]
            for row in rows
        ],
    )


def _rows_text(names: Sequence[str], rows: Sequence[Row]) -> str:
    titles = [name.removesuffix("_at").replace("_", " ") for name in names]
    return table_text(titles, [[value_text(row[name]) for name in names] for row in rows])


def _search_text(title: str, names: Sequence[str], result: SearchResult | None) -> str:
    if result is None:
        return f"{title}: {_UNKNOWN}"
    heading = f"{title}: {len(result.rows):,} of {result.looked_at:,}"
    if not result.is_complete:
        heading += "; there are more, which only `person export` looks at"
    return f"{heading}\n{_rows_text(names, result.rows)}" if result.rows else heading


def _searched(holdings: Holdings) -> Iterator[tuple[str, SearchResult | None]]:
    return ((title, getattr(holdings, name)) for name, (title, _) in _PLACES.items())


def _bodies(holdings: Holdings) -> Iterator[tuple[str, Row]]:
    """Yield every body with its title."""
    for row in holdings.facts or ():
        yield f"Body of {visible(row['event'])} of {visible(row['subject_id'])}", row
    for title, result in _searched(holdings):
        for row in result.rows if result else ():
            yield f"{title}: body received {time_text(row['received_at'])}", row
