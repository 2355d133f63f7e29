"""Knows who was forgotten, by keyed hashes alone, and so whether a body or a text names one of them. Pure.

It finds what `sync.events.naming` finds. That module looks for a number in a text. Here the number is not known any
more. So every run of digits of that length is hashed, and every word of the length of an address.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from sync.events.addresses import person_of, persons_of
from sync.events.event import Event
from sync.events.forget_keys import ForgetKey, is_keyed
from sync.events.naming import (
    AFTER_A_WORD,
    BEFORE_A_WORD,
    emails_within,
    forms_of,
    numbers_of,
    texts_within,
    words_of,
)
from sync.events.numbering_plan import is_canonical
from sync.events.unescaped import content_of, unescaped

# What stands for a text that named a forgotten person.
ERASED = "(erased)"

_TEXTS_KEPT, _TEXT_KEPT_CHARACTERS = 8_192, 100
_DIGITS, _WORD = "digits", "word"
_BEGINS, _ENDS = re.compile(BEFORE_A_WORD), re.compile(AFTER_A_WORD)


class NameMark(NamedTuple):
    """By which hash a text names a person: of so many digits, or of a word so long."""

    kind: str
    length: int
    hash: str


class ForgottenPerson(Struct, frozen=True, gc=False):
    """What is known of somebody who was forgotten: in which order, and hashes under one key."""

    number: int
    pseudonym: str
    key: ForgetKey
    marks: tuple[NameMark, ...]


def marks_of(person: str, key: ForgetKey) -> tuple[NameMark, ...]:
    """Return the marks by which texts name `person`, who is as `person_of` has them."""
    texts = [(_DIGITS, text) for text in numbers_of(person)] + [(_WORD, text) for text in words_of(person)]
    return tuple(sorted(NameMark(kind, len(text), key.mark(kind, text)) for kind, text in texts))


class ForgottenPeople:
    """All who were forgotten. `keys` are those that their hashes were made with."""

    def __init__(self, people: Iterable[ForgottenPerson], *, default_region: str) -> None:
        people = sorted(people, key=lambda person: person.number)
        self._keys = tuple({person.key.key_id: person.key for person in people}.values())
        self._by_pseudonym = {person.pseudonym: person for person in people}
        self._by_mark = {mark: person for person in people for mark in person.marks}
        self._lengths = sorted({(mark.kind, mark.length) for mark in self._by_mark})
        self._shortest = min((length for _, length in self._lengths), default=0)
        self._default_region = default_region
        # Most texts of a body stand in many others too: names, times, senders, campaigns.
        self.find = lru_cache(_TEXTS_KEPT)(self._find)
        self._named_in_text = lru_cache(_TEXTS_KEPT)(self._read)

    def _find(self, person: str) -> ForgottenPerson | None:
        """Return who this person, as `person_of` has them, was; None if they were not forgotten."""
        for key in self._keys:
            if forgotten := self._by_pseudonym.get(key.pseudonym(person)):
                return forgotten
        return None

    def kept_address(self, address: str) -> str:
        """Return what the tables keep of an address: the pseudonym of somebody who was forgotten, else the address.

        A number in E.164 of somebody else stays, though the same digits be within it.
        """
        if forgotten := self.find(person_of(address)):
            return forgotten.pseudonym
        named = [] if is_canonical(address) else self.named_in_text(address)
        return named[0].pseudonym if named else address

    def kept_text(self, text: str) -> str:
        """Return what the tables keep of a text that people or programs wrote."""
        return ERASED if self.named_in_text(text) else text

    def named_in(self, body: bytes) -> list[ForgottenPerson]:
        """Return whom a body names, the one forgotten first first."""
        return _in_order(person for text in texts_within(content_of(body)) for person in self.named_in_text(text))

    def named_by(self, event: Event) -> list[ForgottenPerson]:
        """Return whom an event names by what was read in its body: also by an id that is a mere word."""
        details = event.message
        if details is None:
            return []
        texts = {*details.addresses, details.recipient, details.sender, details.scope_sender} - {None}
        return _in_order(forgotten for text in texts if text and (forgotten := self.find(person_of(text))))

    def named_in_text(self, text: str) -> Sequence[ForgottenPerson]:
        """Return whom a single text names."""
        if len(text) < self._shortest and text.isascii() and "@" not in text:
            return ()  # as nearly every name of a field, and most of what stands there
        return self._named_in_text(text) if len(text) <= _TEXT_KEPT_CHARACTERS else self._read(text)

    def _read(self, text: str) -> Sequence[ForgottenPerson]:
        if is_keyed(text):
            return ()
        return _in_order(person for form in unescaped(text) for person in self._read_form(form))

    def _read_form(self, text: str) -> Iterator[ForgottenPerson]:
        visible_text, digits, folded = forms_of(text)
        for kind, candidate in self._candidates(digits, folded):
            yield from self._people_of_mark(kind, candidate)
        for written in emails_within(text, visible_text):
            for address in persons_of(None, written, self._default_region):
                if person := self.find(address.person):
                    yield person

    def _candidates(self, digits: str, folded: str) -> Iterator[tuple[str, str]]:
        for kind, length in self._lengths:
            if kind == _DIGITS:
                yield from ((kind, digits[start : start + length]) for start in range(len(digits) - length + 1))
            elif len(folded) >= length:
                for begin in _BEGINS.finditer(folded, 0, len(folded) - length + 1):
                    if begin.start() + length <= len(folded) and _ENDS.match(folded, begin.start() + length):
                        yield kind, folded[begin.start() : begin.start() + length]

    def _people_of_mark(self, kind: str, text: str) -> Iterator[ForgottenPerson]:
        for key in self._keys:
            if forgotten := self._by_mark.get(NameMark(kind, len(text), key.mark(kind, text))):
                yield forgotten


def _in_order(people: Iterable[ForgottenPerson]) -> list[ForgottenPerson]:
    return sorted({person.number: person for person in people}.values(), key=lambda person: person.number)
