"""How far a server's clock is from ours. Pure."""

from collections.abc import Sequence


def clock_offset(before: float, server: float, after: float) -> float:
    """Return by how many seconds a server's time is ahead of ours, negative if it is behind.

    It is 0 if the server's time lies between `before` and `after` the question, in epoch seconds of this process.
    However slow the answer is, nothing more can be said.
    """
    return min(0.0, server - before) + max(0.0, server - after)


def epoch_of(redis_time: Sequence[int]) -> float:
    """Return what Redis answers to TIME as epoch seconds."""
    seconds, microseconds = redis_time
    return int(seconds) + int(microseconds) / 1_000_000
