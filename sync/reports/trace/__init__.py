"""Everything known of one message: gathered from the tables, explained by the rule of merging, laid out as text."""

from sync.reports.trace.gather import status_reasons

__all__ = ["status_reasons"]
