"""What is said of a list that cannot be read is there in Portuguese, each sentence of it."""

import io
import re

import pytest

from receiver.console.file_sentences import file_sentence_in_portuguese
from sync.events.addresses import AddressProblem
from sync.opt_outs.uploaded_list import ListOptions, ListPurpose, opened_list
from sync.terminal.csv_file import NOT_READABLE, FileError
from sync.terminal.csv_records import TooManyBrokenRows

# Words that only English has.
ENGLISH = re.compile(r"\b(the|file|row|line|is|has|than|column|number|address|and|of|no|two|text|time|characters)\b")


def refused(content: bytes, column: str = "") -> str:
    """What is said of a list with this content."""
    asked = ListOptions(purpose=ListPurpose.IMPORT, bytes=len(content), column=column)
    with pytest.raises(FileError) as error, opened_list(io.BytesIO(content), asked, "AO") as file:
        list(file.records)
    return str(error.value)


SENTENCES = [
    refused(b"nome;telefone\n"),
    refused(b"nome;telefone\n", "numero"),
    refused(b"912345678;Ana\n"),
    refused(b";".join(b"coluna%d" % number for number in range(30))),
    refused(b""),
    refused(b"sep=:\n"),
    refused(b"phone,email\n"),
    refused(b"Phone,PHONE\n"),
    refused(b"PK\x03\x04"),
    refused("phone\n".encode("utf-16-le")),
    refused("\ufeffphone\n".encode("utf-16-le") + b"\x00\xd8\x00"),
    refused(b"phone\n" + b"9" * 300_000),
    str(TooManyBrokenRows(1_000)),
    "the file's first row has the column reason more than once",
    "reason is no text that can be kept",
    "opted_out_at is no time such as 2026-06-24T10:05:00Z",
    NOT_READABLE,
    *(str(problem) for problem in AddressProblem),
    *(f"the address is none: {problem}" for problem in AddressProblem),
]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_what_is_said_of_a_list_is_there_in_portuguese(sentence: str) -> None:
    portuguese = file_sentence_in_portuguese(sentence)
    assert not ENGLISH.search(portuguese.replace("address, phone, email, recipient, to", "")), portuguese
