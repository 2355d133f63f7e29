"""Addresses on pages: in full for operators, masked for viewers, wherever they stand."""

from receiver.console.session import may_see_addresses
from sync.terminal.masking import masked_address, masked_text
from sync.terminal.text import visible


def shown_address(address: str | None) -> str:
    """Return an address as the person who is signed in may see it; a dash for none."""
    if not address:
        return "—"
    return visible(address if may_see_addresses() else masked_address(address))


def shown_text(text: str | None) -> str:
    """Return a free text likewise: it may name a number or an e-mail address."""
    if not text:
        return "—"
    return visible(text if may_see_addresses() else masked_text(text))
