"""Tables and views hold what the oracle works out, and `rebuild --check` finds nothing.

Neither order, copies, batches, workers nor the database matter. ZEXA_ORACLE_STREAMS is the number of random streams
that are tried on each database.
"""

import json
import os
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, partial
from itertools import chain, permutations, repeat
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import URL, Connection, Engine, Select, column, inspect, select, table
from sqlmodel import SQLModel
from structlog.testing import capture_logs

from models.database import open_database
from models.views import ACTIVE_OPT_OUTS, OPT_OUT_STATEMENTS
from sync.events.interpretation import ParseOptions
from sync.events.polled import answer_body, parse_answer
from sync.events.raw import RawEvent
from sync.opt_outs.add import OptOutWord, state_opt_outs
from sync.opt_outs.remove import Resubscription, resubscribe
from sync.rebuild.walk import Walk, check_rows
from sync.store.apply import apply
from sync.store.polled import merge_answers
from tests.support.events_builder import ROLLUPS, TABLES, Row, clear, minute, patient, raw
from tests.support.oracle import (
    COLUMNS,
    FINAL,
    OPT_OUT,
    OTHER_TIMES,
    OWN_TIMES,
    POLLED_TIMES,
    Added,
    Answer,
    Removed,
    Word,
    canonical,
    expected,
)
from tests.unit.events.test_oracle import CASES, Case

STREAMS = int(os.environ.get("ZEXA_ORACLE_STREAMS", "30"))
STREAMS_A_TEST = 10

Step = list[RawEvent] | Word | Answer  # one transaction: a batch of deliveries, what a person says, an answer
Pick = Callable[[Sequence[Any]], Any]

# The last is a name that is known only as polled: signed, it is of an unknown type.
MESSAGE_EVENTS = [*FINAL, "message.unknown", "message.sent"]
RECIPIENTS = [f"+24491200000{number}" for number in range(3)]
SENDERS = ["ZEXA", "NEWS", "INFO"]
MESSAGES = [f"msg_{number}" for number in range(4)]
CAMPAIGNS = ["cmp_0", "cmp_1", MESSAGES[0]]  # the last is the id of a message too
CODE = "21610"

# The tables and views with typed columns. The columns compared of the other views hold no times.
TYPED = {**SQLModel.metadata.tables, "active_opt_outs": ACTIVE_OPT_OUTS, "opt_out_statements": OPT_OUT_STATEMENTS}

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
RECEIPTS = [minute(60), minute(61), minute(60) + 4 * HOUR, minute(60) + DAY, minute(60) + 2 * DAY]
LATE_EVENING = minute(-630)  # in Luanda it is the next day already
NOW = minute(0) + 7 * DAY  # later than every receipt and word


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A line for each of thousands of dead letters would hide what failed."""
    with capture_logs():
        yield


@pytest.fixture
def empty(engine: Engine) -> Callable[[], None]:
    """Makes the database as the migrations leave it."""
    spared = {"report_calendar", "zexa_sync_version", *TABLES, *ROLLUPS}
    return partial(clear, engine, *(name for name in inspect(engine).get_table_names() if name not in spared))


# A world of few messages, people and times, so that bodies often meet


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Deliveries, copies included, words and answers; `steps` are the same, shuffled and split."""

    opting_out: frozenset[str]
    deliveries: list[RawEvent]
    words: list[Word]
    answers: list[Answer]
    steps: list[Step]

    @property
    def options(self) -> ParseOptions:
        return ParseOptions(default_region="AO", opt_out_failures=self.opting_out)

    @property
    def expected(self) -> dict[str, list[Row]]:
        return expected(self.deliveries, self.words, self.opting_out, self.answers)


class World:
    """Writes bodies and words; `pick` makes every choice."""

    def __init__(self, pick: Pick) -> None:
        self.pick = pick

    def delivery(self) -> RawEvent:
        received_at = self.pick(RECEIPTS)
        write = self.pick([self.of_message] * 10 + [self.of_campaign] * 3 + [self.other, self.unreadable])
        return raw(write(received_at), received_at)

    def copy(self, delivery: RawEvent) -> RawEvent:
        """The same body at another time. An earlier receipt may take the belief from a time that the body claims."""
        return raw(delivery.body, delivery.received_at + self.pick([0 * HOUR, HOUR, -2 * HOUR, DAY, -DAY - HOUR]))

    def of_message(self, received_at: datetime) -> bytes:
        name = self.pick([*MESSAGE_EVENTS, *[OPT_OUT] * 4])
        data = {
            "message_id": self.pick([*MESSAGES, *MESSAGES, None]),
            "to": self.pick([None, None, None, *RECIPIENTS, RECIPIENTS[0].removeprefix("+")]),
            "from": self.pick([None, None, *SENDERS]),
            "channel": self.pick([None, None, "sms", "SMS", "whatsapp"]),
            "campaign_id": self.pick([None, None, *CAMPAIGNS]),
        }
        if name != OPT_OUT:
            data |= {"error": self.pick([None, "busy", "no route"]), "error_code": self.pick([None, "500", CODE])}
            if not data["to"] and not data["message_id"]:
                data["error_code"] = None  # no rule says what becomes of a failure that opts out no person
        return self.body(name, data, received_at)

    def of_campaign(self, received_at: datetime) -> bytes:
        data = {
            "campaign_id": self.pick([*CAMPAIGNS, None]),
            "name": self.pick([None, "June", "July"]),
            "channel": self.pick([None, "sms"]),
            "total": self.pick([None, 5, 7]),
        }
        return self.body(self.pick(["campaign.sent", "campaign.completed", "campaign.paused"]), data, received_at)

    def other(self, received_at: datetime) -> bytes:
        return self.body(self.pick(["webhook.test", None]), {"more": self.pick([1, 2])}, received_at)

    def answer(self) -> Answer:
        """What the provider says of a message when it is asked: more or less than it signed, and maybe later."""
        asked_at, status = self.pick(RECEIPTS), self.pick([*POLLED_TIMES, "delivered", "failed"])
        fields = {
            "id": self.pick([None, MESSAGES[0]]),
            "status": status,
            "to": self.pick([None, None, *RECIPIENTS]),
            "from": self.pick([None, *SENDERS]),
            "channel": self.pick([None, "sms", "SMS"]),
            "campaign_id": self.pick([None, *CAMPAIGNS]),
            "error_code": self.pick([None, "500", CODE]),
            "error": self.pick([None, "busy"]),
            "updated_at": self.pick([None, None, *self.claims(asked_at)]),
            self.pick(POLLED_TIMES[status]): self.pick([None, *self.claims(asked_at)]),
        }
        return Answer(message_id=self.pick(MESSAGES), document=_without_nulls(fields), asked_at=asked_at)

    def asked_again(self, answer: Answer) -> Answer:
        return replace(answer, asked_at=answer.asked_at + self.pick([0 * HOUR, HOUR, -2 * HOUR, DAY]))

    def unreadable(self, _received_at: datetime) -> bytes:
        return bytes(self.pick([b"{", b"[]", b"\xff"]))

    def body(self, name: str | None, data: Row, received_at: datetime) -> bytes:
        own = OWN_TIMES.get(canonical(name or ""), ["timestamp"])
        data |= {self.pick(own): self.pick([None, None, *self.claims(received_at)])}
        data |= {self.pick(OTHER_TIMES): self.pick([None, None, None, *self.claims(received_at)])}
        document = {"event": name, "timestamp": self.pick(self.claims(received_at)), "data": _without_nulls(data)}
        return json.dumps(_without_nulls(document)).encode()

    def claims(self, received_at: datetime) -> list[Any]:
        """Times that a body may claim: none, plausible ones, some behind, some ahead, some not to be believed."""
        near = [minute(1), minute(1), minute(2), LATE_EVENING, received_at, received_at - 2 * HOUR]
        ahead = [received_at + 23 * HOUR, received_at + DAY, received_at + DAY + HOUR]
        return [
            None,
            *(time.isoformat() for time in near + ahead),
            minute(2).isoformat().replace("+00:00", "Z"),
            "2026-06-24T11:02:00+01:00",
            "2026-06-24T10:02:00",
            int(minute(3).timestamp()),
            int(minute(3).timestamp() * 1000),
            "2050-01-01T00:00:00Z",
            2606241005,  # 2026-06-24 10:05 without separators, but as seconds the year 2052
            "soon",
        ]

    def word(self, number: int) -> Word:
        """What a person says. `number` makes it distinct: the contract does not rank two words of one moment."""
        at, address = self.pick(RECEIPTS), self.pick(RECIPIENTS)
        by, reason = f"clerk {number}", f"letter {number}"
        if self.pick([True, True, False]):
            channel, sender = self.pick([None, None, "sms", "whatsapp"]), self.pick([None, None, *SENDERS])
            return Removed(channel=channel, address=address, sender=sender, at=at, by=by, reason=reason)
        channel, sender = self.pick(["", "sms"]), self.pick(["", *SENDERS])
        at += timedelta(microseconds=number)
        return Added(channel=channel, address=address, sender=sender, at=at, by=by, reason=reason)


def _without_nulls(fields: Row) -> Row:
    return {name: value for name, value in fields.items() if value is not None}


def make_story(
    pick: Pick, shuffled: Callable[[list[Any]], list[Any]], *, deliveries: int, copies: int, words: int, answers: int
) -> Story:
    world = World(pick)
    originals = [world.delivery() for _ in range(deliveries)]
    delivered = originals + [world.copy(pick(originals)) for _ in range(copies)]
    statements = [world.word(number) for number in range(words)]
    asked = [world.answer() for _ in range(answers)]
    asked += [world.asked_again(answer) for answer in asked[:1]]
    return Story(
        opting_out=frozenset(pick([[], [CODE]])),
        deliveries=delivered,
        words=statements,
        answers=asked,
        steps=split(shuffled([*delivered, *statements, *asked]), lambda: pick([1, 1, 2, 5, 20])),
    )


def split(items: Sequence[RawEvent | Word | Answer], size: Callable[[], int]) -> list[Step]:
    """Deliveries that follow one another become batches of at most `size()`; words and answers keep their places."""
    steps: list[Step] = []
    room = 0
    for item in items:
        if not isinstance(item, RawEvent):
            steps.append(item)
            room = 0
        elif room and isinstance(steps[-1], list):
            steps[-1].append(item)
            room -= 1
        else:
            steps.append([item])
            room = size() - 1
    return steps


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Short ones, which can be made smaller."""
    return make_story(
        lambda options: draw(st.sampled_from(options)),
        lambda items: draw(st.permutations(items)),
        deliveries=draw(st.integers(1, 8)),
        copies=draw(st.integers(0, 3)),
        words=draw(st.integers(0, 3)),
        answers=draw(st.integers(0, 3)),
    )


def stream(seed: int) -> Story:
    """A longer one."""
    chance = random.Random(seed)
    return make_story(
        chance.choice,
        lambda items: chance.sample(items, len(items)),
        deliveries=chance.randint(5, 25),
        copies=chance.randint(0, 8),
        words=chance.randint(0, 6),
        answers=chance.randint(0, 5),
    )


# Applying and reading


def take(engine: Engine, steps: Sequence[Step], options: ParseOptions) -> None:
    for step in steps:
        if isinstance(step, list):
            apply(engine, step, options=options, now=NOW)
        elif isinstance(step, Answer):
            ask(engine, step, options)
        else:
            say(engine, step, options)


def ask(engine: Engine, answer: Answer, options: ParseOptions) -> None:
    event = parse_answer(answer_body(answer.message_id, json.dumps(answer.document).encode()), answer.asked_at, options)
    assert event is not None
    with engine.begin() as connection:
        merge_answers(connection, [event], options, NOW)


def say(engine: Engine, word: Word, options: ParseOptions) -> None:
    with engine.begin() as connection:
        if isinstance(word, Added):
            statement = OptOutWord(channel=word.channel, sender=word.sender, at=word.at, by=word.by, reason=word.reason)
            state_opt_outs(connection, [(word.address,)], statement, NOW, forget_keys=options.forget_keys)
        else:
            resubscription = Resubscription(channel=word.channel, sender=word.sender, by=word.by, reason=word.reason)
            resubscribe(
                connection,
                [word.address],
                resubscription,
                clock=lambda: word.at,
                default_region=options.default_region,
                forget_keys=options.forget_keys,
            )


def stored(engine: Engine) -> dict[str, list[Row]]:
    """What stands in the tables and views, in the oracle's columns."""
    with engine.connect() as connection:
        tables = {name: _rows(connection, name) for name in COLUMNS}
    # One row for each spelling of a person: the oracle has only that in E.164.
    tables["active_opt_outs"] = [row for row in tables["active_opt_outs"] if row["address"].startswith("+")]
    for row in [*tables["opt_outs"], *tables["active_opt_outs"]]:
        row["opt_out_id"] = None if row["source"] in ("manual", "import") else row["opt_out_id"]
    for row in [*tables["report_daily"], *tables["report_opt_outs"]]:
        row["day"] = str(row["day"])
    for row in tables["campaign_status"]:
        row["details"] = json.dumps(json.loads(row["details"]), sort_keys=True)
    return tables


def _rows(connection: Connection, name: str) -> list[Row]:
    return [dict(row) for row in connection.execute(_selected(name)).mappings()]


@cache
def _selected(name: str) -> Select[Any]:
    source = TYPED.get(name)
    if source is None:
        source = table(name, *map(column, COLUMNS[name]))
    return select(*(source.c[each] for each in COLUMNS[name]))


def drifts(engine: Engine, options: ParseOptions) -> list[Any]:
    noted: list[Any] = []
    check_rows(engine, Walk(options=options, rows_per_slice=7), noted.append)
    return noted


def assert_equal(engine: Engine, wanted: dict[str, list[Row]], story: object) -> None:
    """Table by table; a failure shows only the rows that differ."""
    tables = stored(engine)
    for name in COLUMNS:
        surplus = [row for row in tables[name] if row not in wanted[name]]
        missing = [row for row in wanted[name] if row not in tables[name]]
        assert {"surplus": surplus, "missing": missing} == {"surplus": [], "missing": []}, (name, story)
        assert len(tables[name]) == len(wanted[name]), (name, story)


# The tests


@pytest.mark.parametrize("first", range(0, STREAMS, STREAMS_A_TEST))
def test_random_streams_make_the_rows_of_the_oracle(engine: Engine, empty: Callable[[], None], first: int) -> None:
    for seed in range(first, min(first + STREAMS_A_TEST, STREAMS)):
        story = stream(seed)
        empty()
        take(engine, story.steps, story.options)
        assert_equal(engine, story.expected, f"seed {seed}")
        assert drifts(engine, story.options) == [], f"seed {seed}"


@settings(
    patient,
    max_examples=50,
    suppress_health_check=[*patient.suppress_health_check, HealthCheck.function_scoped_fixture],
)
@given(story=stories())
def test_short_stories_make_the_rows_of_the_oracle(engine: Engine, empty: Callable[[], None], story: Story) -> None:
    empty()
    take(engine, story.steps, story.options)
    assert_equal(engine, story.expected, story)
    assert drifts(engine, story.options) == []


@pytest.mark.parametrize("seed", range(5))
def test_applying_everything_again_changes_nothing(engine: Engine, empty: Callable[[], None], seed: int) -> None:
    story = stream(seed)
    empty()
    take(engine, story.steps, story.options)
    take(engine, [story.deliveries, *([delivery] for delivery in story.deliveries), *story.answers], story.options)
    assert_equal(engine, story.expected, f"seed {seed}")


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("workers", [2, 4])
def test_workers_side_by_side_make_the_rows_of_the_oracle(
    engine: Engine, migrated_url: URL, workers: int, seed: int
) -> None:
    """Each worker takes its share, and then all deliveries once more, in an order of its own."""
    story = stream(1_000_000 + seed)
    shares = []
    for number in range(workers):
        again = random.Random(number).sample(story.deliveries, len(story.deliveries))
        shares.append([*story.steps[number::workers], *split(again, lambda: 7)])
    work_side_by_side(migrated_url, shares, story.options)
    assert_equal(engine, story.expected, f"seed {seed}")
    assert drifts(engine, story.options) == []


def work_side_by_side(url: URL, shares: Sequence[Sequence[Step]], options: ParseOptions) -> None:
    """Take each share in a thread with an engine of its own, all started at one moment; raise what any raised."""
    start = threading.Barrier(len(shares))

    def work(share: Sequence[Step]) -> None:
        engine = open_database(url)
        try:
            start.wait(10)
            take(engine, share, options)
        finally:
            engine.dispose()

    with ThreadPoolExecutor(len(shares)) as threads:
        for done in [threads.submit(work, share) for share in shares]:
            done.result()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_in_every_order_and_split(engine: Engine, empty: Callable[[], None], case: Case) -> None:
    wanted = expected(case.deliveries, case.words, case.opting_out)
    options = ParseOptions(default_region="AO", opt_out_failures=case.opting_out)
    items = [*case.deliveries, *case.words]
    # How a batch is split is worked out before any database is asked, so one database is given all splits.
    ways = orders_and_splits(items) if engine.dialect.name == "sqlite" else orders(items)
    for steps in ways:
        empty()
        take(engine, steps, options)
        assert_equal(engine, wanted, steps)
    assert drifts(engine, options) == []


def orders_and_splits(items: Sequence[RawEvent | Word]) -> Iterator[list[Step]]:
    for order in permutations(items):
        splits: list[list[Step]] = []
        for sizes in _sums(len(items)):
            steps = split(order, chain(sizes, repeat(1)).__next__)
            if steps not in splits:  # a word ends a batch, so splits may come twice
                splits.append(steps)
                yield steps


def orders(items: Sequence[RawEvent | Word]) -> Iterator[list[Step]]:
    """Each order one by one, and all deliveries that follow one another at once."""
    for order in permutations(items):
        singly, together = split(order, lambda: 1), split(order, lambda: len(items))
        yield singly
        if together != singly:
            yield together


def _sums(total: int) -> Iterator[list[int]]:
    """The ways to write `total` as a sum."""
    if not total:
        yield []
    for first in range(1, total + 1):
        yield from ([first, *parts] for parts in _sums(total - first))
