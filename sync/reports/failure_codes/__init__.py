"""Finds failures that look like opt-outs, and proposes them for ZEXA_OPT_OUT_FAILURES. It opts nobody out."""

from sync.reports.failure_codes.chore import FailureCodesChore
from sync.reports.failure_codes.store import latest_count

__all__ = ["FailureCodesChore", "latest_count"]
