"""English or Portuguese: which one a person reads, and how numbers and times are written in it."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask import g, request, session
from markupsafe import Markup, escape

from receiver.console.portuguese import PORTUGUESE
from receiver.console.sentences import in_portuguese
from sync.terminal.text import visible
from sync.terminal.times import greatest_units

LANGUAGES = {"en": "English", "pt": "Português"}
_MONTHS = {
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
    "pt": ("jan", "fev", "mar", "abr", "mai", "jun", "jul", "ago", "set", "out", "nov", "dez"),
}
# Portuguese has a plural of these, which stands above or beside numbers of messages.
_OF_MANY = {"delivered": "entregues", "failed": "falhadas", "undeliverable": "impossíveis de entregar"}
_OF_ONE = {"failed": "falhada"}
EVENTS = {
    "message.queued": "queued",
    "message.sent": "sent",
    "message.delivered": "delivered",
    "message.failed": "failed",
    "message.undeliverable": "undeliverable",
    "message.optout": "opted out",
}
_UTC = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?Z")
_NO_BREAK = "\u00a0"
_THOUSANDS, _DECIMALS = {"en": ",", "pt": "\u202f"}, {"en": ".", "pt": ","}


def choose_language() -> None:
    """Take the language that the switch chose, for this session; else the browser's."""
    choice = request.args.get("lang", "")
    if choice in LANGUAGES:
        session["language"] = choice
    code = session.get("language")
    g.language = code if code in LANGUAGES else request.accept_languages.best_match(list(LANGUAGES), "en")


def language() -> str:
    code: str = g.get("language", "en")
    return code


def _(text: str, **values: object) -> Markup:
    """Return `text` in the person's language, with `values` in their places, escaped."""
    words = PORTUGUESE.get(text, text) if language() == "pt" else text
    return Markup(words).format(**values) if values else Markup(words)  # noqa: S704 - the texts are ours


def counted(number: int | None, singular: str, plural: str, **values: object) -> Markup:
    """Return for example `1 message` or `2,000 messages`; the texts have `{n}`, and places for `values`."""
    return _(singular if number == 1 else plural, n=number_text(number), **values)


def of_many(status: str) -> Markup:
    """Return a status as it stands with a number of messages."""
    return Markup(_OF_MANY[status]) if language() == "pt" and status in _OF_MANY else _(status)  # noqa: S704 - ours


def ends_text(**numbers: int) -> Markup:
    """Return for example `2 delivered, 1 failed` of the numbers of messages by their status."""
    return Markup(", ").join(
        Markup("{} {}").format(number_text(number), of_one(status) if number == 1 else of_many(status))
        for status, number in numbers.items()
    )


def of_one(status: str) -> Markup:
    """Return a status as it stands with one message."""
    return Markup(_OF_ONE[status]) if language() == "pt" and status in _OF_ONE else _(status)  # noqa: S704 - ours


def number_text(number: float | None) -> str:
    """Return a whole number as people of the language write it; a dash for none."""
    return "—" if number is None else f"{number:,.0f}".replace(",", _THOUSANDS[language()])


def share_text(share: float | None) -> str:
    """Return a share as per cent, with one decimal."""
    if share is None:
        return "—"
    return f"{share * 100:.1f}".replace(".", _DECIMALS[language()]) + (f"{_NO_BREAK}%" if language() == "pt" else "%")


def duration_text(seconds: float | None) -> str:
    """Return a duration in the two greatest units that say something."""
    if seconds is None:
        return "—"
    if seconds < 1:
        return f"{round(seconds * 1000)}{_NO_BREAK}ms"
    if seconds < 9.95:
        return f"{seconds:.1f}{_NO_BREAK}s".replace(".", _DECIMALS[language()])
    return " ".join(f"{count}{_NO_BREAK}{unit}" for count, unit in greatest_units(seconds))


def day_text(day: date) -> str:
    """Return a day without its year, for an axis."""
    month = _MONTHS[language()][day.month - 1]
    return f"{day.day} {month}" if language() == "en" else f"{day.day} de {month}"


def full_day_text(day: date) -> str:
    return f"{day_text(day)} {day.year}" if language() == "en" else f"{day_text(day)} de {day.year}"


def zone() -> ZoneInfo:
    """Return the time zone in which times are shown: that of the reports."""
    return ZoneInfo(g.get("timezone") or "UTC")


def time_of(at: datetime | None, *, to_the: str = "second") -> Markup:
    """Return a time in the zone of the reports, as an element that has the exact time in UTC; a dash for none."""
    if at is None:
        return Markup("—")
    local = at.astimezone(zone())
    clock = local.strftime("%H:%M" if to_the == "minute" else "%H:%M:%S")
    exact = at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    time_text = f"{full_day_text(local.date())}, {clock}"
    return Markup('<time datetime="{}" title="{}">{}</time>').format(exact, exact, time_text)


def step_text(at: datetime, interval: timedelta) -> str:
    """Return when a step of a chart begins, as far as steps of this length differ in it."""
    local = at.astimezone(zone())
    if interval >= timedelta(days=1):
        return day_text(local.date())
    clock = local.strftime("%H:%M:%S" if interval < timedelta(minutes=1) else "%H:%M")
    return f"{day_text(local.date())}, {clock}" if interval >= timedelta(hours=1) else clock


def action_text(action: str) -> Markup:
    """Return what somebody did, as `signed in` of `signed_in`."""
    return _(action.replace("_", " "))


def event_text(name: str) -> Markup | str:
    """Return what an event tells, as `delivered` of `message.delivered`; of one that is not known its name."""
    return _(EVENTS[name]) if name in EVENTS else visible(name)


def reason_text(sentence: str) -> Markup:
    """Return a sentence of `sync.reports.trace.explain` in the person's language, its times as `time_of` shows them."""
    text = escape(visible(in_portuguese(sentence) if language() == "pt" else sentence))
    return Markup(_UTC.sub(lambda match: time_of(datetime.fromisoformat(match[0])), text))  # noqa: S704 - escaped


def switch_links() -> list[tuple[str, str, str, bool]]:
    """Return for each language its code, its name, where the same page is in it, and whether it is chosen."""
    parameters = request.args.to_dict()
    return [
        (code, name, f"?{urlencode(parameters | {'lang': code})}", code == language())
        for code, name in LANGUAGES.items()
    ]


def shown_value(value: Any) -> Markup | str:
    """Return a value of a row as people read it."""
    if value is None or value == "":
        return "—"
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return time_of(value) if isinstance(value, datetime) else escape(str(value))
