"""What `reconcile` says at its end."""

from pathlib import Path

import pytest

from sync.reconcile.ask import AskCounts
from sync.reconcile.ids_file import read_ids
from sync.reconcile.text import reconcile_document, reconcile_text
from sync.terminal.csv_file import FileError


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


@pytest.mark.parametrize("column", ["message_id", "messageId", "id", "Message_ID"])
def test_ids_are_taken_once_each_in_their_order_and_rows_without_one_are_counted(tmp_path: Path, column: str) -> None:
    file = tmp_path / "sent.csv"
    file.write_text(f"name;{column}\nAna; msg_2 \nRui;msg_1\nEva;\nAna;msg_2\n\nx;{'9' * 1025}\nto;o;many\n")
    found = read_ids(file)
    assert (found.ids, found.unusable) == (["msg_2", "msg_1"], 3)


def test_a_file_with_two_columns_of_ids_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sent.csv"
    file.write_text("id,message_id\n1,2\n")
    with pytest.raises(FileError):
        read_ids(file)
