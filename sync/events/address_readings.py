"""What reading an address yields: whose it is, or why nobody can tell. Pure."""

from enum import StrEnum
from typing import NamedTuple


class Address(NamedTuple):
    """One address of one person: `text` as the tables keep it, `person` the same for every spelling of the person."""

    text: str
    person: str


class AddressProblem(StrEnum):
    """Why no message can go to what was given; the text fits a column of any CSV file, and quotes nothing."""

    NO_ADDRESS = "no address"  # blank, a placeholder such as `null`, or neither number, e-mail address nor id
    IMPOSSIBLE_NUMBER = "no telephone number has this country code and length"
    MORE_BEHIND = "an extension or a second number"  # a number is complete before all of the digits are read
    SEVERAL = "two addresses"
    HIDDEN = "hidden characters"  # masked, such as `+24491*****02`
    DECIMAL = "a decimal number"  # a spreadsheet calculated with it, such as `9110000.01`
    ID_WITHOUT_NUMBER = "a WhatsApp id without a number"  # `…@lid`, a group, a broadcast
    OTHER_CHANNEL = "an address of another channel"
    UNSTORABLE = "too long or no text"


class AddressReading(NamedTuple):
    """Whose address a text is: `addresses` of nobody, of one person, or of the two it may be.

    `problem` is None if messages can go there. OTHER_CHANNEL has its address all the same, such as an e-mail address
    under `sms`: an opt-out of the person holds, but nothing can be sent. So may DECIMAL: `911000001.0` is probably that
    number. With every other problem there is no address.
    """

    addresses: tuple[Address, ...]
    problem: AddressProblem | None
