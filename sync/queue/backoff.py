"""The pause between tries while a store is away: each is twice the one before, up to a bound."""


class Backoff:
    """Gives `next_seconds` after each failure. Owned by the loop that pauses; sleeps nowhere."""

    def __init__(self, *, least_seconds: float = 0.5, most_seconds: float = 30.0) -> None:
        self.least_seconds = least_seconds
        self.most_seconds = most_seconds
        self._next = least_seconds

    def next_seconds(self) -> float:
        """Return how long to pause now."""
        pause, self._next = self._next, min(self._next * 2, self.most_seconds)
        return pause

    def reset(self) -> None:
        """Begin anew with the shortest pause: the store answered."""
        self._next = self.least_seconds
