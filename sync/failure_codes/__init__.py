"""Finds failures that look like opt-outs, and proposes them for ZEXA_OPT_OUT_FAILURES. It opts nobody out."""

from sync.failure_codes.chore import FailureCodesChore

__all__ = ["FailureCodesChore"]
