"""A key of a page names one row and is read as it was written; any other text begins with the first page."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from sync.reports.page_keys import key_text, read_key

PARTS = st.from_regex(r"[A-Za-z0-9_.-]{0,64}", fullmatch=True)
TIMES = st.datetimes(timezones=st.just(UTC))
IDS = st.text(min_size=1)


@given(part=PARTS, time=TIMES, message_id=IDS)
def test_a_key_is_read_as_it_was_written(part: str, time: datetime, message_id: str) -> None:
    for key in ((), (message_id,), (time, message_id)):
        assert read_key(key_text(part, key)) == (part, key)


@given(text=st.text())
def test_any_text_is_a_key_or_begins_with_the_first_page(text: str) -> None:
    part, key = read_key(text)
    assert len(part) <= 64
    assert len(key) <= 2


def test_what_is_no_key_begins_with_the_first_page() -> None:
    for text in ("", "x", "x~", "é~~m", "0~yesterday~m", f"{65 * '9'}~~m", "0~9999-12-31T23:59:59-14:00~m"):
        assert read_key(text) == ("", ())
