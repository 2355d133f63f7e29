"""Conditions in the very words of the partial indexes: with parameters in them no database would use these indexes."""

from sqlalchemy import text

HAS_ENDED = text("message_status.status IN ('delivered', 'failed', 'undeliverable')")
HAS_FAILED = text("message_status.status IN ('failed', 'undeliverable')")
IS_IGNORED = text("events.outcome = 'ignored'")
