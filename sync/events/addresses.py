"""Knows what an address is, and which spellings are one person. Pure.

Everything that compares people asks here: events, look-ups, files, and the SQL that follows `spellings_of`. Nobody
else takes an address apart.
"""

import re
import unicodedata
from functools import lru_cache

from sync.events.address_readings import Address, AddressProblem, AddressReading
from sync.events.email_addresses import folded_email, quickly_folded_email
from sync.events.numbering_plan import is_canonical, quickly_read
from sync.events.phone_numbers import REGIONS, is_decimal, is_valid, person_of, read_number, spellings_of
from sync.events.written_text import ADDRESS_BYTES_MAX, is_storable, unwrap, visible

__all__ = [
    "CHANNELS",
    "PHONE_CHANNELS",
    "REGIONS",
    "Address",
    "AddressProblem",
    "AddressReading",
    "can_be_person",
    "channel_name",
    "is_placeholder",
    "is_sender_name",
    "is_spelled_alike",
    "person_of",
    "persons_of",
    "read_address",
    "read_on_any",
    "sender_key",
    "sender_text",
    "spellings_of",
    "texts_of",
]

PHONE_CHANNELS = frozenset({"sms", "whatsapp", "telegram"})
CHANNELS = PHONE_CHANNELS | {"email", "slack"}
_SENDERS_KEPT = _ADDRESSES_KEPT = 4096

_SEPARATORS = re.compile(r"[\W_]+")
# What programs write if they have no address.
_PLACEHOLDERS = frozenset(
    {"undefined", "null", "none", "nil", "nan", "n/a", "na", "unknown", "anonymous", "true", "false", "[object object]"}
)
_SLACK_ID = re.compile(r"[A-Z][A-Z0-9]{2,}", re.ASCII)
_SLACK_PERSON = re.compile(r"[CDGUW][A-Z0-9]{7,}", re.ASCII)
_DIGIT = re.compile(r"[0-9]")
# A name has a letter, a short code a few digits; nothing in it hides a part or parts two.
_SENDER_NAME = re.compile(r"(?=.*[^\W\d_])[\w .&'+\-]{1,64}|[0-9]{1,6}")
_SHORT_CODE_DIGITS_MAX = 6
_MASKED_EMAIL = re.compile(r"\*{2}|[\u2022\u25cf]")
_MASKED = re.compile(r"\*{2}|[\u2022\u25cf]|\.{3}|[xX#]{3}")
_WHATSAPP_ID = re.compile(r"\+?([0-9]+)(?:[._][0-9]+)?(?::[0-9]+)?@(?:s\.whatsapp\.net|c\.us)", re.IGNORECASE)
_DOMAINS_OF_IDS = ("@s.whatsapp.net", "@c.us", "@g.us", "@hosted.lid")
_ID_WITHOUT_NUMBER = re.compile(
    r"[0-9.:_+\-]+@(?:lid|hosted|hosted\.lid|g\.us|newsletter|broadcast|bot|call|c\.us|s\.whatsapp\.net)|status@broadcast",
    re.IGNORECASE,
)


# On which channels nothing can be sent to a number, or to an e-mail address.
_NUMBER_PROBLEM = {"email": AddressProblem.OTHER_CHANNEL}
_EMAIL_PROBLEM = dict.fromkeys(PHONE_CHANNELS, AddressProblem.OTHER_CHANNEL)


def read_address(channel: str, text: str, default_region: str) -> AddressReading:
    """Return whose address `text` is on `channel`, as `channel_name` names it ('' if it is not known).

    `default_region` is the ISO 3166 code of numbers without a country code. What is an e-mail address or a number is
    read as one on every channel; only Slack has ids of its own. Nobody's address is read as somebody else's: what
    cannot be one address has a problem and no address.
    """
    if (quick := _quickly_read(channel, text, default_region)) is None:
        return read_whole(channel, text, default_region)
    return AddressReading((Address(quick, person_of(quick)),), _problem(channel, quick))


def _problem(channel: str, text: str) -> AddressProblem | None:
    """Return why nothing can be sent on `channel` to what stands as `text` in the tables, if nothing can."""
    return (_EMAIL_PROBLEM if "@" in text else _NUMBER_PROBLEM).get(channel)


def _quickly_read(channel: str, text: str, default_region: str) -> str | None:
    """Return the text of the one address that is surely meant; None if only reading the whole tells."""
    if "@" not in text:
        if channel == "slack":  # which alone knows what digits are
            return text if text.isascii() and text.isdigit() and len(text) <= ADDRESS_BYTES_MAX else None
        return quickly_read(text, default_region)
    email = quickly_folded_email(text)
    is_short = email is not None and (len(email) if email.isascii() else len(email.encode())) <= ADDRESS_BYTES_MAX
    is_sure = email is not None and is_short and not email.endswith(_DOMAINS_OF_IDS)
    return email if is_sure else None


@lru_cache(maxsize=_ADDRESSES_KEPT)
def read_whole(channel: str, text: str, default_region: str) -> AddressReading:
    if not is_storable(text):
        return AddressReading((), AddressProblem.UNSTORABLE if text.strip() else AddressProblem.NO_ADDRESS)
    result = _addresses(channel, text, default_region)
    if isinstance(result, AddressProblem):
        return AddressReading((), result)
    if not all(is_storable(address.text) for address in result):
        return AddressReading((), AddressProblem.UNSTORABLE)
    is_quantity = any(address.text[0] == "+" for address in result) and is_decimal(visible(text))
    return AddressReading(result, AddressProblem.DECIMAL if is_quantity else _problem(channel, result[0].text))


def _addresses(channel: str, text: str, default_region: str) -> tuple[Address, ...] | AddressProblem:
    visible_text = visible(text)
    inner = unwrap(visible_text)
    result: tuple[Address, ...] | AddressProblem = AddressProblem.NO_ADDRESS
    if inner and inner.casefold() not in _PLACEHOLDERS:
        result = _email_or_id(inner) if "@" in inner else _number(text, inner, default_region)
    if channel == "slack" and visible_text and _is_opaque(inner, result):
        return (Address(visible_text, visible_text),)
    if channel not in CHANNELS and isinstance(result, AddressProblem) and _is_slack_id(inner):
        return (Address(inner, inner),)
    return result


def _email_or_id(inner: str) -> tuple[Address, ...] | AddressProblem:
    if whatsapp := _WHATSAPP_ID.fullmatch(inner):
        return read_number(f"+{whatsapp[1]}", "")
    if _ID_WITHOUT_NUMBER.fullmatch(inner):
        return AddressProblem.ID_WITHOUT_NUMBER
    if _MASKED_EMAIL.search(inner):
        return AddressProblem.HIDDEN
    if (email := folded_email(inner)) is not None:
        return (Address(email, email),)
    return AddressProblem.SEVERAL if inner.count("@") > 1 or re.search(r"[,;|\s]", inner) else AddressProblem.NO_ADDRESS


def _number(text: str, inner: str, default_region: str) -> tuple[Address, ...] | AddressProblem:
    # A footnote's or a circled digit is no part of a number, though NFKC makes a digit of it.
    if not text.isascii() and any(unicodedata.category(character) == "No" for character in text):
        return AddressProblem.NO_ADDRESS
    result = read_number(inner, default_region)
    is_masked = isinstance(result, AddressProblem) and _MASKED.search(inner) and _DIGIT.search(inner)
    return AddressProblem.HIDDEN if is_masked else result


def _is_slack_id(text: str) -> bool:
    return _SLACK_ID.fullmatch(text) is not None and text.casefold() not in _PLACEHOLDERS


def _is_opaque(inner: str, result: tuple[Address, ...] | AddressProblem) -> bool:
    """Return whether Slack alone knows what `inner` is: no e-mail address of a whole domain, no number with a plus."""
    if "@" not in inner:
        return inner.lstrip("( ")[:1] != "+"
    if isinstance(result, AddressProblem):
        return result is AddressProblem.NO_ADDRESS
    _, at, domain = result[0].text.rpartition("@")
    return bool(at) and "." not in domain


def can_be_person(channel: str, text: str, default_region: str) -> bool:
    """Return whether `text`, the `to` or `from` of a STOP, could be a person's address and not only a sender's name.

    Numbers and e-mail addresses can, short codes, names such as `ZEXA` and placeholders cannot. Of Slack's ids those
    can that look like a user's or a channel's.
    """
    addresses = read_address(channel, text, default_region).addresses
    if not addresses:
        return False
    address = addresses[0].text
    if "@" in address[1:]:
        return True
    if address[0] == "+":
        is_short = "+" not in text and len(_DIGIT.findall(visible(text))) <= _SHORT_CODE_DIGITS_MAX
        return not is_short or is_valid(address)
    if channel == "slack" and (address[0] in "#@" or _SLACK_PERSON.fullmatch(address)):
        return True
    has_digit = _DIGIT.search(address) is not None
    return has_digit and (_SLACK_PERSON.fullmatch(address) is not None or (channel == "slack" and len(address) > 6))


@lru_cache(maxsize=_SENDERS_KEPT)
def channel_name(text: str) -> str:
    """Return which of the five channels `text` names, without case, blanks and separators; '' if none of them."""
    name = _SEPARATORS.sub("", visible(text)).casefold()
    return name if name in CHANNELS else ""


@lru_cache(maxsize=_SENDERS_KEPT)
def sender_text(sender: str, default_region: str) -> str:
    """Return how the tables keep a sender: a number as addresses are, a name as it is written; '' if there is none."""
    text = " ".join(visible(sender).split())
    if not is_storable(text):
        return ""
    return texts_of("", text, default_region)[0] if can_be_person("", text, default_region) else text


def sender_key(sender: str) -> str:
    """Return what is the same for every spelling of a sender that the tables keep."""
    return person_of(sender).casefold()


def is_placeholder(text: str) -> bool:
    """Return whether `text` is what programs write if they have no address or name, such as `undefined`."""
    return visible(text).casefold() in _PLACEHOLDERS


@lru_cache(maxsize=_SENDERS_KEPT)
def is_sender_name(text: str, default_region: str) -> bool:
    """Return whether `text`, the `to` or `from` of a STOP, is the name of a sender and no person's address."""
    name = visible(text)
    if can_be_person("", name, default_region) or is_placeholder(name):
        return False
    return _SENDER_NAME.fullmatch(name) is not None


def texts_of(channel: str, text: str, default_region: str) -> tuple[str, ...]:
    """Return how the tables keep each address that `text` may be; none if it is nobody's."""
    if text[:1] == "+" and channel != "slack" and is_canonical(text):
        return (text,)  # as nearly always
    if (quick := _quickly_read(channel, text, default_region)) is not None:
        return (quick,)
    return tuple(address.text for address in read_whole(channel, text, default_region).addresses)


def persons_of(channel: str | None, text: str, default_region: str) -> tuple[Address, ...]:
    """Return every address that `text` may be, each with its person; without a channel also those of Slack's ids."""
    return read_on_any(channel, text, default_region).addresses


def read_on_any(channel: str | None, text: str, default_region: str) -> AddressReading:
    """Return what `read_address` does; without a channel also what `text` is as an id of Slack's."""
    reading = read_address(channel or "", text, default_region)
    if channel is not None:
        return reading
    on_slack = read_address("slack", text, default_region).addresses
    return AddressReading(tuple(dict.fromkeys((*reading.addresses, *on_slack))), reading.problem)


def is_spelled_alike(address: str) -> bool:
    """Return whether `address` is a number that has this one spelling on every channel."""
    return is_canonical(address) and address[1:3] not in _OF_TWO_SPELLINGS


_OF_TWO_SPELLINGS = frozenset({"52", "54", "55"})
