"""What became of a batch, in numbers. Pure."""

from dataclasses import dataclass, field, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What became of a batch, in events: `received` = `applied` + `ignored` + `unchanged` + `dead`."""

    received: int = 0
    applied: int = 0  # bodies new to the ledger
    ignored: int = 0  # likewise, of a type this version does not know
    unchanged: int = 0  # copies of bodies that it has
    dead: int = 0  # dead letters
    body_bytes: int = field(default=0, compare=False)
    conflicts: int = field(default=0, compare=False)  # messages of which two different final statuses are now known
    late: int = field(default=0, compare=False)  # bodies of messages that a greater one was known of before
    # When each was received, in epoch seconds; those of probes and test events stand apart, for they are no traffic.
    receipts: tuple[float, ...] = field(default=(), compare=False, repr=False)
    rehearsals: tuple[float, ...] = field(default=(), compare=False, repr=False)
    tests: tuple[float, ...] = field(default=(), compare=False, repr=False)  # those of test events, once more
    # Of copies that were received soon after the first one, how much later, in seconds.
    quick_copies: tuple[float, ...] = field(default=(), compare=False, repr=False)

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(**{name: getattr(self, name) + getattr(other, name) for name in _TALLIED})

    def logged(self) -> dict[str, int]:
        """Return what a log says of it."""
        return {name: getattr(self, name) for name in _LOGGED}


_TALLIED = tuple(field.name for field in fields(Tally))
_LOGGED = ("received", "applied", "ignored", "unchanged", "dead", "body_bytes", "conflicts", "late")
