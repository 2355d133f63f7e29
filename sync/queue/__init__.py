"""The hand-off: the one room that knows RQ's producer side."""
