"""What `reconcile` says at its end."""

from sync.provider.ask import AskCounts
from sync.provider.reconcile_text import reconcile_document, reconcile_text


def test_only_the_numbers_that_say_something_are_shown_each_with_its_meaning() -> None:
    counts = AskCounts(asked=1_200, repaired=1_150, unfinished=49, unknown=1)
    assert reconcile_text(counts, total=1_200, asked_just_now=3, unusable=1).splitlines() == [
        "1,200 of 1,200 messages without a final status asked for",
        "  1,150  got their final status by it: their events were lost, and somebody should look why",
        "     49  are still queued or sent",
        "      1  are unknown to Zexa, under this key",
        "3 other messages asked for within the last hour: not again.",
        "1 row of the file without an id.",
    ]


def test_nothing_to_ask_for_is_said_with_the_reason() -> None:
    nothing = reconcile_text(AskCounts(), total=0, asked_just_now=0, unusable=0)
    assert nothing == "Nothing to ask for: of every message that is meant a final status is known."
    later = reconcile_text(AskCounts(), total=0, asked_just_now=1, unusable=0)
    assert later == "Nothing to ask for now: 1 message asked for within the last hour."


def test_the_document_has_the_same_keys_in_every_case() -> None:
    empty = reconcile_document(AskCounts(), total=0, asked_just_now=0, unusable=0, is_done=False)
    full = reconcile_document(AskCounts(asked=1, failed=2), total=3, asked_just_now=4, unusable=5, is_done=True)
    assert list(empty) == list(full)
    assert (full["due"], full["failed"], full["rows_without_id"]) == (3, 2, 5)
