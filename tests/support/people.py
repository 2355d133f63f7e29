"""What people and programs make of addresses, senders, events and bodies: the material of the tests about people.

Each entry stands for a kind of spelling that has been seen somewhere.
"""

import gzip
import json
from collections.abc import Callable
from typing import Any

from tests.support.events_builder import body, minute

# Whom these spellings mean, by what is wrong with them. `{}` stands for the nine digits of a number of Angola.
NUMBERS = {
    "E.164": "+244{}",
    "without plus": "244{}",
    "with 00": "00244{}",
    "national": "{}",
    "trunk zero": "+244 (0) {}",
    "WhatsApp id": "244{}@s.whatsapp.net",
    "WhatsApp id of old": "244{}@c.us",
    "WhatsApp id of a device": "244{}:3@s.whatsapp.net",
    "WhatsApp id with plus": "+244{}@s.whatsapp.net",
    "tel:": "tel:+244{}",
    "whatsapp:": "whatsapp:244{}",
    "byte order mark": "\ufeff+244{}",
    "zero-width space": "+244\u200b{}",
    "mark of direction": "\u200e+244{}\u200f",
    "in brackets": "<+244{}>",
    "quoted": '"244{}"',
    "apostrophe of a spreadsheet": "'{}",
    "name before it": "Ana Silva <+244{}>",
    "name with a comma": '"Silva, Ana" <244{}>',
    "trailing comma": "+244{},",
    "trailing dot": "+244{}.",
    "full-width plus": "\uff0b244{}",
    "decimal of a spreadsheet": "{}.0",
    "decimal with two digits": "244{}.00",
    "decimal with comma": "{},0",
}

# Texts that name no person: nothing, something hidden, or more than one person.
UNREADABLE = (
    *("undefined", "null", "None", "N/A", "[object Object]", "-", "?", "()", "@", "sip:", "ana", "\u200b"),
    *("+24491*****02", "+24491XXXXX02", "*****0002", "+24491...02", "+24491\u2022\u2022\u2022\u2022\u202202"),
    *("a***@example.com", "+244911000001,+244911000002", "+244911000001; +244911000002", "911000001/911000002"),
    *("911000001 911000002", "a@example.com, b@example.com", "a@example.com;b@example.com"),
    *("911000001/02", "911000001-1", "911000001 (2)", "911000001 ext. 5", "+911000005", "+2440912345678"),
    *("123456789012345@lid", "244911000001-1623456789@g.us", "status@broadcast", "2.44911E+11", "911000001.5"),
)

# Cells in which something stands behind a number: joined, the digits would be a stranger's number.
GLUED = (
    *("{}/02", "{}-1", "{} (2)", "{} / 2", "{}.5", "{},75", "{} ext. 3", "{}x3", "{} ou 923000111", "{}/923000111"),
    *("{} 923000111", "{}\n923000111", "{};923000111", "+244{}-1", "+244{}/02", "+244{} (2)", "244{}-1", "00244{}/2"),
)

# One person with two numbers, by the plan of their country: what is written, the other spelling, both in E.164.
TWO_NUMBERS = {
    "Mexico": ("+525512345678", "+5215512345678"),
    "Mexico, area of three digits": ("+526641234567", "+5216641234567"),
    "Brazil": ("+551191234567", "+5511991234567"),
    "Brazil, a land line": ("+551132345678", "+5511932345678"),
    "Brazil, another area": ("+558591234567", "+5585991234567"),
    "Argentina": ("+541123456789", "+5491123456789"),
    "Argentina, area of four digits": ("+542944123456", "+5492944123456"),
}

EMAIL = "ana.silva@m\u00fcnchen.example"
EMAIL_KEPT = "ana.silva@xn--mnchen-3ya.example"
EMAILS = {
    "as it is": EMAIL,
    "punycode": EMAIL_KEPT,
    "punycode in capitals": "Ana.Silva@XN--MNCHEN-3YA.Example",
    "capitals": "ANA.SILVA@M\u00dcNCHEN.EXAMPLE",
    "decomposed": "ana.silva@mu\u0308nchen.example",
    "zero-width space": "ana.\u200bsilva@m\u00fcnchen.example",
    "byte order mark": "\ufeffana.silva@m\u00fcnchen.example",
    "byte order mark behind": "ana.silva@m\u00fcnchen.example\ufeff",
    "mark of direction": "ana.silva@m\u00fcnchen.example\u200e",
    "soft hyphen": "ana.sil\u00adva@m\u00fcnchen.example",
    "word joiner": "ana\u2060.silva@m\u00fcnchen.example",
    "mailto:": "mailto:ana.silva@m\u00fcnchen.example",
    "mailto: with a question": "MAILTO:ana.silva@m\u00fcnchen.example?subject=STOP",
    "brackets": "<ana.silva@m\u00fcnchen.example>",
    "name": "A. Silva <ana.silva@m\u00fcnchen.example>",
    "quoted name": '"Silva, Ana" <Ana.Silva@m\u00fcnchen.example>',
    "quotes": "'ana.silva@m\u00fcnchen.example'",
    "curly quotes": "\u201cana.silva@m\u00fcnchen.example\u201d",
    "quoted local part": '"ana.silva"@m\u00fcnchen.example',
    "full stop": "ana.silva@m\u00fcnchen.example.",
    "comma": "ana.silva@m\u00fcnchen.example,",
    "semicolon": "ana.silva@m\u00fcnchen.example;",
    "full-width letters": "\uff21na.silva@m\u00fcnchen.example",
    "full-width at": "ana.silva\uff20m\u00fcnchen.example",
    "full-width dot": "ana\uff0esilva@m\u00fcnchen\uff0eexample",
    "ideographic full stop": "ana.silva@m\u00fcnchen\u3002example",
    "blanks around": "\u00a0ana.silva@m\u00fcnchen.example\r\n",
}

# Spellings of one sender, of one channel, of one event's name.
SENDERS = ("ZEXA", "zexa", " ZEXA ", "Zexa\u200b", "\uff3a\uff25\uff38\uff21", "ZEXA\ufeff")
NUMERIC_SENDERS = (
    *("+244923000000", "244923000000", "+244 923 000 000", "00244923000000", "923000000", "244923000000@c.us"),
    *("tel:+244923000000", "\u200e+244923000000"),
)
CHANNELS = {
    "email": ("email", "e-mail", "E-Mail", "EMAIL", " email ", "e_mail", "e mail", "\uff45mail"),
    "sms": ("sms", "SMS", " Sms ", "s.m.s."),
    "whatsapp": ("whatsapp", "WhatsApp", "Whats App", "whats-app", "WHATS_APP"),
}
OPT_OUT_NAMES = (
    *("message.optout", "MESSAGE.OPTOUT", "message.optOut", "message.optout ", " message.optout", "message.opt_out"),
    *("message.opt-out", "message_optout", "Message Opt Out", "message:optout", "messageOptout", "MESSAGE_OPT_OUT"),
    *("message.optout\u200b", "message\u00a0optout", "\ufeffmessage.optout", "message/opt.out", "message\uff0eoptout"),
)

# Failures by which a carrier says that somebody opted out with the code 21610: what stands in `data`.
FAILURES: dict[str, dict[str, Any]] = {
    "code": {"code": "21610"},
    "number": {"code": 21610},
    "decimal": {"code": 21610.0},
    "text of a decimal": {"error_code": "21610.0"},
    "zeros before": {"error_code": "021610"},
    "blanks around": {"error_code": " 21610 "},
    "nought beside": {"error_code": "0", "code": "21610"},
    "nought beside, as a number": {"error_code": 0, "code": 21610},
    "another code beside": {"error_code": "4", "code": "21610"},
    "another name": {"errorCode": "21610"},
    "failure code": {"failure_code": "21610"},
    "within error": {"error": {"code": "21610"}, "code": "9"},
    "within error, by another name": {"error": {"error_code": 21610}},
    "within error in error": {"error": {"error": {"code": "21610"}}},
    "a list": {"errors": [{"code": 21610}]},
    "second in a list": {"errors": [{"code": "30003"}, {"code": "21610"}]},
    "list under error": {"error": [{"code": "21610"}]},
    "error is the code": {"error": "21610"},
    "error is a number": {"error": 21610},
    "a list of codes": {"errors": ["21610"]},
    "reason": {"error": "unsubscribed recipient"},
    "reason in other letters": {"reason": " Unsubscribed  RECIPIENT"},
    "reason within error": {"error": {"message": "Unsubscribed recipient", "code": "9"}},
    "reason beside another": {"error": "rejected", "reason": "unsubscribed recipient"},
}
OPT_OUT_FAILURES = frozenset({"21610", "unsubscribed recipient"})


def stop(to: str | None, number: float = 1, name: str = "message.optout", **data: Any) -> bytes:
    return body(name, minute(number), to=to, **data)


def delivered(to: str | None, message_id: str, **data: Any) -> bytes:
    return body("message.delivered", minute(0), to=to, message_id=message_id, **data)


def _escaped(content: bytes) -> bytes:
    return content.replace(b"optout", b"\\u006fpt\\u006Fut")


def _with_bom(content: bytes) -> bytes:
    return b"\xef\xbb\xbf" + content


def _as_utf_16(content: bytes) -> bytes:
    return content.decode().encode("utf-16")


def _indented(content: bytes) -> bytes:
    return json.dumps(json.loads(content), indent=2).encode() + b"\r\n"


# How bodies come that can be read, and how they come if they cannot, though they may be a STOP.
READABLE: dict[str, Callable[[bytes], bytes]] = {
    "as it is": lambda content: content,
    "indented": _indented,
    "byte order mark": _with_bom,
    "escaped": _escaped,
    "gzip": gzip.compress,
    "gzip of a byte order mark": lambda content: gzip.compress(_with_bom(content)),
    "gzip of escapes": lambda content: gzip.compress(_escaped(content)),
}
MAY_BE_A_STOP: dict[str, Callable[[bytes], bytes]] = {
    "UTF-16": _as_utf_16,
    "UTF-16 without mark": lambda content: content.decode().encode("utf-16-le"),
    "UTF-32": lambda content: content.decode().encode("utf-32"),
    "Latin-1": lambda content: content.replace(b"optout", b"optout\xe9"),
    "cut off": lambda content: content[:-3],
    "cut off, of another name": lambda _content: b'{"event": "mess',
    "form": lambda _content: b"event=message.optout&to=%2B244911000001",
    "XML": lambda _content: b"<event>message.optout</event>",
    "gzip that is broken": lambda content: gzip.compress(content)[:-9],
    "gzip that is cut off": lambda content: gzip.compress(content)[:12],
    "gzip and more": lambda content: gzip.compress(content) + b"more",
    "gzip of gzip": lambda content: gzip.compress(gzip.compress(content)),
    "gzip of too much": lambda content: gzip.compress(content + b" " * 256 * 1024),
    "gzip of no text": lambda _content: gzip.compress(b"\xff\xfe\x00"),
    "deflate": lambda _content: b"x\x9c\xab\xe6\xe2\x02\x00",
    "a text that is an opt-out": lambda content: json.dumps(content.decode()).encode(),
    "an array with an opt-out": lambda content: b"[" + content + b"]",
}
HOLDS_NOTHING: dict[str, bytes] = {
    "empty": b"",
    "blanks": b" \r\n",
    "gzip of nothing": gzip.compress(b""),
    "gzip of blanks": gzip.compress(b" \n"),
    "array": b"[]",
    "text": b'"delivered"',
    "number": b"1",
    "null": b"null",
    "true": b"true",
    "array of a delivery": b'[{"event": "message.delivered", "data": {"to": "+244911000001"}}]',
    "gzip of an array": gzip.compress(b"[1]"),
}
