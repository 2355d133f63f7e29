"""SQL, reports and proofs go by person, as look-ups do."""

import re
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from models.types import PERSON_OF_ADDRESS
from sync.events.addresses import person_of, spellings_of
from sync.opt_outs.evidence import gather_evidence
from sync.suppression import Lookup
from tests.conftest import ROOT
from tests.integration.people import all_of, give, read, statuses
from tests.support.events_builder import body, clear, minute, patient
from tests.support.people import (
    EMAIL_KEPT,
    EMAILS,
    NUMERIC_SENDERS,
    SENDERS,
    TWO_NUMBERS,
    delivered,
    stop,
)

PERSON = "911000002"
PAIRS = tuple(TWO_NUMBERS.values())


# One person with two numbers


ANTI_JOIN = """
SELECT planned.address FROM (SELECT CAST(:one AS text) AS address UNION ALL SELECT CAST(:other AS text)) AS planned
WHERE NOT EXISTS (SELECT 1 FROM active_opt_outs AS opt_out WHERE opt_out.address = planned.address)
"""


def documented(place: int) -> str:
    """One of the queries of docs/suppression.md."""
    page = (ROOT / "docs" / "suppression.md").read_text(encoding="utf-8")
    blocks: list[str] = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    return blocks[place].rstrip().rstrip(";")


def test_the_documented_anti_joins_leave_out_whom_a_look_up_suppresses(engine: Engine, lookup: Lookup) -> None:
    people = [*(number for pair in PAIRS for number in pair), "+244911000002", "+244911000003", EMAIL_KEPT]
    for place, person in enumerate(people):
        give(engine, delivered(person, f"m{place}", channel="sms", from_="Zexa"))
    give(engine, *(stop(pair[place % 2], channel="sms", from_="ZEXA") for place, pair in enumerate(PAIRS)))
    give(engine, stop("911000002", channel="whatsapp"), stop(EMAILS["name"], from_="Other"))
    for query, scope in ((documented(0), {}), (documented(1), {"channel": "sms", "sender": "zexa"})):
        answers = statuses(lookup, people, **scope)
        allowed = {address for address, status in answers.items() if status != "suppressed"}
        assert {row.recipient for row in read(engine, query)} == allowed
        assert "+244911000003" in allowed


@pytest.mark.parametrize("is_long_told", [False, True])
def test_one_person_with_two_numbers_is_found_under_both_by_look_ups_and_sql(
    engine: Engine, lookup: Lookup, is_long_told: bool
) -> None:
    asked = [spelling for pair in PAIRS for number in pair for spelling in (number, number[1:], f"00{number[1:]}")]
    assert statuses(lookup, asked) == all_of(asked, "allowed")
    for pair in PAIRS:
        give(engine, stop(pair[is_long_told], message_id=pair[0], channel="sms"))
    assert statuses(lookup, asked) == all_of(asked, "suppressed")
    for number, other in PAIRS:
        assert read(engine, ANTI_JOIN, one=number, other=other) == []
    # A row for each spelling, one person.
    assert read(engine, "SELECT count(*), count(DISTINCT person) FROM active_opt_outs") == [
        (2 * len(PAIRS), len(PAIRS))
    ]


def test_a_stop_under_both_numbers_is_one_person_in_sql(engine: Engine) -> None:
    for short, long in PAIRS:
        give(engine, *(stop(number, message_id=number, channel="sms", from_="ZEXA") for number in (short, long)))
    assert read(engine, "SELECT count(*), count(DISTINCT person) FROM opt_outs") == [(2 * len(PAIRS), len(PAIRS))]
    assert read(engine, "SELECT count(*), count(DISTINCT person) FROM active_opt_outs") == [
        (2 * len(PAIRS), len(PAIRS))
    ]


def test_a_message_under_one_number_after_a_stop_under_the_other_is_found(engine: Engine) -> None:
    for place, pair in enumerate(PAIRS):
        number, sent_to = pair if place % 2 else reversed(pair)
        give(engine, stop(number, message_id=f"s{place}"))
        give(engine, body("message.delivered", minute(9), to=sent_to, message_id=f"m{place}"))
    rows = read(engine, "SELECT message_id, address FROM sent_after_opt_out ORDER BY message_id")
    assert [row.message_id for row in rows] == [f"m{place}" for place in range(len(PAIRS))]
    for place, pair in enumerate(PAIRS):
        for spelling in (*pair, pair[0][1:], f"{pair[1][1:]}@s.whatsapp.net"):
            evidence = gather_evidence(engine, spelling, default_region="AO")
            assert [row["message_id"] for row in evidence.statements] == [f"s{place}"], spelling
            assert [row["message_id"] for row in evidence.messages_afterwards] == [f"m{place}"], spelling
            assert [row["is_active"] for row in evidence.opt_outs] == [True], spelling


# Reports


def test_a_sender_in_several_spellings_is_one_row_of_the_daily_report(engine: Engine) -> None:
    for spellings in (SENDERS, NUMERIC_SENDERS):
        give(
            engine,
            *(
                delivered("+244" + PERSON, f"{spelling}", channel=channel, from_=spelling)
                for spelling, channel in zip(spellings, ("sms", "SMS", " Sms ") * len(spellings), strict=False)
            ),
        )
        rows = read(engine, "SELECT channel, sender, delivered FROM report_daily")
        assert [(row.channel, row.delivered) for row in rows] == [("sms", len(spellings))]
        clear(engine)


@pytest.mark.parametrize(
    ("bodies", "rows"),
    [
        ([stop("951234567", message_id="m1", channel="sms")], 2),  # of Angola or of Myanmar
        ([stop(None, message_id="m1", channel="sms", from_="+244911000002"), delivered("+244911000003", "m1")], 2),
        ([stop("+5215512345678", 1, message_id="m1"), stop("+525512345678", 2, message_id="m2")], 2),
        ([stop("911000002", 1, message_id="m1", from_="ZEXA"), stop("911000002", 2, message_id="m2", from_="zexa")], 2),
        ([stop("911000002", 1, message_id="m1"), stop("244911000002", 2, message_id="m2")], 1),
    ],
    ids=["two readings", "own address and its message's", "two numbers", "two spellings of a sender", "two STOPs"],
)
def test_one_opt_out_is_counted_once(engine: Engine, bodies: Sequence[bytes], rows: int) -> None:
    give(engine, *bodies)
    assert read(engine, "SELECT count(*) FROM opt_outs") == [(rows,)]
    counted = read(engine, "SELECT sum(opt_outs) AS opt_outs, sum(in_force) AS in_force FROM report_opt_outs")
    assert [(int(row.opt_outs), int(row.in_force)) for row in counted] == [(1, 1)]


# SQL


_DIGITS = st.text("0123456789", min_size=1, max_size=18)
_PLANS = st.sampled_from(["+52", "+521", "+54", "+549", "+55", "+5511", "+55119", "+5", "+244", "52", "521", "", "++5"])
_TEXTS = st.one_of(
    st.builds(str.__add__, _PLANS, _DIGITS),
    st.builds(lambda plan, digits: (plan + digits)[:14], _PLANS, _DIGITS.filter(lambda digits: len(digits) > 12)),
    st.builds(
        lambda plan, digits, end: (plan + digits)[: 14 - len(end)] + end, _PLANS, _DIGITS, st.sampled_from(["@b.c"])
    ),
    st.sampled_from([number for pair in PAIRS for number in pair]),
)


def test_sql_says_whose_a_number_is_as_the_look_up_does(engine: Engine) -> None:
    with engine.connect() as connection:

        @patient
        @given(addresses=st.lists(_TEXTS, min_size=1, max_size=50))
        def says_the_same(addresses: list[str]) -> None:
            values = {f"a{place}": address for place, address in enumerate(addresses)}
            selects = " UNION ALL ".join(
                f"SELECT {place} AS place, CAST(:a{place} AS text) AS address" for place in range(len(addresses))
            )
            query = text(f"SELECT {PERSON_OF_ADDRESS} FROM ({selects}) AS given ORDER BY place".replace("\\:", ":"))
            persons = connection.execute(query, values).scalars().all()
            assert persons == [person_of(address) for address in addresses]

        says_the_same()


def test_every_copy_of_the_rule_in_the_views_is_the_same(engine: Engine) -> None:
    """The view of messages sent after has it in its own words."""
    script = (ROOT / "migrations" / "sql" / f"views_{engine.dialect.name}.sql").read_text(encoding="utf-8")
    plain = " ".join(script.split())
    copy = PERSON_OF_ADDRESS.replace("address", "message.recipient")
    assert plain.count("message.recipient LIKE '+55__9%'") == plain.count(copy) == 1
    assert [spellings_of(person_of(number)) for pair in PAIRS for number in pair] == [
        (min(pair, key=len), max(pair, key=len)) for pair in PAIRS for _ in pair
    ]


def test_the_view_spells_every_person_as_the_look_up_does(engine: Engine) -> None:
    addresses = [number for pair in PAIRS for number in pair[:1]] + [
        "+244911000002",
        EMAIL_KEPT,
        "+5255123456",
        "+55119123",
    ]
    give(engine, *(stop(number, message_id=number) for number in addresses))
    spelled: dict[str, set[str]] = {}
    for row in read(engine, "SELECT person, address FROM active_opt_outs"):
        spelled.setdefault(row.person, set()).add(row.address)
    assert spelled == {person: set(spellings_of(person)) for person in spelled}
    assert len(spelled) >= len(PAIRS) + 2
