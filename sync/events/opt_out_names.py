"""Which names of events look like an opt-out, though no version knows them. Pure.

The provider documents one name. If it, or another program, tells of opt-outs by another, people should hear of it.
"""

from sync.events.raw import letters_of
from sync.events.written_text import visible

_PARTS = (
    *(b"optout", b"optedout", b"optingout", b"optsout", b"unsubscri", b"unsuscri", b"donotcontact", b"donotsend"),
    *(b"complain", b"spam", b"suppress", b"blocklist", b"blacklist", b"revok"),
)


def looks_like_opt_out(name: str) -> bool:
    """Return whether an event of this name may say that somebody does not want to be messaged."""
    letters = letters_of(visible(name).encode("utf-8", "replace"))
    if any(part in letters for part in _PARTS):
        return True
    # A campaign that is stopped is no person who says STOP.
    return b"stop" in letters and not letters.startswith(b"campaign")
