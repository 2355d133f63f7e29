"""What a look-up answers as JSON, which is partly written by hand: the same as all of it written by `json`."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from receiver.api.lookups import result_texts, utc_text
from sync.suppression import Answer, Freshness, LookupStatus, Match
from sync.suppression.lookup import Answers

NOW = datetime(2026, 5, 1, 12, 0, 0, 5, tzinfo=UTC)
NUMBERS = ("+244912345678", "+351912345678")

anything = st.text() | st.sampled_from(['"', "\\", "\ud800", "\n", "\u2028", "</script>"])
matches = st.builds(Match, anything, anything, st.just(NOW), anything, st.none() | anything)
others = st.dictionaries(
    anything,
    st.builds(
        lambda status, address, match: (status, address, match), st.sampled_from(LookupStatus), anything, matches
    ),
)


@given(others, st.sampled_from([LookupStatus.ALLOWED, LookupStatus.UNKNOWN]), st.data())
def test_every_answer_is_the_one_that_json_would_write(
    opted_out: dict[str, tuple[LookupStatus, str, Match]], absent: LookupStatus, data: st.DataObject
) -> None:
    asked = data.draw(st.lists(st.sampled_from([*NUMBERS, *opted_out])))
    answers = Answers(
        inputs=asked,
        absent=absent,
        others={text: Answer(text, *answer, NOW) for text, answer in opted_out.items()},
        freshness=Freshness(as_of=NOW, held_by=None),
    )
    assert [json.loads(result) for result in result_texts(answers)] == [
        {
            "input": answer.input,
            "address": answer.address,
            "status": str(answer.status),
            "match": answer.match
            and {
                "channel": answer.match.channel,
                "sender": answer.match.sender,
                "since": "2026-05-01T12:00:00.000005Z",
                "source": answer.match.source,
                "message_id": answer.match.message_id,
            },
        }
        for answer in answers
    ]


@pytest.mark.parametrize("moment", [NOW, NOW.astimezone(timezone(timedelta(hours=5)))])
def test_a_time_text_is_told_in_utc(moment: datetime) -> None:
    assert utc_text(moment) == "2026-05-01T12:00:00.000005Z"
