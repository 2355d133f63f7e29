"""Knows whether a body names a person, whatever the body is. Pure.

For bodies that no row links to anybody: unreadable ones, those that wait, and facts of an unknown type. It rather finds
too much than too little: a body names a person if one of its texts, digits only, holds the national number.
"""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sync.events.addresses import persons_of, spellings_of
from sync.events.phone_numbers import national_number
from sync.events.unescaped import content_of, unescaped
from sync.events.written_text import visible

_DIGITS = frozenset(b"0123456789")
_NO_DIGITS = bytes(byte for byte in range(256) if byte not in _DIGITS)
_IS_NO_DIGIT = re.compile(r"[^0-9]+")
_IS_NO_WORD = re.compile(r"[@0-9]")
# What stands around an e-mail address or an id. Not within another address, such as `mariana@example.com` or
# `ana@example.com.br`.
BEFORE_A_WORD, AFTER_A_WORD = r"(?<![\w.+-])", r"(?![\w-]|\.\w)"
# What may spell a character otherwise: an escape of JSON, of a link, or of XML.
_ESCAPES = (b"\\", b"%", b"&#")
_QUOTED = re.compile(r'"([^"@]+)"@')
_EMAIL_WITHIN = re.compile(r"[^\s@<>()\[\]\"',;:=&?|/]{1,128}@[^\s@<>()\[\]\"',;:=&?|/]{1,255}")


def names_any(persons: Iterable[str], default_region: str) -> Callable[[bytes], bool]:
    """Return the question whether a body names one of `persons`, who are as `person_of` has them."""
    wanted = frozenset(persons)
    numbers = {number for person in wanted for number in numbers_of(person)}
    others = {word for person in wanted for word in words_of(person)}
    words = [re.compile(f"{BEFORE_A_WORD}{re.escape(other)}{AFTER_A_WORD}") for other in others]

    def is_named_in(text: str) -> bool:
        visible_text, digits, folded = forms_of(text)
        if any(number in digits for number in numbers) or any(word.search(folded) for word in words):
            return True
        return any(
            address.person in wanted
            for written in emails_within(text, visible_text)
            for address in persons_of(None, written, default_region)
        )

    def is_named(body: bytes) -> bool:
        content = content_of(body)
        if content.isascii() and not any(mark in content for mark in _ESCAPES):
            # Nearly every body is so, and most name somebody else: a quick look is enough.
            plain = content.replace(b"\0", b"")
            digits, folded = plain.translate(None, _NO_DIGITS).decode(), plain.lower().decode()
            may = any(number in digits for number in numbers) or any(other in folded for other in others)
            if not may and b"@" not in plain:
                return False
        return any(is_named_in(text) for written in texts_within(content) for text in unescaped(written))

    return is_named


def numbers_of(person: str) -> set[str]:
    """Return by which digits a text names a person: the national number, in both ways if it is written in two."""
    return {national_number(text) for text in spellings_of(person)} if person[:1] == "+" else set()


def words_of(person: str) -> set[str]:
    """Return by which word a text names a person who is no number: an e-mail address, or an id with a digit.

    Slack takes any text for an id, but a mere word is found everywhere.
    """
    return {person.casefold()} if person[:1] != "+" and _IS_NO_WORD.search(person) else set()


def forms_of(text: str) -> tuple[str, str, str]:
    """Return a text as it is seen, its digits only, and as words are compared."""
    visible_text = visible(text)
    if '"@' in visible_text:
        visible_text = _QUOTED.sub(r"\1@", visible_text)
    if visible_text.isascii():
        return visible_text, _IS_NO_DIGIT.sub("", visible_text), visible_text.lower()
    digits = "".join(str(unicodedata.decimal(character)) for character in visible_text if character.isdecimal())
    return visible_text, digits, visible_text.casefold()


def emails_within(text: str, visible_text: str) -> Iterator[str]:
    """Yield what only a reading tells whether it is the e-mail address of a person.

    `visible_text` is the text as it is seen. ASCII is found as a word wherever it stands; a domain of
    other letters has two spellings.
    """
    if "@" in visible_text or "%40" in visible_text:
        yield text
        if not visible_text.isascii():
            yield from _EMAIL_WITHIN.findall(visible_text)


def texts_within(content: bytes) -> Iterator[str]:
    """Yield every text and number of a JSON document; of what is none, its lines."""
    try:
        # As pairs, for a name may stand twice.
        document = json.loads(content, parse_float=str, parse_int=str, object_pairs_hook=list)
    except (ValueError, RecursionError):
        yield from content.replace(b"\0", b"").decode("utf-8", "replace").splitlines()
        yield from content.decode("utf-16", "replace").splitlines()
    else:
        yield from _texts_of(document)


def _texts_of(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, list | tuple):
            waiting += value
