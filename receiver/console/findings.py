"""What `zexa-sync doctor` finds, in words of the person's language, and its remedies."""

import re

from markupsafe import Markup, escape

from receiver.console.language import _, language
from receiver.console.sentences import forms, reworded
from sync.terminal.findings import Check

# Of what a check is.
NAMES = {
    "secrets": "Secrets",
    "redis": "Redis",
    "redis_policy": "What Redis throws away",
    "redis_persistence": "What Redis keeps",
    "redis_memory": "Memory of Redis",
    "schema": "Tables",
    "durability": "What the database keeps",
    "forget_key": "Keys of forgotten people",
    "clock": "Clocks",
    "web": "Web processes",
    "workers": "Workers",
    "queue": "Queue",
    "failed_jobs": "Failed jobs",
    "tasks": "Work",
    "dead_letters": "Dead letters",
    "inbox": "Inbox",
    "refusals": "Refused deliveries",
    "silence": "Silence",
    "copies": "Copies",
    "outages": "Outages",
}
PAGES = {
    "dead_letters": "console.dead_letters",
    "failed_jobs": "console.dead_letters",
    "tasks": "console.tasks",
}
# How values that doctor wrote in English are told.
_VALUES = forms(
    (r"^(.+) ago$", r"há \1"),
    (r"^twice$", "duas vezes"),
    (r"^(\d+) times$", r"\1 vezes"),
    (r"^1 day$", "1 dia"),
    (r"^([\d,]+) days$", r"\1 dias"),
    (r"^no answer in time$", "sem resposta a tempo"),
    (r"(\w+) is ([\d.,]+) s ahead of this machine", r"\1 está \2 s adiantado em relação a esta máquina"),
    (r"(\w+) is ([\d.,]+) s behind this machine", r"\1 está \2 s atrasado em relação a esta máquina"),
    (r"^unreachable since ", "sem confirmar desde "),
    (r"^unreachable (\S+ \S+) to ", r"sem confirmar de \1 a "),
    (r"events first tried before", "eventos tentados pela primeira vez antes de"),
    (r"events first tried between (.*?) and (.*?Z)", r"eventos tentados pela primeira vez entre \1 e \2"),
    (r"may have had their last try inside it", "podem ter tido nela a última tentativa"),
    (r"had their last try inside it", "tiveram nela a última tentativa"),
    (r"nothing was lost, Zexa tried again after it", "nada se perdeu, a Zexa tentou de novo depois"),
    (r"nothing is lost if it ends within", "nada se perde se acabar dentro de"),
    (r"; and ([\d,]+) more$", r"; e mais \1"),
)
_CODE = re.compile("`([^`]+)`")


def name_text(check: Check) -> Markup:
    return _(NAMES[check.check])


def found_text(check: Check) -> Markup:
    """Return what was found; what nobody translates stays as doctor says it."""
    return _with_code(_finding_text(check, check.found, check.finding.found if check.finding else None))


def remedy_text(check: Check) -> Markup:
    """Return what to do about it."""
    return _with_code(_finding_text(check, check.remedy, check.finding.remedy if check.finding else None))


def page_of(check: Check) -> str | None:
    """Return the page of the console where to see or mend it, None if there is none but Health."""
    return PAGES.get(check.check)


def _with_code(text: Markup) -> Markup:
    return Markup(_CODE.sub(r"<code>\1</code>", str(text)))  # noqa: S704 - it is escaped already


def _finding_text(check: Check, text: str, form: str | None) -> Markup:
    if form is None or language() != "pt":
        return escape(text)
    return _(form, **{name: reworded(str(value), _VALUES) for name, value in check.values.items()})
