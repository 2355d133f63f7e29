"""The provider's counts of a campaign are found under any usual name, and nothing is taken for a count that is none."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.reports.compare import Silence, compared_text
from sync.reports.provider_counts import ProviderCounts, provider_counts

ALL = ProviderCounts(status="completed", total=10, delivered=7, failed=2, undeliverable=1)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["delivered", "status", "total", "counts", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    "document",
    [
        {"status": "completed", "total": 10, "delivered": 7, "failed": 2, "undeliverable": 1},
        {
            "campaign": {
                "status": "completed",
                "stats": {"total_messages": 10, "deliveredCount": 7, "failed_count": 2, "undeliverable": 1},
            }
        },
        {
            "data": {"status": "completed", "recipients": 10},
            "counts": {"messagesDelivered": 7, "total_failed": 2, "Undeliverable Messages": 1},
        },
        {
            "status": "completed",
            "message_count": 10,
            "statuses": [
                {"status": "delivered", "count": 7},
                {"status": "failed", "total": 2},
                {"status": "undeliverable", "count": 1},
            ],
        },
    ],
)
def test_the_usual_names_are_read_wherever_they_stand(document: dict[str, Any]) -> None:
    assert provider_counts(document) == ALL


def test_what_is_no_count_is_none_and_never_0() -> None:
    document = {"status": 5, "delivered": True, "failed": "2", "undeliverable": -1, "total": 1.5}
    assert provider_counts(document) == ProviderCounts()


@given(JSON)
def test_any_answer_can_be_read(document: Any) -> None:
    counts = provider_counts({"answer": document})
    assert counts.delivered is None or counts.delivered >= 0


def test_of_a_campaign_that_goes_on_a_total_is_no_count_of_final_statuses() -> None:
    assert ProviderCounts(status="sending", total=10).finalised is None
    assert ProviderCounts(status="Completed", total=10).finalised == 10
    assert ProviderCounts(status="sending", total=10, delivered=4, failed=1).finalised == 5


ROW = {"finalised": 9982, "completed_at": None}


def test_both_counts_stand_beside_each_other_with_what_is_silent() -> None:
    since = datetime(2026, 6, 24, 10, 41, tzinfo=UTC)
    silence = Silence(since=since, ids=tuple(f"msg_{number}" for number in range(18)))
    counts = ProviderCounts(delivered=10_000)
    assert compared_text(ROW, counts, silence) == (
        "ours 9,982, Zexa 10,000; 18 silent since 2026-06-24 10:41Z: msg_0, msg_1, msg_2, msg_3, msg_4 and 13 more"
    )
    unknown = compared_text(ROW, counts, Silence(since=since))
    assert unknown == "ours 9,982, Zexa 10,000; 18 silent since 2026-06-24 10:41Z, none of their ids known here"


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (ProviderCounts(delivered=9982), "ours 9,982, Zexa 9,982"),
        (ProviderCounts(delivered=9980), "ours 9,982, Zexa 9,980; 2 more here"),
        (ProviderCounts(total=10_000), "ours 9,982 of 10,000; Zexa's answer has no count that is known here"),
        (ProviderCounts(), "ours 9,982; Zexa's answer has no count that is known here"),
        (None, "Zexa does not know it, or not with this key"),
    ],
)
def test_what_cannot_be_compared_is_said(counts: ProviderCounts | None, text: str) -> None:
    assert compared_text(ROW, counts, Silence()) == text
