"""What the tests of events share."""

from sync.events.addresses import AddressProblem, persons_of, read_address, spellings_of, texts_of


def normalise(channel: str, text: str, region: str) -> str:
    """How the tables keep the first address that `text` may be; what is none as it is."""
    texts = texts_of(channel, text, region)
    return texts[0] if texts else text.strip()


def is_address(channel: str | None, text: str) -> bool:
    """Can messages on `channel` be sent to `text`, which the tables keep in this form?"""
    reading = read_address(channel or "", text, "")
    return reading.problem is None and text in [address.text for address in reading.addresses]


def spellings(channel: str | None, text: str, region: str) -> tuple[str, ...]:
    """Every text under which an opt-out of `text` may stand, the one that the tables keep first."""
    meant = persons_of(channel, text, region)
    texts = [address.text for address in meant]
    texts += [spelling for address in meant for spelling in spellings_of(address.person)]
    return tuple(dict.fromkeys(texts)) or (text.strip(),)


def in_digits_from(zero: str, number: str) -> str:
    """`number` in the digits of the script whose nought is `zero`."""
    return "".join(chr(ord(zero) + int(digit)) for digit in number)


SPELLINGS = {
    "E.164": "+244912345678",
    "grouped": "+244 912 345 678",
    "without plus": "244912345678",
    "without plus, grouped": "244 912 345 678",
    "international prefix": "00244912345678",
    "international prefix, grouped": "00 244 912 345 678",
    "national": "912345678",
    "national, grouped": "912 345 678",
    "brackets": "(912) 345-678",
    "country in brackets": "(+244) 912 345 678",
    "hyphens": "+244-912-345-678",
    "dots": "+244.912.345.678",
    "middle dots": "+244·912·345·678",
    "slashes": "912/345/678",
    "blank after the plus": "+ 244 912 345 678",
    "blanks around": "  +244912345678 ",
    "tab": "912\t345\t678",
    "newline after": "+244912345678\r\n",
    "full-width digits": in_digits_from("\uff10", "912345678"),
    "full-width, with plus": "\uff0b" + in_digits_from("\uff10", "244912345678"),
    "Arabic digits": in_digits_from("\u0660", "912345678"),
    "mathematical digits": in_digits_from("\U0001d7ce", "912345678"),
    "tel:": "tel:+244912345678",
    "tel: with hyphens": "tel:+244-912-345-678",
    "TEL:": "TEL:912345678",
    "sms:": "sms:+244912345678",
    "whatsapp:": "whatsapp:+244912345678",
    "whatsapp: without plus": "whatsapp:244912345678",
    "Whatsapp: and a blank": "Whatsapp: +244 912 345 678",
    "en dash": "912\u2013345\u2013678",
    "figure dash": "912\u2012345\u2012678",
    "no-break hyphen": "912\u2011345\u2011678",
    "minus sign": "912\u2212345\u2212678",
    "NO-BREAK SPACE": "+244\u00a0912\u00a0345\u00a0678",
    "narrow NO-BREAK SPACE": "+244\u202f912\u202f345\u202f678",
    "NO-BREAK SPACE before": "\u00a0912345678",
    "zero-width space": "\u200b912\u200b345\u200b678",
    "zero-width joiners": "912\u200c345\u200d678",
    "word joiner": "912\u2060345\u2060678",
    "byte order mark": "\ufeff+244912345678",
    "soft hyphens": "912\u00ad345\u00ad678",
    "marks of direction": "\u202a+244 912 345 678\u202c",
    "isolates of direction": "\u2066+244912345678\u2069",
    "mark of direction before a scheme": "\u200etel:912345678",
    "invisible accent": "912\u034f345\ufe0f678",
    "WhatsApp id": "244912345678@s.whatsapp.net",
    "WhatsApp id of old": "244912345678@c.us",
    "WhatsApp id of a device": "244912345678:3@s.whatsapp.net",
    "WhatsApp id of an agent's device": "244912345678.0:3@S.WhatsApp.Net",
    "trunk zero": "+244 (0) 912 345 678",
    "decimal": "912345678.0",
    "decimal with comma": "912345678,00",
    "decimal, without plus": "244912345678.00",
    "quoted": '"+244912345678"',
    "text of a spreadsheet": "'912345678",
    "with a name": "Ana Silva <+244912345678>",
    "with a comma behind": "+244912345678,",
    "a link of Slack": "<tel:+244912345678|+244 912 345 678>",
    "a link with a text": "sms:+244912345678?body=STOP",
}

# Every character that Unicode or Python holds for a blank.
BLANKS = [chr(point) for point in range(0x110000) if chr(point).isspace()]


EMAILS = {
    "as it is": "ana.silva@example.com",
    "capitals": "Ana.Silva@Example.COM",
    "blanks around": "\u00a0ana.silva@example.com\u2003\n",
    "zero-width space": "ana.\u200bsilva@example.com",
    "byte order mark": "\ufeffana.silva@example.com",
    "mark of direction": "ana.silva@example.com\u200e",
    "soft hyphen": "ana.silva@exam\u00adple.com",
    "link": "mailto:Ana.Silva@example.com",
    "link with a subject": "MAILTO:ana.silva@example.com?subject=STOP",
    "link with an escape": "mailto:ana%2Esilva@example.com",
    "angle brackets": "<ana.silva@example.com>",
    "name": "A. Silva <ana.silva@example.com>",
    "quoted name": '"Silva, Ana" <ana.silva@example.com>',
    "the address as name": '"ana.silva@example.com" <Ana.Silva@example.com>',
    "comment": "ana.silva@example.com (Ana Silva)",
    "a link of Slack": "<mailto:ana.silva@example.com|ana.silva@example.com>",
    "quotes": '"ana.silva@example.com"',
    "apostrophes": "'ana.silva@example.com'",
    "curly quotes": "\u201cana.silva@example.com\u201d",
    "full stop": "ana.silva@example.com.",
    "comma": "ana.silva@example.com, ",
    "semicolon": "ana.silva@example.com;",
    "full-width": "\uff41\uff4e\uff41\uff0e\uff53ilva\uff20example\uff0ecom",
    "ideographic full stop": "ana.silva@example\u3002com",
    "quoted local part": '"ana.silva"@example.com',
}


# What cannot be one address, and why. On a channel of phones as on one that is not known.
UNREADABLE = {
    "": AddressProblem.NO_ADDRESS,
    " \u200b": AddressProblem.NO_ADDRESS,
    "Ana": AddressProblem.NO_ADDRESS,
    "undefined": AddressProblem.NO_ADDRESS,
    "null": AddressProblem.NO_ADDRESS,
    "NULL": AddressProblem.NO_ADDRESS,
    "[object Object]": AddressProblem.NO_ADDRESS,
    "@ana912345678": AddressProblem.NO_ADDRESS,
    "ana912345678": AddressProblem.NO_ADDRESS,
    "0800FLORES": AddressProblem.NO_ADDRESS,
    "tel:ana": AddressProblem.NO_ADDRESS,
    "2.44912E+11": AddressProblem.NO_ADDRESS,
    "912345678\u00b2": AddressProblem.NO_ADDRESS,
    "()": AddressProblem.NO_ADDRESS,
    "12345": AddressProblem.IMPOSSIBLE_NUMBER,
    "91234567": AddressProblem.IMPOSSIBLE_NUMBER,
    "0912345678": AddressProblem.IMPOSSIBLE_NUMBER,
    "+911000005": AddressProblem.IMPOSSIBLE_NUMBER,
    "+2440912345678": AddressProblem.IMPOSSIBLE_NUMBER,
    "22507123456": AddressProblem.IMPOSSIBLE_NUMBER,
    "+999": AddressProblem.IMPOSSIBLE_NUMBER,
    "0" * 40: AddressProblem.IMPOSSIBLE_NUMBER,
    "9" * 1024: AddressProblem.IMPOSSIBLE_NUMBER,
    "1 " * 512: AddressProblem.IMPOSSIBLE_NUMBER,
    "912345678@c.us": AddressProblem.IMPOSSIBLE_NUMBER,
    "912345678/02": AddressProblem.MORE_BEHIND,
    "912345678-1": AddressProblem.MORE_BEHIND,
    "912345678 (2)": AddressProblem.MORE_BEHIND,
    "912345678 / 2 / 3": AddressProblem.MORE_BEHIND,
    "912345678 923000111": AddressProblem.MORE_BEHIND,
    "912345678\n923000111": AddressProblem.MORE_BEHIND,
    "+244912345678-1": AddressProblem.MORE_BEHIND,
    "+244912345678 ext. 5": AddressProblem.MORE_BEHIND,
    "tel:+244912345678;ext=5": AddressProblem.MORE_BEHIND,
    "912345678ana": AddressProblem.MORE_BEHIND,
    "912345678x2": AddressProblem.MORE_BEHIND,
    "912345678,923000111": AddressProblem.SEVERAL,
    "912345678; 912345679": AddressProblem.SEVERAL,
    "+244912345678+244912345679": AddressProblem.SEVERAL,
    "912345678 ou 923000111": AddressProblem.SEVERAL,
    "a@example.com, b@example.com": AddressProblem.SEVERAL,
    "a@example.com;b@example.com": AddressProblem.SEVERAL,
    "b@example.com <a@example.com>": AddressProblem.SEVERAL,
    "912345678 <a@example.com>": AddressProblem.SEVERAL,
    "+24491*****78": AddressProblem.HIDDEN,
    "*****5678": AddressProblem.HIDDEN,
    "+24491\u2022\u2022\u2022\u2022\u202278": AddressProblem.HIDDEN,
    "+24491XXXXX78": AddressProblem.HIDDEN,
    "+24491...78": AddressProblem.HIDDEN,
    "a***@example.com": AddressProblem.HIDDEN,
    "9123456.78": AddressProblem.DECIMAL,
    "912345678.5": AddressProblem.DECIMAL,
    "912 345 678,50": AddressProblem.DECIMAL,
    "123456789012345@lid": AddressProblem.ID_WITHOUT_NUMBER,
    "244912345678-1623456789@g.us": AddressProblem.ID_WITHOUT_NUMBER,
    "status@broadcast": AddressProblem.ID_WITHOUT_NUMBER,
    "\0+244912345678": AddressProblem.UNSTORABLE,
    "\ud800@example.com": AddressProblem.UNSTORABLE,
    "\u00fc@" + "b" * 1024: AddressProblem.UNSTORABLE,
    "\u3300" * 300 + "@example.com": AddressProblem.UNSTORABLE,
}
