"""How long each page of the console takes with many rows in the tables, and how large it is.

Pages that stand in `begun_with` are asked first; of those that these lead to, one of each kind.
"""

import gzip
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit

from sync.devtools.bench.console_rows import EMAIL, PHONE
from sync.devtools.bench.figures import MILLISECONDS, Figure, Target, middle
from sync.devtools.bench.memory import processor_seconds
from sync.devtools.bench.report_rows import MESSAGES_PER_CAMPAIGN
from sync.devtools.bench.stage import Bench
from sync.devtools.bench.visitor import PageSeen, Visitor
from sync.devtools.dev.processes import DevelopmentError
from sync.devtools.simulate.counts import Latencies

PART = "console"
TIMES = 20
PAGE_MILLISECONDS, PAGE_KILOBYTES = 300, 100
KILOBYTE_BYTES = 1000
PAGES_MAX = 100
ROOT = "/console"
# In the address of the switch of languages.
LANGUAGE = "lang"
# A style sheet and pictures are measured as pages are: a browser asks for them too.
_ANSWERED = frozenset({HTTPStatus.OK, HTTPStatus.SEE_OTHER})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsolePage:
    """What is asked for: an address, or a form that is sent there and only looks for something."""

    name: str
    path: str
    form: Mapping[str, str] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTimes:
    """What became of one page, asked once and then TIMES more."""

    page: ConsolePage
    first_seconds: float
    seconds: Sequence[float]
    processor_seconds: float | None  # of the web process, for one answer
    body: bytes
    statuses: frozenset[int]

    @property
    def milliseconds(self) -> float:
        """The slowest answer."""
        return max(self.first_seconds, *self.seconds) * MILLISECONDS


def begun_with(messages: int) -> list[ConsolePage]:
    """Return pages that show `messages` in every way, and people who are looked for in any spelling."""
    last = (messages - 1) // MESSAGES_PER_CAMPAIGN // 2
    path_of = {
        "overview": "/",
        "overview of one channel": "/?channel=sms",
        "opt-outs": "/opt-outs",
        "opt-outs, the last page": "/opt-outs?before=40",
        "campaigns": "/campaigns",
        "campaigns, in their middle": f"/campaigns?after=cmp_{last}",
        "failures of 1 day": "/failures?days=1",
        "failures of 7 days": "/failures?days=7",
        "failures of 30 days": "/failures?days=30",
    }
    forms = {
        "a message, by its id": ("/messages", {"term": "msg_000000042"}),
        "messages, by a number": ("/messages", {"term": f" (00244) {PHONE[4:7]}-{PHONE[7:10]}.{PHONE[10:]} "}),
        "messages, by a number without its country": (
            "/messages",
            {"term": f"{PHONE[4:7]} {PHONE[7:10]} {PHONE[10:]}"},
        ),
        "messages, by an e-mail address": ("/messages", {"term": EMAIL.title()}),
        "a person, by a number": ("/person", {"address": f"{PHONE[4:7]} {PHONE[7:]}"}),
    }
    return [
        *(ConsolePage(name=name, path=ROOT + path) for name, path in path_of.items()),
        *(ConsolePage(name=name, path=ROOT + path, form=form) for name, (path, form) in forms.items()),
    ]


def measure_pages(
    bench: Bench, visitor: Visitor, about: str, begun: Sequence[ConsolePage], pid: int
) -> tuple[list[ConsolePage], list[Figure]]:
    """Return all pages that were found, and their figures; `pid` is that of the web process that makes them."""
    bench.say(f"{PART}: {about}, each page for the first time")
    firsts = _see_all(visitor, begun)
    measured = []
    for number, (page, first) in enumerate(firsts.items()):
        if number % 10 == 0:
            bench.say(f"{PART}: {about}, page {number + 1} of {len(firsts)}")
        measured.append(_measure(visitor, page, first, pid))
    return list(firsts), [*(_figure(about, times) for times in measured), _largest(about, measured)]


def _see_all(visitor: Visitor, begun: Sequence[ConsolePage]) -> dict[ConsolePage, PageSeen]:
    """Return what each page was when it was seen first, with one page of each kind that others lead to."""
    waiting, kinds = list(begun), {_kind(page.path) for page in begun if page.form is None}
    seen: dict[ConsolePage, PageSeen] = {}
    while waiting and len(seen) < PAGES_MAX:
        page = waiting.pop(0)
        seen[page] = visitor.see(page.path, page.form)
        for link in seen[page].links:
            kind = _kind(link)
            if link.startswith(f"{ROOT}/") and kind not in kinds and LANGUAGE not in kind[1:]:
                kinds.add(kind)
                waiting.append(ConsolePage(name=_name(link), path=link))
    return seen


def _kind(path: str) -> tuple[str, ...]:
    """Return what addresses of one kind of page have in common: their path, and what they say of the page."""
    parts = urlsplit(path)
    return (parts.path, *sorted(name for name, _ in parse_qsl(parts.query)))


def _name(path: str) -> str:
    page, *names = _kind(path)
    return page.removeprefix(f"{ROOT}/") + (f"?{urlencode(dict.fromkeys(names, ''))}".replace("=", "") if names else "")


def _measure(visitor: Visitor, page: ConsolePage, first: PageSeen, pid: int) -> PageTimes:
    before = processor_seconds(pid)
    answers = [visitor.see(page.path, page.form) for _ in range(TIMES)]
    after = processor_seconds(pid)
    statuses = frozenset(answer.status for answer in (first, *answers))
    if any(status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _ANSWERED for status in statuses):
        raise DevelopmentError(f"the console answered {page.name} with {', '.join(map(str, sorted(statuses)))}")
    return PageTimes(
        page=page,
        first_seconds=first.seconds,
        seconds=[answer.seconds for answer in answers],
        processor_seconds=None if before is None or after is None else (after - before) / TIMES,
        body=max((answer.body for answer in (first, *answers)), key=len),
        statuses=statuses,
    )


def _figure(about: str, times: PageTimes) -> Figure:
    notes = [
        f"first {times.first_seconds * MILLISECONDS:.0f}, p50 {middle(times.seconds) * MILLISECONDS:.0f}, "
        f"p99 {p99_seconds(times.seconds) * MILLISECONDS:.0f} ms",
        *([] if times.processor_seconds is None else [f"processor {times.processor_seconds * MILLISECONDS:.0f} ms"]),
        _size_text(times.body),
        *(f"answered {status}" for status in sorted(times.statuses - _ANSWERED)),
    ]
    return Figure(
        part=PART,
        name=f"{about}: {times.page.name}",
        value=times.milliseconds,
        unit="ms",
        # A page that could not be made in time says so, quickly or not.
        target=Target(at_most=PAGE_MILLISECONDS if times.statuses <= _ANSWERED else 0),
        note="; ".join(notes),
    )


def _largest(about: str, measured: Sequence[PageTimes]) -> Figure:
    largest = max(measured, key=lambda times: len(times.body))
    return Figure(
        part=PART,
        name=f"{about}: the largest page",
        value=len(largest.body) / KILOBYTE_BYTES,
        unit="kB",
        target=Target(at_most=PAGE_KILOBYTES),
        note=f"{largest.page.name}; {_size_text(largest.body)}",
    )


def _size_text(body: bytes) -> str:
    return f"{len(body) / KILOBYTE_BYTES:.1f} kB, {len(gzip.compress(body)) / KILOBYTE_BYTES:.1f} if compressed"


def p99_seconds(page_seconds: Sequence[float]) -> float:
    latencies = Latencies()
    for seconds in page_seconds:
        latencies.add(seconds)
    return latencies.percentile_seconds(99) or 0.0
