"""Everything after the acknowledgement: the queue, the worker, parsing, merging and the commands."""

__version__ = "0.1.0"
