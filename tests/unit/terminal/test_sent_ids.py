"""The ids of messages that the customer sent, out of a CSV file."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from sync.terminal.csv_file import FileError
from sync.terminal.sent_ids import SentMessage, read_sent


def test_ids_come_from_a_csv_file_with_the_time_of_each_if_it_has_one(tmp_path: Path) -> None:
    file = tmp_path / "sent.csv"
    file.write_text("name;messageId;sent_at\nAna;msg_1;2026-06-24T10:05:00+01:00\n;;\nRui;msg_2;soon\nEva;;\n")
    assert list(read_sent(file)) == [
        SentMessage(message_id="msg_1", sent_at=datetime(2026, 6, 24, 9, 5, tzinfo=UTC)),
        SentMessage(message_id="msg_2", sent_at=None),
        None,
    ]
    file.write_text(f"id,message_id\n7,msg_1\n8,{'x' * 5000}\n9,a\0b\n")
    assert [sent and sent.message_id for sent in read_sent(file)] == ["msg_1", None, None]
    file.write_text("id\nmsg_1\n")
    assert list(read_sent(file)) == [SentMessage(message_id="msg_1", sent_at=None)]
    file.write_text("msg_1\nmsg_2\n")
    with pytest.raises(FileError, match="message_id or messageId or id"):
        list(read_sent(file))
