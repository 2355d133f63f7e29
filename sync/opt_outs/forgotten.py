"""Who was forgotten, for what people and files state: the tables keep pseudonyms, and no text that names one of them.

It is asked before anything else in a transaction.
"""

from sqlalchemy import Connection

from sync.events.addresses import Address
from sync.events.forget_keys import ForgetKey
from sync.events.forgotten import ForgottenPeople
from sync.events.interpretation import ParseOptions
from sync.store.forgotten import forgotten_people


def forgotten_by(connection: Connection, forget_keys: tuple[ForgetKey, ...]) -> ForgottenPeople | None:
    """Return who was forgotten, None if nobody was. Raises ForgetKeyMissing."""
    # No region: whether a text names somebody is a matter of its digits and of e-mail addresses.
    return forgotten_people(connection, ParseOptions(default_region="", forget_keys=forget_keys))


def kept_of(addresses: list[Address], people: ForgottenPeople | None) -> list[Address]:
    """Return the addresses as the tables keep them, each with its person.

    What a forgotten person's number would be as an id of Slack's stands for the person too.
    """
    if people is None:
        return addresses
    kept_texts = [(address, people.kept_address(address.text)) for address in addresses]
    return [address if text == address.text else Address(text, text) for address, text in kept_texts]
