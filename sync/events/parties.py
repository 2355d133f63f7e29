"""Whom a message is about: its recipient, its sender, and of an opt-out the persons who have opted out. Pure."""

from msgspec import Struct

from sync.events.addresses import can_be_person, is_placeholder, is_sender_name, sender_text, texts_of


class Parties(Struct, frozen=True, gc=False):
    """Whom an event is about, in the words of MessageDetails."""

    recipient: str | None
    sender: str | None
    addresses: tuple[str, ...]
    is_recipient_named: bool
    scope_sender: str | None = None


def opted_out_parties(channel: str, recipient: str | None, sender: str | None, region: str) -> Parties:
    """Return who has opted out, of whom.

    Many providers turn `to` and `from` round in a STOP, so each that can be a person's is taken for one. A sender that
    is a number is opted out too, which harms nobody. Only beside a `to` that is the name of a sender is `from` surely
    the recipient. What cannot be a person's is the sender that the opt-out holds for.
    """
    of_recipient, of_sender = (_persons(channel, text, region) for text in (recipient, sender))
    if recipient and not of_recipient and not of_sender and channel == "slack":  # there anything may be an id
        of_recipient = texts_of(channel, recipient, region)
    is_name = recipient is not None and not of_recipient and is_sender_name(recipient, region)
    is_reversed = is_name and bool(of_sender)
    kept_sender = _sender_as_kept(sender, region)
    name = None if of_sender or not sender or is_placeholder(sender) else kept_sender
    if name is None and is_name:
        name = _sender_as_kept(recipient, region)
    surely = of_recipient or (of_sender if is_reversed else ())
    return Parties(
        recipient=surely[0] if surely else None,
        sender=name if is_reversed or (sender and is_placeholder(sender)) else kept_sender,
        addresses=tuple(dict.fromkeys((*of_recipient, *of_sender))),
        is_recipient_named=bool(surely),
        scope_sender=name,
    )


def _persons(channel: str, text: str | None, region: str) -> tuple[str, ...]:
    return texts_of(channel, text, region) if text and can_be_person(channel, text, region) else ()


def _sender_as_kept(sender: str | None, region: str) -> str | None:
    return sender_text(sender, region) or None if sender else None
